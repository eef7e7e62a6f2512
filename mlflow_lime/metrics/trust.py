"""What speaks for trusting the explanations of a version: values of instances, and aggregates."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np

from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.core.written import reading
from mlflow_lime.metrics.aggregate import aggregated, finite, instance_values
from mlflow_lime.metrics.agreement import AGREEMENT
from mlflow_lime.metrics.intervals import expanded_levels, interval, resamples
from mlflow_lime.metrics.realism import Realism

__all__ = ["TRUST", "Estimate", "Trust", "summarise"]

FORMAT: Final = 1

TRUST: dict[str, str] = {
    "comprehensiveness": (
        "how far the output falls without the heaviest parts, mean; probability, or units of the "
        "target"
    ),
    "comprehensiveness_gain": "the same beyond random parts, mean",
    "sufficiency": (
        "how far the output falls with the heaviest parts alone, mean; lower is better"
    ),
    "sufficiency_gain": "how much less it falls than with random parts alone, mean",
    "deletion_auc": (
        "area under the output while parts are deleted, heaviest first, mean; lower is better"
    ),
    "deletion_gain": "how much smaller it is than in random order, mean",
    "insertion_auc": "area under the output while parts are inserted, heaviest first, mean",
    "insertion_gain": "how much larger it is than in random order, mean",
    "off_manifold": (
        "share of perturbed rows that lie farther from the instances than these from each other, "
        "mean"
    ),
    "realism_auc": (
        "area under the curve of a forest that tells instances from perturbed rows; 0.5 is best"
    ),
    "permuted_r2": (
        "held-out R² of surrogates of shuffled scores, mean over instances; about zero"
    ),
    "sensitivity": (
        "largest relative change of the weights over slightly changed copies, mean over instances"
    ),
    **AGREEMENT,
    "trust_rows": "rows that the model was asked for by the metrics of trust",
}
"""Aggregates beside those of `mlflow_lime.metrics.aggregate.AGGREGATES`: name and meaning."""

_GAINS: Final = {
    "comprehensiveness_gain": ("comprehensiveness", "comprehensiveness_random"),
    "sufficiency_gain": ("sufficiency_random", "sufficiency"),
    "deletion_gain": ("deletion_auc_random", "deletion_auc"),
    "insertion_gain": ("insertion_auc", "insertion_auc_random"),
}
"""What is better, and what it is set beside: positive where the explanation is right."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """An aggregate, and its interval over instances.

    Attributes
    ----------
    value : float
    low, high : float
        95 % interval, see `mlflow_lime.metrics.intervals.interval`; NaN where there is none, such
        as for counts.
    n : int
        Instances that count.
    """

    value: float
    low: float
    high: float
    n: int

    def to_dict(self) -> dict[str, float | int | None]:
        """Return plain JSON values."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        return {**{name: _plain(number) for name, number in numbers.items()}, "n": self.n}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        return cls(_number(data["value"]), _number(data["low"]), _number(data["high"]), data["n"])


@dataclass(frozen=True, slots=True, eq=False)
class Trust:
    """What was measured of the explanations of a version.

    Attributes
    ----------
    instances : dict of str to dict of str to float
        Finite values by key of the instance and name: those of
        `mlflow_lime.metrics.faithfulness.FAITHFULNESS_VALUES`, ``off_manifold``, ``permuted_r2``,
        ``sensitivity``.
    summary : dict of str to Estimate
        Aggregates by their logged name without prefix.
    rows : int
        Rows that the model was asked for.
    notes : tuple of str
        What could not be measured, and why.
    """

    instances: dict[str, dict[str, float]] = field(default_factory=dict)
    summary: dict[str, Estimate] = field(default_factory=dict)
    rows: int = 0
    notes: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return everything as JSON; `from_json` reads it back."""
        data = {
            "format": FORMAT,
            "instances": self.instances,
            "summary": {name: item.to_dict() for name, item in self.summary.items()},
            "rows": self.rows,
            "notes": self.notes,
        }
        return json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises
        ------
        DataError
            If the text is something else, or was written in a newer format.
        """
        with reading(text, "metrics of trust", expected=FORMAT) as data:
            return cls(
                instances={key: dict(values) for key, values in data["instances"].items()},
                summary={k: Estimate.from_dict(v) for k, v in data["summary"].items()},
                rows=int(data.get("rows", 0)),
                notes=tuple(data.get("notes", ())),
            )


