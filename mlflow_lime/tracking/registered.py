"""A registered version that nobody is waiting for: allowed or not, explained, or marked as not."""

from contextlib import nullcontext
from enum import Enum

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from mlflow_lime import names
from mlflow_lime.config import Config
from mlflow_lime.tracking.connection import impatient, is_missing
from mlflow_lime.tracking.policy import check_flavors, check_source
from mlflow_lime.tracking.review import Review, review_version
from mlflow_lime.tracking.trusted_data import only_trusted_data
from mlflow_lime.tracking.versions import resolve_model

__all__ = ["Presence", "explain_registered", "look_for", "tag_as_parked"]

_LONGEST_TAG = 500


class Presence(Enum):
    """What a store says about a version."""

    THERE = "there"
    MISSING = "missing"
    NO_ANSWER = "no answer"


def explain_registered(name: str, version: str, config: Config, *, by_us: bool = False) -> Review:
    """Explain a version if its source and its flavours are allowed.

    Parameters
    ----------
    name, version : str
    config : Config
    by_us : bool
        Whether this user has registered it, and not just anybody: then the dataset of its run is
        read wherever it lies.

    Raises
    ------
    NotAllowedError
        If the configuration does not allow to load it.
    MlflowLimeError
        See `review_version`.
    """
    client = MlflowClient()
    check_source(name, version, config, client)
    uri = f"models:/{name}/{version}"
    check_flavors(resolve_model(uri, client), config)
    with nullcontext() if by_us else only_trusted_data(config):
        return review_version(uri, config, client=client)


def look_for(name: str, version: str) -> Presence:
    """Ask whether a version exists; never raises."""
    try:
        with impatient():
            MlflowClient().get_model_version(name, version)
    except MlflowException as error:
        return Presence.MISSING if is_missing(error) else Presence.NO_ANSWER
    except Exception:
        return Presence.NO_ANSWER
    return Presence.THERE


def tag_as_parked(name: str, version: str, reason: str) -> None:
    """Say on the version's page that it could not be explained, and why; best effort."""
    text = f"not explained: {reason}"
    text = text if len(text) <= _LONGEST_TAG else f"{text[: _LONGEST_TAG - 3]}..."
    try:
        with impatient():
            MlflowClient().set_model_version_tag(name, version, names.TAG_VERSION_STATUS, text)
    except Exception:  # the queue keeps the reason
        return
