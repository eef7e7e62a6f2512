"""Rows of a table, however large it is: a sample that depends on the seed and on nothing else.

A frame, a CSV file, and a Parquet file of the same rows give the same sample.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
from numpy.typing import NDArray

__all__ = ["choose_rows", "csv_rows", "parquet_rows"]

CHUNK_ROWS = 50_000


def choose_rows(total: int, most: int, seed: int) -> NDArray[np.intp]:
    """Return the rows to keep, in their order: those with the smallest random keys."""
    if total <= most:
        return np.arange(total)
    keys = np.random.default_rng(seed).random(total)
    return np.sort(np.argpartition(keys, most)[:most])


def csv_rows(path: Path, separator: str, most: int, seed: int) -> tuple[pd.DataFrame, int]:
    """Return rows of a CSV file, and how many it has.

    It is read in pieces, and of each piece the rows are kept whose random keys are still smallest.
    """
    random = np.random.default_rng(seed)
    kept: list[pd.DataFrame] = []
    keys = np.empty(0)
    total = 0
    with pd.read_csv(path, sep=separator, chunksize=CHUNK_ROWS, low_memory=False) as pieces:
        for piece in pieces:
            total += len(piece)
            kept.append(piece)
            keys = np.concatenate([keys, random.random(len(piece))])
            if len(keys) > most + 4 * CHUNK_ROWS:
                kept, keys = _smallest(kept, keys, most)
    kept, _ = _smallest(kept, keys, most)
    return kept[0], total


def _smallest(
    pieces: list[pd.DataFrame], keys: NDArray[np.float64], most: int
) -> tuple[list[pd.DataFrame], NDArray[np.float64]]:
    frame = pd.concat(pieces) if len(pieces) > 1 else pieces[0]
    if len(frame) > most:
        chosen = np.sort(np.argpartition(keys, most)[:most])
        frame, keys = frame.iloc[chosen], keys[chosen]
    return [frame], keys


def parquet_rows(path: Path, most: int, seed: int) -> tuple[pd.DataFrame, int]:
    """Return rows of a Parquet file or folder, read in pieces, and how many it has."""
    dataset = pa.dataset.dataset(path, format="parquet")
    total = dataset.count_rows()
    chosen = choose_rows(total, most, seed)
    pieces: list[pa.RecordBatch] = []
    start = 0
    for batch in dataset.to_batches(batch_size=CHUNK_ROWS):
        first, last = np.searchsorted(chosen, [start, start + len(batch)])
        if last > first:
            pieces.append(batch.take(pa.array(chosen[first:last] - start)))
        start += len(batch)
    table = pa.Table.from_batches(pieces, schema=dataset.schema)
    frame = table.to_pandas()
    if len(frame) < total and isinstance(frame.index, pd.RangeIndex):
        frame.index = pd.Index(chosen)
    return frame, total
