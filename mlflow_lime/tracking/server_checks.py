"""What stands between an MLflow store and explanations: one finding for each thing that matters."""

import os
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit, urlunsplit

import mlflow
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request

from mlflow_lime.errors import MlflowLimeError, shorten
from mlflow_lime.tracking.connection import impatient, translate_errors, where
from mlflow_lime.tracking.registry import SearchRefusedError, list_models, newest_versions

__all__ = ["Finding", "Verdict", "check_store"]

OLDEST = (3, 3)
"""MLflow that has webhooks, and that everything here is tested with."""
NEWEST = (3, 17)
"""The newest MLflow that everything here is tested with."""

_TRIES = 8
_TIMEOUT = 15
"""Seconds; a server that has just started takes a while for its first answer."""
_REGISTRY = "/api/2.0/mlflow/registered-models/search"
_WEBHOOKS = "/api/2.0/mlflow/webhooks"
_NEW_KEY = (
    'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
)
_CREDENTIALS = (
    "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, here"
)


class Verdict(StrEnum):
    """What a check found."""

    OK = "ok"
    MISSING = "missing"
    UNSEEN = "unseen"
    """It cannot be seen from here."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    verdict : Verdict
    subject : str
        A word or two.
    text : str
        A sentence.
    cure : str
        The setting to make, and where; empty where there is nothing to do.
    """

    verdict: Verdict
    subject: str
    text: str
    cure: str = ""


def check_store(
    client: MlflowClient,
    *,
    receiver_url: str | None = None,
    hosts: Sequence[str] = (),
    write: bool = False,
) -> Iterator[Finding]:
    """Yield what was found about the store that is chosen, in an order that makes sense.

    Parameters
    ----------
    client : MlflowClient
    receiver_url : str, optional
        Where `mlflow-lime serve` listens, as the server reaches it. A webhook that is switched
        off is made for it and deleted again.
    hosts : sequence of str
        Names, with a port where one is used, by which others reach the server.
    write : bool
        Whether a small file may be written to, read from and deleted in a run made for it.
    """
    if not _is_server():
        yield Finding(Verdict.OK, "store", f"{where()} is opened directly, without a server")
        yield _registry(client)
        yield from [_artifacts(client)] if write else []
        yield _no_webhooks(wanted=receiver_url is not None)
        return
    reachable = _reachable()
    yield reachable
    if reachable.verdict is Verdict.MISSING:
        return
    allowed = _allowed()
    yield allowed
    if allowed.verdict is Verdict.MISSING:
        return
    yield from (_host(host) for host in hosts)
    yield _registry(client)
    yield _artifacts(client) if write else _untried_artifacts()
    supported = _webhooks()
    yield supported
    if supported.verdict is Verdict.OK:
        yield from _receiver(client, receiver_url) if receiver_url else [_untried_receiver()]
        yield _encryption_key()


# The server


def _is_server() -> bool:
    return urlsplit(_uri()).scheme in ("http", "https")


def _uri() -> str:
    return str(mlflow.get_registry_uri() or mlflow.get_tracking_uri())


def _get(path: str, **headers: str) -> requests.Response:
    """Ask the server over a connection of its own, so that any of its workers may answer."""
    answer: requests.Response = http_request(
        host_creds=get_default_host_creds(_uri().rstrip("/")),
        endpoint=path,
        method="GET",
        max_retries=0,
        timeout=_TIMEOUT,
        raise_on_status=False,
        extra_headers={"Connection": "close", **headers},
        allow_redirects=False,
    )
    return answer


