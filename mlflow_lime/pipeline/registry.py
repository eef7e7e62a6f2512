"""The steps that a steps file may name, in the order in which help lists them."""

from mlflow_lime.pipeline.explain import EXPLAIN_KEYS, explain
from mlflow_lime.pipeline.reference import REFERENCE_KEYS, reference
from mlflow_lime.pipeline.step import Step

__all__ = ["KINDS", "STEPS"]

STEPS: dict[str, Step] = {
    step.name: step
    for step in (
        Step("reference", "make sure that instances are pinned", REFERENCE_KEYS, reference),
        Step("explain", "explain the version and log the result", EXPLAIN_KEYS, explain),
    )
}

KINDS = {name: step.keys for name, step in STEPS.items()}
