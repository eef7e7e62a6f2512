"""Rows are shared out over strata in proportion, however many there are."""

import time

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from mlflow_lime.reference import strata


def one_by_one(sizes, count):
    """Give the seats one by one, each to the stratum that wants it most."""
    seats = np.minimum(1, sizes)
    while seats.sum() < count:
        wanting = np.where(seats < sizes, sizes / (seats + 0.5), -1.0)
        seats[int(np.argmax(wanting))] += 1
    return seats


@given(st.lists(st.integers(0, 400), min_size=1, max_size=21), st.data())
def test_many_seats_are_given_as_one_by_one(sizes, data):
    sizes = np.array(sizes)
    strata_there = int((sizes > 0).sum())
    count = data.draw(st.integers(strata_there, max(strata_there, int(sizes.sum()))))
    assert strata._apportion(sizes, count).tolist() == one_by_one(sizes, count).tolist()


def test_a_hundred_thousand_rows_are_spread_in_a_moment():
    frame = pd.DataFrame({"y": np.random.default_rng(0).integers(0, 5, 200_000)})
    began = time.process_time()
    chosen = strata.spread(frame, "y", 100_000, 0)
    assert time.process_time() - began < 5
    assert len({row for row, _ in chosen}) == 100_000
