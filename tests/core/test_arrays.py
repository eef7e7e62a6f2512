"""Orthogonal arrays: any four columns show every pattern equally often."""

from itertools import combinations

import numpy as np
import pytest

from mlflow_lime.core.arrays import (
    folded_columns,
    linear_rows,
    orthogonal_runs,
    strength_four,
    strength_three,
)
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


def strength(array):
    """Return the largest t for which every t columns show all patterns equally often."""
    for t in range(1, array.shape[1] + 1):
        for columns in combinations(range(array.shape[1]), t):
            words = array[:, columns] @ (1 << np.arange(t))
            if np.ptp(np.bincount(words, minlength=1 << t)):
                return t - 1
    return array.shape[1]


@pytest.mark.parametrize(("n_parts", "n_bits"), [(6, 5), (9, 5), (9, 6), (14, 6), (17, 6), (17, 7)])
def test_columns_of_strength_three_show_all_patterns_of_three_parts(n_parts, n_bits):
    columns = strength_three(n_parts, n_bits)
    array = linear_rows(n_bits, np.array(columns, dtype=np.uint32))
    assert array.shape == (1 << n_bits, n_parts)
    assert strength(array) >= 3


@pytest.mark.parametrize(
    ("n_parts", "n_bits", "most"),
    # Relations of four columns in arrays of minimum aberration: Chen, Sun, Wu, International
    # Statistical Review 61, 1993, table 4 for 64 rows.
    [(9, 6, 1), (10, 6, 2), (12, 6, 6), (17, 6, 61)],
)
def test_few_relations_of_four_columns_are_found(n_parts, n_bits, most):
    columns = strength_three(n_parts, n_bits)
    pairs = np.bitwise_xor.outer(columns, columns)[np.triu_indices(n_parts, 1)]
    sums, counts = np.unique(pairs, return_counts=True)
    assert sums.min() > 0
    assert not set(sums) & set(columns)
    # Each relation of four columns splits into two pairs in three ways.
    assert (counts * (counts - 1) // 2).sum() / 3 <= most


def test_large_arrays_of_strength_three_are_not_folded():
    for n_parts, n_bits in ((17, 6), (36, 8), (45, 8)):
        columns = np.array(strength_three(n_parts, n_bits), dtype=np.uint32)
        rows = linear_rows(n_bits, columns)
        assert not (rows == 1).all(axis=1).any()


def test_there_is_no_strength_three_for_more_than_five_sixteenths_of_the_rows():
    assert strength_three(21, 6) is None
    assert strength_three(81, 8) is None
    assert strength_three(5, 6) is None


@pytest.mark.parametrize("n_bits", [0, 1, 2, 3, 5])
def test_folded_columns_show_all_patterns_of_three_parts_and_all_complements(n_bits):
    columns = folded_columns(n_bits)
    assert len(columns) == (1 << n_bits) // 2
    array = linear_rows(n_bits, columns)
    assert strength(array) >= min(3, len(columns))
    if n_bits:
        assert (array == 1).all(axis=1).any()
