"""One version after the other on the same instances; nothing twice, nothing hidden."""

import io
import json
import logging
import re
import socket
import sys
import time
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from mlflow_lime import names
from mlflow_lime.errors import (
    ConfigError,
    DataError,
    DigestMismatchError,
    ModelError,
    ReferenceSetError,
    TrackingServerError,
    VersionNotFoundError,
)
from mlflow_lime.reference.reference_set import (
    ASSOCIATIONS_FILE,
    INPUTS_FILE,
    REFERENCE_FILE,
)
from mlflow_lime.tracking.logged_explanations import load_explanations
from mlflow_lime.tracking.review import review_version
from mlflow_lime.tracking.versions import resolve_model

REFERENCE = f"{names.REFERENCE_FOLDER}/{REFERENCE_FILE}"
INPUTS = f"{names.REFERENCE_FOLDER}/{INPUTS_FILE}"
ASSOCIATIONS = f"{names.REFERENCE_FOLDER}/{ASSOCIATIONS_FILE}"


def source_run(uri):
    return resolve_model(uri).run_id


def artifact_path(desk, run_id, path):
    """Return the file that holds an artifact, to be tampered with."""
    uri = desk.client.get_run(run_id).info.artifact_uri
    return Path(uri.removeprefix("file://")) / path


def write_hook(desk, body):
    """Write a predict function beside the configuration, and return its name."""
    module = f"hook_{desk.name.replace('-', '_')}"
    (desk.folder / f"{module}.py").write_text(f"import numpy as np\n\n\n{body}")
    return f"{module}:predict"


BROKEN = """calls = []


def predict(frame):
    calls.append(len(frame))
    if len(calls) > 1:
        raise OSError("disk")
    return np.full((len(frame), 2), 0.5)
"""
HALF = """def predict(frame, model):
    if (frame["x0"] == {bad}).any():
        raise ValueError("I do not like this row")
    return model.get_raw_model().predict_proba(frame)
"""


# Repeats ---------------------------------------------------------------------------------


def test_explaining_twice_changes_nothing(desk, asked):
    uri = desk.register()
    first = desk.explain(uri)
    before = desk.points(first.run_id), desk.points(source_run(uri))
    tags = dict(desk.client.get_run(first.run_id).data.tags)
    asked.clear()
    again = desk.explain(uri)
    assert (again.run_id, again.repeated, first.repeated) == (first.run_id, True, False)
    assert again.metrics == first.metrics
    assert len(desk.runs()) == 1
    assert asked == []
    assert (desk.points(first.run_id), desk.points(source_run(uri))) == before
    assert set(before[0].values()) | set(before[1].values()) == {1}
    assert dict(desk.client.get_run(first.run_id).data.tags) == tags


def test_an_unregistered_model_explained_twice_has_one_run(desk):
    uri = desk.register(registered_model_name=None)
    first, again = desk.explain(uri), desk.explain(uri)
    assert (again.run_id, again.repeated) == (first.run_id, True)


def test_a_rename_of_outputs_is_a_repeat_and_another_seed_is_not(desk):
    uri = desk.register()
    first = desk.explain(uri)
    assert desk.explain(uri, desk.config(outputs={"top": 3})).repeated
    other = desk.explain(uri, desk.config(seed=1))
    assert not other.repeated
    assert other.run_id != first.run_id
    assert other.reference_digest == first.reference_digest
    assert len(desk.runs()) == 2


def test_a_failed_review_can_be_completed_and_no_longer_says_why_it_failed(desk):
    uri = desk.register()
    name = write_hook(desk, BROKEN)
    config = desk.config(predict=name, task="classification")
    with pytest.raises(ModelError):
        desk.explain(uri, config)
    assert [run.info.status for run in desk.runs()] == ["FAILED"]
    write_hook(desk, BROKEN.replace('raise OSError("disk")', "calls.clear()  # mended"))
    sys.modules.pop(name.partition(":")[0])
    review = desk.explain(uri, config)
    (run,) = desk.runs()
    assert (review.run_id, run.info.status) == (run.info.run_id, "FINISHED")
    assert run.data.tags[names.TAG_STATUS] == "completed"
    assert names.TAG_REASON not in run.data.tags


