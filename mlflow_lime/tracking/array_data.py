"""Instances that come as arrays: images, sequences, or the rows of a matrix."""

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlflow_lime.core.tabular.columns import with_columns
from mlflow_lime.errors import DataError, shorten
from mlflow_lime.tracking.sampled_rows import choose_rows

__all__ = [
    "IMAGE_COLUMN",
    "array_file_rows",
    "dense_cells",
    "frame_of_array",
    "listed_cells",
    "write_arrays",
]

IMAGE_COLUMN = "image"
"""Name of the column that holds the images of an array."""

MOST_BYTES = 256 * 2**20
"""Bytes of instances that are kept of a file, and that are written."""


def frame_of_array(array: NDArray[Any]) -> tuple[pd.DataFrame, bool]:
    """Return an array as a data frame, and whether it holds images or sequences.

    Parameters
    ----------
    array : ndarray, shape (n,), (n, n_columns), (n, time, features), or (n, height, width, ...)

    Returns
    -------
    frame : DataFrame
        Columns ``x0``, ``x1``, ..., or one column ``image`` of arrays.
    images : bool
    """
    if array.ndim > 2:
        cells = np.empty(len(array), dtype=object)
        for i, image in enumerate(array):
            cells[i] = image
        return pd.DataFrame({IMAGE_COLUMN: cells}), True
    if array.ndim == 1:
        name = "text" if array.dtype.kind in "OUS" else "x0"
        return pd.DataFrame({name: array}), False
    return pd.DataFrame(array, columns=[f"x{i}" for i in range(array.shape[1])]), False


def dense_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose nested lists, as Parquet gives arrays back, are arrays again.

    Cells that are no arrays, such as rows of several lengths, stay as they are.

    Examples
    --------
    >>> rows = np.empty(2, dtype=object)
    >>> rows[:] = [np.array([1, 2]), np.array([3, 4])]
    >>> dense_cells(pd.DataFrame({"image": [rows, None]}))["image"][0].shape
    (2, 2)
    """
    nested = {
        column: pd.Series([_dense(cell) for cell in values], frame.index, dtype=object)
        for column, values in frame.items()
        if values.dtype == object and any(_is_nested(cell) for cell in values.head(8))
    }
    return with_columns(frame, nested)


def listed_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose arrays of several dimensions are lists of rows, as Parquet wants."""
    listed = {
        column: pd.Series([_listed(cell) for cell in values], frame.index, dtype=object)
        for column, values in frame.items()
        if values.dtype == object
        and any(isinstance(cell, np.ndarray) and cell.ndim > 1 for cell in values)
    }
    return with_columns(frame, listed)


def _listed(cell: Any) -> Any:
    if not isinstance(cell, np.ndarray) or cell.ndim < 2:
        return cell
    return [_listed(row) for row in cell]


def _is_nested(cell: Any) -> bool:
    """Return whether a cell is a list of lists."""
    if isinstance(cell, np.ndarray) and (cell.ndim != 1 or cell.dtype != object):
        return False
    kinds = (list, np.ndarray)
    return isinstance(cell, kinds) and len(cell) > 0 and isinstance(cell[0], kinds)


def _dense(cell: Any) -> Any:
    if not _is_nested(cell):
        return cell
    try:
        return np.stack([np.asarray(_dense(row)) for row in cell])
    except ValueError:
        return cell


def array_file_rows(path: Path, most: int, seed: int) -> tuple[pd.DataFrame, int, bool]:
    """Return instances of an .npy or .npz file, how many it has, and whether they are images.

    Parameters
    ----------
    path : Path
        An array, or several: the one with most dimensions holds the instances, others of the same
        length and of one dimension become columns under their own names.
    most : int
        Instances to keep at most.
    seed : int
        Seed of their choice.

    Raises
    ------
    DataError
        If the file holds no array of instances, or Python objects.
    """
    try:
        arrays = _arrays(path)
    except (ValueError, OSError, EOFError, BadZipFile) as error:
        msg = (
            f"{path.name} cannot be read as arrays of numbers or text ({type(error).__name__}); "
            "write it with np.savez(path, image=images, label=labels)"
        )
        raise DataError(msg) from None
    arrays = {name: array for name, array in arrays.items() if array.ndim > 0}
    if not arrays:
        msg = f"{path.name} holds no array of instances"
        raise DataError(msg)
    main = max(arrays, key=lambda name: arrays[name].ndim)
    total = len(arrays[main])
    rows = _chosen(arrays[main], most, seed)
    frame, images = frame_of_array(arrays[main][rows])
    others = {name: array for name, array in arrays.items() if name != main}
    odd = [name for name, array in others.items() if array.shape != (total,)]
    if odd:
        msg = (
            f"{path.name}: array {odd[0]!r} has shape {others[odd[0]].shape}, expected ({total},) "
            f"as {main!r} has instances; leave out {shorten(odd)}"
        )
        raise DataError(msg)
    columns = {name: array[rows] for name, array in others.items()}
    return frame.assign(**columns).set_index(pd.Index(rows)), total, images


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    if path.suffix.lower() == ".npy":
        return {"array": np.load(path, mmap_mode="r", allow_pickle=False)}
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive}


def write_arrays(path: Path, array: NDArray[Any], most: int, seed: int) -> None:
    """Write some of the instances of an array, chosen evenly at random."""
    np.savez_compressed(path, image=array[_chosen(array, most, seed)])


def _chosen(array: NDArray[Any], most: int, seed: int) -> NDArray[np.intp]:
    """Return the rows of an array to keep, at most so many, within `MOST_BYTES`."""
    row_bytes = max(1, array.nbytes // max(1, len(array)))
    return choose_rows(len(array), min(most, max(1, MOST_BYTES // row_bytes)), seed)
