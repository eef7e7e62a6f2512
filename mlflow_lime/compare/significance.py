"""Tests of many small changes at once: variances that borrow strength, and rates of error."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma

from mlflow_lime.core.quantiles import student_tail

__all__ = [
    "SPREAD_IS_NOISE",
    "Moderated",
    "discoveries",
    "holm",
    "largest_discovery",
    "moderate",
    "p_beyond",
    "simes",
]

FloatArray = NDArray[np.float64]

SPREAD_IS_NOISE = 1e6
"""Degrees of freedom that stand for a common variance."""


@dataclass(frozen=True, slots=True, eq=False)
class Moderated:
    """Standard errors after they have borrowed strength from one another.

    Attributes
    ----------
    std_errors : ndarray of float64, shape (n,)
    degrees : float
        Degrees of freedom of Student's t.
    """

    std_errors: FloatArray
    degrees: float


def moderate(std_errors: FloatArray, degrees: int) -> Moderated:
    """Shrink standard errors of few degrees of freedom towards their common size.

    The variances are taken to be drawn from a scaled inverse chi-squared law whose two parameters
    are estimated from all of them; each then becomes the mean of itself and the law's scale,
    weighted by the degrees of freedom. Where the variances differ as much as chance makes them, one
    variance results; where they differ far more, each stays what it is.

    Parameters
    ----------
    std_errors : ndarray of float64, shape (n,)
        Zero where there is no error; those stay zero and are not counted.
    degrees : int
        Degrees of freedom of each.

    Returns
    -------
    Moderated

    References
    ----------
    Smyth, "Linear models and empirical Bayes methods for assessing differential expression in
    microarray experiments", Statistical Applications in Genetics and Molecular Biology 3, 2004,
    section 6.2.
    """
    noisy = std_errors > 0
    count = int(noisy.sum())
    if count < 3:
        return Moderated(std_errors, float(degrees))
    variances = std_errors[noisy] ** 2
    logs = np.log(variances) - digamma(degrees / 2) + np.log(degrees / 2)
    excess = float(logs.var(ddof=1) - polygamma(1, degrees / 2))
    if excess > 0:
        prior = 2 * _inverse_trigamma(excess)
        scale = np.exp(logs.mean() + digamma(prior / 2) - np.log(prior / 2))
    else:
        prior, scale = SPREAD_IS_NOISE, float(variances.mean())
    squeezed = std_errors.copy()
    squeezed[noisy] = np.sqrt((prior * scale + degrees * variances) / (prior + degrees))
    # No more is known than all of them together tell.
    return Moderated(squeezed, float(min(prior + degrees, count * degrees)))


def _inverse_trigamma(value: float) -> float:
    """Return x with trigamma(x) = value, by Newton's method on 1 / trigamma (Smyth, appendix)."""
    if value > 1e7:
        return float(1 / np.sqrt(value))
    if value < 1e-6:
        return 1 / value
    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(polygamma(1, x))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, x))
        x += step
        if -step / x < 1e-9:
            break
    return x


def p_beyond(
    changes: FloatArray,
    std_errors: FloatArray,
    degrees: FloatArray | float,
    threshold: FloatArray | float = 0.0,
) -> FloatArray:
    """Return p-values of the hypotheses that changes are no larger than a threshold.

    Parameters
    ----------
    changes, std_errors : ndarray of float64, of one shape
    degrees : float or ndarray of float64
        Degrees of freedom of Student's t, one or for each change.
    threshold : float or ndarray of float64
        Size up to which a change does not count, one or for each change.

    Returns
    -------
    ndarray of float64, of the shape of the changes
        Two-sided. Without an error: 0 beyond the threshold, else 1.

    References
    ----------
    McCarthy, Smyth, "Testing significance relative to a fold-change threshold is a TREAT",
    Bioinformatics 25, 2009.
    """
    size = np.abs(changes)
    known = std_errors > 0
    scale = np.where(known, std_errors, 1.0)
    near, far = (size - threshold) / scale, (size + threshold) / scale
    p = np.minimum(student_tail(near, degrees) + student_tail(far, degrees), 1.0)
    certain = np.where((size > threshold) & (std_errors == 0), 0.0, 1.0)
    return np.where(known & np.isfinite(p), p, certain)


def discoveries(p_values: FloatArray, rate: float) -> NDArray[np.bool_]:
    """Return which hypotheses are rejected at a rate of false discoveries.

    Parameters
    ----------
    p_values : ndarray of float64, shape (n,)
    rate : float
        Expected share of false ones among the rejections, between 0 and 1.

    References
    ----------
    Benjamini, Hochberg, "Controlling the false discovery rate", JRSS B 57, 1995. It also holds
    where the p-values are positively dependent (Benjamini, Yekutieli, 2001).
    """
    return np.asarray(p_values <= largest_discovery(p_values, rate))


def largest_discovery(p_values: FloatArray, rate: float) -> float:
    """Return the largest p-value of a hypothesis that `discoveries` rejects; -1 for none."""
    n = len(p_values)
    ranked = np.sort(p_values)
    below = np.flatnonzero(ranked <= rate * np.arange(1, n + 1) / n) if n else ranked
    return float(ranked[below[-1]]) if len(below) else -1.0


def holm(p_values: FloatArray) -> FloatArray:
    """Return p-values adjusted for their number (Holm, Scandinavian Journal of Statistics 6, 1979).

    One that is at most a rate can be rejected with that rate of any false rejection.
    """
    n = len(p_values)
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(n)
    steps = p_values[order] * np.arange(n, 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def simes(p_values: FloatArray, at_least: int = 1) -> float:
    """Return the p-value of the hypothesis that fewer than `at_least` of several are false.

    Parameters
    ----------
    p_values : ndarray of float64, shape (n,)
    at_least : int, default 1
        With 1, the hypothesis that all hold.

    References
    ----------
    Simes, "An improved Bonferroni procedure for multiple tests of significance", Biometrika 73,
    1986; Benjamini, Heller, "Screening for partial conjunction hypotheses", Biometrics 64, 2008,
    equation 4.

    Examples
    --------
    >>> import numpy as np
    >>> p_values = np.array([0.01, 0.04, 0.6])
    >>> round(simes(p_values), 3), round(simes(p_values, 2), 3)
    (0.03, 0.08)
    """
    kept = np.sort(p_values)[at_least - 1 :]
    if len(kept) == 0:
        return 1.0
    return float(min(1.0, (kept * len(kept) / np.arange(1, len(kept) + 1)).min()))
