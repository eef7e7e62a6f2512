"""Moments: small Gram matrices that stand for the rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_lime.core.covariates import Covariates, inverse_factors
from mlflow_lime.core.moments import Moments, Rows
from mlflow_lime.core.surrogate import fit_ridge


def rows(seed=0, n_rows=50, n_parts=4, n_labels=2, n_nuisance=0):
    rng = np.random.default_rng(seed)
    features = rng.integers(0, 2, (n_rows, n_parts)).astype(np.uint8)
    scores = rng.normal(size=(n_rows, n_labels))
    nuisance = rng.normal(size=(n_rows, n_nuisance)) if n_nuisance else None
    return features, scores, rng.random(n_rows), nuisance


def same(first, second, **tolerance):
    """Return whether two moments are the same."""
    pairs = [
        (first.covariates.gram, second.covariates.gram),
        (first.cross, second.cross),
        (first.squares, second.squares),
    ]
    return all(np.allclose(a, b, **tolerance) for a, b in pairs)


def stacked(blocks):
    """Return the moments of several blocks of rows as one stack."""
    return Moments(
        Covariates.stack([block.covariates for block in blocks]),
        np.concatenate([block.cross for block in blocks]),
        np.concatenate([block.squares for block in blocks]),
    )


@given(seed=st.integers(0, 1000), cut=st.integers(1, 49), n_nuisance=st.integers(0, 3))
@settings(deadline=None, max_examples=30)
def test_moments_of_disjoint_rows_add(seed, cut, n_nuisance):
    z, y, w, n = rows(seed, n_nuisance=n_nuisance)
    parts = [
        Moments.of_rows(z[s], y[s], w[s], None if n is None else n[s])
        for s in (slice(None, cut), slice(cut, None))
    ]
    whole = Moments.of_rows(z, y, w, n)
    assert same(stacked(parts).total(), whole)


@given(seed=st.integers(0, 1000), n_blocks=st.integers(2, 6))
@settings(deadline=None, max_examples=30)
def test_leaving_one_out_is_the_sum_of_the_others(seed, n_blocks):
    blocks = [Moments.of_rows(*rows(seed + k)) for k in range(n_blocks)]
    stack = stacked(blocks)
    sums = stack.sums()
    assert same(sums.first(), stack.total())
    for k in range(n_blocks):
        others = [block for j, block in enumerate(blocks) if j != k]
        rest = stacked(others).total()
        assert same(stack.without(k), rest)
        assert np.allclose(sums.cross[1 + k], rest.cross[0])
        assert np.allclose(sums.covariates.gram[1 + k], rest.covariates.gram[0])
        assert np.allclose(sums.squares[1 + k], rest.squares[0])


@given(seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=30)
def test_centred_moments_are_those_of_centred_rows(seed):
    z, y, w, _ = rows(seed)
    moments = Moments.of_rows(z, y, w)
    z = z - np.average(z, axis=0, weights=w)
    means = np.average(y, axis=0, weights=w)
    centred = (z * w[:, None]).T @ z
    assert np.allclose(moments.covariates.centred[0], centred)
    assert np.allclose(moments.covariates.squares[0], np.diagonal(centred))
    assert np.allclose(moments.centred_cross()[0], (z * w[:, None]).T @ y)
    assert np.allclose(moments.score_means[0], means)
    assert np.allclose(moments.score_squares()[0], w @ (y - means) ** 2)
    assert moments.weight[0] == pytest.approx(w.sum())


@given(seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=30)
def test_adjusted_moments_give_the_weights_of_the_joint_fit(seed):
    z, y, w, n = rows(seed, n_nuisance=3)
    fit = fit_ridge(Moments.of_rows(z, y, w, n).adjusted(), penalty=0.0)
    design = np.column_stack([np.ones(len(z)), z, n]) * np.sqrt(w)[:, None]
    joint = np.linalg.lstsq(design, y * np.sqrt(w)[:, None], rcond=None)[0]
    assert np.allclose(fit.intercepts[0], joint[0], atol=1e-6)
    assert np.allclose(fit.weights[0], joint[1:5].T, atol=1e-6)


def test_without_nuisance_columns_nothing_is_adjusted():
    moments = Moments.of_rows(*rows())
    assert moments.adjusted() is moments
    assert moments.covariates.adjusted is moments.covariates


def test_plain_moments_leave_the_nuisance_columns_out():
    z, y, w, n = rows(n_nuisance=3)
    plain = Moments.of_rows(z, y, w, n).plain()
    assert same(plain, Moments.of_rows(z, y, w))
    assert plain.n_nuisance == 0


def test_nuisance_columns_that_are_all_zero_change_nothing():
    z, y, w, _ = rows()
    with_zeros = Moments.of_rows(z, y, w, np.zeros((len(z), 3)))
    assert same(with_zeros.adjusted(), Moments.of_rows(z, y, w))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_masks_beside_other_columns_are_added_up_as_in_double_precision(kind):
    rng = np.random.default_rng(0)
    z = rng.integers(0, 2, (9000, 5)).astype(np.uint8)
    y = rng.normal(size=(9000, 2))
    n = (rng.integers(-1024, 1024, (9000, 3)) / 1024).astype(kind)
    moments = Moments.of_rows(z, y, np.ones(9000), n)
    design = np.column_stack([np.ones(9000), z, n])
    exact = kind == np.float64
    gram = moments.covariates.gram[0]
    assert np.allclose(gram, design.T @ design, rtol=1e-12, atol=1e-9 if exact else 1e-2)
    assert np.array_equal(gram[:6, :6], (design.T @ design)[:6, :6])
    # Products of masks and values of so few digits lose none.
    assert np.array_equal(gram[:6, 6:], (design.T @ design)[:6, 6:])
    assert np.allclose(moments.cross[0], design.T @ y, rtol=1e-12)


def test_many_nuisance_columns_leave_what_few_would():
    rng = np.random.default_rng(1)
    z = rng.integers(0, 2, (500, 6)).astype(np.uint8)
    y, n = rng.normal(size=(500, 1)), rng.normal(size=(500, 80))
    design = np.column_stack([np.ones(500), z, y])
    left = design - n @ np.linalg.lstsq(n, design, rcond=None)[0]
    adjusted, gram = Moments.of_rows(z, y, np.ones(500), n).adjusted(), left.T @ left
    assert np.allclose(adjusted.covariates.gram[0], gram[:7, :7], atol=1e-6)
    assert np.allclose(adjusted.cross[0], gram[:7, 7:], atol=1e-6)
    assert np.allclose(adjusted.squares[0], gram[7:, 7:], atol=1e-6)


@given(seed=st.integers(0, 1000), rank=st.integers(1, 5))
@settings(deadline=None, max_examples=30)
def test_inverse_factors_give_the_inverse_or_a_pseudo_inverse(seed, rank):
    root = np.random.default_rng(seed).normal(size=(5, rank))
    matrix = root @ root.T
    (factor,) = inverse_factors(matrix[None])
    if rank == 5:
        assert np.allclose(factor.T @ factor @ matrix, np.eye(5), atol=1e-4)
    if not np.tril(factor, 1).any() or rank < 5:
        target = matrix @ np.ones(5)
        assert np.allclose(matrix @ (factor.T @ (factor @ target)), target, atol=1e-4)


@given(seed=st.integers(0, 1000), weighted=st.booleans(), n_nuisance=st.integers(0, 3))
@settings(deadline=None, max_examples=30)
def test_rows_that_are_kept_give_the_same_again_and_again(seed, weighted, n_nuisance):
    z, y, w, n = rows(seed, n_nuisance=n_nuisance)
    w = w if weighted else np.ones(len(z))
    once, kept = Rows(z, w, n), Rows(z, w, n, kept=True)
    for _ in range(2):
        for first, second in zip(once.products(y), kept.products(y), strict=True):
            assert np.array_equal(first, second)
        assert np.array_equal(once.covariates().gram, kept.covariates().gram)
    beta = np.array([[1.0, 0.0, 1.0, 2.0, 3.0], [-2.0, 4.0, 5.0, 6.0, 7.0]])
    expected = z @ beta[:, 1:].T + beta[:, 0]
    assert np.allclose(once.predicted(beta), expected)
    assert np.allclose(kept.predicted(beta), expected)
    assert once.weight == pytest.approx(w.sum())
    assert once.weight_of(z[:, 0] > 0) == pytest.approx(w[z[:, 0] > 0].sum())
