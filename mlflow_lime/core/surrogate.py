"""The local linear model, its selected parts, and its intervals, from moments alone."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from mlflow_lime.core.covariates import MANY_COLUMNS
from mlflow_lime.core.moments import Moments
from mlflow_lime.core.quantiles import student_quantile
from mlflow_lime.errors import DataError, did_you_mean

__all__ = [
    "SELECTIONS",
    "LinearFit",
    "fit_ridge",
    "jackknife",
    "residual_squares",
    "select_parts",
]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class LinearFit:
    """Linear surrogates of several labels, one set for each block of moments.

    Attributes
    ----------
    intercepts : ndarray of float64, shape (..., n_blocks, n_labels)
    weights : ndarray of float64, shape (..., n_blocks, n_labels, n_parts)
        Where the moments are those of several instances, first the instance.
    """

    intercepts: FloatArray
    weights: FloatArray


def fit_ridge(
    moments: Moments, *, penalty: float, absolute: bool = False, support: IndexArray | None = None
) -> LinearFit:
    """Fit weighted ridge regressions with an intercept that is not penalised.

    Parameters
    ----------
    moments : Moments
        One or more blocks.
    penalty : float
        Penalty on the squared weights, per unit of total kernel weight; so the amount of shrinkage
        does not depend on the number of rows.
    absolute : bool, default False
        Whether the penalty is an absolute number, as in scikit-learn's ``Ridge(alpha)``.
    support : ndarray of intp, optional
        Parts to fit; the others get weight zero.

    Returns
    -------
    LinearFit

    Examples
    --------
    >>> z = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> moments = Moments.of_rows(z, z @ [[2.0], [3.0]] + 1, np.ones(4))
    >>> fit_ridge(moments, penalty=0.0).weights.round(6)
    array([[[2., 3.]]])
    """
    cross = moments.centred_cross()
    if support is None and not absolute and moments.n_parts < MANY_COLUMNS:
        factors = moments.covariates.ridge_factors(penalty)
        solved = np.swapaxes(factors, 1, 2) @ (factors @ cross)
    else:
        solved = _solve(moments, cross, penalty, absolute, support)
    fitted = np.swapaxes(solved, -1, -2)
    weights: FloatArray = fitted
    if support is not None:
        weights = np.zeros((*fitted.shape[:-1], moments.n_parts))
        weights[..., support] = fitted
    sums = moments.covariates.gram[:, 0, 1 : 1 + moments.n_parts]
    means = sums / moments.weight[:, None]
    intercepts: FloatArray = moments.score_means - (weights @ means[:, :, None])[..., 0]
    return LinearFit(intercepts, weights)


def _solve(
    moments: Moments,
    cross: FloatArray,
    penalty: float,
    absolute: bool,
    support: IndexArray | None,
) -> FloatArray:
    """Solve for the parts of the support, shape (n_blocks, n_fitted, n_labels)."""
    features = moments.covariates.centred
    if support is not None:
        features = features[:, support[:, None], support[None, :]]
        cross = cross[..., support, :]
    alpha = np.full(len(features), penalty) if absolute else penalty * moments.weight
    features = features + alpha[:, None, None] * np.eye(features.shape[1])
    try:
        if features.shape[1] < MANY_COLUMNS:
            return np.asarray(np.linalg.solve(features, cross), dtype=np.float64)
        solved = np.empty_like(cross)
        for i, matrix in enumerate(features):
            factor = cho_factor(matrix, lower=True, check_finite=False)
            for place in np.ndindex(cross.shape[:-3]):
                solved[*place, i] = cho_solve(factor, cross[*place, i], check_finite=False)
        return solved
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.pinv(features, hermitian=True) @ cross, dtype=np.float64)


def residual_squares(moments: Moments, fit: LinearFit) -> FloatArray:
    """Return weighted residual sums of squares of a fit, shape (..., n_blocks, n_labels)."""
    plain = moments.plain()
    beta = np.ascontiguousarray(np.concatenate([fit.intercepts[..., None], fit.weights], axis=-1))
    linear = (beta * np.ascontiguousarray(np.swapaxes(plain.cross, -1, -2))).sum(axis=-1)
    quadratic = ((beta @ plain.covariates.gram) * beta).sum(axis=-1)
    return np.asarray(np.maximum(plain.squares - 2.0 * linear + quadratic, 0.0))


def jackknife(
    estimate: FloatArray, leave_one_out: FloatArray, *, confidence: float
) -> tuple[FloatArray, FloatArray]:
    """Return standard errors and half widths of intervals from leave-one-replicate-out fits.

    Parameters
    ----------
    estimate : ndarray of float64, shape (...)
        The estimate from all replicates.
    leave_one_out : ndarray of float64, shape (n_replicates, ...)
        Estimates without each replicate in turn.
    confidence : float
        Coverage of the intervals, between 0 and 1.

    Returns
    -------
    std_errors, half_widths : ndarray of float64, shape (...)
        Student's t with ``n_replicates - 1`` degrees of freedom.

    References
    ----------
    Efron, Stein, "The jackknife estimate of variance", Annals of Statistics 9, 1981.
    """
    n = len(leave_one_out)
    if n < 2:
        return np.zeros_like(estimate), np.zeros_like(estimate)
    spread = leave_one_out - leave_one_out.mean(axis=0)
    std_errors = np.sqrt((n - 1) / n * (spread**2).sum(axis=0))
    return std_errors, _quantile(confidence, n - 1) * std_errors


@lru_cache(maxsize=16)
def _quantile(confidence: float, degrees: int) -> float:
    return float(student_quantile(0.5 + confidence / 2, degrees))


def select_parts(method: str, moments: Moments, *, n_parts: int, label: int = 0) -> IndexArray:
    """Choose the parts of one label's surrogate.

    Parameters
    ----------
    method : {"highest_weights", "forward", "lasso_path"}
        By ``|weight| * sd(feature)`` of a fit on all parts; greedily by explained variance; or the
        last step of the lasso path that has at most `n_parts` parts.
    moments : Moments
        A stack of one.
    n_parts : int
        How many parts to choose at most.
    label : int, default 0
        Column of the scores.

    Returns
    -------
    ndarray of intp
        Chosen parts, in the order of choice (lasso path: ascending).

    Raises
    ------
    DataError
        If the method is unknown.

    References
    ----------
    Efron, Hastie, Johnstone, Tibshirani, "Least angle regression", Annals of Statistics 32, 2004.
    """
    if method not in SELECTIONS:
        hint = did_you_mean(method, SELECTIONS)
        msg = f"selection must be one of {tuple(SELECTIONS)}, got {method!r}.{hint}"
        raise DataError(msg)
    return SELECTIONS[method](moments, n_parts, label)


def highest_weights(
    moments: Moments,
    n_parts: int,
    label: int = 0,
    *,
    penalty: float = 0.01,
    scale: FloatArray | None = None,
) -> IndexArray:
    """Choose parts by the size of their weight times `scale` (standard deviation by default).

    The reference package multiplies by the instance's own value instead, which drops a part whose
    value happens to be near zero.
    """
    weights = fit_ridge(moments, penalty=penalty, absolute=True).weights[0, label]
    if scale is None:
        scale = np.sqrt(np.maximum(moments.covariates.squares[0], 0.0))
    return np.argsort(-np.abs(weights * scale), kind="stable")[:n_parts]


def forward_selection(moments: Moments, n_parts: int, label: int = 0) -> IndexArray:
    """Choose parts one by one, each the one that raises the explained variance most.

    Each step removes the chosen part from the others' second moments (a Gram-Schmidt step), so
    nothing is refitted.
    """
    gram = moments.covariates.centred[0].copy()
    target = moments.centred_cross()[0, :, label].copy()
    floor = 1e-12 * np.maximum(np.diagonal(gram), np.finfo(float).tiny)
    free = np.ones(len(target), dtype=bool)
    chosen: list[int] = []
    for _ in range(min(n_parts, len(target))):
        spread = np.diagonal(gram)
        usable = free & (spread > floor)
        gain = np.divide(target**2, spread, out=np.zeros_like(target), where=usable)
        gain[~free] = -1.0
        best = int(np.argmax(gain))
        chosen.append(best)
        free[best] = False
        if usable[best]:
            column = gram[:, best] / gram[best, best]
            target = target - column * target[best]
            gram = gram - np.outer(column, gram[best])
    return np.array(chosen, dtype=np.intp)


def lasso_path(moments: Moments, n_parts: int, label: int = 0) -> IndexArray:
    """Choose the parts at the last step of the lasso path that has at most `n_parts` of them."""
    from sklearn.linear_model import lars_path_gram

    _, _, path = lars_path_gram(
        moments.centred_cross()[0, :, label],
        moments.covariates.centred[0],
        n_samples=max(1, int(moments.weight[0])),
        method="lasso",
    )
    for step in range(path.shape[1] - 1, 0, -1):
        support: IndexArray = np.flatnonzero(path[:, step])
        if len(support) <= n_parts:
            return support
    return np.arange(min(n_parts, len(path)), dtype=np.intp)


SELECTIONS: dict[str, Callable[[Moments, int, int], IndexArray]] = {
    "highest_weights": highest_weights,
    "forward": forward_selection,
    "lasso_path": lasso_path,
}
