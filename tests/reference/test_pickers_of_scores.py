"""What the model's scores single out: margins, errors, and other answers than the baseline's."""

import numpy as np
import pandas as pd
import pytest

from mlflow_lime.errors import DataError
from mlflow_lime.reference.material import Material, Wish
from mlflow_lime.reference.pickers_of_scores import (
    boundary,
    confident_errors,
    disagreement,
    errors,
)
from tests.reference.given import Given, binary

NOBODY: frozenset[int] = frozenset()


def chosen(picker, replies, truth=None, **wish):
    n = len(replies.answers)
    frame = pd.DataFrame({"x": range(n)})
    if truth is not None:
        frame["label"] = pd.Series(truth)
        wish["target"] = "label"
    return list(picker(Material(frame, Wish(**wish), replies), n, NOBODY))


def test_the_smallest_margin_comes_first_and_ties_keep_the_order_of_rows():
    found = chosen(boundary, Given(binary([0.9, 0.5, 0.35, 0.65, np.nan, 0.1])))
    assert [row for row, _ in found] == [1, 2, 3, 0, 5]
    assert found[1][1] == "near the boundary: margin 0.3"


def test_with_several_classes_the_two_likeliest_decide():
    scores = [[0.1, 0.44, 0.46], [0.33, 0.33, 0.34], [0.5, 0.2, 0.3]]
    found = chosen(boundary, Given(scores, class_names=("a", "b", "c")))
    assert [row for row, _ in found] == [1, 0, 2]


def test_errors_are_the_rows_with_a_wrong_label_in_random_order():
    answers = binary([0.9, 0.9, 0.2, 0.2, np.nan, 0.8, 0.7, 0.6])
    truth = ["no", "yes", "yes", "no", "no", None, "no", "no"]
    orders = {
        tuple(row for row, _ in chosen(errors, Given(answers), truth, seed=seed))
        for seed in range(20)
    }
    assert {frozenset(order) for order in orders} == {frozenset({0, 2, 6, 7})}
    assert len(orders) > 5
    one, two = (chosen(errors, Given(answers), truth, seed=3) for _ in range(2))
    assert one == two


def test_the_surest_error_comes_first():
    answers = binary([0.9, 0.55, 0.01, 0.2])
    found = chosen(confident_errors, Given(answers), ["no", "no", "yes", "no"])
    assert found == [
        (2, "wrong label with probability 0.99"),
        (0, "wrong label with probability 0.90"),
        (1, "wrong label with probability 0.55"),
    ]


@pytest.mark.parametrize("truth", [[0, 1, 0], [0.0, 1.0, None], np.array([False, True, False])])
def test_true_labels_are_compared_as_they_are_pinned(truth):
    names = ("False", "True") if isinstance(truth, np.ndarray) else ("0", "1")
    found = chosen(errors, Given(binary([0.9, 0.9, 0.1]), class_names=names), truth)
    assert [row for row, _ in found] == [0]


def test_of_a_regression_the_largest_errors_come_first():
    replies = Given([[1.0], [2.0], [np.nan], [4.0], [5.0]], mode="regression")
    found = chosen(errors, replies, [1.5, 2.0, 9.0, np.nan, 2.0])
    assert found == [(4, "off by 3"), (0, "off by 0.5")]


def test_another_label_comes_before_another_score():
    replies = Given(
        binary([0.9, 0.6, 0.9, 0.9, np.nan, 0.2]), binary([0.9, 0.4, 0.4, 0.55, 0.1, 0.1])
    )
    found = chosen(disagreement, replies)
    assert found == [
        (2, "another label than the baseline's"),
        (1, "another label than the baseline's"),
        (3, "scores differ from the baseline's by 0.35"),
        (5, "scores differ from the baseline's by 0.1"),
    ]


def test_classes_of_the_baseline_are_found_by_their_names():
    # The first row has the same answer under both; a class that only the baseline knows counts.
    replies = Given(
        binary([0.9, 0.2]),
        [[0.9, 0.0, 0.1], [0.2, 0.7, 0.1]],
        baseline_names=("yes", "maybe", "no"),
    )
    assert chosen(disagreement, replies) == [(1, "another label than the baseline's")]


def test_two_regressions_differ_by_their_values():
    replies = Given([[1.0], [2.0], [3.0]], [[1.0], [5.0], [2.0]], mode="regression")
    assert [row for row, _ in chosen(disagreement, replies)] == [1, 2]


REGRESSION = Given([[1.0], [2.0]], [[1.0, 1.0], [2.0, 2.0]], mode="regression")


@pytest.mark.parametrize(
    ("picker", "replies", "truth", "message"),
    [
        (boundary, REGRESSION, None, "boundary needs a model of classes.*choose errors"),
        (confident_errors, REGRESSION, [1, 2], "confident_errors needs a model of classes"),
        (disagreement, REGRESSION, None, "the baseline has 2 outputs, the model 1"),
        (errors, REGRESSION, ["a", "b"], "holds no numbers.*task: classification"),
        (errors, Given([[1, 2.0]], mode="regression"), [1.0], "has 2 outputs"),
        (errors, Given(binary([0.1])), None, "errors needs true labels.*data.target"),
        (confident_errors, Given(binary([0.1])), None, "needs true labels.*data.target"),
        (errors, Given(binary([0.1])), [1], "no true label.*'1', is a class.*'no', 'yes'"),
    ],
)
def test_what_cannot_be_picked_says_why(picker, replies, truth, message):
    with pytest.raises(DataError, match=message):
        chosen(picker, replies, truth)


def test_a_target_that_is_not_in_the_data_is_named():
    material = Material(pd.DataFrame({"label": ["no"]}), Wish(target="lable"), Given(binary([0.1])))
    with pytest.raises(DataError, match="Did you mean 'label'"):
        list(errors(material, 1, NOBODY))


def test_without_a_model_it_is_said_that_one_is_needed():
    with pytest.raises(DataError, match="picked by a model's answers"):
        list(boundary(Material(pd.DataFrame({"x": [1]}), Wish()), 1, NOBODY))
