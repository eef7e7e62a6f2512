"""``mlflow-lime gate``: hold a version against rules, and promote it if it passes."""

import traceback
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from mlflow_lime.cli.outfiles import (
    is_replaced,
    require_different,
    require_place,
    write_whole,
)
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
    from mlflow_lime.gate.judge import Verdict
    from mlflow_lime.tracking.gating import Gated

__all__ = ["EXIT_CODES", "gate"]

EXIT_CODES = {"pass": 0, "fail": 1, "not judged": 2}
"""The exit code of each verdict."""

_MISTYPED = 64
"""Exit code of a mistyped command, as in sysexits.h: 2 is the code of "not judged"."""

_UNFINISHED = "the gate has not come to an end"


class _Mistyped(click.UsageError):
    """A command line that cannot be read."""

    exit_code = _MISTYPED


class _Verdict(click.exceptions.Exit):
    """The end of a command that came to a verdict."""


class _GateCommand(Command):
    """A command whose exit code is a verdict: whatever goes wrong ends in "not judged"."""

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        """Read the command line; mistyped, it ends in a code that no verdict has."""
        try:
            return super().make_context(*args, **options)
        except click.UsageError as error:
            raise _Mistyped(error.format_message(), error.ctx) from error

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; only a verdict of "fail" ends in 1."""
        try:
            return super().invoke(ctx)
        except _Verdict:
            raise
        except click.exceptions.Exit as end:
            ctx.exit(EXIT_CODES["not judged"] if end.exit_code == 1 else end.exit_code)
        except click.UsageError as error:
            raise _Mistyped(error.format_message(), error.ctx) from error
        except click.ClickException:
            raise
        except Exception:  # with --debug alone
            click.echo(traceback.format_exc(), err=True)
            ctx.exit(EXIT_CODES["not judged"])


@click.command(
    cls=_GateCommand,
    short_help="Hold a version against rules; promote it if it passes.",
    epilog="""\b
Examples:
  mlflow-lime gate models:/credit/7 --against @champion
  mlflow-lime gate models:/credit/7 --against 3 -c lime.yaml --junit gate.xml --markdown gate.md
  mlflow-lime gate models:/credit@candidate --against @champion --promote champion

\b
Rules stand in the configuration:
  gate:
    rules:
      - {metric: lime/fidelity_r2_p10, min: 0.2}
      - {metric: lime/drift_same_answer_new_reason, max: 0.1}
      - {change: {metric: accuracy_score, min: -0.01}}
      - {check: LIM005, severity: fail}

\b
Exit codes: 0 pass; 1 fail; 2 not judged, with the reason: no rules, a missing metric, other
reference sets, too few trusted explanations, a configuration or a server that cannot be read;
64 mistyped; 130 stopped by Ctrl-C.
""",
)
@click.argument("model_uri")
@click.option(
    "--against",
    metavar="REF",
    help="previous, a version number, @alias, or a URI.  [default: compare.baseline]",
)
@config_option
@click.option("--promote", metavar="ALIAS", help="Move this alias to the version if it passes.")
@click.option("--markdown", metavar="FILE", help="Write the verdict for a pull request.")
@click.option("--junit", metavar="FILE", help="Write the verdict as JUnit XML.")
@click.option("--json", metavar="FILE", help="Write the verdict as JSON.")
@click.option("--no-log", is_flag=True, help="Log no verdict, and put none on the version.")
@store_option
@debug_option
@click.pass_context
def gate(
    ctx: click.Context,
    /,
    model_uri: str,
    *,
    against: str | None,
    config_path: str | None,
    promote: str | None,
    no_log: bool,
    **files: str | None,
) -> None:
    """Hold a model version against rules on its metrics, its reasons, and its checks.

    The version is explained first where it was not, and compared with REF where that is given. The
    verdict is logged to the review run, and put on the version as tags. An alias is moved on a pass
    alone, after the version that had it was recorded.
    """
    if promote and no_log:
        msg = "--promote records who had the alias before; leave out --no-log."
        raise click.UsageError(msg, ctx)
    for option, path in files.items():
        if path is not None:
            require_place(path, f"--{option}")
    require_different({f"--{option}": path for option, path in files.items()})
    # What stands in the files must not be an earlier verdict, whatever ends this command.
    whole = {option: path for option, path in files.items() if path and is_replaced(path)}
    _write_files(whole, *_not_judged(model_uri, _UNFINISHED))
    try:
        gated = _gated(
            ctx, model_uri, config_path, against=against, promote=promote, log=not no_log
        )
    except (Exception, SystemExit) as error:
        _try_files(files, *_not_judged(model_uri, _note(error)))
        raise
    from mlflow_lime.report.verdict import verdict_lines

    # The alias may be moved by now: the exit code is the verdict, whatever cannot be written.
    _try_files(files, gated.verdict, gated.facts)
    with suppress(OSError):
        lines = "\n".join(verdict_lines(gated.verdict, gated.facts))
        click.echo(lines, err="-" in files.values())
    raise _Verdict(EXIT_CODES[gated.verdict.outcome])


def _gated(
    ctx: click.Context,
    model_uri: str,
    config_path: str | None,
    *,
    against: str | None,
    promote: str | None,
    log: bool,
) -> "Gated":
    config = read_config(config_path)
    client = open_store(ctx, model_uri)
    from mlflow_lime.tracking.gating import gate_version
    from mlflow_lime.tracking.review import show_progress
    from mlflow_lime.tracking.versions import resolve_model

    ref = resolve_model(model_uri, client)
    check_models(config, config_path, ref)
    return gate_version(
        ref.uri,
        config,
        against=against,
        client=client,
        promote=promote,
        progress=show_progress(config),
        log=log,
    )


def _note(error: BaseException) -> str:
    """Return why nothing was judged, where the gate itself failed."""
    from mlflow_lime.errors import MlflowLimeError

    if isinstance(error, MlflowLimeError):
        return str(error)
    return f"unexpected {type(error).__name__}; the command says more"


def _not_judged(model_uri: str, note: str) -> "tuple[Verdict, dict[str, str]]":
    """Return the verdict where there is none."""
    from mlflow_lime.gate.judge import not_judged

    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return not_judged(note), {"candidate": model_uri, "time": now}


def _write_files(
    files: Mapping[str, str | None], verdict: "Verdict", facts: Mapping[str, str]
) -> None:
    from mlflow_lime.report.verdict import verdict_json, verdict_junit, verdict_markdown

    formats = {"markdown": verdict_markdown, "junit": verdict_junit, "json": verdict_json}
    for option, path in files.items():
        if path is not None:
            write_whole(path, formats[option](verdict, facts))


def _try_files(
    files: Mapping[str, str | None], verdict: "Verdict", facts: Mapping[str, str]
) -> None:
    """Write each file that can be written, and warn of the others."""
    for option, path in files.items():
        try:
            _write_files({option: path}, verdict, facts)
        except OSError as error:
            why = error.strerror or type(error).__name__
            click.echo(f"Warning: --{option} {path!r} cannot be written: {why}.", err=True)
