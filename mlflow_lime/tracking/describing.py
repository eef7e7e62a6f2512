"""The block on a review in the description of a model version: written, replaced, and removed."""

from collections.abc import Callable

from mlflow import MlflowClient

from mlflow_lime.errors import shorten
from mlflow_lime.report.description import with_block, without_block
from mlflow_lime.tracking.connection import impatient, translate_errors
from mlflow_lime.tracking.versions import ModelVersionRef

__all__ = ["describe_version", "remove_description"]

_ATTEMPTS = 2


def describe_version(client: MlflowClient, ref: ModelVersionRef, block: str) -> str:
    """Put a block into the description of a version, beside what a person wrote there.

    MLflow has no way to write only if nobody else did, so what somebody writes in the few
    milliseconds between our reading and our writing is lost. What is written after us is found, and
    the block is put beside it once more.

    Parameters
    ----------
    client : MlflowClient
    ref : ModelVersionRef
        The version; nothing is done where it is not registered.
    block : str
        What `mlflow_lime.report.description.compose_block` returns.

    Returns
    -------
    str
        Why the block does not stand there; empty where it does. Nothing is raised.
    """
    if ref.name is None or ref.version is None:
        return ""
    try:
        written = _rewrite(client, ref, lambda text: with_block(text, block))
    except Exception as error:  # a page never costs a user their review
        return f"the description of {ref.label} could not be written: {shorten(str(error), 300)}"
    if written is None:
        return f"the description of {ref.label} is being written by somebody else, and was left"
    if without_block(written) == written:
        return f"the description of {ref.label} has no room left for a block on the review"
    return ""


def remove_description(client: MlflowClient, ref: ModelVersionRef) -> bool:
    """Take the block out of the description of a version.

    Returns
    -------
    bool
        Whether there was one.

    Raises
    ------
    TrackingServerError
        If the store cannot be reached.
    VersionNotFoundError
        If the version does not exist any more.
    """
    if ref.name is None or ref.version is None:
        return False
    before = _read(client, ref)
    return without_block(before) != before and _rewrite(client, ref, without_block) is not None


def _rewrite(
    client: MlflowClient, ref: ModelVersionRef, change: Callable[[str], str]
) -> str | None:
    """Change the description, and return it; None where somebody else keeps writing it."""
    found = _read(client, ref)
    for _ in range(_ATTEMPTS):
        wanted = change(found)
        if wanted == found:
            return found
        with impatient(), translate_errors(f"the description of {ref.label}"):
            client.update_model_version(str(ref.name), str(ref.version), wanted)
        found = _read(client, ref)
        if found == wanted:
            return found
    return None


def _read(client: MlflowClient, ref: ModelVersionRef) -> str:
    with impatient(), translate_errors(f"the description of {ref.label}"):
        return client.get_model_version(str(ref.name), str(ref.version)).description or ""
