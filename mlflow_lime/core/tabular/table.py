"""Rows of a table: read from the user's frame, put together again for the model."""

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlflow_lime.core.blocks import LEVELS
from mlflow_lime.core.tabular.background import Background, BackgroundPart
from mlflow_lime.core.tabular.columns import (
    ColumnKind,
    as_series,
    column_array,
    column_kind,
    conform,
    format_value,
)
from mlflow_lime.core.tabular.groups import SEPARATORS
from mlflow_lime.errors import DataError, did_you_mean, shorten

__all__ = ["Row", "Table", "require_columns", "row_digest"]

EXACT_INTEGER = 2**53


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One instance of a table.

    Attributes
    ----------
    values : dict of Hashable to array, each shape (1,)
        Value of each column, with its type.
    numbers : ndarray of float64, shape (n_columns,), or None
        The values as numbers, where the whole table is numeric.
    codes : ndarray of int64, shape (n_parts,)
        Position of the value among each part's background values; -1 where it does not occur.
    """

    values: dict[Hashable, Any]
    numbers: NDArray[np.float64] | None
    codes: NDArray[np.int64]


class Table:
    """The columns of a background, and how rows of them are read and written.

    Parameters
    ----------
    background : Background
        What the parts are.
    as_array : bool, default False
        Whether the model reads arrays of floats instead of data frames.
    """

    def __init__(self, background: Background, *, as_array: bool = False) -> None:
        self.background = background
        self.as_array = as_array
        self.columns = background.columns
        self.parts = background.parts
        owner = {column: j for j, part in enumerate(self.parts) for column in part.columns}
        self.part_of_column = np.array([owner[column] for column in self.columns], dtype=np.intp)
        self.values: dict[Hashable, Any] = {
            column: part.values[i] for part in self.parts for i, column in enumerate(part.columns)
        }
        self.dtypes = {column: self.values[column].dtype for column in self.columns}
        self.numeric = all(_is_plain_number(self.values[column]) for column in self.columns)

    @cached_property
    def levels(self) -> NDArray[np.float64]:
        """Value of each column at each level, as numbers, shape (n_columns, LEVELS)."""
        table = np.empty((len(self.columns), LEVELS))
        for i, column in enumerate(self.columns):
            part = self.parts[self.part_of_column[i]]
            table[i] = np.asarray(self.values[column], dtype=np.float64)[part.codes]
        return table

    # Reading

    def read(self, instances: Any) -> list[Row]:
        """Return the instances as rows.

        Parameters
        ----------
        instances : DataFrame, Series, or array_like, shape (n_instances, n_columns)

        Raises
        ------
        DataError
            If there are no instances, a column is missing, or a column holds values of another
            kind than the background's.
        """
        frame = self.align(instances)
        arrays = self._arrays(frame)
        numbers = None
        if self.numeric and all(_is_plain_number(array) for array in arrays.values()):
            numbers = np.column_stack([np.asarray(a, dtype=np.float64) for a in arrays.values()])
        codes = np.column_stack([self._codes(j, arrays) for j in range(len(self.parts))])
        values = {column: conform(arrays[column], self.values[column]) for column in self.columns}
        return [
            Row(
                values={column: values[column][i] for column in self.columns},
                numbers=None if numbers is None else numbers[i],
                codes=codes[i],
            )
            for i in range(len(frame))
        ]

    def _arrays(self, frame: pd.DataFrame) -> dict[Hashable, Any]:
        kinds = set(frame.dtypes)
        if len(kinds) == 1 and isinstance(kinds.pop(), np.dtype):  # much faster than one by one
            return dict(zip(self.columns, frame.to_numpy().T, strict=True))
        return {column: column_array(frame[column]) for column in self.columns}

    def align(self, instances: Any) -> pd.DataFrame:
        """Return the instances as a frame with the background's columns, checked."""
        frame = self._as_frame(instances)
        if len(frame) == 0:
            msg = "there are no instances to explain; give at least one row"
            raise DataError(msg)
        if not frame.columns.is_unique:
            doubled = sorted({str(name) for name in frame.columns[frame.columns.duplicated()]})
            msg = f"the instances have duplicate column names: {shorten(doubled)}; rename them"
            raise DataError(msg)
        if not frame.columns.equals(self._index):
            frame = self._reordered(frame)
        for column, dtype in zip(self.columns, frame.dtypes, strict=True):
            if dtype != self.dtypes[column] or dtype == np.dtype(object):
                self._check_kind(column, frame[column])
        return frame

    @cached_property
    def _index(self) -> pd.Index:
        return pd.Index(self.columns)

    def _reordered(self, frame: pd.DataFrame) -> pd.DataFrame:
        require_columns(frame, self.columns)
        extra = [column for column in frame.columns if column not in set(self.columns)]
        if extra:
            msg = (
                "the instances have columns that the background lacks: "
                f"{shorten(extra)}; drop them, or describe the background with them"
            )
            raise DataError(msg)
        return frame.loc[:, list(self.columns)]

    def _as_frame(self, instances: Any) -> pd.DataFrame:
        if isinstance(instances, pd.DataFrame):
            return instances
        if isinstance(instances, pd.Series):
            return instances.to_frame().T.infer_objects()
        array = np.atleast_2d(np.asarray(instances))
        if array.ndim != 2 or array.shape[1] != len(self.columns):
            msg = (
                f"the instances have shape {array.shape}, expected (rows, {len(self.columns)}) as "
                "in the background"
            )
            raise DataError(msg)
        return pd.DataFrame(array, columns=self._index)

    def _check_kind(self, column: Hashable, series: pd.Series) -> None:
        known = as_series(self.values[column], column)
        if series.isna().all() or known.isna().all():
            return
        expected, got = column_kind(known), column_kind(series)
        if pd.api.types.infer_dtype(known, skipna=True).startswith("mixed"):
            return
        if isinstance(known.dtype, pd.CategoricalDtype) and got is not expected:
            expected = column_kind(known.dtype.categories.to_series())
        numeric_codes = {expected, got} <= {ColumnKind.NUMERIC, ColumnKind.CATEGORY} and (
            pd.api.types.is_bool_dtype(series.dtype)
            or pd.api.types.is_bool_dtype(self.dtypes[column])
        )
        if got is not expected and not numeric_codes:
            msg = (
                f"column {column!r} of the instances holds {got.value} values ({series.dtype}), "
                f"but {expected.value} values ({self.dtypes[column]}) in the background; "
                "convert one of them"
            )
            raise DataError(msg)
        zones = [getattr(dtype, "tz", None) is None for dtype in (known.dtype, series.dtype)]
        if got is ColumnKind.DATETIME and zones[0] != zones[1]:
            msg = (
                f"column {column!r} of the instances has type {series.dtype}, but {known.dtype} in "
                "the background: only one of them has a time zone; convert one of them"
            )
            raise DataError(msg)

    @cached_property
    def positions(self) -> list[dict[tuple[object, ...], int]]:
        """Position of each background value (joint row of a group), for each part."""
        keys = [_keys(part.values) for part in self.parts]
        return [{key: code for code, key in enumerate(rows)} for rows in keys]

    @cached_property
    def background_digest(self) -> str:
        """Digest of the background."""
        return self.background.digest()

    def _codes(self, part: int, arrays: Mapping[Hashable, Any]) -> NDArray[np.int64]:
        keys = _keys([arrays[column] for column in self.parts[part].columns])
        position = self.positions[part]
        return np.array([position.get(key, -1) for key in keys], dtype=np.int64)

    # Writing

    def from_numbers(self, matrix: NDArray[np.float64]) -> Any:
        """Return a matrix of numbers, shape (n_rows, n_columns), as the model reads it."""
        kinds = {np.dtype(dtype) for dtype in self.dtypes.values()}
        if len(kinds) == 1:
            kind = kinds.pop()
            whole = _as_kind(matrix, kind)
            if self.as_array:
                return whole
            if whole.dtype == kind:
                return pd.DataFrame(whole, columns=self._index.view(), copy=False)
        if self.as_array:
            return matrix
        arrays = {
            column: _as_kind(matrix[:, i], np.dtype(self.dtypes[column]))
            for i, column in enumerate(self.columns)
        }
        return pd.DataFrame(arrays, columns=self._index.view(), copy=False)

    def from_codes(
        self, codes: Mapping[Hashable, NDArray[np.int64]], rows: Sequence[Row]
    ) -> pd.DataFrame:
        """Return a frame from positions among background values.

        Parameters
        ----------
        codes : mapping of Hashable to ndarray of int64, shape (n_rows,)
            For each column; ``n_values + i`` stands for the value of ``rows[i]``.
        rows : sequence of Row
            Instances whose own values may be kept.
        """
        arrays = {}
        for column in self.columns:
            pool = _join([self.values[column], *(row.values[column] for row in rows)])
            arrays[column] = as_series(pool.take(codes[column]))
        return pd.DataFrame(arrays, columns=self._index.view(), copy=False)

    def originals(self, rows: Sequence[Row]) -> Any:
        """Return the instances themselves as the model reads them."""
        if all(row.numbers is not None for row in rows):
            return self.from_numbers(np.array([row.numbers for row in rows]))
        arrays = {c: as_series(_join([row.values[c] for row in rows])) for c in self.columns}
        frame = pd.DataFrame(arrays, columns=self._index.view())
        return frame.to_numpy() if self.as_array else frame

    # Words

    def value_text(self, part: BackgroundPart, row: Row) -> str:
        """Return a part's value as a person reads it."""
        if len(part.columns) == 1:
            return format_value(row.values[part.columns[0]][0])
        texts = {column: format_value(row.values[column][0]) for column in part.columns}
        hot = [column for column, text in texts.items() if text in ("1", "1.0", "True")]
        cold = [text for text in texts.values() if text in ("0", "0.0", "False")]
        if len(hot) == 1 and len(cold) == len(texts) - 1:
            name = str(hot[0])
            if name.startswith(part.name):
                return SEPARATORS.sub("", name[len(part.name) :], count=1) or name
            return name
        shown = [f"{column} {text}" for column, text in list(texts.items())[:3]]
        return ", ".join(shown) + (", …" if len(texts) > 3 else "")


