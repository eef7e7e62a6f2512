"""LIM007: one part decides almost everything, as a leaked label would."""

from collections import Counter
from collections.abc import Sequence

from pydantic import Field

from mlflow_lime.checks.check import Check, Evidence, Finding
from mlflow_lime.checks.options import Options
from mlflow_lime.checks.shares import mean_share, part_columns, percent, shares_by_name
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.core.stored import kept
from mlflow_lime.errors import shorten
from mlflow_lime.metrics.aggregate import weights_by_name

__all__ = ["LEAK", "LeakOptions"]


class LeakOptions(Options):
    """When a part looks like a leak."""

    share: float = Field(
        default=0.5, gt=0, le=1, description="A part with more of the weight dominates an instance."
    )
    instances: float = Field(
        default=0.5,
        ge=0,
        lt=1,
        description="Raised where the same part dominates more of the instances.",
    )
    alone: float = Field(
        default=0.2,
        ge=0,
        lt=1,
        description=(
            "Raised where the same part explains nearly everything alone, nine tenths of the"
            " weight with an R² of 0.9, in more of the instances."
        ),
    )
    target: float = Field(
        default=0.95,
        gt=0,
        le=1,
        description="Raised where a part that is relied on goes so closely with the true label.",
    )
    ahead: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description=(
            "Raised also where such a part goes with the true label at least as closely as 0.7,"
            " and more closely by this than any other part."
        ),
    )


_ALONE = 0.9
_CLOSE = 0.7
_RELIED = 0.1
"""Mean share of the weight from which on a part that goes with the target is relied on."""


def _has_choice(item: Explanation) -> bool:
    return len(weights_by_name(item)) > 2


def _applies(evidence: Evidence) -> str:
    if evidence.explanations and not any(map(_has_choice, evidence.explanations)):
        return "no instance has three parts or more whose names mean the same in another instance"
    return ""


def _find(evidence: Evidence, options: LeakOptions) -> Finding:
    rich = kept(evidence.telling, _has_choice)
    if not rich:
        return Finding.skipped("no instance has three parts or more around which the output varies")
    counts = Counter(name for item in rich for name in _above(item, options.share))
    alone = Counter(
        name
        for item in rich
        if item.labels[0].fidelity_r2 >= _ALONE
        for name in _above(item, _ALONE)
    )
    for found, most, what in (
        (counts, options.instances, f"carries more than {percent(options.share)} of the weight in"),
        (alone, options.alone, "explains nearly everything alone in"),
    ):
        name, count = (found.most_common(1) or [("", 0)])[0]
        if count / len(rich) > most:
            return Finding.judged(
                True,
                f"{shorten(name, 60)} {what} {count} of {len(rich)} instances; up to "
                f"{percent(most)} may",
                instances=_heaviest(rich, name, options.share),
                value=count / len(rich),
            )
    return _twin(evidence, rich, options) or Finding.judged(
        False,
        _quiet(counts, len(rich), options),
        value=counts.most_common(1)[0][1] / len(rich) if counts else 0.0,
    )


def _above(item: Explanation, share: float) -> list[str]:
    return [name for name, own in shares_by_name(item).items() if own > share]


def _heaviest(items: Sequence[Explanation], name: str, share: float) -> tuple[str, ...]:
    _, shares = mean_share(items, name.__eq__)
    return tuple(key for key, own in shares if own > share)


def _twin(evidence: Evidence, rich: Sequence[Explanation], options: LeakOptions) -> Finding | None:
    """Return what is found where one part goes too closely with the true label."""
    known, target = evidence.associations, evidence.target
    if known is None or target is None:
        return None
    strengths = {
        name: max((known.between(column, target) or 0.0 for column in columns), default=0.0)
        for name, columns in part_columns(evidence).items()
        if target not in columns
    }
    ranked = sorted(strengths, key=lambda name: -strengths[name])
    for place, name in enumerate(ranked):
        strength = strengths[name]
        next_best = strengths[ranked[1]] if place == 0 and len(ranked) > 1 else strength
        alone = strength >= _CLOSE and strength - next_best > options.ahead
        if strength < options.target and not alone:
            break
        mean, shares = mean_share(rich, name.__eq__)
        if mean.value > _RELIED:
            return Finding.judged(
                True,
                f"{shorten(name, 60)} goes with the true label nearly as a copy of it would "
                f"(association {strength:.2f}; the next part {next_best:.2f}), and carries {mean} "
                "of the weight",
                instances=tuple(key for key, own in shares if own > _RELIED),
                value=strength,
            )
    return None


def _quiet(counts: Counter[str], n: int, options: LeakOptions) -> str:
    if not counts:
        return (
            f"in none of {n} instances one part carries more than {percent(options.share)} of the "
            "weight"
        )
    name, count = counts.most_common(1)[0]
    return (
        f"{shorten(name, 60)} carries more than {percent(options.share)} of the weight in {count} "
        f"of {n} instances, more often than any other part; up to {percent(options.instances)} may"
    )


LEAK = Check(
    code="LIM007",
    title="Leak suspected",
    severity="warning",
    summary="One part that dominates most instances, or goes with the true label like a copy.",
    find=_find,
    applies=_applies,
    needs=("telling",),
    options=LeakOptions,
    page="docs/checks/LIM007.md",
)