# Two versions ------------------------------------------------------------------------------


def test_a_second_version_inherits_instances_labels_and_background(desk):
    first = desk.explain(desk.register())
    second = desk.explain(desk.register(DecisionTreeClassifier(max_depth=3)))
    assert second.reference_digest == first.reference_digest
    assert [e.key for e in second.explanations] == [e.key for e in first.explanations]
    assert [e.parts for e in second.explanations] == [e.parts for e in first.explanations]
    assert [e.labels[0].label for e in second.explanations] == ["1"] * 5
    assert f"inherited from run {first.run_id}" in second.notes[0]
    tags = desk.client.get_registered_model(desk.name).tags
    assert tags[names.TAG_REFERENCE] == f"{first.reference_digest}@{first.run_id}"
    assert REFERENCE not in desk.artifacts(second.run_id)


def test_two_versions_are_asked_for_the_same_rows(desk, asked):
    """But for the metrics of faithfulness, which follow each version's own weights."""
    config = desk.config(metrics={"faithfulness": False})
    desk.explain(desk.register(), config)
    first = pd.concat([frame for frame in asked if len(frame) >= 32], ignore_index=True)
    asked.clear()
    desk.explain(desk.register(DecisionTreeClassifier(max_depth=3)), config)
    second = pd.concat([frame for frame in asked if len(frame) >= 32], ignore_index=True)
    assert len(first) >= 5 * 31
    key = list(first.columns)
    pd.testing.assert_frame_equal(
        first.sort_values(key, ignore_index=True), second.sort_values(key, ignore_index=True)
    )


def test_a_change_of_the_data_does_not_change_an_inherited_set(desk):
    first = desk.explain(desk.register())
    uri = desk.register()
    desk.frame.sample(frac=0.5, random_state=3).to_parquet(desk.data)
    second = desk.explain(uri)
    assert second.reference_digest == first.reference_digest
    desk.data.unlink()
    assert desk.explain(desk.register()).reference_digest == first.reference_digest


def test_a_new_set_moves_the_pin(desk):
    uri = desk.register()
    first = desk.explain(uri)
    config = desk.config(reference={"count": 3})
    assert desk.explain(uri, config).repeated  # the pinned five stay
    new = desk.explain(uri, config, new_set=True)
    assert len(new.explanations) == 3
    assert new.reference_digest != first.reference_digest
    pin = desk.client.get_registered_model(desk.name).tags[names.TAG_REFERENCE]
    assert pin == f"{new.reference_digest}@{new.run_id}"
    assert desk.explain(desk.register(), config).reference_digest == new.reference_digest


def test_a_new_set_that_is_the_old_one_stays_readable_from_where_the_pin_points(desk):
    desk.explain(desk.register())
    uri = desk.register(DecisionTreeClassifier(max_depth=2))
    second = desk.explain(uri)
    again = desk.explain(uri, new_set=True)
    assert (again.repeated, again.run_id) == (True, second.run_id)
    pin = desk.client.get_registered_model(desk.name).tags[names.TAG_REFERENCE]
    assert pin.endswith(second.run_id)
    third = desk.explain(desk.register())
    assert third.reference_digest == second.reference_digest


def test_another_set_than_the_expected_one_is_refused_before_the_model_is_asked(desk, asked):
    uri = desk.register()
    with pytest.raises(DigestMismatchError, match="expected 0123"):
        desk.explain(uri, expected_digest="0123")
    assert desk.runs() == []
    digest = desk.explain(uri, expected_digest=None).reference_digest
    asked.clear()
    with pytest.raises(DigestMismatchError, match=digest):
        desk.explain(desk.register(), expected_digest="0123")
    assert asked == []
    assert desk.explain(desk.register(), expected_digest=digest).reference_digest == digest


def test_a_version_without_a_pinned_label_says_which(desk):
    desk.explain(desk.register(), desk.config(labels=[1]))
    uri = desk.register(target=np.where(desk.frame["target"] == 1, "yes", "no"))
    with pytest.raises(ModelError, match=r"no class '1'.*no.*yes"):
        desk.explain(uri, desk.config(labels=[1]))
    run = desk.runs()[-1]
    assert (run.info.status, run.data.tags[names.TAG_STATUS]) == ("FAILED", "failed")


