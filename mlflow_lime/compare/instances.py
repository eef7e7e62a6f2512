"""One instance in two versions: how its weights, its answer, and its ranks changed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.compare.settings import DriftSettings
from mlflow_lime.compare.significance import moderate, p_beyond, simes
from mlflow_lime.core.explanation import Explanation, LabelExplanation
from mlflow_lime.core.quantiles import student_quantile

__all__ = ["Compared", "Pair", "answers_of", "compare_pair", "pair_up", "why_untrusted"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """The same instance in a baseline and in a candidate, and the label that both explain.

    Attributes
    ----------
    before, after : Explanation
    label_before, label_after : LabelExplanation
    retrains : tuple of LabelExplanation
        The same in retrains of the baseline.
    """

    before: Explanation
    after: Explanation
    label_before: LabelExplanation
    label_after: LabelExplanation
    retrains: tuple[LabelExplanation, ...] = ()

    @property
    def measure(self) -> str:
        """The measure of fidelity that every side knows: ``partial_r2``, else ``fidelity_r2``."""
        labels = (self.label_before, self.label_after, *self.retrains)
        known = all(label.flat or math.isfinite(label.partial_r2) for label in labels)
        return "partial_r2" if known else "fidelity_r2"

    @property
    def change(self) -> FloatArray:
        """Weights of the candidate less those of the baseline, shape (n_parts,)."""
        return self.label_after.weights - self.label_before.weights


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """What was found at one instance.

    Attributes
    ----------
    std_errors, low, high, p_values : ndarray of float64, shape (n_parts,)
        Of the change.
    p_value : float
        Of no change of any weight.
    topk_overlap, rank_agreement, total_change : float
    sign_flips : int
    """

    std_errors: FloatArray
    low: FloatArray
    high: FloatArray
    p_values: FloatArray
    p_value: float
    topk_overlap: float
    rank_agreement: float
    total_change: float
    sign_flips: int


def pair_up(
    before: Explanation, after: Explanation, retrains: Sequence[Explanation] = ()
) -> Pair | str:
    """Return the pair of an instance's explanations, or why they cannot be compared."""
    every = (after, *retrains)
    if any(item.digest != before.digest for item in every):
        return "the instances of one key have different contents"
    if any(item.names != before.names for item in every):
        return "it is cut into other parts"
    if any(not _same_question(item, before) for item in every):
        return "it was explained in another way (design, background, surrogate, or seed)"
    shared = [
        label.label
        for label in before.labels
        if all(any(other.label == label.label for other in item.labels) for item in every)
    ]
    if not shared:
        return "the versions explain no label in common"
    label = shared[0]
    return Pair(before, after, before[label], after[label], tuple(x[label] for x in retrains))


_OPEN = ("rows", "precision", "confidence", "numbered_parts", "path", "why")
"""What in a recipe decides neither which rows are asked nor what the weights mean."""


def _same_question(first: Explanation, second: Explanation) -> bool:
    """Return whether two explanations share what they must, so that their rows pair up."""
    recipes = first.recipe, second.recipe
    same = recipes[0] == recipes[1] or _lasting(recipes[0]) == _lasting(recipes[1])
    return first.seed == second.seed and same


def _lasting(recipe: Any) -> Any:
    if not isinstance(recipe, Mapping):
        return recipe
    return {key: _lasting(value) for key, value in recipe.items() if key not in _OPEN}


def why_untrusted(pair: Pair, settings: DriftSettings) -> str:
    """Return why an instance's reasons cannot be compared; empty where they can."""
    if pair.label_before.flat and pair.label_after.flat:
        return "the outputs of both versions hardly vary around it"
    measure = pair.measure
    sides = [("baseline", pair.label_before), ("candidate", pair.label_after)]
    sides += [(f"retrain {k}", label) for k, label in enumerate(pair.retrains, start=1)]
    for which, label in sides:
        numbers = (label.weights, label.std_errors, label.replicate_weights)
        if not all(np.isfinite(values).all() for values in numbers):
            return f"the weights of the {which} are not finite"
        fidelity = getattr(label, measure)
        # An output that stopped to vary has changed its reasons.
        if not label.flat and not fidelity >= settings.min_fidelity:
            return (
                f"the surrogate of the {which} explains too little "
                f"({_MEASURES[measure]} {fidelity:.2f}, expected at least "
                f"{settings.min_fidelity:g})"
            )
    return ""


_MEASURES = {"partial_r2": "partial R²", "fidelity_r2": "R²"}


