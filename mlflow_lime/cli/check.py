"""``mlflow-lime check``: look for what is wrong with a version's reasons."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from mlflow_lime.cli.outfiles import require_place, write_whole
from mlflow_lime.cli.session import (
    Command,
    check_models,
    config_option,
    debug_option,
    open_store,
    read_config,
    store_option,
)

if TYPE_CHECKING:
    from mlflow_lime.checks.check import Outcome
    from mlflow_lime.config import Config

__all__ = ["check"]


def _list_checks(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo("\n".join(_catalogue()))
        ctx.exit()


@click.command(
    cls=Command,
    short_help="Look for what is wrong with a version's reasons.",
    epilog="""\b
Examples:
  mlflow-lime check models:/credit/4
  mlflow-lime check models:/credit/4 --against @champion --json findings.json
  mlflow-lime check models:/credit/4 --mute LIM008 --all
  mlflow-lime check --list

\b
What is sensitive, training rows, muted checks and options of checks stand in the configuration:
  checks:
    sensitive: [sex, age]
    train: train.parquet
    mute: [LIM008]
    options: {LIM001: {min: 0.3}}

\b
Exit codes: 0 nothing was raised but remarks (severity info); 1 a check of severity warning or error
was raised, or the command failed.
""",
)
@click.argument("model_uri")
@config_option
@click.option(
    "-a",
    "--against",
    metavar="REF",
    help="Compare with this version first: previous, a number, @alias, or a URI.",
)
@click.option("--mute", metavar="CODE", multiple=True, help="Do not make this check; repeatable.")
@click.option("--json", "json_path", metavar="FILE", help="Write the outcomes to a JSON file, too.")
@click.option("--all", "every", is_flag=True, help="Tell of the checks that passed as well.")
@click.option("--no-log", is_flag=True, help="Log nothing to MLflow.")
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_checks,
    help="Explain all checks, with their options, and exit.",
)
@store_option
@debug_option
@click.pass_context
def check(
    ctx: click.Context,
    /,
    model_uri: str,
    *,
    config_path: str | None,
    against: str | None,
    mute: tuple[str, ...],
    json_path: str | None,
    every: bool,
    no_log: bool,
) -> None:
    """Look for what is wrong with the reasons of a model version.

    The version is explained first where it was not. Each check is passed, raised, not applicable,
    or skipped, and says why. The findings are logged to the review run as lime/findings.json.
    """
    if json_path:
        require_place(json_path, "--json")
    config = _with_muted(read_config(config_path), mute)
    client = open_store(ctx, model_uri)
    from mlflow_lime.report.findings import findings_json, findings_lines
    from mlflow_lime.tracking.checking import check_version
    from mlflow_lime.tracking.review import show_progress
    from mlflow_lime.tracking.versions import resolve_model

    check_models(config, config_path, resolve_model(model_uri, client))
    progress, drift = show_progress(config), None
    if against is not None:
        from mlflow_lime.tracking.comparison import compare_versions

        comparison = compare_versions(
            model_uri, against, config, client=client, progress=progress, log=not no_log
        )
        drift = comparison.drift
    checked = check_version(
        model_uri, config, client=client, drift=drift, log=not no_log, progress=progress
    )
    if json_path:
        write_whole(json_path, findings_json(checked.outcomes) + "\n")
    aside = json_path == "-"  # where stdout holds the JSON
    click.echo(checked.ref.label, err=aside)
    click.echo("\n".join(findings_lines(checked.outcomes, every=every)), err=aside)
    if not no_log:
        click.echo(f"\nLogged to run {checked.run_id}: lime/findings.json", err=aside)
    ctx.exit(1 if any(map(_matters, checked.outcomes)) else 0)


def _matters(outcome: "Outcome") -> bool:
    return outcome.state == "raised" and outcome.severity != "info"


def _with_muted(config: "Config", codes: tuple[str, ...]) -> "Config":
    muted = tuple(dict.fromkeys([*config.checks.mute, *codes]))
    checks = config.checks.model_copy(update={"mute": muted})
    return config.model_copy(update={"checks": checks})


def _catalogue() -> Iterator[str]:
    """Yield what there is to look for, and the options of each check."""
    from mlflow_lime.checks.registry import known_checks
    from mlflow_lime.report.wording import clean

    checks, broken = known_checks()
    for item in checks:
        yield f"{item.code}  {clean(item.title)} ({item.severity})"
        yield f"        {clean(item.summary)}"
        for name, about in item.options.model_fields.items():
            yield f"        {name} (default {about.default}): {clean(about.description or '')}"
        if item.page:
            yield f"        see {clean(item.page)}"
        yield ""
    yield from (f"{clean(item.title)}: {clean(item.reason)}" for item in broken)
