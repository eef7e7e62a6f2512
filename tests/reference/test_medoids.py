"""k-medoids: near the best there is, no better by any one exchange, the same for a seed."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import pairwise_distances

from mlflow_lime.reference.material import Material, Wish
from mlflow_lime.reference.medoids import k_medoids, medoids
from tests.reference.given import Given, explained


def cost(distances, chosen):
    return distances[:, list(chosen)].min(axis=1).sum()


def cloud(seed, n=14):
    return pairwise_distances(np.random.default_rng(seed).normal(size=(n, 3)))


def test_on_most_small_sets_nothing_is_better():
    best = 0
    for seed in range(40):
        distances = cloud(seed)
        for count in (2, 3):
            least = min(cost(distances, rows) for rows in combinations(range(14), count))
            found = cost(distances, k_medoids(distances, count, seed=seed)[0])
            assert found <= 1.2 * least
            best += found == pytest.approx(least)
    assert best >= 0.7 * 80


@given(st.integers(0, 10**6), st.integers(1, 14), st.booleans())
@settings(max_examples=80, deadline=None)
def test_no_exchange_helps_and_every_row_is_counted_once(seed, count, repeated):
    places = np.random.default_rng(seed).normal(size=(14, 2))
    if repeated:
        places = places.round(0)  # rows of the same place
    distances = pairwise_distances(places)
    chosen, sizes = k_medoids(distances, count, seed=seed)
    assert len(set(chosen.tolist())) == count
    assert sizes.sum() == 14
    assert sizes.min() >= 1
    assert sizes.tolist() == sorted(sizes.tolist(), reverse=True)
    least = cost(distances, chosen)
    for out in range(count):
        for other in set(range(14)) - set(chosen.tolist()):
            swapped = [*np.delete(chosen, out), other]
            assert cost(distances, swapped) >= least - 1e-6
    again, _ = k_medoids(distances, count, seed=seed)
    assert again.tolist() == chosen.tolist()


def test_groups_that_lie_apart_are_found():
    centres = np.repeat([[0, 0], [9, 0], [0, 9], [9, 9]], [20, 10, 6, 4], axis=0)
    places = centres + np.random.default_rng(0).normal(0, 0.5, (40, 2))
    _, sizes = k_medoids(pairwise_distances(places), 4)
    assert sizes.tolist() == [20, 10, 6, 4]


def material(places=None, items=None, **wish):
    n = len(places if items is None else items)
    return Material(
        pd.DataFrame({"x": range(n)}), Wish(**wish), Given(places=places, explained=items)
    )


def test_the_largest_group_comes_first_and_all_rows_in_the_end():
    places = np.array([[0.0], [0.1], [0.2], [5.0], [5.1], [9.0]])
    found = list(medoids(material(places), 3, frozenset()))
    assert found[:3] == [
        (1, "typical of 3 of 6 rows"),
        (3, "typical of 2 of 6 rows"),
        (5, "typical of 1 of 6 rows"),
    ]
    assert sorted(row for row, _ in found) == list(range(6))


def test_rows_that_cannot_be_read_are_left_out():
    places = np.array([[0.0], [np.nan], [0.1], [9.0]])
    assert {row for row, _ in medoids(material(places), 9, frozenset())} == {0, 2, 3}
    assert list(medoids(material(np.full((3, 1), np.nan)), 2, frozenset())) == []


def test_over_explanations_those_of_the_same_direction_are_alike():
    weights = [[9, 1, 0], [0.9, 0.1, 0], [0.3, 0.03, 0], [0, 0, 5], [0, 0, 0.1]]
    found = list(
        medoids(material(items=explained(weights), medoids_over="explanations"), 2, frozenset())
    )
    assert {found[0][0] in (0, 1, 2), found[1][0] in (3, 4)} == {True}
    assert found[0][1] == "reasons like 3 of 5 rows"


def test_the_sign_of_a_reason_matters():
    weights = [[1, 0], [1, 0.01], [-1, 0], [-1, 0.01]]
    found = list(
        medoids(material(items=explained(weights), medoids_over="explanations"), 2, frozenset())
    )
    assert {found[0][0] // 2, found[1][0] // 2} == {0, 1}
