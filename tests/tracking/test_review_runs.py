"""The run of a review is found again, wherever it lies, and never that of another model."""

import mlflow
import pytest
from sklearn.tree import DecisionTreeClassifier

from mlflow_lime import names
from mlflow_lime.errors import (
    ModelError,
    VersionNotFoundError,
)
from mlflow_lime.tracking.logged_explanations import load_explanations


def test_a_name_that_is_registered_anew_is_another_model(desk):
    first = desk.explain(desk.register())
    desk.client.delete_registered_model(desk.name)
    uri = desk.register(DecisionTreeClassifier(max_depth=2))
    with pytest.raises(ModelError, match="has not been explained"):
        load_explanations(uri)
    second = desk.explain(uri)
    assert not second.repeated
    assert second.run_id != first.run_id


def test_another_experiment_than_the_default_one(desk, tracking):
    folder = (desk.folder / "elsewhere").as_uri()
    other = tracking.create_experiment(f"other {desk.name}", artifact_location=folder)
    mlflow.set_experiment(experiment_id=other)
    uri = desk.register()
    mlflow.set_experiment(experiment_id="0")
    review = desk.explain(uri)
    assert tracking.get_run(review.run_id).info.experiment_id == other
    assert desk.explain(uri).repeated


def test_the_run_that_we_were_started_in_is_used_and_left_open(desk, store, monkeypatch):
    uri = desk.register()
    given = desk.client.create_run(store[1], run_name="mlflow run")
    monkeypatch.setenv("MLFLOW_RUN_ID", given.info.run_id)
    review = desk.explain(uri)
    run = desk.client.get_run(given.info.run_id)
    assert review.run_id == given.info.run_id
    assert run.info.status == "RUNNING"
    assert run.data.tags[names.TAG_STATUS] == "completed"
    assert desk.explain(uri).repeated
    monkeypatch.delenv("MLFLOW_RUN_ID")
    assert desk.explain(uri).run_id == given.info.run_id


def test_a_second_version_in_the_same_given_run_gets_a_run_below_it(desk, store, monkeypatch):
    uris = [desk.register(), desk.register(DecisionTreeClassifier(max_depth=2))]
    given = desk.client.create_run(store[1])
    monkeypatch.setenv("MLFLOW_RUN_ID", given.info.run_id)
    first, second = (desk.explain(uri) for uri in uris)
    assert first.run_id == given.info.run_id != second.run_id
    run = desk.client.get_run(second.run_id)
    assert run.data.tags["mlflow.parentRunId"] == given.info.run_id
    assert run.info.status == "FINISHED"
    assert run.data.metrics == second.metrics
    assert desk.client.get_run(first.run_id).data.metrics == first.metrics


def test_a_given_run_in_another_experiment_is_found_later(desk, tracking, monkeypatch):
    folder = (desk.folder / "elsewhere").as_uri()
    other = tracking.create_experiment(f"other {desk.name}", artifact_location=folder)
    uri = desk.register()
    first = desk.explain(uri)
    given = tracking.create_run(other)
    monkeypatch.setenv("MLFLOW_RUN_ID", given.info.run_id)
    assert desk.explain(uri).run_id == first.run_id


def test_a_given_run_that_does_not_exist(desk, monkeypatch):
    uri = desk.register()
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    with pytest.raises(VersionNotFoundError, match="MLFLOW_RUN_ID"):
        desk.explain(uri)
