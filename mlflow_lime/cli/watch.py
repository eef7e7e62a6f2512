"""``mlflow-lime watch``: find new versions in any store, and explain them."""

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from mlflow_lime.cli.service import (
    connect,
    open_queue,
    plans_options,
    queue_option,
    read_plans,
    workers_option,
)
from mlflow_lime.cli.session import Command, debug_option, store_option
from mlflow_lime.errors import shorten

if TYPE_CHECKING:
    from mlflow_lime.registration.job import Job
    from mlflow_lime.registration.plans import Plans
    from mlflow_lime.registration.queue import JobQueue
    from mlflow_lime.registration.watch import Watcher

__all__ = ["watch"]

_STARTED = """\
Watching {store} every {interval:g} s; Ctrl-C to stop.
  models:   {models}
  queue:    {queue} ({work})
  sweeps:   now and every {sweep:g} s"""


def _milliseconds(ctx: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """Return a moment since the epoch; a date without a zone is of this machine's."""
    if value is None:
        return None
    if value == "now":
        return int(time.time() * 1000)
    try:
        return int(datetime.fromisoformat(value).astimezone(UTC).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        msg = f"expected now or a date such as 2026-01-31, got {shorten(value)}"
        raise click.BadParameter(msg) from None


@click.command(
    cls=Command,
    short_help="Find new versions in any store and explain them.",
    epilog="""\b
Examples:
  mlflow-lime watch                                with lime.yaml of this folder
  mlflow-lime watch -m 'credit-*' -m fraud         the defaults, for these models
  mlflow-lime watch -c credit.yaml -c fraud.yaml   the first that names a model explains it
  mlflow-lime watch --since now                    leave alone what is there already
  mlflow-lime watch --once                         from cron, or in CI

\b
What was seen stands in the queue, so that nothing is missed and nothing repeated when this is
started again. The store may be a server, a database, or Databricks. Versions that are there when
a pattern is watched for the first time are explained after those that come later.

\b
Exit codes with --once: 0 everything is explained; 1 something failed or is parked; 130 stopped.
""",
)
@plans_options
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1, max=86_400),
    default=10,
    show_default=True,
    metavar="SECONDS",
    help="Pause between two looks at the newest versions; one request each.",
)
@click.option(
    "--sweep",
    "sweep_seconds",
    type=click.FloatRange(min=1, max=7 * 86_400),
    default=600,
    show_default=True,
    metavar="SECONDS",
    help="Pause between two looks at all versions that the patterns name.",
)
@click.option(
    "--since",
    callback=_milliseconds,
    metavar="now|DATE",
    help="Leave older versions alone, when a pattern is watched for the first time.",
)
@click.option(
    "--once", is_flag=True, help="Look once, explain what is found, print a summary, and end."
)
@queue_option
@workers_option
@store_option
@debug_option
@click.pass_context
def watch(
    ctx: click.Context,
    /,
    *,
    config_paths: Sequence[str],
    models: Sequence[str],
    interval: float,
    sweep_seconds: float,
    since: int | None,
    once: bool,
    queue_file: str | None,
    workers: int,
) -> None:
    """Ask a store for new versions again and again, and explain them.

    Works with every store, whoever registers: scripts, notebooks, the UI, other languages. Only
    models that a pattern names are explained, because loading a model runs its code.
    """
    plans = read_plans(config_paths, models)
    client = connect(ctx)
    queue = open_queue(queue_file)
    from mlflow_lime.registration.watch import Watcher

    try:
        watcher = Watcher(client, plans, queue, since=since, say=_say)
        if once:
            ctx.exit(_look_once(watcher, queue, plans, workers))
        click.echo(_started(plans, queue, workers, interval, sweep_seconds))
        _go_on(watcher, queue, workers, interval, sweep_seconds)
    finally:
        queue.close()


def _go_on(
    watcher: "Watcher", queue: "JobQueue", workers: int, interval: float, sweep_seconds: float
) -> None:
    """Watch and work until a signal comes."""
    from mlflow_lime.cli.service import start_workers, stop_signals

    stop = threading.Event()
    with stop_signals(stop), start_workers(queue, workers):
        watcher.run(stop, interval, sweep_seconds)


def _look_once(watcher: "Watcher", queue: "JobQueue", plans: "Plans", workers: int) -> int:
    """Sweep, work at what is there, say what came of it, and return the exit code."""
    from mlflow_lime.cli.service import start_workers, stop_signals

    started, stop = time.time(), threading.Event()
    with stop_signals(stop):
        added = watcher.sweep()
        if not workers:
            click.echo(f"{added:,} queued; `mlflow-lime worker` explains them.")
            return 0
        with start_workers(queue, workers) as working:
            while not working.idle(retries=False) and not stop.wait(0.2):
                pass
    lines, open_ones = _summary(queue, plans, started)
    click.echo("\n".join(lines))
    return 130 if stop.is_set() else int(open_ones > 0)


def _summary(queue: "JobQueue", plans: "Plans", started: float) -> tuple[list[str], int]:
    """Return what became of the jobs, and how many versions are not explained."""
    from mlflow_lime.registration.job import State

    def ours(*states: State) -> list["Job"]:
        return [job for job in queue.ledger.jobs(states) if plans.of(job.name) is not None]

    done = ours(State.DONE)
    now = sum(job.changed >= started and job.reason is None for job in done)
    gone = [j for j in ours(State.DROPPED) if j.changed >= started]
    parked = ours(State.PARKED)
    waiting = ours(State.WAITING, State.RUNNING)
    counts = [f"{now:,} explained", f"{len(done) - now:,} explained before"]
    counts += [f"{len(gone):,} gone"] if gone else []
    counts += [f"{len(parked):,} parked"] if parked else []
    counts += [f"{len(waiting):,} waiting"] if waiting else []
    lines = [", ".join(counts) + "."]
    for job in parked:
        lines += [f"  {_why(job)}", f"    when mended: mlflow-lime queue retry {job.id}"]
    for job in waiting:
        lines.append(f"  {_why(job)}; tried again by the next run")
    return lines, len(parked) + len(waiting)


def _why(job: "Job") -> str:
    return f"{job.label}: {job.reason or 'not tried yet'}"


def _started(
    plans: "Plans", queue: "JobQueue", workers: int, interval: float, sweep_seconds: float
) -> str:
    work = {0: "no worker here; start `mlflow-lime worker`", 1: "one worker"}
    return _STARTED.format(
        store=queue.ledger.store,
        interval=interval,
        models=", ".join(plans.patterns),
        queue=queue.ledger.path,
        work=work.get(workers, f"{workers} workers"),
        sweep=sweep_seconds,
    )


def _say(text: str) -> None:
    click.echo(f"{datetime.now():%H:%M:%S} {text}")
