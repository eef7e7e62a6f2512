"""Columns of a table: what kind they are, how they are ranked, written, and read by a person."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlflow_lime.errors import DataError, shorten

__all__ = [
    "ColumnKind",
    "as_numbers",
    "column_array",
    "column_kind",
    "decode_values",
    "encode_values",
    "format_edges",
    "format_value",
    "rank_codes",
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
    if inferred in ("string", "boolean", "empty", "categorical", "mixed-integer"):
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


def as_numbers(series: pd.Series) -> NDArray[np.float64]:
    """Return a numeric or date column as floats: missing values as NaN, dates in seconds."""
    if column_kind(series) is not ColumnKind.DATETIME:
        return pd.to_numeric(series).to_numpy(dtype=np.float64, na_value=np.nan)
    if pd.api.types.is_timedelta64_dtype(series.dtype):
        elapsed = series
    else:
        elapsed = pd.to_datetime(series, utc=True) - pd.Timestamp(0, tz="UTC")
    return (elapsed / pd.Timedelta(seconds=1)).to_numpy(dtype=np.float64)


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
    series = pd.Series(values)
    encoded: dict[str, Any] = {"dtype": str(series.dtype)}
    if isinstance(series.dtype, pd.CategoricalDtype):
        encoded["dtype"] = "category"
        encoded["ordered"] = bool(series.dtype.ordered)
        encoded["categories"] = encode_values(series.cat.categories.to_series())
        encoded["values"] = series.cat.codes.tolist()
    elif column_kind(series) is ColumnKind.DATETIME:
        encoded["values"] = [None if pd.isna(item) else str(item) for item in series]
    else:
        encoded["values"] = [None if pd.isna(item) else _scalar(item) for item in series]
    return encoded


def _scalar(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, (bool, int, float, str)) else float(value)


def decode_values(data: Mapping[str, Any]) -> Any:
    """Read what `encode_values` wrote.

    Raises
    ------
    DataError
        If the type is unknown or a value does not fit it.
    """
    dtype, values = str(data["dtype"]), data["values"]
    try:
        if dtype == "category":
            categories = pd.Index(decode_values(data["categories"]))
            return pd.Categorical.from_codes(values, categories, ordered=bool(data["ordered"]))
        if dtype in ("str", "string", "object"):
            series = pd.Series(values, dtype=object)
            return column_array(series if dtype == "object" else series.astype(dtype))
        if dtype.startswith(("float", "Float")):
            values = [np.nan if item is None else item for item in values]
        return column_array(pd.Series(values, dtype=dtype))
    except (TypeError, ValueError, KeyError) as error:
        msg = f"background values of type {shorten(dtype)} cannot be read: {error}"
        raise DataError(msg) from error


def format_value(value: Any) -> str:
    """Return a value as a person reads it.

    Examples
    --------
    >>> [format_value(value) for value in (17.30, 3, 0.00012345678, True, None, "foul")]
    ['17.3', '3', '0.000123457', 'True', 'missing', 'foul']
    """
    if value is None or value is pd.NaT or (not isinstance(value, str) and pd.isna(value)):
        return "missing"
    if isinstance(value, (bool, np.bool_, str)):
        return str(value)
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
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
