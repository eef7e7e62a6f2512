"""LIM003: around too many instances the output hardly varies."""

from pydantic import Field

from mlflow_lime.checks.check import Check, Evidence, Finding
from mlflow_lime.checks.options import Options
from mlflow_lime.checks.shares import percent

__all__ = ["FLAT", "FlatOptions"]


class FlatOptions(Options):
    """When there are too many flat neighbourhoods."""

    share: float = Field(
        default=0.25, ge=0, lt=1, description="Raised where more of the instances are flat."
    )


def _find(evidence: Evidence, options: FlatOptions) -> Finding:
    if not evidence.explanations:
        return Finding.skipped("no instance was explained")
    flat = tuple(item.key for item in evidence.explanations if item.labels[0].flat)
    share = len(flat) / len(evidence.explanations)
    return Finding.judged(
        share > options.share,
        f"around {len(flat)} of {len(evidence.explanations)} instances the output hardly varies, "
        f"whatever changes; up to {percent(options.share)} may",
        instances=flat,
        value=share,
    )


FLAT = Check(
    code="LIM003",
    title="Flat neighbourhoods",
    severity="warning",
    summary="Instances around which the output does not react to any part.",
    find=_find,
    options=FlatOptions,
    page="docs/checks/LIM003.md",
)
