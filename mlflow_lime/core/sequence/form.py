"""The forms in which models read sequences: arrays, and columns of a wide table."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlflow_lime.core.tabular.columns import as_numbers
from mlflow_lime.errors import DataError, did_you_mean, shorten

__all__ = [
    "AXES",
    "SequenceForm",
    "Series",
    "Unusable",
    "feature_names",
    "read_series",
    "series_digest",
    "series_like",
]

AXES: Final = ("time_first", "features_first")


@dataclass(frozen=True, slots=True)
class SequenceForm:
    """How sequences come, and how the model gets them.

    Attributes
    ----------
    kind : {"array", "flat"}, default "array"
        Arrays, or values that stand in many columns.
    axes : {"time_first", "features_first"}, default "time_first"
        Which axis of an array comes first.
    shape : (int, int) or None
        Steps and features of one sequence. Needed for columns; elsewhere sequences of another
        shape are refused.
    places : tuple of int
        For columns, where each one stands in the flattened array (time, features).
    features : tuple of str
        Names of the features; ``feature 0``, ... where there are none.
    steps : tuple of int
        Number of each step as a person counts them; from 0 where there are none.
    counted : {"step", "lag"}, default "step"
        What these numbers are.
    as_arrays : bool, default False
        For columns, whether the model is given arrays in the order of `axes` instead.

    Raises
    ------
    DataError
        If the values do not belong together.

    Examples
    --------
    >>> SequenceForm(shape=(24, 2), features=("temp", "load")).to_dict()["shape"]
    [24, 2]
    """

    kind: str = "array"
    axes: str = "time_first"
    shape: tuple[int, int] | None = None
    places: tuple[int, ...] = ()
    features: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()
    counted: str = "step"
    as_arrays: bool = False

    def __post_init__(self) -> None:
        for key, known in (("kind", ("array", "flat")), ("axes", AXES)):
            value = getattr(self, key)
            if value not in known:
                msg = f"{key} must be one of {', '.join(known)}; got {shorten(value)}."
                raise DataError(msg + did_you_mean(value, known))
        if self.counted not in ("step", "lag"):
            msg = f"counted must be 'step' or 'lag', got {shorten(self.counted)}"
            raise DataError(msg)
        if self.shape is not None and (len(self.shape) != 2 or min(self.shape) < 1):
            msg = f"shape must be two whole numbers, [steps, features], got {shorten(self.shape)}"
            raise DataError(msg)
        if self.kind == "flat":
            size = 0 if self.shape is None else self.shape[0] * self.shape[1]
            if sorted(self.places) != list(range(size)) or not size:
                msg = f"places must be a permutation of the {size} values of shape {self.shape}"
                raise DataError(msg)
        if len(set(self.features)) < len(self.features):
            msg = f"features must have different names, got {shorten(list(self.features))}"
            raise DataError(msg)

    def names(self, n_features: int) -> tuple[str, ...]:
        """Return the names of the features."""
        return feature_names(self.features or None, n_features)

    def numbers(self, n_steps: int) -> tuple[int, ...]:
        """Return the numbers of the steps."""
        return self.steps if len(self.steps) == n_steps else tuple(range(n_steps))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "kind": self.kind,
            "axes": self.axes,
            "shape": None if self.shape is None else list(self.shape),
            "places": list(self.places),
            "features": list(self.features),
            "steps": list(self.steps),
            "counted": self.counted,
            "as_arrays": self.as_arrays,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        shape = data["shape"]
        return cls(
            kind=str(data["kind"]),
            axes=str(data["axes"]),
            shape=None if shape is None else (int(shape[0]), int(shape[1])),
            places=tuple(int(place) for place in data["places"]),
            features=tuple(str(name) for name in data["features"]),
            steps=tuple(int(step) for step in data["steps"]),
            counted=str(data["counted"]),
            as_arrays=bool(data["as_arrays"]),
        )


def feature_names(names: Sequence[str] | None, n_features: int) -> tuple[str, ...]:
    """Return names of features, one for each.

    Raises
    ------
    DataError
        If there are names, but of another number.

    Examples
    --------
    >>> feature_names(None, 2)
    ('feature 0', 'feature 1')
    """
    if names is None:
        return tuple(f"feature {i}" for i in range(n_features))
    if len(names) != n_features:
        msg = (
            f"{len(names)} features are named, {shorten(list(names))}, but the sequence has "
            f"{n_features}; name each one"
        )
        raise DataError(msg)
    return tuple(str(name) for name in names)


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One sequence.

    Attributes
    ----------
    values : ndarray of float, shape (time, features)
        Of the floating type of the user's data; float64 for whole numbers. May hold NaN.
    plain : bool
        Whether it came as an array of one dimension.
    columns : Index or None
        Columns of the frame that it came from.
    """

    values: NDArray[np.floating[Any]]
    plain: bool = False
    columns: "pd.Index[Any] | None" = None


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why something is no sequence, and a hash of it."""

    reason: str
    digest: str


def read_series(instances: Any, form: SequenceForm) -> list[Series | Unusable]:
    """Return sequences in any of their forms.

    Parameters
    ----------
    instances : ndarray of shape (n, time, features) or (n, time), sequence of arrays, or frame
        As the form says; for columns a data frame, or an array (n, time x features).
    form : SequenceForm

    Raises
    ------
    DataError
        If the container is none that holds sequences.
    """
    if form.kind == "flat":
        return list(_read_columns(instances, form))
    if isinstance(instances, pd.DataFrame) and instances.shape[1] == 1:
        instances = instances.iloc[:, 0]
    if isinstance(instances, (pd.DataFrame, str, bytes)) or not hasattr(instances, "__len__"):
        msg = (
            "sequences are an array of shape (n, time, features) or a list of arrays, got "
            f"{type(instances).__name__}"
        )
        raise DataError(msg)
    return [_read_cell(cell, form) for cell in instances]


def _read_columns(instances: Any, form: SequenceForm) -> list[Series]:
    shape = form.shape or (0, 0)
    columns = instances.columns if isinstance(instances, pd.DataFrame) else None
    if columns is None:
        array = np.asarray(instances)
        if array.dtype.kind not in "buif":
            msg = f"a sequence in columns needs numbers, got an array of {array.dtype}"
            raise DataError(msg)
        table = array.astype(_float_type(array.dtype), copy=False)
    else:
        table = _numbers(instances)
    if table.ndim != 2 or table.shape[1] != len(form.places):
        msg = (
            f"a sequence of {shape[0]} steps and {shape[1]} features stands in "
            f"{len(form.places)} columns, got shape {table.shape}"
        )
        raise DataError(msg)
    ordered = np.empty_like(table)
    ordered[:, list(form.places)] = table
    return [Series(row.reshape(shape), columns=columns) for row in ordered]


def _numbers(frame: pd.DataFrame) -> NDArray[np.floating[Any]]:
    kinds = set(frame.dtypes)
    odd = [
        name
        for name, kind in frame.dtypes.items()
        if not pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_object_dtype(kind)
    ]
    if odd:
        msg = f"column {shorten(odd[0])} of the sequence holds no numbers; convert it"
        raise DataError(msg)
    if len(kinds) == 1 and isinstance(kind := kinds.pop(), np.dtype) and kind.kind == "f":
        return frame.to_numpy()
    return np.column_stack([as_numbers(frame[name]) for name in frame.columns])


def _float_type(dtype: "np.dtype[Any]") -> "np.dtype[Any]":
    return dtype if dtype.kind == "f" else np.dtype(np.float64)


def _read_cell(cell: Any, form: SequenceForm) -> Series | Unusable:
    try:
        array = np.asarray(cell)
        if array.dtype == object:
            array = np.stack([np.asarray(row) for row in cell])
    except (TypeError, ValueError):
        array = np.empty(0, dtype=object)
    digest = hashlib.blake2b(repr((array.shape, array.dtype.str)).encode(), digest_size=16)
    if array.dtype.kind not in "buif" or array.ndim not in (1, 2) or not array.size:
        what = f"{type(cell).__name__} of shape {array.shape}"
        why = f"no sequence: expected numbers of shape (time, features), got {what}"
        return Unusable(why, digest.hexdigest())
    values = array.astype(_float_type(array.dtype), copy=False)
    plain = values.ndim == 1
    if plain:
        values = values[:, None]
    elif form.axes == "features_first":
        values = values.T
    shape = (values.shape[0], values.shape[1])
    if form.shape is not None and shape != form.shape:
        why = (
            f"a sequence of {shape[0]} steps and {shape[1]} features, expected {form.shape[0]} "
            f"and {form.shape[1]}; correct sequence.shape, or sequence.axes"
        )
        return Unusable(why, series_digest(values))
    return Series(np.ascontiguousarray(values), plain=plain)


def series_digest(values: NDArray[Any]) -> str:
    """Return the hash of a sequence's numbers, 32 hexadecimal digits, whatever form it came in."""
    exact = np.ascontiguousarray(values, dtype="<f8") + 0.0  # no negative zero
    exact[np.isnan(exact)] = np.nan  # of all the NaNs that there are, one
    digest = hashlib.blake2b(repr(exact.shape).encode(), digest_size=16)
    digest.update(exact.tobytes())
    return digest.hexdigest()


def series_like(series: Series, form: SequenceForm, rows: NDArray[Any]) -> Any:
    """Return sequences, shape (n, time, features), as the model reads them.

    Returns
    -------
    ndarray or DataFrame
    """
    if form.kind == "flat" and not form.as_arrays:
        table = rows.reshape(len(rows), -1)[:, list(form.places)]
        return table if series.columns is None else pd.DataFrame(table, columns=series.columns)
    if series.plain:
        return rows[:, :, 0]
    return np.swapaxes(rows, 1, 2) if form.axes == "features_first" else rows
