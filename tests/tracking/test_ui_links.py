"""Links into MLflow's pages: coded whole, and found again by whoever reads them."""

import json
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mlflow_lime.tracking.ui_links import (
    RunPlace,
    artifact_link,
    instances_link,
    metrics_link,
    picture_source,
    pictures_link,
    run_link,
    version_link,
    view_link,
)

PLACES = [RunPlace("1", "ab"), RunPlace("1", "cd")]
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)


def parameters(link):
    return dict(parse_qsl(link.partition("?")[2], strict_parsing=True))


def links(name):
    return [
        run_link(RunPlace(name, name)),
        artifact_link(RunPlace(name, name), f"{name}/{name}"),
        picture_source(name, f"{name}/{name}"),
        instances_link([RunPlace(name, name)]),
        pictures_link([RunPlace(name, name)]),
        metrics_link(name, {name: name}),
        version_link(name, name),
        view_link(name, name),
    ]


@given(NAMES)
def test_a_link_is_one_target_in_markdown_whatever_the_names(name):
    for link in links(name):
        (paragraph,) = [t for t in MarkdownIt("commonmark").parse(f"[x]({link})") if t.children]
        opened, words, closed = paragraph.children
        assert (opened.attrs["href"], words.content, closed.type) == (link, "x", "link_close")
        assert not set(link) & set(" ()<>\"'\\|`*[]{}")
        assert link.isascii()


@pytest.mark.parametrize("link", [link for link in links("x") if not link.startswith("get-")])
def test_every_page_opens_in_the_mode_that_has_a_model_registry(link):
    assert link.startswith("#/")
    assert parameters(link)["workflowType"] == "machine_learning"


@given(NAMES)
def test_the_page_of_an_artifact_is_found_by_its_path(name):
    path = artifact_link(RunPlace("1", "ab"), f"lime/{name.replace('/', '-')}").partition("?")[0]
    assert path.split("/")[:6] == ["#", "experiments", "1", "runs", "ab", "artifacts"]
    assert unquote(path.rpartition("/")[2]) == name.replace("/", "-")


def test_two_runs_are_limited_to_by_a_filter():
    found = parameters(instances_link(PLACES))
    assert found["searchFilter"] == "attributes.run_id IN ('ab','cd')"
    assert found["compareRunsMode"] == "ARTIFACT"
    assert instances_link([*PLACES, PLACES[0]]) == instances_link(PLACES)


def test_runs_of_several_experiments_have_no_table_in_common():
    assert instances_link([*PLACES, RunPlace("2", "ef")]) is None
    assert instances_link([]) is None


def test_pictures_of_runs_of_several_experiments_are_compared():
    found = parameters(pictures_link([*PLACES, RunPlace("2", "ef")]))
    assert json.loads(found["runs"]) == ["ab", "cd", "ef"]
    assert json.loads(found["experiments"]) == ["1", "2"]
    assert pictures_link(PLACES).startswith("#/compare-runs?runs="), "read by its place"


@given(NAMES)
def test_the_page_decodes_the_name_of_the_model_twice(name):
    link = metrics_link(name, {"1": "ab", "2": "cd"})
    assert link.startswith("#/compare-model-versions?name="), "read by its place"
    found = parameters(link)
    assert unquote(json.loads(found["name"])) == name
    assert json.loads(found["runs"]) == {"1": "ab", "2": "cd"}
    assert unquote(unquote(version_link(name, "1").split("/")[2])) == name


def test_the_address_of_a_picture_is_relative_to_the_server():
    assert parameters(picture_source("ab", "a b/ä.svg")) == {"path": "a b/ä.svg", "run_uuid": "ab"}
    assert not picture_source("ab", "x").startswith(("/", "#"))
