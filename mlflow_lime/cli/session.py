"""What the commands share: options, clean errors, the configuration file, the store."""

import os
import re
import sys
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mlflow_lime.cli.quiet import quiet
from mlflow_lime.errors import (
    ConfigError,
    MlflowLimeError,
    TrackingServerError,
    VersionNotFoundError,
    shorten,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from mlflow_lime.config import Config
    from mlflow_lime.tracking.versions import ModelVersionRef

__all__ = [
    "CONFIG_FILE",
    "Command",
    "check_models",
    "config_option",
    "config_source",
    "debug_option",
    "open_store",
    "read_config",
    "say",
    "store_option",
]

CONFIG_FILE = "lime.yaml"
"""The configuration in the current folder that is used where none is named."""

_DEBUG = "mlflow_lime.debug"
_STORE = "mlflow_lime.tracking_uri"
_ASKED = "mlflow_lime.asked"

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Keep an option for the whole command line, before or after the name of the command."""
    if value:
        context.meta[_DEBUG if parameter.name == "debug" else _STORE] = value
    return value


def debug_option(function: Decorated) -> Decorated:
    """Add ``--debug``."""
    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_remember,
        help="Show tracebacks, and what MLflow logs.",
    )(function)


def store_option(function: Decorated) -> Decorated:
    """Add ``--tracking-uri``."""
    return click.option(
        "--tracking-uri",
        metavar="URI",
        expose_value=False,
        callback=_remember,
        help="MLflow's store: a server, or sqlite:///path.  [default: $MLFLOW_TRACKING_URI]",
    )(function)


def config_option(function: Decorated) -> Decorated:
    """Add ``--config``."""
    return click.option(
        "-c",
        "--config",
        "config_path",
        metavar="FILE",
        envvar="MLFLOW_LIME_CONFIG",
        help=(
            f"The YAML file.  [default: $MLFLOW_LIME_CONFIG, else {CONFIG_FILE} in this folder, "
            "else all defaults]"
        ),
    )(function)


class Command(click.Command):
    """A command that ends in one message and an exit code, never in a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, quietly unless ``--debug`` is given."""
        debug = bool(ctx.meta.get(_DEBUG))
        try:
            with nullcontext() if debug else quiet():
                return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort, click.ClickException):
            raise
        except KeyboardInterrupt:
            click.echo("\nStopped.", err=True)
            ctx.exit(130)
        except SystemExit as end:  # whose code may be 0: that of a command that did its work
            if debug:
                click.echo(traceback.format_exc(), err=True)
            code = shorten(end.code, 40)
            click.echo(f"Error: code that was loaded called sys.exit({code})", err=True)
            ctx.exit(1)
        except Exception as error:
            if debug:
                raise
            click.echo(f"Error: {_sentence(ctx, error)}", err=True)
            ctx.exit(1)


def _sentence(ctx: click.Context, error: Exception) -> str:
    if not isinstance(error, MlflowLimeError):
        text = (str(error).strip() or "no message").splitlines()[0]
        return (
            f"unexpected {type(error).__name__}: {shorten(text, 300)}\n"
            "Run it again with --debug to see where it happened."
        )
    text = str(error)
    asked = isinstance(error, VersionNotFoundError) and ctx.meta.get(_ASKED)
    if asked and not _store_is_chosen(ctx):
        text += (
            "\nThis is MLflow's default store, because neither --tracking-uri nor "
            "MLFLOW_TRACKING_URI is given."
        )
    return text


def _store_is_chosen(ctx: click.Context) -> bool:
    return bool(ctx.meta.get(_STORE) or os.environ.get("MLFLOW_TRACKING_URI"))


def say(text: str) -> None:
    """Tell a person at a terminal what is going on; nothing where nobody is watching."""
    if sys.stderr.isatty():
        click.echo(text, err=True)


def config_source(path: str | None) -> str | None:
    """Return the file that a command reads: the named one, or ``lime.yaml`` if it is here."""
    if path:
        return path
    return CONFIG_FILE if Path(CONFIG_FILE).is_file() else None


def read_config(path: str | None) -> "Config":
    """Read the configuration, or return the defaults where there is no file."""
    from mlflow_lime.config import Config, load_config

    source = config_source(path)
    return Config() if source is None else load_config(source)


def check_models(config: "Config", path: str | None, ref: "ModelVersionRef") -> None:
    """Refuse a configuration that was written for other models.

    Raises
    ------
    ConfigError
        If its `models` does not cover the registered model.
    """
    if ref.name is None or config.matches(ref.name):
        return
    msg = (
        f"{config_source(path)} is for models {shorten(config.models)}, which leaves out "
        f"{ref.name!r}; add it to `models` there, or name another file with --config"
    )
    raise ConfigError(msg)


def open_store(ctx: click.Context, model_uri: str) -> "MlflowClient":
    """Import mlflow, choose the store, and return a client of it.

    Raises
    ------
    VersionNotFoundError
        If a name and a version come without ``models:/``.
    TrackingServerError
        If the store is a file that does not exist: MLflow would make an empty one.
    """
    say(f"Reading {model_uri} ...")
    import mlflow
    from mlflow import MlflowClient

    chosen = ctx.meta.get(_STORE)
    if chosen:
        mlflow.set_tracking_uri(chosen)
    if not Path(model_uri).exists():
        _refuse_forgotten_scheme(model_uri)
        _refuse_missing_file(mlflow.get_tracking_uri(), chosen=_store_is_chosen(ctx))
        ctx.meta[_ASKED] = True
    return MlflowClient()


def _refuse_forgotten_scheme(model_uri: str) -> None:
    if re.fullmatch(r"[^/:@]+(/\d+|/latest|@[^/:@]+)", model_uri):
        msg = (
            f"{shorten(model_uri)} does not exist as a folder; for a version of a registered "
            f"model write models:/{model_uri}"
        )
        raise VersionNotFoundError(msg)


def _refuse_missing_file(uri: str, *, chosen: bool) -> None:
    path = Path(uri.removeprefix("sqlite:///"))
    if not uri.startswith("sqlite:///") or path.name in ("", ":memory:") or path.exists():
        return
    why = "" if chosen else ", and no other store is named"
    msg = (
        f"there is no MLflow store at {uri} (in {Path.cwd()}){why}; set MLFLOW_TRACKING_URI or "
        "--tracking-uri, for example http://localhost:5000"
    )
    raise TrackingServerError(msg)