def _reachable() -> Finding:
    try:
        answer = _get("/version")
    except (MlflowException, requests.exceptions.RequestException) as error:
        return Finding(
            Verdict.MISSING,
            "server",
            f"{where()} does not answer ({_reason(error)})",
            "start it, or name the right one with --tracking-uri or MLFLOW_TRACKING_URI",
        )
    text = answer.text.strip()
    found = re.match(r"(\d+)\.(\d+)\S*\Z", text) if answer.status_code == 200 else None
    if found is None:
        return Finding(
            Verdict.UNSEEN,
            "server",
            f"{where()} answers, but does not say its version ({answer.status_code} at /version)",
            ""
            if answer.status_code in (401, 403)  # what is checked next says why
            else "check that the address is that of MLflow, with its path if it has one",
        )
    version = int(found[1]), int(found[2])
    said = f"{where()} answers: MLflow {text[:40]}"
    if version < OLDEST:
        cure = f"update it to MLflow {_dotted(OLDEST)} or newer"
        return Finding(Verdict.MISSING, "server", f"{said}, which is too old", cure)
    if version > NEWEST:
        said += f", newer than what is tested ({_dotted(OLDEST)} to {_dotted(NEWEST)})"
    return Finding(Verdict.OK, "server", said)


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _allowed() -> Finding:
    """Return whether the server lets us ask, with our name for it and as who we are."""
    try:
        answer = _get(f"{_REGISTRY}?max_results=1")
    except (MlflowException, requests.exceptions.RequestException) as error:
        return Finding(Verdict.MISSING, "access", f"the server broke off ({_reason(error)})")
    if _is_host_refused(answer):
        return _host_finding(urlsplit(_uri()).netloc.rpartition("@")[2])
    if answer.status_code == 401:
        known = _known_user()
        text = f"the server does not accept {known}" if known else "the server wants to know who"
        return Finding(Verdict.MISSING, "access", f"{text} (401)", _CREDENTIALS)
    if answer.status_code == 403:
        cure = "let somebody give this user the right to read the registry (READ permission)"
        text = f"the server refuses {_known_user() or 'whoever gives no name'} (403)"
        return Finding(Verdict.MISSING, "access", text, cure)
    if answer.status_code != 200:
        text = f"the registry answers {answer.status_code}"
        return Finding(Verdict.MISSING, "access", text, "see the log of the server")
    return Finding(Verdict.OK, "access", f"the server lets {_known_user() or 'everybody'} ask it")


def _known_user() -> str:
    """Return who we say we are, without any secret."""
    creds = get_default_host_creds(_uri())
    if creds.username:
        return f"user {shorten(creds.username, 40)}"
    return "the token" if creds.token else ""


def _host(host: str) -> Finding:
    try:
        answer = _get(f"{_REGISTRY}?max_results=1", Host=host)
    except (MlflowException, ValueError, requests.exceptions.RequestException) as error:
        return Finding(Verdict.UNSEEN, "host", f"{shorten(host)}: {_reason(error)}")
    if _is_host_refused(answer):
        return _host_finding(host)
    return Finding(Verdict.OK, "host", f"the server answers under the name {host}")


def _is_host_refused(answer: requests.Response) -> bool:
    return answer.status_code == 403 and "Invalid Host header" in answer.text


def _host_finding(host: str) -> Finding:
    name = host if host.startswith("[") else host.partition(":")[0]
    return Finding(
        Verdict.MISSING,
        "host",
        f"the server refuses requests for {host} (403, invalid Host header)",
        f"on the server: MLFLOW_SERVER_ALLOWED_HOSTS={name},{name}:*,localhost,localhost:*,"
        "127.0.0.1,127.0.0.1:*",
    )


# What it holds


def _registry(client: MlflowClient) -> Finding:
    try:
        models = len(next(list_models(client), []))
        try:
            next(newest_versions(client, page=1), None)
        except SearchRefusedError:
            text = f"{_counted(models)}; versions are listed one model at a time"
            return Finding(Verdict.OK, "registry", text)
    except MlflowLimeError as error:
        return Finding(Verdict.MISSING, "registry", str(error))
    return Finding(Verdict.OK, "registry", f"{_counted(models)}, and their versions, can be read")


def _counted(models: int) -> str:
    more = " or more" if models >= 1000 else ""
    return f"{models:,}{more} registered model{'' if models == 1 else 's'}"


