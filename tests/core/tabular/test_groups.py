"""Groups: one-hot blocks, found or declared."""

import pandas as pd
import pytest

from mlflow_lime.core.tabular.groups import find_groups
from mlflow_lime.errors import DataError

HOT = pd.DataFrame({"odor_a": [1, 0, 0], "odor_b": [0, 1, 0], "odor_c": [0, 0, 1], "x": [3, 4, 5]})


@pytest.mark.parametrize("separator", ["_", "__", "=", ".", ":", " ", "-", "/", "["])
def test_one_hot_blocks_are_found_by_the_beginning_of_their_names(separator):
    frame = HOT.rename(columns=lambda c: c.replace("_", separator))
    names = [f"odor{separator}{k}" for k in "abc"]
    assert find_groups(frame, "auto") == {"odor": names}


@pytest.mark.parametrize("dtype", ["int8", "float64", "bool", "boolean", "Int64"])
def test_blocks_may_hold_any_type_of_zero_and_one(dtype):
    frame = HOT.astype(dict.fromkeys(["odor_a", "odor_b", "odor_c"], dtype))
    assert list(find_groups(frame, "auto")) == ["odor"]


@pytest.mark.parametrize(
    "change",
    [{"odor_a": [1, 1, 0]}, {"odor_a": [0, 0, 0]}, {"odor_a": [1, 0, None]}, {"odor_a": [2, 0, 0]}],
)
def test_columns_that_are_not_one_hot_are_left_apart(change):
    assert find_groups(HOT.assign(**change), "auto") == {}


def test_the_longer_beginning_wins_where_the_shorter_is_no_block():
    frame = pd.DataFrame({f"a_{g}_{k}": [k, 1 - k] for g in "bc" for k in (0, 1)})
    assert find_groups(frame, "auto") == {
        "a_b": ["a_b_0", "a_b_1"],
        "a_c": ["a_c_0", "a_c_1"],
    }


def test_a_block_named_like_a_column_is_left_apart():
    assert find_groups(HOT.assign(odor=1.5), "auto") == {}


def test_no_groups_where_none_are_wanted():
    assert find_groups(HOT, "none") == {}


def test_declared_groups_may_hold_any_columns():
    assert find_groups(HOT, {"g": ["x", "odor_b"]}) == {"g": ["x", "odor_b"]}


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"g": ["odr_a"]}, "Did you mean 'odor_a'"),
        ({"g": ["x"], "h": ["x"]}, "stands in the groups 'g' and 'h'"),
        ({"g": []}, "'g' has no columns"),
        ("atuo", "Did you mean 'auto'"),
    ],
)
def test_groups_that_make_no_sense_are_refused(groups, message):
    with pytest.raises(DataError, match=message):
        find_groups(HOT, groups)
