"""Explain what this process registers."""

import logging
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlflow_lime.activation import default_source, is_disabled
from mlflow_lime.errors import ConfigError, MlflowLimeError, did_you_mean, shorten
from mlflow_lime.registration.background import Background, Notices
from mlflow_lime.tracking.registration_hook import Registration, install_hook, remove_hook

if TYPE_CHECKING:
    from mlflow_lime.config import Config
    from mlflow_lime.registration.plans import Plan, Plans

    Source = str | os.PathLike[str] | Mapping[str, Any] | Config

__all__ = ["autolog", "take_over"]

_LOGGER = logging.getLogger("mlflow_lime")
_MODES = ("background", "sync")
_ON_ERROR = ("record", "raise")


def autolog(
    config: "Source | Sequence[Source] | None" = None,
    *,
    models: str | Sequence[str] | None = None,
    mode: Literal["background", "sync"] | None = None,
    on_error: Literal["record", "raise"] | None = None,
    disable: bool = False,
) -> None:
    """Explain each model version that this process registers from now on.

    It does not matter how a version is registered: with ``mlflow.register_model``,
    ``log_model(..., registered_model_name=...)``, an autologging of MLflow, or a client of yours;
    a copied version counts too, a prompt does not. Only registrations of this process are seen;
    ``mlflow-lime watch`` and ``mlflow-lime serve`` see those of everybody.

    The environment variable ``MLFLOW_LIME_AUTOLOG`` does the same without a change to the code: it
    names a YAML file, or is 1 for the default of `config`. ``MLFLOW_LIME_DISABLE=1`` switches both
    off.

    Parameters
    ----------
    config : path, dict, Config, or list of them, optional
        What to explain, and how. Of several, the first whose `models` names the registered model
        explains it. The default is the file that ``MLFLOW_LIME_CONFIG`` names, else ``lime.yaml``
        in the current folder, else all defaults.
    models : str or list of str, optional
        Names or shell patterns of the models to explain, in place of `models` in a single
        configuration. A configuration that names none is for all models.
    mode : {"background", "sync"}, optional
        ``background``: the registration does not wait. The version goes into a queue on disk, and
        a process of its own explains it; at its end, the script waits for it (at most
        ``registration.wait_seconds``, and Ctrl-C leaves it to that process). With
        ``registration.queue``, or ``MLFLOW_LIME_QUEUE``, the version is only handed over to
        whoever works at that queue.
        ``sync``: the version is explained before the registration returns.
        The default is ``registration.mode`` of the configuration.
    on_error : {"record", "raise"}, optional
        ``record``: whatever goes wrong, the registration succeeds, and one warning says why the
        version is not explained. ``raise``: a wrong configuration raises here, and a failure in
        mode ``sync`` raises from the registration, after the version was registered. The default
        is `on_error` of the configuration.
    disable : bool, default False
        Whether to undo all earlier calls instead. What was registered before is still explained.

    Raises
    ------
    ConfigError
        If `mode` or `on_error` is none of the words above; with ``on_error="raise"`` also if the
        configuration is wrong.
    TrackingServerError
        With ``on_error="raise"``, if registrations with this version of MLflow cannot be seen.

    Notes
    -----
    A further call replaces the settings of the one before. The call is safe in threads. A process
    that is forked afterwards explains what it registers, too, but does not wait at its end.

    Examples
    --------
    >>> import mlflow_lime
    >>> mlflow_lime.autolog({"models": "credit-*", "reference": {"count": 20}})
    >>> mlflow_lime.autolog(disable=True)
    """
    _check("mode", mode, _MODES)
    _check("on_error", on_error, _ON_ERROR)
    if disable:
        _replace(None)
        return
    if is_disabled():
        _LOGGER.warning("mlflow-lime: autolog does nothing, because MLFLOW_LIME_DISABLE is set")
        return
    settings = _Settings(config, models, mode, on_error)
    try:
        settings.prepare()
        _replace(settings)
    except Exception as error:
        _replace(None)
        if on_error == "raise":
            raise
        settings.notices.warn(f"versions will not be explained: {_reason(error)}")


def take_over(source: str | None, registration: Registration) -> Exception | None:
    """Begin what ``MLFLOW_LIME_AUTOLOG`` asked for, with the first version that is registered.

    Parameters
    ----------
    source : str or None
        The YAML file; None for the default configuration.
    registration : Registration

    Returns
    -------
    Exception or None
        An error to raise from the registration, if the configuration asks for it.
    """
    global _CURRENT
    with _LOCK:
        if _CURRENT is None:
            _CURRENT = _Settings({} if source is None else source, None, None, None)
            install_hook(_CURRENT.registered)
        settings = _CURRENT
    return settings.registered(registration)