def require_columns(frame: pd.DataFrame, columns: Sequence[Hashable]) -> None:
    """Raise a DataError unless a frame of instances has a row, and all of the columns."""
    if len(frame) == 0:
        msg = "there are no instances to explain; give at least one row"
        raise DataError(msg)
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        hint = did_you_mean(str(missing[0]), frame.columns)
        msg = (
            f"the instances lack {len(missing)} of {len(columns)} columns of the background: "
            f"{shorten(missing)}.{hint}"
        )
        raise DataError(msg)


def row_digest(row: Row) -> str:
    """Return a hash of an instance's content: names and values, whatever their types.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    digest = hashlib.blake2b(digest_size=16)
    for column, values in row.values.items():
        digest.update(repr((str(column), _canonical(values[0]))).encode())
    return digest.hexdigest()


def _canonical(value: Any) -> object:
    if isinstance(value, (float, np.floating)):  # by far the most frequent
        return None if value != value else float(value) + 0.0  # no negative zero
    if not isinstance(value, str) and pd.isna(value):
        return None
    if isinstance(value, np.datetime64):
        return str(pd.Timestamp(value))
    if isinstance(value, np.timedelta64):
        return str(pd.Timedelta(value))
    if isinstance(value, (bool, int, np.bool_, np.integer)):
        number = float(value)
        whole = isinstance(value, (int, np.integer)) and int(number) != int(value)
        return int(value) if whole else number
    return str(value)


def _keys(arrays: Sequence[Any]) -> list[tuple[object, ...]]:
    """Return the rows of some columns in a form that compares equal whatever their types."""
    columns = [[_canonical(value) for value in array] for array in arrays]
    return list(zip(*columns, strict=True))


def _is_plain_number(array: Any) -> bool:
    """Return whether a column can go through a matrix of floats without loss."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iufb":
        return False
    return array.dtype.kind not in "iu" or bool((np.abs(array) < EXACT_INTEGER).all())


def _join(arrays: Sequence[Any]) -> Any:
    """Return arrays of one column, one after the other, keeping the type where it fits."""
    if all(isinstance(array, np.ndarray) for array in arrays):
        return np.concatenate(arrays)
    if all(isinstance(array, pd.Categorical) for array in arrays):
        arrays = _same_categories(arrays)
    return column_array(pd.concat([as_series(array) for array in arrays], ignore_index=True))


def _same_categories(arrays: Sequence[pd.Categorical]) -> list[pd.Categorical]:
    """Return arrays of the first one's categories, followed by those that it lacks."""
    categories, ordered = arrays[0].categories, arrays[0].ordered
    for array in arrays[1:]:
        categories = categories.append(array.categories.difference(categories, sort=False))
    dtype = pd.CategoricalDtype(categories, ordered=bool(ordered))
    return [
        array if array.dtype == dtype else pd.Categorical(array, dtype=dtype) for array in arrays
    ]


def _as_kind(matrix: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return numbers of type `dtype`, or as they are where one of them does not fit it."""
    if dtype.kind not in "iub":
        return matrix.astype(dtype, copy=False)
    with np.errstate(invalid="ignore"):
        cast = matrix.astype(dtype)
    return cast if bool((cast == matrix).all()) else matrix
