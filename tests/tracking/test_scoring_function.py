"""A scoring function takes wild rows, and names what it cannot take."""

import sys

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature

from mlflow_lime.errors import (
    DataError,
    ModelError,
)
from mlflow_lime.tracking.model import load_scoring_function

PICKLED = {"serialization_format": "cloudpickle"}
ROWS = pd.DataFrame({"income": [50.0, 30.0]})


def test_integers_are_cast_before_a_strict_pyfunc(log, table):
    class Strict(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input["age"].to_numpy() / 100

    with mlflow.start_run():
        info = mlflow.pyfunc.log_model(
            name="model",
            python_model=Strict(),
            signature=infer_signature(table),
            pip_requirements=["mlflow"],
        )
    score = load_scoring_function(info.model_uri, sample=table, task="regression")
    wild = table.assign(
        age=table["age"] + 0.2,
        owner=table["owner"].astype(float),
        job=pd.Categorical(table["job"]),
        income=table["income"].astype(object),
        extra=1,
    )[["extra", "owner", "job", "age", "income"]]
    np.testing.assert_array_equal(score(wild), score(table))
    assert score.check(wild) == ("columns that the model does not read are left out: ['extra']",)
    with pytest.raises(DataError, match=r"'age' is long .* 1 of 120 rows lack one; fill them in"):
        score(table.assign(age=[None, *table["age"][1:]]))


def test_one_bad_row_in_the_sample_does_not_refuse_the_model():
    def picky(frame):
        if (frame["income"] > 40).any():
            raise ValueError("secret 4711")
        return np.tile([0.2, 0.8], (len(frame), 1))

    score = load_scoring_function(picky, sample=ROWS)
    assert score(ROWS.iloc[1:]).tolist() == [[0.2, 0.8]]
    with pytest.raises(ModelError, match=r"raised ValueError on 2 rows") as caught:
        score(ROWS)
    assert "4711" not in str(caught.value)
    assert "4711" in str(caught.value.__context__)
    assert caught.value.__suppress_context__


def test_a_model_that_ends_the_interpreter_is_a_model_error():
    def leaving(frame):
        sys.exit(0)

    with pytest.raises(ModelError, match=r"raised SystemExit on \d rows"):
        load_scoring_function(leaving, sample=ROWS)(ROWS)


def test_missing_columns_are_named_with_what_was_meant(pipeline, table):
    score = load_scoring_function(pipeline)
    with pytest.raises(DataError, match=r"lacks 1 of the 4 .*\['income'\].*mean 'Income'"):
        score(table.rename(columns={"income": "Income"}))


def test_a_column_of_another_type_is_named_and_no_value_shown(log, pipeline, table, signature):
    info = log(mlflow.sklearn, pipeline, signature=signature, **PICKLED)
    score = load_scoring_function(info.model_uri)
    with pytest.raises(DataError, match=r"column 'age' is long .* no number") as caught:
        score(table.assign(age="very secret"))
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_description_is_plain_json(pipeline, table):
    import json

    description = load_scoring_function(pipeline, sample=table).describe()
    assert json.loads(json.dumps(description)) == description
    assert description["columns"] == list(table.columns)
