"""LIM002: the weights depend on which perturbed rows happened to be drawn."""

from pydantic import Field

from mlflow_lime.checks.check import Check, Evidence, Finding
from mlflow_lime.checks.options import Options
from mlflow_lime.checks.shares import percent
from mlflow_lime.core.explanation import Explanation

__all__ = ["UNSTABLE", "UnstableOptions"]


class UnstableOptions(Options):
    """When an explanation counts as unstable, and when there are too many."""

    overlap: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Smallest mean overlap (Jaccard) of the top parts between refits.",
    )
    signs: float = Field(
        default=0.75,
        ge=0,
        le=1,
        description="Smallest share of the refits that agree with the signs of the top weights.",
    )
    share: float = Field(
        default=0.25, ge=0, lt=1, description="Raised where more of the instances are unstable."
    )


def _find(evidence: Evidence, options: UnstableOptions) -> Finding:
    sampled = 0
    unstable: list[tuple[float, str]] = []
    for item in evidence.telling:
        sampled += not item.exact
        if not item.exact and _is_unstable(item, options):
            unstable.append((item.labels[0].stability_topk, item.key))
    if not sampled:
        return Finding.judged(
            False, "every mask of every instance was evaluated, so nothing is left to chance"
        )
    share = len(unstable) / sampled
    worst = sorted(unstable, key=lambda pair: pair[0])
    return Finding.judged(
        share > options.share,
        f"for {len(unstable)} of {sampled} instances the top parts overlap by less than "
        f"{options.overlap:g} between refits, their signs agree in less than {options.signs:g} of "
        f"them, or the heaviest weight may be zero; up to {percent(options.share)} may",
        instances=tuple(key for _, key in worst),
        value=share,
    )


def _is_unstable(item: Explanation, options: UnstableOptions) -> bool:
    label = item.labels[0]
    heaviest = label.order()[0]
    uncertain = bool(label.low[heaviest] <= 0 <= label.high[heaviest])
    shaky = label.stability_topk < options.overlap or label.sign_agreement < options.signs
    return uncertain or shaky


UNSTABLE = Check(
    code="LIM002",
    title="Unstable explanations",
    severity="warning",
    summary="Top parts, or their signs, that change with the perturbed rows that were drawn.",
    find=_find,
    needs=("telling",),
    options=UnstableOptions,
    page="docs/checks/LIM002.md",
)
