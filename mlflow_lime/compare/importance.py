"""How the global importance of parts changed between two versions."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from mlflow_lime.compare.drift import PartDrift
from mlflow_lime.compare.instances import Pair
from mlflow_lime.compare.settings import DriftSettings
from mlflow_lime.compare.significance import holm, moderate, p_beyond
from mlflow_lime.core.contents import ImageContent
from mlflow_lime.core.explanation import LabelExplanation

__all__ = ["importance_drift", "importance_moved"]

FloatArray = NDArray[np.float64]


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
    before = _sizes(pairs, [pair.label_before for pair in pairs], names)
    after = _sizes(pairs, [pair.label_after for pair in pairs], names)
    differences = after - before
    change = differences.mean(axis=0)
    if pairs[0].retrains:
        family = np.stack([before.mean(axis=0), *_retrained(pairs, names)])
        raw, degrees = np.sqrt(2.0) * family.std(axis=0, ddof=1), len(family) - 1
    else:
        raw, degrees = differences.std(axis=0, ddof=1) / np.sqrt(len(pairs)), len(pairs) - 1
    errors = moderate(raw, degrees) if pairs[0].retrains else None
    std_errors = errors.std_errors if errors else raw
    freedom = errors.degrees if errors else float(degrees)
    largest = max(before.mean(axis=0).max(), after.mean(axis=0).max())
    p_values = p_beyond(change, std_errors, freedom, settings.min_change * largest)
    adjusted = holm(p_values)
    half = student.ppf(0.5 + settings.confidence / 2, freedom) * std_errors
    order = np.lexsort((-np.abs(change), adjusted > settings.alarm_rate))
    return tuple(
        PartDrift(
            name=names[j],
            before=float(before[:, j].mean()),
            after=float(after[:, j].mean()),
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


def _retrained(pairs: Sequence[Pair], names: Sequence[str]) -> list[FloatArray]:
    """Return the importance of the parts in each retrain."""
    count = len(pairs[0].retrains)
    return [
        _sizes(pairs, [pair.retrains[k] for pair in pairs], names).mean(axis=0)
        for k in range(count)
    ]


def _shared_names(pairs: Sequence[Pair]) -> list[str]:
    """Return the part names that mean the same in every instance, in order of appearance."""
    found: dict[str, None] = {}
    for pair in pairs:
        unlike = _unlike(pair)
        found.update((name, None) for j, name in enumerate(pair.before.names) if j not in unlike)
    return list(found)


def _unlike(pair: Pair) -> set[int]:
    """Return parts whose names mean nothing elsewhere: segments, and parts that are numbered."""
    images = [item for item in pair.before.contents if isinstance(item, ImageContent)]
    numbered = pair.before.recipe.get("numbered_parts", ())
    return {int(j) for item in images for j in item.parts}.union(int(j) for j in numbered)


def _sizes(
    pairs: Sequence[Pair], labels: Sequence[LabelExplanation], names: Sequence[str]
) -> FloatArray:
    """Return absolute weights by part name, shape (n_instances, n_names); equal names add up."""
    place = {name: j for j, name in enumerate(names)}
    sizes = np.zeros((len(pairs), len(names)))
    for i, (pair, label) in enumerate(zip(pairs, labels, strict=True)):
        unlike = _unlike(pair)
        kept = [j for j in range(len(pair.before.names)) if j not in unlike]
        np.add.at(sizes[i], [place[pair.before.names[j]] for j in kept], label.weights[kept])
    return np.abs(sizes)
