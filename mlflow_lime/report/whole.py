"""Outcomes of large reference sets in one Parquet file, written and read block by block."""

import json
import shutil
import weakref
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.core.packed import join, split
from mlflow_lime.core.stored import StoredExplanations, StoredOutcomes, blocks
from mlflow_lime.errors import DataError
from mlflow_lime.report.tables import explanations_frame

__all__ = ["read_whole", "write_frames", "write_whole"]

BLOCK = 512
"""Instances of a row group, at most."""
_BLOCK_BYTES = 2**24
"""Bytes of a row group above which the next one begins: texts and images are large."""

_SCHEMA = pa.schema(
    [
        pa.field("key", pa.binary(), nullable=False),
        pa.field("rest", pa.binary(), nullable=False),
        pa.field("numbers", pa.binary()),
    ]
)
"""One row an instance: its key, what is no number as JSON, and its numbers; none of a failure."""

Row = tuple[bytes, bytes, bytes | None]


def write_whole(
    explanations: Iterable[Explanation], failed: Iterable[FailedExplanation], path: Path
) -> None:
    """Write outcomes without loss; `read_whole` reads them back.

    Parameters
    ----------
    explanations, failed : iterables
        Looked at once, one block after the other.
    path : Path
    """
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd", use_dictionary=False) as writer:
        for rows in _row_groups(_rows(explanations, failed)):
            columns = [
                pa.array(column, type=field.type)
                for column, field in zip(zip(*rows, strict=True), _SCHEMA, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=_SCHEMA))


def write_frames(explanations: Iterable[Explanation], path: Path) -> None:
    """Write one row for an instance, label and part, as `explanations_frame` makes them.

    Parameters
    ----------
    explanations : iterable of Explanation
        Looked at once, one block after the other.
    path : Path
    """
    frames = (explanations_frame(block) for block in blocks(explanations, BLOCK))
    first = _table(next(frames, explanations_frame([])))
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for frame in frames:
            writer.write_table(_table(frame))


def _table(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False)


def _rows(
    explanations: Iterable[Explanation], failed: Iterable[FailedExplanation]
) -> Iterator[Row]:
    for item in explanations:
        yield (_bytes(item.key), *split(item))
    for failure in failed:
        reason = json.dumps([failure.reason, failure.kind], ensure_ascii=False)
        yield _bytes(failure.key), _bytes(reason), None


def _row_groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    group: list[Row] = []
    size = 0
    for row in rows:
        group.append(row)
        size += sum(len(cell) for cell in row if cell is not None)
        if len(group) == BLOCK or size >= _BLOCK_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def read_whole(path: Path, *, remove: Path | None = None) -> StoredOutcomes:
    """Return the outcomes that `write_whole` wrote, to be read when they are looked at.

    Parameters
    ----------
    path : Path
        The file must stay where it is as long as they are looked at.
    remove : Path, optional
        A folder that is deleted as soon as nobody can look at them any more.

    Raises
    ------
    DataError
        If the file is no such file.
    """
    source = _Source(path)
    keys, failed = source.listed()
    if remove is not None:
        weakref.finalize(source, shutil.rmtree, remove, ignore_errors=True)
    explanations = StoredExplanations(source.read, range(len(keys)), keys)
    return StoredOutcomes(explanations, tuple(failed))


class _Source:
    """A Parquet file of outcomes, and where its row groups begin."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with pq.ParquetFile(path) as file:
                described = file.metadata
                sizes = [described.row_group(i).num_rows for i in range(described.num_row_groups)]
                known = file.schema_arrow.names == _SCHEMA.names
        except (OSError, pa.ArrowException) as error:
            raise _damaged() from error
        if not known:
            raise _damaged()
        self._starts = [0, *accumulate(sizes)]

    def listed(self) -> tuple[list[str], list[FailedExplanation]]:
        """Return the keys of the explanations, which come first, and the failures."""
        keys: list[str] = []
        failed: list[FailedExplanation] = []
        with pq.ParquetFile(self._path) as file:
            for group in range(file.num_row_groups):
                columns = ["key", "rest", "numbers"]
                statistics = file.metadata.row_group(group).column(2).statistics
                whole = statistics is not None and statistics.null_count == 0
                table = file.read_row_group(group, columns[:1] if whole else columns)
                names = [_text(key) for key in table["key"].to_pylist()]
                if whole:
                    keys += names
                    continue
                for name, rest, numbers in zip(
                    names, table["rest"].to_pylist(), table["numbers"].to_pylist(), strict=True
                ):
                    if numbers is None:
                        failed.append(FailedExplanation(name, *_failure(rest)))
                    else:
                        keys.append(name)
        return keys, failed

    def read(self, places: Sequence[int]) -> Iterator[Explanation]:
        """Yield the explanations at some places; fast where these ascend."""
        rows: list[tuple[bytes, bytes, bytes]] = []
        current = -1
        with pq.ParquetFile(self._path) as file:
            for place in places:
                group = bisect_right(self._starts, place) - 1
                if group != current:
                    table, current = file.read_row_group(group), group
                    columns = (table[name].to_pylist() for name in _SCHEMA.names)
                    rows = list(zip(*columns, strict=True))
                key, rest, numbers = rows[place - self._starts[group]]
                yield join(_text(key), rest, numbers)


def _failure(rest: bytes) -> tuple[str, str]:
    try:
        reason, kind = json.loads(_text(rest))
    except (ValueError, TypeError) as error:
        raise _damaged() from error
    return str(reason), str(kind)


def _damaged() -> DataError:
    return DataError(
        "the file of all explanations is damaged, or a newer release wrote it; explain the "
        "version again"
    )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogatepass")
