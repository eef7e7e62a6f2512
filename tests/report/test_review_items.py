"""What there is to log: every name a known one, each item once, nothing about a server."""

import io
import json

import pandas as pd
import pytest
from PIL import Image

from mlflow_lime import names
from mlflow_lime.core.explanation import FailedExplanation
from mlflow_lime.report.facts import InstanceFacts
from mlflow_lime.report.figures import explanation_png
from mlflow_lime.report.items import File, Metric, Picture, Table, VersionTag
from mlflow_lime.report.jsonlines import read_explanations_json
from mlflow_lime.report.review_items import Wanted, review_items
from tests.report.with_contents import image_explanation, quarters, text_explanation
from tests.strategies import HOSTILE_NAMES, make_explanation, make_label


def items(explanations, failed=(), **options):
    return list(
        review_items(
            explanations,
            failed,
            title="credit/1",
            seconds=1.5,
            config_text="seed: 0\n",
            recipe={"model": "credit/1"},
            **options,
        )
    )


@pytest.fixture
def explained():
    return [make_explanation([make_label([0.3, -0.1, 0.0])], key=f"{i:02d} #ab") for i in range(3)]


FAILED = FailedExplanation("03 #cd", "the model raised ValueError", "ModelError")


def paths(found):
    return [item.path for item in found if isinstance(item, (File, Table))]


def test_every_logged_name_is_a_known_one_and_comes_once(explained):
    found = items(explained, [FAILED])
    metrics = [item.name for item in found if isinstance(item, Metric)]
    assert set(metrics) <= set(names.METRICS)
    assert len(metrics) == len(set(metrics))
    assert {item.name: item.value for item in found if isinstance(item, Metric)}[
        "lime/seconds"
    ] == 1.5
    assert sorted(paths(found)) == sorted(
        [
            names.EXPLANATIONS_JSON,
            names.EXPLANATIONS_PARQUET,
            names.CONFIG_FILE,
            names.RECIPE_FILE,
            names.FACTS_FILE,
            names.INSTANCES_TABLE,
            names.WEIGHTS_TABLE,
            names.OVERVIEW_PICTURE,
            *[f"{names.PICTURES}/{i:02d}.png" for i in range(3)],
        ]
    )


def test_explanations_can_be_read_back(explained):
    by_path = {i.path: i for i in items(explained, [FAILED]) if isinstance(i, (File, Table))}
    again, failed = read_explanations_json(by_path[names.EXPLANATIONS_JSON].content.decode())
    assert [item.to_json() for item in again] == [item.to_json() for item in explained]
    assert failed == [FAILED]
    frame = pd.read_parquet(io.BytesIO(by_path[names.EXPLANATIONS_PARQUET].content))
    assert len(frame) == 9
    assert json.loads(by_path[names.RECIPE_FILE].content) == {"model": "credit/1"}
    assert by_path[names.CONFIG_FILE].content == b"seed: 0\n"
    assert len(by_path[names.INSTANCES_TABLE].frame) == 4


def test_a_picture_has_the_number_of_its_instance(explained):
    found = [p for p in paths(items([explained[0], explained[2]], [FAILED])) if "plots" in p]
    assert found == [f"{names.PICTURES}/00.png", f"{names.PICTURES}/02.png"]
    other = [make_explanation([make_label([0.1])], key=key) for key in ("alice", "²", "")]
    found = [p for p in paths(items(other)) if "plots" in p]
    assert found == [f"{names.PICTURES}/{i:02d}.png" for i in range(3)]


def test_only_what_is_wanted(explained):
    wanted = Wanted(pictures=False, tables=False, version_tags=False)
    found = items(explained, wanted=wanted)
    assert {type(item) for item in found} == {Metric, File}
    assert not [path for path in paths(found) if path.endswith((".png", ".svg"))]
    few = paths(items(explained, wanted=Wanted(max_pictures=1)))
    assert [path for path in few if path.endswith(".png")] == [f"{names.PICTURES}/00.png"]
    assert names.OVERVIEW_PICTURE in few


