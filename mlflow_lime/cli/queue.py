"""``mlflow-lime queue``: look at the versions that wait, and decide about those that failed."""

import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import click

from mlflow_lime.cli.service import connect, open_queue, queue_option
from mlflow_lime.cli.session import Command, debug_option, store_option

if TYPE_CHECKING:
    from mlflow_lime.registration.job import Job, State
    from mlflow_lime.registration.ledger import Ledger

__all__ = ["queue"]

_EPILOG = """\b
Examples:
  mlflow-lime queue list
  mlflow-lime queue list --state parked --reasons
  mlflow-lime queue retry 12 13
  mlflow-lime queue retry 'credit/*'
  mlflow-lime queue drop --all-parked
"""
_STATES = ("waiting", "running", "parked", "done", "dropped")


@click.group(epilog=_EPILOG, short_help="Look at the queue; retry or drop what failed.")
def queue() -> None:
    """Look at the versions that wait to be explained, and at those that could not be.

    A version that failed is tried again after a pause, then again after four times that pause.
    After registration.attempts it is parked with its reason, until somebody mends it and says
    `retry`, or `drop`.
    """


@queue.command(name="list", cls=Command, epilog=_EPILOG, short_help="List the jobs.")
@click.option(
    "--state",
    "states",
    type=click.Choice(_STATES),
    multiple=True,
    help="Only jobs in this state.  [default: waiting, running and parked]",
)
@click.option("--all", "everything", is_flag=True, help="Jobs in every state.")
@click.option("--reasons", is_flag=True, help="Whole reasons, not only their beginning.")
@queue_option
@store_option
@debug_option
@click.pass_context
def list_jobs(
    ctx: click.Context,
    /,
    *,
    states: tuple[str, ...],
    everything: bool,
    reasons: bool,
    queue_file: str | None,
) -> None:
    """List the versions that wait, run, or are parked, and count the others."""
    from mlflow_lime.registration.job import State

    chosen = [State(name) for name in (_STATES if everything else states or _STATES[:3])]
    with closing(_ledger(ctx, queue_file)) as ledger:
        jobs, counts = ledger.jobs(chosen), ledger.counts()
        path = ledger.path
    for line in _table(jobs, whole=reasons):
        click.echo(line)
    said = ", ".join(f"{counts[State(name)]} {name}" for name in _STATES)
    click.echo(f"{path}: {said}")


@queue.command(cls=Command, epilog=_EPILOG, short_help="Try parked or waiting jobs now.")
@click.argument("jobs", nargs=-1, metavar="[ID | MODEL/VERSION]...")
@click.option("--all-parked", is_flag=True, help="Every parked job.")
@queue_option
@store_option
@debug_option
@click.pass_context
def retry(
    ctx: click.Context, /, *, jobs: tuple[str, ...], all_parked: bool, queue_file: str | None
) -> None:
    """Let parked, dropped or waiting jobs run now, with all their attempts again.

    JOBS are numbers of `mlflow-lime queue list`, or model/version with shell patterns in quotes.
    """
    from mlflow_lime.registration.job import State

    connect(ctx)
    with closing(open_queue(queue_file)) as opened:
        states = (State.WAITING, State.PARKED, State.DROPPED)
        ids = _chosen(opened.ledger, jobs, all_parked, states)
        count = opened.retry(ids)
    click.echo(f"{_n_jobs(count)} will be tried now, if a worker runs (mlflow-lime worker).")


@queue.command(cls=Command, epilog=_EPILOG, short_help="Take jobs off the queue.")
@click.argument("jobs", nargs=-1, metavar="[ID | MODEL/VERSION]...")
@click.option("--all-parked", is_flag=True, help="Every parked job.")
@queue_option
@store_option
@debug_option
@click.pass_context
def drop(
    ctx: click.Context, /, *, jobs: tuple[str, ...], all_parked: bool, queue_file: str | None
) -> None:
    """Take jobs that wait or are parked off the queue; nobody explains them by itself any more.

    JOBS are numbers of `mlflow-lime queue list`, or model/version with shell patterns in quotes.
    """
    from mlflow_lime.registration.job import State

    with closing(_ledger(ctx, queue_file)) as ledger:
        ids = _chosen(ledger, jobs, all_parked, (State.WAITING, State.PARKED))
        count = len(ledger.drop(ids, "dropped by hand"))
    click.echo(f"{_n_jobs(count)} dropped; `mlflow-lime queue retry` brings them back.")


def _ledger(ctx: click.Context, queue_file: str | None) -> "Ledger":
    from mlflow_lime.registration.ledger import Ledger
    from mlflow_lime.registration.queue import queue_path
    from mlflow_lime.tracking.connection import store_label

    connect(ctx)
    store = store_label()
    return Ledger(queue_path(store, queue_file), store)


def _n_jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"


def _chosen(
    ledger: "Ledger", given: Sequence[str], all_parked: bool, states: Sequence["State"]
) -> list[int]:
    """Return the ids of the jobs that a person means.

    Raises
    ------
    click.UsageError
        If nothing is named, or something that is not there.
    """
    from mlflow_lime.registration.job import State

    if not given and not all_parked:
        raise click.UsageError("name jobs, or say --all-parked; see `mlflow-lime queue list`")
    jobs = ledger.jobs(states)
    found = {job.id for job in jobs if all_parked and job.state is State.PARKED}
    for text in given:
        ids = [job.id for job in jobs if _is_meant(job, text)]
        if not ids:
            *first, last = (state.value for state in states)
            known = f"{', '.join(first)} or {last}"
            msg = f"no {known} job {text!r} in {ledger.path}; see `mlflow-lime queue list --all`"
            raise click.UsageError(msg)
        found.update(ids)
    return sorted(found)


def _is_meant(job: "Job", text: str) -> bool:
    return str(job.id) == text or fnmatchcase(job.label, text)


def _table(jobs: Iterable["Job"], *, whole: bool) -> Iterable[str]:
    rows = [_row(job, whole=whole) for job in jobs]
    if not rows:
        return
    head = ("id", "version", "state", "since", "tries", "reason")
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head) - 1)]
    for row in (head, *rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield "  ".join([*cells, row[-1]]).rstrip()


def _row(job: "Job", *, whole: bool) -> tuple[str, ...]:
    from mlflow_lime.registration.job import State

    state, pause = job.state.value, job.due - time.time()
    if job.state is State.WAITING and pause > 1:
        state += f" {pause:.0f} s"
    reason = " ".join((job.reason or "").split())
    if not whole and len(reason) > 80:
        reason = f"{reason[:77]}..."
    since = f"{datetime.fromtimestamp(job.changed):%m-%d %H:%M:%S}"
    return str(job.id), job.label, state, since, str(job.attempts), reason
