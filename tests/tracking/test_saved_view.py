"""A saved view is one tag of the experiment, written once; the browser's tests open it."""

import json

import pytest

from mlflow_lime.errors import VersionNotFoundError
from mlflow_lime.tracking.saved_view import save_view

TAG = "mlflow.sharedViewState."


def views(client, experiment):
    tags = client.get_experiment(experiment).tags
    return {key.removeprefix(TAG): said for key, said in tags.items() if key.startswith(TAG)}


@pytest.fixture
def experiment(tracking, request):
    return tracking.create_experiment(f"views {request.node.name}")


def test_a_view_is_written_once_and_stays_as_a_person_left_it(tracking, experiment):
    link = save_view(tracking, experiment)
    ((view, said),) = views(tracking, experiment).items()
    assert f"viewStateShareKey={view}&" in link
    assert link.startswith(f"#/experiments/{experiment}/runs?")
    renamed = json.dumps({**json.loads(said), "name": "Ours"})
    tracking.set_experiment_tag(experiment, f"{TAG}{view}", renamed)
    assert save_view(tracking, experiment) == link
    assert views(tracking, experiment) == {view: renamed}


def test_a_view_has_what_mlflow_reads(tracking, experiment):
    save_view(tracking, experiment, "roc_auc")
    (said,) = views(tracking, experiment).values()
    view = json.loads(said)
    assert isinstance(view["name"], str)
    assert isinstance(view["createdAt"], int)
    state = json.loads(view["state"])
    (chart,) = state["compareRunCharts"]
    (section,) = state["compareRunSections"]
    assert (chart["type"], chart["metricSectionId"]) == ("SCATTER", section["uuid"])
    assert chart["xaxis"]["key"] == "lime/fidelity_r2"
    assert chart["yaxis"]["key"] == "roc_auc"
    assert len(said) < 5000


def test_other_metrics_and_other_experiments_have_views_of_their_own(tracking, experiment):
    other = tracking.create_experiment(f"other {experiment}")
    links = {
        save_view(tracking, experiment),
        save_view(tracking, experiment, "roc_auc"),
        save_view(tracking, experiment, fidelity="lime/partial_r2"),
        save_view(tracking, other),
    }
    assert len(links) == 4
    assert len(views(tracking, experiment)) == 3


def test_an_experiment_that_is_not_there_is_an_error_of_ours(tracking):
    with pytest.raises(VersionNotFoundError, match="'123456789' does not exist"):
        save_view(tracking, "123456789")