@pytest.mark.parametrize(
    ("n_explained", "failed", "status"),
    [
        (3, [], "ok, fit 0.58"),
        (3, [FAILED], "1 of 4 failed, fit 0.58"),
        (0, [FAILED], "failed"),
    ],
)
def test_the_version_is_tagged_with_what_came_of_it(explained, n_explained, failed, status):
    found = items(explained[:n_explained], failed)
    tags = {item.key: item.value for item in found if isinstance(item, VersionTag)}
    assert tags[names.TAG_VERSION_STATUS] == status
    if n_explained:
        assert tags[names.TAG_VERSION_TOP] == "feature 0, feature 1, feature 2"
        assert len(tags) == 2, "the list of versions has room for three, the gate's among them"


def test_when_nothing_was_explained_the_failures_are_still_logged():
    found = items([], [FAILED, FAILED])
    metrics = {item.name: item.value for item in found if isinstance(item, Metric)}
    assert (metrics["lime/failed"], metrics["lime/instances"]) == (2, 0)
    assert names.EXPLANATIONS_PARQUET in paths(found)


def test_flat_explanations_have_no_fit_to_tag():
    flat = [make_explanation([make_label([0.0], flat=True, fidelity_r2=float("nan"))])]
    found = items(flat)
    tags = {item.key: item.value for item in found if isinstance(item, VersionTag)}
    assert tags[names.TAG_VERSION_STATUS] == "ok"
    assert "lime/fidelity_r2" not in [i.name for i in found if isinstance(i, Metric)]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_are_no_obstacle(name):
    hostile = make_explanation([make_label([0.2, 0.1])], names=[name, f"{name}2"], key=name)
    found = items(
        [hostile], [FailedExplanation(name, name, name)], facts=InstanceFacts({name: name})
    )
    for item in found:
        if isinstance(item, VersionTag):
            assert len(item.value) <= 200


def images():
    keys = ("00 #a", "02 #b", "07 #c")
    return [image_explanation(quarters(), [0.1, -0.4, 0.0, 0.2], key=key) for key in keys]


def test_images_go_to_the_image_grid_by_the_number_of_their_instance():
    found = [item for item in items(images()) if isinstance(item, Picture)]
    assert [(item.key, item.step) for item in found] == [(names.PICTURE_KEY, n) for n in (0, 2, 7)]
    with Image.open(io.BytesIO(found[0].png)) as picture:
        assert picture.size == (350, 350)


def test_every_explanation_goes_to_the_image_grid_as_the_picture_that_its_file_holds(explained):
    found = items([explained[0], explained[2]], [FAILED])
    pictures = {item.step: item.png for item in found if isinstance(item, Picture)}
    assert list(pictures) == [0, 2]
    files = {i.path: i.content for i in found if isinstance(i, File)}
    for step, png in pictures.items():
        assert png == files[f"{names.PICTURES}/{step:02d}.png"]
        with Image.open(io.BytesIO(png)) as picture:
            assert picture.size == (700, 700)


def test_a_picture_has_few_enough_bars_to_be_read_small():
    many = make_explanation([make_label([0.1] * 12)])
    for asked, drawn in ((12, 7), (3, 3)):
        (picture,) = [
            item for item in items([many], wanted=Wanted(top=asked)) if isinstance(item, Picture)
        ]
        assert picture.png == explanation_png(many, many.labels[0], top=drawn)


def test_the_image_grid_is_bounded_as_the_pictures_are():
    found = items(images(), wanted=Wanted(max_pictures=1))
    assert len([item for item in found if isinstance(item, Picture)]) == 1
    assert not [
        item for item in items(images(), wanted=Wanted(pictures=False)) if isinstance(item, Picture)
    ]


def top_tag(explanations):
    tags = {i.key: i.value for i in items(explanations) if isinstance(i, VersionTag)}
    return tags.get(names.TAG_VERSION_TOP)


def test_the_version_is_tagged_with_words_but_not_with_segments():
    assert top_tag([text_explanation("god is love", [0.4, 0.0, 0.1])]) == "god, love, is"
    assert top_tag(images()) is None
    assert top_tag([make_explanation([make_label([0.1])], recipe={"numbered_parts": [0]})]) is None


def test_a_table_of_very_many_weights_is_cut_but_no_file_is():
    long = [text_explanation(" ".join(f"w{j}" for j in range(9000))) for _ in range(3)]
    found = {i.path: i for i in items(long, wanted=Wanted(pictures=False)) if hasattr(i, "path")}
    table = found[names.WEIGHTS_TABLE].frame
    assert len(table) == 3 * (20_000 // 3)
    frame = pd.read_parquet(io.BytesIO(found[names.EXPLANATIONS_PARQUET].content))
    assert len(frame) == 27_000
