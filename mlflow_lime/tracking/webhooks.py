"""Webhooks in MLflow's registry, and what stands in their way."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from mlflow_lime.errors import ConfigError, TrackingServerError, VersionNotFoundError, shorten
from mlflow_lime.tracking.connection import impatient, translate_errors, where

__all__ = [
    "EVENTS",
    "Tested",
    "Webhook",
    "create_webhook",
    "delete_webhook",
    "list_webhooks",
    "test_webhook",
]

EVENTS = ("model_version.created", "model_version_alias.created")
"""What versions are explained at: the first, and where aliases are configured the second too."""

_MARK = "mlflow-lime:"
_DESCRIPTION = f"{_MARK} tells its receiver of new versions"
_PAGE = 100
_ENDPOINT = ("ENDPOINT_NOT_FOUND", "NOT_IMPLEMENTED")
_MISSING = re.compile(r"error code 404\b")
_BROKEN = re.compile(r"^INTERNAL_ERROR|error code 500\b|too many 500 error")
_NO_KEY = (
    "{store} cannot read its webhooks. It very likely was restarted, or runs several workers, "
    "without a lasting key: a webhook with a secret then breaks the delivery of all. Set "
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY on the server, made once with\n"
    '  python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"\n'
    "restart it, and delete webhooks that were made before (mlflow-lime webhook delete ID, or "
    "their rows of the table `webhooks` where the server cannot list them)"
)
_NO_SERVER = (
    "webhooks are sent by an MLflow server, and {store} is asked directly: one could be registered "
    "there, but nothing would ever be delivered. Name a server with MLFLOW_TRACKING_URI or "
    "--tracking-uri, or use `mlflow-lime watch`, which works on every store"
)
_SCHEME = (
    "the tracking server refuses the address {url}: it sends webhooks to https only. Put the "
    "receiver behind https, or, in a network of your own, set "
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES=http,https on the server and restart it"
)
_PRIVATE = (
    "the tracking server refuses the address {url}: it sends webhooks to public addresses only. "
    "Where the receiver is in a network of your own, set MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS=true on "
    "the server and restart it"
)
_UNRESOLVED = "the tracking server cannot resolve the host of {url}; name one that it knows"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook of the registry.

    Attributes
    ----------
    id, name, url : str
    events : tuple of str
        Such as ``model_version.created``.
    active : bool
    ours : bool
        Whether `create_webhook` made it.
    """

    id: str
    name: str
    url: str
    events: tuple[str, ...]
    active: bool
    ours: bool


@dataclass(frozen=True, slots=True)
class Tested:
    """What came of a delivery that the server was asked to try.

    Attributes
    ----------
    worked : bool
        Whether the receiver took it.
    text : str
        What happened, and how to mend it.
    """

    worked: bool
    text: str


def create_webhook(
    client: MlflowClient, url: str, *, name: str, alias_events: bool, secret: str | None
) -> tuple[Webhook, bool]:
    """Register a webhook, or bring the one of the same address up to date.

    Parameters
    ----------
    client : MlflowClient
    url : str
        Where the receiver listens, as the tracking server reaches it.
    name : str
        For people.
    alias_events : bool
        Whether aliases are told too.
    secret : str or None
        What deliveries are signed with.

    Returns
    -------
    Webhook
    bool
        Whether it is new.

    Raises
    ------
    ConfigError
        If the address is none, or the server refuses it.
    TrackingServerError
        If webhooks do not work with this store, or it does not answer.
    """
    _check_url(url)
    events: list[Any] = list(EVENTS if alias_events else EVENTS[:1])
    same = [found for found in list_webhooks(client) if found.url == url]
    with _explained(url), impatient(), translate_errors("its webhooks"):
        if same:
            made = client.update_webhook(
                same[0].id, name, _DESCRIPTION, events=events, secret=secret, status="ACTIVE"
            )
        else:
            made = client.create_webhook(name, url, events, _DESCRIPTION, secret)
    return _read(made), not same


def list_webhooks(client: MlflowClient) -> list[Webhook]:
    """Return every webhook of the registry.

    Raises
    ------
    TrackingServerError
        See `create_webhook`.
    """
    _check_server()
    found: list[Webhook] = []
    token: str | None = None
    while True:
        with _explained(), impatient(), translate_errors("its webhooks"):
            page = client.list_webhooks(max_results=_PAGE, page_token=token)
        found.extend(_read(entry) for entry in page)
        token = page.token
        if not token:
            return found


