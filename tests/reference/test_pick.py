"""Which rows are chosen, why, and what is said where they cannot be."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_lime.errors import DataError, InstanceNotFoundError
from mlflow_lime.reference.material import Wish
from mlflow_lime.reference.pick import PICKERS
from mlflow_lime.reference.pick import pick_instances as choose


def pick_instances(frame, pick="stratified", count=20, **wish):
    return choose(frame, pick, count=count, wish=Wish(**wish))


@pytest.fixture
def frame():
    random = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "age": random.integers(18, 90, 200),
            "kind": random.choice(["common", "rare"], 200, p=[0.95, 0.05]),
            "price": random.normal(100, 20, 200),
            "name": [f"p{i}" for i in range(200)],
        }
    )


@pytest.mark.parametrize("pick", ["random", "stratified"])
def test_the_same_seed_and_data_give_the_same_rows(frame, pick):
    first = pick_instances(frame, pick=pick, count=12, target="kind", seed=3)
    assert first == pick_instances(frame, pick=pick, count=12, target="kind", seed=3)
    assert first != pick_instances(frame, pick=pick, count=12, target="kind", seed=4)
    assert len(set(first.positions)) == len(first.reasons) == 12


def test_every_class_is_there_in_proportion(frame):
    picked = pick_instances(frame, count=20, target="kind")
    kinds = frame["kind"].iloc[list(picked.positions)]
    assert 1 <= (kinds == "rare").sum() <= 3
    for kind, reason in zip(kinds, picked.reasons, strict=True):
        assert reason == f"typical share of class {kind}"


def test_a_quantity_is_picked_over_its_range(frame):
    picked = pick_instances(frame, count=20, target="price")
    place = frame["price"].rank(pct=True).iloc[list(picked.positions)]
    assert np.histogram(place, bins=5, range=(0, 1))[0].tolist() == [4, 4, 4, 4, 4]
    assert picked.reasons[0] == "typical share of target quantile 1 of 5"


@pytest.mark.parametrize("kind", ["price", "kind", "floats"])
def test_rows_without_a_target_are_a_stratum_of_their_own(frame, kind):
    frame["floats"] = (frame["kind"] == "rare").astype(float)
    frame.loc[::4, kind] = None
    picked = pick_instances(frame, count=20, target=kind)
    missing = frame[kind].isna().iloc[list(picked.positions)]
    reasons = [reason == "typical share of missing targets" for reason in picked.reasons]
    assert reasons == missing.tolist()
    assert 4 <= missing.sum() <= 6


def test_a_target_that_is_missing_everywhere(frame):
    frame["price"] = np.nan
    assert len(pick_instances(frame, count=3, target="price").positions) == 3


def test_classes_that_missing_values_made_floats_stay_classes(frame):
    frame["code"] = (frame["kind"] == "rare").astype(float)
    frame.loc[0, "code"] = np.nan
    reasons = pick_instances(frame, count=20, target="code").reasons
    assert {"typical share of class 0.0", "typical share of class 1.0"} <= set(reasons)


def test_an_index_with_repeats_and_categories_is_no_obstacle(frame):
    frame.index = [0] * len(frame)
    frame["kind"] = frame["kind"].astype("category")
    assert len(pick_instances(frame, count=9, target="kind").positions) == 9
    frame.loc[0, "price"] = frame["price"].to_numpy()
    assert len(pick_instances(frame, count=9, target="price").positions) == 9


def test_more_classes_than_instances_gives_the_largest(frame):
    frame["kind"] = [str(i % 15) if i < 150 else "big" for i in range(200)]
    picked = pick_instances(frame, count=2, target="kind")
    assert "typical share of class big" in picked.reasons
    assert len(picked.positions) == 2


def test_stratified_without_a_target_is_random(frame):
    assert set(pick_instances(frame, count=4).reasons) == {"chosen at random"}


@given(
    st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=40),
    st.integers(1, 50),
)
@settings(max_examples=60, deadline=None)
def test_as_many_as_asked_or_all_and_each_once(targets, count):
    frame = pd.DataFrame({"x": range(len(targets)), "t": pd.Series(targets, dtype=object)})
    picked = pick_instances(frame, count=count, target="t")
    assert len(picked.positions) == len(picked.reasons) == min(count, len(targets))
    assert len(set(picked.positions)) == len(picked.positions)
    if count >= 4:
        assert set(frame["t"].iloc[list(picked.positions)].fillna("-")) == set(
            frame["t"].fillna("-")
        )


def test_ids_rows_and_queries_keep_their_order(frame):
    assert pick_instances(frame, pick="ids", ids=["p7", "p3"], id_column="name").positions == (7, 3)
    assert pick_instances(frame, pick="ids", ids=[9, "2"]).positions == (9, 2)
    assert pick_instances(frame, pick="rows", rows=[5, 1]).positions == (5, 1)
    picked = pick_instances(frame, pick="query", query="age > 60", count=3)
    assert list(picked.positions) == frame.index[frame["age"] > 60][:3].tolist()
    assert set(picked.reasons) == {"fits age > 60"}


def test_a_query_gives_row_numbers_whatever_the_index(frame):
    frame.index = range(1000, 1200)
    picked = pick_instances(frame, pick="query", query="name == 'p17'")
    assert picked.positions == (17,)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"pick": "stratifed"}, DataError, "Did you mean 'stratified'"),
        ({"target": "knd"}, DataError, "'knd' is not in the data. Did you mean 'kind'"),
        ({"target": "name"}, DataError, "200 distinct values.*`pick: random`"),
        ({"pick": "ids", "ids": ["p999"], "id_column": "name"}, InstanceNotFoundError, "p999"),
        ({"pick": "ids", "ids": ["p1"], "id_column": "nam"}, DataError, "Did you mean 'name'"),
        ({"pick": "ids", "ids": [200]}, InstanceNotFoundError, "in the index of 200 rows"),
        ({"pick": "rows", "rows": [1, 200]}, InstanceNotFoundError, "rows 0 to 199"),
        ({"pick": "rows", "rows": [-1]}, InstanceNotFoundError, "row -1 does not exist"),
        ({"pick": "query", "query": "age > 900"}, InstanceNotFoundError, "no row of 200 fits"),
        ({"pick": "query", "query": "agee > 9"}, DataError, "cannot be evaluated.*agee"),
        ({"pick": "query", "query": "age +"}, DataError, "cannot be evaluated"),
        ({"pick": "query", "query": "0"}, DataError, "is no condition"),
        ({"pick": "query", "query": "age + 1"}, DataError, "is no condition"),
        ({"pick": "query", "query": "@pd.eval('1')"}, DataError, "may not use '@'"),
        ({"pick": "query", "query": "age.__class__"}, DataError, "may not use"),
    ],
)
def test_what_cannot_be_picked_says_why(frame, options, error, message):
    with pytest.raises(error, match=message):
        pick_instances(frame, **options)


@pytest.mark.parametrize("pick", PICKERS)
def test_no_data_is_said_first(pick):
    with pytest.raises(DataError, match="has no rows"):
        pick_instances(pd.DataFrame({"a": []}), pick=pick)