# What may be stored -------------------------------------------------------------------------


def everything(desk, run_ids):
    """Return all that is stored of some runs and of the model, as one string of bytes."""
    texts = []
    for run_id in run_ids:
        run = desk.client.get_run(run_id)
        texts.append(repr((run.data.tags, run.data.params, run.inputs)).encode())
        for path, content in desk.artifacts(run_id).items():
            texts.append(path.encode() + content)
            if path.endswith(".parquet"):
                texts.append(pd.read_parquet(io.BytesIO(content)).to_csv().encode())
    model = desk.client.get_registered_model(desk.name)
    texts.append(repr(model.tags).encode())
    versions = desk.client.search_model_versions(f"name='{desk.name}'")
    texts.append(repr([v.tags for v in versions]).encode())
    return b"\n".join(texts)


def written(value):
    """Return how a number may have been written."""
    texts = {repr(float(value)), f"{value:.1f}", f"{value:g}", f"{value:.5g}"}
    return {text for text in texts if "." in text}


@pytest.fixture
def private(desk):
    """A desk whose background is another file than the data that instances are picked from."""
    # Five digits and a point, which no other number here has.
    desk.frame[desk.columns] = (desk.frame[desk.columns] * 100).round(2)
    desk.frame.to_parquet(desk.data, index=False)
    other = desk.frame.copy()
    other[desk.columns] = other[desk.columns] * 0.5
    other.to_parquet(desk.folder / "background.parquet", index=False)
    return desk


def private_config(desk, rule, **changes):
    return desk.config(
        background={"source": str(desk.folder / "background.parquet")},
        reference={"store_inputs": rule},
        outputs={"pictures": True},
        **changes,
    )


@pytest.mark.parametrize("rule", ["redacted", "none"])
def test_no_value_of_an_instance_is_stored(private, rule, lime_home, monkeypatch):
    from mlflow_lime.journal import Journal

    kept = []
    monkeypatch.setattr(Journal, "discard", lambda self: kept.append(self.path.read_bytes()))
    uri = private.register()
    review = private.explain(uri, private_config(private, rule))
    stored = everything(private, [review.run_id, source_run(uri)]) + b"".join(kept)
    assert len(kept) == 1
    content = json.loads(private.artifacts(review.run_id)[REFERENCE])
    rows = private.frame.iloc[content["positions"]]
    for value in rows[private.columns].to_numpy().ravel():
        for text in written(value):
            assert text.encode() not in stored
    for who in rows["who"]:
        assert who.encode() not in stored
    assert (content["background"] is None) == (rule == "none")
    assert content["true_labels"] == [None] * 5
    assert review.explanations[0].parts == tuple(private.columns)


def test_the_search_for_values_finds_them_where_they_are_stored(private):
    uri = private.register()
    review = private.explain(uri, private_config(private, "full"))
    stored = everything(private, [review.run_id, source_run(uri)])
    position = json.loads(private.artifacts(review.run_id)[REFERENCE])["positions"][0]
    values = private.frame.iloc[position][private.columns]
    assert all(any(text.encode() in stored for text in written(v)) for v in values)


def test_the_true_value_of_a_regression_is_stored_only_in_full(private):
    noise = np.random.default_rng(2).normal(0, 500, len(private.frame))
    private.frame["target"] = private.frame["x0"] * 3.7 + noise
    private.frame.to_parquet(private.data, index=False)
    uri = private.register(LinearRegression())
    review = private.explain(uri, private_config(private, "redacted"))
    stored = everything(private, [review.run_id])
    positions = json.loads(private.artifacts(review.run_id)[REFERENCE])["positions"]
    for value in private.frame["target"].iloc[positions]:
        assert repr(float(value)).encode() not in stored


@pytest.mark.parametrize("rule", ["redacted", "none"])
def test_a_later_version_finds_instances_that_were_not_stored_in_the_data(private, rule):
    first = private.explain(private.register(), private_config(private, rule))
    second = private.explain(private.register(), private_config(private, rule))
    assert second.reference_digest == first.reference_digest
    for one, other in zip(first.explanations, second.explanations, strict=True):
        np.testing.assert_array_equal(one.labels[0].weights, other.labels[0].weights)


