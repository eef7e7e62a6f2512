"""Coverage: as good as greedy picking is known to be, and the paper's own example."""

import time
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mlflow_lime.reference.material import Material, Wish
from mlflow_lime.reference.submodular import covering_order, importances, submodular
from tests.reference.given import Given, explained, reasoned


def coverage(weights, rows):
    """Return the paper's c(V, W, I), equation 3."""
    covered = (np.abs(weights[list(rows)]) > 0).any(axis=0)
    return float(importances(weights)[covered].sum())


def best_coverage(weights, count):
    return max(coverage(weights, rows) for rows in combinations(range(len(weights)), count))


def sparse(seed, n=9, p=12):
    random = np.random.default_rng(seed)
    return random.exponential(size=(n, p)) * (random.random((n, p)) < 0.25)


def greedy(weights, count, fidelity=None):
    fidelity = np.zeros(len(weights)) if fidelity is None else fidelity
    return [row for row, _ in covering_order(weights, fidelity)][:count]


def test_the_example_of_figure_5():
    # Rows 2 and 5 (from 1) explain all but f1, and f2 is the most important part.
    table = np.array(
        [[1, 1, 0, 0, 0], [0, 1, 1, 0, 0], [0, 1, 1, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 1, 1]]
    ).astype(float)
    assert importances(table).argmax() == 1
    assert set(greedy(table, 2)) == {1, 4}


def test_greedy_picking_covers_as_much_as_exhaustive_search_on_most_matrices():
    equal = 0
    for seed in range(60):
        weights = sparse(seed)
        for count in (2, 3, 4):
            best, found = best_coverage(weights, count), coverage(weights, greedy(weights, count))
            assert (1 - 1 / np.e) * best - 1e-12 <= found <= best + 1e-12
            equal += found == pytest.approx(best)
    assert equal >= 0.75 * 180


def test_greedy_picking_beats_random_picks_on_every_draw():
    random = np.random.default_rng(1)
    for seed in range(20):
        weights = sparse(seed, n=60, p=80)
        found = coverage(weights, greedy(weights, 8))
        draws = [coverage(weights, random.choice(60, 8, replace=False)) for _ in range(20)]
        assert found > max(draws)


MATRICES = arrays.arrays(
    np.float64,
    st.tuples(st.integers(1, 8), st.integers(1, 6)),
    elements=st.sampled_from([0.0, 0.0, 0.5, 1.0, 3.0]),
)


@given(MATRICES, st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_lazy_picking_is_plain_greedy_picking(weights, random):
    fidelity = np.array([random.random() for _ in weights])
    order = list(covering_order(weights, fidelity))
    rows = [row for row, _ in order]
    assert sorted(rows) == list(range(len(weights)))
    total = importances(weights).sum() or 1.0
    for place, (row, gain) in enumerate(order):
        before = coverage(weights, rows[:place]) if place else 0.0
        gains = {
            other: coverage(weights, [*rows[:place], other]) - before for other in rows[place:]
        }
        best = max(gains.values())
        assert gains[row] == pytest.approx(best)
        assert gain * total == pytest.approx(best, abs=1e-9)
        tied = [other for other in gains if gains[other] > best - 1e-12]
        assert fidelity[row] >= max(fidelity[other] for other in tied) - 1e-12 or best > 0


@given(MATRICES)
@settings(max_examples=60, deadline=None)
def test_gains_never_grow(weights):
    gains = [gain for _, gain in covering_order(weights, np.zeros(len(weights)))]
    assert all(a >= b - 1e-12 for a, b in pairwise(gains))
    assert sum(gains) == pytest.approx(1.0 if weights.any() else 0.0)


def test_where_nothing_is_left_to_cover_the_best_explained_come_first():
    weights = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    fidelity = [0.1, 0.9, np.nan, 0.2, 0.5]
    assert greedy(weights, 5, fidelity) == [3, 1, 4, 0, 2]


def test_partial_r2_decides_before_fidelity_r2():
    pairs = [(0.9, 0.1), (0.5, 0.8), (0.7, np.nan)]  # fidelity_r2 and partial_r2
    items = [
        reasoned([1.0, 1.0], ("a", "b"), fidelity_r2=whole, partial_r2=partial)
        for whole, partial in pairs
    ]
    material = Material(pd.DataFrame({"x": range(3)}), Wish(), Given(explained=items))
    assert [row for row, _ in submodular(material, 3, frozenset())] == [1, 2, 0]


def test_data_rows_are_returned_and_rows_without_an_explanation_left_out():
    items = [None, *explained([[1, 0, 0], [0, 2, 1], [1, 0, 0]]), None]
    found = list(
        submodular(Material(pd.DataFrame({"x": range(5)}), Wish(), Given(explained=items)), 5, [])
    )
    assert [row for row, _ in found] == [2, 1, 3]
    assert found[0][1] == "shows parts with 63% of all importance"
    assert found[2][1] == "well explained, with nothing left to show"


def test_thousands_of_instances_are_ordered_in_seconds():
    random = np.random.default_rng(0)
    weights = random.random((4000, 400)) * (random.random((4000, 400)) < 0.0125)
    started = time.perf_counter()
    order = covering_order(weights, random.random(4000))
    assert len({next(order)[0] for _ in range(100)}) == 100
    assert time.perf_counter() - started < 5
