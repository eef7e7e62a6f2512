"""Columns that take out of a regression how scores bend with the number of kept parts.

Where absent parts are replaced by something fixed, much of what a linear surrogate leaves over is
that scores, and what a part adds to them, depend on how many other parts are kept. Columns that
follow these two, and that are orthogonal under the law to every linear function of the masks,
explain that variance and leave what the weights estimate as it is.
"""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.laws import count_law

__all__ = ["choose_count_order", "count_columns"]

FloatArray = NDArray[np.float64]

MAX_DEGREE: Final = 4
ROWS_PER_PART: Final = 10
ROWS_PER_COLUMN: Final = 4
MAX_PARTS: Final = 512


def choose_count_order(*, n_parts: int, n_rows: int) -> int:
    """Return the order of `count_columns` that the rows can bear.

    Columns that follow scores nowhere cost precision in proportion to their number: with 10 rows a
    part those of order 2 cost an eighth of it at most, and mostly halve the squared error
    (``benchmarks/binary_designs.py``).

    Parameters
    ----------
    n_parts : int
    n_rows : int
        Rows of all replicates together.

    Returns
    -------
    int
        0, 1, or 2.

    Examples
    --------
    >>> [choose_count_order(n_parts=100, n_rows=n) for n in (256, 512, 1024)]
    [0, 1, 2]
    """
    if n_parts < 3 or n_rows < ROWS_PER_COLUMN * (n_parts + MAX_DEGREE):
        return 0
    return 2 if n_rows >= ROWS_PER_PART * n_parts and n_parts <= MAX_PARTS else 1


def count_columns(
    masks: NDArray[np.uint8], *, law: str, width: float | None = None, order: int = 2
) -> FloatArray:
    """Return columns that depend on the number of kept parts, and are orthogonal to the masks.

    With k of n parts kept, order 1 gives the polynomials of k of degree 2 to 4 that are
    orthonormal under the law. Being orthogonal to 1 and k they are orthogonal, by symmetry, to
    every part. Order 2 adds for each part j the column ``(z_j - k / n) (k - c)``, up to a factor.
    Given k its mean is zero, and its mean product with any part is proportional to
    ``k (n - k) (k - c)``, whose mean the choice of c makes zero.

    Parameters
    ----------
    masks : ndarray of uint8, shape (n_rows, n_parts)
        1 = kept.
    law, width : see `mlflow_lime.core.masks.mask_block`
        What the masks follow, each row counting alike.
    order : int
        1 or 2.

    Returns
    -------
    ndarray of float64, shape (n_rows, min(n_parts, 4) - 1 + n_parts * (order - 1))
        Under the law every column has mean zero, and is uncorrelated with every part.

    References
    ----------
    Owen, "Monte Carlo theory, methods and examples", 2013, section 8.9 (control variates by
    regression).

    Examples
    --------
    >>> masks = np.array([[1, 1, 0], [1, 1, 1]], dtype=np.uint8)
    >>> count_columns(masks, law="uniform_count", order=1).round(2).tolist()
    [[-1.0, -1.34], [1.0, 0.45]]
    """
    n_parts = masks.shape[1]
    kept = masks.sum(axis=1, dtype=np.intp)
    curves, slope = _by_count(law, n_parts, width)
    columns: FloatArray = curves[kept]
    if order < 2:
        return columns
    centred = masks - kept[:, None] / n_parts
    return np.hstack([columns, centred * slope[kept, None]])


@lru_cache(maxsize=64)
def _by_count(law: str, n_parts: int, width: float | None) -> tuple[FloatArray, FloatArray]:
    """Return the polynomials of the count, and the factor ``k - c`` of the slopes."""
    kept = np.arange(n_parts + 1.0)
    chance = count_law(law, n_parts, width)
    curves = _orthonormal(kept, chance, min(MAX_DEGREE, n_parts))[:, 2:]
    slope = _orthonormal(kept, chance * kept * (n_parts - kept), 1)[:, 1]
    curves.setflags(write=False)
    slope.setflags(write=False)
    return curves, slope


def _orthonormal(points: FloatArray, weights: FloatArray, degree: int) -> FloatArray:
    """Return polynomials of degree 0 to `degree`, orthonormal under weights, at the points.

    By the Stieltjes procedure (Gautschi, "Orthogonal polynomials", 2004, section 2.2.3).
    """
    weights = weights / weights.sum()
    centre = weights @ points
    points = (points - centre) / np.sqrt(weights @ (points - centre) ** 2)
    found = [np.ones(len(points))]
    for _ in range(degree):
        following = points * found[-1]
        # Twice, because once leaves rounding.
        for before in found * 2:
            following = following - (weights @ (following * before)) * before
        found.append(following / np.sqrt(weights @ following**2))
    return np.column_stack(found)
