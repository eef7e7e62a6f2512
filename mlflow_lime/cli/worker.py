"""``mlflow-lime worker``: explain the versions that wait in a queue."""

import threading

import click

from mlflow_lime.cli.service import connect, open_queue, queue_option
from mlflow_lime.cli.session import Command, debug_option, store_option

__all__ = ["worker"]


@click.command(
    cls=Command,
    short_help="Explain the versions that wait in a queue.",
    epilog="""\b
Examples:
  mlflow-lime watch --workers 0 &
  mlflow-lime worker --workers 4
  mlflow-lime worker --until-empty

\b
Any number of workers may serve one queue. The job of a worker that is killed goes back to the
queue within seconds. Ctrl-C ends the jobs that run; what they have finished is kept.
""",
)
@queue_option
@click.option(
    "-w",
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    metavar="N",
    help="Versions explained at once.",
)
@click.option(
    "--until-empty",
    is_flag=True,
    help="End when nothing is left to do and no retry waits, or the store is down for minutes.",
)
@store_option
@debug_option
@click.pass_context
def worker(
    ctx: click.Context, /, *, queue_file: str | None, workers: int, until_empty: bool
) -> None:
    """Explain the versions that watch, serve, or autolog have put into a queue.

    Each version is explained in a process of its own, within the limits of its configuration
    (registration.max_seconds, registration.max_memory). A failure is tried again after a pause,
    and after registration.attempts parked with its reason: see `mlflow-lime queue list`.
    """
    connect(ctx)
    queue = open_queue(queue_file)
    from mlflow_lime.cli.service import start_workers, stop_signals
    from mlflow_lime.registration.own_worker import step_back, step_up

    stop = threading.Event()
    with stop_signals(stop), start_workers(queue, workers) as working:
        count = "one worker" if workers == 1 else f"{workers} workers"
        click.echo(f"Working at {queue.ledger.path} with {count}; Ctrl-C to stop.")
        while not stop.wait(0.5):
            if until_empty and working.idle():
                # Who looks for a worker from now on finds none, and starts one.
                step_back(queue.ledger.path)
                if working.idle():
                    break
                step_up(queue.ledger.path)
            if until_empty and queue.ledger.only_waits_for_store():
                click.echo("The store does not answer; the versions wait in the queue.", err=True)
                break
    queue.close()