def compare_pair(pair: Pair, settings: DriftSettings) -> Compared:
    """Compare the weights of two versions at an instance.

    Parameters
    ----------
    pair : Pair
    settings : DriftSettings

    Notes
    -----
    Both versions saw the same perturbed inputs, so fits without the same replicate pair up, and
    the jackknife over replicates of their differences is the error of the change. Where retrains
    of the baseline are given, the spread of the weights between them, times the square root of two,
    is the error instead. Errors of the parts of an instance borrow strength from one another.
    """
    change = pair.change
    std_errors, degrees = _errors(pair)
    moderated = moderate(std_errors, degrees)
    before, after = pair.label_before.weights, pair.label_after.weights
    largest = float(max(np.abs(before).max(initial=0.0), np.abs(after).max(initial=0.0)))
    p_values = p_beyond(
        change, moderated.std_errors, moderated.degrees, settings.min_change * largest
    )
    varied = (before != 0) | (after != 0) | (moderated.std_errors > 0)
    half = student_quantile(0.5 + settings.confidence / 2, moderated.degrees) * moderated.std_errors
    return Compared(
        std_errors=moderated.std_errors,
        low=change - half,
        high=change + half,
        p_values=np.where(varied, p_values, 1.0),
        p_value=simes(p_values[varied]),
        topk_overlap=top_overlap(before, after, settings.top),
        rank_agreement=rank_agreement(before, after),
        total_change=moved_share(before, after),
        sign_flips=_sign_flips(pair),
    )


def _errors(pair: Pair) -> tuple[FloatArray, int]:
    """Return the standard errors of the changes, and their degrees of freedom."""
    if pair.retrains:
        family = np.stack([label.weights for label in (pair.label_before, *pair.retrains)])
        return np.sqrt(2.0) * family.std(axis=0, ddof=1), len(family) - 1
    before, after = pair.label_before.replicate_weights, pair.label_after.replicate_weights
    if before.shape != after.shape:  # other numbers of replicates do not pair up
        error = np.hypot(pair.label_before.std_errors, pair.label_after.std_errors)
        return error, max(1, min(len(before), len(after)) - 1)
    n = len(before)
    if n < 2:
        return np.zeros(len(pair.label_before.weights)), 1
    differences = after - before
    spread = differences - differences.mean(axis=0)
    return np.sqrt((n - 1) / n * (spread**2).sum(axis=0)), n - 1


def top_overlap(before: FloatArray, after: FloatArray, top: int) -> float:
    """Return the Jaccard overlap of the heaviest parts, those of no weight left out."""
    first, second = (
        {int(j) for j in np.argsort(-np.abs(w), kind="stable")[:top] if w[j] != 0}
        for w in (before, after)
    )
    return len(first & second) / len(first | second) if first | second else 1.0


def rank_agreement(before: FloatArray, after: FloatArray) -> float:
    """Return Spearman's correlation of the sizes of the weights; NaN where all are alike."""
    from scipy.stats import spearmanr

    sizes = np.abs(before), np.abs(after)
    if any(np.ptp(size) == 0 for size in sizes if len(size)) or len(before) < 2:
        return 1.0 if len(before) and np.array_equal(*sizes) else float("nan")
    return float(spearmanr(*sizes).statistic)


def moved_share(before: FloatArray, after: FloatArray) -> float:
    """Return which share of the weight moved: 0 for equal weights, 1 for no weight in common.

    The sum of the absolute changes over the sum of all absolute weights (Bray and Curtis, 1957,
    for signed values).
    """
    total = float(np.abs(before).sum() + np.abs(after).sum())
    return float(np.abs(after - before).sum() / total) if total > 0 else 0.0


def _sign_flips(pair: Pair) -> int:
    """Count parts whose weights lie beyond noise, on opposite sides of zero."""
    beyond = [
        np.where(label.low > 0, 1, np.where(label.high < 0, -1, 0))
        for label in (pair.label_before, pair.label_after)
    ]
    return int((beyond[0] * beyond[1] < 0).sum())


def answers_of(pair: Pair) -> tuple[tuple[str, str], bool]:
    """Return both answers as text, and whether they differ."""
    if pair.before.mode == "regression":
        values = pair.label_before.prediction, pair.label_after.prediction
        moved = abs(values[1] - values[0])
        spread = max(pair.label_before.output_std, pair.label_after.output_std)
        return (f"{values[0]:.4g}", f"{values[1]:.4g}"), bool(moved > spread)
    first, second = (_predicted(item) for item in (pair.before, pair.after))
    return (first, second), first != second


def _predicted(explanation: Explanation) -> str:
    scores = explanation.scores
    if len(scores) == 1:
        name = explanation.class_names[0]
        return name if scores[0] >= 0.5 else f"not {name}"
    return explanation.class_names[int(np.argmax(scores))]
