"""Outcomes of checks as lines for a terminal, as Markdown, as JSON, and as things to log."""

import json
import textwrap
from collections.abc import Iterator, Sequence

from mlflow_lime import names
from mlflow_lime.checks.check import SEVERITIES, Outcome
from mlflow_lime.errors import DataError, shorten
from mlflow_lime.report.items import File, Item, Metric
from mlflow_lime.report.markdown import as_code, as_prose
from mlflow_lime.report.wording import clean, cut

__all__ = [
    "findings_items",
    "findings_json",
    "findings_lines",
    "findings_markdown",
    "ordered",
    "read_findings_json",
]

FORMAT = 1
_WIDTH = 100
_KEYS = 5
_STATES = ("raised", "passed", "skipped", "not applicable")


def findings_items(outcomes: Sequence[Outcome]) -> list[Item]:
    """Return everything that is logged of the outcomes of checks."""
    raised = [item for item in outcomes if item.state == "raised"]
    errors = [item for item in raised if item.severity == "error"]
    return [
        Metric(f"{names.PREFIX}findings", float(len(raised))),
        Metric(f"{names.PREFIX}findings_error", float(len(errors))),
        File(names.FINDINGS_FILE, findings_json(outcomes).encode("utf-8", "backslashreplace")),
    ]


def findings_json(outcomes: Sequence[Outcome]) -> str:
    """Return outcomes as JSON; `read_findings_json` reads them back."""
    data = {"format": FORMAT, "outcomes": [item.to_dict() for item in outcomes]}
    return json.dumps(data, ensure_ascii=False, allow_nan=False, indent=1)


def read_findings_json(text: str) -> tuple[Outcome, ...]:
    """Read what `findings_json` wrote.

    Raises
    ------
    DataError
        If these are no outcomes, or they were written by a newer format.
    """
    try:
        data = json.loads(text)
        written, items = data["format"], list(data["outcomes"])
    except (KeyError, TypeError, ValueError) as error:
        msg = f"these are no findings ({type(error).__name__}); check the version again"
        raise DataError(msg) from error
    if written != FORMAT:
        msg = f"the findings have format {shorten(written)}, expected {FORMAT}; upgrade mlflow-lime"
        raise DataError(msg)
    return tuple(Outcome.from_dict(item) for item in items)


def ordered(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return outcomes, what was raised first and there the worst first, else by code."""
    return sorted(
        outcomes,
        key=lambda item: (
            _STATES.index(item.state),
            -SEVERITIES.index(item.severity) if item.state == "raised" else 0,
            item.code,
        ),
    )


def _headline(outcomes: Sequence[Outcome]) -> str:
    counts = {state: sum(item.state == state for item in outcomes) for state in _STATES}
    return f"{len(outcomes)} checks: " + ", ".join(f"{n} {state}" for state, n in counts.items())


def findings_lines(outcomes: Sequence[Outcome], *, every: bool = False) -> Iterator[str]:
    """Yield outcomes as lines for a person at a terminal.

    Parameters
    ----------
    outcomes : sequence of Outcome
    every : bool, default False
        Whether to tell also of checks that passed or do not apply.
    """
    yield _headline(outcomes)
    for item in ordered(outcomes):
        if item.state != "raised" and not every:
            continue
        mark = item.severity if item.state == "raised" else item.state
        yield ""
        yield f"{cut(mark, 14):<14}  {cut(item.code, 12)}  {cut(item.title, 66)}"
        yield from _wrapped(f"{item.reason}.")
        if item.instances:
            keys = ", ".join(cut(key, 24) for key in item.instances[:_KEYS])
            rest = len(item.instances) - _KEYS
            yield from _wrapped(f"instances: {keys}{f' and {rest} more' if rest > 0 else ''}")
        if item.page and item.state == "raised":
            yield from _wrapped(f"see {item.page}")
    skipped = [item for item in ordered(outcomes) if item.state == "skipped"]
    if skipped and not every:
        yield ""
        yield "Skipped"
        for item in skipped:
            yield from _wrapped(f"{item.code} {item.title}: {item.reason}", indent=2)


def _wrapped(text: str, indent: int = 16) -> Iterator[str]:
    yield from textwrap.wrap(
        clean(text),
        _WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent if indent > 2 else 4),
        break_on_hyphens=False,
    )


def findings_markdown(outcomes: Sequence[Outcome]) -> str:
    """Return outcomes as a Markdown table, in which nothing from the data is markup."""
    lines = [
        _headline(outcomes),
        "",
        "| | check | why | instances |",
        "|---|---|---|---|",
    ]
    for item in ordered(outcomes):
        mark = f"**{item.severity}**" if item.state == "raised" else item.state
        keys = ", ".join(as_code(cut(key, 24)) for key in item.instances[:_KEYS])
        rest = len(item.instances) - _KEYS
        keys += f" and {rest} more" if rest > 0 else ""
        what = f"{as_code(item.code)} {as_prose(item.title)}"
        lines.append(f"| {mark} | {what} | {as_prose(item.reason)} | {keys} |")
    return "\n".join(lines) + "\n"
