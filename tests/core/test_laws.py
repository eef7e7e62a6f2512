"""The distribution of the number of kept parts."""

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_lime.core.laws import count_law, count_weights
from mlflow_lime.core.masks import mask_block


@given(
    n_parts=st.integers(1, 300),
    law=st.sampled_from([("bernoulli", None), *(("uniform_count", w) for w in (None, 0.1, 0.45))]),
)
@settings(deadline=None, max_examples=40)
def test_the_law_of_the_count_is_the_weight_of_the_masks_with_that_count(n_parts, law):
    ways = np.array([comb(n_parts, k) / 2**n_parts for k in range(n_parts + 1)])
    assert count_law(law[0], n_parts, law[1]) == pytest.approx(
        count_weights(law[0], n_parts, law[1]) * ways, rel=1e-9, abs=1e-15
    )


def test_thousands_of_parts_have_the_smooth_law_of_their_share():
    chance = count_law("uniform_count", 5000, 0.45)
    absent = 1 - np.arange(5001) / 5000
    density = np.exp(-0.5 * (absent / 0.45) ** 2)
    assert chance == pytest.approx(density / density.sum(), rel=2e-3)


def test_rows_of_text_size_follow_the_law():
    masks = [
        mask_block(
            "stratified",
            law="uniform_count",
            width=0.45,
            n_parts=150,
            n_draws=0,
            n_rows=4000,
            seed=np.random.SeedSequence(seed),
        ).masks
        for seed in range(5)
    ]
    count = np.concatenate(masks).sum(axis=1, dtype=int)
    share = np.cumsum(np.bincount(count, minlength=151)) / len(count)
    assert np.abs(share - np.cumsum(count_law("uniform_count", 150, 0.45))).max() < 0.01
