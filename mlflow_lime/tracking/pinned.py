"""The reference set that a registered model pins: found by its tag, stored as artifacts."""

import tempfile
from pathlib import Path

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from mlflow_lime import names
from mlflow_lime.core.background import Background
from mlflow_lime.errors import DigestMismatchError, ReferenceSetError, shorten
from mlflow_lime.reference.reference_set import REFERENCE_FILE, ReferenceSet
from mlflow_lime.tracking.connection import impatient, translate_errors
from mlflow_lime.tracking.versions import ModelVersionRef

__all__ = ["Pin", "read_pin", "read_reference", "write_pin"]

Pin = tuple[str, str]
"""Digest of a reference set, and the run that holds it."""

_REPLACE = "pin a new one with `mlflow-lime explain MODEL_URI --new-reference`"


def read_pin(client: MlflowClient, ref: ModelVersionRef) -> Pin | None:
    """Return what the registered model pins, or None."""
    if ref.name is None:
        return None
    with impatient(), translate_errors(f"registered model {ref.name!r}"):
        value = client.get_registered_model(ref.name).tags.get(names.TAG_REFERENCE)
    if value is None:
        return None
    digest, mark, run_id = value.partition("@")
    if not mark or not digest or not run_id:
        msg = (
            f"tag {names.TAG_REFERENCE!r} of {ref.name!r} is {shorten(value)}, expected "
            f"'<digest>@<run id>'; {_REPLACE}"
        )
        raise ReferenceSetError(msg)
    return digest, run_id


def write_pin(client: MlflowClient, ref: ModelVersionRef, pin: Pin) -> None:
    """Pin a reference set to the registered model; nothing where there is none."""
    if ref.name is not None:
        client.set_registered_model_tag(ref.name, names.TAG_REFERENCE, "@".join(pin))


def read_reference(
    client: MlflowClient,
    pin: Pin,
    *,
    data: pd.DataFrame | None = None,
    background: Background | None = None,
) -> ReferenceSet:
    """Download a pinned reference set.

    Parameters
    ----------
    client : MlflowClient
    pin : Pin
    data, background : optional
        Needed where the set was stored without its inputs, or without its background.

    Raises
    ------
    ReferenceSetError
        If the run or its artifacts are gone, or the set cannot be read.
    DigestMismatchError
        If the artifacts hold another set than the one that is pinned.
    """
    digest, run_id = pin
    files: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            local = mlflow.artifacts.download_artifacts(
                run_id=run_id,
                artifact_path=names.REFERENCE_FOLDER,
                dst_path=folder,
                tracking_uri=client.tracking_uri,
            )
        except (MlflowException, OSError) as error:
            msg = (
                f"the pinned reference set {digest} is gone from run {run_id}: "
                f"{shorten(str(error), 160)}; restore the run, or {_REPLACE}"
            )
            raise ReferenceSetError(msg) from error
        for path in Path(local).iterdir():
            files[path.name] = path.read_bytes()
    if REFERENCE_FILE not in files:
        msg = f"run {run_id} holds no {REFERENCE_FILE} for reference set {digest}; {_REPLACE}"
        raise ReferenceSetError(msg)
    found = ReferenceSet.read(files, data=data, background=background)
    if found.digest != digest:
        msg = (
            f"run {run_id} holds reference set {found.digest}, but {digest} is pinned; "
            f"restore the artifacts, or {_REPLACE}"
        )
        raise DigestMismatchError(msg)
    return found
