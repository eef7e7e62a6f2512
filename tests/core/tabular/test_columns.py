"""Columns: kinds, ranks, JSON, and words."""

import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_lime.core.tabular.columns import (
    ColumnKind,
    as_numbers,
    as_series,
    column_array,
    column_kind,
    conform,
    decode_values,
    encode_values,
    format_edges,
    format_value,
    rank_codes,
)
from mlflow_lime.errors import DataError
from tests.tables import COLUMNS

KINDS = {
    ColumnKind.NUMERIC: [
        "int64",
        "int8",
        "uint8",
        "float64",
        "float32",
        "Int64",
        "Float64",
        "decimals",
        "constant",
    ],
    ColumnKind.CATEGORY: ["bool", "boolean", "str", "string", "category"],
    ColumnKind.DATETIME: ["datetime", "timedelta"],
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kind) for kind, names in KINDS.items() for name in names]
    + [
        ("object strings", ColumnKind.CATEGORY),
        ("object booleans", ColumnKind.CATEGORY),
        ("object mixed", ColumnKind.CATEGORY),
        ("object whole numbers", ColumnKind.NUMERIC),
        ("object dates", ColumnKind.DATETIME),
        ("object datetimes", ColumnKind.DATETIME),
        ("datetime with zone", ColumnKind.DATETIME),
        ("category of whole numbers", ColumnKind.CATEGORY),
        ("category of intervals", ColumnKind.CATEGORY),
        ("all missing", ColumnKind.NUMERIC),
        ("all missing objects", ColumnKind.CATEGORY),
    ],
)
def test_every_column_has_a_kind(name, kind):
    assert column_kind(COLUMNS[name]) is kind


@pytest.mark.parametrize("name", COLUMNS)
def test_values_survive_json_with_their_type(name):
    values = column_array(COLUMNS[name])
    again = decode_values(json.loads(json.dumps(encode_values(values), allow_nan=False)))
    pd.testing.assert_series_equal(as_series(again), as_series(values))
    assert [type(v) for v in again] == [type(v) for v in values]


@given(values=st.lists(st.floats(width=64) | st.none(), min_size=1))
@settings(deadline=None, max_examples=50)
def test_floats_survive_json_bit_by_bit(values):
    array = np.array([np.nan if v is None else v for v in values])
    again = decode_values(json.loads(json.dumps(encode_values(array), allow_nan=False)))
    assert np.array_equal(again, array, equal_nan=True)


@pytest.mark.parametrize("name", COLUMNS)
def test_ranks_tell_values_apart_and_put_missing_ones_last(name):
    series = COLUMNS[name]
    codes = rank_codes(series)
    texts = np.array(["missing" if pd.isna(v) else str(v) for v in series])
    for code in np.unique(codes):
        assert len(set(texts[codes == code])) == 1
    assert len(np.unique(codes)) == len(set(texts))
    if series.isna().any():
        assert (codes[series.isna().to_numpy()] == codes.max()).all()


@pytest.mark.parametrize("name", ["int64", "float32", "datetime", "timedelta", "decimals"])
def test_ranks_ascend_with_the_values(name):
    codes = rank_codes(COLUMNS[name])
    numbers = as_numbers(COLUMNS[name])
    order = np.argsort(codes, kind="stable")
    assert (np.diff(numbers[order]) >= 0).all()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Int64 with missing", [np.nan, 1, 2]),
        ("decimals", [0.1, 1.1, 2.1]),
        ("datetime", [1577836800, 1577836800 + 129600, 1577836800 + 259200]),
        ("object dates", [1577836800, 1577836800 + 86400, 1577836800 + 2 * 86400]),
        ("timedelta", [0, 129600, 259200]),
        ("datetime with missing", [np.nan, 1577836800, 1577836800 + 86400]),
    ],
)
def test_numbers_and_dates_are_read_as_floats(name, expected):
    assert np.allclose(as_numbers(COLUMNS[name])[:3], expected, equal_nan=True)


@pytest.mark.parametrize("values", [[[1], [2]], [{"a": 1}, None], [1j], [b"x"]])
def test_values_that_are_no_scalars_are_refused(values):
    with pytest.raises(DataError, match="column 'v' holds values"):
        column_kind(pd.Series(values, name="v"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"dtype": "float65", "values": [1.0]}, "'float65' cannot be read"),
        ({"dtype": "int64", "values": ["x"]}, "'int64' cannot be read"),
        ({"dtype": "category", "values": [0]}, "'category' cannot be read"),
    ],
)
def test_values_that_cannot_be_read_are_refused(data, message):
    with pytest.raises(DataError, match=message):
        decode_values(data)


# --------------------------------------------------------------------------------- conform


@pytest.mark.parametrize("name", COLUMNS)
def test_values_of_the_right_type_conform_as_they_are(name):
    values = column_array(COLUMNS[name])
    found = conform(values, values)
    assert all(one.dtype == values.dtype and len(one) == 1 for one in found)


@pytest.mark.parametrize(
    ("value", "like", "dtype"),
    [
        (3.0, np.array([1]), "int64"),
        (2.5, np.array([1]), "float64"),
        (np.nan, np.array([1]), "float64"),
        (300, np.array([1], dtype=np.int8), "int64"),
        (0.1, np.array([1], dtype=np.float32), "float32"),
        (2, np.array([True]), "int64"),
        (1, np.array([True]), "bool"),
        (np.nan, pd.array([1], dtype="Int64"), "Int64"),
    ],
)
def test_a_value_takes_the_type_of_its_column_where_nothing_is_lost(value, like, dtype):
    (found,) = conform(np.array([value]), like)
    assert found.dtype == dtype
    assert pd.isna(found[0]) == pd.isna(value)
    if not pd.isna(value):
        assert found[0] == pytest.approx(value)


def test_an_unseen_category_comes_last():
    like = pd.Categorical(["b", "a"], ["b", "a"], ordered=True)
    known, unseen = conform(np.array(["a", "z"], dtype=object), like)
    assert known.dtype == like.dtype
    assert list(unseen.categories) == ["b", "a", "z"]
    assert unseen.ordered


# ----------------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1 + 0.2, "0.3"),
        (np.float32(0.1), "0.1"),
        (1e-9, "1e-09"),
        (True, "True"),
        (np.int8(3), "3"),
        (pd.NA, "missing"),
        (pd.NaT, "missing"),
        (np.nan, "missing"),
        ("nan", "nan"),
        ("", ""),
        (pd.Timestamp("2020-02-01"), "2020-02-01"),
        (pd.Timestamp("2020-02-01 10:30"), "2020-02-01 10:30:00"),
        (np.datetime64("2020-02-01", "us"), "2020-02-01"),
        (np.timedelta64(36, "h"), "1 days 12:00:00"),
        (Decimal("1.10"), "1.10"),
    ],
)
def test_values_read_well(value, text):
    assert format_value(value) == text


@given(edges=st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=6, unique=True).map(sorted))
def test_edges_that_differ_read_differently(edges):
    texts = format_edges(edges)
    assert len(set(texts)) == len({edge + 0.0 for edge in edges})
