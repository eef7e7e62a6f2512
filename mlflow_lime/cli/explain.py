"""``mlflow-lime explain``: explain a model version and log the result."""

from typing import TYPE_CHECKING

import click

from mlflow_lime.cli.session import (
    Command,
    check_models,
    config_option,
    config_source,
    debug_option,
    open_store,
    read_config,
    store_option,
)

if TYPE_CHECKING:
    from mlflow_lime.config import Config
    from mlflow_lime.tracking.review import Review

__all__ = ["engine_option", "explain", "with_engine"]

_PINNED = """\
Note: {name} has pinned its instances, so --instances {count} picks no others; add --new-reference \
to replace them."""
_STOPPED = """
Stopped. Finished explanations are kept in {home}.
Run the same command again to go on where it stopped."""


engine_option = click.option(
    "--engine",
    type=click.Choice(["local", "spark"]),
    help="Where to explain: on this machine, or on Spark (engine.kind).",
)


@click.command(
    cls=Command,
    short_help="Explain a model version and log the result.",
    epilog="""\b
Examples:
  mlflow-lime explain models:/credit/3
  mlflow-lime explain models:/credit@champion --config lime.yaml
  mlflow-lime explain models:/credit/3 --instances 50 --new-reference
  mlflow-lime explain models:/credit/3 --workers 2
  mlflow-lime explain models:/credit/3 --engine spark
  RUN=$(mlflow-lime explain models:/credit/3 --quiet)

\b
A failure ends in exit code 1, whatever `on_error` says: that key is for evaluations and
registrations, which must go on. Where some instances fail and others are explained, the exit
code is 0, and 1 with `on_error: raise`.
""",
)
@click.argument("model_uri")
@config_option
@click.option(
    "-n",
    "--instances",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many instances to pick, where none are pinned yet (reference.count).",
)
@click.option(
    "--new-reference", is_flag=True, help="Pick instances anew, and pin them in place of the old."
)
@click.option(
    "--reference-digest",
    metavar="DIGEST",
    help="Explain on this reference set or not at all.",
)
@engine_option
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Processes on this machine (engine.workers with engine.mode: processes), or cores of a "
    "Spark session that is started here.",
)
@click.option(
    "-q", "--quiet", is_flag=True, help="No progress and no summary: print the id of the run."
)
@store_option
@debug_option
@click.pass_context
def explain(
    ctx: click.Context,
    /,
    model_uri: str,
    *,
    config_path: str | None,
    instances: int | None,
    new_reference: bool,
    reference_digest: str | None,
    engine: str | None,
    workers: int | None,
    quiet: bool,
) -> None:
    """Explain a model version, and log weights, pictures, tables and metrics.

    The first version of a registered model picks and pins the instances; later versions are
    explained on the same. A version that was explained with the same configuration already is left
    alone. After Ctrl-C, the same command goes on where it stopped.
    """
    config = read_config(config_path)
    if instances is not None:
        config = _with_count(config, instances)
    config = with_engine(config, engine, workers)
    client = open_store(ctx, model_uri)
    from mlflow_lime.cli.summary import review_lines
    from mlflow_lime.home import home_folder
    from mlflow_lime.tracking.pinned import read_pin
    from mlflow_lime.tracking.review import review_version, show_progress
    from mlflow_lime.tracking.versions import resolve_model

    ref = resolve_model(model_uri, client)
    check_models(config, config_path, ref)
    if instances is not None and not new_reference and read_pin(client, ref) is not None:
        click.echo(_PINNED.format(name=ref.name, count=instances), err=True)
    try:
        review = review_version(
            model_uri,
            config,
            client=client,
            progress=False if quiet else show_progress(config),
            new_set=new_reference,
            expected_digest=reference_digest,
        )
    except KeyboardInterrupt:
        click.echo(_STOPPED.format(home=home_folder() / "journal"), err=True)
        ctx.exit(130)
    if quiet:
        click.echo(review.run_id)
    else:
        click.echo("\n".join(review_lines(review, client, config_source(config_path))))
    failed = _n_failed(review)
    if config.on_error == "raise" and failed:
        what = "instance" if failed == 1 else "instances"
        click.echo(f"Error: {failed} {what} could not be explained (on_error: raise).", err=True)
        ctx.exit(1)


def _with_count(config: "Config", count: int) -> "Config":
    """Return the configuration with so many instances to pick.

    Raises
    ------
    ConfigError
        If the configuration names its instances.
    """
    pick = config.reference.pick
    if pick in ("ids", "rows") or not isinstance(pick, str):
        from mlflow_lime.errors import ConfigError

        says = f"{pick}, which names the" if isinstance(pick, str) else "which counts its"
        msg = (
            f"--instances {count} does not go with reference.pick: {says} instances; leave the "
            "option out, or change reference.pick"
        )
        raise ConfigError(msg)
    reference = config.reference.model_copy(update={"count": count})
    return config.model_copy(update={"reference": reference})


def with_engine(config: "Config", kind: str | None, workers: int | None) -> "Config":
    """Return the configuration with the engine that a command line names."""
    changes: dict[str, object] = {} if kind is None else {"kind": kind}
    if workers is not None:
        changes["workers"] = workers
        local = (kind or config.engine.kind) == "local"
        if local and workers > 1 and config.engine.mode == "auto":
            changes["mode"] = "processes"
    if not changes:
        return config
    return config.model_copy(update={"engine": config.engine.model_copy(update=changes)})


def _n_failed(review: "Review") -> int:
    return int(review.metrics.get("lime/failed", len(review.failed)))
