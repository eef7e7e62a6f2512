"""Finished explanations on disk, as they come, so that an interrupted job goes on."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from mlflow_lime.core.explain import Outcome
from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.errors import ConfigError

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
        """Yield what was written; a last line that a kill cut short is left out."""
        if not self.path.exists():
            return
        for line in self.path.read_bytes().split(b"\n"):
            try:
                entry = json.loads(line)
                if "failed" in entry:
                    yield FailedExplanation(**entry["failed"])
                else:
                    yield Explanation.from_dict(entry["explained"])
            except (ValueError, KeyError, TypeError):
                continue

    def add(self, outcome: Outcome) -> None:
        """Write one outcome, and wait until it is on the disk.

        Raises
        ------
        ConfigError
            If the folder cannot be written.
        """
        if isinstance(outcome, FailedExplanation):
            failed = {"key": outcome.key, "reason": outcome.reason, "kind": outcome.kind}
            entry: dict[str, object] = {"failed": failed}
        else:
            entry = {"explained": outcome.to_dict()}
        file = self._opened()
        # A line of its own even after one that was cut short.
        file.write(b"\n" + json.dumps(entry).encode())
        file.flush()
        os.fsync(file.fileno())

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
