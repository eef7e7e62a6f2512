"""What a registry holds: versions and models, page by page, on every kind of store."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException

from mlflow_lime import names
from mlflow_lime.errors import TrackingServerError, VersionNotFoundError
from mlflow_lime.tracking.connection import impatient, is_missing, translate_errors, where

__all__ = [
    "ListedModel",
    "ListedVersion",
    "SearchRefusedError",
    "all_versions",
    "is_literal",
    "list_models",
    "newest_versions",
    "read_model",
    "read_version",
    "versions_named",
]

PAGE = 1000
"""Versions or models in one answer; MLflow allows more, but the answers take memory."""

_PROMPT_TAG = "mlflow.prompt.is_prompt"
_REFUSALS = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "NOT_IMPLEMENTED"}
_AWKWARD = re.compile(r"[^\w .-]")


class SearchRefusedError(TrackingServerError):
    """The store lists only the versions of one model at a time, as Unity Catalog does."""


@dataclass(frozen=True, slots=True)
class ListedVersion:
    """A version as a registry lists it.

    Attributes
    ----------
    name, version : str
    created : int or None
        Milliseconds since the epoch, by the clock of the server that registered it.
    ready : bool
        Whether its files are complete.
    """

    name: str
    version: str
    created: int | None
    ready: bool = True

    @property
    def key(self) -> tuple[str, str, int | None]:
        """Return what tells it from every other version, also of a model made again."""
        return self.name, self.version, self.created


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A registered model as a registry lists it.

    Attributes
    ----------
    name : str
    created : int or None
        Milliseconds since the epoch.
    reference_digest : str
        The reference set that it pins; empty where there is none.
    aliases : mapping of str to str
        Versions by alias.
    """

    name: str
    created: int | None = None
    reference_digest: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict, hash=False)


def is_literal(pattern: str) -> bool:
    """Return whether a pattern names one model only.

    Examples
    --------
    >>> is_literal("credit"), is_literal("credit-*")
    (True, False)
    """
    return not any(sign in pattern for sign in "*?[")


def newest_versions(client: MlflowClient, *, page: int = PAGE) -> Iterator[list[ListedVersion]]:
    """Yield all versions, newest first, page by page; prompts are left out.

    Raises
    ------
    SearchRefusedError
        If the store wants the name of a model.
    TrackingServerError
        If it cannot be reached.
    """
    yield from _versions(client, None, "creation_timestamp DESC", page)


def all_versions(client: MlflowClient, *, page: int = PAGE) -> Iterator[list[ListedVersion]]:
    """Yield all versions, oldest first, page by page; prompts are left out.

    Versions that are registered meanwhile come last, so that none is skipped.

    Raises
    ------
    SearchRefusedError
        If the store wants the name of a model.
    TrackingServerError
        If it cannot be reached.
    """
    yield from _versions(client, None, "creation_timestamp ASC", page)


def versions_named(
    client: MlflowClient, name: str, *, page: int = PAGE
) -> Iterator[list[ListedVersion]]:
    """Yield the versions of one model, oldest first where the store can sort, page by page.

    None where there is no such model; prompts are left out.

    Raises
    ------
    TrackingServerError
        If the store cannot be reached.
    """
    try:
        yield from _versions(client, name, "version_number ASC", page)
    except SearchRefusedError:
        # Unity Catalog sorts nothing, so that they come in its own order.
        yield from _versions(client, name, None, page)


def list_models(client: MlflowClient, *, page: int = PAGE) -> Iterator[list[ListedModel]]:
    """Yield all registered models, page by page; prompts are left out.

    Raises
    ------
    TrackingServerError
        If the store cannot be reached.
    """
    token: str | None = None
    while True:
        with impatient(), translate_errors("the registered models"):
            found = client.search_registered_models(max_results=page, page_token=token)
        yield [_model(model) for model in found if not _is_prompt(model)]
        token = found.token
        if not token:
            return


def read_model(client: MlflowClient, name: str) -> ListedModel | None:
    """Return one registered model; None if there is none, or if it is a prompt.

    Raises
    ------
    TrackingServerError
        If the store cannot be reached.
    """
    try:
        with impatient(), translate_errors(f"registered model {name!r}"):
            found = client.get_registered_model(name)
    except VersionNotFoundError:
        return None
    return None if _is_prompt(found) else _model(found)


def read_version(client: MlflowClient, name: str, version: str) -> ListedVersion | None:
    """Return one version; None if there is none, or if it is a prompt.

    Raises
    ------
    TrackingServerError
        If the store cannot be reached.
    """
    try:
        with impatient(), translate_errors(f"model version '{name}/{version}'"):
            found = client.get_model_version(name, version)
    except VersionNotFoundError:
        return None
    return None if _is_prompt(found) else _version(found)


def _versions(
    client: MlflowClient, name: str | None, order: str | None, page: int
) -> Iterator[list[ListedVersion]]:
    options: dict[str, Any] = {} if order is None else {"order_by": [order]}
    token: str | None = None
    while True:
        with impatient():
            found = _search(client, name, max_results=page, page_token=token, **options)
        # A store that ignores upper and lower case, or a pattern, may have found others too.
        mine = (item for item in found if name is None or item.name == name)
        yield [_version(item) for item in mine if not _is_prompt(item)]
        token = getattr(found, "token", None)
        if not token:
            return


def _search(client: MlflowClient, name: str | None, **options: Any) -> Collection[ModelVersion]:
    what = "the model versions" if name is None else f"registered model {name!r}"
    with translate_errors(what):
        try:
            return client.search_model_versions(None if name is None else _filter(name), **options)
        except MlflowException as error:
            if name is not None and is_missing(error):
                return []
            if error.error_code not in _REFUSALS:
                raise
            msg = f"{where()} does not list {what} in this way"
            raise SearchRefusedError(msg) from error


def _filter(name: str) -> str:
    """Return a filter that finds at least the model of this name."""
    if "'" not in name and "\\" not in name:
        return f"name='{name}'"
    # MLflow's filters cannot escape a quotation mark; an underscore stands for any character.
    return f"name LIKE '{_AWKWARD.sub('_', name)}'"


def _version(found: ModelVersion) -> ListedVersion:
    created = found.creation_timestamp
    return ListedVersion(
        name=str(found.name),
        version=str(found.version),
        created=None if created is None else int(created),
        ready=str(found.status or "READY") == "READY",
    )


def _model(found: RegisteredModel) -> ListedModel:
    created = found.creation_timestamp
    pin = dict(found.tags or {}).get(names.TAG_REFERENCE, "")
    return ListedModel(
        name=str(found.name),
        created=None if created is None else int(created),
        reference_digest=pin.partition("@")[0],
        aliases={str(key): str(value) for key, value in _aliases(found.aliases)},
    )


def _aliases(found: Any) -> Iterable[tuple[Any, Any]]:
    """Return aliases and versions, of a mapping or of MLflow's own objects."""
    if isinstance(found, Mapping):
        return found.items()
    return [(item.alias, item.version) for item in found or ()]


def _is_prompt(found: ModelVersion | RegisteredModel) -> bool:
    return str(dict(found.tags or {}).get(_PROMPT_TAG, "")).lower() == "true"
