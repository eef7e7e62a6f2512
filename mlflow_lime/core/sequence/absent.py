"""What takes the place of a window that is absent."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.sequence.values import values_from_json, values_to_json
from mlflow_lime.errors import DataError, shorten

__all__ = [
    "ABSENT",
    "SequenceBackground",
    "feature_means",
    "interpolated",
    "require_same",
]

ABSENT: Final = ("mean", "interpolate", "background")

MOST_SERIES = 256
"""Background series that are kept."""

MOST_VALUES = 4_000_000
"""Values of all of them."""

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class SequenceBackground:
    """Other sequences of the same kind, or what is known of them.

    Attributes
    ----------
    means : ndarray of float64, shape (n_features,)
        Mean of each feature over all sequences and steps; NaN where nothing is known.
    series : ndarray of float64, shape (n_series, time, features), or None
        Some of them, to draw stretches from; None where none are drawn.
    """

    means: NDArray[np.float64]
    series: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, series: Any, *, drawn: bool = True) -> Self:
        """Return the background of some sequences.

        Parameters
        ----------
        series : sequence of ndarray, shape (time, features)
            Of one shape where they are drawn from.
        drawn : bool, default True
            Whether stretches are drawn from them; of more than `MOST_SERIES`, evenly spread ones.

        Raises
        ------
        DataError
            If there are none, or they are no such arrays.
        """
        arrays = [np.asarray(one) for one in series]
        shapes = {array.shape if drawn else array.shape[1:] for array in arrays}
        usable = all(a.ndim == 2 and a.size and a.dtype.kind in "buif" for a in arrays)
        if len(shapes) != 1 or not usable:
            msg = (
                "background series are arrays of numbers of one shape (time, features), got "
                f"{len(arrays)} of {len(shapes)} shapes"
            )
            raise DataError(msg)
        means = feature_means(np.concatenate(arrays))
        if not drawn:
            return cls(means)
        most = min(MOST_SERIES, max(1, MOST_VALUES // arrays[0].size), len(arrays))
        rows = np.arange(most) * len(arrays) // most
        return cls(means, _ordered(np.stack([arrays[row] for row in rows]).astype(np.float64)))

    def digest(self) -> str:
        """Return a short hash of the content."""
        found = hashlib.blake2b(digest_size=8)
        for values in (self.means, self.series):
            if values is not None:
                found.update(repr(values.shape).encode())
                found.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
        return found.hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        series = None if self.series is None else values_to_json(self.series)
        return {"means": values_to_json(self.means), "series": series}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote.

        Raises
        ------
        DataError
            If the content is damaged.
        """
        series = None if data["series"] is None else values_from_json(data["series"])
        return cls(values_from_json(data["means"]), series)


def _ordered(series: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return series along their first principal component.

    So what is drawn by a level varies smoothly with it, and most of the noise of the draw can be
    taken out by control variates (`mlflow_lime.core.level_columns`).
    """
    flat = series.reshape(len(series), -1)
    known = np.isfinite(flat)
    scale = np.max(np.abs(flat), axis=0, initial=1e-300, where=known)
    table = np.where(known, flat, 0.0) / scale
    table -= table.mean(axis=0)
    _, vectors = np.linalg.eigh(table @ table.T)
    return series[np.argsort(vectors[:, -1].round(9), kind="stable")]


def feature_means(values: FloatArray) -> NDArray[np.float64]:
    """Return the mean of the finite values of each feature, exact where they are all the same.

    Parameters
    ----------
    values : ndarray of float, shape (time, features)

    Returns
    -------
    ndarray of float64, shape (features,)
        NaN where nothing is known.

    Examples
    --------
    >>> feature_means(np.array([[1.0, np.nan], [2.0, np.nan]])).tolist()
    [1.5, nan]
    """
    numbers = values.astype(np.float64)
    known = np.isfinite(numbers)
    size = known.sum(axis=0)
    low = np.min(numbers, axis=0, initial=np.inf, where=known)
    high = np.max(numbers, axis=0, initial=-np.inf, where=known)
    # From the smallest one, so that equal values have that value for their mean.
    base = np.where(size > 0, low, 0.0)
    shares = np.where(known, numbers / np.maximum(size, 1) - base / np.maximum(size, 1), 0.0)
    means = np.where(low == high, base, np.clip(base + shares.sum(axis=0), low, high))
    return np.where(size > 0, means, np.nan)


def interpolated(values: FloatArray, kept: NDArray[np.bool_], means: FloatArray) -> FloatArray:
    """Return rows whose absent values lie on a line between the nearest kept ones.

    Parameters
    ----------
    values : ndarray of float, shape (time, features)
        The series. Missing and infinite values are kept as they are, but no line begins at one.
    kept : ndarray of bool, shape (n_rows, time, features)
    means : ndarray of float, shape (features,)
        What a feature becomes of which nothing is kept.

    Returns
    -------
    ndarray of the dtype of `values`, shape (n_rows, time, features)
        Before the first kept value and after the last one, that value.

    Examples
    --------
    >>> kept = np.array([[[1], [0], [0], [1], [0]]], dtype=bool)
    >>> values = np.array([[1.0], [9.0], [9.0], [4.0], [9.0]])
    >>> interpolated(values, kept, np.array([0.0]))[0, :, 0].tolist()
    [1.0, 2.0, 3.0, 4.0, 4.0]
    """
    n_steps, n_features = values.shape
    known = np.isfinite(values)
    # Rows last, so that every step of the recursion over time runs along the memory.
    anchors = np.ascontiguousarray((kept & known).transpose(1, 2, 0))
    steps = np.arange(n_steps, dtype=np.int32)[:, None, None]
    before = np.maximum.accumulate(np.where(anchors, steps, np.int32(-1)), axis=0)
    after = np.minimum.accumulate(np.where(anchors, steps, np.int32(n_steps))[::-1], axis=0)[::-1]
    left = np.where(before < 0, np.minimum(after, n_steps - 1), before)
    right = np.where(after == n_steps, np.maximum(before, 0), after)
    columns = np.arange(n_features, dtype=np.int32)[None, :, None]
    numbers = np.where(known, values, 0.0).astype(np.float64).ravel()
    low, high = numbers[left * n_features + columns], numbers[right * n_features + columns]
    share = (steps - left) / np.maximum(right - left, 1)
    # Weighted, so that the difference of two of the largest floats does not overflow.
    line = np.where(low == high, low, low * (1 - share) + high * share)
    nowhere = ~anchors.any(axis=0)
    filled = np.where(nowhere, np.asarray(means)[None, :, None], line)
    return np.where(kept, values, filled.transpose(2, 0, 1).astype(values.dtype))


def require_same(background: SequenceBackground, shape: tuple[int, int], *, drawn: bool) -> None:
    """Raise a DataError unless a background can replace what is absent of a sequence.

    Parameters
    ----------
    background : SequenceBackground
    shape : (int, int)
        Steps and features of the sequence.
    drawn : bool
        Whether stretches are drawn.
    """
    known = background.series
    if len(background.means) != shape[1] or (drawn and known is None):
        msg = (
            f"the background has {len(background.means)} features and "
            f"{'no series' if known is None else f'{len(known)} series'}, but the sequence has "
            f"shape {shape}; give background series of that shape"
        )
        raise DataError(msg)
    if drawn and known is not None and known.shape[1:] != shape:
        msg = (
            f"background series have shape {shorten(known.shape[1:])}, but the sequence has shape "
            f"{shape}; give background series of that shape"
        )
        raise DataError(msg)
