"""Columns of a table: what kind they are, how they are ranked, written, and read by a person."""

import datetime as dt
from collections.abc import Callable, Hashable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlflow_lime.errors import DataError, shorten

__all__ = [
    "ColumnKind",
    "as_numbers",
    "as_series",
    "column_array",
    "column_kind",
    "conform",
    "decode_values",
    "encode_values",
    "format_edges",
    "format_value",
    "rank_codes",
    "with_columns",
]


class ColumnKind(Enum):
    """What the values of a column are."""

    NUMERIC = "numeric"
    DATETIME = "datetime"
    CATEGORY = "category"


def column_kind(series: pd.Series) -> ColumnKind:
    """Return the kind of a column; booleans and strings are categories.

    Raises
    ------
    DataError
        If the column holds values that are not scalars, such as lists.

    Examples
    --------
    >>> column_kind(pd.Series([True, False]))
    <ColumnKind.CATEGORY: 'category'>
    """
    types = pd.api.types
    if isinstance(series.dtype, pd.CategoricalDtype) or types.is_bool_dtype(series.dtype):
        return ColumnKind.CATEGORY
    if types.is_datetime64_any_dtype(series.dtype) or types.is_timedelta64_dtype(series.dtype):
        return ColumnKind.DATETIME
    if types.is_numeric_dtype(series.dtype) and not types.is_complex_dtype(series.dtype):
        return ColumnKind.NUMERIC
    inferred = types.infer_dtype(series, skipna=True)
    if inferred in ("integer", "floating", "mixed-integer-float", "decimal"):
        return ColumnKind.NUMERIC
    if inferred in ("datetime", "datetime64", "date"):
        return ColumnKind.DATETIME
    if inferred in ("string", "boolean", "empty", "categorical", "interval", "mixed-integer"):
        return ColumnKind.CATEGORY
    if inferred == "mixed" and series.dropna().map(pd.api.types.is_scalar).all():
        return ColumnKind.CATEGORY
    msg = (
        f"column {series.name!r} holds values of kind {inferred!r}; expected numbers, text, "
        "booleans, categories, or dates; convert or drop the column"
    )
    raise DataError(msg)


def column_array(series: pd.Series) -> Any:
    """Return the values as an array that keeps the column's type and supports ``take``."""
    if isinstance(series.dtype, np.dtype):
        return series.to_numpy()
    return series.array


def as_series(values: Any, name: Hashable = None) -> "pd.Series[Any]":
    """Return values as a series of their own type; pandas would guess that of objects."""
    series: pd.Series[Any] = pd.Series(values, name=name, dtype=values.dtype, copy=False)
    return series


def as_numbers(series: pd.Series) -> NDArray[np.float64]:
    """Return a numeric or date column as floats: missing values as NaN, dates in seconds."""
    if column_kind(series) is not ColumnKind.DATETIME:
        return pd.to_numeric(series).to_numpy(dtype=np.float64, na_value=np.nan)
    if pd.api.types.is_timedelta64_dtype(series.dtype):
        elapsed = series
    else:
        elapsed = pd.to_datetime(series, utc=True) - pd.Timestamp(0, tz="UTC")
    return np.asarray(elapsed.dt.total_seconds().to_numpy(dtype=np.float64))


def rank_codes(series: pd.Series) -> NDArray[np.int64]:
    """Return the rank of each value among the distinct ones, missing last, shape (n_rows,).

    Raises
    ------
    DataError
        If the values cannot be told apart, such as lists.
    """
    values = series.astype(str).where(series.notna(), None) if _is_mixed(series) else series
    try:
        codes, _ = pd.factorize(values, sort=True, use_na_sentinel=True)
    except TypeError as error:
        msg = f"column {series.name!r} holds values that are not scalars: {error}; drop the column"
        raise DataError(msg) from error
    codes = codes.astype(np.int64)
    return np.where(codes < 0, codes.max(initial=-1) + 1, codes)


def _is_mixed(series: pd.Series) -> bool:
    return series.dtype == object and pd.api.types.infer_dtype(series, skipna=True).startswith(
        "mixed"
    )


def encode_values(values: Any) -> dict[str, Any]:
    """Return a column's values as JSON; `decode_values` reads them back with their type."""
    series = as_series(values)
    encoded: dict[str, Any] = {"dtype": str(series.dtype)}
    if isinstance(series.dtype, pd.CategoricalDtype):
        encoded["dtype"] = "category"
        encoded["ordered"] = bool(series.dtype.ordered)
        encoded["categories"] = encode_values(series.cat.categories.to_series())
        encoded["values"] = series.cat.codes.tolist()
    elif series.dtype != object and column_kind(series) is ColumnKind.DATETIME:
        encoded["values"] = [None if pd.isna(item) else str(item) for item in series]
    else:
        encoded["values"] = [None if pd.isna(item) else _scalar(item) for item in series]
    return encoded


