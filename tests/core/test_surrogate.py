"""Surrogates from moments: ridge, selection, jackknife; the reference package as an oracle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student
from sklearn.linear_model import Ridge

from mlflow_lime.core.moments import Moments
from mlflow_lime.core.surrogate import (
    fit_ridge,
    highest_weights,
    jackknife,
    residual_squares,
    select_parts,
)
from mlflow_lime.errors import DataError

SEEDS = st.integers(0, 2**32 - 1)


def neighbourhood(seed, *, n_parts=None, n_rows=None, n_labels=1):
    """Return masks with the instance first, scores of a model with interactions, and weights."""
    rng = np.random.default_rng(seed)
    n_parts = n_parts or int(rng.integers(2, 13))
    n_rows = n_rows or int(rng.integers(60, 400))
    masks = rng.integers(0, 2, (n_rows, n_parts))
    masks[0] = 1
    scores = masks @ rng.normal(size=(n_parts, n_labels))
    scores += np.outer(masks[:, 0] * masks[:, 1], rng.normal(size=n_labels))
    scores += 0.3 * rng.normal(size=scores.shape)
    distances = np.sqrt((1 - masks).sum(axis=1))
    weights = np.exp(-0.5 * (distances / (0.75 * np.sqrt(n_parts))) ** 2)
    return masks, scores, weights


def moments_of(masks, scores, weights):
    return Moments.of_rows(masks, scores, weights)


def reference(masks, scores, weights, method, n_parts):
    """Return what the reference package gives for the same masks, scores, and weights."""
    from lime.lime_base import LimeBase

    base = LimeBase(lambda distances: weights)
    intercept, weighted, score, local = base.explain_instance_with_data(
        masks, scores, np.zeros(len(masks)), 0, n_parts, feature_selection=method
    )
    return intercept, dict(weighted), score, float(local[0])


def agree(masks, scores, weights, support, expected):
    """Check the fit on a support against the reference's intercept, weights, score, prediction."""
    intercept, weighted, score, local = expected
    moments = moments_of(masks, scores, weights)
    fit = fit_ridge(moments, penalty=1.0, absolute=True, support=support)
    found = fit.weights[0, 0]
    assert set(weighted) == set(support.tolist())
    assert np.allclose([found[j] for j in weighted], list(weighted.values()), rtol=0, atol=1e-8)
    assert fit.intercepts[0, 0] == pytest.approx(intercept, abs=1e-8)
    assert fit.intercepts[0, 0] + found.sum() == pytest.approx(local, abs=1e-8)
    r2 = 1 - residual_squares(moments, fit) / moments.score_squares()
    assert r2[0, 0] == pytest.approx(score, abs=1e-8)


@given(seed=SEEDS)
@settings(deadline=None, max_examples=60)
def test_ridge_agrees_with_the_reference(seed):
    masks, scores, weights = neighbourhood(seed)
    every = np.arange(masks.shape[1])
    expected = reference(masks, scores, weights, "none", masks.shape[1])
    agree(masks, scores, weights, every, expected)


@given(seed=SEEDS, n_parts=st.integers(1, 8))
@settings(deadline=None, max_examples=40)
def test_forward_selection_agrees_with_the_reference(seed, n_parts):
    masks, scores, weights = neighbourhood(seed)
    n_parts = min(n_parts, masks.shape[1])
    support = select_parts("forward", moments_of(masks, scores, weights), n_parts=n_parts)
    expected = reference(masks, scores, weights, "forward_selection", n_parts)
    agree(masks, scores, weights, support, expected)


@given(seed=SEEDS, n_parts=st.integers(1, 8))
@settings(deadline=None, max_examples=60)
def test_highest_weights_agree_with_the_reference_at_its_scale(seed, n_parts):
    masks, scores, weights = neighbourhood(seed)
    n_parts = min(n_parts, masks.shape[1])
    # The reference multiplies by the instance's own values, which are ones.
    support = highest_weights(
        moments_of(masks, scores, weights), n_parts, scale=np.ones(masks.shape[1])
    )
    expected = reference(masks, scores, weights, "highest_weights", n_parts)
    agree(masks, scores, weights, support, expected)


@given(seed=SEEDS, n_parts=st.integers(1, 8))
@settings(deadline=None, max_examples=60)
def test_the_lasso_path_agrees_with_the_reference(seed, n_parts):
    masks, scores, weights = neighbourhood(seed)
    n_parts = min(n_parts, masks.shape[1])
    support = select_parts("lasso_path", moments_of(masks, scores, weights), n_parts=n_parts)
    expected = reference(masks, scores, weights, "lasso_path", n_parts)
    agree(masks, scores, weights, support, expected)


# ------------------------------------------------------------------------------------ ridge


@given(seed=SEEDS, alpha=st.floats(1e-3, 1e3), n_labels=st.integers(1, 4))
@settings(deadline=None, max_examples=40)
def test_ridge_is_that_of_scikit_learn_for_all_labels_at_once(seed, alpha, n_labels):
    masks, scores, weights = neighbourhood(seed, n_labels=n_labels)
    fit = fit_ridge(moments_of(masks, scores, weights), penalty=alpha, absolute=True)
    known = Ridge(alpha=alpha).fit(masks, scores, sample_weight=weights)
    assert np.allclose(fit.weights[0], np.reshape(known.coef_, (n_labels, -1)), atol=1e-8)
    assert np.allclose(fit.intercepts[0], known.intercept_, atol=1e-8)


