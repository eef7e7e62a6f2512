"""Columns by the number of kept parts: they explain variance and never move the weights."""

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_lime.core.count_columns import choose_count_order, count_columns
from mlflow_lime.core.laws import count_law, count_weights
from mlflow_lime.core.masks import enumerate_masks, mask_block
from mlflow_lime.core.moments import Moments
from mlflow_lime.core.surrogate import fit_ridge

LAWS = [
    ("bernoulli", None),
    ("uniform_count", None),
    ("uniform_count", 0.2),
    ("uniform_count", 0.45),
]


def every_mask(law, n_parts, width):
    masks = enumerate_masks(n_parts)
    weights = count_weights(law, n_parts, width)[masks.sum(axis=1, dtype=int)]
    return masks, weights / weights.sum()


def fitted(masks, weights, scores, columns=None):
    moments = Moments.of_rows(masks, scores[:, None], weights, columns).adjusted()
    return fit_ridge(moments, penalty=0.0).weights[0, 0]


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("law", "width"), LAWS)
@pytest.mark.parametrize("n_parts", [3, 4, 7, 10])
def test_over_all_masks_the_weights_with_and_without_the_columns_agree(law, width, n_parts, order):
    masks, weights = every_mask(law, n_parts, width)
    scores = np.random.default_rng(n_parts).normal(size=len(masks)) + masks.sum(axis=1) ** 2.5
    columns = count_columns(masks, law=law, width=width, order=order)
    joint = np.column_stack([np.ones(len(masks)), masks, columns]) * np.sqrt(weights)[:, None]
    with_columns = np.linalg.lstsq(joint, scores * np.sqrt(weights), rcond=None)[0][1 : 1 + n_parts]
    without = fitted(masks, weights, scores)
    assert with_columns == pytest.approx(without, abs=1e-10 * np.abs(scores).max())
    assert fitted(masks, weights, scores, columns) == pytest.approx(without, abs=1e-7)


@given(
    n_parts=st.integers(3, 12),
    law=st.sampled_from([law for law, _ in LAWS]),
    width=st.one_of(st.none(), st.floats(0.05, 3.0)),
)
@settings(deadline=None, max_examples=40)
def test_columns_have_mean_zero_and_no_correlation_with_any_part(n_parts, law, width):
    width = width if law == "uniform_count" else None
    masks, weights = every_mask(law, n_parts, width)
    columns = count_columns(masks, law=law, width=width)
    size = np.sqrt(weights @ columns**2)
    assert columns.shape == (len(masks), min(n_parts, 4) - 1 + n_parts)
    assert np.abs(weights @ columns / size).max() < 1e-10
    assert np.abs((weights * masks.T) @ columns / size).max() < 1e-10
    curves = columns[:, : min(n_parts, 4) - 1]
    assert (weights * curves.T) @ curves == pytest.approx(np.eye(curves.shape[1]), abs=1e-8)


@pytest.mark.parametrize("n_parts", [40, 500, 3000])
def test_columns_of_many_parts_stay_orthogonal(n_parts):
    chance = count_law("uniform_count", n_parts, 0.45)
    masks = np.tri(n_parts + 1, n_parts, -1, dtype=np.uint8)
    curves = count_columns(masks, law="uniform_count", width=0.45, order=1)
    powers = (np.arange(n_parts + 1.0) / n_parts)[:, None] ** [0, 1]
    assert np.abs((chance * powers.T) @ curves).max() < 1e-12
    # The first part is kept in all but the first row, so its slope tells the factor k - c.
    kept = np.arange(1.0, n_parts)
    slope = count_columns(masks, law="uniform_count", width=0.45)[1:-1, 3]
    moment = chance[1:-1] * kept * (n_parts - kept) * slope / (1 - kept / n_parts)
    assert abs(moment.sum()) < 1e-9 * np.abs(moment).sum()


def test_scores_that_bend_with_the_count_are_estimated_better():
    effects = np.random.default_rng(0).normal(size=30)

    def spread(order):
        fits = []
        for seed in range(30):
            masks = mask_block(
                "sobol",
                law="uniform_count",
                width=0.45,
                n_parts=30,
                n_draws=0,
                n_rows=512,
                seed=np.random.SeedSequence(seed),
            ).masks
            kept = masks.sum(axis=1, dtype=float)
            scores = masks @ effects / np.sqrt(1 + kept) + (kept / 30) ** 3
            columns = None
            if order:
                columns = count_columns(masks, law="uniform_count", width=0.45, order=order)
            fits.append(fitted(masks, np.ones(512), scores, columns))
        return np.var(fits, axis=0).sum()

    plain, curves, slopes = spread(0), spread(1), spread(2)
    assert curves < 0.7 * plain
    assert slopes < 0.2 * curves


def test_columns_are_for_enough_rows():
    assert choose_count_order(n_parts=2, n_rows=1000) == 0
    assert [choose_count_order(n_parts=40, n_rows=n) for n in (100, 200, 400)] == [0, 1, 2]
    assert choose_count_order(n_parts=5000, n_rows=50_000) == 1


def test_the_count_of_ways_is_a_binomial():
    chance = count_law("bernoulli", 9)
    assert chance == pytest.approx([comb(9, k) / 512 for k in range(10)])
