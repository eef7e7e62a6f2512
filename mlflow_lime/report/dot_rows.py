"""What an overview shows: a row for each part name, a dot for each instance."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from mlflow_lime.core.explanation import Explanation
from mlflow_lime.metrics.aggregate import global_importance, weights_by_name
from mlflow_lime.report.wording import AGAINST, TOWARDS, cut, fit

__all__ = [
    "MOST_DOTS",
    "NEUTRAL",
    "OPACITIES",
    "Dot",
    "DotRow",
    "dot_radius",
    "dot_rows",
    "evenly",
    "spread",
    "subtitle",
    "symmetric_limit",
    "why_no_rows",
]

NEUTRAL: Final = "#7d8790"
"""Grey: a weight of zero."""

OPACITIES: Final = (0.22, 0.42, 0.64, 0.88)
"""Of the dots, from a poor local fit to a good one, in quarters of how well the surrogate fits."""

MOST_DOTS: Final = 200
"""Dots in a row; of more instances, evenly many are drawn at all heights of the weight."""


@dataclass(frozen=True, slots=True)
class Dot:
    """An instance in a row.

    Attributes
    ----------
    weight : float
        With sign, in units of the output.
    fit : int
        Quarter of the held-out R², 0 to 3.
    """

    weight: float
    fit: int

    @property
    def color(self) -> str:
        """Blue towards the explained label, orange against it."""
        return TOWARDS if self.weight > 0 else AGAINST if self.weight < 0 else NEUTRAL


@dataclass(frozen=True, slots=True)
class DotRow:
    """A part name over all instances.

    Attributes
    ----------
    name : str
    importance : float
        Mean absolute weight.
    dots : list of Dot
        Of the instances that have the part.
    baseline : float or None
        Mean weight in the other version.
    """

    name: str
    importance: float
    dots: list[Dot]
    baseline: float | None


def dot_rows(
    importance: pd.DataFrame,
    explanations: Sequence[Explanation],
    baseline: Sequence[Explanation] = (),
) -> list[DotRow]:
    """Return a row for each part.

    Parameters
    ----------
    importance : DataFrame
        The rows wanted of `mlflow_lime.metrics.aggregate.global_importance`.
    explanations, baseline : sequences of Explanation
        The version, and the other one.
    """
    former = global_importance(baseline).set_index("name")["mean_weight"].to_dict()
    dots: dict[str, list[Dot]] = {name: [] for name in importance["name"]}
    for item in explanations:
        quarter = _quarter(fit(item.labels[0]))
        for name, weight in weights_by_name(item).items():
            if name in dots:
                dots[name].append(Dot(weight, quarter))
    return [
        DotRow(name, float(mean), dots[name], former.get(name))
        for name, mean in zip(importance["name"], importance["importance"], strict=True)
    ]


def _quarter(fidelity: float) -> int:
    return min(3, max(0, math.floor(fidelity * 4))) if math.isfinite(fidelity) else 0


def symmetric_limit(rows: Sequence[DotRow]) -> float:
    """Return where the axis ends on both sides of zero."""
    weights = [abs(dot.weight) for row in rows for dot in row.dots]
    means = [abs(row.baseline) for row in rows if row.baseline is not None]
    return max([*weights, *means], default=0.0) or 1.0


def dot_radius(rows: Sequence[DotRow]) -> float:
    """Return the radius of dots in pixels: smaller where there are many in a row."""
    most = max((len(row.dots) for row in rows), default=0)
    return 5.0 if most <= 16 else 4.0 if most <= 60 else 3.0


def evenly(dots: list[Dot]) -> list[Dot]:
    """Return the dots, or as many as a row holds: from the lowest weight to the highest."""
    if len(dots) <= MOST_DOTS:
        return dots
    ordered = sorted(dots, key=lambda dot: dot.weight)
    step = (len(dots) - 1) / (MOST_DOTS - 1)
    return [ordered[round(j * step)] for j in range(MOST_DOTS)]


def spread(xs: Sequence[float], radius: float, height: float) -> list[float]:
    """Return vertical shifts that keep dots of a row apart as far as its height has room.

    Parameters
    ----------
    xs : sequence of float
        Places of the dots, in pixels.
    radius, height : float
        Of the dots and of the row, in pixels.
    """
    steps = (0.0, 0.6, -0.6, 1.2, -1.2, 1.8, -1.8, 2.4, -2.4)
    room = [step * radius for step in steps if abs(step) * radius + radius <= height / 2 + 0.5]
    shifts = [0.0] * len(xs)
    reached = dict.fromkeys(room, -math.inf)  # right-most dot at each shift
    for position in sorted(range(len(xs)), key=lambda j: xs[j]):
        x = xs[position]
        free = (shift for shift in room if x - reached[shift] >= 1.5 * radius)
        shift = next(free, min(room, key=lambda candidate: reached[candidate]))
        shifts[position] = shift
        reached[shift] = x
    return shifts


def subtitle(explanations: Sequence[Explanation]) -> str:
    """Return how many instances there are, and what of them is explained."""
    count = f"{len(explanations):,} instance{'s' if len(explanations) != 1 else ''}"
    labels = Counter(item.labels[0].label for item in explanations)
    if not labels:
        return count
    if explanations[0].mode == "regression":
        return f"{count} · effect of each part on the prediction"
    if len(labels) == 1:
        return f"{count} · effect of each part on P({cut(next(iter(labels)), 40)})"
    names = ", ".join(f"P({cut(name, 14)}) {n}×" for name, n in labels.most_common(3))
    more = f", {len(labels) - 3} more" if len(labels) > 3 else ""
    return f"{count} · effect of each part on {names}{more}"


def why_no_rows(explanations: Sequence[Explanation]) -> str:
    """Return why an overview has neither rows nor pictures."""
    if any(item.parts for item in explanations):
        return "Nothing to compare: these parts lie in texts or images that are not stored."
    return "Nothing to vary in any instance." if explanations else "No instance was explained."
