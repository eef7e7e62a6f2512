"""How many parts are kept: the distribution behind each law of the masks."""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

__all__ = ["LAWS", "count_law", "count_weights"]

FloatArray = NDArray[np.float64]

LAWS: Final = ("uniform_count", "bernoulli")


def count_weights(law: str, n_parts: int, width: float | None = None) -> FloatArray:
    """Return the weight of a mask under a law, by its number of kept parts.

    Parameters
    ----------
    law : {"uniform_count", "bernoulli"}
        Law of the masks.
    n_parts : int
        Number of parts.
    width : float, optional
        As in `mask_block`.

    Returns
    -------
    ndarray of float64, shape (n_parts + 1,)
        ``2**n_parts`` times the probability of one mask with that many parts kept, so that the
        weights of all masks have mean 1.

    Examples
    --------
    >>> count_weights("uniform_count", 2).round(3).tolist()
    [1.333, 0.667, 1.333]
    """
    if law == "bernoulli":
        return np.ones(n_parts + 1)
    # Gauss-Legendre is exact for the polynomial p^k (1 - p)^(n - k) times a smooth density.
    nodes, node_weights = np.polynomial.legendre.leggauss(n_parts // 2 + 64)
    share = (nodes + 1.0) / 2.0
    density = node_weights / 2.0
    if width is not None:
        density = density * np.exp(-0.5 * ((1.0 - share) / width) ** 2)
        density /= density.sum()
    kept = np.arange(n_parts + 1)[:, None]
    terms = (2.0 * share) ** kept * (2.0 * (1.0 - share)) ** (n_parts - kept)
    return np.asarray(terms @ density, dtype=np.float64)


@lru_cache(maxsize=256)
def count_law(law: str, n_parts: int, width: float | None = None) -> FloatArray:
    """Return the probability of each number of kept parts.

    Parameters
    ----------
    law : {"uniform_count", "bernoulli"}
        Law of the masks.
    n_parts : int
        Number of parts, of any size.
    width : float, optional
        As in `mlflow_lime.core.masks.mask_block`.

    Returns
    -------
    ndarray of float64, shape (n_parts + 1,)
        Read-only.

    Examples
    --------
    >>> count_law("uniform_count", 3).round(3).tolist()
    [0.25, 0.25, 0.25, 0.25]
    >>> count_law("bernoulli", 2).round(3).tolist()
    [0.25, 0.5, 0.25]
    """
    kept = np.arange(n_parts + 1.0)
    choices = gammaln(n_parts + 1.0) - gammaln(kept + 1.0) - gammaln(n_parts - kept + 1.0)
    if law == "bernoulli":
        found = np.exp(choices - n_parts * np.log(2.0))
    elif width is None:
        found = np.ones(n_parts + 1)
    else:
        # A binomial term has a standard deviation of many nodes, and so is summed without error.
        nodes, density = np.polynomial.legendre.leggauss(64 + 5 * int(np.sqrt(n_parts)))
        share = (nodes + 1.0) / 2.0
        density = density * np.exp(-0.5 * ((1.0 - share) / width) ** 2)
        powers = np.outer(kept, np.log(share)) + np.outer(n_parts - kept, np.log1p(-share))
        found = np.exp(choices[:, None] + powers) @ density
    found = np.asarray(found / found.sum(), dtype=np.float64)
    found.setflags(write=False)
    return found
