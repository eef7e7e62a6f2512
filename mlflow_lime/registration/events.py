"""What a webhook says: which version of which model, and whether it is one to explain."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn

from mlflow_lime.registration.job import Offer
from mlflow_lime.registration.plans import Plans

__all__ = [
    "EVENTS",
    "Event",
    "EventError",
    "Ignored",
    "UnknownEventError",
    "offer_of",
    "read_event",
]

VERSION_CREATED = "model_version.created"
ALIAS_CREATED = "model_version_alias.created"
EVENTS = frozenset(
    {
        VERSION_CREATED,
        ALIAS_CREATED,
        "registered_model.created",
        "model_version_tag.set",
        "model_version_tag.deleted",
        "model_version_alias.deleted",
        "prompt.created",
        "prompt_version.created",
        "prompt_tag.set",
        "prompt_tag.deleted",
        "prompt_version_tag.set",
        "prompt_version_tag.deleted",
        "prompt_alias.created",
        "prompt_alias.deleted",
        "budget_policy.exceeded",
    }
)
"""Every event that MLflow sends."""

_LONGEST = 256
"""Characters of a name in MLflow's registry."""
_VERSION = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
# Half characters cannot be written to a file, and nobody names a model with a line break.
_UNUSABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_PROMPT_TAG = "mlflow.prompt.is_prompt"
# What MLflow sends when it is asked to test a webhook.
_TEST_VERSION = ("example_model", "1", "models:/123")
_TEST_ALIAS = ("example_model", "1", "example_alias")


class EventError(ValueError):
    """The body is not an event of the form that MLflow sends."""


class UnknownEventError(ValueError):
    """It has the form of an event, but MLflow sends no such event."""


class Ignored(StrEnum):
    """Why an event leads to no job."""

    TEST = "test"
    """MLflow was asked to test the webhook."""
    EVENT = "event"
    """Nothing to explain came with it."""
    MODEL = "model"
    """No pattern names the model."""
    ALIAS = "alias"
    """The configuration waits for an alias, or for another one."""
    PROMPT = "prompt"


@dataclass(frozen=True, slots=True)
class Event:
    """An event of the registry.

    Attributes
    ----------
    kind : str
        One of `EVENTS`.
    name, version, alias : str
        Empty where the event is about something else.
    skipped : Ignored or None
        Why nobody needs to look at it, whatever is configured.
    """

    kind: str
    name: str = ""
    version: str = ""
    alias: str = ""
    skipped: Ignored | None = None


def read_event(body: bytes) -> Event:
    """Read the body of a delivery whose signature holds.

    Raises
    ------
    EventError
        If it is not JSON in UTF-8, or has other parts than MLflow sends.
    UnknownEventError
        If there is no such event.

    Examples
    --------
    >>> body = b'''{"entity": "model_version", "action": "created", "timestamp": "2026-01-01",
    ...     "data": {"name": "credit", "version": "7", "source": "models:/m-1f2e", "tags": {}}}'''
    >>> event = read_event(body)
    >>> event.kind, event.name, event.version
    ('model_version.created', 'credit', '7')
    """
    content = _json(body)
    if not isinstance(content, dict):
        raise EventError
    entity, action = _text(content, "entity"), _text(content, "action")
    _text(content, "timestamp")
    data = content.get("data")
    if not isinstance(data, dict):
        raise EventError
    kind = f"{entity}.{action}"
    if kind not in EVENTS:
        raise UnknownEventError
    if kind == VERSION_CREATED:
        return _version_event(data)
    if kind == ALIAS_CREATED:
        return _alias_event(data)
    return Event(kind, skipped=Ignored.EVENT)


def offer_of(event: Event, plans: Plans) -> Offer | Ignored:
    """Return the version to explain, or why there is none.

    A model whose configuration has no `registration.aliases` is explained when a version is
    created; any other when one of these is set.
    """
    if event.skipped is not None:
        return event.skipped
    plan = plans.of(event.name)
    if plan is None:
        return Ignored.MODEL
    aliases = plan.config.registration.aliases
    wanted = event.alias in aliases if event.kind == ALIAS_CREATED else not aliases
    if not wanted:
        return Ignored.ALIAS
    return Offer(event.name, event.version, plan, origin="webhook")


def _json(body: bytes) -> Any:
    try:
        return json.loads(body.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise EventError from error


def _refuse(constant: str) -> NoReturn:
    # NaN and Infinity are no JSON.
    raise ValueError(constant)


def _text(data: Mapping[str, object], key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST or _UNUSABLE.search(value):
        raise EventError
    return value


def _version_event(data: Mapping[str, Any]) -> Event:
    name, version = _text(data, "name"), _version(data)
    tags = data.get("tags") or {}
    if not isinstance(tags, dict):
        raise EventError
    skipped = None
    if (name, version, data.get("source")) == _TEST_VERSION:
        skipped = Ignored.TEST
    elif str(tags.get(_PROMPT_TAG)).lower() == "true":
        skipped = Ignored.PROMPT
    return Event(VERSION_CREATED, name, version, skipped=skipped)


def _alias_event(data: Mapping[str, Any]) -> Event:
    name, version, alias = _text(data, "name"), _version(data), _text(data, "alias")
    skipped = Ignored.TEST if (name, version, alias) == _TEST_ALIAS else None
    return Event(ALIAS_CREATED, name, version, alias, skipped)


def _version(data: Mapping[str, object]) -> str:
    version = _text(data, "version")
    if not _VERSION.fullmatch(version):
        raise EventError
    return version
