"""Rows of a table: read from any frame, shown to the model with the types it was trained on."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_lime.core.explanation import Explanation
from mlflow_lime.core.options import Pooling, Sampling
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.core.tabular.masked import MaskedTable
from mlflow_lime.core.tabular.table import Table, row_digest
from mlflow_lime.errors import DataError
from tests.tables import COLUMNS, bits, codes_sum, frame_of, linear, masked, normal_frame

FEW = Sampling(rows=64, max_rows=64)


def watched(seen, predict=codes_sum):
    """Return a predict function that notes what it is shown."""

    def call(rows):
        seen.append(rows.copy())
        return predict(rows)

    return call


@pytest.mark.parametrize("name", COLUMNS)
def test_the_model_sees_every_column_with_its_type_and_order(name):
    frame = frame_of(name)
    seen = []
    outcomes = masked(frame, watched(seen), sampling=FEW).explain(frame.iloc[[1, 2]])
    assert all(isinstance(outcome, Explanation) for outcome in outcomes)
    for shown in seen:
        assert list(shown.columns) == [name, "number"]
        assert (shown.dtypes == frame.dtypes).all()


@pytest.mark.parametrize("name", COLUMNS)
def test_the_model_sees_only_values_of_the_background(name):
    frame = frame_of(name)
    seen = []
    masked(frame, watched(seen), sampling=FEW).explain(frame.iloc[[1, 2]])
    shown = pd.concat(seen)[name]
    known = {str(v) for v in frame[name].array}
    assert {str(v) for v in shown.array} <= known


@pytest.mark.parametrize("name", COLUMNS)
def test_the_model_sees_the_instance_itself_unchanged(name):
    frame = frame_of(name)
    seen = []
    masked(frame, watched(seen), sampling=FEW).explain(frame.iloc[[5, 3]])
    pd.testing.assert_frame_equal(seen[0], frame.iloc[[5, 3]].reset_index(drop=True))


@pytest.mark.parametrize("name", COLUMNS)
def test_values_are_texts_that_a_person_reads(name):
    frame = frame_of(name)
    (subject,) = MaskedTable(Background.from_frame(frame)).subjects(frame.iloc[[2]])
    assert subject.parts[0].startswith(f"{name} = ")
    assert "<" not in subject.parts[0]


def test_whole_numbers_stay_whole_when_a_batch_has_missing_values_elsewhere():
    frame = pd.DataFrame({"rate": np.arange(20) % 4, "age": np.arange(20), "job": ["a", "b"] * 10})
    rows = frame.iloc[:3].astype({"rate": float})
    rows.loc[1, "rate"] = np.nan
    seen = []
    masked(frame, watched(seen), sampling=FEW).explain(rows.iloc[[0, 2]])
    assert all((shown.dtypes == frame.dtypes).all() for shown in seen)


@pytest.mark.parametrize("job", [["a", "b"] * 10, np.arange(20.0)], ids=["mixed", "numeric"])
def test_a_missing_value_where_the_background_has_none_stays_missing(job):
    frame = pd.DataFrame({"rate": np.arange(20) % 4, "job": job})
    row = frame.iloc[[0]].astype({"rate": float})
    row.loc[0, "rate"] = np.nan
    seen = []
    (found,) = masked(frame, watched(seen), sampling=FEW).explain(row)
    assert found.parts[0] == "rate = missing"
    assert pd.concat(seen)["rate"].isna().any()


def test_missing_values_of_the_background_are_shown_at_their_frequency():
    frame = pd.DataFrame({"a": [np.nan, 1.0, 2.0, 3.0] * 25, "b": np.arange(100.0)})
    seen = []
    sampling = Sampling(rows=2000, max_rows=2000, law="bernoulli")
    every = Pooling(deduplicate=False)
    masked(frame, watched(seen), sampling=sampling, pooling=every).explain(frame.iloc[[1]])
    share = seen[-1]["a"].isna().mean()
    assert share == pytest.approx(0.125, abs=0.02)  # absent in half of the rows


@pytest.mark.parametrize("value", [2.5, np.nan, 1e6, -1.0])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "bool"])
@pytest.mark.parametrize("as_array", [False, True])
def test_a_value_that_its_column_cannot_hold_is_not_bent(dtype, value, as_array):
    frame = pd.DataFrame({"a": [0, 1, 1, 0], "b": [1, 0, 1, 0]}).astype(dtype)
    row = pd.DataFrame({"a": [value], "b": [1.0]})
    table = Table(Background.from_frame(frame, groups="none"), as_array=as_array)
    original = table.originals(table.read(row))
    shown = original[0, 0] if as_array else original["a"].iloc[0]
    assert np.array_equal(float(shown), value, equal_nan=True)
    if not as_array and dtype != "bool":
        assert original["b"].dtype == dtype


def test_an_unseen_category_is_shown_as_it_is_and_noted():
    frame = frame_of("category")
    row = frame.iloc[[0]].astype({"category": object})
    row.loc[0, "category"] = "z"
    seen = []
    (found,) = masked(frame, watched(seen), sampling=FEW).explain(row)
    assert found.notes == ("'category' = 'z' does not occur in the background",)
    shown = pd.concat(seen)["category"]
    assert "z" in set(shown)
    assert list(seen[0]["category"].cat.categories) == ["a", "b", "d", "z"]


def test_an_unseen_category_has_the_weight_of_its_being_shown():
    frame = frame_of("str")
    row = frame.iloc[[0]].assign(str="z")
    (found,) = masked(frame, lambda f: (f["str"] == "z") * 0.5).explain(row)
    assert found.as_dict()["str"] == pytest.approx(0.5, abs=1e-8)
    assert "does not occur in the background" in found.notes[0]


def test_an_unseen_category_in_an_ordered_column_keeps_the_order():
    frame = frame_of("ordered category")
    row = frame.iloc[[0]].astype({"ordered category": object})
    row.loc[0, "ordered category"] = "top"
    seen = []
    masked(frame, watched(seen), sampling=FEW).explain(row)
    for shown in seen:
        assert shown["ordered category"].cat.ordered
        assert list(shown["ordered category"].cat.categories)[:3] == ["low", "mid", "high"]


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("category", object),
        ("category", "str"),
        ("str", "category"),
        ("str", object),
        ("string", object),
        ("int64", "Int64"),
        ("int64", "int32"),
        ("int64", "float64"),
        ("Int64", "float64"),
        ("float32", "float64"),
        ("category of whole numbers", "int64"),
        ("bool", object),
        ("datetime", "datetime64[ns]"),
        ("boolean", object),
    ],
)
def test_the_same_values_with_another_type_are_explained_alike(name, other):
    frame = frame_of(name)
    rows = frame.iloc[[1, 3]]
    seen = []
    explainer = masked(frame, watched(seen), sampling=FEW)
    usual = explainer.explain(rows)
    given_so = explainer.explain(rows.astype({name: other}))
    assert [bits(e) for e in usual] == [bits(e) for e in given_so]
    assert all((shown.dtypes == frame.dtypes).all() for shown in seen)


def test_a_category_of_another_set_of_categories_is_the_same_value():
    frame = frame_of("ordered category")
    row = frame.iloc[[0]].copy()
    row["ordered category"] = row["ordered category"].cat.remove_unused_categories()
    seen = []
    masked(frame, watched(seen), sampling=FEW).explain(row)
    assert all((shown.dtypes == frame.dtypes).all() for shown in seen)


def test_an_instance_may_be_a_series_an_array_or_a_list():
    frame = normal_frame()
    explainer = masked(frame, linear)
    frames = explainer.explain(frame.iloc[[4]])
    for instance in (frame.iloc[4], frame.iloc[4].to_numpy(), frame.iloc[4].tolist()):
        assert [bits(e) for e in explainer.explain(instance)] == [bits(e) for e in frames]


def test_a_series_of_mixed_types_is_read_with_the_types_of_the_background():
    frame = pd.DataFrame({"rate": [1, 2, 3], "share": [0.5, 1.5, 2.5], "job": ["a", "b", "a"]})
    seen = []
    masked(frame, watched(seen), sampling=FEW).explain(frame.iloc[1])
    assert all((shown.dtypes == frame.dtypes).all() for shown in seen)


def test_columns_in_another_order_make_no_difference():
    frame = normal_frame()
    rows = frame.iloc[:2]
    seen = []
    explainer = masked(frame, watched(seen, linear), sampling=FEW)
    usual = explainer.explain(rows)
    other = explainer.explain(rows[rows.columns[::-1]])
    assert [bits(e) for e in usual] == [bits(e) for e in other]
    assert all(list(shown.columns) == list(frame.columns) for shown in seen)


def test_an_extra_column_is_refused_by_name():
    explainer = masked(normal_frame(), linear, sampling=FEW)
    with pytest.raises(DataError, match=r"columns that the background lacks: \['extra'\]"):
        explainer.explain(normal_frame().iloc[:2].assign(extra="x"))


def test_names_of_columns_may_be_numbers():
    frame = normal_frame()
    frame.columns = range(5)
    seen = []
    (found,) = masked(frame, watched(seen, linear)).explain(frame.iloc[[0]])
    assert found.names == ("0", "1", "2", "3", "4")
    assert all(list(shown.columns) == list(range(5)) for shown in seen)


def test_the_index_of_the_instances_makes_no_difference():
    frame = normal_frame()
    explainer = masked(frame, linear)
    usual = explainer.explain(frame.iloc[:2])
    doubled = frame.iloc[:2].set_axis(["same", "same"])
    assert [bits(e) for e in explainer.explain(doubled)] == [bits(e) for e in usual]


# -------------------------------------------------------------------------------- bad input


def test_missing_columns_are_named_with_the_nearest_one():
    frame = normal_frame()
    with pytest.raises(DataError, match=r"lack 1 of 5 columns.*'x1'.*Did you mean 'x_1'"):
        masked(frame, linear).explain(frame.rename(columns={"x1": "x_1"}))


@pytest.mark.parametrize("rows", [0, None])
def test_no_instances_are_refused(rows):
    frame = normal_frame()
    empty = frame.iloc[:0] if rows == 0 else pd.DataFrame()
    with pytest.raises(DataError, match="no instances to explain"):
        masked(frame, linear).explain(empty)


@pytest.mark.parametrize("shape", [(3,), (2, 4), (2, 5, 1)])
def test_arrays_of_another_shape_are_refused(shape):
    with pytest.raises(DataError, match=r"expected \(rows, 5\)"):
        masked(normal_frame(), linear).explain(np.zeros(shape))


def test_doubled_columns_are_refused():
    frame = normal_frame()
    with pytest.raises(DataError, match=r"duplicate column names: \['x1'\]"):
        masked(frame, linear).explain(pd.concat([frame, frame[["x1"]]], axis=1))


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("number", ["a"], "holds category values"),
        ("str", [3.5], "holds numeric values"),
        ("datetime", [3.5], "holds numeric values"),
        ("int64", [pd.Timestamp("2020-01-01")], "holds datetime values"),
        ("datetime", [pd.Timestamp("2020-01-01", tz="UTC")], "time zone"),
        ("datetime with zone", [pd.Timestamp("2020-01-01")], "time zone"),
        ("int64", [[1, 2]], "expected numbers, text"),
        ("int64", [1j], "expected numbers, text"),
    ],
)
def test_values_of_another_kind_are_refused(name, values, message):
    frame = frame_of(name) if name != "number" else frame_of()
    row = frame.iloc[[0]].drop(columns=name)
    row[name] = pd.Series(values)
    with pytest.raises(DataError, match=message) as caught:
        masked(frame, codes_sum).explain(row)
    assert name in str(caught.value)


def test_a_column_all_missing_in_the_background_takes_any_kind():
    frame = frame_of("all missing objects")
    row = frame.iloc[[0]].copy()
    row["all missing objects"] = [3.5]
    (found,) = masked(frame, codes_sum).explain(row)
    assert found.parts[0] == "all missing objects = 3.5"


def test_a_column_all_missing_in_the_instances_is_read():
    frame = frame_of("int64", "str")
    row = frame.iloc[[0]].assign(int64=None, str=None)
    (found,) = masked(frame, codes_sum).explain(row)
    assert found.parts[:2] == ("int64 = missing", "str = missing")


# ---------------------------------------------------------------------------------- digests


def test_equal_values_of_other_types_have_equal_digests():
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    table = Table(Background.from_frame(frame))
    digests = {
        row_digest(table.read(frame.astype({"a": kind}))[0])
        for kind in ("int64", "int8", "float64", "Int64", "Float32", object)
    }
    assert len(digests) == 1


@given(
    a=st.integers(-(2**62), 2**62) | st.integers(2**53 - 2, 2**53 + 2),
    b=st.integers(-(2**62), 2**62) | st.integers(2**53 - 2, 2**53 + 2),
)
@settings(deadline=None, max_examples=50)
def test_different_whole_numbers_have_different_digests_however_large(a, b):
    table = Table(Background.from_frame(pd.DataFrame({"a": [a, b]})))
    one, two = (row_digest(row) for row in table.read(pd.DataFrame({"a": [a, b]})))
    assert (one == two) == (a == b)


def test_negative_zero_is_zero():
    table = Table(Background.from_frame(pd.DataFrame({"a": [0.0, 1.0]})))
    one, two = table.read(pd.DataFrame({"a": [0.0, -0.0]}))
    assert row_digest(one) == row_digest(two)


def test_dates_are_read_as_dates():
    frame = pd.DataFrame({"day": [dt.date(2020, 1, 1), dt.date(2020, 1, 2)], "x": [1.0, 2.0]})
    (subject,) = MaskedTable(Background.from_frame(frame)).subjects(frame.iloc[[1]])
    assert subject.parts[0] == "day = 2020-01-02"
