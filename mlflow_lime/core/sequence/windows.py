"""How a sequence is taken apart: windows of equal length or between change points, and features."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.errors import DataError, did_you_mean, shorten

__all__ = ["PARTS", "WINDOWS", "Cutter", "change_points", "fixed_windows", "part_names"]

PARTS: Final = ("windows", "features", "cells")
WINDOWS: Final = ("fixed", "change_points")

MOST_PLACES = 512
"""Steps between which change points are looked for; of longer series, every second, third, ..."""

MOST_PARTS = 5000

_SAME = 1e-9
"""Share of the whole variation that another change point must explain to count."""

Labels = NDArray[np.int32]


class Cutter:
    """Takes sequences apart.

    Parameters
    ----------
    parts : {"windows", "features", "cells"}, default "windows"
        What a part is: a window of time in all features, a feature in all its length, or a window
        of one feature.
    windows : {"fixed", "change_points"}, default "fixed"
        Windows of equal length, or between the steps where the series changes most; these are
        shared by all features, and each feature's own for cells.
    count : int, default 10
        How many windows; at most, for change points.
    length : int, optional
        Steps of a fixed window, in place of `count`; the least of one between change points.

    Raises
    ------
    DataError
        If a choice does not exist.
    """

    def __init__(
        self,
        parts: str = "windows",
        windows: str = "fixed",
        *,
        count: int = 10,
        length: int | None = None,
    ) -> None:
        for key, value, known in (("parts", parts, PARTS), ("windows", windows, WINDOWS)):
            if value not in known:
                msg = f"{key} must be one of {', '.join(known)}; got {shorten(value)}."
                raise DataError(msg + did_you_mean(value, known))
        if count < 1 or (length is not None and length < 1):
            msg = f"count and length must be at least 1, got {count} and {length}"
            raise DataError(msg)
        self.parts = parts
        self.windows = windows
        self.count = count
        self.length = length

    def __call__(self, values: NDArray[Any]) -> Labels:
        """Return the part of each value, shape (time, features), numbered from 0 without gaps.

        Raises
        ------
        DataError
            If there are too many.
        """
        n_features = values.shape[1]
        own = np.arange(n_features, dtype=np.int32)
        if self.parts == "features":
            labels = np.broadcast_to(own, values.shape)
        elif self.parts == "windows":
            labels = np.broadcast_to(self._windows(values)[:, None], values.shape)
        else:
            columns = [self._windows(values[:, j : j + 1]) for j in range(n_features)]
            starts = np.cumsum([0, *(column[-1] + 1 for column in columns[:-1])])
            labels = np.column_stack(columns) + starts
        n_parts = int(labels.max()) + 1
        if n_parts > MOST_PARTS:
            msg = (
                f"the sequence has {n_parts:,} parts, and {MOST_PARTS:,} can be tested; lower "
                "sequence.count, or raise sequence.length"
            )
            raise DataError(msg)
        return np.ascontiguousarray(labels, dtype=np.int32)

    def _windows(self, values: NDArray[Any]) -> Labels:
        if self.windows == "fixed":
            return fixed_windows(len(values), self.count, self.length)
        return change_points(values, self.count, least=self.length or 1)

    def recipe(self) -> dict[str, Any]:
        """Return the choices as plain JSON values."""
        return {
            "series_parts": self.parts,
            "windows": self.windows,
            "n_windows": self.count,
            "window_length": self.length,
        }


def fixed_windows(n_steps: int, count: int = 10, length: int | None = None) -> Labels:
    """Return the window of each step: of equal length, as far as they can be.

    Parameters
    ----------
    n_steps : int
    count : int, default 10
        How many windows; no more than steps.
    length : int, optional
        Steps of each window but the last, in place of `count`.

    Returns
    -------
    ndarray of int32, shape (n_steps,)

    Examples
    --------
    >>> fixed_windows(5, 2).tolist(), fixed_windows(5, length=2).tolist()
    ([0, 0, 0, 1, 1], [0, 0, 1, 1, 2])
    """
    steps = np.arange(n_steps, dtype=np.int64)
    if length is not None:
        return (steps // length).astype(np.int32)
    return (steps * min(count, n_steps) // n_steps).astype(np.int32)


def change_points(values: NDArray[Any], count: int, *, least: int = 1) -> Labels:
    """Return the window of each step, so that the series is as constant as can be in each.

    Parameters
    ----------
    values : ndarray, shape (time, features)
        Missing and infinite values count as the mean of their feature.
    count : int
        Windows, at most: no more than explain the series.
    least : int, default 1
        Steps of the shortest window.

    Returns
    -------
    ndarray of int32, shape (time,)
        The windows minimise the squared deviations from their own means, summed over the
        standardised features, among all with so many windows; for series of up to `MOST_PLACES`
        steps, else with windows that begin at every second, third, ... step.

    References
    ----------
    Auger and Lawrence, "Algorithms for the optimal identification of segment neighborhoods",
    Bulletin of Mathematical Biology 51, 1989 (the dynamic programme, O(count x time²)). Jackson
    et al., "An algorithm for optimal partitioning of data on an interval", 2005.

    Examples
    --------
    >>> change_points(np.array([[0.0], [0.0], [5.0], [5.0], [1.0]]), 4).tolist()
    [0, 0, 1, 1, 2]
    """
    n_steps = len(values)
    step = -(-n_steps // MOST_PLACES)
    edges = np.append(np.arange(0, n_steps, step), n_steps)
    costs = _costs(_standardised(values), edges, least)
    best = [costs[0]]
    came_from: list[NDArray[np.intp]] = []
    for _ in range(1, min(count, len(edges) - 1)):
        through = best[-1][:, None] + costs
        came_from.append(through.argmin(axis=0))
        best.append(through.min(axis=0))
    whole = np.array([row[-1] for row in best])
    if not np.isfinite(whole).any():
        return np.zeros(n_steps, dtype=np.int32)
    enough = whole.min() + _SAME * max(float(costs[0, -1]), whole.min())
    end, starts = len(edges) - 1, []
    for k in range(int(np.argmax(whole <= enough)), 0, -1):
        end = int(came_from[k - 1][end])
        starts.append(edges[end])
    marks = np.zeros(n_steps, dtype=np.int32)
    marks[starts] = 1
    return np.cumsum(marks, dtype=np.int32)


def _standardised(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the features with mean zero and variance one; zeros where they do not vary."""
    numbers = values.astype(np.float64)
    known = np.isfinite(numbers)
    size = np.maximum(known.sum(axis=0), 1)
    scale = np.max(np.abs(numbers), axis=0, initial=0.0, where=known)
    numbers = np.where(known, numbers, 0.0) / np.where(scale > 0, scale, 1.0)
    centred = np.where(known, numbers - numbers.sum(axis=0) / size, 0.0)
    spread = np.sqrt((centred**2).sum(axis=0) / size)
    varies = spread > 1e-12
    return np.asarray(np.where(varies, centred / np.where(varies, spread, 1.0), 0.0))


