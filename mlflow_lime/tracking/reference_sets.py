"""Reference sets to look at: the pinned one, an earlier one, and what would be picked now."""

import re

from mlflow import MlflowClient

from mlflow_lime import names
from mlflow_lime.config import Config
from mlflow_lime.errors import ReferenceSetError, VersionNotFoundError, shorten
from mlflow_lime.reference.listing import Listing
from mlflow_lime.tracking.connection import (
    impatient,
    quiet_autologging,
    quiet_downloads,
    translate_errors,
)
from mlflow_lime.tracking.pinned import Pin, read_listing, read_pin
from mlflow_lime.tracking.pinning import new_reference
from mlflow_lime.tracking.review_runs import experiment_of
from mlflow_lime.tracking.versions import ModelVersionRef, versions_of

__all__ = ["earlier_listing", "explained_versions", "pinned_listing", "would_be_picked"]

_DIGEST = re.compile(r"[0-9a-f]{16}")


def pinned_listing(ref: ModelVersionRef, client: MlflowClient) -> tuple[Pin, Listing]:
    """Return what a registered model pins, and what that set lists.

    Raises
    ------
    ReferenceSetError
        If it pins none, or the set cannot be read.
    """
    pin = read_pin(client, ref)
    if pin is None:
        what = f"{ref.name!r} pins no instances" if ref.name else f"{ref.label} is not registered"
        msg = f"{what}; pin some with `mlflow-lime reference create models:/<name>/<version>`"
        raise ReferenceSetError(msg)
    return pin, read_listing(client, pin)


def earlier_listing(ref: ModelVersionRef, wish: str, client: MlflowClient) -> tuple[Pin, Listing]:
    """Return a set by its digest, or the set that a run holds.

    Parameters
    ----------
    ref : ModelVersionRef
        A version of the model, in whose experiments runs are searched.
    wish : str
        The digest, or the id of a run.
    client : MlflowClient

    Raises
    ------
    ReferenceSetError
        If no run holds such a set.
    """
    if _DIGEST.fullmatch(wish):
        return _by_digest(ref, wish, client)
    try:
        with impatient(), translate_errors(f"run {wish!r}"):
            run = client.get_run(wish)
    except VersionNotFoundError as error:
        msg = (
            f"there is no run {shorten(wish)}; name a run, or the digest of a set (16 hexadecimal "
            "digits), as `mlflow-lime reference show` prints them"
        )
        raise ReferenceSetError(msg) from error
    tags = run.data.tags
    digest = tags.get(names.TAG_REFERENCE) or tags.get(names.TAG_IDENTITY, "").rpartition("/")[2]
    if not digest:
        msg = f"run {shorten(wish)} holds no reference set; name one that `reference show` prints"
        raise ReferenceSetError(msg)
    if client.list_artifacts(wish, names.REFERENCE_FOLDER):
        return (digest, wish), read_listing(client, (digest, wish))
    return _by_digest(ref, digest, client)  # it inherited the set from another run


def _by_digest(ref: ModelVersionRef, digest: str, client: MlflowClient) -> tuple[Pin, Listing]:
    experiments = list(dict.fromkeys([experiment_of(client, ref), ref.experiment_id or "0"]))
    for clause in (
        f"tags.`{names.TAG_REFERENCE}` = '{digest}'",
        f"tags.`{names.TAG_IDENTITY}` LIKE '%/{digest}'",
    ):
        with impatient(), translate_errors("the runs that hold reference sets"):
            runs = client.search_runs(
                experiments, clause, order_by=["attributes.start_time ASC"], max_results=1000
            )
        for run in runs:
            pin = (digest, str(run.info.run_id))
            if client.list_artifacts(pin[1], names.REFERENCE_FOLDER):
                return pin, read_listing(client, pin)
    msg = (
        f"no run in the experiments of {ref.label} holds reference set {digest}; name the run "
        "that holds it"
    )
    raise ReferenceSetError(msg)


def would_be_picked(
    ref: ModelVersionRef,
    config: Config,
    client: MlflowClient,
    *,
    progress: bool | None = False,
) -> tuple[Listing, list[str]]:
    """Return the set that a configuration picks now, and remarks; nothing is pinned.

    Raises
    ------
    MlflowLimeError
        If the data or the model cannot be used.
    """
    with quiet_autologging(), quiet_downloads(), translate_errors(ref.label):
        reference, _, notes = new_reference(ref, config, client, progress=progress)
    return Listing.of(reference.files()), notes


def explained_versions(ref: ModelVersionRef, client: MlflowClient) -> list[str]:
    """Return the URIs of the versions of a model that were explained, newest first."""
    found = [
        version
        for version in versions_of(str(ref.name), client)
        if names.TAG_VERSION_STATUS in version.tags
    ]
    found.sort(key=lambda version: int(version.version), reverse=True)
    return [f"models:/{version.name}/{version.version}" for version in found]
