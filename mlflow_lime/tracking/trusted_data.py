"""Which datasets may be read for a version that somebody else has registered.

Whoever registers a version also says where the dataset of its run lies. Where a service reads that
place, its rows come to stand in MLflow, so that it could be made to publish any file that it can
read, or to ask any server that it can reach.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from mlflow.entities import Dataset

from mlflow_lime.config import Config
from mlflow_lime.errors import DataError, shorten
from mlflow_lime.tracking.policy import is_allowed_source, without_secrets

__all__ = ["check_dataset", "only_trusted_data"]

_Patterns = tuple[str, ...]
_TRUSTED: ContextVar[_Patterns | None] = ContextVar("trusted data", default=None)
_OWN = ("mlflow-artifacts:/*", "mlflow-artifacts://*/*")


@contextmanager
def only_trusted_data(config: Config) -> Iterator[None]:
    """Read only datasets that lie in the store, or where `registration.sources` says by name."""
    sources = config.registration.sources
    before = _TRUSTED.set(_OWN if sources == "any" else (*_OWN, *sources))
    try:
        yield
    finally:
        _TRUSTED.reset(before)


def check_dataset(dataset: Dataset, artifacts: str | None, origin: str) -> None:
    """Refuse a dataset that lies where a stranger may have pointed us to.

    Parameters
    ----------
    dataset : Dataset
        As it stands in the run.
    artifacts : str or None
        Where the artifacts of the run lie.
    origin : str
        What messages call the dataset.

    Raises
    ------
    DataError
        If only trusted data is read, and this is not.
    """
    trusted = _TRUSTED.get()
    if trusted is None:
        return
    location = _location(dataset)
    below = (f"{artifacts.rstrip('/')}/*",) if artifacts else ()
    if location is None or not is_allowed_source(location, (*trusted, *below)):
        where = "in a place of its own kind" if location is None else _shown(location)
        msg = (
            f"{origin} lies {where}, which is not read for a version that anybody may have "
            "registered; name it in data.source, add its location to registration.sources, or keep "
            "data beside the model with mlflow_lime.log_background(X)"
        )
        raise DataError(msg)


def _shown(location: str) -> str:
    return f"at {shorten(without_secrets(location), 200)}"


def _location(dataset: Dataset) -> str | None:
    """Return where a dataset lies, if that is one place with a URI or a path."""
    try:
        source = json.loads(dataset.source)
    except (TypeError, ValueError):
        return None
    if not isinstance(source, dict):
        return None
    found = source.get("uri") or source.get("url")
    return found if isinstance(found, str) else None
