"""Links into MLflow's own pages: the one place that knows how its addresses are written.

They hold for the pages of MLflow 3.17, and are relative, so that a server may live at any address.
Nothing in them has a meaning in Markdown, HTML, or a URL: they may stand as the target of a link.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

__all__ = [
    "RunPlace",
    "artifact_link",
    "instances_link",
    "metrics_link",
    "picture_source",
    "pictures_link",
    "run_link",
    "version_link",
    "view_link",
]

_MODE = ("workflowType", "machine_learning")
"""A browser that was never there before opens every experiment without its model registry."""


@dataclass(frozen=True, slots=True)
class RunPlace:
    """A run, and the experiment that it lies in.

    Attributes
    ----------
    experiment_id, run_id : str
    """

    experiment_id: str
    run_id: str


def artifact_link(place: RunPlace, path: str) -> str:
    """Return the link to an artifact, shown on the page of its run.

    Examples
    --------
    >>> artifact_link(RunPlace("1", "ab"), "lime_report.html")
    '#/experiments/1/runs/ab/artifacts/lime_report.html?workflowType=machine_learning'
    """
    file = "/".join(_coded(part) for part in path.split("/"))
    return _page(
        f"experiments/{_coded(place.experiment_id)}/runs/{_coded(place.run_id)}/artifacts/{file}"
    )


def run_link(place: RunPlace) -> str:
    """Return the link to the page of a run.

    Examples
    --------
    >>> run_link(RunPlace("1", "ab"))
    '#/experiments/1/runs/ab?workflowType=machine_learning'
    """
    return _page(f"experiments/{_coded(place.experiment_id)}/runs/{_coded(place.run_id)}")


def picture_source(run_id: str, path: str) -> str:
    """Return the address of a picture among the artifacts of a run.

    Examples
    --------
    >>> picture_source("ab", "lime_overview.svg")
    'get-artifact?path=lime_overview.svg&run_uuid=ab'
    """
    return f"get-artifact?path={_coded(path)}&run_uuid={_coded(run_id)}"


def instances_link(places: Sequence[RunPlace]) -> str | None:
    """Return the link to the tables of several runs, row by row beside each other.

    Returns
    -------
    str or None
        None where the runs lie in several experiments, which that page cannot show at once.

    Examples
    --------
    >>> instances_link([RunPlace("1", "ab"), RunPlace("2", "cd")]) is None
    True
    """
    experiments = {place.experiment_id for place in places}
    if len(experiments) != 1:
        return None
    runs = ",".join(f"'{run_id}'" for run_id in _runs(places))
    return _page(
        f"experiments/{_coded(experiments.pop())}/runs",
        ("compareRunsMode", "ARTIFACT"),
        ("searchFilter", f"attributes.run_id IN ({runs})"),
        # In any order but that of time, MLflow does not hide runs below those that they belong to.
        ("orderByKey", "tags.`mlflow.runName`"),
        ("orderByAsc", "true"),
    )


def pictures_link(places: Sequence[RunPlace]) -> str:
    """Return the link to several runs side by side, with the pictures at their roots."""
    experiments = list(dict.fromkeys(place.experiment_id for place in places))
    return _page(
        "compare-runs", ("runs", _json(_runs(places))), ("experiments", _json(experiments))
    )


def metrics_link(name: str, runs: Mapping[str, str]) -> str:
    """Return the link to the metrics of several versions of a registered model.

    Parameters
    ----------
    name : str
        The registered model.
    runs : mapping of str to str
        The source run of each version, by its number.
    """
    # The page decodes the name once more than everything else, and finds it in first place alone.
    return _page("compare-model-versions", ("name", _json(_coded(name))), ("runs", _json(runs)))


def version_link(name: str, version: str) -> str:
    """Return the link to the page of a model version.

    Examples
    --------
    >>> version_link("credit", "2")
    '#/models/credit/versions/2?workflowType=machine_learning'
    """
    # The router and the page decode the name, one after the other.
    return _page(f"models/{_coded(_coded(name))}/versions/{_coded(version)}")


def view_link(experiment_id: str, view_id: str) -> str:
    """Return the link to a saved view of an experiment."""
    return _page(
        f"experiments/{_coded(experiment_id)}/runs",
        ("viewStateShareKey", view_id),
        ("compareRunsMode", "CHART"),
    )


def _page(path: str, *parameters: tuple[str, str]) -> str:
    pairs = "&".join(f"{key}={_coded(value)}" for key, value in (*parameters, _MODE))
    return f"#/{path}?{pairs}"


def _coded(text: str) -> str:
    return quote(text, safe="")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _runs(places: Sequence[RunPlace]) -> list[str]:
    return list(dict.fromkeys(place.run_id for place in places))
