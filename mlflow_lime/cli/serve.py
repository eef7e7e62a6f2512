"""``mlflow-lime serve``: receive MLflow's webhooks, and explain the versions they tell of."""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
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
from mlflow_lime.cli.webhook import secret_file_option

if TYPE_CHECKING:
    from mlflow_lime.registration.plans import Plans
    from mlflow_lime.registration.queue import JobQueue

__all__ = ["serve"]

_STARTED = """\
Receiving webhooks at {address}/webhook; Ctrl-C to stop.
  models:   {models}
  store:    {store}
  queue:    {queue} ({work})
  sweeps:   {sweeps}
  watched:  {address}/health, /ready, /metrics
Register it once with the tracking server, under the address at which the server reaches it:
  mlflow-lime webhook create {address}/webhook{aliases}"""
_INSECURE = """\
Warning: --insecure: deliveries are not verified, so that every process of this machine can queue \
versions."""


@click.command(
    cls=Command,
    short_help="Receive MLflow's webhooks and explain new versions.",
    epilog="""\b
Examples:
  export MLFLOW_LIME_WEBHOOK_SECRET=$(openssl rand -hex 32)
  mlflow-lime serve --config lime.yaml
  mlflow-lime webhook create http://127.0.0.1:8765/webhook
  mlflow-lime serve -m 'credit-*' --host 0.0.0.0 --secret-file /etc/mlflow-lime/secret -w 0

\b
The secret comes from the environment or a file, never from the command line. While it is replaced,
the file may hold the old one too: the new one first, a line each.
""",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8765,
    show_default=True,
    help="Port to listen at; 0 for any that is free.",
)
@plans_options
@queue_option
@workers_option
@secret_file_option
@click.option(
    "--insecure",
    is_flag=True,
    help="Take deliveries without a signature; on this machine's own addresses only.",
)
@click.option(
    "--sweep",
    "sweep_seconds",
    type=click.FloatRange(min=0, max=86_400),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="Pause between two looks for versions that no webhook told of; 0 for one at the start.",
)
@store_option
@debug_option
@click.pass_context
def serve(
    ctx: click.Context,
    /,
    *,
    host: str,
    port: int,
    config_paths: Sequence[str],
    models: Sequence[str],
    queue_file: str | None,
    workers: int,
    secret_file: str | None,
    insecure: bool,
    sweep_seconds: float,
) -> None:
    """Receive the webhooks of an MLflow server, and explain the versions that they tell of.

    Each delivery is verified (signature, age, once), queued, and answered within milliseconds.
    What webhooks lose, as while this is down, is found by a sweep at the start and now and then.
    Only models that a pattern names are queued.
    """
    secrets = _secrets(host, secret_file, insecure=insecure)
    from mlflow_lime.registration import http_server

    with ExitStack() as open_things:
        # The port comes first: what follows takes seconds.
        listening = open_things.enter_context(http_server.listen(host, port))
        plans = read_plans(config_paths, models)
        client = connect(ctx)
        queue = open_queue(queue_file)
        from mlflow_lime.cli.service import start_workers, stop_signals
        from mlflow_lime.registration.receiver import Deliveries, create_app
        from mlflow_lime.registration.sweeper import Sweeper
        from mlflow_lime.registration.watch import Watcher

        open_things.enter_context(_warnings_shown())
        sweeper = Sweeper(Watcher(client, plans, queue, say=_say).sweep, sweep_seconds)
        open_things.callback(lambda: None if sweeper.sweeping else queue.close())
        stop = threading.Event()
        open_things.enter_context(stop_signals(stop))
        working = open_things.enter_context(start_workers(queue, workers)) if workers else None

        def troubles() -> list[str]:
            return [] if working is None or working.healthy else ["the workers have ended"]

        app = create_app(
            Deliveries(plans, queue, secrets=secrets),
            troubles=troubles,
            counters=[sweeper.sweeps, sweeper.found],
        )
        open_things.callback(app.state.close)
        open_things.callback(sweeper.stop)
        sweeper.start()
        if not secrets:
            click.echo(_INSECURE, err=True)
        address = http_server.address_of(listening)
        click.echo(_started(address, plans, queue, workers, sweep_seconds))
        http_server.serve(app, listening, stop)


def _secrets(host: str, secret_file: str | None, *, insecure: bool) -> tuple[str, ...]:
    """Return the secrets; refuse to listen to everybody.

    Raises
    ------
    ConfigError
        If there is none, and ``--insecure`` is not given, or the host is not this machine's own.
    """
    from mlflow_lime.errors import ConfigError
    from mlflow_lime.registration.secrets import find_secrets, missing_secret

    secrets = find_secrets(secret_file)
    if secrets:
        return secrets
    if not insecure:
        raise missing_secret(" (--insecure does without, on 127.0.0.1)")
    from mlflow_lime.registration.http_server import is_loopback

    if not is_loopback(host):
        msg = (
            f"--insecure with --host {host}: everybody who reaches this machine could have models "
            "loaded on it; set a secret, or listen at 127.0.0.1"
        )
        raise ConfigError(msg)
    return ()


def _started(
    address: str, plans: "Plans", queue: "JobQueue", workers: int, sweep_seconds: float
) -> str:
    by_alias = any(plan.config.registration.aliases for plan in plans.plans)
    work = {0: "no worker here; start `mlflow-lime worker`", 1: "one worker"}
    return _STARTED.format(
        address=address,
        models=", ".join(plans.patterns),
        store=queue.ledger.store,
        queue=queue.ledger.path,
        work=work.get(workers, f"{workers} workers"),
        sweeps=f"now and every {sweep_seconds:g} s" if sweep_seconds else "once, now",
        aliases=" --alias-events" if by_alias else "",
    )


def _say(text: str) -> None:
    click.echo(text, err=True)


@contextmanager
def _warnings_shown() -> Iterator[None]:
    """Write our own warnings to stderr, with the time."""
    shown = logging.StreamHandler()
    shown.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    logger = logging.getLogger("mlflow_lime")
    logger.addHandler(shown)
    try:
        yield
    finally:
        logger.removeHandler(shown)
