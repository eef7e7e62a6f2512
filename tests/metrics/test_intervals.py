"""Intervals cover, are narrow where all is alike, and depend on no order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_lime.metrics import intervals
from mlflow_lime.metrics.intervals import STATISTICS, expanded_levels, interval, resamples

TRUE = {"mean": 1.0, "median": np.log(2.0), "p10": -np.log(0.9)}


@pytest.mark.parametrize(("statistic", "least"), [("mean", 0.89), ("median", 0.9), ("p10", 0.8)])
def test_intervals_of_skewed_values_cover(statistic, least):
    """Values are exponential; the least quantile of few values cannot be bounded below."""
    rng = np.random.default_rng(11)
    hits = 0
    for _ in range(150):
        low, high = interval(rng.exponential(size=20), statistic)
        hits += low <= TRUE[statistic] <= high
    assert least <= hits / 150


def test_the_interval_of_a_mean_is_as_wide_as_students():
    values = np.random.default_rng(0).normal(size=12)
    low, high = interval(values)
    half = 2.201 * values.std(ddof=1) / np.sqrt(12)
    assert (high - low) / 2 == pytest.approx(half, rel=0.12)
    assert expanded_levels(12)[0] < 0.025 < 1 - expanded_levels(12)[1] + 0.02


@given(st.permutations(range(9)), st.sampled_from(sorted(STATISTICS)))
def test_the_order_of_values_changes_nothing(order, statistic):
    values = np.random.default_rng(3).normal(size=9)
    assert interval(values[list(order)], statistic) == interval(values, statistic)


def test_one_value_has_no_interval_and_equal_ones_have_no_width():
    assert np.isnan(interval(np.array([1.0]))).all()
    assert interval(np.full(5, 0.25)) == (0.25, 0.25)


def test_many_values_are_resampled_piece_by_piece():
    pieces = list(resamples(5000))
    assert len(pieces) > 1
    assert sum(len(piece) for piece in pieces) == 2000


@pytest.mark.parametrize("statistic", sorted(STATISTICS))
def test_of_many_values_what_resampling_tends_to_is_computed(monkeypatch, statistic):
    values = np.random.default_rng(0).exponential(size=3000)
    resampled = interval(values, statistic)
    monkeypatch.setattr(intervals, "MANY", 3000)
    computed = interval(values, statistic)
    width = resampled[1] - resampled[0]
    assert computed == pytest.approx(resampled, abs=0.1 * width)


def test_a_million_values_take_no_time_and_hold_their_statistic():
    values = np.random.default_rng(1).random(10**6)
    for statistic, value in (("mean", 0.5), ("median", 0.5), ("p10", 0.1)):
        low, high = interval(values, statistic)
        assert low < value < high
        assert high - low < 0.005
