"""The best way to the scores, from what each kind of model says about itself."""

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression

from mlflow_lime.errors import (
    ModelError,
    ModelOutputError,
)
from mlflow_lime.tracking.model import load_scoring_function

PICKLED = {"serialization_format": "cloudpickle"}

EXPECTED = np.array([[0.1, 0.9], [0.9, 0.1]])
ROWS = pd.DataFrame({"income": [50.0, 30.0]})


class Probabilities(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        p = (model_input["income"] > 40).to_numpy() * 0.8 + 0.1
        return pd.DataFrame({"no": 1 - p, "yes": p})


class Labels(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return ["yes" if x > 40 else "no" for x in model_input["income"]]


class WithParams(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        p = (model_input["income"] > 40).to_numpy() * 0.8 + 0.1
        return np.column_stack([1 - p, p]) if (params or {}).get("proba") else p > 0.5


class WithMethod(mlflow.pyfunc.PythonModel):
    classes_ = ("no", "yes")

    def predict(self, context, model_input, params=None):
        return self.predict_proba(context, model_input).argmax(axis=1)

    def predict_proba(self, context, model_input):
        p = (model_input["income"] > 40).to_numpy() * 0.8 + 0.1
        return np.column_stack([1 - p, p])


@pytest.fixture
def log_python(log):
    def run(model, params=None):
        schema = Schema([ColSpec(DataType.double, "income")])
        with mlflow.start_run():
            return mlflow.pyfunc.log_model(
                name="model",
                python_model=model,
                signature=ModelSignature(schema, params=params),
                pip_requirements=["mlflow"],
            )

    return run


def test_a_python_model_that_gives_probabilities_names_its_classes(log_python):
    score = load_scoring_function(log_python(Probabilities()).model_uri, sample=ROWS)
    assert (score.mode, score.class_names) == ("classification", ("no", "yes"))
    np.testing.assert_allclose(score(ROWS), EXPECTED)


def test_a_python_models_own_predict_proba_is_preferred(log_python):
    score = load_scoring_function(log_python(WithMethod()).model_uri)
    assert score.class_names == ("no", "yes")
    np.testing.assert_allclose(score(ROWS), EXPECTED)


def test_a_parameter_for_probabilities_is_set(log_python):
    params = ParamSchema([ParamSpec("proba", DataType.boolean, False)])
    score = load_scoring_function(log_python(WithParams(), params).model_uri, sample=ROWS)
    assert "params {'proba': True}" in score.how
    np.testing.assert_allclose(score(ROWS), EXPECTED)


def test_a_python_model_with_labels_needs_the_class_names(log_python):
    uri = log_python(Labels()).model_uri
    with pytest.raises(ModelOutputError, match=r"classes are not known; give class_names"):
        load_scoring_function(uri, sample=ROWS)
    score = load_scoring_function(uri, sample=ROWS, class_names=["no", "yes"])
    assert "only labels" in score.notes[0]
    np.testing.assert_array_equal(score(ROWS), [[0, 1], [1, 0]])


def test_a_python_model_that_says_nothing_needs_rows(log_python):
    with pytest.raises(ModelError, match=r"no rows to try; give sample"):
        load_scoring_function(log_python(Probabilities()).model_uri)


def test_a_pyfunc_that_gives_probabilities_is_asked_itself(log, numbers, pieces):
    model = RandomForestClassifier(5, random_state=0).fit(numbers, pieces)
    info = log(
        mlflow.sklearn,
        model,
        pyfunc_predict_fn="predict_proba",
        signature=infer_signature(numbers),
        **PICKLED,
    )
    score = load_scoring_function(info.model_uri)
    assert "pyfunc_predict_fn" in score.how
    assert score.class_names == ("high", "low", "middle")
    np.testing.assert_allclose(score(numbers.astype(float)), model.predict_proba(numbers))


def test_a_bound_predict_proba_brings_its_classes(numbers, pieces):
    model = RandomForestClassifier(3, random_state=0).fit(numbers, pieces)
    assert load_scoring_function(model.predict_proba).class_names == ("high", "low", "middle")


def test_a_model_that_evaluate_wraps_is_scored(table):
    seen = []

    class Spy:
        signature = None

        def predict(self, frame, params=None):
            seen.append(len(frame))
            return np.tile([0.2, 0.8], (len(frame), 1))

    score = load_scoring_function(Spy(), sample=table)
    assert score(table).shape == (120, 2)
    assert seen == [2, 120]


def test_a_function_in_evaluates_own_wrapping_is_scored(table):
    from mlflow.models.evaluation.base import _get_model_from_function

    model = _get_model_from_function(lambda frame: np.tile([0.2, 0.8], (len(frame), 1)))
    score = load_scoring_function(model, sample=table)
    assert score(table).shape == (120, 2)


def test_a_classifier_may_be_read_as_a_regression(numbers, target):
    model = LogisticRegression().fit(numbers, target)
    score = load_scoring_function(model, task="regression", sample=numbers)
    assert score.how == "predict of LogisticRegression"
    np.testing.assert_array_equal(score(numbers)[:, 0], model.predict(numbers))


def test_several_targets_at_once_need_the_users_function(numbers, target):
    both = np.column_stack([target, 1 - target])
    model = RandomForestClassifier(3).fit(numbers, both)
    with pytest.raises(ModelError, match=r"predicts 2 targets at once"):
        load_scoring_function(model)


def test_the_users_function_comes_first(hooks, log, pipeline, table, signature):
    info = log(mlflow.sklearn, pipeline, signature=signature, **PICKLED)
    score = load_scoring_function(info.model_uri, predict="my_hooks:score", sample=table)
    assert score.how == "my_hooks:score"
    assert score.columns == tuple(table.columns)
    np.testing.assert_allclose(score(table.iloc[:1]), [[0.3, 0.7]])


def test_the_users_function_may_have_the_model(hooks, log, numbers):
    model = LinearRegression().fit(numbers, numbers["income"])
    info = log(mlflow.sklearn, model, **PICKLED)
    score = load_scoring_function(info.model_uri, predict="my_hooks:with_model", sample=numbers)
    np.testing.assert_allclose(score(numbers)[:, 0], numbers["income"] / 100)
