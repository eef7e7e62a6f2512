import json
import math
import time

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from scipy.stats import spearmanr
from scipy.stats.contingency import association, crosstab

from mlflow_lime.errors import DataError
from mlflow_lime.reference.associations import MOST_LEVELS, MOST_ROWS, Associations


def mixed(n=400, seed=0, missing=0.0):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "a": random.normal(size=n),
            "b": random.integers(0, 5, n),
            "sex": random.choice(["f", "m"], n),
            "job": random.choice(["cook", "nurse", "smith"], n, p=[0.6, 0.3, 0.1]),
        }
    )
    frame["a2"] = frame["a"] ** 3 + random.normal(size=n) * 0.1
    frame["height"] = np.where(frame["sex"] == "f", 168, 180) + random.normal(size=n) * 6
    frame["title"] = np.where(frame["sex"] == "f", "Ms", "Mr")
    if missing:
        frame = frame.mask(random.random(frame.shape) < missing)
    return frame


def test_two_quantities_have_spearmans_correlation():
    frame = mixed()
    found = Associations.of_frame(frame)
    for a, b in (("a", "b"), ("a", "a2"), ("b", "height")):
        assert found.between(a, b) == pytest.approx(abs(spearmanr(frame[a], frame[b])[0]), abs=6e-5)


def test_missing_values_are_left_out_two_by_two():
    frame = mixed(missing=0.2)
    found = Associations.of_frame(frame)
    ranks = frame[["a", "a2"]].rank()
    assert found.between("a", "a2") == pytest.approx(ranks.corr().iloc[0, 1], abs=6e-5)
    both = frame[["sex", "title"]].dropna()
    alone = Associations.of_frame(both)
    assert found.between("sex", "title") == alone.between("sex", "title") == 1.0
    known = frame[["height", "sex"]].dropna(subset=["sex"])
    assert found.between("height", "sex") == pytest.approx(
        eta(known["height"].rank(), known["sex"]), abs=0.02
    )


def eta(ranks, groups):
    """Kelley's unbiased correlation ratio, written down as in the paper."""
    known = ranks.notna()
    ranks, groups = ranks[known], groups[known]
    n, k = len(ranks), groups.nunique()
    within = sum(((part - part.mean()) ** 2).sum() for _, part in ranks.groupby(groups))
    total = ((ranks - ranks.mean()) ** 2).sum()
    return math.sqrt(max(0.0, 1 - (within / (n - k)) / (total / (n - 1))))


def test_a_quantity_and_a_category_have_the_correlation_ratio_of_the_ranks():
    frame = mixed()
    found = Associations.of_frame(frame)
    for a, b in (("height", "sex"), ("a", "job"), ("b", "title")):
        assert found.between(a, b) == pytest.approx(eta(frame[a].rank(), frame[b]), abs=6e-5)


def bergsma(a, b):
    """Cramér's V from scipy's φ², with the correction of the paper."""
    table = crosstab(a, b).count
    n = table.sum()
    r, c = table.shape
    phi2 = association(table, method="cramer") ** 2 * (min(r, c) - 1)
    phi2 = max(0, phi2 - (r - 1) * (c - 1) / (n - 1))
    r, c = r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)
    return math.sqrt(phi2 / (min(r, c) - 1))


def test_two_categories_have_cramers_v_without_its_bias():
    frame = mixed()
    frame["near"] = np.where(np.arange(400) % 3, frame["sex"], frame["job"])
    found = Associations.of_frame(frame)
    for a, b in (("sex", "job"), ("sex", "near"), ("job", "near"), ("sex", "title")):
        assert found.between(a, b) == pytest.approx(bergsma(frame[a], frame[b]), abs=6e-5)


def test_columns_that_have_nothing_to_do_with_each_other_are_near_zero():
    random = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "number": random.normal(size=500),
            **{f"many{i}": random.integers(0, 40, 500).astype(str) for i in range(4)},
        }
    )
    found = Associations.of_frame(frame).strength
    assert found[~np.eye(5, dtype=bool)].max() < 0.2


def test_a_constant_column_goes_with_nothing():
    frame = mixed().assign(one=1, word="x", none=np.nan, void=None)
    found = Associations.of_frame(frame)
    for name in ("one", "word", "none", "void"):
        assert [strength for _, strength in found.strongest(name, 99)] == [0.0] * 10
        assert found.between(name, name) == 1.0


def test_ids_are_no_proxies_of_everything():
    frame = mixed().assign(who=[f"person {i}" for i in range(400)])
    assert Associations.of_frame(frame).between("who", "sex") < 0.3


