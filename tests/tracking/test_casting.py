"""A column is cast to its signature, or said to hold what it cannot."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec

from mlflow_lime.errors import (
    DataError,
)
from mlflow_lime.tracking.casting import InputCaster


def caster(**types):
    schema = Schema([ColSpec(DataType[kind], name) for name, kind in types.items()])
    return InputCaster.build(ModelSignature(schema), strict=True)


@pytest.mark.parametrize(
    ("kind", "given", "wanted", "dtype"),
    [
        ("long", [1.4, 2.6], [1, 3], "int64"),
        ("long", pd.array([1, 2], dtype="Int64"), [1, 2], "int64"),
        ("long", ["1", "2"], [1, 2], "int64"),
        ("integer", np.array([1, 2], dtype="int64"), [1, 2], "int32"),
        ("float", [0.5, 1.5], [0.5, 1.5], "float32"),
        ("double", [1, 2], [1.0, 2.0], "float64"),
        ("double", pd.Categorical([1, 2]), [1.0, 2.0], "float64"),
        ("boolean", [0.0, 1.0], [False, True], "bool"),
        ("boolean", ["True", "false"], [True, False], "bool"),
        ("string", pd.Categorical(["a", "b"]), ["a", "b"], "object"),
        ("string", [12, 13], ["12", "13"], "object"),
        ("datetime", ["2020-01-02", "2021-03-04"], None, "datetime64[ns]"),
        ("datetime", pd.to_datetime(["2020-01-02T00:00Z"] * 2), None, "datetime64[ns]"),
    ],
)
def test_a_column_is_cast_to_its_signature(kind, given, wanted, dtype):
    result = caster(x=kind)(pd.DataFrame({"x": given}))["x"]
    assert result.dtype == dtype
    if wanted is not None:
        assert result.tolist() == wanted


def test_a_cast_frame_passes_mlflows_own_check():
    from mlflow.models.utils import _enforce_schema

    kinds = {kind: kind for kind in DataType.__members__ if kind != "binary"}
    frame = pd.DataFrame(
        {
            "boolean": [0.0, 1.0],
            "integer": [1.0, 2.0],
            "long": [1.0, 2.0],
            "float": [1.0, 2.0],
            "double": [1, 7],
            "string": pd.Categorical(["a", "b"]),
            "datetime": ["2020-01-01", "2020-01-02"],
        }
    )
    schema = Schema([ColSpec(DataType[kind], name) for name, kind in kinds.items()])
    _enforce_schema(caster(**kinds)(frame), schema)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("long", ["a", "b"]),
        ("long", [1e30, 0.0]),
        ("long", [np.inf, 0.0]),
        ("integer", [2**40, 0]),
        ("boolean", ["perhaps", "no"]),
        ("datetime", ["no date", "none"]),
    ],
)
def test_what_a_column_cannot_hold_is_said(kind, given):
    with pytest.raises(DataError, match=f"column 'x' is {kind}"):
        caster(x=kind)(pd.DataFrame({"x": given}))


def test_missing_text_and_dates_stay_missing():
    frame = pd.DataFrame({"s": pd.Categorical(["a", None]), "d": ["2020-01-01", None]})
    result = caster(s="string", d="datetime")(frame)
    assert result.isna().to_numpy().tolist() == [[False, False], [True, True]]


def test_a_frame_that_fits_is_passed_on_as_it_is(table, signature):
    assert InputCaster.build(signature, strict=True)(table) is table


def test_the_index_and_the_callers_frame_stay_as_they_are():
    frame = pd.DataFrame({"x": [1.4, 2.6]}, index=["p", "q"])
    result = caster(x="long")(frame)
    assert result.index.tolist() == ["p", "q"]
    assert frame["x"].tolist() == [1.4, 2.6]


def test_named_tensors_are_a_dict_of_arrays():
    schema = Schema(
        [TensorSpec(np.dtype("float32"), (-1, 1), "a"), TensorSpec(np.dtype("uint8"), (-1,), "b")]
    )
    result = InputCaster.build(ModelSignature(schema))(pd.DataFrame({"a": [1, 2], "b": [300.0, 4]}))
    assert {name: (array.dtype, array.shape) for name, array in result.items()} == {
        "a": (np.dtype("float32"), (2, 1)),
        "b": (np.dtype("uint8"), (2,)),
    }
    assert result["b"].tolist() == [255, 4]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_no_whole_number_is_changed_by_a_cast(values):
    result = caster(x="long")(pd.DataFrame({"x": pd.array(values, dtype="Int64")}))
    assert result["x"].tolist() == values
