"""The page that a reviewer reads: one HTML file that needs nothing else."""

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from mlflow_lime.checks.check import Outcome
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.report.findings import ordered
from mlflow_lime.report.html import template_of
from mlflow_lime.report.overview import draw_overview
from mlflow_lime.report.pages.axis import MARKS
from mlflow_lime.report.pages.cards import make_cards
from mlflow_lime.report.pages.changes import changes_views
from mlflow_lime.report.pages.content import Content
from mlflow_lime.report.pages.methods import methods_summary
from mlflow_lime.report.pages.multiples import groups_left_out, small_multiples
from mlflow_lime.report.pages.numbers import all_numbers, main_numbers
from mlflow_lime.report.pages.summary import summarise_content
from mlflow_lime.report.wording import clean_lines, cut

__all__ = ["baseline_of", "render_report"]

_OPEN = 60
"""Cards that are open at first; of more instances, all are closed."""

_KEYS = 12
"""Instances that a finding names."""


def render_report(content: Content, *, top: int = 10, most: int = 1000) -> str:
    """Return the page of a version, beside up to five others.

    Parameters
    ----------
    content : Content
        What to show.
    top : int, default 10
        Parts drawn for an instance.
    most : int, default 1000
        Instances shown one by one; the numbers are of all.

    Returns
    -------
    str
        An HTML document without requests. It is readable without its script, which sorts, filters
        and switches the theme; nothing that comes from data is markup in it, and its policy lets
        no other script run.
    """
    side = content.side
    cards = make_cards(content, top=max(1, top), most=max(1, most))
    overview = draw_overview(side.explanations, title=side.name, baseline=baseline_of(content))
    script = _script()
    return template_of("report.html.jinja").render(
        title=cut(side.name, 120) or "model version",
        others=_others(content),
        summary=summarise_content(content),
        numbers=main_numbers(content),
        rows=all_numbers(content),
        overview=Markup(_inline(overview)),  # escaped where it is drawn
        panels=small_multiples(content),
        panels_left_out=groups_left_out(content),
        inside=methods_summary(side),
        changes=changes_views(content),
        findings=None if content.outcomes is None else _findings(content.outcomes),
        gate_reasons=[cut(why, 400) for why in content.gate.reasons] if content.gate else [],
        cards=cards,
        open_cards=len(cards.cards) <= _OPEN,
        failed=[(cut(item.key, 60), cut(item.reason, 300)) for item in side.failed],
        provenance=_provenance(content),
        config_text=clean_lines(side.config_text),
        notes=[cut(note, 400) for note in side.notes],
        script=Markup(script),  # our own file
        script_hash=_digest(script),
    )


def baseline_of(content: Content) -> tuple[Explanation, ...] | None:
    """Return the explanations that are drawn beside the version's; None where there are none."""
    first = content.others[0] if content.others else None
    return first.side.explanations if first and not first.why_not else None


def _others(content: Content) -> list[tuple[str, str]]:
    """Return sign and name of each other version."""
    return [
        (MARKS[place % len(MARKS)], cut(other.side.name, 60))
        for place, other in enumerate(content.others)
    ]


@cache
def _script() -> str:
    text = files("mlflow_lime.report").joinpath("templates", "report.js").read_text("utf-8")
    return text.strip()


def _digest(script: str) -> str:
    """Return what the page's policy lets run: this very script."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")


def _inline(svg: str) -> str:
    """Return a picture of a fixed width as one that shrinks with the page."""
    return svg.replace("<svg ", '<svg class="overview" ', 1)


def _findings(outcomes: tuple[Outcome, ...]) -> list[dict[str, Any]]:
    return [
        {
            "code": cut(item.code, 12),
            "title": cut(item.title, 120),
            "severity": item.severity,
            "state": item.state,
            "reason": cut(item.reason, 600),
            "keys": [cut(key, 60) for key in item.instances[:_KEYS]],
            "more": max(0, len(item.instances) - _KEYS),
        }
        for item in ordered(outcomes)
    ]


def _provenance(content: Content) -> list[tuple[str, list[str]]]:
    """Return how each version came about, as rows of a table with a column for each version."""
    sides = [content.side, *(other.side for other in content.others)]
    known = list(dict.fromkeys(name for side in sides for name in side.provenance))
    return [
        (cut(name, 60), [cut(side.provenance.get(name, ""), 200) for side in sides])
        for name in known
    ]
