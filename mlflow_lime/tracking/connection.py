"""Calls to MLflow that fail soon, fail in our own words, and log nothing of their own."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import requests
from mlflow.exceptions import MlflowException
from mlflow.utils import autologging_utils

from mlflow_lime.errors import TrackingServerError, VersionNotFoundError, shorten

__all__ = [
    "absolute",
    "choose_store",
    "chosen_store",
    "impatient",
    "is_missing",
    "located",
    "quiet_autologging",
    "quiet_downloads",
    "store_label",
    "translate_errors",
    "where",
]

RETRIES = 1
"""Retries of a metadata call; MLflow's own default is 7, which hangs for minutes."""
TIMEOUT = 5
"""Seconds that one metadata call may take."""

_BOUNDS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": RETRIES,
    "MLFLOW_HTTP_REQUEST_TIMEOUT": TIMEOUT,
}
_NO_BARS = {"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": 0}
_MISSING = {"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "FEATURE_DISABLED"}
_NO_ANSWER = ("Max retries exceeded", "Connection refused", "timed out")
_DENIED = {"PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"}


class _Environment:
    """Bounds in the process environment, shared by all threads that want them."""

    def __init__(self, bounds: dict[str, int]) -> None:
        self.bounds = bounds
        self.lock = threading.Lock()
        self.users = 0
        self.saved: dict[str, str | None] = {}

    def enter(self) -> None:
        with self.lock:
            self.users += 1
            if self.users > 1:
                return
            self.saved = {name: os.environ.get(name) for name in self.bounds}
            for name, bound in self.bounds.items():
                os.environ[name] = _lower(self.saved[name], bound)

    def leave(self) -> None:
        with self.lock:
            self.users -= 1
            if self.users:
                return
            for name, value in self.saved.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


_IMPATIENT = _Environment(_BOUNDS)
_QUIET = _Environment(_NO_BARS)


def _lower(value: str | None, bound: int) -> str:
    """Return the user's own setting where it is a number below the bound, else the bound."""
    return value if value is not None and value.isdigit() and int(value) < bound else str(bound)


@contextmanager
def impatient() -> Iterator[None]:
    """Bound MLflow's retries and timeout, so that a server that is down is noticed in seconds.

    For small calls about metadata only: a large download may well need MLflow's patience. The
    bounds are environment variables, hence shared by the threads of a process while any of them
    is inside. A lower value that the user has set stays.

    Examples
    --------
    >>> import os
    >>> with impatient():
    ...     int(os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"]) <= 1
    True
    """
    _IMPATIENT.enter()
    try:
        with quiet_downloads():
            yield
    finally:
        _IMPATIENT.leave()


@contextmanager
def quiet_downloads() -> Iterator[None]:
    """Show no progress bar for each of MLflow's small downloads.

    Examples
    --------
    >>> import os
    >>> with quiet_downloads():
    ...     os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"]
    '0'
    """
    _QUIET.enter()
    try:
        yield
    finally:
        _QUIET.leave()


@contextmanager
def quiet_autologging() -> Iterator[None]:
    """Keep MLflow's autologging from recording the models that we fit or call ourselves.

    MLflow's switch is one for the whole process, and leaving it turns autologging on whatever it
    was before, so nothing is touched where it is off already, as inside `mlflow.models.evaluate`.

    Examples
    --------
    >>> with quiet_autologging():
    ...     pass
    """
    if getattr(autologging_utils, "_AUTOLOGGING_GLOBALLY_DISABLED", False):
        yield
        return
    with autologging_utils.disable_autologging():
        yield


@contextmanager
def translate_errors(what: str) -> Iterator[None]:
    """Raise MLflow's errors as ours.

    Parameters
    ----------
    what : str
        What is being asked for, as it should stand in the message, for example
        ``model version 'credit/7'``.

    Raises
    ------
    TrackingServerError
        If the server or the database cannot be reached, or refuses the user.
    VersionNotFoundError
        If there is no such thing.
    """
    try:
        yield
    except MlflowException as error:
        raise _translated(error, what) from error
    except requests.exceptions.RequestException as error:
        raise TrackingServerError(_unreachable(what, error)) from error


def _translated(error: MlflowException, what: str) -> Exception:
    if is_missing(error):
        return VersionNotFoundError(f"{what} does not exist in {where()}: {_first_line(error)}")
    if error.error_code in _DENIED:
        return TrackingServerError(
            f"{where()} refuses to show {what}: {_first_line(error)}; "
            "check MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        )
    return TrackingServerError(_unreachable(what, error))


def is_missing(error: MlflowException) -> bool:
    """Return whether MLflow says that something does not exist.

    Examples
    --------
    >>> from mlflow.exceptions import MlflowException
    >>> is_missing(MlflowException("no", error_code=1001))
    False
    """
    # An alias that does not exist is INVALID_PARAMETER_VALUE on a database store.
    return error.error_code in _MISSING or "not found" in str(error)


def where() -> str:
    """Return the store that is asked, without credentials."""
    return _without_credentials(mlflow.get_registry_uri() or mlflow.get_tracking_uri())


def store_label(tracking: str | None = None, registry: str | None = None) -> str:
    """Return what tells one MLflow store from another, without credentials.

    Parameters
    ----------
    tracking, registry : str, optional
        The URIs of the store; by default those that are in force.

    Examples
    --------
    >>> store_label("http://me:secret@localhost:5000")
    'http://localhost:5000'
    """
    if tracking is None:
        tracking, registry = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    uris = dict.fromkeys(uri.rstrip("/") for uri in (tracking, registry or tracking))
    return " and ".join(dict.fromkeys(located(_without_credentials(uri)) for uri in uris))


def located(uri: str) -> str:
    """Return the URI of a file with its whole path, which is right in every folder.

    Examples
    --------
    >>> located("sqlite:////tmp/mlflow.db"), located("http://localhost:5000")
    ('sqlite:////tmp/mlflow.db', 'http://localhost:5000')
    """
    scheme, mark, path = uri.partition(":///")
    return f"{scheme}{mark}{Path(path).absolute()}" if scheme == "sqlite" else uri


def _without_credentials(uri: str) -> str:
    scheme, mark, rest = uri.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}" if mark else uri


def _unreachable(what: str, error: Exception) -> str:
    reason = _first_line(error)
    if any(sign in str(error) for sign in _NO_ANSWER):
        reason = "no server answers there"
    return (
        f"cannot ask {where()} for {what}: {reason}; check that the server runs, and that "
        "MLFLOW_TRACKING_URI names it"
    )


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return shorten(text.splitlines()[0], 200).strip("'\"")


def choose_store(tracking_uri: str, registry_uri: str) -> None:
    """Ask this store from now on, in the whole process."""
    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_registry_uri("" if registry_uri == tracking_uri else registry_uri)


def chosen_store() -> tuple[str, str]:
    """Return the URIs of the tracking store and of the registry, so that any folder may hold them.

    They may hold credentials.
    """
    return absolute(mlflow.get_tracking_uri()), absolute(mlflow.get_registry_uri())


def absolute(uri: str) -> str:
    """Return a URI, or a path, that means the same in another folder."""
    scheme, found, path = uri.partition(":///")
    if scheme == "sqlite" and found and path and not path.startswith((":memory:", "file:")):
        return f"sqlite:///{Path(path).absolute()}"
    return str(Path(uri).absolute()) if Path(uri).exists() else uri
