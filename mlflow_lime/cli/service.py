"""What the commands that explain by themselves share: plans, the queue, and its workers."""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mlflow_lime.cli.session import config_source, open_store

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from mlflow_lime.registration.plans import Plans
    from mlflow_lime.registration.queue import JobQueue

__all__ = ["connect", "open_queue", "plans_options", "queue_option", "read_plans", "workers_option"]

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def plans_options(function: Decorated) -> Decorated:
    """Add ``--config``, which may stand several times, and ``--models``."""
    named = click.option(
        "-m",
        "--models",
        "models",
        metavar="PATTERN",
        multiple=True,
        help="Models to explain: a name, or a pattern in quotes; in place of `models` in the file.",
    )(function)
    return click.option(
        "-c",
        "--config",
        "config_paths",
        metavar="FILE",
        multiple=True,
        help=(
            "A YAML file; with several, the first whose `models` names a model explains it.  "
            "[default: $MLFLOW_LIME_CONFIG, else lime.yaml in this folder]"
        ),
    )(named)


def queue_option(function: Decorated) -> Decorated:
    """Add ``--queue``."""
    return click.option(
        "--queue",
        "queue_file",
        metavar="FILE",
        help="The queue.  [default: $MLFLOW_LIME_QUEUE, else one for each store in "
        "$MLFLOW_LIME_HOME]",
    )(function)


def workers_option(function: Decorated) -> Decorated:
    """Add ``--workers``."""
    return click.option(
        "-w",
        "--workers",
        type=click.IntRange(0, 64),
        default=1,
        show_default=True,
        metavar="N",
        help="Versions explained at once; 0 leaves the work to `mlflow-lime worker`.",
    )(function)


def read_plans(config_paths: Sequence[str], models: Sequence[str]) -> "Plans":
    """Return the plans of the options, or of the file that is used where none is named."""
    from mlflow_lime.registration.plans import read_plans as read

    paths = list(config_paths)
    if not paths:
        found = config_source(os.environ.get("MLFLOW_LIME_CONFIG"))
        paths = [found] if found else []
    return read(paths, models)


def connect(ctx: click.Context) -> "MlflowClient":
    """Choose the store, and return a client of it."""
    return open_store(ctx, "the store")


def open_queue(queue_file: str | None) -> "JobQueue":
    """Open the queue of the store that was chosen; see `connect`."""
    from mlflow_lime.registration.queue import JobQueue, queue_path
    from mlflow_lime.tracking.connection import store_label

    store = store_label()
    return JobQueue(queue_path(store, queue_file), store)