def _costs(
    numbers: NDArray[np.float64], edges: NDArray[np.int64], least: int
) -> NDArray[np.float64]:
    """Return the squared deviations within each window from one edge to another, else infinity."""
    lengths = edges[None, :] - edges[:, None]
    total = np.zeros(lengths.shape)
    safe = np.maximum(lengths, 1)
    for column in numbers.T:
        sums = np.append(0.0, np.cumsum(column))[edges]
        squares = np.append(0.0, np.cumsum(column**2))[edges]
        within = squares[None, :] - squares[:, None] - (sums[None, :] - sums[:, None]) ** 2 / safe
        total += np.maximum(within, 0.0)
    return np.where(lengths >= least, total, np.inf)


def part_names(
    labels: Labels, features: tuple[str, ...], steps: tuple[int, ...], counted: str = "step"
) -> tuple[str, ...]:
    """Return what each part is, as a person reads it, without a value of the series.

    Parameters
    ----------
    labels : ndarray of int32, shape (time, features)
        Part of each value, numbered from 0 without gaps.
    features : tuple of str
    steps : tuple of int
        Number of each step.
    counted : {"step", "lag"}
        What they number.

    Examples
    --------
    >>> part_names(np.array([[0, 2], [0, 2], [1, 2]]), ("temp", "load"), (0, 1, 2))
    ('temp, steps 0 to 1', 'temp, step 2', 'load')
    """
    names = []
    for part in range(int(labels.max()) + 1):
        rows, columns = np.nonzero(labels == part)
        own = np.unique(columns)
        first, last = steps[int(rows.min())], steps[int(rows.max())]
        whole = first == steps[0] and last == steps[-1]
        pieces = []
        if len(own) < len(features) or (whole and len(features) == 1):
            pieces.append(" and ".join(features[j] for j in own))
        if not whole:
            one = f"{counted} {first}"
            pieces.append(one if first == last else f"{counted}s {first} to {last}")
        names.append(", ".join(pieces) or "whole series")
    return tuple(names)
