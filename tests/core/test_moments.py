"""Moments: small Gram matrices that stand for the rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_lime.core.moments import Moments


def rows(seed=0, n_rows=50, n_parts=4, n_labels=2, n_nuisance=0):
    rng = np.random.default_rng(seed)
    features = rng.integers(0, 2, (n_rows, n_parts)).astype(np.uint8)
    scores = rng.normal(size=(n_rows, n_labels))
    nuisance = rng.normal(size=(n_rows, n_nuisance)) if n_nuisance else None
    return features, scores, rng.random(n_rows), nuisance


@given(seed=st.integers(0, 1000), cut=st.integers(1, 49), n_nuisance=st.integers(0, 3))
@settings(deadline=None, max_examples=30)
def test_moments_of_disjoint_rows_add(seed, cut, n_nuisance):
    z, y, w, n = rows(seed, n_nuisance=n_nuisance)
    parts = [
        Moments.of_rows(z[s], y[s], w[s], None if n is None else n[s])
        for s in (slice(None, cut), slice(cut, None))
    ]
    whole = Moments.of_rows(z, y, w, n)
    assert np.allclose((parts[0] + parts[1]).gram, whole.gram)
    assert np.allclose(Moments.stack(parts).total().gram, whole.gram)


@given(seed=st.integers(0, 1000), n_blocks=st.integers(2, 6))
@settings(deadline=None, max_examples=30)
def test_leaving_one_out_is_the_sum_of_the_others(seed, n_blocks):
    blocks = [Moments.of_rows(*rows(seed + k)) for k in range(n_blocks)]
    left = Moments.stack(blocks).leave_one_out()
    for k in range(n_blocks):
        others = [block for j, block in enumerate(blocks) if j != k]
        assert np.allclose(left.gram[k], Moments.stack(others).total().gram[0])


@given(seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=30)
def test_centred_moments_are_those_of_centred_rows(seed):
    z, y, w, _ = rows(seed)
    moments = Moments.of_rows(z, y, w)
    z = z - np.average(z, axis=0, weights=w)
    means = np.average(y, axis=0, weights=w)
    features, cross = moments.centred()
    assert np.allclose(features[0], (z * w[:, None]).T @ z)
    assert np.allclose(cross[0], (z * w[:, None]).T @ y)
    assert np.allclose(moments.score_means[0], means)
    assert np.allclose(moments.score_squares()[0], w @ (y - means) ** 2)
    assert moments.weight[0] == pytest.approx(w.sum())


@given(seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=30)
def test_adjusted_moments_give_the_weights_of_the_joint_fit(seed):
    from mlflow_lime.core.surrogate import fit_ridge

    z, y, w, n = rows(seed, n_nuisance=3)
    fit = fit_ridge(Moments.of_rows(z, y, w, n).adjusted(), penalty=0.0)
    design = np.column_stack([np.ones(len(z)), z, n]) * np.sqrt(w)[:, None]
    joint = np.linalg.lstsq(design, y * np.sqrt(w)[:, None], rcond=None)[0]
    assert np.allclose(fit.intercepts[0], joint[0], atol=1e-6)
    assert np.allclose(fit.weights[0], joint[1:5].T, atol=1e-6)


def test_without_nuisance_columns_nothing_is_adjusted():
    moments = Moments.of_rows(*rows())
    assert np.array_equal(moments.adjusted().gram, moments.gram)


def test_plain_moments_leave_the_nuisance_columns_out():
    z, y, w, n = rows(n_nuisance=3)
    plain = Moments.of_rows(z, y, w, n).plain()
    assert np.allclose(plain.gram, Moments.of_rows(z, y, w).gram)
    assert plain.n_nuisance == 0


def test_nuisance_columns_that_are_all_zero_change_nothing():
    z, y, w, _ = rows()
    with_zeros = Moments.of_rows(z, y, w, np.zeros((len(z), 3)))
    assert np.allclose(with_zeros.adjusted().gram, Moments.of_rows(z, y, w).gram)


def test_masks_beside_double_columns_are_added_up_as_in_double_precision():
    rng = np.random.default_rng(0)
    z = rng.integers(0, 2, (9000, 5)).astype(np.uint8)
    y, n = rng.normal(size=(9000, 2)), rng.normal(size=(9000, 3))
    moments = Moments.of_rows(z, y, np.ones(9000), n)
    design = np.column_stack([np.ones(9000), z, y, n])
    assert np.allclose(moments.gram[0], design.T @ design, rtol=1e-12, atol=1e-9)
    assert np.array_equal(moments.gram[0, :6, :6], (design.T @ design)[:6, :6])


def test_many_nuisance_columns_leave_what_few_would():
    rng = np.random.default_rng(1)
    z = rng.integers(0, 2, (500, 6)).astype(np.uint8)
    y, n = rng.normal(size=(500, 1)), rng.normal(size=(500, 80))
    design = np.column_stack([np.ones(500), z, y])
    left = design - n @ np.linalg.lstsq(n, design, rcond=None)[0]
    adjusted = Moments.of_rows(z, y, np.ones(500), n).adjusted()
    assert np.allclose(adjusted.gram[0], left.T @ left, atol=1e-6)


def test_moments_of_scores_and_squares_of_features_are_parts_of_the_whole():
    moments = Moments.of_rows(*rows(n_nuisance=3))
    assert np.allclose(moments.of_scores().score_squares(), moments.plain().score_squares())
    features, _ = moments.centred()
    assert np.array_equal(moments.feature_squares()[0], np.diagonal(features[0]))
