"""How much of a held-out block is left when the nuisance columns are taken out of it."""

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.moments import Moments
from mlflow_lime.core.surrogate import LinearFit

__all__ = ["partial_squares"]

FloatArray = NDArray[np.float64]


def partial_squares(
    blocks: Moments, fit: LinearFit, residuals: FloatArray
) -> tuple[FloatArray, FloatArray]:
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
    residuals : ndarray of float64, shape (..., n_blocks, n_labels)
        Its residual sums of squares.

    Returns
    -------
    scores, residuals : ndarray of float64, shape (..., n_blocks, n_labels)
        Weighted sums of squares: of the scores about the mean, and of the residuals, both after a
        regression on the nuisance columns of the same block (Frisch-Waugh-Lovell).

    References
    ----------
    Anderson-Sprecher, "Model comparisons and R²", The American Statistician 48, 1994, for the
    partial R².
    """
    split, covariates = 1 + blocks.n_parts, blocks.covariates
    beta = np.concatenate([fit.intercepts[..., None], fit.weights], axis=-1)
    known = covariates.whitened @ blocks.cross[..., split:, :]
    unseen = known - covariates.explained @ np.swapaxes(beta, -1, -2)
    constant = covariates.explained[:, :, :1]
    # Net of the nuisance columns: the weight, the sum of the scores, and their squares.
    weight = blocks.weight - (constant**2).sum(axis=(1, 2))
    sums = blocks.cross[..., 0, :] - (constant * known).sum(axis=-2)
    squares = blocks.squares - (known**2).sum(axis=-2)
    scores = np.maximum(squares - sums**2 / weight[:, None], 0.0)
    return scores, np.maximum(residuals - (unseen**2).sum(axis=-2), 0.0)