@pytest.mark.parametrize("rule", ["redacted", "none"])
def test_without_the_data_a_later_version_says_what_is_missing(private, rule):
    private.explain(private.register(), private_config(private, rule))
    uri = private.register()
    private.data.unlink()
    with pytest.raises(ReferenceSetError, match=r"(?s)without its instances.*data\.parquet") as e:
        private.explain(uri, private_config(private, rule))
    assert "--new-reference" in str(e.value)


@pytest.mark.parametrize("rule", ["redacted", "none"])
def test_other_data_than_the_instances_were_picked_from_is_noticed(private, rule):
    private.explain(private.register(), private_config(private, rule))
    uri = private.register()
    private.frame.sample(frac=1, random_state=1).to_parquet(private.data, index=False)
    with pytest.raises(ReferenceSetError, match="other content than when they were pinned"):
        private.explain(uri, private_config(private, rule))
    private.frame.head(2).to_parquet(private.data, index=False)
    with pytest.raises(ReferenceSetError, match="not in the data of 2 rows"):
        private.explain(uri, private_config(private, rule))
    private.frame.drop(columns="x3").to_parquet(private.data, index=False)
    with pytest.raises(ReferenceSetError, match="x3"):
        private.explain(uri, private_config(private, rule))


def test_another_background_than_the_pinned_one_is_noticed(private):
    private.explain(private.register(), private_config(private, "none"))
    uri = private.register()
    private.frame.to_parquet(private.folder / "background.parquet", index=False)
    with pytest.raises(DigestMismatchError, match="background has digest"):
        private.explain(uri, private_config(private, "none"))


def test_a_stricter_rule_holds_for_a_set_that_was_stored_in_full(private):
    first = private.explain(private.register(), private_config(private, "full"))
    assert "=" in first.explanations[0].parts[0]
    second = private.explain(private.register(), private_config(private, "redacted"))
    assert second.reference_digest == first.reference_digest
    assert second.explanations[0].parts == tuple(private.columns)
    position = json.loads(private.artifacts(first.run_id)[REFERENCE])["positions"][0]
    stored = everything(private, [second.run_id])
    assert repr(float(private.frame["x0"].iloc[position])).encode() not in stored


# Damage -------------------------------------------------------------------------------------


def test_a_tampered_instance_is_noticed(desk):
    first = desk.explain(desk.register())
    path = artifact_path(desk, first.run_id, INPUTS)
    frame = pd.read_parquet(path)
    frame.loc[2, "x3"] += 0.001
    frame.to_parquet(path, index=False)
    with pytest.raises(DigestMismatchError, match=r"1 of 5 pinned instances.*'02 #"):
        desk.explain(desk.register())


@pytest.mark.parametrize("relabel", [False, True])
def test_tampered_labels_are_noticed(desk, relabel):
    first = desk.explain(desk.register())
    path = artifact_path(desk, first.run_id, REFERENCE)
    content = json.loads(path.read_text())
    content["labels"][0] = ["0"]
    path.write_text(json.dumps(content))
    if relabel:
        from mlflow_lime.reference.reference_set import ReferenceSet

        with pytest.raises(DigestMismatchError) as error:
            ReferenceSet.read(
                {p.name: p.read_bytes() for p in path.parent.iterdir()},
            )
        content["digest"] = str(error.value).split("has digest ")[1][:16]
        path.write_text(json.dumps(content))
    with pytest.raises(DigestMismatchError):
        desk.explain(desk.register())


def test_the_run_that_holds_the_set_was_deleted(desk):
    first = desk.explain(desk.register())
    desk.client.delete_run(first.run_id)
    uri = desk.register()
    with pytest.raises(ReferenceSetError, match=r"deleted; restore it .*--new-reference"):
        desk.explain(uri)
    second = desk.explain(uri, new_set=True)
    assert second.reference_digest == first.reference_digest
    assert second.run_id != first.run_id


def test_the_artifacts_of_the_set_are_gone(desk):
    first = desk.explain(desk.register())
    for path in (REFERENCE, INPUTS):
        artifact_path(desk, first.run_id, path).unlink()
    with pytest.raises(ReferenceSetError, match="--new-reference"):
        desk.explain(desk.register())


