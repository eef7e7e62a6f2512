"""Backgrounds: statistics that stand for the data."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_lime.core.blocks import LEVELS
from mlflow_lime.core.explain import Explainer
from mlflow_lime.core.options import Sampling
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.core.tabular.bins import BinnedTable
from mlflow_lime.core.tabular.masked import MaskedTable
from mlflow_lime.core.tabular.standardised import StandardisedTable
from mlflow_lime.errors import DataError
from tests.tables import COLUMNS, bits, codes_sum, frame_of, loan_frame, normal_frame

FEW = Sampling(rows=64, max_rows=64)


def saved(background):
    """Return a background that was written as JSON and read again."""
    return Background.from_dict(json.loads(json.dumps(background.to_dict(), allow_nan=False)))


@pytest.mark.parametrize("make", [MaskedTable, BinnedTable, StandardisedTable])
@pytest.mark.parametrize("name", COLUMNS)
def test_saved_statistics_give_the_same_bits_as_the_data(name, make):
    frame = frame_of(name)
    rows = frame.iloc[[0, 1, 5]]
    usual, other = (
        Explainer(make(background), codes_sum, "regression", sampling=FEW).explain(rows)
        for background in (Background.from_frame(frame), saved(Background.from_frame(frame)))
    )
    assert [bits(e) for e in usual] == [bits(e) for e in other]


@pytest.mark.parametrize("name", COLUMNS)
def test_saved_statistics_keep_types_and_digest(name):
    background = Background.from_frame(frame_of(name))
    again = saved(background)
    assert again.digest() == background.digest()
    for one, two in zip(background.parts, again.parts, strict=True):
        assert one.values[0].dtype == two.values[0].dtype
        assert [type(v) for v in one.values[0]] == [type(v) for v in two.values[0]]
        assert np.array_equal(one.codes, two.codes)


def test_saved_statistics_hold_no_more_rows_than_levels():
    background = Background.from_frame(normal_frame(5000, 1))
    assert len(background.to_dict()["parts"][0]["values"][0]["values"]) == LEVELS


def test_one_hot_groups_survive_saving():
    frame = pd.DataFrame({"odor_a": [1, 0, 0, 1], "odor_b": [0, 1, 1, 0], "x": [1.0, 2, 3, 4]})
    again = saved(Background.from_frame(frame))
    assert [(p.name, p.columns, p.kind) for p in again.parts] == [
        ("odor", ("odor_a", "odor_b"), "group"),
        ("x", ("x",), "numeric"),
    ]


@given(
    values=st.lists(st.none() | st.integers(-3, 3) | st.floats(allow_nan=False), min_size=1),
)
@settings(deadline=None, max_examples=60)
def test_levels_hold_values_of_the_data_at_their_frequency(values):
    series = pd.Series(values, dtype=float)
    (part,) = Background.from_frame(series.to_frame("x")).parts
    levels = pd.Series(part.values[0][part.codes])
    assert len(levels) == LEVELS
    assert (np.diff(part.codes.astype(int)) >= 0).all()
    for value in set(levels.dropna()):
        share = (series == value).mean()
        assert (levels == value).mean() == pytest.approx(share, abs=2 / LEVELS)
    assert levels.isna().mean() == pytest.approx(series.isna().mean(), abs=2 / LEVELS)


def test_rare_categories_keep_at_most_their_share():
    frame = pd.DataFrame({"c": ["a"] * 99_999 + ["rare"]})
    (part,) = Background.from_frame(frame).parts
    assert list(part.values[0]) == ["a"]


def test_codes_declared_as_categories_are_categories():
    background = Background.from_frame(loan_frame(), categorical=["installment_rate"])
    kinds = {part.name: part.kind for part in background.parts}
    assert kinds["installment_rate"] == "categorical"
    assert kinds["age"] == "numeric"
    assert kinds["purpose"] == "categorical"


def test_moments_leave_missing_and_infinite_values_out():
    frame = pd.DataFrame({"x": [1.0, 3.0, np.nan, np.inf, -np.inf]})
    (part,) = Background.from_frame(frame).parts
    assert (part.mean, part.std) == (2.0, 1.0)


def test_entropy_edges_need_class_labels():
    frame = normal_frame()
    labels = np.where(frame["x1"] > 0.3, "good", "bad")
    parts = Background.from_frame(frame, target=labels).parts
    assert any(abs(edge - 0.3) < 0.1 for edge in parts[1].edges["entropy"])
    assert "entropy" not in Background.from_frame(frame).parts[1].edges


@pytest.mark.parametrize(
    "target", [pd.Series(["a", "b"] * 100), [True, False] * 100, [1.0, None] * 100]
)
def test_class_labels_of_any_kind_are_taken(target):
    assert "entropy" in Background.from_frame(normal_frame(), target=target).parts[0].edges


def test_continuous_labels_are_left_aside():
    frame = normal_frame()
    assert "entropy" not in Background.from_frame(frame, target=frame["x0"]).parts[0].edges


def test_correlations_are_those_of_normal_scores():
    rng = np.random.default_rng(0)
    x = rng.normal(size=2000)
    frame = pd.DataFrame({"x": np.exp(x), "y": -x, "z": rng.normal(size=2000), "c": 1})
    found = Background.from_frame(frame).correlation
    assert found[0, 1] == pytest.approx(-1, abs=0.01)
    assert abs(found[0, 2]) < 0.06
    assert np.array_equal(found[3], [0, 0, 0, 1])
    assert np.array_equal(found, found.T)


def test_many_parts_keep_no_correlation():
    assert Background.from_frame(normal_frame(10, 401)).correlation is None


# -------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("frame", [pd.DataFrame(), pd.DataFrame({"a": []}), normal_frame(0)])
def test_empty_data_is_refused(frame):
    with pytest.raises(DataError, match="background data is empty"):
        Background.from_frame(frame)


def test_what_is_no_frame_is_refused():
    with pytest.raises(DataError, match="must be a pandas DataFrame, got ndarray"):
        Background.from_frame(np.zeros((3, 3)))


def test_doubled_columns_are_refused():
    frame = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(DataError, match=r"duplicate column names: \['a'\]"):
        Background.from_frame(frame)


def test_columns_of_several_levels_are_refused():
    frame = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)]))
    with pytest.raises(DataError, match="flatten a MultiIndex"):
        Background.from_frame(frame)


def test_names_that_read_alike_are_refused():
    with pytest.raises(DataError, match="two parts would be named '1'"):
        Background.from_frame(pd.DataFrame([[1, 2]], columns=[1, "1"]))


def test_a_group_named_like_a_column_is_refused():
    frame = normal_frame()
    with pytest.raises(DataError, match="two parts would be named 'x0'"):
        Background.from_frame(frame, groups={"x0": ["x1", "x2"]})


@pytest.mark.parametrize("values", [[[1], [2]], [{"a": 1}, {"b": 2}], [1j, 2j]])
def test_values_that_are_not_scalars_are_refused(values):
    with pytest.raises(DataError, match="column 'v'"):
        Background.from_frame(pd.DataFrame({"v": values, "x": [1, 2]}))


def test_an_unknown_categorical_column_is_refused():
    with pytest.raises(DataError, match="Did you mean 'age'"):
        Background.from_frame(loan_frame(), categorical=["agee"])


def test_a_target_of_another_length_is_refused():
    with pytest.raises(DataError, match="3 labels for 200 rows"):
        Background.from_frame(normal_frame(), target=[1, 2, 3])


@pytest.mark.parametrize("change", [{"format": 99}, {}])
def test_another_format_is_refused(change):
    data = Background.from_frame(normal_frame()).to_dict() | change if change else {}
    with pytest.raises(DataError, match="background statistics have format"):
        Background.from_dict(data)


def test_damaged_statistics_are_refused():
    data = Background.from_frame(normal_frame()).to_dict()
    data["parts"][1]["counts"][0] += 1
    with pytest.raises(DataError, match=r"part 'x1' are damaged.*1025"):
        Background.from_dict(data)


def test_values_of_an_unknown_type_are_refused():
    data = Background.from_frame(normal_frame()).to_dict()
    data["parts"][0]["values"][0]["dtype"] = "float65"
    with pytest.raises(DataError, match="'float65' cannot be read"):
        Background.from_dict(data)
