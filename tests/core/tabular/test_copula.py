"""The copula: levels that keep the correlation of the data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_lime.core.blocks import LEVELS
from mlflow_lime.core.tabular.copula import NORMAL_SCORES, condition, correlate

R = np.array([[1.0, 0.8, -0.5], [0.8, 1.0, -0.3], [-0.5, -0.3, 1.0]])


def independent(n_rows=20_000, n_parts=3, seed=0):
    return np.random.default_rng(seed).integers(0, LEVELS, (n_rows, n_parts)).astype(np.uint16)


def test_levels_get_the_correlation():
    scores = NORMAL_SCORES[correlate(independent(), R)]
    assert np.abs(np.corrcoef(scores.T) - R).max() < 0.02


def test_levels_stay_uniform_one_by_one():
    levels = correlate(independent(), R)
    assert levels.dtype == np.uint16
    for column in levels.T:
        counts = np.bincount(column // 64, minlength=16)
        assert np.abs(counts / len(column) - 1 / 16).max() < 0.01


def test_no_correlation_leaves_the_levels():
    levels = independent(100)
    found = correlate(levels, np.eye(3)).astype(int)
    assert np.abs(found - levels).max() <= 1


def test_a_singular_correlation_is_kept():
    found = correlate(independent(200, 2), np.ones((2, 2))).astype(int)
    assert np.abs(found[:, 0] - found[:, 1]).max() <= 1


def test_present_parts_keep_their_own_scores_and_absent_ones_follow():
    own = np.array([1.5, 0.0, 0.0])
    masks = np.tile(np.array([1, 0, 0], dtype=np.uint8), (20_000, 1))
    scores = NORMAL_SCORES[condition(independent(), masks, own, R)]
    assert np.abs(scores[:, 0] - 1.5).max() < 0.02
    assert scores[:, 1].mean() == pytest.approx(0.8 * 1.5, abs=0.02)
    assert scores[:, 1].std() == pytest.approx(np.sqrt(1 - 0.64), abs=0.02)
    assert scores[:, 2].mean() == pytest.approx(-0.5 * 1.5, abs=0.02)
    left = np.corrcoef(scores[:, 1], scores[:, 2])[0, 1]
    expected = (-0.3 + 0.8 * 0.5) / np.sqrt((1 - 0.64) * (1 - 0.25))
    assert left == pytest.approx(expected, abs=0.03)


def test_without_present_parts_the_draw_is_the_joint_one():
    levels = independent(500)
    masks = np.zeros((500, 3), dtype=np.uint8)
    found = condition(levels, masks, np.array([2.0, 2.0, 2.0]), R).astype(int)
    assert np.abs(found - correlate(levels, R)).max() <= 1


@given(seed=st.integers(0, 1000), n_parts=st.integers(1, 6))
@settings(deadline=None, max_examples=25)
def test_a_row_does_not_depend_on_the_other_rows(seed, n_parts):
    rng = np.random.default_rng(seed)
    basis = rng.normal(size=(n_parts, n_parts + 2))
    correlation = np.corrcoef(basis) if n_parts > 1 else np.ones((1, 1))
    levels = independent(20, n_parts, seed)
    masks = rng.integers(0, 2, (20, n_parts), dtype=np.uint8)
    own = rng.normal(size=n_parts)
    whole = condition(levels, masks, own, correlation).astype(int)
    half = condition(levels[7:], masks[7:], own, correlation).astype(int)
    assert np.abs(whole[7:] - half).max() <= 1
