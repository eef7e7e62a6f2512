import json

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier

from mlflow_lime.errors import ConfigError
from mlflow_lime.report.findings import read_findings_json
from mlflow_lime.tracking.checking import check_version
from mlflow_lime.tracking.scoring_function import ScoringFunction


def state(checked):
    return {item.code: item.state for item in checked.outcomes}


def reason(checked, code):
    return next(item.reason for item in checked.outcomes if item.code == code)


def findings(desk, run_id):
    return read_findings_json(desk.artifacts(run_id, "lime")["lime/findings.json"].decode())


@pytest.fixture
def leaked(desk):
    """Return a version that reads a column that agrees with the label nearly always."""
    random = np.random.default_rng(0)
    wrong = random.random(len(desk.frame)) < 0.02
    desk.frame["note"] = np.where(wrong, 1 - desk.frame["target"], desk.frame["target"]) * 1.0
    desk.frame["sex"] = np.where(desk.frame["x0"] > 40, "f", "m")
    desk.frame.to_parquet(desk.data, index=False)
    desk.columns = [*desk.columns, "note"]
    return desk.register()


def test_a_version_is_explained_checked_and_the_findings_are_logged(desk, leaked):
    config = desk.config(data={"drop": ["sex"]}, checks={"sensitive": ["sex"]})
    checked = check_version(leaked, config)
    assert state(checked)["LIM006"] == "raised"  # x0, which sex was made from
    assert "'x0' (association" in reason(checked, "LIM006")
    assert state(checked)["LIM005"] == "passed"
    assert state(checked)["LIM009"] == state(checked)["LIM010"] == "not applicable"
    assert state(checked)["LIM011"] == state(checked)["LIM013"] == "skipped"
    assert findings(desk, checked.run_id) == checked.outcomes
    logged = desk.client.get_run(checked.run_id).data.metrics
    raised = sum(item.state == "raised" for item in checked.outcomes)
    assert logged["lime/findings"] == checked.metrics["lime/findings"] == raised
    (point,) = desk.client.get_metric_history(checked.run_id, "lime/findings")
    if checked.ref.model_id is not None:
        model = desk.client.get_logged_model(checked.ref.model_id)
        assert "lime/findings" in {metric.key for metric in model.metrics}
    assert point.value == raised
    source = desk.client.get_run(str(checked.ref.run_id)).data.metrics
    assert source["lime/findings"] == raised


def test_a_repeat_loads_no_model_and_logs_nothing(desk, monkeypatch):
    uri = desk.register()
    train = str(desk.data)
    config = desk.config(checks={"train": train, "train_count": 6})
    first = check_version(uri, config)
    before = desk.artifacts(first.run_id)
    points = desk.points(first.run_id)

    def refuse(*arguments, **options):
        raise RuntimeError("the model was asked")

    monkeypatch.setattr(ScoringFunction, "score", refuse)
    monkeypatch.setattr("mlflow_lime.tracking.training_rows.load_scorer", refuse)
    again = check_version(uri, config)
    assert again.outcomes == first.outcomes
    assert desk.points(first.run_id) == points
    assert desk.artifacts(first.run_id) == before


def test_other_options_change_what_is_logged(desk):
    uri = desk.register()
    rows = {"rows": 256, "max_rows": 256}
    mild = desk.config(sampling=rows)
    strict = desk.config(sampling=rows, checks={"options": {"LIM001": {"min": 1.0, "share": 0.0}}})
    assert state(check_version(uri, mild))["LIM001"] == "passed"
    checked = check_version(uri, strict)
    assert state(checked)["LIM001"] == "raised"
    assert len(desk.runs()) == 1
    logged = desk.client.get_run(checked.run_id).data.metrics["lime/findings"]
    assert logged == checked.metrics["lime/findings"] >= 1
    assert findings(desk, checked.run_id) == checked.outcomes


def test_nothing_is_logged_where_that_is_not_wanted(desk):
    checked = check_version(desk.register(), desk.config(), log=False)
    assert "lime/findings.json" not in desk.artifacts(checked.run_id, "lime")
    assert "lime/findings" not in desk.client.get_run(checked.run_id).data.metrics


