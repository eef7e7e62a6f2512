"""What sees the registrations of this process: a wrapper round two methods of MLflow's client."""

import functools
import importlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlflow_lime.errors import TrackingServerError, shorten

__all__ = ["Registration", "install_hook", "remove_hook"]

_MODULE = "mlflow.tracking._model_registry.client"
_CLASS = "ModelRegistryClient"
_METHODS = ("create_model_version", "copy_model_version")
_PROMPT = "mlflow.prompt.is_prompt"
_MARK = "_mlflow_lime_tap"
_MOST_REASONS = 100

_LOGGER = logging.getLogger("mlflow_lime")
_LOCK = threading.RLock()
if hasattr(os, "register_at_fork"):
    # A child that is forked while another thread holds the lock would wait for it for ever.
    os.register_at_fork(
        before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_LOCK.release
    )


@dataclass(frozen=True, slots=True)
class Registration:
    """A version that was registered, and where.

    Attributes
    ----------
    name, version : str
        The registered model, and the number of the version.
    created : int or None
        When it was created, in milliseconds since the epoch, if the store says so.
    tracking_uri, registry_uri : str
        The store of the client that registered it, with credentials if they stand in the URI.

    Examples
    --------
    >>> Registration("credit", "7", None, "http://localhost:5000", "http://localhost:5000").label
    'credit/7'
    """

    name: str
    version: str
    created: int | None
    tracking_uri: str
    registry_uri: str

    @property
    def label(self) -> str:
        """Return ``name/version``."""
        return f"{self.name}/{self.version}"

    @property
    def store(self) -> str:
        """Return the label of the store, without credentials."""
        from mlflow_lime.tracking.connection import store_label

        return store_label(self.tracking_uri, self.registry_uri)

    def located(self) -> tuple[str, str]:
        """Return both URIs as they are right in every folder and every process."""
        from mlflow_lime.tracking.connection import located

        return located(self.tracking_uri), located(self.registry_uri)


Listener = Callable[[Registration], Exception | None]


def install_hook(listener: Listener) -> None:
    """Tell `listener` about each version that this process registers from now on.

    It takes the place of an earlier listener. It is called in the thread that registers, after
    MLflow has registered the version, and never for prompts. What it raises is logged, and goes no
    further; only an error that it returns is raised in the registering thread.

    Parameters
    ----------
    listener : callable
        Takes a `Registration`, and returns None or an error to raise.

    Raises
    ------
    TrackingServerError
        If this version of MLflow has no such client.

    Examples
    --------
    >>> install_hook(lambda registration: print(registration.label))
    >>> remove_hook()
    """
    with _LOCK:
        for method in _methods(_client_class()):
            tap = method.tap()
            if tap is None:
                method.put(_Tap(listener))
            else:
                tap.listener = listener


def remove_hook() -> None:
    """Undo `install_hook`: MLflow's methods are what they were.

    Where another library has wrapped them since, its wrapper stays, and ours below it does nothing.
    """
    module = sys.modules.get(_MODULE)
    client_class = getattr(module, _CLASS, None)
    with _LOCK:
        for method in _methods(client_class) if client_class is not None else ():
            tap = method.tap()
            if tap is not None:
                tap.listener = None
                method.restore(tap)
        for tap in _TAPS.values():
            tap.listener = None


def _client_class() -> type:
    try:
        return getattr(importlib.import_module(_MODULE), _CLASS)  # type: ignore[no-any-return]
    except (ImportError, AttributeError) as error:
        msg = (
            f"this version of MLflow has no {_MODULE}.{_CLASS} ({error}), so that registrations "
            "cannot be seen from inside; run `mlflow-lime watch` beside the store instead"
        )
        raise TrackingServerError(msg) from error


class _Tap:
    """Who is told when one method has registered a version."""

    def __init__(self, listener: Listener) -> None:
        self.listener: Listener | None = listener
        self.original: Callable[..., Any] | None = None
        self.wrapper: Callable[..., Any] | None = None

    def wrap(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def registering(*args: Any, **kwargs: Any) -> Any:
            version = original(*args, **kwargs)
            self._tell(version, args, kwargs)
            return version

        self.original, self.wrapper = original, registering
        setattr(registering, _MARK, self)
        return registering

    def _tell(self, version: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        listener = self.listener
        if listener is None:
            return
        deliberate: Exception | None = None
        try:
            if not _is_prompt(version, (*args[1:], *kwargs.values())):
                deliberate = listener(_registration(version, args[0]))
        except Exception as error:
            _warn_once(f"{type(error).__name__}: {shorten(str(error), 200)}")
        if deliberate is not None:
            raise deliberate


def _warn_once(reason: str) -> None:
    if reason not in _REASONS and len(_REASONS) < _MOST_REASONS:
        _REASONS.add(reason)
        _LOGGER.warning(
            "mlflow-lime: a version was registered, but will not be explained: %s", reason
        )


_REASONS: set[str] = set()
_TAPS: dict[str, _Tap] = {}
"""The latest tap of each method: it may be out of sight below the wrapper of another library."""


@dataclass(frozen=True, slots=True)
class _Method:
    """A method of MLflow's client, as it is now."""

    owner: type
    name: str

    def tap(self) -> _Tap | None:
        """Return our tap in the method, also where others have wrapped it since."""
        layer = getattr(self.owner, self.name)
        while layer is not None:
            tap: _Tap | None = getattr(layer, _MARK, None)
            # functools.wraps copies our mark into the wrapper of another library.
            if tap is not None and tap.wrapper is layer:
                return tap
            layer = getattr(layer, "__wrapped__", None)
        return None

    def put(self, tap: _Tap) -> None:
        hidden = _TAPS.get(self.name)
        if hidden is not None:
            hidden.listener = None
        setattr(self.owner, self.name, tap.wrap(getattr(self.owner, self.name)))
        _TAPS[self.name] = tap

    def restore(self, tap: _Tap) -> None:
        if self.owner.__dict__.get(self.name) is tap.wrapper:
            setattr(self.owner, self.name, tap.original)


def _methods(owner: type) -> Iterator[_Method]:
    return (_Method(owner, name) for name in _METHODS if hasattr(owner, name))


def _is_prompt(version: Any, arguments: Iterable[Any]) -> bool:
    """Return whether a version is a prompt, which MLflow keeps among the registered models."""
    for tags in (getattr(version, "tags", None), *arguments):
        if isinstance(tags, Mapping) and str(tags.get(_PROMPT, "")).lower() == "true":
            return True
    return False


def _registration(version: Any, client: Any) -> Registration:
    tracking = str(client.tracking_uri)
    return Registration(
        name=str(version.name),
        version=str(version.version),
        created=getattr(version, "creation_timestamp", None),
        tracking_uri=tracking,
        registry_uri=str(client.registry_uri or tracking),
    )
