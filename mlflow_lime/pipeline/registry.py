"""The steps that a steps file may name, in the order in which help lists them."""

from mlflow_lime.pipeline.check import CHECK_KEYS, check
from mlflow_lime.pipeline.compare import COMPARE_KEYS, compare
from mlflow_lime.pipeline.explain import EXPLAIN_KEYS, explain
from mlflow_lime.pipeline.gate import GATE_KEYS, gate
from mlflow_lime.pipeline.reference import REFERENCE_KEYS, reference
from mlflow_lime.pipeline.step import Step

__all__ = ["KINDS", "STEPS"]

STEPS: dict[str, Step] = {
    step.name: step
    for step in (
        Step("reference", "make sure that instances are pinned", REFERENCE_KEYS, reference),
        Step("explain", "explain the version and log the result", EXPLAIN_KEYS, explain),
        Step("compare", "compare its reasons with a baseline's", COMPARE_KEYS, compare),
        Step("check", "look for what is wrong with its reasons", CHECK_KEYS, check),
        Step("gate", "hold it against rules, and promote it", GATE_KEYS, gate),
    )
}

KINDS = {name: step.keys for name, step in STEPS.items()}
