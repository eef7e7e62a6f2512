"""How much of a held-out block is left when the nuisance columns are taken out of it."""

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.moments import Moments
from mlflow_lime.core.surrogate import LinearFit

__all__ = ["partial_squares"]

FloatArray = NDArray[np.float64]


def partial_squares(blocks: Moments, fit: LinearFit) -> tuple[FloatArray, FloatArray]:
    """Return sums of squares of the scores, and of residuals, net of the nuisance columns.

    One minus the ratio of their sums over blocks is the partial coefficient of determination of a
    fit that has not seen the block. Only the scores and the residuals are projected, not the
    parts, so the cost is small beside that of the fit.

    Parameters
    ----------
    blocks : Moments
        One Gram matrix a replicate.
    fit : LinearFit
        For each block the surrogate to be judged.

    Returns
    -------
    scores, residuals : ndarray of float64, shape (n_blocks, n_labels)
        Weighted sums of squares: of the scores about the mean, and of the residuals, both after a
        regression on the nuisance columns of the same block (Frisch-Waugh-Lovell).

    References
    ----------
    Anderson-Sprecher, "Model comparisons and R²", The American Statistician 48, 1994, for the
    partial R².
    """
    split = 1 + blocks.n_parts
    kept = blocks.gram.shape[1] - blocks.n_nuisance
    n_labels = kept - split
    beta = np.concatenate([fit.intercepts[:, :, None], fit.weights], axis=2)
    change = np.zeros((len(beta), blocks.gram.shape[1], n_labels))
    change[:, :split] = -np.swapaxes(beta, 1, 2)
    change[:, np.arange(split, kept), np.arange(n_labels)] = 1.0
    cross = blocks.gram @ change  # of the residuals with every column
    # From here on: the constant, the scores, and their residuals.
    used = np.append(0, np.arange(split, kept))
    first = 1 + n_labels
    gram = np.empty((len(beta), first + n_labels, first + n_labels))
    gram[:, :first, :first] = blocks.gram[:, used[:, None], used]
    gram[:, :first, first:] = cross[:, used]
    gram[:, first:, :first] = np.swapaxes(cross[:, used], 1, 2)
    gram[:, first:, first:] = np.swapaxes(change, 1, 2) @ cross
    shared = np.concatenate([blocks.gram[:, kept:, used], cross[:, kept:]], axis=2)
    left = Moments(gram - blocks.explained(shared), n_parts=0)
    residuals = np.diagonal(left.gram, axis1=1, axis2=2)[:, first:]
    return left.score_squares()[:, :n_labels], np.maximum(residuals, 0.0)
