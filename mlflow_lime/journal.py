"""Finished explanations on disk, as they come, so that an interrupted job goes on."""

import os
import threading
import weakref
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.explain import Outcome
from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.core.packed import name_of, pack, unpack
from mlflow_lime.core.stored import StoredExplanations, StoredOutcomes
from mlflow_lime.errors import ConfigError, DataError

__all__ = ["Journal"]


class Journal:
    """One file of finished explanations, a line each, safe against a kill at any moment.

    Parameters
    ----------
    path : Path
        The file; its folder is made where it is missing.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> with Journal(Path(folder.name) / "job.jsonl") as journal:
    ...     journal.add(FailedExplanation("00 #a1b2c3", "the model raised", "ModelError"))
    >>> [outcome.key for outcome in Journal(Path(folder.name) / "job.jsonl").read()]
    ['00 #a1b2c3']
    >>> folder.cleanup()
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def read(self) -> Iterator[Outcome]:
        """Yield what was written, line by line; one that a kill cut short is left out."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for line in file:
                try:
                    yield unpack(line.rstrip(b"\n"))
                except DataError:
                    continue

    def add(self, outcome: Outcome) -> None:
        """Write one outcome, and wait until it is on the disk.

        Raises
        ------
        ConfigError
            If the folder cannot be written.
        """
        self.add_packed([pack(outcome)])

    def add_packed(self, lines: Sequence[bytes]) -> None:
        """Write outcomes as `mlflow_lime.core.packed.pack` makes them, and wait for the disk once.

        Raises
        ------
        ConfigError
            If the folder cannot be written.
        """
        if not lines:
            return
        file = self._opened()
        # Lines of their own even after one that was cut short.
        file.write(b"\n" + b"\n".join(lines))
        file.flush()
        os.fsync(file.fileno())

    def stored(self, keys: Sequence[str]) -> StoredOutcomes:
        """Return what was written of some instances, to be read when it is looked at.

        The file is read once, for where each outcome lies; of several of one instance, the last
        explanation counts, or else the last failure. What is returned stays readable after
        `discard`, and does not see what is added later.

        Parameters
        ----------
        keys : sequence of str
            Instances, in the order wanted; no key twice. Others are left out.
        """
        if not self.path.exists():
            return StoredOutcomes(StoredExplanations(lambda _: iter(()), (), ()), ())
        source = _Source(self.path)
        starts, explained = source.index(keys)
        found = np.flatnonzero(explained)
        failures = np.flatnonzero(~explained & (starts >= 0))
        explanations = StoredExplanations(
            source.explanations, array("q", starts[found]), [keys[i] for i in found.tolist()]
        )
        return StoredOutcomes(explanations, tuple(source.failures(array("q", starts[failures]))))

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                # For the user alone: it may hold values of the data.
                self.path.touch(mode=0o600)
                self._file = self.path.open("ab")
            except OSError as error:
                msg = (
                    f"finished explanations cannot be kept in {self.path.parent}: "
                    f"{error.strerror}; set MLFLOW_LIME_HOME to a folder that can be written"
                )
                raise ConfigError(msg) from error
        return self._file

    def discard(self) -> None:
        """Delete the file: the job is logged."""
        self.close()
        with suppress(PermissionError):  # Windows keeps a file that is still read
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; it can be read and extended later."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Source:
    """A file of outcomes that stays open as long as somebody may look at them."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._lock = threading.Lock()
        weakref.finalize(self, self._file.close)

    def index(self, keys: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return where the outcome of each key starts, -1 for none, and which are explanations."""
        places = {key: i for i, key in enumerate(keys)}
        starts = np.full(len(keys), -1, dtype=np.int64)
        explained = np.zeros(len(keys), dtype=np.bool_)
        end = 0
        for line in self._file:
            start, end = end, end + len(line)
            try:
                key, good = name_of(line.rstrip(b"\n"))
            except DataError:
                continue
            place = places.get(key)
            if place is not None and good >= explained[place]:
                starts[place], explained[place] = start, good
        return starts, explained

    def explanations(self, starts: Sequence[int]) -> Iterator[Explanation]:
        """Yield the explanations that start at some places."""
        for outcome in self._read(starts):
            if isinstance(outcome, Explanation):
                yield outcome

    def failures(self, starts: Sequence[int]) -> Iterator[FailedExplanation]:
        """Yield the failures that start at some places."""
        for outcome in self._read(starts):
            if isinstance(outcome, FailedExplanation):
                yield outcome

    def _read(self, starts: Sequence[int]) -> Iterator[Outcome]:
        for start in starts:
            with self._lock:
                self._file.seek(start)
                line = self._file.readline()
            yield unpack(line.rstrip(b"\n"))
