"""Importances with intervals, over all instances and in groups."""

import numpy as np
import pytest

from mlflow_lime.metrics.aggregate import global_importance
from mlflow_lime.metrics.importance import importance_table
from tests.strategies import make_explanation, make_label


def explained(key, *weights, names):
    return make_explanation([make_label(weights)], names=list(names), key=key)


ITEMS = [
    explained("0", 0.4, -0.2, names="ab"),
    explained("1", 0.2, 0.1, names="ab"),
    explained("2", 0.6, names="c"),
]


def test_over_all_instances_it_is_the_global_importance_with_its_standard_error():
    table = importance_table(ITEMS)
    whole = global_importance(ITEMS)
    assert table["name"].tolist() == whole["name"].tolist()
    assert np.allclose(table["importance"], whole["importance"])
    assert np.allclose((table["high"] - table["importance"]) / 4.302653, whole["std_error"])
    assert table["instances"].tolist() == [2, 1, 2]
    assert (table["low"] >= 0).all()
    assert set(table["group"]) == {"all"}


def test_groups_are_sets_of_their_own():
    table = importance_table(
        ITEMS, {"class": {"0": "yes", "1": "yes", "2": "no"}, "sex": {"0": "f"}}
    )
    assert table["group"].drop_duplicates().tolist() == [
        "all",
        "class = no",
        "class = yes",
        "sex = f",
    ]
    yes = table[table["group"] == "class = yes"].set_index("name")
    assert yes["importance"].to_dict() == pytest.approx({"a": 0.3, "b": 0.15})
    assert table[table["group"] == "class = no"]["low"].isna().all()  # one instance


def test_only_the_most_important_parts_of_each_group_are_listed():
    table = importance_table(ITEMS, {"class": {"0": "yes", "1": "yes"}}, top=1)
    assert table[["name", "group"]].to_numpy().tolist() == [["a", "all"], ["a", "class = yes"]]


def test_nothing_gives_an_empty_table():
    assert importance_table([]).empty


def test_intervals_of_an_importance_cover():
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(100):
        items = [explained(str(i), w, names="a") for i, w in enumerate(rng.normal(size=20))]
        row = importance_table(items).iloc[0]
        hits += row["low"] <= np.sqrt(2 / np.pi) <= row["high"]
    assert hits >= 88