_TAGS: dict[str, tuple[type, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "timestamp": (pd.Timestamp, str, pd.Timestamp),
    "datetime": (dt.datetime, dt.datetime.isoformat, dt.datetime.fromisoformat),
    "date": (dt.date, dt.date.isoformat, dt.date.fromisoformat),
    "decimal": (Decimal, str, Decimal),
    "interval": (
        pd.Interval,
        lambda item: [_scalar(item.left), _scalar(item.right), item.closed],
        lambda item: pd.Interval(_untagged(item[0]), _untagged(item[1]), item[2]),
    ),
}
"""Values that JSON does not know: their class, how they are written, and how they are read."""


def _scalar(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return {"float": str(value)}
    if isinstance(value, (bool, int, float, str)):
        return value
    for tag, (kind, write, _) in _TAGS.items():
        if isinstance(value, kind):
            return {tag: write(value)}
    return float(value)


def _untagged(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((tag, text),) = value.items()
    return float(text) if tag == "float" else _TAGS[tag][2](text)


def decode_values(data: Mapping[str, Any]) -> Any:
    """Read what `encode_values` wrote.

    Raises
    ------
    DataError
        If the type is unknown or a value does not fit it.
    """
    dtype = str(data["dtype"])
    try:
        values = [_untagged(item) for item in data["values"]]
        if dtype == "category":
            categories = pd.Index(decode_values(data["categories"]))
            return pd.Categorical.from_codes(values, categories, ordered=bool(data["ordered"]))
        if dtype in ("str", "string", "object"):
            series = pd.Series(values, dtype=object)
            return column_array(series if dtype == "object" else series.astype(_dtype(dtype)))
        if dtype.startswith(("float", "Float")):
            values = [np.nan if item is None else item for item in values]
        return column_array(pd.Series(values, dtype=dtype))
    except (TypeError, ValueError, KeyError) as error:
        msg = f"background values of type {shorten(dtype)} cannot be read: {error}"
        raise DataError(msg) from error


def conform(values: Any, like: Any) -> list[Any]:
    """Return values one by one, each of the type of a column where it fits without loss.

    Parameters
    ----------
    values : array, shape (n_rows,)
        Values as a person gave them.
    like : array
        Values of the column that they belong to.

    Returns
    -------
    list of array, each shape (1,)
        A fraction in a column of whole numbers, or a missing value where the type has none, keeps
        the type that it came with. A category that the column lacks becomes its last.

    Examples
    --------
    >>> [array.dtype.name for array in conform(np.array([3.0, 2.5]), np.array([1, 2]))]
    ['int64', 'float64']
    """
    if values.dtype == like.dtype:
        return [values[i : i + 1] for i in range(len(values))]
    cast = _cast(values, like.dtype)
    if cast is not None:
        return [cast[i : i + 1] for i in range(len(values))]
    return [_conform_one(values[i : i + 1], like.dtype) for i in range(len(values))]


def _conform_one(value: Any, dtype: Any) -> Any:
    cast = _cast(value, dtype)
    if cast is None and isinstance(dtype, pd.CategoricalDtype):
        own = pd.Index(value.astype(object))
        wider = pd.CategoricalDtype(dtype.categories.append(own), ordered=dtype.ordered)
        return pd.Categorical(own, dtype=wider)
    return value if cast is None else cast


def _cast(values: Any, dtype: Any) -> Any | None:
    """Return values of another type, or None where that would change them."""
    given = as_series(values)
    try:
        with np.errstate(all="ignore"):
            if isinstance(dtype, pd.CategoricalDtype):
                plain = given.astype(object)
                if not (plain.isin(dtype.categories) | plain.isna()).all():
                    return None
                return column_array(plain.astype(dtype))
            cast = given.astype(dtype)
    except (TypeError, ValueError, OverflowError):
        return None
    kinds = {getattr(values.dtype, "kind", "O"), getattr(dtype, "kind", "O")}
    known = given.notna().to_numpy()
    if not np.array_equal(known, cast.notna().to_numpy()):
        return None
    if kinds == {"f"}:
        return column_array(cast)
    before, after = given.astype(object).to_numpy()[known], cast.astype(object).to_numpy()[known]
    return column_array(cast) if bool((before == after).all()) else None


def _dtype(name: str) -> Any:
    return pd.api.types.pandas_dtype(name)


def format_value(value: Any) -> str:
    """Return a value as a person reads it.

    Examples
    --------
    >>> [format_value(value) for value in (17.30, 3, 0.00012345678, True, None, "foul")]
    ['17.3', '3', '0.000123457', 'True', 'missing', 'foul']
    """
    if isinstance(value, float):  # by far the most frequent
        return f"{value:.6g}" if value == value else "missing"
    if value is None or value is pd.NaT or (not isinstance(value, str) and pd.isna(value)):
        return "missing"
    if isinstance(value, (bool, np.bool_, str)):
        return str(value)
    if isinstance(value, np.datetime64):
        return format_value(pd.Timestamp(value))
    if isinstance(value, np.timedelta64):
        return format_value(pd.Timedelta(value))
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, np.floating):
        return f"{float(value):.6g}"
    if isinstance(value, pd.Timestamp) and value == value.normalize():
        return value.strftime("%Y-%m-%d")
    return str(value)


def format_edges(edges: list[float]) -> list[str]:
    """Return bin edges with as many significant digits as tell them apart, at least three.

    Examples
    --------
    >>> format_edges([0.00101, 0.00102, 13.5])
    ['0.00101', '0.00102', '13.5']
    >>> format_edges([1000.1, 1000.2])
    ['1000.1', '1000.2']
    """
    for digits in range(3, 17):
        texts = [f"{edge:.{digits}g}" for edge in edges]
        if len(set(texts)) == len(set(edges)) and not any("e" in text for text in texts):
            return texts
    return [repr(edge) for edge in edges]


def with_columns(frame: pd.DataFrame, changed: Mapping[Any, Any]) -> pd.DataFrame:
    """Return a frame with other values in some columns, whatever their names are."""
    if changed:
        frame = frame.copy(deep=False)
    for column, values in changed.items():
        frame[column] = values
    return frame
