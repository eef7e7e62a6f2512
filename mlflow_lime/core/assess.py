"""From the predicted rows of one instance to its explanation: fits, intervals, fidelity."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.covariates import MANY_COLUMNS
from mlflow_lime.core.explanation import LabelExplanation
from mlflow_lime.core.moments import Moments
from mlflow_lime.core.options import Fitting
from mlflow_lime.core.partial import partial_squares
from mlflow_lime.core.sample import Sample, concatenated
from mlflow_lime.core.surrogate import (
    LinearFit,
    fit_ridge,
    jackknife,
    residual_squares,
    select_parts,
)
from mlflow_lime.errors import DataError

__all__ = ["Fits", "assess", "fit_surrogates", "permuted_r2"]

FloatArray = NDArray[np.float64]

STABILITY_PARTS = 5
SPARE_ROWS = 10
"""Rows of a replicate, beside one for each nuisance column, from which partial R² is told."""
ROUNDING = 1e-10
"""Share of the variance up to which what is left of it is rounding."""
FLAT_PROBABILITY = 1e-3
FLAT_RELATIVE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Fits:
    """The surrogates of all outputs: from all rows, and without each replicate in turn.

    Attributes
    ----------
    intercepts : ndarray of float64, shape (1 + n_replicates, n_outputs)
    weights : ndarray of float64, shape (1 + n_replicates, n_outputs, n_parts)
    at_instance : ndarray of float64, shape (n_outputs,)
        The surrogate of all rows at the instance.
    squared_error : ndarray of float64, shape (n_outputs,)
        Weighted held-out sum of squared errors over all replicates.
    held_out : list of ndarray of float64, each shape (n_rows, n_outputs)
        Prediction of each replicate's rows by the surrogate that has not seen them.
    partial_r2 : ndarray of float64, shape (n_outputs,), or None
        Held-out partial R²; None where there are no nuisance columns, so that it is the plain one.
    """

    intercepts: FloatArray
    weights: FloatArray
    at_instance: FloatArray
    squared_error: FloatArray
    held_out: list[FloatArray]
    partial_r2: FloatArray | None = None

    def ordered(self, order: NDArray[np.intp]) -> "Fits":
        """Return the same fits with the parts in another order."""
        return replace(self, weights=np.take(self.weights, order, axis=2))


def fit_surrogates(
    samples: Sequence[Sample], origins: Sequence[FloatArray], options: Fitting
) -> list[Fits]:
    """Fit the surrogates of one instance, or of several that have the same rows.

    Parameters
    ----------
    samples : sequence of Sample
        Of as many outputs each.
    origins : sequence of ndarray of float64, each shape (n_parts,)
        Features of the instances.
    options : Fitting

    Returns
    -------
    list of Fits
        The same bits together as one by one.

    Raises
    ------
    DataError
        If all the weight lies in one replicate, or on rows that are all alike.
    """
    blocks = Moments.together([sample.moments() for sample in samples])
    weight, covariates = blocks.weight, blocks.covariates
    single = len(weight) > 1 and weight.max() >= (1 - 1e-12) * weight.sum()
    spread = covariates.total.squares[0] if weight.any() else np.zeros(1)
    if single or not spread.max() > 1e-12 * weight.sum():
        counted, n_rows = np.count_nonzero(samples[0].all_weights()), samples[0].n_rows
        msg = (
            f"the kernel gives weight to {counted} of {n_rows} rows, too few to fit a surrogate; "
            "make it wider"
        )
        raise DataError(msg)
    own = [
        origin if sample.order is None else origin[np.argsort(sample.order)]
        for sample, origin in zip(samples, origins, strict=True)
    ]
    if options.regressor is not None:
        pairs = zip(samples, own, strict=True)
        fits = [_fit_regressors(sample, origin, options) for sample, origin in pairs]
    else:
        fits = _fit_linear(samples, blocks, own, options)
    return [
        fit if sample.order is None else fit.ordered(sample.order)
        for sample, fit in zip(samples, fits, strict=True)
    ]


def _fit_linear(
    samples: Sequence[Sample], blocks: Moments, origins: Sequence[FloatArray], options: Fitting
) -> list[Fits]:
    fit = _fit_moments(blocks, options)
    seen = _unseen(fit)
    residuals = residual_squares(blocks, seen)
    partial = _partial_r2(samples[0], blocks, seen, residuals)
    offsets = np.stack([sample.offset for sample in samples])[:, None, :]
    betas = np.concatenate([(seen.intercepts + offsets)[..., None], seen.weights], axis=-1)
    fits = []
    for i, (sample, origin) in enumerate(zip(samples, origins, strict=True)):
        intercepts, weights = fit.intercepts[i] + sample.offset, fit.weights[i]
        fits.append(
            Fits(
                intercepts=intercepts,
                weights=weights,
                at_instance=intercepts[0] + weights[0] @ origin,
                squared_error=residuals[i].sum(axis=0),
                held_out=[
                    concatenated([one.predicted(beta) for one in rows])
                    for rows, beta in zip(sample.rows, betas[i], strict=True)
                ],
                partial_r2=None if partial is None else partial[i],
            )
        )
    return fits


def _unseen(fit: LinearFit) -> LinearFit:
    """Return, for each replicate, the surrogate that has not seen it."""
    if fit.intercepts.shape[-2] == 1:
        return fit
    return LinearFit(fit.intercepts[..., 1:, :], fit.weights[..., 1:, :, :])


def _fit_moments(blocks: Moments, options: Fitting) -> LinearFit:
    """Fit all labels to all replicates, and without each of them in turn.

    Where parts are selected, the moments are those of one instance.
    """
    n_outputs = blocks.cross.shape[-1]
    selects = options.selects(blocks.n_parts)
    supports: list[NDArray[np.intp]] = []
    fits: list[LinearFit] = []
    for sums in _sums(blocks):
        adjusted = sums.adjusted()
        if selects and not supports:
            first = adjusted.instance(0).first()
            supports = [
                select_parts(options.select, first, n_parts=options.parts, label=label)
                for label in range(n_outputs)
            ]
        fits.append(_fit_supports(adjusted, supports, options.penalty))
    return LinearFit(
        np.concatenate([part.intercepts for part in fits], axis=-2),
        np.concatenate([part.weights for part in fits], axis=-3),
    )


def _partial_r2(
    sample: Sample, blocks: Moments, seen: LinearFit, residuals: FloatArray
) -> FloatArray | None:
    """Return the held-out partial R² of instances and outputs; NaN where the rows cannot tell."""
    if blocks.n_nuisance == 0:
        return None
    counts = [sum(one.n_counted for one in rows) for rows in sample.rows]
    if min(counts) < blocks.n_nuisance + SPARE_ROWS:
        return np.full((len(residuals), residuals.shape[-1]), np.nan)
    squares = partial_squares(blocks, seen, residuals)
    variance, residual = (one.sum(axis=-2) for one in squares)
    whole = blocks.score_squares().sum(axis=-2)
    known = variance > ROUNDING * whole
    unexplained: FloatArray = np.full_like(variance, np.nan)
    np.divide(residual, variance, out=unexplained, where=known)
    return 1.0 - unexplained


def permuted_r2(sample: Sample, options: Fitting) -> float:
    """Return the held-out R² of a surrogate of shuffled scores; NaN where there is none.

    The masks, the weights of the rows, and the nuisance columns are those of the explanation, and
    so is the fit: only the scores stand at other rows of the same replicate. The rows are those of
    the first round. Whatever it finds is
    found in noise, so the result lies about zero (a little below, for the held-out error of a fit
    to noise is larger than the variance).

    Parameters
    ----------
    sample : Sample
        With `shuffled` scores.
    options : Fitting
        A linear surrogate; regressors are not fitted again.

    References
    ----------
    Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim, "Sanity checks for saliency maps", NeurIPS
    2018, for explanations of what was randomised.
    """
    if sample.shuffled is None or options.regressor is not None or sample.n_replicates < 2:
        return float("nan")
    blocks = Moments.together([sample.shuffled_moments()])
    variance = blocks.score_squares().sum()
    if not variance > 0:
        return float("nan")
    seen = _unseen(_fit_moments(blocks, options))
    return float(1.0 - residual_squares(blocks, seen).sum() / variance)


def _sums(blocks: Moments) -> Iterator[Moments]:
    """Yield stacks of the sum of all replicates, and of the sums without each of them.

    They are one stack where the matrices are small; large ones come one by one, so that each takes
    the memory of the one before.
    """
    n_replicates = blocks.cross.shape[-3]
    if n_replicates == 1:
        yield blocks.total()
    elif blocks.n_parts < MANY_COLUMNS:
        yield blocks.sums()
    else:
        yield blocks.total()
        yield from (blocks.without(replicate) for replicate in range(n_replicates))


def _fit_supports(
    moments: Moments, supports: Sequence[NDArray[np.intp]], penalty: float
) -> LinearFit:
    """Fit all parts, or for each label those of its support."""
    if not supports:
        return fit_ridge(moments, penalty=penalty)
    fits = [fit_ridge(moments, penalty=penalty, support=support) for support in supports]
    weights = np.stack([fit.weights[..., label, :] for label, fit in enumerate(fits)], axis=-1)
    return LinearFit(
        np.stack([fit.intercepts[..., label] for label, fit in enumerate(fits)], axis=-1),
        np.swapaxes(weights, -1, -2),  # in the memory order of a fit of all parts, for equal bits
    )


def _fit_regressors(sample: Sample, origin: FloatArray, options: Fitting) -> Fits:
    """Fit the user's regressor to the rows, once with all and once without each replicate."""
    rows = [sample.joined(r) for r in range(sample.n_replicates)]
    n_outputs, n_parts = rows[0][1].shape[1], rows[0][0].shape[1]
    n_fits = 1 + (len(rows) if len(rows) > 1 else 0)
    intercepts = np.zeros((n_fits, n_outputs))
    weights = np.zeros((n_fits, n_outputs, n_parts))
    held_out = [np.zeros_like(scores) for _, scores, _ in rows]
    squared_error, at_instance = np.zeros(n_outputs), np.zeros(n_outputs)
    probes = np.vstack([np.zeros(n_parts), origin, origin * (1.0 - np.eye(n_parts))])
    for label in range(n_outputs):
        for k in range(n_fits):
            used = [row for r, row in enumerate(rows) if r != k - 1]
            model = _fit_one(used, label, options)
            answers = np.asarray(model.predict(probes), dtype=np.float64).reshape(-1)
            intercepts[k, label] = answers[0]
            weights[k, label] = answers[1] - answers[2:]
            if k == 0:
                at_instance[label] = answers[1]
            if k > 0 or n_fits == 1:
                r = max(k - 1, 0)
                features, scores, kernel = rows[r]
                held_out[r][:, label] = np.asarray(model.predict(features)).reshape(-1)
                squared_error[label] += kernel @ (held_out[r][:, label] - scores[:, label]) ** 2
    return Fits(intercepts, weights, at_instance, squared_error, held_out)


