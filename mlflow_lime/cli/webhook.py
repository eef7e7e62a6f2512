"""``mlflow-lime webhook``: tell MLflow's registry where the receiver is."""

from urllib.parse import urlsplit

import click

from mlflow_lime.cli.service import connect
from mlflow_lime.cli.session import Command, debug_option, store_option

__all__ = ["secret_file_option", "webhook"]

_NO_SECRET = """\
Note: no secret is set, so that anybody who reaches the receiver can queue versions; set \
MLFLOW_LIME_WEBHOOK_SECRET or MLFLOW_LIME_WEBHOOK_SECRET_FILE, as for `mlflow-lime serve`."""
_SOON = """\
The server looks for new webhooks once a minute: versions registered until then are found by the \
receiver's next sweep."""

secret_file_option = click.option(
    "--secret-file",
    metavar="FILE",
    help=(
        "File with the secret that MLflow signs deliveries with, for you alone to read.  "
        "[default: $MLFLOW_LIME_WEBHOOK_SECRET, or $MLFLOW_LIME_WEBHOOK_SECRET_FILE]"
    ),
)


@click.group(
    short_help="Tell MLflow's registry where the receiver is.",
    epilog="""\b
Examples:
  export MLFLOW_LIME_WEBHOOK_SECRET=$(openssl rand -hex 32)
  mlflow-lime webhook create https://lime.example.com/webhook
  mlflow-lime webhook list
  mlflow-lime webhook test 1f2e...
""",
)
def webhook() -> None:
    """Register the address of `mlflow-lime serve` with the tracking server.

    The server then tells the receiver of each version that anybody registers. It sends to https
    and public addresses only. For a network of your own, set MLFLOW_WEBHOOK_ALLOWED_SCHEMES and
    MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS on the server, and in any case a lasting
    MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY; `mlflow-lime doctor` says what is missing.
    """


@webhook.command(cls=Command, short_help="Register the address of the receiver.")
@click.argument("url")
@click.option(
    "--name", default="mlflow-lime", show_default=True, help="What it is called in lists."
)
@click.option(
    "--alias-events",
    is_flag=True,
    help="Be told of aliases too, for configurations with registration.aliases.",
)
@secret_file_option
@click.option("--insecure", is_flag=True, help="Register it without a secret.")
@store_option
@debug_option
@click.pass_context
def create(
    ctx: click.Context,
    /,
    url: str,
    *,
    name: str,
    alias_events: bool,
    secret_file: str | None,
    insecure: bool,
) -> None:
    """Register URL, such as https://lime.example.com/webhook, with the tracking server.

    Where the same URL is registered already, its events and secret are brought up to date. The
    secret comes from the environment or a file, and is never shown.
    """
    from mlflow_lime.registration.secrets import find_secrets

    secrets = find_secrets(secret_file)
    if not secrets and not insecure:
        from mlflow_lime.registration.secrets import missing_secret

        raise missing_secret()
    client = connect(ctx)
    from mlflow_lime.tracking.webhooks import create_webhook

    made, new = create_webhook(
        client,
        url,
        name=name,
        alias_events=alias_events,
        secret=secrets[0] if secrets else None,
    )
    done = "Registered" if new else "It is there already; brought up to date"
    click.echo(f"{done}: {made.id}\n  {made.url}\n  {', '.join(made.events)}")
    click.echo(f"Try it: mlflow-lime webhook test {made.id}")
    if not secrets:
        click.echo(_NO_SECRET, err=True)
    if urlsplit(url).path in ("", "/"):
        click.echo("Note: the receiver listens at /webhook; this address has no path.", err=True)
    click.echo(_SOON, err=True)


@webhook.command("list", cls=Command, short_help="Show the webhooks of the registry.")
@store_option
@debug_option
@click.pass_context
def list_(ctx: click.Context, /) -> None:
    """Show every webhook of the registry; a star marks those of mlflow-lime."""
    client = connect(ctx)
    from mlflow_lime.tracking.webhooks import list_webhooks

    found = list_webhooks(client)
    for entry in found:
        mark = "*" if entry.ours else " "
        state = "" if entry.active else "  (disabled)"
        click.echo(f"{mark} {entry.id}  {entry.name}{state}\n    {entry.url}")
        click.echo(f"    {', '.join(entry.events)}")
    if not found:
        click.echo("No webhook is registered; see `mlflow-lime webhook create --help`.", err=True)


@webhook.command(cls=Command, short_help="Let the server send a made-up event now.")
@click.argument("webhook_id", metavar="ID")
@store_option
@debug_option
@click.pass_context
def test(ctx: click.Context, /, webhook_id: str) -> None:
    """Let the tracking server send a made-up event, and say what came of it.

    The receiver knows such an event, and queues nothing. Exit code 1 where it did not work.
    """
    client = connect(ctx)
    from mlflow_lime.tracking.webhooks import test_webhook

    result = test_webhook(client, webhook_id)
    click.echo(result.text if result.worked else f"Error: {result.text}", err=not result.worked)
    if not result.worked:
        ctx.exit(1)


@webhook.command(cls=Command, short_help="Delete a webhook.")
@click.argument("webhook_id", metavar="ID")
@store_option
@debug_option
@click.pass_context
def delete(ctx: click.Context, /, webhook_id: str) -> None:
    """Delete a webhook from the registry."""
    client = connect(ctx)
    from mlflow_lime.tracking.webhooks import delete_webhook

    delete_webhook(client, webhook_id)
    click.echo(f"Deleted {webhook_id}.")