def test_what_is_no_scalar_or_a_long_text_is_left_out():
    frame = mixed(20).assign(
        text=["a long story of a man who went to the sea and came back " * 2] * 20,
        pixels=[np.zeros(3)] * 20,
        png=[b"\x89PNG"] * 20,
        when=pd.date_range("2020-01-01", periods=20),
    )
    found = Associations.of_frame(frame)
    assert set(found.columns) == {*mixed(2).columns, "when"}


def test_every_kind_of_scalar_column_is_measured():
    from tests.tables import COLUMNS

    frame = pd.DataFrame(COLUMNS)
    found = Associations.of_frame(frame)
    assert found.columns == tuple(frame.columns)
    assert np.isfinite(found.strength).all()


def test_an_empty_frame_has_no_associations():
    assert Associations.of_frame(pd.DataFrame()).columns == ()
    assert Associations.of_frame(mixed().head(0)).between("a", "b") == 0.0
    one = Associations.of_frame(mixed().head(1))
    assert np.array_equal(one.strength, np.eye(7))


def test_no_more_columns_than_wanted_and_the_named_ones_first():
    frame = mixed()
    assert Associations.of_frame(frame, 2).columns == ("a", "b")
    assert Associations.of_frame(frame, 2, first=["title"]).columns == ("a", "title")


def test_the_strongest_come_first():
    found = Associations.of_frame(mixed())
    assert found.strongest("sex", 2)[0] == ("title", 1.0)
    assert [name for name, _ in found.strongest("sex", 2)] == ["title", "height"]
    assert found.strongest("unknown", 2) == []


def test_what_is_written_is_read_back():
    found = Associations.of_frame(mixed())
    again = Associations.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again.columns == found.columns
    assert np.array_equal(again.strength, found.strength)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": 2}, "upgrade"),
        ({"strength": [[1.0]]}, "damaged"),
        ({"columns": None}, "damaged"),
        ({"columns": ["a"], "strength": [[float("nan")]]}, "within"),
    ],
)
def test_damaged_associations_are_refused(change, says):
    data = Associations.of_frame(mixed()).to_dict()
    with pytest.raises(DataError, match=says):
        Associations.from_dict({**data, **change})


@settings(max_examples=40, deadline=None)
@given(
    st.integers(2, 40).flatmap(
        lambda n: st.tuples(
            st.lists(st.one_of(st.none(), st.floats(allow_nan=False)), min_size=n, max_size=n),
            st.lists(st.sampled_from(["x", "y", "z", None]), min_size=n, max_size=n),
            st.lists(st.booleans(), min_size=n, max_size=n),
            st.permutations(range(n)),
        )
    )
)
def test_strengths_are_bounded_symmetric_and_blind_to_the_order_of_rows(made):
    numbers, words, flags, order = made
    frame = pd.DataFrame(
        {
            "n": pd.array(numbers, dtype="Float64"),
            "w": pd.Series(words, dtype=object),
            "f": flags,
        }
    )
    found = Associations.of_frame(frame).strength
    assert ((found >= 0) & (found <= 1)).all()
    assert np.array_equal(found, found.T)
    assert np.array_equal(np.diag(found), np.ones(3))
    again = Associations.of_frame(frame.iloc[list(order)]).strength
    assert again == pytest.approx(found, abs=2e-4)


def test_the_scale_of_a_quantity_does_not_matter():
    frame = mixed()
    found = Associations.of_frame(frame)
    stretched = frame.assign(a=np.exp(frame["a"]), b=-7.0 * frame["b"])
    assert np.array_equal(Associations.of_frame(stretched).strength, found.strength)


def test_rare_categories_are_taken_together():
    frame = pd.DataFrame({"rare": [f"{i}" for i in range(500)] * 2, "even": [True, False] * 500})
    found = Associations.of_frame(frame.assign(rare=frame["rare"].astype("category")))
    assert MOST_LEVELS < 500
    assert 0 <= found.between("rare", "even") < 0.3


def test_two_hundred_columns_of_ten_thousand_rows_take_seconds():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(3 * MOST_ROWS, 200))).rename(columns=str)
    for j in range(0, 200, 2):
        frame[str(j)] = random.integers(0, 3 + j % 30, len(frame)).astype(str)
    start = time.process_time()
    found = Associations.of_frame(frame)
    assert time.process_time() - start < 8  # one to two on a quiet machine
    assert len(found.columns) == 200
