"""Many instances of the same shape at once: the numbers of `compare_pair`, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma

from mlflow_lime.compare.instances import Pair
from mlflow_lime.compare.settings import DriftSettings
from mlflow_lime.compare.significance import SPREAD_IS_NOISE, p_beyond
from mlflow_lime.core.explanation import LabelExplanation

__all__ = ["Batch", "compare_batch", "shape_of"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What was found at each of several instances; see `mlflow_lime.compare.instances.Compared`.

    Attributes
    ----------
    before, after, p_values : ndarray of float64, shape (n_instances, n_parts)
        Weights of both versions, and the p-values of their changes.
    p_value, topk_overlap, rank_agreement, total_change : ndarray of float64, shape (n_instances,)
    sign_flips : ndarray of intp, shape (n_instances,)
    """

    before: FloatArray
    after: FloatArray
    p_values: FloatArray
    p_value: FloatArray
    topk_overlap: FloatArray
    rank_agreement: FloatArray
    total_change: FloatArray
    sign_flips: IntArray


def shape_of(pair: Pair) -> tuple[int, ...]:
    """Return what the pairs of a batch share: numbers of parts, of replicates, and of retrains."""
    first, second = pair.label_before, pair.label_after
    replicates = first.replicate_weights.shape, second.replicate_weights.shape
    return len(first.weights), *replicates[0], *replicates[1], len(pair.retrains)


def compare_batch(pairs: Sequence[Pair], settings: DriftSettings) -> Batch:
    """Compare the weights of two versions at instances that share `shape_of`.

    Gives what `mlflow_lime.compare.instances.compare_pair` gives of each, up to rounding; all
    numbers must be finite.
    """
    labels = [(pair.label_before, pair.label_after) for pair in pairs]
    before = np.stack([label.weights for label, _ in labels])
    after = np.stack([label.weights for _, label in labels])
    raw, degrees = _errors(pairs, before)
    std_errors, freedom = _moderated(raw, degrees)
    largest = np.maximum(_largest(before), _largest(after))
    threshold = settings.min_change * largest[:, None]
    p_values = p_beyond(after - before, std_errors, freedom[:, None], threshold)
    varied = (before != 0) | (after != 0) | (std_errors > 0)
    p_values = np.where(varied, p_values, 1.0)
    sizes = np.abs(before), np.abs(after)
    total = sizes[0].sum(axis=1) + sizes[1].sum(axis=1)
    moved = np.abs(after - before).sum(axis=1)
    return Batch(
        before=before,
        after=after,
        p_values=p_values,
        p_value=_simes(p_values, varied),
        topk_overlap=_top_overlap(*sizes, settings.top),
        rank_agreement=_rank_agreement(*sizes),
        total_change=np.where(total > 0, moved / np.where(total > 0, total, 1.0), 0.0),
        sign_flips=_sign_flips(labels),
    )


def _largest(weights: FloatArray) -> FloatArray:
    return np.asarray(np.abs(weights).max(axis=1, initial=0.0))


def _errors(pairs: Sequence[Pair], before: FloatArray) -> tuple[FloatArray, int]:
    """Return the standard errors of the changes, and their degrees of freedom."""
    if pairs[0].retrains:
        runs = [[label.weights for label in pair.retrains] for pair in pairs]
        family = np.concatenate([before[:, None], np.array(runs)], axis=1)
        return np.sqrt(2.0) * family.std(axis=1, ddof=1), family.shape[1] - 1
    first = np.stack([pair.label_before.replicate_weights for pair in pairs])
    second = np.stack([pair.label_after.replicate_weights for pair in pairs])
    if first.shape != second.shape:  # other numbers of replicates do not pair up
        errors = [
            np.stack([label.std_errors for label in labels])
            for labels in zip(*((p.label_before, p.label_after) for p in pairs), strict=True)
        ]
        return np.hypot(*errors), max(1, min(first.shape[1], second.shape[1]) - 1)
    n = first.shape[1]
    if n < 2:
        return np.zeros_like(before), 1
    differences = second - first
    spread = differences - differences.mean(axis=1, keepdims=True)
    return np.sqrt((n - 1) / n * (spread**2).sum(axis=1)), n - 1