@given(seed=SEEDS, times=st.integers(2, 50))
@settings(deadline=None, max_examples=20)
def test_a_relative_penalty_does_not_depend_on_the_number_of_rows(seed, times):
    masks, scores, weights = neighbourhood(seed)
    one = fit_ridge(moments_of(masks, scores, weights), penalty=0.1)
    many = fit_ridge(moments_of(masks, scores, weights * times), penalty=0.1)
    assert np.allclose(one.weights, many.weights)


@given(seed=SEEDS)
@settings(deadline=None, max_examples=30)
def test_residual_squares_are_those_of_the_rows(seed):
    masks, scores, weights = neighbourhood(seed, n_labels=3)
    moments = moments_of(masks, scores, weights)
    fit = fit_ridge(moments, penalty=0.01)
    residuals = scores - fit.intercepts[0] - masks @ fit.weights[0].T
    assert np.allclose(residual_squares(moments, fit)[0], weights @ residuals**2)


def test_parts_outside_the_support_have_weight_zero():
    masks, scores, weights = neighbourhood(1, n_parts=6)
    fit = fit_ridge(moments_of(masks, scores, weights), penalty=0.0, support=np.array([1, 4]))
    assert np.flatnonzero(fit.weights[0, 0]).tolist() == [1, 4]


@pytest.mark.parametrize("penalty", [0.0, 1e-10])
def test_parts_that_never_vary_or_vary_together_are_no_obstacle(penalty):
    masks = np.array([[1, 0, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]])
    scores = masks[:, [1]] * 2.0 + masks[:, [2]] * 3.0
    fit = fit_ridge(moments_of(masks, scores, np.ones(4)), penalty=penalty)
    assert np.isfinite(fit.weights).all()
    assert fit.weights[0, 0, 0] == pytest.approx(0, abs=1e-6)
    assert fit.weights[0, 0, 2:].sum() == pytest.approx(3, abs=1e-6)


# -------------------------------------------------------------------------------- selection


@pytest.mark.parametrize("method", ["highest_weights", "forward", "lasso_path"])
@given(seed=SEEDS, n_parts=st.integers(1, 14))
@settings(deadline=None, max_examples=20)
def test_at_most_as_many_parts_are_chosen_as_asked(method, seed, n_parts):
    masks, scores, weights = neighbourhood(seed)
    support = select_parts(method, moments_of(masks, scores, weights), n_parts=n_parts)
    assert len(support) <= n_parts
    assert len(set(support.tolist())) == len(support)
    assert set(support.tolist()) <= set(range(masks.shape[1]))


@pytest.mark.parametrize("method", ["highest_weights", "forward", "lasso_path"])
def test_each_label_has_parts_of_its_own(method):
    rng = np.random.default_rng(0)
    masks = rng.integers(0, 2, (400, 6))
    scores = np.column_stack([masks[:, 1] + masks[:, 2], masks[:, 4] - masks[:, 5]]).astype(float)
    moments = moments_of(masks, scores, np.ones(400))
    found = [sorted(select_parts(method, moments, n_parts=2, label=k).tolist()) for k in (0, 1)]
    assert found == [[1, 2], [4, 5]]


@pytest.mark.parametrize("method", ["highest_weights", "forward", "lasso_path"])
def test_a_part_that_never_varies_or_a_constant_output_is_no_obstacle(method):
    masks = np.column_stack([np.ones(64), np.tile([0, 1], 32), np.repeat([0, 1], 32)])
    scores = np.column_stack([masks[:, 1], np.zeros(64)])
    moments = moments_of(masks, scores, np.ones(64))
    assert 1 in select_parts(method, moments, n_parts=2)
    assert len(select_parts(method, moments, n_parts=2, label=1)) <= 2


def test_a_feature_of_large_scale_is_not_dropped_for_its_small_weight():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(500, 3)) * [1000.0, 1.0, 1.0]
    scores = (features @ [0.005, 0.1, 0.1])[:, None]
    moments = moments_of(features, scores, np.ones(500))
    assert select_parts("highest_weights", moments, n_parts=1).tolist() == [0]


def test_an_unknown_selection_is_refused():
    masks, scores, weights = neighbourhood(0)
    with pytest.raises(DataError, match="Did you mean 'forward'"):
        select_parts("foward", moments_of(masks, scores, weights), n_parts=2)


# -------------------------------------------------------------------------------- jackknife


@given(
    values=st.lists(st.floats(-100, 100), min_size=2, max_size=12),
    confidence=st.floats(0.5, 0.99),
)
@settings(deadline=None, max_examples=50)
def test_the_jackknife_of_a_mean_is_its_standard_error(values, confidence):
    values = np.array(values)
    n = len(values)
    left = (values.sum() - values) / (n - 1)
    error, half = jackknife(values.mean()[None], left[:, None], confidence=confidence)
    assert error[0] == pytest.approx(values.std(ddof=1) / np.sqrt(n), abs=1e-9)
    assert half[0] == pytest.approx(student.ppf(0.5 + confidence / 2, n - 1) * error[0], abs=1e-9)


@pytest.mark.parametrize("n_replicates", [0, 1])
def test_without_two_replicates_there_is_no_error(n_replicates):
    error, half = jackknife(np.ones(3), np.ones((n_replicates, 3)), confidence=0.95)
    assert (error == 0).all()
    assert (half == 0).all()