def _fit_one(
    rows: Sequence[tuple[NDArray[Any], FloatArray, FloatArray]], label: int, options: Fitting
) -> Any:
    model = options.regressor() if options.regressor is not None else None
    features = np.concatenate([row[0] for row in rows])
    scores = np.concatenate([row[1][:, label] for row in rows])
    kernel = np.concatenate([row[2] for row in rows])
    return model.fit(features, scores, sample_weight=kernel)  # type: ignore[union-attr]


def assess(
    sample: Sample,
    fits: Fits,
    *,
    scores: FloatArray,
    mode: str,
    labels: Sequence[tuple[int, int, str]],
    confidence: float,
) -> list[LabelExplanation]:
    """Turn fits into one result for each explained label.

    Parameters
    ----------
    sample : Sample
    fits : Fits
    scores : ndarray of float64, shape (n_fitted_outputs,)
        The model's outputs at the instance, in the order of the fitted outputs.
    mode : {"classification", "regression"}
    labels : sequence of (int, int, str)
        Fitted output, column among the model's outputs, and name of each explained label.
    confidence : float
        Coverage of the intervals.
    """
    moments = sample.moments()
    variance = moments.score_squares().sum(axis=0)
    std = np.sqrt(moments.total().score_squares()[0] / moments.weight.sum())
    loo = fits.weights[1:]
    std_errors, half = jackknife(fits.weights[0], loo, confidence=confidence)
    agreement = _decision_agreement(sample, fits, mode)
    largest = np.sqrt(np.abs(moments.squares.sum(axis=0)))
    scale = np.abs(sample.offset) + largest / np.sqrt(moments.weight.sum())
    results = []
    for output, index, name in labels:
        threshold = FLAT_PROBABILITY if mode == "classification" else FLAT_RELATIVE * scale[output]
        flat = bool(std[output] <= threshold)
        tiny = variance[output] <= 1e-24 * max(scale[output] ** 2, 1e-300) * moments.weight.sum()
        r2 = float("nan") if tiny else float(1 - fits.squared_error[output] / variance[output])
        partial = _known_partial(fits, moments, output, r2)
        weights = fits.weights[0, output]
        overlap, signs = _stability(weights, loo[:, output])
        results.append(
            LabelExplanation(
                label=name,
                index=index,
                weights=weights,
                std_errors=std_errors[output],
                low=weights - half[output],
                high=weights + half[output],
                replicate_weights=loo[:, output],
                intercept=float(fits.intercepts[0, output]),
                prediction=float(scores[output]),
                surrogate_prediction=float(fits.at_instance[output]),
                fidelity_r2=float("nan") if flat else r2,
                error=float(np.sqrt(fits.squared_error[output] / moments.weight.sum())),
                output_std=float(std[output]),
                decision_agreement=agreement,
                stability_topk=overlap,
                sign_agreement=signs,
                flat=flat,
                partial_r2=float("nan") if flat else partial,
            )
        )
    return results