def _untried_artifacts() -> Finding:
    return Finding(
        Verdict.UNSEEN, "artifacts", "not tried", "--write writes, reads and deletes a small file"
    )


def _artifacts(client: MlflowClient) -> Finding:
    """Write, read and delete a small file in a run of its own."""
    text, name, run_id = secrets.token_hex(8), "mlflow-lime-doctor.txt", None
    experiment = os.environ.get("MLFLOW_EXPERIMENT_ID") or "0"
    place = f"experiment {shorten(experiment, 40)}"
    try:
        with impatient(), translate_errors(f"a run in {place}"):
            run = client.create_run(experiment, run_name="mlflow-lime doctor")
            run_id, place = run.info.run_id, str(run.info.artifact_uri)
            client.log_text(run_id, text, name)
            read = mlflow.artifacts.load_text(f"{place}/{name}")
            client.set_terminated(run_id)
    except (MlflowLimeError, OSError, ImportError) as error:
        reason = _reason(error.__cause__ or error)
        return Finding(
            Verdict.MISSING,
            "artifacts",
            f"a file cannot be written to {_shown(place)} and read again ({reason})",
            "let the server serve artifacts (--artifacts-destination), or give this machine "
            "access to them; MLFLOW_EXPERIMENT_ID names another experiment",
        )
    finally:
        left = run_id is not None and not _remove(client, run_id, place, name)
    if read != text:
        return Finding(Verdict.MISSING, "artifacts", f"{_shown(place)} gives back another file")
    also = f"; the run {run_id} could not be deleted whole" if left else ""
    text = f"a file was written to {_shown(place)}, read, and deleted{also}"
    return Finding(Verdict.OK, "artifacts", text)


def _remove(client: MlflowClient, run_id: str, place: str, name: str) -> bool:
    whole = True
    try:
        with impatient():
            get_artifact_repository(place).delete_artifacts(name)
    except Exception:  # many stores of artifacts cannot delete
        whole = False
    try:
        with impatient():
            client.delete_run(run_id)
    except MlflowException:
        whole = False
    return whole


def _shown(place: str) -> str:
    from mlflow_lime.tracking.policy import without_secrets

    return shorten(without_secrets(place), 100)


# Webhooks


def _no_webhooks(*, wanted: bool) -> Finding:
    return Finding(
        Verdict.MISSING if wanted else Verdict.OK,
        "webhooks",
        "a store that is opened directly sends none",
        "use `mlflow-lime watch`, which works on every store, or name an MLflow server",
    )


def _webhooks() -> Finding:
    try:
        answer = _get(f"{_WEBHOOKS}?max_results=1")
    except (MlflowException, requests.exceptions.RequestException) as error:
        return Finding(Verdict.UNSEEN, "webhooks", f"the server broke off ({_reason(error)})")
    if answer.status_code in (401, 403):
        text = f"this user may not see webhooks ({answer.status_code})"
        cure = "run this as an administrator of MLflow, who also creates them"
        return Finding(Verdict.UNSEEN, "webhooks", text, cure)
    if answer.status_code in (404, 405, 501) or "NOT_IMPLEMENTED" in answer.text[:2000]:
        return Finding(
            Verdict.MISSING,
            "webhooks",
            f"the server has none ({answer.status_code})",
            f"use `mlflow-lime watch`, or MLflow {_dotted(OLDEST)} or newer with a database as "
            "its --backend-store-uri",
        )
    return Finding(Verdict.OK, "webhooks", "the server has them")


def _untried_receiver() -> Finding:
    return Finding(
        Verdict.UNSEEN,
        "receiver",
        "not tried",
        "--receiver-url URL tries whether the server takes the address of `mlflow-lime serve`",
    )


