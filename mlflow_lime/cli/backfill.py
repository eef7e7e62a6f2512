"""``mlflow-lime backfill``: explain what is missing over many registered models."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import groupby
from typing import TYPE_CHECKING, Literal

import click

from mlflow_lime.cli.explain import engine_option, with_engine
from mlflow_lime.cli.session import (
    Command,
    config_option,
    debug_option,
    open_store,
    read_config,
    store_option,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from mlflow_lime.config import Config
    from mlflow_lime.engine.work import Engine
    from mlflow_lime.tracking.backfill import Candidate, Said

__all__ = ["backfill"]

_FEW = {"explain": 1, "compare": 10}
"""Versions for which no worker is started: it would take longer than they do."""
_STOPPED = """
Stopped. Versions that are finished stay explained, and finished instances of the others are kept.
Run the same command again to go on where it stopped."""


@click.command(
    cls=Command,
    short_help="Explain what is missing over many models.",
    epilog="""\b
Examples:
  mlflow-lime backfill --models 'credit-*' --dry-run
  mlflow-lime backfill --models 'credit-*' --versions latest:5
  mlflow-lime backfill --versions aliases --workers 4
  mlflow-lime backfill --models fraud --engine spark --config lime.yaml

\b
The first version that is explained of a model picks and pins its instances. Every version is then
compared with the one before it (compare.baseline). Exit code 1 where a version failed.
""",
)
@click.option(
    "--models",
    "patterns",
    multiple=True,
    metavar="PATTERN",
    help="Names of registered models, as a shell pattern; may be given again.  [default: those of "
    "`models` in the configuration]",
)
@click.option(
    "--versions",
    default="all",
    show_default=True,
    metavar="RULE",
    help="Which versions: all, latest:N, or aliases (those that an alias points to).",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and what it will cost; do nothing.")
@engine_option
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Versions that are explained at the same time on this machine (engine.workers).",
)
@config_option
@store_option
@debug_option
@click.pass_context
def backfill(
    ctx: click.Context,
    /,
    *,
    patterns: tuple[str, ...],
    versions: str,
    dry_run: bool,
    engine: str | None,
    workers: int | None,
    config_path: str | None,
) -> None:
    """Explain what is missing over many registered models, and compare each with the one before.

    The plan comes first: which versions are explained already, which are not, and about how long
    that will take. Versions are explained side by side, each in a process of its own or on Spark.
    After Ctrl-C, the same command goes on where it stopped.
    """
    config = with_engine(read_config(config_path), engine, workers)
    client = open_store(ctx, "the registered models")
    from mlflow_lime.tracking.backfill import find_candidates

    candidates = list(find_candidates(client, patterns or ("*",), versions, config))
    if not candidates:
        click.echo("No version matches; see `mlflow-lime backfill --help` for --models.", err=True)
        ctx.exit(1)
    todo = [item for item in candidates if item.run_id is None and not item.problem]
    spread = _spread(config, len(todo))
    # Asking Spark for its workers opens a session, which a plan does not need.
    unopened = not todo or (dry_run and config.engine.kind == "spark")
    workers = 1 if unopened else min(spread.workers, len(todo))
    click.echo("\n".join(_plan_lines(candidates, config, client, workers)))
    if dry_run:
        return
    try:
        with closing(spread):
            failed = _work_off(candidates, config, spread)
    except KeyboardInterrupt:
        click.echo(_STOPPED, err=True)
        ctx.exit(130)
    if failed or any(item.problem for item in candidates):
        ctx.exit(1)


def _spread(config: "Config", n_versions: int) -> "Engine":
    """Return the engine whose tasks are versions."""
    from mlflow_lime.engine.threads import Threads
    from mlflow_lime.tracking.explaining import WORTH_PROCESSES, engine_of

    chosen = config.engine
    if chosen.mode == "threads" or sum(config.reference.counts.values()) >= WORTH_PROCESSES:
        return Threads(1)  # one version after the other, each spread over the workers itself
    return engine_of(chosen, n_units=n_versions, large=n_versions > 1)


# The plan


def _plan_lines(
    candidates: Sequence["Candidate"], config: "Config", client: "MlflowClient", workers: int
) -> Iterator[str]:
    from mlflow_lime.report.wording import clean

    done = sum(item.run_id is not None for item in candidates)
    todo = sum(item.run_id is None and not item.problem for item in candidates)
    n_models = len({item.name for item in candidates})
    yield (
        f"{_count(n_models, 'model')}, {_count(len(candidates), 'version')}: {done} explained "
        f"already, {todo} to explain"
    )
    yield ""
    known, unknown = 0.0, False
    for name, group in groupby(candidates, key=lambda item: item.name):
        items = list(group)
        missing = [item for item in items if item.run_id is None and not item.problem]
        seconds, basis = _cost(items, missing, config, client)
        if seconds is not None:
            known += seconds * len(missing)
        unknown |= bool(missing) and seconds is None
        yield f"  {clean(name)}: {_missing_text(missing)}{basis}"
        for item in items:
            if item.problem:
                yield f"    version {item.version} cannot be explained: {clean(item.problem)}"
    if todo:
        yield ""
        total = f"about {_duration(known)} of work" if known else "a time that is not known yet"
        beside = f", {_duration(known / workers)} with {workers} workers" if workers > 1 else ""
        yield f"It will take {total}{beside if known else ''}{', and more' if unknown else ''}."


def _missing_text(missing: Sequence["Candidate"]) -> str:
    if not missing:
        return "nothing to explain"
    numbers = [item.version for item in missing]
    shown = ", ".join(numbers[:12]) + (f", ... ({len(numbers)})" if len(numbers) > 12 else "")
    return f"{'version' if len(numbers) == 1 else 'versions'} {shown}"


def _cost(
    items: Sequence["Candidate"],
    missing: Sequence["Candidate"],
    config: "Config",
    client: "MlflowClient",
) -> "tuple[float | None, str]":
    """Return the seconds that a version takes, and how that is known."""
    from mlflow_lime.errors import MlflowLimeError, shorten
    from mlflow_lime.tracking.backfill import usual_seconds

    if not missing:
        return None, ""
    usual = usual_seconds(items)
    if usual is not None:
        return usual, f", {_duration(usual)} each, as its explained versions took"
    try:
        seconds = _tried(missing[0].uri, config, client)
    except MlflowLimeError as error:
        return None, f", which cannot be estimated: {shorten(str(error), 160)}"
    return seconds, f", about {_duration(seconds)} each, as loading it and two small calls tell"


def _tried(uri: str, config: "Config", client: "MlflowClient") -> float:
    """Return the seconds to load a model, and those inside it, from two small calls."""
    from mlflow_lime.cli.estimate import estimate
    from mlflow_lime.cli.validate import questions_of
    from mlflow_lime.tracking.connection import quiet_autologging
    from mlflow_lime.tracking.versions import resolve_model

    started = time.perf_counter()
    with quiet_autologging():
        questions, _, _ = questions_of(resolve_model(uri, client), config, client, anew=False)
        loading = time.perf_counter() - started
        return loading + estimate(questions.explainer, questions.subjects).seconds[1]


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def _duration(seconds: float) -> str:
    """Return a time as a person says it.

    Examples
    --------
    >>> _duration(0.02), _duration(75), _duration(9000)
    ('1 s', '1 min 15 s', '2 h 30 min')
    """
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    minutes = round(whole / 60)
    return f"{minutes // 60} h {minutes % 60} min"


# The work


def _work_off(candidates: Sequence["Candidate"], config: "Config", spread: "Engine") -> int:
    """Explain and compare, say each result as it comes, and return how many versions failed."""
    from mlflow_lime.engine.threads import Threads

    inner = config
    if not isinstance(spread, Threads):  # a worker must not start workers of its own
        alone = {"kind": "local", "mode": "auto", "workers": 1, "spark": {}}
        inner = config.model_copy(update={"engine": config.engine.model_copy(update=alone)})
    todo = [item for item in candidates if item.run_id is None and not item.problem]
    # The first version of a model that has no reference set pins it; the others need it.
    said: list[Said] = []
    rest, bare = todo, {item.name for item in todo if not item.pinned}
    while bare := bare & {item.name for item in rest}:
        first = {item.name: item for item in reversed(rest) if item.name in bare}
        found = _done("explain", list(first.values()), inner, spread)
        said += found
        bare -= {item.name for item in found if item.outcome != "failed"}
        rest = [item for item in rest if first.get(item.name) is not item]
    said += _done("explain", rest, inner, spread)
    good = {(item.name, item.version) for item in said if item.outcome != "failed"}
    before = (config.compare.baseline or "previous") == "previous"
    compare = [
        item
        for item in candidates
        if not item.compared
        and not (item.first and before)
        and (item.run_id is not None or (item.name, item.version) in good)
    ]
    said += _done("compare", compare, inner, spread)
    outcomes = [item.outcome for item in said]
    click.echo(
        f"\n{_count(outcomes.count('explained'), 'version')} explained, "
        f"{outcomes.count('compared')} compared, {outcomes.count('failed')} failed"
    )
    return outcomes.count("failed")


def _done(
    action: Literal["explain", "compare"],
    items: Sequence["Candidate"],
    config: "Config",
    spread: "Engine",
) -> list["Said"]:
    from tqdm import tqdm

    from mlflow_lime.engine.threads import Threads
    from mlflow_lime.tracking.backfill import Deed, Said, backfilling

    if not items:
        return []
    if len(items) <= _FEW[action]:
        spread = Threads(1)
    tasks = iter([Deed(item.name, item.version) for item in items])
    said = []
    bar = tqdm(total=len(items), unit="version", desc=f"LIME {action}", disable=None)
    with bar, closing(spread.run(backfilling(action, config), tasks)) as results:
        for result in results:
            for line in result.lines:
                item = Said.read(line)
                said.append(item)
                text = _said_text(item)
                if text:
                    bar.write(text)
                bar.update()
    return said


def _said_text(item: "Said") -> str:
    from mlflow_lime.report.wording import clean

    if item.outcome in ("alone", "repeated"):
        return ""
    detail = f": {clean(item.text)}" if item.text else ""
    took = f" in {_duration(item.seconds)}" if item.outcome == "explained" else ""
    return f"{clean(item.name)}/{item.version} {item.outcome}{took}{detail}"