def summarise(
    explanations: Sequence[Explanation],
    failed: Sequence[FailedExplanation] = (),
    *,
    shown: Sequence[Explanation] | None = None,
    measured: Iterable[Mapping[str, Mapping[str, float]]] = (),
    realism: Realism | None = None,
    rows: int = 0,
    notes: Sequence[str] = (),
) -> Trust:
    """Put what was measured of instances together, with intervals over instances.

    Parameters
    ----------
    explanations, failed : sequences
        Outcomes of a version.
    shown : sequence of Explanation, optional
        The explanations whose own values are listed; all by default.
    measured : iterable of mapping of str to mapping of str to float
        Values by key of the instance and name.
    realism : Realism, optional
    rows : int
        Rows that the model was asked for.
    notes : sequence of str
        What could not be measured.
    """
    listed = explanations if shown is None else shown
    instances: dict[str, dict[str, float]] = {item.key: {} for item in listed}
    found = (*measured, _one("off_manifold", realism.off_manifold if realism else {}))
    for values in (*found, _one("permuted_r2", {e.key: e.permuted_r2 for e in listed})):
        for key, own in values.items():
            known = {name: number for name, number in own.items() if math.isfinite(number)}
            instances.setdefault(key, {}).update(known)
    return Trust(
        instances={key: values for key, values in instances.items() if values},
        summary={
            **_foundation(explanations, failed),
            **_means(instances),
            **_realism(realism),
            **({"trust_rows": _count(rows, len(explanations))} if explanations else {}),
        },
        rows=rows,
        notes=tuple(notes),
    )


def _one(name: str, values: Mapping[str, float]) -> dict[str, dict[str, float]]:
    return {key: {name: value} for key, value in values.items()}


def _foundation(
    explanations: Sequence[Explanation], failed: Sequence[FailedExplanation]
) -> dict[str, Estimate]:
    """Return the aggregates of the explanations themselves."""
    values = instance_values(explanations)
    summary = {}
    for name, value in aggregated(values, len(explanations), len(failed)).items():
        statistic, numbers = values.get(name, ("sum", np.zeros(0)))
        if statistic == "sum":
            summary[name] = _count(value, len(explanations))
        else:
            summary[name] = Estimate(value, *interval(numbers, statistic), len(numbers))
    return summary


def _count(value: float, n: int) -> Estimate:
    return Estimate(float(value), math.nan, math.nan, n)


def _means(instances: Mapping[str, Mapping[str, float]]) -> dict[str, Estimate]:
    columns = {
        name: finite(own.get(name, math.nan) for own in instances.values())
        for name in TRUST
        if name not in _GAINS
    }
    for gain, (better, other) in _GAINS.items():
        columns[gain] = finite(
            own.get(better, math.nan) - own.get(other, math.nan) for own in instances.values()
        )
    return {
        name: Estimate(float(columns[name].mean()), *interval(columns[name]), len(columns[name]))
        for name in TRUST
        if len(columns[name])
    }


def _realism(realism: Realism | None) -> dict[str, Estimate]:
    """Return the area under the curve; its interval draws instances together with their rows."""
    if realism is None or realism.pairs is None:
        return {}
    n = len(realism.pairs)
    drawn = [np.bincount(row, minlength=n) for places in resamples(n) for row in places]
    counts = np.stack(drawn) / n
    found = ((counts @ realism.pairs) * counts).sum(axis=1)
    low, high = np.quantile(found, expanded_levels(n))
    return {"realism_auc": Estimate(realism.auc, float(low), float(high), n)}


def _plain(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
