"""The group of commands, and its help."""

import click

from mlflow_lime.cli.backfill import backfill
from mlflow_lime.cli.check import check
from mlflow_lime.cli.compare import compare
from mlflow_lime.cli.doctor import doctor
from mlflow_lime.cli.explain import explain
from mlflow_lime.cli.gate import gate
from mlflow_lime.cli.init import init
from mlflow_lime.cli.program import Program
from mlflow_lime.cli.queue import queue
from mlflow_lime.cli.reference import reference
from mlflow_lime.cli.report import report
from mlflow_lime.cli.run import run
from mlflow_lime.cli.schema import schema
from mlflow_lime.cli.serve import serve
from mlflow_lime.cli.session import debug_option, store_option
from mlflow_lime.cli.validate import validate
from mlflow_lime.cli.watch import watch
from mlflow_lime.cli.webhook import webhook
from mlflow_lime.cli.worker import worker

__all__ = ["main"]

_EPILOG = """\b
Three commands from a registered model to its reasons:
  mlflow-lime init models:/credit/3
  mlflow-lime validate models:/credit/3
  mlflow-lime explain models:/credit/3

\b
The next version is explained on the same instances, so that the two compare:
  mlflow-lime explain models:/credit/4
  mlflow-lime compare models:/credit/4
  mlflow-lime check models:/credit/4
  mlflow-lime gate models:/credit/4 --against @champion
  mlflow-lime report models:/credit/4 --open

\b
MODEL_URI is one of
  models:/credit/3          a version
  models:/credit@champion   the version that an alias points to
  models:/credit/latest     the newest version
  models:/m-1f2e...         a logged model
  runs:/1f2e.../model       a model of a run
  path/to/model             a folder with an MLmodel file

\b
Exit codes: 0 done, or done already; 1 something failed; 2 mistyped; 130 stopped by Ctrl-C.
"""


def _show_version(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from mlflow_lime import __version__

        click.echo(f"mlflow-lime {__version__}")
        context.exit()


@click.group(
    cls=Program,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    help="Show the version and exit.",
)
@store_option
@debug_option
def main() -> None:
    """Explain what an MLflow model version bases its predictions on.

    A set of instances is picked once for each registered model and pinned. For each instance the
    model is asked about some hundred changed copies, and a small weighted linear model (LIME)
    says which parts of the instance speak for the prediction and which against it. Weights,
    pictures, tables and metrics of fidelity are logged to an MLflow run and linked to the version.
    """


_COMMANDS = (
    init,
    validate,
    explain,
    compare,
    check,
    gate,
    report,
    reference,
    backfill,
    run,
    watch,
    serve,
    webhook,
    worker,
    queue,
    doctor,
    schema,
)
for command in _COMMANDS:
    main.add_command(command)
