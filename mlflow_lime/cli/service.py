"""What the commands that explain by themselves share: plans, the queue, and its workers."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mlflow_lime.cli.session import config_source, open_store

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from mlflow_lime.registration.job import Job, Settled
    from mlflow_lime.registration.plans import Plans
    from mlflow_lime.registration.queue import JobQueue
    from mlflow_lime.registration.worker import Workers

__all__ = [
    "connect",
    "open_queue",
    "plans_options",
    "queue_option",
    "read_plans",
    "start_workers",
    "stop_signals",
    "workers_option",
]

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


@contextmanager
def stop_signals(stop: threading.Event) -> Iterator[None]:
    """Set an event at Ctrl-C and SIGTERM, instead of ending at once; a second one ends at once."""

    def ask(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        click.echo("Stopping ...", err=True)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, found in before.items():
            signal.signal(number, found)


def start_workers(queue: "JobQueue", count: int) -> "Workers":
    """Return workers for the store that was chosen, which tell what they do."""
    import mlflow

    from mlflow_lime.registration.secrets import FILE_VARIABLE, SECRET_VARIABLE
    from mlflow_lime.registration.worker import Workers
    from mlflow_lime.tracking.registered import tag_as_parked

    for variable in (SECRET_VARIABLE, FILE_VARIABLE):  # the processes of jobs inherit the others
        os.environ.pop(variable, None)
    return Workers(
        queue,
        count,
        tracking_uri=mlflow.get_tracking_uri(),
        registry_uri=mlflow.get_registry_uri(),
        report=_tell,
        parked=tag_as_parked,
    )


def _tell(job: "Job", settled: "Settled") -> None:
    """Say in a line what came of an attempt."""
    from mlflow_lime.registration.job import Outcome, State

    said = {
        Outcome.EXPLAINED: f"explained in run {settled.run_id}",
        Outcome.REPEATED: f"explained before, in run {settled.run_id}",
        Outcome.INTERRUPTED: "stopped; it waits in the queue",
        Outcome.GONE: "left out: the version does not exist any more",
        Outcome.UNREACHABLE: f"waits for the store: {settled.reason}",
        Outcome.BUSY: f"waits: {settled.reason}",
    }.get(settled.outcome, f"failed: {settled.reason}")
    said = " ".join(said.split())
    if job.state is State.PARKED:
        said += f"\n  parked; when that is mended: mlflow-lime queue retry {job.id}"
    elif settled.outcome is Outcome.FAILED:
        said += f"\n  tried again in {max(0.0, job.due - time.time()):.0f} s"
    shown = "".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in said)
    click.echo(f"{datetime.now():%H:%M:%S} {job.label} {shown}")
