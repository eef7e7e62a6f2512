"""``mlflow-lime run``: the steps of a YAML file on one model version."""

import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from mlflow_lime.cli.session import Command, debug_option, open_store, say, store_option

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from mlflow_lime.config.steps import PlannedStep, StepsFile
    from mlflow_lime.pipeline.pipeline import Pipeline, Record

__all__ = ["run"]

_STOPPED = """
Stopped in step {step}. Finished explanations are kept in {home}.
To go on where it stopped:
  {command}"""


@click.command(
    cls=Command,
    short_help="Run the steps of a YAML file on a model version.",
    epilog="""\b
Examples:
  mlflow-lime run pipeline.yaml models:/credit/3 --dry-run
  mlflow-lime run pipeline.yaml models:/credit@candidate
  mlflow-lime run pipeline.yaml models:/credit/3 --config lime.yaml --from explain
  mlflow run . -e pipeline -P model_uri=models:/credit/3 --env-manager local

\b
A file of two steps:
  model: models:/credit/latest
  config: lime.yaml
  steps:
    - reference: {count: 30}
    - explain: {}
      when: {alias: candidate}

\b
Exit codes: 0 all steps are done, or skipped by their conditions; 1 a step failed; 2 mistyped;
130 stopped by Ctrl-C.
""",
)
@click.argument("file", metavar="FILE")
@click.argument("model_uri", required=False)
@click.option(
    "-c",
    "--config",
    "config_path",
    metavar="FILE",
    help="The base configuration.  [default: `config` in the file, else all defaults]",
)
@click.option(
    "--from",
    "start",
    metavar="STEP",
    help="Begin with this step: its number or its name.",
)
@click.option("--dry-run", is_flag=True, help="Check everything, show what would run, run nothing.")
@store_option
@debug_option
@click.pass_context
def run(
    ctx: click.Context,
    /,
    file: str,
    model_uri: str | None,
    *,
    config_path: str | None,
    start: str | None,
    dry_run: bool,
) -> None:
    """Run the steps of a YAML file on a model version, one after the other.

    MODEL_URI takes the place of `model` in the file. Each step runs where its condition `when`
    holds: by default, where no earlier step failed. A failed step ends what follows, unless it says
    on_error: continue; steps with when: failure or when: always still run.

    After Ctrl-C, `--from` goes on with the step that was stopped; finished explanations are kept.
    """
    from mlflow_lime.config.steps import load_steps
    from mlflow_lime.pipeline.registry import KINDS

    steps = load_steps(file, KINDS, config_path=config_path)
    first = steps.position(start) if start else 0
    uri = _model(steps, model_uri)
    client = open_store(ctx, uri)
    from mlflow_lime.pipeline.pipeline import Pipeline
    from mlflow_lime.tracking.versions import resolve_model

    pipeline = Pipeline(steps, resolve_model(uri, client), client, progress=True)
    click.echo("\n".join(_heading(pipeline, uri)))
    if dry_run:
        click.echo("\n".join(_plan(pipeline, first)))
        return
    records: list[Record] = []
    try:
        for record in pipeline.run(first, begins=lambda step: say(f"{_title(steps, step)} ...")):
            records.append(record)
            click.echo("\n".join(["", *_said(steps, record)]))
    except KeyboardInterrupt:
        _explain_stop(pipeline, len(records), config_path)
        ctx.exit(130)
    click.echo("\n".join(["", *_summary(steps, records, client)]))
    _end(ctx, steps, records)


def _model(steps: "StepsFile", model_uri: str | None) -> str:
    """Return the model that is meant; ``mlflow run`` hands an empty one on where none is given.

    Raises
    ------
    ConfigError
        If neither the command line nor the file names one.
    """
    from mlflow_lime.errors import ConfigError

    uri = model_uri or steps.model
    if not uri:
        msg = (
            f"{steps.path} names no model; write `model: models:/<name>/latest` into it, or name "
            "one on the command line, after the file"
        )
        raise ConfigError(msg)
    return uri


def _heading(pipeline: "Pipeline", uri: str) -> Iterator[str]:
    ref, steps = pipeline.ref, pipeline.file
    count = len(steps.steps)
    yield f"{ref.label}: {count} step{'s' if count > 1 else ''} of {steps.path}"
    if uri != ref.uri:
        yield f"  model               {uri}, now {ref.uri}"
    if ref.aliases:
        yield f"  aliases             {', '.join(ref.aliases)}"
    yield f"  configuration       {steps.origin}"


def _title(steps: "StepsFile", step: "PlannedStep") -> str:
    number = steps.steps.index(step) + 1
    return f"{number} {step.name}" + ("" if step.name.startswith(step.kind) else f" ({step.kind})")


def _plan(pipeline: "Pipeline", first: int) -> Iterator[str]:
    from mlflow_lime.pipeline.registry import STEPS

    yield ""
    for step, reason in pipeline.preview(first):
        yield _title(pipeline.file, step)
        yield f"  would be skipped: {reason}" if reason else f"  would {STEPS[step.kind].summary}"
        yield f"  when {_conditions(step)}; on_error: {'stop' if step.stops else 'continue'}"
        yield f"  configuration {step.config.digest()}"
    yield ""
    yield "Nothing was run (--dry-run)."


def _conditions(step: "PlannedStep") -> str:
    when = step.when
    said: list[str] = [when.after]
    for name, values in (("models", when.models), ("alias", when.alias)):
        said += [f"{name} {' or '.join(values)}"] if values else []
    said += [f"tag {key}={value}" for key, value in when.tag.items()]
    return ", ".join(said)


def _said(steps: "StepsFile", record: "Record") -> Iterator[str]:
    yield _title(steps, record.step)
    if record.result is not None:
        yield from (f"  {line}" for line in record.result.lines)
    if record.reason:
        yield from (f"  {line}" for line in f"{record.state}: {record.reason}".splitlines())
    if record.result is not None and record.result.run_id:
        yield f"  run {record.result.run_id}"


def _summary(
    steps: "StepsFile", records: Sequence["Record"], client: "MlflowClient"
) -> Iterator[str]:
    from mlflow_lime.cli.summary import run_address

    width = max(len(_title(steps, record.step)) for record in records)
    yield "Summary"
    for record in records:
        took = "" if record.state == "skipped" else f"{record.seconds:.1f} s"
        yield f"  {_title(steps, record.step):<{width}}  {record.state:<9} {took:>8}".rstrip()
    runs = [record.result.run_id for record in records if record.result and record.result.run_id]
    if runs:
        yield from (f"  {line}" for line in run_address(client, runs[-1]))


def _end(ctx: click.Context, steps: "StepsFile", records: Sequence["Record"]) -> None:
    """End in the error of the first failed step, if there is one."""
    for record in records:
        if record.error is not None:
            raise record.error
        if record.state == "failed":
            click.echo(f"Error: step {_title(steps, record.step)} failed.", err=True)
            ctx.exit(1)


def _explain_stop(pipeline: "Pipeline", stopped: int, config_path: str | None) -> None:
    from mlflow_lime.home import home_folder

    steps = pipeline.file
    words = ["mlflow-lime", "run", steps.path, pipeline.ref.uri]
    words += ["--config", config_path] if config_path else []
    words += ["--from", str(stopped + 1)]
    message = _STOPPED.format(
        step=_title(steps, steps.steps[min(stopped, len(steps.steps) - 1)]),
        home=home_folder() / "journal",
        command=shlex.join(words),
    )
    click.echo(message, err=True)
