"""The reference set that a registered model pins: found by its tag, stored as artifacts."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from mlflow_lime import names
from mlflow_lime.core.layout import Layout
from mlflow_lime.errors import (
    DataError,
    DigestMismatchError,
    ReferenceSetError,
    VersionNotFoundError,
    shorten,
)
from mlflow_lime.reference.listing import Listing
from mlflow_lime.reference.reference_set import INPUTS_FILE, REFERENCE_FILE, ReferenceSet
from mlflow_lime.tracking.connection import impatient, quiet_downloads, translate_errors
from mlflow_lime.tracking.versions import ModelVersionRef

__all__ = [
    "Pin",
    "check_digest",
    "read_listing",
    "read_pin",
    "read_reference",
    "remove_pin",
    "write_pin",
]

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


def remove_pin(client: MlflowClient, ref: ModelVersionRef, digest: str) -> None:
    """Take back the pin of a set; a pin of another set stays."""
    pin = read_pin(client, ref)
    if pin is not None and pin[0] == digest:
        client.delete_registered_model_tag(str(ref.name), names.TAG_REFERENCE)


def check_digest(digest: str, expected: str | None) -> None:
    """Refuse another reference set than the expected one, if there is an expectation.

    Raises
    ------
    DigestMismatchError
        If the two differ.
    """
    if expected is not None and digest != expected:
        msg = (
            f"the reference set has digest {digest}, expected {expected}; correct the digest, or "
            "leave it out"
        )
        raise DigestMismatchError(msg)


def read_reference(
    client: MlflowClient,
    pin: Pin,
    *,
    again: Callable[[], tuple[pd.DataFrame, Layout]] | None = None,
) -> ReferenceSet:
    """Download a pinned reference set.

    Parameters
    ----------
    client : MlflowClient
    pin : Pin
    again : callable, optional
        Reads the data again, and a layout with its backgrounds, where the set was stored without
        its instances.

    Raises
    ------
    ReferenceSetError
        If the run or its artifacts are gone, or the set cannot be read.
    DigestMismatchError
        If the artifacts, or the data that was read again, hold another set than the pinned one.
    """
    digest, run_id = pin
    _check_run(client, pin)
    files = _download(client, pin)
    if REFERENCE_FILE not in files:
        msg = f"run {run_id} holds no {REFERENCE_FILE} for reference set {digest}; {_REPLACE}"
        raise ReferenceSetError(msg)
    data, layout = None, None
    if INPUTS_FILE not in files and again is not None:
        try:
            data, layout = again()
        except DataError as error:
            msg = (
                f"reference set {digest} was stored without its instances, and the data that they "
                f"were picked from cannot be read: {error}. Bring it back, or {_REPLACE}"
            )
            raise ReferenceSetError(msg) from error
    found = ReferenceSet.read(
        files,
        data=data,
        background=None if layout is None else layout.background,
        series=None if layout is None else layout.series,
    )
    if found.digest != digest:
        msg = (
            f"run {run_id} holds reference set {found.digest}, but {digest} is pinned; "
            f"restore the artifacts, or {_REPLACE}"
        )
        raise DigestMismatchError(msg)
    return found


def read_listing(client: MlflowClient, pin: Pin) -> Listing:
    """Download what a reference set lists; its instances and the data are not needed.

    Raises
    ------
    ReferenceSetError
        If the run or its artifacts are gone, or the list cannot be read.
    DigestMismatchError
        If the run holds another set.
    """
    digest, run_id = pin
    _check_run(client, pin)
    found = Listing.of(_download(client, pin))
    if found.digest != digest:
        msg = (
            f"run {run_id} holds reference set {found.digest}, but {digest} was asked for; "
            "correct the digest, or restore the artifacts"
        )
        raise DigestMismatchError(msg)
    return found


def _check_run(client: MlflowClient, pin: Pin) -> None:
    digest, run_id = pin
    cure = f"restore it with `mlflow runs restore --run-id {run_id}`, or {_REPLACE}"
    try:
        with impatient(), translate_errors(f"run {run_id!r}"):
            run = client.get_run(run_id)
    except VersionNotFoundError as error:
        msg = f"the pinned reference set {digest} is gone: {error}; {_REPLACE}"
        raise ReferenceSetError(msg) from error
    if run.info.lifecycle_stage != "active":
        msg = f"run {run_id}, which holds the pinned reference set {digest}, is deleted; {cure}"
        raise ReferenceSetError(msg)


def _download(client: MlflowClient, pin: Pin) -> dict[str, bytes]:
    digest, run_id = pin
    with tempfile.TemporaryDirectory() as folder:
        try:
            with quiet_downloads():
                local = mlflow.artifacts.download_artifacts(
                    run_id=run_id,
                    artifact_path=names.REFERENCE_FOLDER,
                    dst_path=folder,
                    tracking_uri=client.tracking_uri,
                )
        except (MlflowException, OSError) as error:
            msg = (
                f"the pinned reference set {digest} is gone from run {run_id}: "
                f"{shorten(str(error), 160)}; restore its artifacts, or {_REPLACE}"
            )
            raise ReferenceSetError(msg) from error
        return {path.name: path.read_bytes() for path in Path(local).iterdir()}
