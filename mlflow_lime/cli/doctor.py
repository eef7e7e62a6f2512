"""``mlflow-lime doctor``: say what is missing before versions explain themselves."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlflow_lime.cli.service import connect, plans_options, queue_option, read_plans
from mlflow_lime.cli.session import Command, debug_option, store_option

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from mlflow_lime.tracking.server_checks import Finding

__all__ = ["doctor"]


@click.command(
    cls=Command,
    short_help="Say which settings are missing.",
    epilog="""\b
Examples:
  mlflow-lime doctor
  mlflow-lime doctor --tracking-uri http://mlflow:5000 -c lime.yaml
  mlflow-lime doctor --receiver-url http://lime:8765/webhook
  mlflow-lime doctor --host mlflow:5000 --host mlflow.example.com --write

\b
Each line begins with ok, missing, or unseen (cannot be seen from here); what to set stands below.
Exit codes: 0 nothing is missing; 1 something is.
""",
)
@plans_options
@click.option(
    "--receiver-url",
    metavar="URL",
    help=(
        "Address of `mlflow-lime serve` as the server reaches it: a webhook that is switched off "
        "is made for it and deleted again."
    ),
)
@click.option(
    "--host",
    "hosts",
    metavar="NAME[:PORT]",
    multiple=True,
    help="Another name by which the server is reached, as in a container; may be repeated.",
)
@click.option(
    "--write", is_flag=True, help="Write, read and delete a small file in a run made for it."
)
@queue_option
@store_option
@debug_option
@click.pass_context
def doctor(
    ctx: click.Context,
    /,
    *,
    config_paths: Sequence[str],
    models: Sequence[str],
    receiver_url: str | None,
    hosts: Sequence[str],
    write: bool,
    queue_file: str | None,
) -> None:
    """Check the tracking server and this machine, and print what to set where.

    Nothing is changed: only --receiver-url and --write make something, and delete it again.
    """
    client = connect(ctx)
    from mlflow_lime.tracking.server_checks import Verdict, check_store

    counts = dict.fromkeys(Verdict, 0)
    findings = check_store(client, receiver_url=receiver_url, hosts=hosts, write=write)
    reachable = True
    for finding in findings:
        counts[finding.verdict] += 1
        reachable &= finding.verdict is not Verdict.MISSING or finding.subject == "webhooks"
        _show(finding)
    for finding in _local(client if reachable else None, config_paths, models, queue_file):
        counts[finding.verdict] += 1
        _show(finding)
    for finding in [_secret(needed=receiver_url is not None)]:
        counts[finding.verdict] += 1
        _show(finding)
    missing, unseen = counts[Verdict.MISSING], counts[Verdict.UNSEEN]
    summary = f"{missing} missing" if missing else "Nothing is missing"
    click.echo(f"\n{summary}{f'; {unseen} cannot be seen from here' if unseen else ''}.")
    ctx.exit(1 if missing else 0)


def _show(finding: "Finding") -> None:
    click.echo(f"{finding.verdict:<8} {finding.subject:<10} {finding.text}")
    for line in finding.cure.splitlines():
        click.echo(f"{'':<19} → {line}")


def _local(
    client: "MlflowClient | None",
    config_paths: Sequence[str],
    models: Sequence[str],
    queue_file: str | None,
) -> Iterator["Finding"]:
    """Yield what was found about this machine."""
    yield _models(client, config_paths, models)
    yield _queue(queue_file)
    yield _folder()


def _models(
    client: "MlflowClient | None", config_paths: Sequence[str], models: Sequence[str]
) -> "Finding":
    from mlflow_lime.errors import MlflowLimeError
    from mlflow_lime.tracking.registry import list_models
    from mlflow_lime.tracking.server_checks import Finding, Verdict

    try:
        plans = read_plans(config_paths, models)
    except MlflowLimeError as error:
        return Finding(Verdict.MISSING, "models", str(error))
    text = ", ".join(plans.patterns)
    if client is not None:
        try:
            page = next(list_models(client), [])
        except MlflowLimeError:
            return Finding(Verdict.UNSEEN, "models", text)
        named = sum(plans.of(model.name) is not None for model in page)
        text += f" (names {named:,} of {len(page):,} registered models)"
    return Finding(Verdict.OK, "models", text)


def _queue(queue_file: str | None) -> "Finding":
    from mlflow_lime.errors import MlflowLimeError
    from mlflow_lime.registration.queue import JobQueue, queue_path
    from mlflow_lime.tracking.connection import store_label
    from mlflow_lime.tracking.server_checks import Finding, Verdict

    store = store_label()
    path = queue_path(store, queue_file)
    if not path.exists():
        return _writable(path, "queue", "--queue, or MLFLOW_LIME_QUEUE, names another file")
    try:
        queue = JobQueue(path, store)
    except MlflowLimeError as error:
        return Finding(Verdict.MISSING, "queue", str(error))
    counts = {state.value: number for state, number in queue.ledger.counts().items() if number}
    queue.close()
    held = ", ".join(f"{number:,} {state}" for state, number in counts.items()) or "empty"
    return Finding(Verdict.OK, "queue", f"{path} ({held})")


def _folder() -> "Finding":
    from mlflow_lime.home import home_folder

    cure = "MLFLOW_LIME_HOME names another folder"
    return _writable(home_folder() / "journal" / "any", "journal", cure)


def _writable(path: Path, subject: str, cure: str) -> "Finding":
    """Return whether a file can be made, without making it or its folder."""
    from mlflow_lime.tracking.server_checks import Finding, Verdict

    shown = path.parent if subject == "journal" else path
    folder = path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return Finding(Verdict.OK, subject, f"{shown} can be written")
    return Finding(Verdict.MISSING, subject, f"{shown} cannot be written", cure)


def _secret(*, needed: bool) -> "Finding":
    from mlflow_lime.errors import MlflowLimeError
    from mlflow_lime.registration.secrets import FILE_VARIABLE, SECRET_VARIABLE, find_secrets
    from mlflow_lime.tracking.server_checks import Finding, Verdict

    try:
        found = find_secrets()
    except MlflowLimeError as error:
        return Finding(Verdict.MISSING, "secret", str(error))
    if found:
        return Finding(Verdict.OK, "secret", "the secret of `mlflow-lime serve` is set")
    if not needed:
        return Finding(Verdict.OK, "secret", "none is set; only `mlflow-lime serve` needs one")
    cure = f"here: {SECRET_VARIABLE}=$(openssl rand -hex 32), or a file: {FILE_VARIABLE}"
    return Finding(Verdict.MISSING, "secret", "`mlflow-lime serve` has no secret", cure)
