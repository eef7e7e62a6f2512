"""Two rows of output say what a model does, or it is asked."""

import numpy as np
import pandas as pd
import pytest

from mlflow_lime.errors import (
    ConfigError,
    ModelOutputError,
)
from mlflow_lime.tracking.model import load_scoring_function

ROWS = pd.DataFrame({"income": [50.0, 30.0]})


def test_a_callable_that_gives_one_probability_becomes_two_columns():
    def half(frame):
        return np.full((len(frame), 1), 0.25)

    score = load_scoring_function(half, task="classification", sample=ROWS)
    assert score.class_names == ("0", "1")
    np.testing.assert_array_equal(score(ROWS), [[0.75, 0.25]] * 2)


def test_one_number_between_0_and_1_is_a_regression_with_a_note():
    score = load_scoring_function(lambda frame: np.full(len(frame), 0.5), sample=ROWS)
    assert score.mode == "regression"
    assert "set task: classification" in score.notes[0]


def test_whole_numbers_are_either_labels_or_quantities_and_that_is_asked():
    def whole(frame):
        return (frame["income"] > 40).astype(int)

    with pytest.raises(ModelOutputError, match=r"whole numbers.*task: regression"):
        load_scoring_function(whole, sample=ROWS)
    labels = load_scoring_function(whole, sample=ROWS, class_names=["no", "yes"])
    np.testing.assert_array_equal(labels(ROWS), [[0, 1], [1, 0]])
    values = load_scoring_function(whole, sample=ROWS, task="regression")
    np.testing.assert_array_equal(values(ROWS), [[1], [0]])


def test_several_numbers_that_are_no_probabilities_need_a_task():
    def two(frame):
        return np.column_stack([frame["income"], frame["income"] + 1])

    with pytest.raises(ModelOutputError, match=r"2 numbers per row that are no probabilities"):
        load_scoring_function(two, sample=ROWS)
    assert load_scoring_function(two, sample=ROWS, task="regression").class_names == (
        "value 0",
        "value 1",
    )
    score = load_scoring_function(two, sample=ROWS, task="classification")
    assert "no probabilities" in score.notes[0]


def model_of(output):
    return lambda frame: output(len(frame))


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (lambda n: np.full((1, 2), 0.5), "returned 1 rows for 2 inputs"),
        (lambda n: np.full((n, 2), np.nan), "NaN or infinity for 2 of 2"),
        (lambda n: np.full((n, 2, 2), 0.5), "array of shape"),
        (lambda n: {"a": np.ones(n), "b": np.ones(n)}, "dict with the keys \\['a', 'b'\\]"),
        (lambda n: [object()] * n, "values of type object"),
        (lambda n: np.full(n, 3.5), "expected probabilities between 0 and 1"),
        (lambda n: ["perhaps"] * n, "label that is none of the 2 class names"),
        (lambda n: pd.DataFrame({"label": ["a"] * n, "score": [0.5] * n}), "values of type str"),
    ],
)
def test_an_output_that_cannot_be_explained_is_a_typed_error(output, text):
    with pytest.raises(ModelOutputError, match=text):
        load_scoring_function(
            model_of(output), task="classification", class_names=["no", "yes"], sample=ROWS
        )(ROWS)


def test_three_outputs_for_two_names_is_a_configuration_error():
    with pytest.raises(ConfigError, match=r"class_names lists 2 names .* returned 3 outputs"):
        load_scoring_function(
            model_of(lambda n: np.full((n, 3), 1 / 3)), sample=ROWS, class_names=["a", "b"]
        )