# Instances that fail -----------------------------------------------------------------------


def test_an_instance_that_fails_is_recorded_and_the_others_go_on(desk):
    uri = desk.register()
    bad = desk.frame["x0"].iloc[7]
    # The background must not show the row to the model.
    desk.frame.drop(index=7).to_parquet(desk.folder / "background.parquet", index=False)
    config = desk.config(
        predict=write_hook(desk, HALF.format(bad=bad)),
        task="classification",
        background={"source": "background.parquet"},
        reference={"pick": "rows", "rows": [4, 7, 9], "count": 20},
        outputs={"pictures": True},
    )
    review = desk.explain(uri, config)
    assert [e.key[:2] for e in review.explanations] == ["00", "02"]
    (failed,) = review.failed
    assert (failed.key[:2], failed.kind) == ("01", "ModelError")
    assert review.metrics["lime/failed"] == 1
    assert review.metrics["lime/instances"] == 2
    assert desk.client.get_run(review.run_id).info.status == "FINISHED"
    tags = desk.client.get_model_version(desk.name, "1").tags
    assert tags[names.TAG_VERSION_STATUS].startswith("1 of 3 failed, fit ")
    table = mlflow.load_table(names.INSTANCES_TABLE, run_ids=[review.run_id])
    assert table["status"].tolist().count("failed") == 1
    files = desk.artifacts(review.run_id)
    assert {path for path in files if path.startswith(names.PICTURES)} == {
        f"{names.PICTURES}/00.png",
        f"{names.PICTURES}/02.png",
    }
    assert sorted(steps_in_grid(files)) == [0, 2]


def test_when_all_fail_the_run_is_failed_and_says_why(desk):
    uri = desk.register()
    config = desk.config(predict=write_hook(desk, BROKEN), task="classification")
    with pytest.raises(ModelError, match="raised OSError"):
        desk.explain(uri, config)
    (run,) = desk.runs()
    assert run.info.status == "FAILED"
    assert run.data.tags[names.TAG_STATUS] == "failed"
    assert "OSError" in run.data.tags[names.TAG_REASON]
    assert "lime/fidelity_r2" not in run.data.metrics


def test_a_new_set_is_pinned_only_if_the_model_answers_for_it(desk):
    uri = desk.register()
    broken = desk.config(predict=write_hook(desk, BROKEN), task="classification")
    with pytest.raises(ModelError, match="raised OSError"):
        desk.explain(uri, broken)
    assert names.TAG_REFERENCE not in desk.client.get_registered_model(desk.name).tags
    first = desk.explain(uri)
    with pytest.raises(ModelError, match="raised OSError"):
        desk.explain(uri, broken)
    tags = desk.client.get_registered_model(desk.name).tags
    assert tags[names.TAG_REFERENCE].startswith(first.reference_digest)


def test_when_all_fail_each_for_its_own_reason_that_is_logged_too(desk):
    uri = desk.register()
    desk.explain(uri, desk.config(labels=[1]))
    other = desk.register(target=np.where(desk.frame["target"] == 1, "yes", "no"))
    with pytest.raises(ModelError, match="no instance could be explained"):
        desk.explain(other, desk.config(labels=[1], outputs={"pictures": True}))
    run = desk.runs()[-1]
    assert run.data.metrics["lime/failed"] == 5
    tags = desk.client.get_model_version(desk.name, "2").tags
    assert tags[names.TAG_VERSION_STATUS] == "failed"


