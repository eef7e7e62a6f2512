"""A set beyond `outputs.max_instances`: all numbers are of all, and a stated sample is shown."""

import gc
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient
from sklearn.linear_model import LogisticRegression

from mlflow_lime import names
from mlflow_lime.compare.compare import drift_metrics
from mlflow_lime.core.stored import StoredExplanations
from mlflow_lime.report.drift_items import read_drift_json
from mlflow_lime.report.jsonlines import read_explanations_json, sample_note
from mlflow_lime.tracking.checking import check_version
from mlflow_lime.tracking.comparison import compare_versions
from mlflow_lime.tracking.logged_explanations import load_explanations

COUNT = 40


def large(desk, **outputs):
    return desk.config(
        reference={"count": COUNT},
        outputs={"max_instances": 12, **outputs},
        metrics={"realism": True, "faithfulness": True},
    )


def whole(desk):
    return desk.config(reference={"count": COUNT}, metrics={"realism": True, "faithfulness": True})


@pytest.fixture
def one(desk):
    """A version, explained on a large set."""
    return desk.explain(desk.register(), large(desk))


@pytest.fixture
def both(desk, one):
    """Two versions, explained on a large set."""
    other = desk.register(LogisticRegression(C=1e-3, max_iter=9999))
    return [one, desk.explain(other, large(desk))]


def test_the_numbers_are_those_of_all_and_the_same_as_of_a_small_set(desk):
    uri = desk.register()
    review = desk.explain(uri, large(desk))
    copy = desk.register()
    other = desk.explain(copy, whole(desk))
    of_trust = {"comprehensiveness", "sufficiency", "off_manifold", "realism", "permuted", "trust"}
    of_trust |= {"deletion", "insertion", "seconds"}
    for name, value in other.metrics.items():
        if not name.removeprefix("lime/").startswith(tuple(of_trust)):
            assert review.metrics[name] == pytest.approx(value, rel=1e-12), name
    assert review.metrics["lime/instances"] == COUNT
    mine, theirs = (desk.artifacts(run.run_id) for run in (review, other))
    assert mine[names.IMPORTANCE_TABLE] == theirs[names.IMPORTANCE_TABLE]
    assert (names.EXPLANATIONS_WHOLE in mine, names.EXPLANATIONS_WHOLE in theirs) == (True, False)


def test_a_sample_is_shown_and_says_so_everywhere(desk, one):
    files = desk.artifacts(one.run_id)
    text = files[names.EXPLANATIONS_JSON].decode()
    shown, failed = read_explanations_json(text)
    assert (len(shown), failed) == (12, [])
    note = sample_note(text)
    assert note.startswith("12 of 40 instances are shown: 12 spread evenly")
    keys = [item.key for item in shown]
    table = json.loads(files[names.INSTANCES_TABLE])
    assert [row[0] for row in table["data"]] == keys
    assert sorted(json.loads(files[names.FACTS_FILE])["reasons"]) == sorted(keys)
    assert set(json.loads(files[names.TRUST_FILE])["instances"]) <= set(keys)
    assert note in json.loads(files[names.RECIPE_FILE])["notes"]
    assert "of the 12 explained instances shown" in " ".join(one.notes)


def test_the_parquet_files_hold_every_explanation(desk, one):
    folder = desk.client.get_run(one.run_id).info.artifact_uri.removeprefix("file://")
    rows = pq.read_table(Path(folder) / names.EXPLANATIONS_PARQUET)
    assert rows.num_rows == COUNT * 7
    assert len(set(rows["instance"].to_pylist())) == COUNT


def test_every_explanation_is_read_back_and_its_copy_goes_with_it(desk, one):
    found = load_explanations(f"runs:/{one.run_id}")
    assert isinstance(found, StoredExplanations)
    assert [item.key for item in found] == list(found.keys)
    assert len(found) == COUNT
    assert found[3].to_json() == next(iter(one.explanations[3:4])).to_json()
    copy = found._read.__self__._path
    assert copy.exists()
    del found
    gc.collect()
    assert not copy.exists()


def test_two_large_versions_compare_as_small_ones_do(desk, both):
    run = both[1].run_id
    config = large(desk)
    found = compare_versions(
        f"runs:/{run}", f"runs:/{both[0].run_id}", config, client=MlflowClient()
    )
    again = compare_versions(
        f"runs:/{run}", f"runs:/{both[0].run_id}", whole(desk), client=MlflowClient(), log=False
    )
    assert found.drift.of is not None
    assert again.drift.of is None
    assert found.metrics == pytest.approx(again.metrics, rel=1e-9, abs=1e-14)
    assert found.metrics["lime/drift_instances"] + found.metrics["lime/drift_untrusted"] == COUNT
    read = read_drift_json(desk.artifacts(run)[names.DRIFT_FILE].decode())
    assert drift_metrics(read) == drift_metrics(found.drift)
    assert read.counts == found.drift.counts
    assert len(read.instances) == 12
    assert any("12 of 40 instances are listed" in note for note in found.notes)


def test_the_page_shows_the_sample_and_the_numbers_of_all(desk):
    page = {"page": True, "compare": True, "description": False}
    config = desk.config(reference={"count": COUNT}, outputs={"max_instances": 12}, report=page)
    first = desk.explain(desk.register(), config)
    second = desk.explain(desk.register(LogisticRegression(C=1e-3, max_iter=9999)), config)
    text = desk.artifacts(second.run_id)[names.REPORT_PAGE].decode()
    assert "12 of 40 instances are shown" in text
    assert "12 of 40 instances are listed" in text
    assert first.metrics["lime/instances"] == COUNT


def test_checks_come_to_the_same_verdicts_as_on_a_small_set(desk):
    uri = desk.register()
    other = desk.register()
    desk.explain(uri, large(desk))
    desk.explain(other, whole(desk))
    found = check_version(uri, large(desk), client=MlflowClient()).outcomes
    held = check_version(other, whole(desk), client=MlflowClient()).outcomes
    unlike = {"LIM004"}  # measured on the sample
    for one, two in zip(found, held, strict=True):
        if one.code not in unlike:
            assert one.to_dict() == two.to_dict()


def test_a_set_that_is_not_larger_is_logged_as_ever(desk):
    review = desk.explain(desk.register(), desk.config(outputs={"max_instances": 10}))
    files = desk.artifacts(review.run_id)
    assert names.EXPLANATIONS_WHOLE not in files
    assert sample_note(files[names.EXPLANATIONS_JSON].decode()) == ""
    found = load_explanations(f"runs:/{review.run_id}")
    assert isinstance(found, list)
    assert np.isfinite(found[0].labels[0].weights).all()


def test_values_that_may_not_be_stored_are_in_no_file(desk):
    config = desk.config(
        reference={"count": COUNT, "store_inputs": "redacted"}, outputs={"max_instances": 12}
    )
    run = desk.explain(desk.register(), config).run_id
    found = load_explanations(f"runs:/{run}")
    assert isinstance(found, StoredExplanations)
    assert all(item.parts == item.names for item in found)
    values = {str(value).encode() for value in desk.frame["x0"]}
    for path, content in desk.artifacts(run).items():
        if path.startswith("lime") and not path.startswith("lime/reference"):
            assert not [value for value in values if value in content], path
