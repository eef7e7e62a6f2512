"""Columns of a wide table find their place in time."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_lime.core.sequence.form import SequenceForm, series_like
from mlflow_lime.core.sequence.form import read_series as read
from mlflow_lime.core.sequence.order import LAGS, STEPS, matching, place_columns
from mlflow_lime.errors import DataError


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("temp_lag3", LAGS),
        ("temp lag 3", LAGS),
        ("temp.lag.3", LAGS),
        ("temp_t-3", LAGS),
        ("temp-3", LAGS),
        ("lag_lag_3", LAGS),
        ("temp_12", STEPS),
        ("temp_t12", STEPS),
        ("temp.step12", STEPS),
        ("temp12", STEPS),
        ("12", STEPS),
    ],
)
def test_names_of_lags_and_steps_are_known(name, pattern):
    assert matching([name], pattern) == [name]


def test_a_number_alone_is_no_lag():
    assert matching(["temp_12", "temp", "age"], LAGS) == []


def test_lags_count_back_from_now():
    form = place_columns(["load_lag0", "load_lag1", "load_lag2"])
    assert (form.steps, form.places, form.counted) == ((2, 1, 0), (2, 1, 0), "lag")
    (series,) = read(pd.DataFrame([[3.0, 2.0, 1.0]]), form)
    assert series.values[:, 0].tolist() == [1.0, 2.0, 3.0]


def test_steps_count_forward_whatever_the_order_of_the_columns():
    form = place_columns(["b_10", "a_2", "a_10", "b_2"])
    assert form.features == ("b", "a")
    assert form.steps == (2, 10)
    (series,) = read(pd.DataFrame([[1.0, 2.0, 3.0, 4.0]]), form)
    assert series.values.tolist() == [[4.0, 2.0], [1.0, 3.0]]


def test_names_without_a_place_stand_in_the_order_of_time_or_of_the_features():
    columns = ["a", "b", "c", "d", "e", "f"]
    rows = pd.DataFrame([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]], columns=columns)
    (by_time,) = read(rows, place_columns(columns, order="auto", shape=(3, 2)))
    assert by_time.values.tolist() == [[1, 2], [3, 4], [5, 6]]
    (by_feature,) = read(rows, place_columns(columns, order="features", shape=(3, 2)))
    assert by_feature.values.tolist() == [[1, 4], [2, 5], [3, 6]]


def test_numbered_columns_of_an_array_fit_any_shape():
    form = place_columns([f"x{i}" for i in range(6)], shape=(3, 2), features=["u", "v"])
    assert form.places == tuple(range(6))
    assert form.features == ("u", "v")


def test_a_regular_expression_of_the_user_decides():
    pattern = r"h(?P<lag>\d+) (?P<feature>\w+)"
    form = place_columns(["h1 temp", "h2 temp", "h1 load", "h2 load"], order=pattern)
    assert form.features == ("temp", "load")
    assert form.steps == (2, 1)
    alone = place_columns(["v1", "v2"], order=r"v(?P<step>\d)")
    assert alone.features == ("value",)


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        (["a", "b"], {}, r"tell no lags and no steps; give sequence.shape"),
        (["a", "b"], {"order": "time", "shape": (3, 2)}, r"has 6 values, but there are 2 columns"),
        (["a_lag1", "b_lag2"], {}, r"2 columns are no whole sequence.*none for lag 2 of 'a'"),
        (["a_1", "a_01"], {}, r"two columns for one"),
        (["a_lag1", "a_lag2"], {"order": LAGS, "shape": (3, 1)}, r"tell of 2 steps and 1 features"),
        (["a_lag1", "now"], {"order": LAGS}, r"does not match column \['now'\]"),
        (
            ["a_x", "a_y"],
            {"order": r"(?P<feature>a)_(?P<step>\w)"},
            r"where it should find a whole",
        ),
        (["a", "b"], {"shape": (2, 1), "features": ["u", "v"]}, r"2 features are named"),
    ],
)
def test_columns_that_are_no_sequence_are_refused(columns, options, message):
    with pytest.raises(DataError, match=message):
        place_columns(columns, **options)


def test_a_form_survives_json():
    form = place_columns(["t_lag2", "t_lag1"])
    assert SequenceForm.from_dict(form.to_dict()) == form
    plain = SequenceForm(axes="features_first", shape=(4, 2), features=("a", "b"))
    assert SequenceForm.from_dict(plain.to_dict()) == plain


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "wide"}, "kind must be one of array, flat"),
        ({"axes": "time_frist"}, "Did you mean 'time_first'"),
        ({"counted": "hour"}, "counted must be 'step' or 'lag'"),
        ({"shape": (3, 0)}, "shape must be two whole numbers"),
        ({"kind": "flat", "shape": (2, 1), "places": (0, 0)}, "permutation of the 2 values"),
        ({"features": ("a", "a")}, "features must have different names"),
    ],
)
def test_a_form_that_cannot_be_is_refused(options, message):
    with pytest.raises(DataError, match=message):
        SequenceForm(**options)


@given(st.data())
def test_a_wide_frame_and_an_array_hold_the_same_sequences(data):
    steps, features = data.draw(st.integers(2, 6)), data.draw(st.integers(1, 3))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    arrays = rng.normal(size=(3, steps, features))
    names = [f"f{j}_lag{steps - i}" for i in range(steps) for j in range(features)]
    order = data.draw(st.permutations(range(len(names))))
    frame = pd.DataFrame(arrays.reshape(3, -1)[:, order], columns=[names[i] for i in order])
    form = place_columns(list(frame.columns))
    found = read(frame, form)
    across = [form.features.index(f"f{j}") for j in range(features)]
    assert np.array_equal(np.stack([one.values for one in found])[:, :, across], arrays)
    back = series_like(found[0], form, np.stack([one.values for one in found]))
    pd.testing.assert_frame_equal(back, frame)
