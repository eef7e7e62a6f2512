"""What is put together of an explained version: values, aggregates, intervals, JSON."""

import json
import math

import numpy as np
import pytest

from mlflow_lime.errors import DataError
from mlflow_lime.metrics.aggregate import AGGREGATES, aggregate
from mlflow_lime.metrics.realism import Realism
from mlflow_lime.metrics.trust import TRUST, Estimate, Trust, summarise
from tests.strategies import FailedExplanation, make_explanation, make_label


def explained(n=10):
    return [
        make_explanation([make_label([0.1], fidelity_r2=i / n)], key=str(i), permuted_r2=-0.01)
        for i in range(n)
    ]


def faithful(items):
    return {
        item.key: {
            "comprehensiveness": 0.4,
            "comprehensiveness_random": 0.1 + 0.01 * i,
            "deletion_auc": 0.2,
            "deletion_auc_random": 0.5,
        }
        for i, item in enumerate(items)
    }


def test_every_aggregate_of_the_foundation_is_there_with_an_interval():
    items = explained()
    trust = summarise(items, [FailedExplanation("x", "y", "Z")])
    values = {name: item.value for name, item in trust.summary.items() if name in AGGREGATES}
    assert values == aggregate(items, [FailedExplanation("x", "y", "Z")])
    fidelity = trust.summary["fidelity_r2"]
    assert fidelity.low < fidelity.value < fidelity.high
    assert fidelity.n == 10
    assert math.isnan(trust.summary["failed"].low)


def test_gains_are_differences_from_random_parts_that_are_better_when_positive():
    items = explained()
    summary = summarise(items, measured=[faithful(items)], rows=320).summary
    assert summary["comprehensiveness"] == Estimate(0.4, 0.4, 0.4, 10)
    assert summary["comprehensiveness_gain"].value == pytest.approx(0.255)
    assert summary["deletion_gain"].value == pytest.approx(0.3)
    assert summary["permuted_r2"].value == pytest.approx(-0.01)
    assert summary["trust_rows"].value == 320
    assert {"sufficiency", "off_manifold", "sensitivity", "realism_auc"}.isdisjoint(summary)
    assert set(summary) <= {*AGGREGATES, *TRUST}


def test_the_interval_of_the_area_under_the_curve_holds_it():
    pairs = np.random.default_rng(0).random((12, 12))
    summary = summarise(explained(), realism=Realism({"0": 0.5}, pairs)).summary
    area = summary["realism_auc"]
    assert area.value == pytest.approx(pairs.mean())
    assert area.low < area.value < area.high
    assert summary["off_manifold"].n == 1


def test_values_that_are_not_finite_are_absent():
    items = explained(2)
    trust = summarise(items, measured=[{"0": {"sensitivity": math.nan}}])
    assert trust.instances["0"] == {"permuted_r2": -0.01}
    assert "sensitivity" not in trust.summary


def test_nothing_gives_nothing():
    assert summarise([]).summary == {}


def test_json_is_read_back_as_it_was():
    items = explained()
    trust = summarise(items, measured=[faithful(items)], rows=7, notes=["left out"])
    again = Trust.from_json(trust.to_json())
    assert again.to_json() == trust.to_json()
    assert again.instances == trust.instances
    assert again.notes == ("left out",)
    data = json.loads(trust.to_json())
    assert data["format"] == 1
    assert set(data["summary"]["fidelity_r2"]) == {"value", "low", "high", "n"}


@pytest.mark.parametrize("text", ["[]", "{}", "no", '{"format": 1, "instances": {"a": 3}}'])
def test_anything_else_is_refused(text):
    with pytest.raises(DataError, match="no metrics of trust"):
        Trust.from_json(text)


def test_a_newer_format_is_refused():
    with pytest.raises(DataError, match="format 2, expected 1; upgrade"):
        Trust.from_json('{"format": 2}')