def _moderated(std_errors: FloatArray, degrees: int) -> tuple[FloatArray, FloatArray]:
    """Return what `moderate` makes of each row, and the degrees of freedom of each row."""
    squeezed, freedom = std_errors.copy(), np.full(len(std_errors), float(degrees))
    noisy = std_errors > 0
    count = noisy.sum(axis=1)
    rows = np.flatnonzero(count >= 3)
    if len(rows) == 0:
        return squeezed, freedom
    noisy, n = noisy[rows], count[rows]
    variances = np.where(noisy, std_errors[rows] ** 2, 1.0)
    logs = np.log(variances) - digamma(degrees / 2) + np.log(degrees / 2)
    mean = np.where(noisy, logs, 0.0).sum(axis=1) / n
    spread = np.where(noisy, logs - mean[:, None], 0.0)
    excess = (spread**2).sum(axis=1) / (n - 1) - polygamma(1, degrees / 2)
    prior = np.full(len(rows), SPREAD_IS_NOISE)
    scale = np.where(noisy, variances, 0.0).sum(axis=1) / n
    wide = excess > 0
    prior[wide] = 2 * _inverse_trigamma(excess[wide])
    half = prior[wide] / 2
    scale[wide] = np.exp(mean[wide] + digamma(half) - np.log(half))
    known = prior + degrees
    pulled = np.sqrt(((prior * scale)[:, None] + degrees * variances) / known[:, None])
    squeezed[rows] = np.where(noisy, pulled, std_errors[rows])
    freedom[rows] = np.minimum(known, n * degrees)
    return squeezed, freedom


def _inverse_trigamma(values: FloatArray) -> FloatArray:
    """Return x with trigamma(x) = value of each; see `mlflow_lime.compare.significance`."""
    x = np.where(values > 1e7, 1 / np.sqrt(values), 1 / values)
    open_ = np.flatnonzero((values <= 1e7) & (values >= 1e-6))
    x[open_] += 0.5
    for _ in range(50):
        if len(open_) == 0:
            break
        trigamma = polygamma(1, x[open_])
        step = trigamma * (1 - trigamma / values[open_]) / polygamma(2, x[open_])
        x[open_] += step
        open_ = open_[~(-step / x[open_] < 1e-9)]
    return np.asarray(x)


def _simes(p_values: FloatArray, varied: NDArray[np.bool_]) -> FloatArray:
    """Return the p-value of no change of any varied weight of each row."""
    ranked = np.sort(np.where(varied, p_values, 2.0), axis=1)  # the others come last
    n = varied.sum(axis=1, keepdims=True)
    rank = np.arange(1, p_values.shape[1] + 1)
    scaled = np.where(rank <= n, ranked * n / rank, 1.0)
    return np.asarray(np.minimum(1.0, scaled.min(axis=1, initial=1.0)))


def _top_overlap(before: FloatArray, after: FloatArray, top: int) -> FloatArray:
    first, second = _heaviest(before, top), _heaviest(after, top)
    common, either = (first & second).sum(axis=1), (first | second).sum(axis=1)
    return np.where(either > 0, common / np.maximum(either, 1), 1.0)


def _heaviest(sizes: FloatArray, top: int) -> NDArray[np.bool_]:
    places = np.argsort(-sizes, axis=1, kind="stable")[:, :top]
    found = np.zeros(sizes.shape, dtype=bool)
    np.put_along_axis(found, places, True, axis=1)
    return np.asarray(found & (sizes != 0))


def _rank_agreement(before: FloatArray, after: FloatArray) -> FloatArray:
    """Return Spearman's correlation of the sizes of each row; NaN where all are alike."""
    from scipy.stats import rankdata

    same = (before == after).all(axis=1)
    if before.shape[1] < 2:
        return np.where(same & (before.shape[1] > 0), 1.0, np.nan)
    alike = (np.ptp(before, axis=1) == 0) | (np.ptp(after, axis=1) == 0)
    ranks = [rankdata(sizes, axis=1) for sizes in (before, after)]
    first, second = (item - item.mean(axis=1, keepdims=True) for item in ranks)
    norm = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    found = (first * second).sum(axis=1) / np.where(norm > 0, norm, 1.0)
    return np.where(alike, np.where(same, 1.0, np.nan), np.clip(found, -1.0, 1.0))


def _sign_flips(labels: Sequence[tuple[LabelExplanation, LabelExplanation]]) -> IntArray:
    """Count the weights of each row that lie beyond noise, on opposite sides of zero."""
    beyond = []
    for side in zip(*labels, strict=True):
        low, high = np.stack([x.low for x in side]), np.stack([x.high for x in side])
        beyond.append(np.where(low > 0, 1, np.where(high < 0, -1, 0)))
    return np.asarray((beyond[0] * beyond[1] < 0).sum(axis=1))
