"""LIM011: the reasons changed since another version."""

from mlflow_lime.checks.check import NEEDS, Check, Evidence, Finding
from mlflow_lime.checks.shares import named, percent

__all__ = ["DRIFTED"]


def _find(evidence: Evidence, options: object) -> Finding:
    drift = evidence.drift
    if drift is None:
        return Finding.skipped(NEEDS["drift"])
    counts = drift.counts
    if not counts.compared:
        return Finding.skipped(
            f"none of {counts.untrusted} instances is explained well enough by both versions"
        )
    changed = sorted(
        (item for item in drift.glances if item.changed), key=lambda item: -item.total_change
    )
    parts = [part.name for part in drift.parts if part.changed]
    most = f", most of all {named(parts)}" if parts else ""
    rate = drift.settings.get("alarm_rate")
    allowed = f", held against {percent(rate)}" if isinstance(rate, float) else ""
    n, p = counts.compared, drift.p_value
    return Finding.judged(
        drift.alarm,
        f"the weights of {counts.changed} of {n} compared instances changed{most}; so large a "
        f"change of the whole set has a probability of {p:.2g} by {drift.noise} noise{allowed}",
        instances=tuple(item.key for item in changed),
        value=p,
    )


DRIFTED = Check(
    code="LIM011",
    title="Reasons drifted",
    severity="warning",
    summary="Reasons that changed as a whole since another version, beyond noise.",
    find=_find,
    needs=("drift",),
    page="docs/checks/LIM011.md",
)