class _Settings:
    """What one call of `autolog` asked for; the configuration is read when it is needed."""

    def __init__(
        self,
        config: "Source | Sequence[Source] | None",
        models: str | Sequence[str] | None,
        mode: str | None,
        on_error: str | None,
    ) -> None:
        self.notices = Notices()
        self._config = config
        self._models = models
        self._mode = mode
        self._on_error = on_error
        self._lock = threading.Lock()
        self._plans: Plans | None = None
        self._failure: MlflowLimeError | None = None

    # In the thread that registers

    def registered(self, registration: Registration) -> Exception | None:
        """Explain a version, or see to it; return an error only where the user wants it raised."""
        if self._plans is None and not self._may_be_sync():
            _BACKGROUND.put(registration, self.choose, self.notices)
            return None
        try:
            plan = self.choose(registration.name)
        except MlflowLimeError as error:
            self._refuse(registration, error)
            return None
        if plan is None:
            return None
        if self._mode_of(plan) == "background":
            _BACKGROUND.put(registration, self.choose, self.notices)
            return None
        return self._explain(registration, plan)

    def _may_be_sync(self) -> bool:
        """Return whether a file that was not read yet has to be read before going on."""
        try:
            return "sync" in Path(str(self._config)).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return False

    def _mode_of(self, plan: "Plan") -> str:
        return self._mode or plan.config.registration.mode

    def _explain(self, registration: Registration, plan: "Plan") -> Exception | None:
        """Explain a version now."""
        try:
            _review(registration, plan.config)
        except (Exception, SystemExit) as error:
            self._refuse(registration, error)
            raising = (self._on_error or plan.config.on_error) == "raise"
            return error if raising and isinstance(error, Exception) else None
        return None

    def _refuse(self, registration: Registration, error: BaseException) -> None:
        text = f"{registration.label} was registered, but not explained: {_reason(error)}"
        self.notices.warn(text, about=registration.label)

    # Which configuration explains which model

    def choose(self, name: str) -> "Plan | None":
        """Return how the versions of a registered model are explained, if they are.

        Raises
        ------
        ConfigError
            If the configuration is wrong.
        """
        plan = self.read().of(name)
        if plan is None or not plan.config.registration.aliases:
            return plan
        self.notices.warn(
            "autolog explains no versions that wait for an alias (registration.aliases), because "
            "it does not see how aliases are set; run `mlflow-lime watch`, or `mlflow-lime serve`"
        )
        return None

    def prepare(self) -> None:
        """Read the configuration, and import now what would slow the first registration down."""
        plans = self.read().plans
        if any(self._mode_of(plan) == "background" for plan in plans):
            import_module("mlflow_lime.registration.lane")

    def read(self) -> "Plans":
        """Read the configuration, once.

        Raises
        ------
        ConfigError
            If it is wrong.
        """
        with self._lock:
            if self._failure is not None:
                raise self._failure
            if self._plans is None:
                try:
                    self._plans = _read(self._config, self._models)
                except MlflowLimeError as error:
                    self._failure = error
                    raise
            return self._plans


_BACKGROUND = Background()
_CURRENT: _Settings | None = None
_LOCK = threading.RLock()


def _replace(settings: _Settings | None) -> None:
    """Let new settings hold from now on; None for none."""
    global _CURRENT
    with _LOCK:
        _CURRENT = settings
        if settings is None:
            remove_hook()
        else:
            install_hook(settings.registered)


def _reason(error: BaseException) -> str:
    if isinstance(error, MlflowLimeError):
        return str(error)
    return f"{type(error).__name__}: {shorten(str(error), 200)}"


def _check(name: str, value: object, words: Sequence[str]) -> None:
    if value is not None and value not in words:
        hint = did_you_mean(str(value), words)
        msg = (
            f"autolog: expected {name} {' or '.join(map(repr, words))}, got {shorten(value)}.{hint}"
        )
        raise ConfigError(msg)


def _read(
    source: "Source | Sequence[Source] | None", models: str | Sequence[str] | None
) -> "Plans":
    from mlflow_lime.registration.plans import read_plans

    if source is None:
        source = default_source() or {}
    several = isinstance(source, Sequence) and not isinstance(source, str)
    entries: Sequence[Any] = source if several else [source]  # type: ignore[assignment]
    configs = [_config(entry) for entry in entries]
    patterns = [models] if isinstance(models, str) else list(models or ())
    plans = read_plans(configs, patterns)
    for plan in plans.plans:
        # Now, because relative paths are counted from where we are now.
        plan.folder  # noqa: B018
    return plans


def _config(source: object) -> "Config":
    """Read one configuration; one that names no models is for all: they are the user's own."""
    from mlflow_lime.config import Config, load_config, parse_config

    if isinstance(source, (str, os.PathLike)):
        config = load_config(source)
    elif isinstance(source, Mapping):
        config = parse_config(source, where="the configuration of autolog")
    elif isinstance(source, Config):
        config = source
    else:
        msg = f"autolog: expected a path, a dict, or a Config, got {shorten(source)}"
        raise ConfigError(msg)
    if "models" in config.model_fields_set:
        return config
    return config.model_copy(update={"models": "*"})


def _review(registration: Registration, config: "Config") -> None:
    """Explain a version in this process and this thread.

    Raises
    ------
    MlflowLimeError
        If it cannot be explained.
    """
    from mlflow_lime.tracking.connection import store_label
    from mlflow_lime.tracking.registered import explain_registered

    if registration.store != store_label():
        msg = (
            f"it is in {registration.store}, while this process uses {store_label()}; call "
            "mlflow.set_tracking_uri with that store, or use mode background"
        )
        raise ConfigError(msg)
    with _no_given_run():
        explain_registered(registration.name, registration.version, config, by_us=True)


@contextmanager
def _no_given_run() -> Iterator[None]:
    """Hide the run that the user's script was started in: it is for what the script logs."""
    given = os.environ.pop("MLFLOW_RUN_ID", None)
    try:
        yield
    finally:
        if given is not None:
            os.environ["MLFLOW_RUN_ID"] = given
