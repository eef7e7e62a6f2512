"""``mlflow-lime report``: the page of a version, made again from what was logged."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlflow_lime.cli.outfiles import require_different, require_place, write_whole
from mlflow_lime.cli.session import (
    Command,
    config_option,
    config_source,
    debug_option,
    open_store,
    read_config,
    store_option,
)
from mlflow_lime.errors import MlflowLimeError

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from mlflow_lime.config import Config
    from mlflow_lime.tracking.reviewed import Reviewed

__all__ = ["report"]

_PAGE = "lime_report.html"


@click.command(
    cls=Command,
    short_help="Make the page of a version again, without its model.",
    epilog="""\b
Examples:
  mlflow-lime report models:/credit/4 --open
  mlflow-lime report runs:/1f2e... -o page.html
  mlflow-lime report models:/credit/4 --figures paper/ --format pdf
  mlflow-lime report models:/credit/4 --log           replace the page in MLflow
  mlflow-lime report models:/credit/4 --undescribe    take our block out of the description

\b
The page is made from the explanations, the comparison, the findings, and the verdict that are
logged to the version's review run. `mlflow-lime compare --html` shows several versions on one page.
""",
)
@click.argument("model_uri")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help=f"Where the page is written.  [default: {_PAGE}, unless --log or --figures]",
)
@click.option("--open", "show", is_flag=True, help="Open the page in the browser.")
@click.option("--log", is_flag=True, help="Replace the page in MLflow, and the description.")
@click.option("--figures", metavar="FOLDER", help="Write each figure as a file of its own.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["svg", "png", "pdf"]),
    default="svg",
    show_default=True,
    help="Of the figures.",
)
@click.option("--undescribe", is_flag=True, help="Take our block out of the description; no page.")
@config_option
@store_option
@debug_option
@click.pass_context
def report(
    ctx: click.Context,
    /,
    model_uri: str,
    *,
    output: str | None,
    show: bool,
    log: bool,
    figures: str | None,
    kind: str,
    undescribe: bool,
    config_path: str | None,
) -> None:
    """Make the page of a model version, or of a run with explanations, again.

    MODEL_URI is a version, whose latest review is read, or runs:/<run>. No model is loaded.
    """
    if show and output == "-":
        msg = "a page on stdout cannot be opened; name a file with -o."
        raise click.BadParameter(msg, param_hint="--open")
    if output is None and (show or not (log or figures or undescribe)):
        output = _PAGE
    if output is not None and not undescribe:
        require_different({"--output": output})
        require_place(output, "--output")
    config = read_config(config_path) if config_source(config_path) else None
    client = open_store(ctx, model_uri)
    if undescribe:
        _undescribe(model_uri, client)
        return
    reviewed = _reviewed(model_uri, client)
    config = config or _as_explained(reviewed, client)
    if output is not None or figures:
        _write(reviewed, client, config, output=output, figures=figures, kind=kind)
    if log:
        from mlflow_lime.tracking.reporting import write_report

        for note in write_report(reviewed, config, client):
            click.echo(f"note: {note}", err=True)
        logged = f"Logged to run {reviewed.run_id}: {_PAGE}"
        said = logged if config.report.page else "No page is logged: report.page is false."
        click.echo(said, err=output == "-")
    if show and output is not None:
        click.launch(Path(output).resolve().as_uri())


def _reviewed(model_uri: str, client: "MlflowClient") -> "Reviewed":
    from mlflow_lime.tracking.review_runs import latest_run, names_run
    from mlflow_lime.tracking.reviewed import Reviewed, reviewed_run
    from mlflow_lime.tracking.versions import resolve_model

    run_id = latest_run(model_uri, client)
    if names_run(model_uri):
        return reviewed_run(run_id, client)
    return Reviewed.of_run(resolve_model(model_uri, client), client.get_run(run_id))


def _as_explained(reviewed: "Reviewed", client: "MlflowClient") -> "Config":
    """Return the configuration that a version was explained with; the defaults without one."""
    from mlflow_lime.config import Config
    from mlflow_lime.tracking.comparison import logged_config

    try:
        return logged_config(reviewed, client)
    except MlflowLimeError:
        return Config()


def _undescribe(model_uri: str, client: "MlflowClient") -> None:
    """Take the block out; a copied or renamed version holds one without a review of its own."""
    from mlflow_lime.tracking.describing import remove_description
    from mlflow_lime.tracking.reviewed import version_named

    ref = version_named(model_uri, client)
    removed = remove_description(client, ref)
    said = "holds our block no more" if removed else "held no block of ours"
    click.echo(f"The description of {ref.label} {said}.")


def _write(
    reviewed: "Reviewed",
    client: "MlflowClient",
    config: "Config",
    *,
    output: str | None,
    figures: str | None,
    kind: str,
) -> None:
    from mlflow_lime.report.pages.report import render_report
    from mlflow_lime.tracking.gathering import gather_content

    content = gather_content(reviewed, client)
    if output is not None:
        page = render_report(content, top=config.outputs.top, most=config.report.max_instances)
        write_whole(output, page)
        click.echo(f"{reviewed.label}: {output}", err=output == "-")
    if figures:
        from mlflow_lime.report.report_figures import save_figures

        paths = save_figures(content, Path(figures), format=kind, most=config.outputs.max_pictures)
        click.echo(f"{len(paths)} figures in {figures}", err=output == "-")
