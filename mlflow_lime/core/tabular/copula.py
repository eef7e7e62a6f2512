"""Background levels that keep the correlations of the data: a Gaussian copula."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from mlflow_lime.core.blocks import LEVELS

__all__ = ["NORMAL_SCORES", "condition", "correlate"]

NORMAL_SCORES: NDArray[np.float64] = ndtri((np.arange(LEVELS) + 0.5) / LEVELS)
"""Standard normal quantile at the middle of each background level, shape (LEVELS,)."""

_CHUNK_BYTES = 2**25


def _root(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return L with ``L Lᵀ`` the correlation, also where that is singular."""
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    scale: NDArray[np.float64] = np.sqrt((root**2).sum(axis=1, keepdims=True))
    return np.asarray(root / np.maximum(scale, 1e-12))


def _levels(scores: NDArray[np.float64]) -> NDArray[np.uint16]:
    levels: NDArray[np.float64] = np.minimum(ndtr(scores) * LEVELS, LEVELS - 1)
    return levels.astype(np.uint16)


def correlate(levels: NDArray[np.uint16], correlation: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Turn independent levels into levels with the given correlation of normal scores.

    Parameters
    ----------
    levels : ndarray of uint16, shape (n_rows, n_parts)
        Independent and uniform.
    correlation : ndarray of float64, shape (n_parts, n_parts)

    Returns
    -------
    ndarray of uint16, shape (n_rows, n_parts)
        Uniform one by one, dependent together.
    """
    return _levels(NORMAL_SCORES[levels] @ _root(correlation).T)


def condition(
    levels: NDArray[np.uint16],
    masks: NDArray[np.uint8],
    own_scores: NDArray[np.float64],
    correlation: NDArray[np.float64],
) -> NDArray[np.uint16]:
    """Turn independent levels into draws of the absent parts given the present ones.

    A joint draw is shifted by the regression of the absent scores on the present ones (Matheron's
    rule), which gives the conditional law of a Gaussian exactly.

    Parameters
    ----------
    levels : ndarray of uint16, shape (n_rows, n_parts)
        Independent and uniform.
    masks : ndarray of uint8, shape (n_rows, n_parts)
        1 = present.
    own_scores : ndarray of float64, shape (n_parts,)
        Normal scores of the instance.
    correlation : ndarray of float64, shape (n_parts, n_parts)

    Returns
    -------
    ndarray of uint16, shape (n_rows, n_parts)

    References
    ----------
    Chilès, Delfiner, "Geostatistics", 2012, section 7.3.1 (conditioning by kriging).
    """
    n_rows, n_parts = levels.shape
    joint = NORMAL_SCORES[levels] @ _root(correlation).T
    rows = max(1, _CHUNK_BYTES // (8 * n_parts * n_parts))
    ridge = 1e-6 * np.eye(n_parts)
    out = np.empty_like(joint)
    for start in range(0, n_rows, rows):
        part = slice(start, start + rows)
        kept = masks[part].astype(np.float64)
        system = correlation * kept[:, :, None] * kept[:, None, :] + ridge
        system[:, np.arange(n_parts), np.arange(n_parts)] += 1.0 - kept
        gap = kept * (own_scores - joint[part])
        shift = np.linalg.solve(system, gap[:, :, None])[:, :, 0] @ correlation
        out[part] = joint[part] + shift
    return _levels(out)
