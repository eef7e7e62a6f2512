"""Every name that is logged: metrics, artifacts, tags. They are an interface; do not rename."""

from mlflow_lime.compare.drift import DRIFT_METRICS
from mlflow_lime.metrics.aggregate import AGGREGATES
from mlflow_lime.metrics.trust import TRUST

__all__ = [
    "ATTRIBUTIONS_FILE",
    "CONFIG_FILE",
    "DRIFT_FILE",
    "DRIFT_INSTANCES_TABLE",
    "DRIFT_WEIGHTS_TABLE",
    "EXPLANATIONS_JSON",
    "EXPLANATIONS_PARQUET",
    "EXPLANATIONS_WHOLE",
    "FACTS_FILE",
    "FINDINGS_FILE",
    "GATE_JSON",
    "GATE_MARKDOWN",
    "IMPORTANCE_TABLE",
    "INSTANCES_TABLE",
    "METRICS",
    "OVERVIEW_PICTURE",
    "PICTURES",
    "PICTURE_KEY",
    "PREFIX",
    "RECIPE_FILE",
    "REFERENCE_FOLDER",
    "REPORT_PAGE",
    "RUN_TAGS",
    "TAG_BASELINE",
    "TAG_COMPARED",
    "TAG_GATE",
    "TAG_GATE_PREVIOUS",
    "TAG_IDENTITY",
    "TAG_KEY",
    "TAG_NOTES",
    "TAG_REASON",
    "TAG_REFERENCE",
    "TAG_REPORT",
    "TAG_STATUS",
    "TAG_VERSION_STATUS",
    "TAG_VERSION_TOP",
    "TRAINING_FILE",
    "TRUST_FILE",
    "WEIGHTS_TABLE",
]

PREFIX = "lime/"

METRICS: dict[str, str] = {
    **{f"{PREFIX}{name}": meaning for name, meaning in (AGGREGATES | TRUST).items()},
    **{f"{PREFIX}{name}": meaning for name, meaning in DRIFT_METRICS.items()},
    f"{PREFIX}findings": "checks that found something",
    f"{PREFIX}findings_error": "checks of severity error that found something",
    f"{PREFIX}seconds": (
        "wall time of the review (its last attempt, after an interruption), in seconds"
    ),
}
"""Logged metrics, and what each one means."""

REPORT_PAGE = "lime_report.html"
OVERVIEW_PICTURE = "lime_overview.svg"
INSTANCES_TABLE = "lime/instances.json"
WEIGHTS_TABLE = "lime/weights.json"
EXPLANATIONS_JSON = "lime/explanations.jsonl"
EXPLANATIONS_PARQUET = "lime/explanations.parquet"
EXPLANATIONS_WHOLE = "lime/explanations_whole.parquet"
DRIFT_FILE = "lime/drift.json"
DRIFT_INSTANCES_TABLE = "lime/drift_instances.json"
DRIFT_WEIGHTS_TABLE = "lime/drift_weights.json"
FACTS_FILE = "lime/facts.json"
TRUST_FILE = "lime/trust.json"
ATTRIBUTIONS_FILE = "lime/attributions.json"
FINDINGS_FILE = "lime/findings.json"
TRAINING_FILE = "lime/train_explanations.jsonl"
GATE_JSON = "lime/gate.json"
GATE_MARKDOWN = "lime/gate.md"
IMPORTANCE_TABLE = "lime/importance.json"
CONFIG_FILE = "lime/config.yaml"
RECIPE_FILE = "lime/recipe.json"
PICTURES = "lime/plots"
PICTURE_KEY = "lime/instance"
REFERENCE_FOLDER = "lime/reference"

TAG_STATUS = "lime.status"
TAG_IDENTITY = "lime.identity"
TAG_KEY = "lime.key"
TAG_REASON = "lime.reason"
TAG_NOTES = "lime.notes"
TAG_BASELINE = "lime.baseline"
TAG_COMPARED = "lime.compared"
TAG_REPORT = "lime.report"
RUN_TAGS: dict[str, str] = {
    TAG_STATUS: "started, interrupted, completed, or failed",
    TAG_IDENTITY: "what is explained: name/version@config digest/reference digest",
    TAG_KEY: "hash of the identity, by which a repeat finds the run",
    TAG_REASON: "why the review failed",
    TAG_NOTES: "what a reader must know",
    TAG_BASELINE: "the version that the drift is measured against",
    TAG_COMPARED: "hash of the compared runs and thresholds, by which a repeat is noticed",
    TAG_REPORT: "written, once the page and the description of the version are",
}
"""Tags of a review run, and what each one means."""

TAG_REFERENCE = "lime.reference"
"""Tag of a registered model: digest of its reference set, ``@``, and the run that holds it."""

TAG_GATE_PREVIOUS = "lime.gate_previous"
"""Tags of a registered model, with ``.`` and an alias: who had it, before which version."""

TAG_VERSION_STATUS = "lime"
TAG_VERSION_TOP = "lime.top"
TAG_GATE = "lime.gate"
"""Tags of a version; the list of versions has room for no more than these three."""
