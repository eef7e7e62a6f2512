"""The model behind one checked call."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from mlflow_lime.core.predict import Predictor, as_scores, take_rows, trim
from mlflow_lime.errors import DataError, ModelError, ModelOutputError

TWO = np.array([[0.25, 0.75], [1.0, 0.0]])


@pytest.mark.parametrize(
    "raw",
    [
        TWO,
        TWO.tolist(),
        pd.DataFrame(TWO),
        pd.DataFrame(TWO).astype("Float64"),
        csr_matrix(TWO),
        TWO[:, 1],
        TWO[:, 1:],
        pd.Series(TWO[:, 1], index=[7, 9]),
        TWO.astype(np.float32),
        TWO.astype(object),
    ],
    ids=lambda raw: type(raw).__name__,
)
def test_probabilities_may_come_in_any_container(raw):
    assert np.array_equal(as_scores(raw, 2, mode="classification"), TWO)


@pytest.mark.parametrize("raw", [[1, 2], np.array([[1], [2]]), pd.Series([1, 2])])
def test_values_of_a_regression_may_be_whole_numbers(raw):
    assert as_scores(raw, 2, mode="regression").tolist() == [[1.0], [2.0]]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (TWO[:1], "returned 1 rows for 2 inputs"),
        ([], "returned 0 rows for 2 inputs"),
        (np.array([], dtype=int), "returned 0 rows"),
        ([1, 0], "labels such as"),
        ([[1], [0]], "labels such as"),
        ([True, False], "labels such as"),
        (["a", "b"], "labels such as 'a'"),
        (np.array(["a", "b"], dtype=object), "labels such as 'a'"),
        (pd.Series(["a", "b"]), "labels such as 'a'"),
        ([2.5, 0.1], "between 0.1 and 2.5"),
        ([[0.5, 0.5], [np.nan, 0.5]], "NaN or infinity for 1 of 2 inputs"),
        ([[0.5, np.inf], [0.5, 0.5]], "NaN or infinity for 1 of 2 inputs"),
        ([np.nan, 0.5], "NaN or infinity for 1 of 2"),
        ([[0.5], [0.5, 0.5]], "rows of different lengths"),
        (np.zeros((2, 2, 2)), "array of shape"),
        (0.5, "array of shape"),
        ([None, {}], "values of type dict"),
        (pd.DataFrame({"score": [0.5, 0.1], "label": ["a", "b"]}), "values of type str"),
    ],
)
def test_scores_that_cannot_be_used_are_refused(raw, message):
    with pytest.raises(ModelOutputError, match=message):
        as_scores(raw, 2, mode="classification")


def test_another_number_of_outputs_than_before_is_refused():
    with pytest.raises(ModelOutputError, match="2 outputs, but 3 in an earlier call"):
        as_scores(TWO, 2, mode="classification", n_outputs=3)


def test_an_error_of_the_model_hides_quoted_values():
    def predict(rows):
        raise ValueError("could not convert 'secret\nvalue' to float")

    with pytest.raises(ModelError, match="the model raised ValueError") as caught:
        Predictor(predict, "regression")(None, 1)
    assert "secret" not in str(caught.value)
    assert isinstance(caught.value.__cause__, ValueError)


def test_an_error_of_ours_passes_through():
    def predict(rows):
        raise DataError("no such column")

    with pytest.raises(DataError, match="no such column"):
        Predictor(predict, "regression")(None, 1)


def test_an_interrupt_passes_through_and_is_counted():
    def predict(rows):
        raise KeyboardInterrupt

    predictor = Predictor(predict, "regression")
    with pytest.raises(KeyboardInterrupt):
        predictor(None, 3)
    assert (predictor.counter.calls, predictor.counter.rows) == (1, 3)


def test_calls_rows_and_seconds_are_counted():
    predictor = Predictor(lambda rows: rows, "regression")
    predictor(np.ones(3), 3)
    predictor(np.ones(4), 4)
    assert (predictor.counter.calls, predictor.counter.rows) == (2, 7)
    assert predictor.counter.seconds > 0


@given(st.lists(st.floats(-1e300, 1e300), min_size=1))
def test_trimming_changes_a_score_by_less_than_its_own_size_times_two_to_the_minus_33(values):
    scores = np.array(values)
    assert (np.abs(trim(scores) - scores) <= np.abs(scores) * 2.0**-33 + 1e-300).all()
    assert np.array_equal(trim(trim(scores)), trim(scores))


@given(st.floats(1e-3, 1.0), st.integers(-3, 3))
def test_most_last_bits_are_trimmed_away(score, steps):
    other = score
    for _ in range(abs(steps)):
        other = np.nextafter(other, np.inf if steps > 0 else -np.inf)
    gap = abs(trim(np.array([score])) - trim(np.array([other])))[0]
    assert gap == 0 or gap <= score * 2.0**-31


@pytest.mark.parametrize("rows", [slice(1, 3), np.array([2, 0])])
def test_rows_are_taken_from_any_container(rows):
    frame = pd.DataFrame({"a": [1, 2, 3]})
    expected = frame.iloc[rows]["a"].tolist()
    assert take_rows(frame, rows)["a"].tolist() == expected
    assert take_rows(frame["a"], rows).tolist() == expected
    assert take_rows(frame["a"].to_numpy(), rows).tolist() == expected
    assert take_rows(["1", "2", "3"], rows) == [str(v) for v in expected]
