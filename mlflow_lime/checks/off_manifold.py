"""LIM004: too many perturbed rows lie where there is no data."""

import numpy as np
from pydantic import Field

from mlflow_lime.checks.check import Check, Evidence, Finding
from mlflow_lime.checks.options import Options
from mlflow_lime.checks.shares import mean_of, percent

__all__ = ["OFF_MANIFOLD", "OffManifoldOptions"]


class OffManifoldOptions(Options):
    """When there are too many rows off the data."""

    max: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Raised where a larger share of the perturbed rows lies off the data, mean.",
    )


def _applies(evidence: Evidence) -> str:
    if evidence.layout is not None and not evidence.layout.is_table:
        return "distances between rows are measured for tables alone"
    return ""


def _find(evidence: Evidence, options: OffManifoldOptions) -> Finding:
    measured = {
        key: values["off_manifold"]
        for key, values in evidence.trust.items()
        if np.isfinite(values.get("off_manifold", float("nan")))
    }
    if not measured:
        return Finding.skipped(
            "how far perturbed rows lie from the data was not measured; set metrics.realism and "
            "explain the version again"
        )
    mean = mean_of(measured.values())
    worst = sorted(measured, key=lambda key: -measured[key])
    return Finding.judged(
        mean.value > options.max,
        f"{mean} of the perturbed rows lie farther from the instances than these lie from each "
        f"other, mean over {mean.n} instances; up to {percent(options.max)} may",
        instances=tuple(key for key in worst if measured[key] > options.max),
        value=mean.value,
    )


OFF_MANIFOLD = Check(
    code="LIM004",
    title="Perturbed rows off the data",
    severity="info",
    summary="Perturbed rows that are unlike any data, where a model may answer anything.",
    find=_find,
    applies=_applies,
    options=OffManifoldOptions,
    page="docs/checks/LIM004.md",
)