def test_a_typo_in_the_configuration_costs_no_model_call(desk, asked):
    config = desk.config(checks={"options": {"LIM001": {"minn": 0.3}}})
    with pytest.raises(ConfigError, match=r"LIM001 has no option 'minn'.*Did you mean 'min'"):
        check_version(desk.register(), config)
    with pytest.raises(ConfigError, match="no check 'LIM099'"):
        check_version(desk.register(), desk.config(checks={"mute": ["LIM099"]}))
    assert asked == []


def test_an_overfitted_model_is_told_by_its_training_rows(desk):
    random = np.random.default_rng(2)
    noise = pd.DataFrame(random.normal(size=(160, 7)), columns=desk.columns).round(3)
    noise["target"] = random.integers(0, 2, 160)
    noise["who"] = [f"p{i}" for i in range(160)]
    from sklearn.ensemble import RandomForestClassifier

    desk.frame = noise.head(80)
    uri = desk.register(RandomForestClassifier(60, bootstrap=False, random_state=0))
    train = desk.folder / "train.parquet"
    noise.head(80).to_parquet(train, index=False)
    noise.tail(80).to_parquet(desk.data, index=False)
    config = desk.config(
        reference={"count": 20},
        sampling={"rows": 256, "max_rows": 256},
        checks={"train": str(train), "train_count": 20},
    )
    checked = check_version(uri, config)
    assert state(checked)["LIM013"] == "raised", reason(checked, "LIM013")
    assert "20 training rows and 20 held-out rows" in reason(checked, "LIM013")


def test_training_rows_that_cannot_be_read_skip_their_check_alone(desk):
    uri = desk.register()
    config = desk.config(checks={"train": str(desk.folder / "gone.parquet")})
    checked = check_version(uri, config)
    assert state(checked)["LIM013"] == "skipped"
    assert "gone.parquet" in reason(checked, "LIM013")
    assert state(checked)["LIM003"] == "passed"


def test_training_rows_with_other_columns_skip_their_check_alone(desk):
    uri = desk.register()
    desk.frame[["x0"]].to_parquet(desk.folder / "few.parquet")
    config = desk.config(checks={"train": str(desk.folder / "few.parquet")})
    checked = check_version(uri, config)
    assert "lacks columns" in reason(checked, "LIM013")


def test_a_muted_check_explains_no_training_rows(desk):
    uri = desk.register()
    config = desk.config(checks={"train": str(desk.data), "mute": ["LIM013"]})
    checked = check_version(uri, config)
    assert reason(checked, "LIM013") == "muted (checks.mute)"
    assert "lime/train_explanations.jsonl" not in desk.artifacts(checked.run_id, "lime")


def test_a_model_that_is_not_registered_is_checked_on_its_own_set(desk):
    uri = desk.register(DecisionTreeClassifier(max_depth=3), registered_model_name=None)
    checked = check_version(uri, desk.config())
    assert state(checked)["LIM001"] in ("passed", "raised")


@pytest.mark.parametrize("stored", ["redacted", "none"])
def test_instances_that_are_not_stored_are_read_again(desk, stored):
    uri = desk.register()
    config = desk.config(
        reference={"store_inputs": stored}, checks={"train": str(desk.data), "train_count": 5}
    )
    checked = check_version(uri, config)
    assert state(checked)["LIM013"] in ("passed", "raised"), reason(checked, "LIM013")
    logged = desk.artifacts(checked.run_id, "lime")["lime/train_explanations.jsonl"].decode()
    parts = [json.loads(line)["parts"] for line in logged.splitlines()]
    assert all(names == desk.columns for names in parts)
    if stored == "none":
        assert state(check_version(uri, config))["LIM006"] == "skipped"


def test_lost_instances_skip_what_needs_them(desk):
    uri = desk.register()
    config = desk.config(
        reference={"store_inputs": "redacted"}, checks={"sensitive": ["x0"], "train": "x.csv"}
    )
    check_version(uri, config)
    desk.data.unlink()
    checked = check_version(uri, config)
    assert "the reference set cannot be read" in reason(checked, "LIM006")
    assert state(checked)["LIM005"] != "skipped"
