"""Which outputs to explain."""

import numpy as np
import pytest

from mlflow_lime.core.labels import choose_labels, require_mode
from mlflow_lime.errors import DataError

THREE = np.array([0.2, 0.5, 0.3])
NAMES = ["a", "b", "c"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("auto", [1]),
        ("predicted", [1]),
        ("all", [0, 1, 2]),
        (1, [1]),
        (2, [1, 2]),
        (9, [1, 2, 0]),
        (["c", "a"], [2, 0]),
        ((), [0]),
    ],
)
def test_rules_of_a_classification(rule, expected):
    assert choose_labels(rule, THREE, NAMES, mode="classification") == expected


@pytest.mark.parametrize(("rule", "expected"), [("auto", [1]), ("predicted", [0]), (1, [0])])
def test_a_binary_model_is_explained_by_its_second_class(rule, expected):
    scores = np.array([0.9, 0.1])
    assert choose_labels(rule, scores, ["no", "yes"], mode="classification") == expected


@pytest.mark.parametrize("rule", ["auto", "predicted", "all", 1])
def test_a_regression_has_all_its_outputs_explained(rule):
    assert choose_labels(rule, np.array([3.0, -1.0]), ["u", "v"], mode="regression") == [0, 1]


def test_equal_scores_keep_the_order_of_the_classes():
    assert choose_labels(2, np.full(3, 1 / 3), NAMES, mode="classification") == [0, 1]


@pytest.mark.parametrize("rule", ["atuo", 0, -1])
def test_an_unknown_rule_is_refused(rule):
    with pytest.raises(DataError, match="labels must be"):
        choose_labels(rule, THREE, NAMES, mode="classification")


def test_an_unknown_class_is_refused():
    with pytest.raises(DataError, match=r"no class 'mallignant'.*Did you mean 'malignant'"):
        choose_labels(["mallignant"], THREE[:2], ["malignant", "x"], mode="classification")


def test_an_unknown_mode_is_refused():
    with pytest.raises(DataError, match="mode must be one of classification, regression"):
        require_mode("ranking")
