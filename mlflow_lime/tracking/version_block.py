"""What the description of a version says of its review, with links into MLflow's pages."""

import re
from collections.abc import Callable

from mlflow_lime import names
from mlflow_lime.report.description import Link, compose_block
from mlflow_lime.report.pages.content import Content, Side
from mlflow_lime.report.pages.numbers import main_numbers
from mlflow_lime.report.pages.summary import summarise_content
from mlflow_lime.tracking.ui_links import (
    RunPlace,
    artifact_link,
    instances_link,
    metrics_link,
    picture_source,
    pictures_link,
)

__all__ = ["version_block"]

_VERSION = re.compile(r"models:/(?P<name>[^/]+)/(?P<number>\d+)")


def version_block(content: Content, holds: Callable[[str, str], bool]) -> str:
    """Return the block for the description of the version that a page is about.

    Parameters
    ----------
    content : Content
        As it was gathered from a review run.
    holds : callable
        Tells whether a run, named by its id, holds a file.
    """
    side = content.side
    place = _place(side)
    other = content.others[0].side if content.others else None
    return compose_block(
        summarise_content(content),
        main_numbers(content),
        report=_report(place, holds) if place else None,
        links=_links(side, other, holds) if other else (),
        picture=_picture(place, holds) if place else "",
        names=[side.name, *(item.side.name for item in content.others)],
    )


def _place(side: Side) -> RunPlace | None:
    """Return where the review run is; None for a side that was not read from one."""
    known = side.provenance
    if not (known.get("experiment") and known.get("review run")):
        return None
    return RunPlace(known["experiment"], known["review run"])


def _report(place: RunPlace, holds: Callable[[str, str], bool]) -> Link | None:
    if not holds(place.run_id, names.REPORT_PAGE):
        return None
    return Link("Open the report", artifact_link(place, names.REPORT_PAGE))


def _picture(place: RunPlace, holds: Callable[[str, str], bool]) -> str:
    held = holds(place.run_id, names.OVERVIEW_PICTURE)
    return picture_source(place.run_id, names.OVERVIEW_PICTURE) if held else ""


def _links(side: Side, other: Side, holds: Callable[[str, str], bool]) -> list[Link]:
    """Return the links to what MLflow itself shows of two versions side by side."""
    mine, theirs = _place(side), _place(other)
    if mine is None or theirs is None:
        return []
    links = []
    instances = instances_link([mine, theirs])
    both = (mine.run_id, theirs.run_id)
    if instances is not None and all(holds(run, names.INSTANCES_TABLE) for run in both):
        links.append(Link(f"Instance by instance, beside {other.name}", instances))
    if all(holds(run, names.OVERVIEW_PICTURE) for run in both):
        links.append(Link("Pictures side by side", pictures_link([theirs, mine])))
    own, former = (_VERSION.fullmatch(item.provenance.get("model", "")) for item in (side, other))
    runs = [item.provenance.get("source run", "") for item in (side, other)]
    if own and former and own["name"] == former["name"] and all(runs) and runs[0] != runs[1]:
        by_number = {former["number"]: runs[1], own["number"]: runs[0]}
        links.append(Link("Metrics side by side", metrics_link(own["name"], by_number)))
    return links