def _known_partial(fits: Fits, moments: Moments, output: int, r2: float) -> float:
    if moments.n_nuisance == 0:
        return r2
    return float("nan") if fits.partial_r2 is None else float(fits.partial_r2[output])


def _decision_agreement(sample: Sample, fits: Fits, mode: str) -> float:
    """Return the weighted share of held-out rows on which model and surrogate decide alike."""
    if mode != "classification":
        return float("nan")
    agreed = total = 0.0
    for blocks, scores, predicted in zip(sample.rows, sample.scores, fits.held_out, strict=True):
        same = _decisions(concatenated(scores)) == _decisions(predicted)
        start = 0
        for rows in blocks:
            stop = start + rows.n_rows
            agreed += rows.weight_of(same[start:stop])
            total += rows.weight
            start = stop
    return agreed / total


def _decisions(scores: FloatArray) -> NDArray[Any]:
    """Return the class that each row of scores decides for; the first of equal ones."""
    if scores.shape[1] == 1:
        return scores[:, 0] >= 0.5
    if scores.shape[1] == 2:  # many times faster than the general way
        return scores[:, 1] > scores[:, 0]
    return np.asarray(scores.argmax(axis=1))


def _stability(weights: FloatArray, fits: FloatArray) -> tuple[float, float]:
    """Return top-part overlap between fits, and their sign agreement with the weights."""
    if len(fits) < 2 or fits.shape[1] == 0:
        return 1.0, 1.0
    k = min(STABILITY_PARTS, (fits.shape[1] + 1) // 2)
    orders = np.argsort(-np.abs(fits), axis=1, kind="stable")
    tops = [set(order) for order in orders[:, :k].tolist()]
    pairs = [len(a & b) / len(a | b) for a, b in combinations(tops, 2)]
    heavy = np.argsort(-np.abs(weights), kind="stable")[:k]
    alike = np.sign(fits[:, heavy]) == np.sign(weights[heavy])
    return sum(pairs) / len(pairs), np.count_nonzero(alike) / alike.size
