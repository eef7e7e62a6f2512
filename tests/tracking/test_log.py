"""The one place that writes: to the run and the model, and nothing a second time."""

import json

import mlflow
import pandas as pd
import pytest

from mlflow_lime.report.items import File, Metric, Table, VersionTag, WrittenFile
from mlflow_lime.tracking.log import Destination, tag_version, write_items
from mlflow_lime.tracking.versions import ModelVersionRef, resolve_model


@pytest.fixture
def run(tracking, store):
    return tracking.create_run(store[1])


@pytest.fixture
def to(run):
    return Destination(run.info.run_id, run.info.start_time)


ITEMS = [
    Metric("lime/seconds", 2.5),
    File("lime/a/b.txt", b"hello"),
    File("top.txt", b"top"),
    Table("lime/t.json", pd.DataFrame({"w": [1e-12, None, 1.5], "name": ["a", 'é"', None]})),
    VersionTag("lime", "ok"),
]


def test_metrics_files_and_tables_arrive(tracking, to):
    assert write_items(tracking, ITEMS, to) == {"lime/seconds": 2.5}
    run = tracking.get_run(to.run_id)
    assert run.data.metrics == {"lime/seconds": 2.5}
    text = mlflow.artifacts.load_text(f"runs:/{to.run_id}/lime/a/b.txt")
    assert text == "hello"
    table = mlflow.load_table("lime/t.json", run_ids=[to.run_id])
    assert table["w"].iloc[0] == 1e-12
    assert table["name"].tolist()[:2] == ["a", 'é"']
    assert json.loads(run.data.tags["mlflow.loggedArtifacts"]) == [
        {"path": "lime/t.json", "type": "table"}
    ]


def test_writing_twice_changes_nothing_and_the_first_value_stays(tracking, to):
    write_items(tracking, ITEMS, to)
    again = [Metric("lime/seconds", 9.0), Metric("lime/instances", 3.0), *ITEMS[1:]]
    assert write_items(tracking, again, to) == {"lime/seconds": 2.5, "lime/instances": 3.0}
    for name, value in {"lime/seconds": 2.5, "lime/instances": 3.0}.items():
        (point,) = tracking.get_metric_history(to.run_id, name)
        assert (point.value, point.timestamp, point.step) == (value, to.timestamp, 0)
    tags = tracking.get_run(to.run_id).data.tags
    assert len(json.loads(tags["mlflow.loggedArtifacts"])) == 1


def test_another_review_adds_points_of_its_own(tracking, to):
    write_items(tracking, ITEMS[:1], to)
    write_items(tracking, ITEMS[:1], Destination(to.run_id, to.timestamp + 7))
    assert len(tracking.get_metric_history(to.run_id, "lime/seconds")) == 2


def test_a_folder_of_ones_own(tracking, to):
    write_items(tracking, ITEMS, to, folder="v/2")
    listed = {entry.path for entry in tracking.list_artifacts(to.run_id, "v/2")}
    assert listed == {"v/2/lime", "v/2/top.txt"}
    assert mlflow.load_table("v/2/lime/t.json", run_ids=[to.run_id]) is not None


def test_tables_that_the_run_lists_already_stay(tracking, to):
    other = [{"path": "mine.json", "type": "table"}]
    tracking.set_tag(to.run_id, "mlflow.loggedArtifacts", json.dumps(other))
    write_items(tracking, ITEMS, to)
    tags = tracking.get_run(to.run_id).data.tags
    assert [x["path"] for x in json.loads(tags["mlflow.loggedArtifacts"])] == [
        "mine.json",
        "lime/t.json",
    ]


def test_metrics_reach_the_logged_model_after_a_kill_between_the_two(desk, tracking, monkeypatch):
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    ref = resolve_model(desk.register())
    run = tracking.create_run(ref.experiment_id)
    to = Destination(run.info.run_id, run.info.start_time, ref.model_id, "data", "01234567")
    with monkeypatch.context() as patch:
        patch.setattr(SqlAlchemyStore, "_log_model_metrics", lambda *args, **kwargs: None)
        write_items(tracking, ITEMS[:1], to)
    assert not tracking.get_logged_model(ref.model_id).metrics
    for _ in range(2):
        write_items(tracking, [Metric("lime/seconds", 77.0)], to)
        (metric,) = tracking.get_logged_model(ref.model_id).metrics
        assert (metric.value, metric.dataset_digest) == (2.5, "01234567")
        assert len(tracking.get_metric_history(to.run_id, "lime/seconds")) == 1


def test_nothing_to_write(tracking, to):
    assert write_items(tracking, [], to) == {}
    assert tracking.list_artifacts(to.run_id) == []


def test_only_a_registered_version_is_tagged(desk, tracking):
    ref = resolve_model(desk.register())
    tag_version(tracking, ref, ITEMS)
    assert tracking.get_model_version(desk.name, "1").tags == {"lime": "ok"}
    tag_version(tracking, ModelVersionRef(uri="models:/m-1", model_id="m-1"), ITEMS)


def test_a_file_that_is_too_large_to_be_held_writes_itself(tracking, to):
    item = WrittenFile("lime/large.bin", lambda path: path.write_bytes(b"abc"))
    write_items(tracking, [item], to, folder="below")
    local = mlflow.artifacts.download_artifacts(f"runs:/{to.run_id}/below/lime/large.bin")
    with open(local, "rb") as file:
        assert file.read() == b"abc"
