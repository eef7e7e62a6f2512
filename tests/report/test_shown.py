"""The sample of a large set: always the same, spread evenly, the poorest and failures among it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_lime.core.explanation import FailedExplanation
from mlflow_lime.core.stored import StoredExplanations
from mlflow_lime.report.shown import choose_shown
from tests.strategies import make_explanation, make_label


def outcomes(count, failed=0, *, flat=()):
    random = np.random.default_rng(count)
    found = []
    for i, fit in enumerate(random.permutation(count)):
        label = make_label([0.1], partial_r2=float(fit), flat=i in flat)
        found.append(make_explanation([label], key=f"{i:02d} #a"))
    return found, [FailedExplanation(f"f{i}", "no", "ModelError") for i in range(failed)]


@given(st.integers(0, 300), st.integers(0, 80), st.integers(10, 60))
def test_as_many_are_shown_as_there_is_room_for_each_once_and_in_order(count, n_failed, most):
    found, failed = outcomes(count, n_failed)
    shown = choose_shown(found, failed, most)
    if count + n_failed <= most:
        assert shown is None
        return
    assert len(shown) == most
    places = [found.index(item) for item in shown.explanations]
    assert places == sorted(set(places))
    assert list(shown.failed) == failed[: len(shown.failed)]
    assert shown.total == count + n_failed


def test_the_poorest_fits_are_among_them_but_no_flat_ones():
    found, _ = outcomes(2000)
    poorest = sorted(found, key=lambda item: item.labels[0].partial_r2)[:5]
    shown = choose_shown(found, [], 100)
    assert {item.key for item in poorest} <= {item.key for item in shown.explanations}
    assert "95 spread evenly, the 5 of the poorest fit" in shown.note
    flat = choose_shown(outcomes(2000, flat=range(2000))[0], [], 100)
    assert "100 spread evenly;" in flat.note


def test_the_others_are_spread_evenly():
    found, _ = outcomes(1000, flat=range(1000))
    keys = [int(item.key[:-3]) for item in choose_shown(found, [], 100).explanations]
    assert set(np.diff(keys)) == {10}


def test_failures_take_a_share_and_are_counted():
    found, failed = outcomes(100, 50)
    shown = choose_shown(found, failed, 40)
    assert len(shown.failed) == 2
    assert "40 of 150 instances are shown" in shown.note
    assert "2 of the 50 that failed" in shown.note


@pytest.mark.parametrize("count", [0, 5])
def test_failures_fill_up_what_explanations_leave(count):
    found, failed = outcomes(count, 200)
    assert len(choose_shown(found, failed, 20)) == 20


def test_stored_explanations_give_the_same_sample():
    found, failed = outcomes(300, 3)
    stored = StoredExplanations(
        lambda places: (found[i] for i in places), range(300), [item.key for item in found]
    )
    one, two = (choose_shown(items, failed, 30) for items in (found, stored))
    assert one.explanations == two.explanations
    assert one.note == two.note
