"""LIM014 to LIM016: methods that look inside a network, beside LIME, and what they cannot do."""

import math

from pydantic import Field

from mlflow_lime.checks.check import Check, Evidence, Finding
from mlflow_lime.checks.options import Options
from mlflow_lime.checks.shares import percent
from mlflow_lime.metrics.attributions import METHOD_NAMES

__all__ = ["ADDS_UP", "DISAGREE", "REFUSED", "AddsUpOptions", "DisagreeOptions"]


class DisagreeOptions(Options):
    """When methods count as disagreeing."""

    min: float = Field(
        default=0.25, ge=-1, le=1, description="Smallest rank correlation with LIME that agrees."
    )
    share: float = Field(
        default=0.5, ge=0, lt=1, description="Raised where more of the instances lie below it."
    )


class AddsUpOptions(Options):
    """When attributions count as not adding up."""

    max: float = Field(
        default=0.01,
        gt=0,
        le=1,
        description="Largest share of the attributions' size that may be unaccounted for.",
    )
    share: float = Field(
        default=0.05, ge=0, lt=1, description="Raised where more of the instances lie above it."
    )


def _applies(evidence: Evidence) -> str:
    """Return why there is nothing to look at."""
    found = evidence.attributions
    if found is None:
        return evidence.absent.get(
            "attributions",
            "nothing looked inside the model: it is no torch module and no perceptron, or "
            "deep.methods is none",
        )
    return "" if found.instances else found.why_not


def _worst(
    evidence: Evidence, names: dict[str, str], bound: float, *, below: bool
) -> list[tuple[float, str, list[str], int]]:
    """Return, for each method: share, name, instances beyond a bound, worst first, and how many."""
    telling = {item.key for item in evidence.telling}
    rows = []
    for method, name in names.items():
        values = [
            (own[name] if below else -own[name], key)
            for key, own in evidence.trust.items()
            if key in telling and math.isfinite(own.get(name, math.nan))
        ]
        limit = bound if below else -bound
        beyond = [key for value, key in sorted(values) if value < limit]
        if values:
            rows.append((len(beyond) / len(values), METHOD_NAMES[method], beyond, len(values)))
    return sorted(rows, key=lambda row: -row[0])


def _disagree(evidence: Evidence, options: DisagreeOptions) -> Finding:
    names = {method: f"{method}_agreement" for method in METHOD_NAMES}
    rows = _worst(evidence, names, options.min, below=True)
    if not rows:
        return Finding.skipped("no instance has three parts whose order could be compared")
    told = "; ".join(f"{name} in {len(keys)} of {n}" for _, name, keys, n in rows)
    return Finding.judged(
        rows[0][0] > options.share,
        f"the order of the parts by LIME and by another method has a rank correlation below "
        f"{options.min:g}: {told}; up to {percent(options.share)} of the instances may",
        instances=tuple(rows[0][2]),
        value=rows[0][0],
    )


def _adds_up(evidence: Evidence, options: AddsUpOptions) -> Finding:
    names = {"deeplift": "deeplift_completeness_error", "lrp": "lrp_conservation_error"}
    rows = _worst(evidence, names, options.max, below=False)
    if not rows:
        return Finding.skipped("no instance has attributions")
    told = "; ".join(f"{name} in {len(keys)} of {n}" for _, name, keys, n in rows)
    return Finding.judged(
        rows[0][0] > options.share,
        f"attributions leave more than {percent(options.max)} of their size unaccounted for: "
        f"{told}; up to {percent(options.share)} of the instances may",
        instances=tuple(rows[0][2]),
        value=rows[0][0],
    )


def _has_refused(evidence: Evidence) -> bool:
    return evidence.attributions is not None and bool(evidence.attributions.refused)


def _refused(evidence: Evidence, options: Options) -> Finding:
    found = evidence.attributions
    if found is None or not found.refused:
        return Finding("passed", "every layer of the network can be looked through")
    told = [
        f"{METHOD_NAMES[method]}: {'; '.join(layers[:4])}"
        + (f"; and {len(layers) - 4} more" if len(layers) > 4 else "")
        for method, layers in found.refused.items()
        if method in METHOD_NAMES
    ]
    distinct = list(dict.fromkeys(text.partition(": ")[2] for text in told))
    if len(distinct) == 1 and len(told) > 1:
        told = [f"{' and '.join(METHOD_NAMES[m] for m in found.refused)}: {distinct[0]}"]
    return Finding("raised", ". ".join(told))


DISAGREE = Check(
    code="LIM014",
    title="Methods disagree",
    severity="warning",
    summary="DeepLIFT or LRP order the parts of the instances in another way than LIME.",
    find=_disagree,
    applies=_applies,
    needs=("trust",),
    options=DisagreeOptions,
    page="docs/checks/LIM014.md",
)

ADDS_UP = Check(
    code="LIM015",
    title="Attributions do not add up",
    severity="warning",
    summary="Contributions by DeepLIFT, or relevance, that do not sum up to what they explain.",
    find=_adds_up,
    applies=_applies,
    needs=("trust",),
    options=AddsUpOptions,
    page="docs/checks/LIM015.md",
)

REFUSED = Check(
    code="LIM016",
    title="Layers that cannot be looked through",
    severity="info",
    summary="Layers of a neural network for which DeepLIFT or LRP have no rule.",
    find=_refused,
    applies=lambda evidence: "" if _has_refused(evidence) else _applies(evidence),
    page="docs/checks/LIM016.md",
)
