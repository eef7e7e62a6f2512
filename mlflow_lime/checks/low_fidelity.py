"""LIM001: the surrogates explain too little of what the model does around the instances."""

import numpy as np
from pydantic import Field

from mlflow_lime.checks.check import Check, Evidence, Finding
from mlflow_lime.checks.options import Options
from mlflow_lime.checks.shares import percent

__all__ = ["LOW_FIDELITY", "LowFidelityOptions"]


class LowFidelityOptions(Options):
    """When the surrogates count as too poor."""

    min: float = Field(
        default=0.1, ge=-1, le=1, description="Smallest held-out R² of a surrogate that fits."
    )
    share: float = Field(
        default=0.25, ge=0, lt=1, description="Raised where more of the instances lie below it."
    )


def _find(evidence: Evidence, options: LowFidelityOptions) -> Finding:
    found = [
        (item.labels[0].fidelity_r2, item.key)
        for item in evidence.telling
        if np.isfinite(item.labels[0].fidelity_r2)
    ]
    if not found:
        return Finding.skipped("no surrogate has a held-out R²")
    poor = sorted(pair for pair in found if pair[0] < options.min)
    share = len(poor) / len(found)
    median = float(np.median([value for value, _ in found]))
    return Finding.judged(
        share > options.share,
        f"{len(poor)} of {len(found)} surrogates have a held-out R² below {options.min:g} "
        f"(median {median:.2f}); up to {percent(options.share)} may",
        instances=tuple(key for _, key in poor),
        value=share,
    )


LOW_FIDELITY = Check(
    code="LIM001",
    title="Low fidelity",
    severity="warning",
    summary="Surrogates that explain too little of the model's local variation.",
    find=_find,
    needs=("telling",),
    options=LowFidelityOptions,
    page="docs/checks/LIM001.md",
)
