"""Quantiles and tails of the usual distributions, without the second that ``scipy.stats`` takes.

Each function has the bits of the method of ``scipy.stats`` that it stands for.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, bdtrik, stdtr, stdtrit

__all__ = ["binomial_quantile", "student_quantile", "student_tail"]


def student_quantile(probability: ArrayLike, degrees: ArrayLike) -> Any:
    """Return quantiles of Student's t with some degrees of freedom: ``t.ppf``.

    Examples
    --------
    >>> round(float(student_quantile(0.975, 3)), 3)
    3.182
    """
    return stdtrit(degrees, probability)


def student_tail(values: ArrayLike, degrees: ArrayLike) -> Any:
    """Return the chance that Student's t exceeds values: ``t.sf``.

    Examples
    --------
    >>> round(float(student_tail(3.182446, 3)), 4)
    0.025
    """
    return stdtr(degrees, np.negative(values))


def binomial_quantile(probability: ArrayLike, n: int, chance: float) -> Any:
    """Return the least counts whose cumulative chance reaches probabilities: ``binom.ppf``.

    Examples
    --------
    >>> binomial_quantile([0.025, 0.975], 20, 0.5).tolist()
    [6.0, 14.0]
    """
    count = np.ceil(bdtrik(probability, n, chance))
    less = np.maximum(count - 1, 0)
    return np.where(bdtr(less, n, chance) >= probability, less, count)
