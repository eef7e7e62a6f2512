"""Orthogonal arrays: any four columns show every pattern equally often."""

from itertools import combinations

import numpy as np
import pytest

from mlflow_lime.core.arrays import orthogonal_runs, strength_four
from mlflow_lime.core.masks import mask_block


def masks_of(n_parts, n_rows, seed=0):
    return mask_block(
        "orthogonal",
        law="bernoulli",
        n_parts=n_parts,
        n_draws=n_parts,
        n_rows=n_rows,
        seed=np.random.SeedSequence(seed),
    ).masks


@pytest.mark.parametrize("n_parts", [1, 2, 3, 4, 5, 6, 7, 11, 12, 15, 20, 23])
def test_orthogonal_arrays_have_strength_four(n_parts):
    runs = orthogonal_runs(n_parts)
    masks = masks_of(n_parts, runs, seed=n_parts)
    strength = min(4, n_parts)
    for columns in combinations(range(n_parts), strength):
        words = masks[:, columns] @ (1 << np.arange(strength))
        assert np.ptp(np.bincount(words, minlength=1 << strength)) == 0


@pytest.mark.parametrize("n_parts", [31, 47, 63, 70, 127, 130, 500])
def test_any_four_columns_of_the_large_arrays_are_independent(n_parts):
    n_bits, columns = strength_four(n_parts)
    assert 1 << n_bits == orthogonal_runs(n_parts)
    assert len(set(columns)) == n_parts
    assert 0 not in columns
    assert max(columns) < 1 << n_bits
    # Independent up to four at a time: all sums of at most two columns differ.
    sums = [a ^ b for a, b in combinations(columns, 2)]
    assert len({0, *columns, *sums}) == 1 + n_parts + len(sums)


def test_incomplete_and_repeated_arrays_are_allowed():
    runs = orthogonal_runs(9)
    assert masks_of(9, 3 * runs + 5).shape == (3 * runs + 5, 9)
