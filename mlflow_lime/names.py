"""Every name that is logged: metrics, artifacts, tags. They are an interface; do not rename."""

from mlflow_lime.metrics.aggregate import AGGREGATES

__all__ = [
    "CONFIG_FILE",
    "EXPLANATIONS_JSON",
    "EXPLANATIONS_PAGE",
    "EXPLANATIONS_PARQUET",
    "INSTANCES_TABLE",
    "METRICS",
    "OVERVIEW_PICTURE",
    "PICTURES",
    "PICTURE_KEY",
    "PREFIX",
    "RECIPE_FILE",
    "REFERENCE_FOLDER",
    "RUN_TAGS",
    "TAG_IDENTITY",
    "TAG_KEY",
    "TAG_NOTES",
    "TAG_REASON",
    "TAG_REFERENCE",
    "TAG_STATUS",
    "TAG_VERSION_FIDELITY",
    "TAG_VERSION_STATUS",
    "TAG_VERSION_TOP",
    "WEIGHTS_TABLE",
]

PREFIX = "lime/"

METRICS: dict[str, str] = {
    **{f"{PREFIX}{name}": meaning for name, meaning in AGGREGATES.items()},
    f"{PREFIX}seconds": (
        "wall time of the review (its last attempt, after an interruption), in seconds"
    ),
}
"""Logged metrics, and what each one means."""

OVERVIEW_PICTURE = "lime_overview.svg"
INSTANCES_TABLE = "lime/instances.json"
WEIGHTS_TABLE = "lime/weights.json"
EXPLANATIONS_JSON = "lime/explanations.jsonl"
EXPLANATIONS_PAGE = "lime/explanations.html"
EXPLANATIONS_PARQUET = "lime/explanations.parquet"
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
RUN_TAGS: dict[str, str] = {
    TAG_STATUS: "started, interrupted, completed, or failed",
    TAG_IDENTITY: "what is explained: name/version@config digest/reference digest",
    TAG_KEY: "hash of the identity, by which a repeat finds the run",
    TAG_REASON: "why the review failed",
    TAG_NOTES: "what a reader must know",
}
"""Tags of a review run, and what each one means."""

TAG_REFERENCE = "lime.reference"
"""Tag of a registered model: digest of its reference set, ``@``, and the run that holds it."""

TAG_VERSION_STATUS = "lime"
TAG_VERSION_FIDELITY = "lime.fidelity_r2"
TAG_VERSION_TOP = "lime.top"
