"""How the global importance of parts changed between two versions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.compare.drift import PartDrift
from mlflow_lime.compare.instances import Pair
from mlflow_lime.compare.settings import DriftSettings
from mlflow_lime.compare.significance import Moderated, holm, moderate, p_beyond
from mlflow_lime.core.contents import ImageContent
from mlflow_lime.core.explanation import LabelExplanation
from mlflow_lime.core.quantiles import student_quantile

__all__ = [
    "Importance",
    "Places",
    "importance_drift",
    "importance_moved",
    "part_drifts",
    "places_of",
    "sizes_of",
    "unlike_parts",
]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.intp]
Places = tuple[IndexArray, IndexArray, IndexArray]
"""Which parts of an instance have names, the names, and each part's among these."""


def importance_drift(pairs: Sequence[Pair], settings: DriftSettings) -> tuple[PartDrift, ...]:
    """Compare the mean absolute weight of each part over a set of instances.

    Parameters
    ----------
    pairs : sequence of Pair
        Instances that both versions explain well enough.
    settings : DriftSettings

    Returns
    -------
    tuple of PartDrift
        Those that changed first, largest change first; none for images and for parts that are only
        numbered.

    Notes
    -----
    The error of a change is that of a mean of paired differences over instances; where retrains of
    the baseline are given, the spread of the importance between them, times the square root of
    two. The p-values are adjusted for the number of parts by Holm's method.
    """
    names = _shared_names(pairs)
    if not names or len(pairs) < 2:
        return ()
    place = {name: j for j, name in enumerate(names)}
    where = [places_of(pair, place) for pair in pairs]
    before = _importance(where, [pair.label_before for pair in pairs], len(names))
    after = _importance(where, [pair.label_after for pair in pairs], len(names))
    retrains = zip(*(pair.retrains for pair in pairs), strict=True)
    return part_drifts(
        Importance(
            names=names,
            before=before,
            after=after,
            retrains=[_importance(where, labels, len(names)) for labels in retrains],
            paired_errors=_paired_errors(where, pairs, after - before),
            n_instances=len(pairs),
        ),
        settings,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Importance:
    """The importance of the parts of a set, in both versions.

    Attributes
    ----------
    names : list of str
    before, after : ndarray of float64, shape (n_names,)
        Mean absolute weights.
    retrains : list of ndarray of float64, shape (n_names,)
        The same of each retrain of the baseline.
    paired_errors : ndarray of float64, shape (n_names,)
        Standard errors of the mean paired differences over instances.
    n_instances : int
    """

    names: Sequence[str]
    before: FloatArray
    after: FloatArray
    retrains: Sequence[FloatArray]
    paired_errors: FloatArray
    n_instances: int


def part_drifts(found: Importance, settings: DriftSettings) -> tuple[PartDrift, ...]:
    """Return how the importance of each part changed; see `importance_drift`."""
    names, before, after = found.names, found.before, found.after
    change = after - before
    if found.retrains:
        raw = np.sqrt(2.0) * np.std([before, *found.retrains], axis=0, ddof=1)
        errors = moderate(raw, len(found.retrains))
    else:
        errors = Moderated(found.paired_errors, float(found.n_instances - 1))
    std_errors, freedom = errors.std_errors, errors.degrees
    largest = max(before.max(), after.max())
    p_values = p_beyond(change, std_errors, freedom, settings.min_change * largest)
    adjusted = holm(p_values)
    half = student_quantile(0.5 + settings.confidence / 2, freedom) * std_errors
    order = np.lexsort((-np.abs(change), adjusted > settings.alarm_rate))
    return tuple(
        PartDrift(
            name=names[j],
            before=float(before[j]),
            after=float(after[j]),
            change=float(change[j]),
            low=float(change[j] - half[j]),
            high=float(change[j] + half[j]),
            p_value=float(p_values[j]),
            p_adjusted=float(adjusted[j]),
            changed=bool(adjusted[j] <= settings.alarm_rate),
        )
        for j in order
    )


def importance_moved(parts: Sequence[PartDrift]) -> float:
    """Return the share of all importance that moved to other parts (total variation)."""
    before = np.array([part.before for part in parts])
    after = np.array([part.after for part in parts])
    if before.sum() <= 0 or after.sum() <= 0:
        return float("nan") if before.sum() == after.sum() else 1.0
    return float(np.abs(before / before.sum() - after / after.sum()).sum() / 2)


def _shared_names(pairs: Sequence[Pair]) -> list[str]:
    """Return the part names that mean the same in every instance, in order of appearance."""
    found: dict[str, None] = {}
    for pair in pairs:
        unlike = unlike_parts(pair)
        found.update((name, None) for j, name in enumerate(pair.before.names) if j not in unlike)
    return list(found)


def unlike_parts(pair: Pair) -> set[int]:
    """Return parts whose names mean nothing elsewhere: segments, and parts that are numbered."""
    images = [item for item in pair.before.contents if isinstance(item, ImageContent)]
    numbered = pair.before.recipe.get("numbered_parts", ())
    return {int(j) for item in images for j in item.parts}.union(int(j) for j in numbered)


def places_of(pair: Pair, place: Mapping[str, int]) -> Places:
    """Return which parts of an instance have names, the names, and each part's among these."""
    unlike = unlike_parts(pair)
    kept = np.array([j for j in range(len(pair.before.names)) if j not in unlike], dtype=np.intp)
    columns = np.array([place[pair.before.names[j]] for j in kept], dtype=np.intp)
    own, position = np.unique(columns, return_inverse=True)
    return kept, own, position


def sizes_of(where: Places, label: LabelExplanation) -> FloatArray:
    """Return the absolute weight of each name of an instance; equal names add up."""
    kept, own, position = where
    return np.abs(np.bincount(position, weights=label.weights[kept], minlength=len(own)))


def _importance(
    where: Sequence[Places],
    labels: Sequence[LabelExplanation],
    n_names: int,
) -> FloatArray:
    """Return the mean absolute weight of each name; one that an instance lacks weighs nothing."""
    total = np.zeros(n_names)
    for places, label in zip(where, labels, strict=True):
        total[places[1]] += sizes_of(places, label)
    return total / len(labels)


def _paired_errors(
    where: Sequence[Places],
    pairs: Sequence[Pair],
    change: FloatArray,
) -> FloatArray:
    """Return the standard errors over instances of the mean changes of the names."""
    squares, lacking = np.zeros(len(change)), np.full(len(change), float(len(pairs)))
    for places, pair in zip(where, pairs, strict=True):
        moved = sizes_of(places, pair.label_after) - sizes_of(places, pair.label_before)
        squares[places[1]] += (moved - change[places[1]]) ** 2
        lacking[places[1]] -= 1
    n = len(pairs)
    return np.sqrt((squares + lacking * change**2) / (n - 1) / n)
