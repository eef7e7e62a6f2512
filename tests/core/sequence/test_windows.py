"""Windows: of equal length, and between the steps where a series changes most."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_lime.core.sequence.windows import Cutter, change_points, fixed_windows, part_names
from mlflow_lime.errors import DataError


@given(st.integers(1, 200), st.integers(1, 50))
def test_fixed_windows_differ_by_one_step_at_most(n_steps, count):
    windows = fixed_windows(n_steps, count)
    sizes = np.bincount(windows)
    assert len(sizes) == min(count, n_steps)
    assert np.ptp(sizes) <= 1
    assert (np.diff(windows) >= 0).all()


@given(st.integers(1, 200), st.integers(1, 50))
def test_windows_of_a_length_have_it_but_for_the_last(n_steps, length):
    sizes = np.bincount(fixed_windows(n_steps, length=length))
    assert (sizes[:-1] == length).all()
    assert 1 <= sizes[-1] <= length


def cost(values, windows):
    """Return the squared deviations from the windows' means."""
    return sum(
        ((values[windows == w] - values[windows == w].mean(axis=0)) ** 2).sum()
        for w in np.unique(windows)
    )


def standardised(values):
    spread = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 9), st.integers(1, 5), st.integers(1, 3))
def test_change_points_are_as_good_as_the_best_of_all(seed, n_steps, count, least):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n_steps, int(rng.integers(1, 3))))
    found = change_points(values, count, least=least)
    numbers = standardised(values)
    best = np.inf
    for k in range(1, min(count, n_steps) + 1):
        for breaks in combinations(range(1, n_steps), k - 1):
            sizes = np.diff([0, *breaks, n_steps])
            if k == 1 or sizes.min() >= least:
                best = min(best, cost(numbers, np.repeat(np.arange(k), sizes)))
    assert cost(numbers, found) == pytest.approx(best, abs=1e-7)
    sizes = np.bincount(found)
    assert len(sizes) <= count
    assert len(sizes) == 1 or sizes.min() >= least


@given(st.integers(0, 10_000), st.integers(1, 5))
def test_planted_steps_are_found_exactly(seed, n_levels):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 12, n_levels)
    levels = rng.permutation(np.arange(n_levels)) * 3.7 - 5
    values = np.column_stack([np.repeat(levels, sizes), np.full(sizes.sum(), 7.0)])
    found = change_points(values, 8)
    assert np.array_equal(found, np.repeat(np.arange(n_levels), sizes))


def test_a_noisy_step_of_a_long_series_is_found():
    rng = np.random.default_rng(0)
    values = rng.normal(0, 0.1, (3000, 1))
    values[1200:] += 2
    found = change_points(values, 2)
    (edge,) = np.flatnonzero(np.diff(found)) + 1
    assert abs(edge - 1200) <= 6  # every sixth step can be one


def test_missing_values_do_not_matter_for_change_points():
    values = np.repeat([0.0, 5.0, 0.0], 6)[:, None]
    values[[2, 8], 0] = np.nan, np.inf
    values[3] = -np.inf
    assert change_points(values, 3).max() == 2
    assert change_points(np.full((5, 2), np.nan), 3).tolist() == [0] * 5


def test_units_of_a_feature_do_not_matter_for_change_points():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(30, 2))
    assert np.array_equal(
        change_points(values, 5), change_points(values * [1e-9, 1e12] + [4, 1e12], 5)
    )


def test_each_kind_of_part_covers_the_whole_sequence():
    values = np.random.default_rng(0).normal(size=(12, 3))
    for windows in ("fixed", "change_points"):
        for parts, n in (("windows", 4), ("features", 3), ("cells", 12)):
            labels = Cutter(parts, windows, count=4)(values)
            assert labels.shape == (12, 3)
            assert np.unique(labels).tolist() == list(range(n))


def test_change_points_are_shared_by_windows_and_each_features_own_for_cells():
    values = np.zeros((9, 2))
    values[3:, 0] = 5
    values[6:, 1] = 5
    windows = Cutter("windows", "change_points", count=3)(values)
    assert windows[:, 0].tolist() == windows[:, 1].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    cells = Cutter("cells", "change_points", count=3)(values)
    assert cells[:, 0].tolist() == [0] * 3 + [1] * 6
    assert cells[:, 1].tolist() == [2] * 6 + [3] * 3


def test_parts_have_names_that_a_person_reads():
    values = np.zeros((4, 2))
    features = ("temp", "load")
    steps = (3, 2, 1, 0)
    assert part_names(Cutter("cells", count=2)(values), features, steps, "lag") == (
        "temp, lags 3 to 2",
        "temp, lags 1 to 0",
        "load, lags 3 to 2",
        "load, lags 1 to 0",
    )
    assert part_names(Cutter("features")(values), features, steps) == features
    assert part_names(Cutter(count=4)(values), features, (0, 1, 2, 3))[2] == "step 2"
    assert part_names(Cutter(count=1)(values), features, steps) == ("whole series",)
    assert part_names(Cutter(count=1)(values[:, :1]), ("temp",), steps) == ("temp",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parts": "window"}, "Did you mean 'windows'"),
        ({"windows": "changes"}, "windows must be one of fixed, change_points"),
        ({"count": 0}, "count and length must be at least 1"),
        ({"length": 0}, "count and length must be at least 1"),
    ],
)
def test_choices_that_do_not_exist_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        Cutter(**options)


def test_too_many_parts_are_refused():
    with pytest.raises(DataError, match="has 6,000 parts, and 5,000 can be tested"):
        Cutter("cells", length=1)(np.zeros((3000, 2)))
