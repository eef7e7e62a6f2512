"""Which run holds the review of a model version, and in which experiment it lies."""

import hashlib
import os
from collections.abc import Iterator

from mlflow import MlflowClient
from mlflow.entities import Run

from mlflow_lime import names
from mlflow_lime.config import Config
from mlflow_lime.errors import ModelError
from mlflow_lime.tracking.connection import impatient, translate_errors
from mlflow_lime.tracking.versions import ModelVersionRef, resolve_model

__all__ = [
    "completed_runs",
    "experiment_of",
    "find_run",
    "given_run",
    "identity_of",
    "key_of",
    "latest_run",
    "names_run",
]


def identity_of(ref: ModelVersionRef, config: Config, digest: str) -> str:
    """Return what is explained: the version, the configuration, and the reference set."""
    return f"{ref.label}@{config.digest()}/{digest}"


def key_of(ref: ModelVersionRef, identity: str) -> str:
    """Return a hash of the identity and the model, since a name may be registered anew."""
    return hashlib.sha256(f"{identity} {ref.model_id or ''}".encode()).hexdigest()[:32]


def experiment_of(client: MlflowClient, ref: ModelVersionRef) -> str:
    """Return the experiment that the review run belongs to."""
    given = given_run(client)
    if given is not None:
        return str(given.info.experiment_id)
    if ref.experiment_id is not None:
        return ref.experiment_id
    chosen = os.environ.get("MLFLOW_EXPERIMENT_ID")
    if chosen:
        return chosen
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME")
    found = client.get_experiment_by_name(name) if name else None
    return str(found.experiment_id) if found else "0"


def _experiments(client: MlflowClient, ref: ModelVersionRef) -> list[str]:
    """Return the experiments in which earlier reviews may be."""
    return list(dict.fromkeys([experiment_of(client, ref), ref.experiment_id or "0"]))


def given_run(client: MlflowClient) -> Run | None:
    """Return the run that we were started in, as by `mlflow run`."""
    run_id = os.environ.get("MLFLOW_RUN_ID")
    if not run_id:
        return None
    with impatient(), translate_errors(f"run {run_id!r}, which MLFLOW_RUN_ID names,"):
        return client.get_run(run_id)


def find_run(client: MlflowClient, ref: ModelVersionRef, identity: str) -> Run | None:
    """Return the run of a review: a completed one first, else the oldest attempt, else None."""
    with impatient(), translate_errors("the review runs"):
        runs = client.search_runs(
            _experiments(client, ref),
            filter_string=f"tags.`{names.TAG_KEY}` = '{key_of(ref, identity)}'",
            order_by=["attributes.start_time ASC"],
            max_results=50,
        )
    done = [run for run in runs if run.data.tags.get(names.TAG_STATUS) == "completed"]
    return next(iter([*done, *runs]), None)


def completed_runs(ref: ModelVersionRef, client: MlflowClient) -> Iterator[Run]:
    """Yield the completed reviews of a version, newest first."""
    token: str | None = None
    while True:
        with impatient(), translate_errors("the review runs"):
            runs = client.search_runs(
                _experiments(client, ref),
                filter_string=f"tags.`{names.TAG_STATUS}` = 'completed'",
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
        for run in runs:
            identity = run.data.tags.get(names.TAG_IDENTITY, "")
            ours = identity.startswith(f"{ref.label}@")
            if ours and run.data.tags.get(names.TAG_KEY) == key_of(ref, identity):
                yield run
        token = runs.token
        if not token:
            return


def names_run(model_uri: str) -> bool:
    """Return whether a URI is that of a run itself, ``runs:/<id>``."""
    return model_uri.startswith("runs:/") and "/" not in model_uri.removeprefix("runs:/")


def latest_run(model_uri: str, client: MlflowClient) -> str:
    """Return the latest completed review run of a version, or the run that ``runs:/<id>`` names.

    Raises
    ------
    MlflowLimeError
        If there is no such version, or it was not explained.
    """
    if names_run(model_uri):
        return model_uri.removeprefix("runs:/")
    ref = resolve_model(model_uri, client)
    for run in completed_runs(ref, client):
        return str(run.info.run_id)
    msg = f"{ref.label} has not been explained; run `mlflow-lime explain {ref.uri}`"
    raise ModelError(msg)
