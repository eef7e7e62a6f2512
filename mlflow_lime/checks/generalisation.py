"""LIM013: explanations of training rows differ from those of held-out rows."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from pydantic import Field

from mlflow_lime.checks.check import Check, Evidence, Finding
from mlflow_lime.checks.options import Options
from mlflow_lime.checks.shares import weight_shares
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.core.stored import kept

__all__ = ["GENERALISATION", "MEASURES", "GeneralisationOptions"]


class GeneralisationOptions(Options):
    """When training rows and held-out rows differ."""

    rate: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="Rate of false alarms over all measures together (Holm).",
    )
    effect: float = Field(
        default=0.3,
        ge=0,
        lt=1,
        description="Smallest rank-biserial correlation that counts, 0 to 1.",
    )


MEASURES: Mapping[str, Callable[[Explanation], float]] = {
    "held-out R²": lambda item: item.labels[0].fidelity_r2,
    "local gap": lambda item: item.labels[0].local_gap,
    "share of the heaviest part": lambda item: float(weight_shares(item).max()),
    "total absolute weight": lambda item: float(np.nansum(np.abs(item.labels[0].weights))),
}
"""What is compared between training rows and held-out rows, an instance."""

_TYPICAL = ("chosen", "typical", "fits")
"""How the reasons begin for which instances are picked without regard to the model."""

_LEAST = 5
"""Rows of either kind below which nothing is compared."""


def _find(evidence: Evidence, options: GeneralisationOptions) -> Finding:
    train = [item for item in evidence.train_explanations or () if len(item.parts)]
    known = {item.digest for item in train}

    def is_fresh(item: Explanation) -> bool:
        new = len(item.parts) > 0 and item.digest not in known
        return new and _is_typical(item.key, evidence)

    fresh = kept(evidence.explanations, is_fresh)
    if min(len(train), len(fresh)) < _LEAST:
        return Finding.skipped(
            f"{len(train)} training rows, and {len(fresh)} pinned instances that are not among "
            f"them and were not picked for being special, are explained; it takes {_LEAST} of each"
        )
    found = {name: _compared(measure, train, fresh) for name, measure in MEASURES.items()}
    adjusted = _holm([p for p, _ in found.values()])
    effects = {name: effect for name, (_, effect) in found.items()}
    differ = [
        name
        for name, p in zip(found, adjusted, strict=True)
        if p <= options.rate and abs(effects[name]) >= options.effect
    ]
    most = max(effects, key=lambda name: abs(effects[name]))
    told = [_told(name, train, fresh, effects[name]) for name in (differ or [most])]
    what = "differ" if differ else "do not differ beyond chance; the most different:"
    return Finding.judged(
        bool(differ),
        f"explanations of {len(train)} training rows and {len(fresh)} held-out rows {what} "
        f"{'; '.join(told)}",
        value=abs(effects[most]),
    )


def _is_typical(key: str, evidence: Evidence) -> bool:
    """Return whether an instance was not picked for what the model, or others, make of it."""
    reasons = evidence.reasons.get(key, _TYPICAL[0]).split("; ")
    return any(reason.startswith(_TYPICAL) for reason in reasons)


def _values(measure: Callable[[Explanation], float], items: Sequence[Explanation]) -> list[float]:
    values = [measure(item) for item in items]
    return [value for value in values if np.isfinite(value)]


def _compared(
    measure: Callable[[Explanation], float],
    train: Sequence[Explanation],
    held_out: Sequence[Explanation],
) -> tuple[float, float]:
    """Return p of the Mann-Whitney test, and the rank-biserial correlation, > 0 if train is larger.

    References
    ----------
    E. E. Cureton, "Rank-biserial correlation", Psychometrika 21 (1956).
    """
    from scipy.stats import mannwhitneyu

    a, b = _values(measure, train), _values(measure, held_out)
    if min(len(a), len(b)) < _LEAST:
        return 1.0, 0.0
    test = mannwhitneyu(a, b)
    p = float(test.pvalue)
    return (p if np.isfinite(p) else 1.0), float(2 * test.statistic / (len(a) * len(b)) - 1)


def _holm(p_values: Sequence[float]) -> list[float]:
    """Return p values after Holm's correction for their number, in the same order."""
    order = np.argsort(p_values, kind="stable")
    scaled = np.array(p_values)[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    return adjusted.tolist()


def _told(
    name: str, train: Sequence[Explanation], held_out: Sequence[Explanation], effect: float
) -> str:
    medians = [
        float(np.median(_values(MEASURES[name], items) or [0.0])) for items in (train, held_out)
    ]
    return f"{name} (median {medians[0]:.3g} and {medians[1]:.3g}, rank-biserial {effect:+.2f})"


GENERALISATION = Check(
    code="LIM013",
    title="Reasons differ between training and held-out rows",
    severity="warning",
    summary="Explanations of training rows that differ from those of held-out rows.",
    find=_find,
    needs=("train_explanations",),
    options=GeneralisationOptions,
    page="docs/checks/LIM013.md",
)
