"""``mlflow-lime compare``: what changed between the reasons of two versions."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from mlflow_lime.cli.outfiles import require_different, require_place, write_whole
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
    from mlflow import MlflowClient

    from mlflow_lime.compare.drift import Drift, InstanceDrift
    from mlflow_lime.config import Config
    from mlflow_lime.tracking.comparison import Comparison

__all__ = ["compare"]

_PARTS = 8
_INSTANCES = 8


@click.command(
    cls=Command,
    short_help="Compare the reasons of two versions.",
    epilog="""\b
Examples:
  mlflow-lime compare models:/credit/4                      against the version before it
  mlflow-lime compare models:/credit/4 --against @champion
  mlflow-lime compare models:/credit/4 --against 2 --json drift.json
  mlflow-lime compare models:/credit/4 -a 3 -a 2 -a 1 --html versions.html
  mlflow-lime compare runs:/1f2e... --against runs:/77aa...

\b
REF is previous, a version number, an alias such as @champion, a model URI, or runs:/<run> with
explanations. Nothing is asked of the models where both were explained on the same instances with
the same configuration; otherwise what is missing is explained first (compare.reexplain).

\b
A difference is no failure: the exit code is 0 whatever is found. `mlflow-lime gate` decides.
""",
)
@click.argument("model_uri")
@click.option(
    "-a",
    "--against",
    metavar="REF",
    multiple=True,
    help=(
        "The baseline; with --html, give it again for up to four more versions on the page."
        "  [default: compare.baseline in the YAML, else previous]"
    ),
)
@config_option
@click.option("--json", "json_path", metavar="FILE", help="Write everything to a JSON file, too.")
@click.option("--html", "html_path", metavar="FILE", help="Write a page to read, too.")
@click.option("--no-log", is_flag=True, help="Log nothing to MLflow.")
@store_option
@debug_option
@click.pass_context
def compare(
    ctx: click.Context,
    /,
    model_uri: str,
    *,
    against: tuple[str, ...],
    config_path: str | None,
    json_path: str | None,
    html_path: str | None,
    no_log: bool,
) -> None:
    """Compare the reasons of a model version with those of a baseline.

    Weights are compared on the same instances and the same perturbed inputs, so that each change
    has an interval of its own. A change counts where it exceeds the noise and compare.min_change.
    Metrics lime/drift_*, two tables and lime/drift.json are logged to the candidate's run.
    """
    if len(against) > 1 and not html_path:
        msg = "several versions are compared on a page only; add --html FILE."
        raise click.BadParameter(msg, param_hint="--against")
    if len(set(against)) < len(against):
        msg = "one version is named twice; a page shows each once."
        raise click.BadParameter(msg, param_hint="--against")
    from mlflow_lime.report.pages.axis import MOST_VERSIONS

    if len(against) > MOST_VERSIONS - 1:
        msg = f"a page shows up to {MOST_VERSIONS} versions, the compared one among them."
        raise click.BadParameter(msg, param_hint="--against")
    require_different({"--json": json_path, "--html": html_path})
    for option, path in (("--json", json_path), ("--html", html_path)):
        if path:
            require_place(path, option)
    source = config_source(config_path)
    config = read_config(config_path) if source else None
    client = open_store(ctx, model_uri)
    from mlflow_lime.tracking.baseline import resolve_baseline
    from mlflow_lime.tracking.comparison import compare_versions
    from mlflow_lime.tracking.review import show_progress
    from mlflow_lime.tracking.review_runs import names_run
    from mlflow_lime.tracking.reviewed import version_named
    from mlflow_lime.tracking.versions import resolve_model

    if config is not None and not names_run(model_uri):
        check_models(config, config_path, resolve_model(model_uri, client))
    if against[1:]:  # before anything is explained or logged
        candidate = version_named(model_uri, client)
        for uri in (resolve_baseline(wish, candidate, client) for wish in against[1:]):
            if not names_run(uri):
                resolve_model(uri, client)
    progress = show_progress(config) if config else None
    comparison = compare_versions(
        model_uri,
        against[0] if against else None,
        config,
        client=client,
        progress=progress,
        log=not no_log,
    )
    if html_path:
        write_whole(html_path, _page(comparison, against[1:], config, client, progress))
    if json_path:
        write_whole(json_path, _as_json(comparison) + "\n")
    lines = "\n".join(comparison_lines(comparison, logged=not no_log))
    click.echo(lines, err="-" in (json_path, html_path))  # where stdout holds what was asked for


def _page(
    comparison: "Comparison",
    more: tuple[str, ...],
    config: "Config | None",
    client: "MlflowClient",
    progress: bool | None,
) -> str:
    """Return the page of a comparison, with more versions beside it."""
    from mlflow_lime.config import Config
    from mlflow_lime.report.pages.report import render_report
    from mlflow_lime.tracking.side_by_side import content_of, others_of

    others = others_of(comparison, more, config, client=client, progress=progress)
    content = content_of(comparison, others, client)
    chosen = config or Config()
    return render_report(content, top=chosen.outputs.top, most=chosen.report.max_instances)


def _as_json(comparison: "Comparison") -> str:
    from mlflow_lime.report.drift_items import drift_json

    return drift_json(
        comparison.drift,
        baseline=comparison.baseline.label,
        baseline_run=comparison.baseline_run,
    )


def comparison_lines(comparison: "Comparison", *, logged: bool = True) -> Iterator[str]:
    """Yield a comparison as lines for a person at a terminal."""
    from mlflow_lime.cli.summary import note_lines

    drift = comparison.drift
    yield f"{comparison.candidate.label} against {comparison.baseline.label}"
    yield ""
    yield from _verdict(drift)
    yield from _part_lines(drift)
    yield from _instance_lines(drift)
    if comparison.notes:
        yield ""
        yield from note_lines(comparison.notes)
    if logged:
        yield ""
        yield f"Logged to run {comparison.candidate_run}: lime/drift_*, lime/drift.json"


def _verdict(drift: "Drift") -> Iterator[str]:
    from mlflow_lime.cli.summary import fact

    counts, compared = drift.counts, drift.counts.compared
    rate = drift.settings["alarm_rate"]
    said = "changed" if drift.alarm else "not changed beyond noise and the smallest change"
    verdict = f"{said} (p = {drift.p_value:.2g}, alarm at {rate:g})"
    yield from fact("as a whole", verdict if compared else "unknown: nothing could be compared")
    yield from fact("compared", f"{compared} of {counts.total} instances")
    if not compared:
        return
    same = f"{counts.same_answer_new_reason} with the same answer"
    yield from fact("other reasons", f"{counts.changed} of {compared}, {same}")
    yield from fact("other answers", f"{counts.answer_changed} of {compared}")
    yield from fact("what is noise", drift.noise)


def _part_lines(drift: "Drift") -> Iterator[str]:
    from mlflow_lime.report.wording import clean, cut, number

    shown = sorted(drift.parts, key=lambda part: -abs(part.change))[:_PARTS]
    if not shown:
        return
    yield ""
    yield f"  {'importance of':<32}{'before':>10}{'after':>10}   change and interval"
    for part in shown:
        interval = f"{number(part.change)} [{number(part.low)}, {number(part.high)}]"
        mark = " changed" if part.changed else ""
        name = cut(clean(part.name), 30)
        yield f"  {name:<32}{number(part.before):>10}{number(part.after):>10}   {interval}{mark}"


def _instance_lines(drift: "Drift") -> Iterator[str]:
    from mlflow_lime.report.drift_items import most_changed
    from mlflow_lime.report.wording import cut

    changed = [item for item in drift.compared if item.changed]
    changed.sort(key=lambda item: -item.total_change)
    if not changed:
        return
    yield ""
    yield "  instances with other reasons, most changed first"
    for item in changed[:_INSTANCES]:
        yield f"  {item.key}  {cut(f'{_answer(item)}: {most_changed(item, top=2)}', 84)}"
    more = drift.counts.changed - _INSTANCES
    if more > 0:
        yield f"  ... and {more} more in lime/drift_instances.json"


def _answer(item: "InstanceDrift") -> str:
    from mlflow_lime.report.wording import clean

    if item.answer_changed:
        return f"{clean(item.answer_before)} → {clean(item.answer_after)}"
    return f"still {clean(item.answer_after)}"