def delete_webhook(client: MlflowClient, webhook_id: str) -> None:
    """Delete a webhook.

    Raises
    ------
    VersionNotFoundError
        If there is no such webhook.
    TrackingServerError
        See `create_webhook`.
    """
    _check_server()
    with _explained(), impatient(), translate_errors(f"webhook {shorten(webhook_id)}"):
        client.delete_webhook(webhook_id)


def test_webhook(client: MlflowClient, webhook_id: str) -> Tested:
    """Let the server send a made-up event now, and say what came of it.

    Raises
    ------
    VersionNotFoundError
        If there is no such webhook.
    TrackingServerError
        See `create_webhook`.
    """
    _check_server()
    what = f"webhook {shorten(webhook_id)}"
    with _explained(), impatient(), translate_errors(what):
        webhook = _read(client.get_webhook(webhook_id))
    # The server itself tries several times before it answers: no place for impatience.
    with _explained(webhook.url), translate_errors(what):
        result = client.test_webhook(webhook_id)
    code = result.response_status
    if code is None:
        return Tested(False, _undelivered(webhook.url, str(result.error_message or "")))
    if not result.success:
        return Tested(False, f"{webhook.url} answered {code}: {_explain_code(code)}")
    if code != 202 or '"status"' not in str(result.response_body):
        said = "something answers there, but not as the receiver does; see the address"
        return Tested(False, f"{webhook.url} answered {code}: {said}")
    return Tested(True, f"{webhook.url} took the delivery, and its signature holds ({code}).")


def _explain_code(code: int) -> str:
    return {
        401: (
            "the receiver has another secret, or the clocks of the two machines differ by more "
            "than five minutes; repeat `mlflow-lime webhook create` with the receiver's secret"
        ),
        403: "something before the receiver refuses; see its proxy",
        404: "the receiver listens at /webhook; give the address with that path",
        405: "the receiver listens at /webhook; give the address with that path",
        422: "the receiver does not know the event; it may be older than the tracking server",
        503: "the receiver cannot write its queue; see its log, and /ready",
    }.get(code, "see the log of the receiver")


def _undelivered(url: str, error: str) -> str:
    if "scheme" in error:
        return _SCHEME.format(url=url)
    if "non-public" in error:
        return _PRIVATE.format(url=url)
    return (
        f"the tracking server cannot reach {url}: {shorten(error, 300)}; check that `mlflow-lime "
        "serve` runs, and that the server reaches it under this address"
    )


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(mark.isspace() for mark in url):
        msg = (
            f"expected the address of the receiver, such as https://lime.example.com/webhook, got "
            f"{shorten(url)}"
        )
        raise ConfigError(msg)
    if parts.username or parts.password:
        msg = "the address holds a user or password; MLflow shows it to everybody, so leave it out"
        raise ConfigError(msg)


def _check_server() -> None:
    uri = mlflow.get_registry_uri() or mlflow.get_tracking_uri()
    if urlsplit(uri).scheme not in ("http", "https"):
        raise TrackingServerError(_NO_SERVER.format(store=where()))


@contextmanager
def _explained(url: str = "") -> Iterator[None]:
    """Say in our own words what is known to go wrong with webhooks."""
    try:
        yield
    except (TrackingServerError, VersionNotFoundError) as error:
        cause = error.__cause__
        if isinstance(cause, MlflowException):
            known = _known_trouble(cause, url)
            if known is not None:
                raise known from cause
        raise


def _known_trouble(error: MlflowException, url: str) -> Exception | None:
    text = str(error)
    if "webhook URL scheme" in text:
        return ConfigError(_SCHEME.format(url=url))
    if "non-public" in text:
        return ConfigError(_PRIVATE.format(url=url))
    if "Cannot resolve" in text:
        return ConfigError(_UNRESOLVED.format(url=url))
    if error.error_code in _ENDPOINT or _MISSING.search(text):
        msg = (
            f"{where()} has no webhooks; they need MLflow 3.3 or later with a database as its "
            "store. `mlflow-lime watch` works on every store"
        )
        return TrackingServerError(msg)
    if _BROKEN.search(text):
        return TrackingServerError(_NO_KEY.format(store=where()))
    if error.error_code == "INVALID_PARAMETER_VALUE":
        reason = shorten(text.removeprefix("INVALID_PARAMETER_VALUE: "), 300)
        return ConfigError(f"the tracking server refuses the webhook: {reason}")
    return None


def _read(entry: Any) -> Webhook:
    return Webhook(
        id=str(entry.webhook_id),
        name=str(entry.name),
        url=str(entry.url),
        events=tuple(str(event) for event in entry.events),
        active=entry.status.is_active(),
        ours=str(entry.description or "").startswith(_MARK),
    )
