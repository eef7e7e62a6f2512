"""What replaces absent windows: means, lines, and stretches of other series."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mlflow_lime.core.sequence.absent import (
    MOST_SERIES,
    SequenceBackground,
    feature_means,
    interpolated,
)
from mlflow_lime.core.sequence.values import values_from_json, values_to_json
from mlflow_lime.errors import DataError

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 8), st.integers(1, 3))


@given(st.data())
def test_a_line_goes_through_the_nearest_kept_values(data):
    n, steps, features = data.draw(SHAPES)
    values = data.draw(arrays(np.float64, (steps, features), elements=st.floats(-1e6, 1e6)))
    kept = data.draw(arrays(bool, (n, steps, features)))
    means = np.arange(features) + 100.0
    found = interpolated(values, kept, means)
    for i in range(n):
        for j in range(features):
            own = np.flatnonzero(kept[i, :, j])
            if len(own):
                expected = np.interp(np.arange(steps), own, values[own, j])
            else:
                expected = np.full(steps, means[j])
            assert np.allclose(found[i, :, j], expected, rtol=1e-9, atol=1e-6)
            assert np.array_equal(found[i, own, j], values[own, j])


def test_everything_kept_is_the_series_itself_and_nothing_is_the_mean():
    values = np.array([[1.0, np.nan], [np.inf, 5.0], [3.0, -0.0]])
    both = np.stack([np.ones((3, 2), dtype=bool), np.zeros((3, 2), dtype=bool)])
    found = interpolated(values, both, np.array([2.0, 7.0]))
    assert np.array_equal(found[0], values, equal_nan=True)
    assert np.array_equal(found[1], np.broadcast_to([2.0, 7.0], (3, 2)))


def test_no_line_begins_at_a_missing_value():
    values = np.array([[0.0], [np.nan], [9.0], [4.0]])
    kept = np.array([[[True], [True], [False], [True]]])
    found = interpolated(values, kept, np.zeros(1))[0, :, 0]
    assert np.isnan(found[1])
    assert found[2] == pytest.approx(8 / 3)


def test_lines_between_the_largest_floats_do_not_overflow():
    values = np.array([[1.7e308], [0.0], [-1.7e308]])
    kept = np.array([[[True], [False], [True]]])
    assert np.isfinite(interpolated(values, kept, np.zeros(1))).all()


@given(
    arrays(
        np.float32, st.tuples(st.integers(1, 9), st.just(2)), elements=st.floats(-9, 9, width=32)
    )
)
def test_means_lie_between_the_extremes_and_are_exact_for_a_constant(values):
    means = feature_means(values)
    assert np.allclose(means, values.astype(float).mean(axis=0), atol=1e-6)
    constant = np.broadcast_to(values[:1], (7, 2))
    assert np.array_equal(feature_means(constant), values[0].astype(float))


def test_means_leave_out_what_is_missing():
    assert feature_means(np.array([[1.0], [np.nan], [3.0], [np.inf]])).tolist() == [2.0]


def test_a_background_is_bounded_and_survives_json():
    rng = np.random.default_rng(0)
    series = rng.normal(size=(MOST_SERIES + 44, 6, 2))
    background = SequenceBackground.of(series)
    assert background.series.shape == (MOST_SERIES, 6, 2)
    assert np.allclose(background.means, series.mean(axis=(0, 1)))
    read = SequenceBackground.from_dict(json.loads(json.dumps(background.to_dict())))
    assert np.array_equal(read.series, background.series)
    assert read.digest() == background.digest()
    assert SequenceBackground.of(series, drawn=False).series is None


def test_background_series_stand_in_their_main_direction():
    rng = np.random.default_rng(0)
    size = rng.permutation(30)
    series = size[:, None, None] * np.ones((30, 5, 2)) + rng.normal(0, 0.01, (30, 5, 2))
    order = SequenceBackground.of(series).series.mean(axis=(1, 2)).round().tolist()
    assert order in (list(range(30)), list(range(30))[::-1])


@pytest.mark.parametrize("series", [[], [np.zeros(3)], [np.zeros((2, 1)), np.zeros((3, 1))]])
def test_what_is_no_background_is_refused(series):
    with pytest.raises(DataError, match="background series are arrays of numbers of one shape"):
        SequenceBackground.of(series)


@given(arrays(np.float64, st.tuples(st.integers(0, 3), st.integers(1, 3))))
def test_numbers_survive_json_exactly(values):
    read = values_from_json(json.loads(json.dumps(values_to_json(values))))
    assert read.tobytes() == values.astype("<f8").tobytes()


@pytest.mark.parametrize(
    "changed",
    [{"shape": [2, 2]}, {"shape": [-1, 3]}, {"shape": [10**18]}, {"values": "AAAA"}, {"values": 3}],
)
def test_damaged_numbers_are_refused(changed):
    stored = {**values_to_json(np.zeros((1, 3))), **changed}
    with pytest.raises(DataError, match="stored numbers of a sequence are damaged"):
        values_from_json(stored)