def _receiver(client: MlflowClient, url: str) -> Iterator[Finding]:
    """Yield what the server says about the address, once for each setting that it lacks."""
    refusal = _refusal(client, url)
    if isinstance(refusal, Finding):
        yield refusal
        return
    if "scheme" in refusal:
        yield Finding(
            Verdict.MISSING,
            "receiver",
            f"the server sends no webhooks to {urlsplit(url).scheme}: addresses",
            "on the server: MLFLOW_WEBHOOK_ALLOWED_SCHEMES=http,https (or give the receiver https)",
        )
        # The other check comes after this one.
        refusal = _refusal(client, urlunsplit(urlsplit(url)._replace(scheme="https")))
        if isinstance(refusal, Finding):
            return
    if "non-public" in refusal:
        yield Finding(
            Verdict.MISSING,
            "receiver",
            f"the server sends no webhooks to private addresses such as {_host_of(url)}",
            "on the server: MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS=true",
        )
    elif "resolve" in refusal:
        text = f"the server does not know a host {_host_of(url)}"
        cure = "give the name or address by which the server reaches the receiver"
        yield Finding(Verdict.MISSING, "receiver", text, cure)
    elif "scheme" not in refusal:
        yield Finding(Verdict.MISSING, "receiver", f"the server refuses it: {refusal}")


def _refusal(client: MlflowClient, url: str) -> str | Finding:
    """Make a webhook that is switched off, and delete it: what the server says against it."""
    name = f"mlflow-lime-doctor-{secrets.token_hex(4)}"
    described = "made and deleted again by mlflow-lime doctor"
    try:
        with impatient():
            made = client.create_webhook(
                name, url, ["model_version.created"], described, status="DISABLED"
            )
    except MlflowException as error:
        if error.error_code == "INVALID_PARAMETER_VALUE":
            return _reason(error)
        cure = "run this as an administrator of MLflow"
        return Finding(Verdict.UNSEEN, "receiver", f"no webhook can be made: {error}"[:300], cure)
    except requests.exceptions.RequestException as error:
        return Finding(Verdict.UNSEEN, "receiver", f"the server broke off ({_reason(error)})")
    try:
        with impatient():
            client.delete_webhook(made.webhook_id)
    except (MlflowException, requests.exceptions.RequestException) as error:
        text = f"the webhook {name}, which is switched off, is left behind ({_reason(error)})"
        cure = f"mlflow-lime webhook delete {made.webhook_id}"
        return Finding(Verdict.MISSING, "receiver", text, cure)
    return Finding(Verdict.OK, "receiver", f"the server takes the address {_shown(url)}")


def _host_of(url: str) -> str:
    return shorten(urlsplit(url).hostname or "", 60)


def _encryption_key() -> Finding:
    """Look for what a server without a lasting key does: it fails to read its own webhooks."""
    try:
        answers = [_get(f"{_WEBHOOKS}?max_results=100") for _ in range(_TRIES)]
    except (MlflowException, requests.exceptions.RequestException) as error:
        return Finding(Verdict.UNSEEN, "key", f"the server broke off ({_reason(error)})")
    failed = sum(answer.status_code >= 500 for answer in answers)
    if failed:
        return Finding(
            Verdict.MISSING,
            "key",
            f"the server cannot read its webhooks in {failed} of {_TRIES} tries: they were signed "
            "with a key that is lost, or that another of its workers made up; none is delivered",
            "on the server: MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY=KEY, with a KEY made once by\n"
            f"{_NEW_KEY}\nthen restart it, and delete and create the webhooks again",
        )
    return Finding(
        Verdict.UNSEEN,
        "key",
        "whether the server keeps its key for webhooks' secrets is known only after a restart",
        "on the server: MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY=KEY, with a KEY made once by\n"
        f"{_NEW_KEY}",
    )


def _reason(error: BaseException) -> str:
    """Return the first line of an error, short, without addresses that may hold secrets."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    if "timed out" in text:
        return f"no answer within {_TIMEOUT} s"
    if "Connection refused" in text or "Max retries" in text:
        return "no server answers there"
    cleaned = re.sub(r"//[^/\s@]*@", "//***@", text.removeprefix("INVALID_PARAMETER_VALUE: "))
    return shorten(cleaned, 300).strip("'\"")
