"""Columns that take the noise of the background values out of a regression (control variates)."""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.blocks import LEVELS
from mlflow_lime.core.masks import LEVEL_BITS
from mlflow_lime.errors import DataError

__all__ = ["choose_order", "level_columns"]

MAX_ORDER: Final = 3
_PRECISION = 10


def choose_order(*, n_parts: int, n_draws: int, n_rows: int) -> int:
    """Return the order of `level_columns` that the rows can bear.

    Every column costs a row's worth of information, so a degree is worth its columns only where
    rows are many: 4 rows a column for degree 2, 2.5 for degree 1 (``benchmarks/designs.py``).

    Parameters
    ----------
    n_parts, n_draws : int
        As in `mlflow_lime.core.masks.mask_block`.
    n_rows : int
        Rows of all replicates together.

    Returns
    -------
    int
        0, 1, or 2.

    Examples
    --------
    >>> [choose_order(n_parts=30, n_draws=30, n_rows=n) for n in (128, 256, 512)]
    [0, 1, 2]
    """
    for order, rows_per_column in ((2, 4.0), (1, 2.5)):
        if n_draws and n_rows >= rows_per_column * (1 + n_parts + order * n_draws):
            return order
    return 0


def level_columns(
    masks: NDArray[np.uint8],
    levels: NDArray[np.uint16],
    *,
    order: int = 2,
    owners: NDArray[np.intp] | None = None,
) -> NDArray[np.float32]:
    """Return columns that take the noise of the background values out of a regression.

    Column ``(1 - z_j) P_m(level_j)``, with P_m the Legendre polynomial of degree m = 1 .. order.
    Given the masks each column has mean zero over the levels, so it is uncorrelated with every
    function of the masks: beside the masks in a least-squares fit it leaves what the weights
    estimate as it is, and explains variance that would otherwise be noise.

    Parameters
    ----------
    masks : ndarray of uint8, shape (n_rows, n_parts)
        1 = kept.
    levels : ndarray of uint16, shape (n_rows, n_draws)
        Levels of the same rows.
    order : int
        Highest degree, 0 to 3.
    owners : ndarray of intp, shape (n_draws,), optional
        Part that each level belongs to; needed where `n_draws` differs from `n_parts`.

    Returns
    -------
    ndarray of float32, shape (n_rows, n_draws * order)
        The degrees of one draw stand together. Each column has a variance about the share of rows
        in which the part is absent. The values are multiples of 2**-10, so single precision adds
        up thousands of them, or of their products with masks, without error.

    References
    ----------
    Owen, "Monte Carlo theory, methods and examples", 2013, section 8.9 (control variates by
    regression).

    Examples
    --------
    >>> masks, levels = np.array([[0, 1]], np.uint8), np.array([[1023, 0]], np.uint16)
    >>> [round(abs(float(value)), 2) for value in level_columns(masks, levels, order=1)[0]]
    [1.73, 0.0]
    """
    if not 0 <= order <= MAX_ORDER:
        msg = f"the order of level columns must be 0 to {MAX_ORDER}, got {order!r}"
        raise DataError(msg)
    if owners is None and levels.shape[1] != masks.shape[1]:
        msg = f"{levels.shape[1]} levels of {masks.shape[1]} parts need their owners"
        raise DataError(msg)
    kept = masks if owners is None else masks[:, owners]
    places = levels | kept.astype(np.uint16) << np.uint16(LEVEL_BITS)
    columns: NDArray[np.float32] = np.take(_level_values(order), places, axis=0, mode="clip")
    return columns.reshape(len(levels), order * levels.shape[1])


@lru_cache(maxsize=MAX_ORDER + 1)
def _level_values(order: int) -> NDArray[np.float32]:
    """Return orthonormal polynomials of the level, then zeros, shape (2 * LEVELS, order)."""
    centred = (np.arange(LEVELS) + 0.5) / LEVELS * 2.0 - 1.0
    powers = centred[:, None] ** np.arange(MAX_ORDER + 1)
    basis, triangle = np.linalg.qr(powers)
    polynomials = (basis * np.sign(np.diag(triangle)))[:, 1 : 1 + order] * np.sqrt(LEVELS)
    # Running sums are rounded, not values: so each mean stays exactly zero.
    sums = np.rint(np.cumsum(polynomials, axis=0) * 2.0**_PRECISION)
    values = np.zeros((2 * LEVELS, order), dtype=np.float32)
    values[:LEVELS] = np.diff(sums, axis=0, prepend=0.0) * 2.0**-_PRECISION
    values.setflags(write=False)
    return values
