"""A comparison as JSON and as tables."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_lime.compare.compare import compare_explanations, drift_metrics
from mlflow_lime.errors import DataError
from mlflow_lime.report.drift_items import (
    drift_instances_table,
    drift_items,
    drift_json,
    drift_weights_table,
    most_changed,
    read_drift_json,
)
from mlflow_lime.report.items import File, Metric, Table
from tests.compare.made import versions
from tests.strategies import HOSTILE_NAMES, explanations

WEIGHTS = np.array([0.3, 0.2, -0.1, 0.05])


@pytest.fixture(scope="module")
def drift():
    before, after = versions(0, WEIGHTS, WEIGHTS[::-1].copy(), count=3)
    return compare_explanations(before, after, missing={"07 #x": "it <b>failed</b>"})


@given(st.lists(explanations(), min_size=1, max_size=3, unique_by=lambda item: item.key))
@settings(max_examples=30)
def test_json_is_read_back_without_loss(items):
    drift = compare_explanations(items, items)
    text = drift_json(drift, baseline="credit/1", baseline_run="1f2e")
    back = read_drift_json(text)
    assert drift_json(back, baseline="credit/1", baseline_run="1f2e") == text
    assert drift_metrics(back) == pytest.approx(drift_metrics(drift), nan_ok=True)


def test_everything_is_logged(drift):
    items = drift_items(drift, baseline="credit/1", baseline_run="1f2e")
    assert {item.name for item in items if isinstance(item, Metric)} == {
        f"lime/{name}" for name in drift_metrics(drift)
    }
    assert [type(item) for item in items[-3:]] == [File, Table, Table]
    data = json.loads(items[-3].content)
    assert (data["baseline"], data["baseline_run"]) == ("credit/1", "1f2e")


def test_the_most_changed_stand_first(drift):
    table = drift_instances_table(drift)
    assert table["reasons"].tolist() == ["changed", "changed", "changed", "not compared"]
    weights = drift_weights_table(drift)
    assert weights["changed"].tolist() == sorted(weights["changed"], reverse=True)
    assert weights["part"].iloc[:6].isin(["feature 1", "feature 2"]).all()
    assert "→" in most_changed(drift.instances[0])


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_stay_on_one_line(name):
    before, after = versions(
        1, WEIGHTS, WEIGHTS[::-1].copy(), count=2, names=tuple(f"{name}{j}" for j in range(4))
    )
    drift = compare_explanations(before, after)
    for table in (drift_instances_table(drift), drift_weights_table(drift)):
        assert not any("\n" in str(cell) for row in table.to_numpy() for cell in row)
    assert read_drift_json(drift_json(drift, baseline=name, baseline_run="r")).alarm == drift.alarm


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', "null"])
def test_what_is_no_comparison_is_refused(text):
    with pytest.raises(DataError, match="mlflow-lime compare"):
        read_drift_json(text)


def test_a_newer_format_is_refused():
    with pytest.raises(DataError, match="upgrade"):
        read_drift_json('{"format": 99}')
