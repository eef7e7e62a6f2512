"""Intervals of aggregates: how much they would differ over other instances of the same kind."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from mlflow_lime.core.quantiles import binomial_quantile, student_quantile

__all__ = ["STATISTICS", "expanded_levels", "interval", "resamples"]

FloatArray = NDArray[np.float64]
Statistic = Callable[[FloatArray], Any]

STATISTICS: Final[dict[str, Statistic]] = {
    "mean": lambda values: values.mean(axis=-1),
    "median": lambda values: np.median(values, axis=-1),
    "p10": lambda values: np.quantile(values, 0.1, axis=-1),
}
"""Statistics of the last axis."""

_QUANTILES: Final = {"median": 0.5, "p10": 0.1}

RESAMPLES: Final = 2000
MANY: Final = 10_000
"""Values from which on intervals are computed rather than resampled, which then takes long."""
_CELLS: Final = 2**22


def resamples(n: int) -> Iterator[NDArray[np.intp]]:
    """Yield places of 2000 random samples with replacement, always the same ones.

    Each piece has shape (n_samples, n), as many as memory bears.
    """
    rng = np.random.Generator(np.random.PCG64([0, n]))
    step = max(1, _CELLS // n)
    for start in range(0, RESAMPLES, step):
        yield rng.integers(0, n, size=(min(step, RESAMPLES - start), n))


def expanded_levels(n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the quantiles of resampled statistics that bound an interval.

    They lie farther out than ``(1 - confidence) / 2``, so that the interval of a mean of few
    values is as wide as Student's t asks.

    References
    ----------
    Hesterberg, "What teachers should know about the bootstrap", The American Statistician 69,
    2015, section 4.1.3 (expanded percentile interval).
    """
    tail = ndtr(np.sqrt(n / (n - 1)) * student_quantile((1 - confidence) / 2, n - 1))
    return float(tail), float(1 - tail)


def interval(
    values: FloatArray, statistic: str = "mean", *, confidence: float = 0.95
) -> tuple[float, float]:
    """Return a bootstrap interval of a statistic over instances.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        One finite value an instance.
    statistic : {"mean", "median", "p10"}
    confidence : float

    Returns
    -------
    low, high : float
        Expanded percentile interval of 2000 resamples with a fixed seed; NaN for a single value.
        A quantile in the tail of few instances cannot be bounded beyond the outermost one. Of
        `MANY` values and more, what resampling tends to: Student's t for a mean, and the order
        statistics that the binomial law bounds a quantile by.

    References
    ----------
    Efron, Tibshirani, "An introduction to the bootstrap", 1993, chapter 13.

    Examples
    --------
    >>> low, high = interval(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    >>> low < 3.0 < high
    True
    """
    n = len(values)
    if n < 2:
        return float("nan"), float("nan")
    values = np.sort(values)  # their order means nothing
    if n >= MANY:
        return _of_many(values, statistic, confidence)
    found = np.concatenate([STATISTICS[statistic](values[places]) for places in resamples(n)])
    low, high = np.quantile(found, expanded_levels(n, confidence))
    return float(low), float(high)


def _of_many(ordered: FloatArray, statistic: str, confidence: float) -> tuple[float, float]:
    n = len(ordered)
    tail = (1 - confidence) / 2
    if statistic in _QUANTILES:
        ranks = binomial_quantile([tail, 1 - tail], n, _QUANTILES[statistic]).astype(int)
        low, high = ordered[np.clip(ranks, 0, n - 1)]
        return float(low), float(high)
    half = float(-student_quantile(tail, n - 1) * ordered.std(ddof=1) / np.sqrt(n))
    mean = float(ordered.mean())
    return mean - half, mean + half