def test_failures_that_alone_are_left_after_an_interruption_do_not_fail_the_review(
    desk, monkeypatch
):
    from mlflow_lime.tracking import review as module

    rows = [4, 7, 8, 9]
    desk.frame.drop(index=[7, 8]).to_parquet(desk.folder / "background.parquet", index=False)
    uri = desk.register()
    bad = desk.frame["x0"].iloc[[7, 8]].tolist()
    predict = write_hook(desk, HALF.replace(" == {bad}", f".isin({bad})"))
    config = desk.config(
        predict=predict,
        task="classification",
        background={"source": "background.parquet"},
        reference={"pick": "rows", "rows": rows, "count": 20},
    )
    log = module._Job._log
    monkeypatch.setattr(module._Job, "_log", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        desk.explain(uri, config)
    monkeypatch.setattr(module._Job, "_log", log)
    review = desk.explain(uri, config)
    assert [e.key[:2] for e in review.explanations] == ["00", "03"]
    assert [f.key[:2] for f in review.failed] == ["01", "02"]
    assert desk.client.get_run(review.run_id).data.tags[names.TAG_STATUS] == "completed"


# Kinds of models ---------------------------------------------------------------------------


def three_classes(desk):
    score = desk.frame["x0"] + desk.frame["x1"]
    desk.frame["target"] = pd.qcut(score, 3, labels=["low", "middle", "high"]).astype(str)
    desk.frame.to_parquet(desk.data, index=False)


def test_many_classes_are_explained_by_true_label_and_own_prediction(desk):
    three_classes(desk)
    first = desk.explain(desk.register())
    reference = json.loads(desk.artifacts(first.run_id)[REFERENCE])
    true = desk.frame["target"].iloc[reference["positions"]].tolist()
    assert reference["labels"] == [[label] for label in true]
    wrong = np.roll(desk.frame["target"].to_numpy(), 1)
    second = desk.explain(desk.register(DecisionTreeClassifier(max_depth=4), target=wrong))
    assert second.reference_digest == first.reference_digest
    differing = 0
    for item, label in zip(second.explanations, true, strict=True):
        own = item.class_names[int(np.argmax(item.scores))]
        differing += own != label
        assert [x.label for x in item.labels] == [label] + ([own] if own != label else [])
    assert differing > 0


def test_true_classes_are_known_where_missing_ones_make_them_floats(desk):
    desk.frame["target"] = pd.qcut(desk.frame["x0"], 3, labels=False)
    uri = desk.register()
    desk.frame["target"] = desk.frame["target"].astype(float)
    desk.frame.loc[::7, "target"] = np.nan
    desk.frame.to_parquet(desk.data, index=False)
    review = desk.explain(uri, desk.config(reference={"count": 12}))
    reference = json.loads(desk.artifacts(review.run_id)[REFERENCE])
    for true, labels in zip(reference["true_labels"], reference["labels"], strict=True):
        assert true is None or labels == [true]
    assert None in reference["true_labels"]


def test_a_regression(desk):
    desk.frame["target"] = desk.frame["x0"] * 2 + desk.frame["x1"]
    desk.frame.to_parquet(desk.data, index=False)
    review = desk.explain(desk.register(LinearRegression()))
    assert {e.labels[0].label for e in review.explanations} == {"value"}
    assert "lime/decision_agreement" not in review.metrics
    assert load_explanations(review.ref.uri)[0].names == tuple(desk.columns)


def steps_in_grid(files):
    """Return the steps at which MLflow's image grid shows the picture of an instance."""
    shown = [re.fullmatch(r"images/lime.instance.step.(\d+).*\.webp", path) for path in files]
    return [int(found[1]) for found in shown if found]


# Where things go -----------------------------------------------------------------------------


def test_a_review_is_logged_where_mlflow_looks_for_it(desk):
    uri = desk.register()
    review = desk.explain(uri, desk.config(outputs={"pictures": True, "max_pictures": 2}))
    run = desk.client.get_run(review.run_id)
    source = desk.client.get_run(source_run(uri))
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.parentRunId"] == source.info.run_id
    assert run.data.metrics == source.data.metrics == review.metrics
    assert set(review.metrics) <= set(names.METRICS)
    model = desk.client.get_logged_model(review.ref.model_id)
    linked = {m.key: m for m in model.metrics if m.run_id == source.info.run_id}
    assert {k: m.value for k, m in linked.items()} == review.metrics
    metric = linked["lime/partial_r2"]
    assert metric.dataset_digest == review.reference_digest[:8]
    assert metric.dataset_name == f"lime reference {review.reference_digest}"
    assert run.inputs.dataset_inputs[0].dataset.name == metric.dataset_name
    assert [m.model_id for m in run.inputs.model_inputs] == [review.ref.model_id]
    assert names.OVERVIEW_PICTURE in desk.artifacts(source.info.run_id)
    files = desk.artifacts(review.run_id)
    assert sorted(steps_in_grid(files)) == [0, 1]
    assert {path for path in files if not path.startswith("images/")} == {
        names.OVERVIEW_PICTURE,
        names.EXPLANATIONS_JSON,
        names.EXPLANATIONS_PARQUET,
        names.INSTANCES_TABLE,
        names.WEIGHTS_TABLE,
        names.IMPORTANCE_TABLE,
        names.TRUST_FILE,
        names.CONFIG_FILE,
        names.FACTS_FILE,
        names.RECIPE_FILE,
        f"{names.PICTURES}/00.png",
        f"{names.PICTURES}/01.png",
        REFERENCE,
        INPUTS,
        ASSOCIATIONS,
    }
    tags = desk.client.get_model_version(desk.name, "1").tags
    status, _, fit = tags[names.TAG_VERSION_STATUS].partition(", fit ")
    assert status == "ok"
    assert float(fit) == pytest.approx(metric.value, abs=0.006)
    assert tags[names.TAG_VERSION_TOP].startswith("x0, ")


def test_tables_open_in_mlflow(desk):
    review = desk.explain(desk.register())
    instances = mlflow.load_table(names.INSTANCES_TABLE, run_ids=[review.run_id])
    weights = mlflow.load_table(names.WEIGHTS_TABLE, run_ids=[review.run_id])
    assert instances["instance"].tolist() == [e.key for e in review.explanations]
    assert len(weights) == 5 * 7
    listed = json.loads(desk.client.get_run(review.run_id).data.tags["mlflow.loggedArtifacts"])
    assert {entry["path"] for entry in listed} == {
        names.INSTANCES_TABLE,
        names.WEIGHTS_TABLE,
        names.IMPORTANCE_TABLE,
    }


def test_no_pictures_tables_or_tags_where_they_are_not_wanted(desk):
    outputs = {"pictures": False, "tables": False, "version_tags": False}
    review = desk.explain(desk.register(), desk.config(outputs=outputs))
    assert set(desk.artifacts(review.run_id)) == {
        names.EXPLANATIONS_JSON,
        names.EXPLANATIONS_PARQUET,
        names.TRUST_FILE,
        names.CONFIG_FILE,
        names.FACTS_FILE,
        names.RECIPE_FILE,
        REFERENCE,
        INPUTS,
        ASSOCIATIONS,
    }
    assert desk.client.get_model_version(desk.name, "1").tags == {}


def test_a_deleted_source_run(desk):
    uri = desk.register()
    run_id = source_run(uri)
    desk.client.delete_run(run_id)
    review = desk.explain(uri)
    tags = desk.client.get_run(review.run_id).data.tags
    assert (tags[names.TAG_STATUS], "mlflow.parentRunId" in tags) == ("completed", False)
    assert desk.points(run_id) == {}
    assert len(load_explanations(uri)) == 5


def test_a_model_that_was_registered_without_a_run(desk, store):
    model = LogisticRegression().fit(desk.frame[desk.columns], desk.frame["target"])
    folder = desk.folder / "saved"
    mlflow.sklearn.save_model(
        model, folder, serialization_format="cloudpickle", pip_requirements=["mlflow"]
    )
    desk.client.create_registered_model(desk.name)
    desk.client.create_model_version(desk.name, str(folder))
    review = desk.explain(f"models:/{desk.name}/1")
    run = desk.client.get_run(review.run_id)
    assert (review.ref.run_id, run.data.tags[names.TAG_STATUS]) == (None, "completed")
    assert desk.explain(f"models:/{desk.name}/1").repeated
    assert len(load_explanations(f"models:/{desk.name}/1")) == 5


def test_a_deleted_logged_model_is_no_obstacle(desk):
    uri = desk.register(registered_model_name=None)
    path = mlflow.artifacts.download_artifacts(uri, dst_path=str(desk.folder / "copy"))
    review = desk.explain(path)
    assert review.run_id
    assert desk.client.get_run(review.run_id).data.tags[names.TAG_STATUS] == "completed"


@pytest.mark.parametrize(
    "name", ["it's credit", 'the "best" one', "a\\b %20 & <b>", "クレジット 🧬 é"]
)
def test_names_that_need_care(desk, name):
    desk.name = f"{name} {desk.name[-6:]}"
    uri = desk.register()
    review = desk.explain(uri, desk.config(outputs={"pictures": True}))
    assert desk.explain(uri).repeated
    assert len(load_explanations(uri)) == 5
    second = desk.explain(desk.register(DecisionTreeClassifier(max_depth=2)))
    assert second.reference_digest == review.reference_digest
    assert len(load_explanations(f"models:/{desk.name}/2")) == 5


def test_columns_with_names_that_need_care(desk):
    names_ = ["a b", "it's", '"q"', "p/q", "é🧬", "<b>&", "x = 1"]
    hard = dict(zip(desk.columns, names_, strict=True))
    desk.frame = desk.frame.rename(columns=hard)
    desk.columns = list(hard.values())
    desk.frame.to_parquet(desk.data, index=False)
    review = desk.explain(desk.register(), desk.config(outputs={"pictures": True}))
    assert review.explanations[0].names == tuple(desk.columns)
    second = desk.explain(desk.register())
    assert second.reference_digest == review.reference_digest


# Around us ------------------------------------------------------------------------------------


def test_the_users_own_run_is_not_touched(desk):
    uri = desk.register()
    with mlflow.start_run() as own:
        mlflow.log_metric("mine", 1)
        review = desk.explain(uri)
        assert mlflow.active_run().info.run_id == own.info.run_id
    run = desk.client.get_run(own.info.run_id)
    assert (run.info.status, dict(run.data.metrics)) == ("FINISHED", {"mine": 1.0})
    assert not [key for key in run.data.tags if key.startswith("lime")]
    assert not run.inputs.model_inputs
    assert review.run_id != own.info.run_id
    assert desk.client.list_artifacts(own.info.run_id) == []


def test_autologging_makes_no_runs_of_its_own(desk):
    uri = desk.register()
    experiments = [e.experiment_id for e in desk.client.search_experiments()]
    mlflow.sklearn.autolog(log_models=False)
    try:
        before = {run.info.run_id for run in desk.client.search_runs(experiments)}
        config = desk.config(
            tabular={"representation": "bins", "bins": "entropy"},
            surrogate={"kind": "lasso", "penalty": 1e-3},
        )
        review = desk.explain(uri, config)
        after = {run.info.run_id for run in desk.client.search_runs(experiments)}
        assert after - before == {review.run_id}
        assert set(desk.client.get_run(review.run_id).data.metrics) == set(review.metrics)
    finally:
        mlflow.sklearn.autolog(disable=True)


def test_a_server_that_is_down_is_noticed_soon(desk, monkeypatch):
    uri = desk.register()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mlflow.set_tracking_uri(f"http://127.0.0.1:{port}")
    mlflow.set_registry_uri(f"http://127.0.0.1:{port}")
    started = time.monotonic()
    with pytest.raises(TrackingServerError, match="check that the server runs"):
        review_version(uri, desk.config())
    assert time.monotonic() - started < 10


def test_nothing_is_printed(desk, capfd, caplog):
    uri = desk.register()
    desk.explain(uri)
    uri = desk.register()
    capfd.readouterr()
    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.INFO, "mlflow"):
        patch.delenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR")
        caplog.clear()
        desk.explain(uri)
        load_explanations(uri)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.INFO] == []


def test_a_home_that_cannot_be_written_is_named(desk, monkeypatch):
    uri = desk.register()
    (desk.folder / "file").touch()
    monkeypatch.setenv("MLFLOW_LIME_HOME", str(desk.folder / "file"))
    with pytest.raises(ConfigError, match="set MLFLOW_LIME_HOME"):
        desk.explain(uri)


def test_a_version_that_does_not_exist(desk):
    desk.register()
    with pytest.raises(VersionNotFoundError, match="it has versions 1"):
        desk.explain(f"models:/{desk.name}/7")


def test_data_that_does_not_fit_fails_before_there_is_a_run(desk, asked):
    uri = desk.register()
    config = desk.config(data={"source": str(desk.data), "target": "traget"})
    with pytest.raises(DataError, match="Did you mean 'target'"):
        desk.explain(uri, config)
    assert desk.runs() == []
    assert asked == []


def test_a_client_of_the_current_store_can_be_given(desk):
    review = desk.explain(desk.register(), client=MlflowClient())
    assert len(review.explanations) == 5
