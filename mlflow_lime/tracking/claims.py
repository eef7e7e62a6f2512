"""What only one process may do at a time: explain a version, and pick a model's reference set.

A claim is a lock on a file, which the operating system releases when the process ends, however it
ends. It holds between all processes of a machine that share ``$MLFLOW_LIME_HOME``.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from mlflow_lime.config import Config
from mlflow_lime.errors import ConfigError, ReviewInProgressError
from mlflow_lime.home import home_folder
from mlflow_lime.tracking.connection import store_label
from mlflow_lime.tracking.versions import ModelVersionRef

__all__ = ["claim_pinning", "claim_version"]

PATIENCE = 60.0
"""Seconds to wait for another version of the same model that picks the reference set."""


@contextmanager
def claim_version(ref: ModelVersionRef, config: Config) -> Iterator[None]:
    """Be the only one on this machine who explains a version with a configuration.

    Raises
    ------
    ReviewInProgressError
        If another process or thread does it now.
    """
    with _claimed(
        f"{ref.label} {ref.model_id} {config.digest()}",
        f"{ref.label} is being explained by another process on this machine; its result will"
        " stand in MLflow, and the same command shows it then",
    ):
        yield


@contextmanager
def claim_pinning(ref: ModelVersionRef, *, patience: float = PATIENCE) -> Iterator[None]:
    """Be the only one on this machine who picks the reference set of a registered model.

    Parameters
    ----------
    ref : ModelVersionRef
        Any version of the model.
    patience : float
        Seconds to wait for another process that does it.

    Raises
    ------
    ReviewInProgressError
        If the other process takes longer.
    """
    with _claimed(
        f"reference set of {ref.name}",
        f"the reference set of {ref.name!r} is being picked for another of its versions, which"
        f" takes longer than {patience:g} seconds; try again when that version is explained",
        patience,
    ):
        yield


@contextmanager
def _claimed(what: str, refusal: str, patience: float = 0.0) -> Iterator[None]:
    lock = FileLock(_file(f"{store_label()} {what}"), mode=0o600)
    try:
        lock.acquire(timeout=patience, poll_interval=0.1)
    except Timeout:
        raise ReviewInProgressError(refusal) from None
    try:
        yield
    finally:
        lock.release()


def _file(what: str) -> Path:
    folder = home_folder() / "locks"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        msg = (
            f"the folder {folder} cannot be made: {error.strerror}; set MLFLOW_LIME_HOME to a "
            "folder that can be written"
        )
        raise ConfigError(msg) from error
    return folder / f"{hashlib.sha256(what.encode()).hexdigest()[:24]}.lock"
