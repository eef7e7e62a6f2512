import io
import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_lime.report.tables import (
    explanations_frame,
    instances_table,
    one_line,
    weights_table,
)
from tests.strategies import (
    FailedExplanation,
    explanations,
    failed_explanations,
    make_explanation,
    make_label,
)

COLUMNS = [
    "instance", "explanation", "prediction", "probability", "true_label", "fidelity_r2",
    "chosen_because", "local_gap", "stability_topk", "rows", "converged", "status",
]  # fmt: skip


def row(table, position=0):
    return table.iloc[position].to_dict()


def is_plain(table):
    return all(
        value is None or type(value) in (str, float, int, bool)
        for name in table
        for value in table[name]
    )


def test_one_line_names_prediction_fit_and_heaviest_parts():
    item = make_explanation([make_label([0.04, -0.051, 0.001, 0.0])], names="abcd")
    assert one_line(item) == "malignant 0.69, fit 0.58: -0.0510 b · +0.0400 a · +0.0010 c"


def test_instances_have_the_columns_in_order():
    item = make_explanation([make_label([0.2])])
    table = instances_table(
        [item], [], true_labels={item.key: "malignant"}, reasons={item.key: "rare region"}
    )
    assert list(table) == COLUMNS
    values = row(table)
    assert values["prediction"] == "malignant"
    assert values["probability"] == 0.69
    assert values["true_label"] == "malignant"
    assert values["chosen_because"] == "rare region"
    assert values["status"] == "ok"


def test_probability_is_of_the_predicted_class():
    label = make_label([0.2], label="benign", index=1, prediction=0.31)
    values = row(instances_table([make_explanation([label])], []))
    assert (values["prediction"], values["probability"]) == ("malignant", 0.69)
    assert values["explanation"].startswith("benign 0.31")


def test_regressions_have_a_value():
    label = make_label([12.0], label="value", prediction=251_300.4)
    item = make_explanation([label], mode="regression", scores=np.array([251_300.4]))
    table = instances_table([item], [])
    assert "probability" not in table
    assert row(table)["value"] == 251_300.4
    assert row(table)["prediction"] == "251,300"


def test_failed_instances_stand_at_the_end_with_their_reason():
    failed = FailedExplanation("07", "the model returned NaN", "ModelOutputError")
    table = instances_table([make_explanation([make_label([0.2])])], [failed])
    values = row(table, 1)
    assert values["status"] == "failed"
    assert "ModelOutputError: the model returned NaN" in values["explanation"]
    assert values["fidelity_r2"] is None


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"flat": True, "fidelity_r2": math.nan}, "flat"),
        ({"fidelity_r2": 0.01}, "poor fit"),
        ({"fidelity_r2": math.nan}, "poor fit"),
    ],
)
def test_status_tells_what_to_mistrust(changes, status):
    item = make_explanation([make_label([0.2], **changes)])
    assert row(instances_table([item], []))["status"] == status


def test_true_labels_from_numpy_become_plain():
    item = make_explanation([make_label([0.2])])
    assert is_plain(instances_table([item], [], true_labels={item.key: np.int64(1)}))


def test_weights_are_ranked_within_instance_and_label():
    labels = [make_label([0.1, -0.5]), make_label([0.3, 0.2], label="benign", index=1)]
    table = weights_table([make_explanation(labels, names="ab", parts=["a = 1", "b = 2"])])
    assert table["part"].tolist() == ["b", "a", "a", "b"]
    assert table["condition"].tolist() == ["b = 2", "a = 1", "a = 1", "b = 2"]
    assert table["rank"].tolist() == [1, 2, 1, 2]
    assert table["label"].tolist() == ["malignant"] * 2 + ["benign"] * 2


def test_weights_can_be_limited_to_the_heaviest():
    table = weights_table([make_explanation([make_label([0.1, -0.5, 0.2])])], top=2)
    assert table["weight"].tolist() == [-0.5, 0.2]


def test_empty_tables_keep_their_columns():
    assert list(instances_table([], [])) == COLUMNS
    assert "weight" in weights_table([])
    pd.testing.assert_series_equal(
        explanations_frame([]).dtypes,
        explanations_frame([make_explanation([make_label([0.1])])]).dtypes,
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(explanations(), max_size=2), st.lists(failed_explanations(), max_size=2))
def test_tables_hold_plain_values_that_json_admits(items, failed):
    for table in (instances_table(items, failed), weights_table(items)):
        assert is_plain(table)
        json.dumps(table.to_dict("split"), allow_nan=False)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(explanations(), max_size=3))
def test_parquet_returns_the_frame(items):
    frame = explanations_frame(items)
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    back = pd.read_parquet(buffer)
    assert len(back) == sum(len(item.parts) * len(item.labels) for item in items)
    pd.testing.assert_frame_equal(back, frame, check_dtype=False)
