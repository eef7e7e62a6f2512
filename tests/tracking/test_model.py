"""Every kind of model becomes one function from rows to an array of scores."""

import sys

import lightgbm as lgb
import mlflow
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mlflow_lime.errors import (
    ConfigError,
    DataError,
    ModelError,
    ModelOutputError,
    TrackingServerError,
    VersionNotFoundError,
)
from mlflow_lime.tracking.model import import_function, load_scoring_function

PICKLED = {"serialization_format": "cloudpickle"}

keeps_categories = pytest.mark.skipif(
    not hasattr(xgb.Booster, "get_categories"),
    reason="XGBoost keeps the categories of its training data since 3.1",
)
writes_skops = pytest.mark.skipif(
    "skops" not in mlflow.sklearn.SUPPORTED_SERIALIZATION_FORMATS,
    reason="MLflow writes scikit-learn models with skops since 3.9",
)


@pytest.fixture(scope="module")
def pipeline(table, target):
    columns = make_column_transformer(
        (StandardScaler(), ["income", "age"]), (OneHotEncoder(), ["job"]), remainder="passthrough"
    )
    return make_pipeline(columns, LogisticRegression()).fit(table, target)


@pytest.fixture(scope="module")
def numbers(table):
    return table[["income", "age"]]


@pytest.fixture(scope="module")
def pieces(table):
    """Three classes with names."""
    return np.array(["low", "middle", "high"])[np.digitize(table["income"], [35, 45])]


def test_a_pipeline_with_text_columns_gives_its_probabilities(
    log, pipeline, table, target, signature
):
    info = log(mlflow.sklearn, pipeline, signature=signature, **PICKLED)
    score = load_scoring_function(info.model_uri, sample=table)
    assert (score.mode, score.class_names) == ("classification", ("0", "1"))
    assert score.columns == tuple(table.columns)
    assert score.dtypes == {
        "income": "double",
        "age": "long",
        "job": "string",
        "owner": "boolean",
    }
    assert score.how == "predict_proba of Pipeline"
    assert score.notes == ()
    np.testing.assert_allclose(score(table), pipeline.predict_proba(table))


@writes_skops
def test_a_skops_model_gives_the_same_as_a_pickled_one(log, numbers, target):
    model = LogisticRegression().fit(numbers, target)
    info = log(mlflow.sklearn, model, serialization_format="skops")
    score = load_scoring_function(info.model_uri)
    np.testing.assert_allclose(score.score(numbers), model.predict_proba(numbers))


@writes_skops
def test_a_forest_in_skops_needs_its_trusted_types_only_when_logged(log, numbers, target):
    model = RandomForestClassifier(5, random_state=0).fit(numbers, target)
    info = log(
        mlflow.sklearn,
        model,
        serialization_format="skops",
        skops_trusted_types=["sklearn.tree._tree.Tree"],
    )
    score = load_scoring_function(info.model_uri)
    np.testing.assert_allclose(score(numbers), model.predict_proba(numbers))


def test_string_classes_name_the_columns_in_the_models_order(log, numbers, pieces):
    model = RandomForestClassifier(5, random_state=0).fit(numbers, pieces)
    info = log(mlflow.sklearn, model, **PICKLED)
    score = load_scoring_function(info.model_uri)
    assert score.class_names == ("high", "low", "middle")
    np.testing.assert_allclose(score(numbers), model.predict_proba(numbers))


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


def test_a_regression_has_one_value(log, numbers):
    model = LinearRegression().fit(numbers, numbers["income"] * 2)
    info = log(mlflow.sklearn, model, signature=infer_signature(numbers), **PICKLED)
    score = load_scoring_function(info.model_uri, sample=numbers)
    assert (score.mode, score.class_names) == ("regression", ("value",))
    np.testing.assert_allclose(score(numbers)[:, 0], numbers["income"] * 2)


def test_a_classifier_without_probabilities_is_explained_by_labels_with_a_note(
    log, numbers, pieces
):
    model = RidgeClassifier().fit(numbers, pieces)
    info = log(mlflow.sklearn, model, **PICKLED)
    score = load_scoring_function(info.model_uri, sample=numbers)
    assert score.class_names == ("high", "low", "middle")
    assert "only labels" in score.notes[0]
    scores = score(numbers)
    assert (scores.sum(axis=1) == 1).all()
    chosen = np.array(score.class_names)[scores.argmax(axis=1)]
    assert (chosen == model.predict(numbers)).all()


def test_a_model_fitted_on_an_array_is_given_an_array(log, numbers, target):
    model = LogisticRegression().fit(numbers.to_numpy(), target)
    info = log(mlflow.sklearn, model, signature=infer_signature(numbers), **PICKLED)
    score = load_scoring_function(info.model_uri, sample=numbers)
    np.testing.assert_allclose(
        score(numbers[["age", "income"]]), model.predict_proba(numbers.to_numpy())
    )


def test_a_tensor_signature_is_given_an_array_of_its_type_and_shape(log, numbers, target):
    array = numbers.to_numpy().astype(np.float32)
    model = LogisticRegression().fit(array, target)
    info = log(mlflow.sklearn, model, signature=infer_signature(array), **PICKLED)
    score = load_scoring_function(info.model_uri, sample=array)
    assert score.columns is None
    np.testing.assert_allclose(score(numbers), model.predict_proba(array), rtol=1e-5)
    with pytest.raises(DataError, match=r"arrays of shape \(-1, 2\), got \(120, 1\)"):
        score(numbers[["age"]])


def test_a_text_pipeline_is_given_a_list(log):
    texts = pd.DataFrame({"text": ["good", "bad", "good good", "bad bad"]})
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts["text"], [1, 0, 1, 0])
    info = log(mlflow.sklearn, model, signature=infer_signature(texts), **PICKLED)
    score = load_scoring_function(info.model_uri, sample=texts)
    np.testing.assert_allclose(score(texts), model.predict_proba(texts["text"]))
    np.testing.assert_allclose(score(["good", "bad"])[0], score(texts)[0])


def test_a_fitted_estimator_needs_no_mlflow(pipeline, table):
    score = load_scoring_function(pipeline)
    np.testing.assert_allclose(score(table), pipeline.predict_proba(table))


def test_a_bound_predict_proba_brings_its_classes(numbers, pieces):
    model = RandomForestClassifier(3, random_state=0).fit(numbers, pieces)
    assert load_scoring_function(model.predict_proba).class_names == ("high", "low", "middle")


@pytest.fixture(scope="module")
def boosted(table):
    """Data with a category column and a name with a space, as boosted models like them."""
    frame = table[["income", "age", "job"]].rename(columns={"income": "income in k"})
    return frame.assign(job=pd.Categorical(frame["job"]))


@pytest.mark.parametrize("as_text", [False, True])
def test_lightgbm_gets_its_categories_also_from_text(log, boosted, target, as_text):
    model = lgb.LGBMClassifier(n_estimators=5, verbose=-1, min_child_samples=5)
    model.fit(boosted, target)
    info = log(mlflow.lightgbm, model, signature=infer_signature(boosted))
    score = load_scoring_function(info.model_uri, sample=boosted)
    rows = boosted.assign(job=boosted["job"].astype(str)) if as_text else boosted
    np.testing.assert_allclose(score(rows), model.predict_proba(boosted))
    np.testing.assert_allclose(score(rows.iloc[1:2]), model.predict_proba(boosted)[1:2])


def test_lightgbm_reads_by_position_so_columns_are_put_in_its_order(log, boosted, target):
    model = lgb.LGBMClassifier(n_estimators=5, verbose=-1, min_child_samples=5)
    model.fit(boosted, target)
    info = log(mlflow.lightgbm, model)
    score = load_scoring_function(info.model_uri, sample=boosted)
    assert score.columns == tuple(boosted.columns)
    np.testing.assert_allclose(score(boosted[boosted.columns[::-1]]), model.predict_proba(boosted))


def test_a_lightgbm_booster_says_that_it_is_binary(log, boosted, target):
    model = lgb.LGBMClassifier(n_estimators=5, verbose=-1, min_child_samples=5)
    model.fit(boosted, target)
    info = log(mlflow.lightgbm, model.booster_)
    score = load_scoring_function(info.model_uri, sample=boosted)
    assert (score.mode, score.how) == ("classification", "lightgbm Booster, binary")
    np.testing.assert_allclose(score(boosted), model.predict_proba(boosted))


@pytest.mark.parametrize(
    ("objective", "mode", "outputs"),
    [("multiclass", "classification", 3), ("regression", "regression", 1)],
)
def test_a_lightgbm_booster_of_another_objective(log, numbers, pieces, objective, mode, outputs):
    data = lgb.Dataset(numbers, label=np.unique(pieces, return_inverse=True)[1])
    options = {"objective": objective, "verbose": -1}
    booster = lgb.train(options | ({"num_class": 3} if outputs == 3 else {}), data, 3)
    info = log(mlflow.lightgbm, booster)
    score = load_scoring_function(info.model_uri, sample=numbers)
    assert (score.mode, len(score.class_names)) == (mode, outputs)
    assert score(numbers).shape == (len(numbers), outputs)


def test_a_lightgbm_regressor_has_one_value(log, numbers):
    model = lgb.LGBMRegressor(n_estimators=3, verbose=-1).fit(numbers, numbers["income"])
    info = log(mlflow.lightgbm, model)
    score = load_scoring_function(info.model_uri)
    np.testing.assert_allclose(score(numbers)[:, 0], model.predict(numbers))


@pytest.mark.parametrize("as_text", [False, pytest.param(True, marks=keeps_categories)])
def test_xgboost_gets_its_categories_also_from_text(log, boosted, target, as_text):
    model = xgb.XGBClassifier(n_estimators=5, enable_categorical=True).fit(boosted, target)
    info = log(mlflow.xgboost, model, signature=infer_signature(boosted), model_format="json")
    score = load_scoring_function(info.model_uri, sample=boosted)
    rows = boosted.assign(job=boosted["job"].astype(str)) if as_text else boosted
    np.testing.assert_allclose(score(rows), model.predict_proba(boosted), rtol=1e-6)
    np.testing.assert_allclose(score(rows[rows.columns[::-1]]), score(rows))


def test_text_for_an_xgboost_that_keeps_no_categories_is_said(boosted, target, monkeypatch):
    model = xgb.XGBClassifier(n_estimators=2, enable_categorical=True).fit(boosted, target)
    monkeypatch.delattr(xgb.Booster, "get_categories", raising=False)
    score = load_scoring_function(model)
    with pytest.raises(DataError, match=r"\['job'\] as categories, .* install xgboost>=3.1"):
        score(boosted.assign(job=boosted["job"].astype(str)))


@pytest.mark.parametrize(
    ("objective", "options"),
    [
        ("binary:logistic", {}),
        ("binary:logitraw", {}),
        ("multi:softprob", {"num_class": 3}),
        ("multi:softmax", {"num_class": 3}),
    ],
)
def test_an_xgboost_booster_gives_probabilities_for_every_objective(
    log, numbers, target, objective, options
):
    booster = xgb.train({"objective": objective, **options}, xgb.DMatrix(numbers, label=target), 3)
    info = log(mlflow.xgboost, booster, model_format="json")
    score = load_scoring_function(info.model_uri, sample=numbers)
    scores = score(numbers)
    assert score.mode == "classification"
    assert scores.shape == (len(numbers), options.get("num_class", 2))
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-6)
    assert (scores.argmax(axis=1) == target).mean() > 0.7


def test_an_xgboost_regression_has_one_value(log, numbers):
    booster = xgb.train({}, xgb.DMatrix(numbers, label=numbers["income"]), 3)
    info = log(mlflow.xgboost, booster, model_format="json")
    assert load_scoring_function(info.model_uri).class_names == ("value",)


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


EXPECTED = np.array([[0.1, 0.9], [0.9, 0.1]])
ROWS = pd.DataFrame({"income": [50.0, 30.0]})


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


def test_a_callable_that_gives_one_probability_becomes_two_columns():
    def half(frame):
        return np.full((len(frame), 1), 0.25)

    score = load_scoring_function(half, task="classification", sample=ROWS)
    assert score.class_names == ("0", "1")
    np.testing.assert_array_equal(score(ROWS), [[0.75, 0.25]] * 2)


def test_one_number_between_0_and_1_is_a_regression_with_a_note():
    score = load_scoring_function(lambda frame: np.full(len(frame), 0.5), sample=ROWS)
    assert score.mode == "regression"
    assert "set task: classification" in score.notes[0]


def test_whole_numbers_are_either_labels_or_quantities_and_that_is_asked():
    def whole(frame):
        return (frame["income"] > 40).astype(int)

    with pytest.raises(ModelOutputError, match=r"whole numbers.*task: regression"):
        load_scoring_function(whole, sample=ROWS)
    labels = load_scoring_function(whole, sample=ROWS, class_names=["no", "yes"])
    np.testing.assert_array_equal(labels(ROWS), [[0, 1], [1, 0]])
    values = load_scoring_function(whole, sample=ROWS, task="regression")
    np.testing.assert_array_equal(values(ROWS), [[1], [0]])


def test_several_numbers_that_are_no_probabilities_need_a_task():
    def two(frame):
        return np.column_stack([frame["income"], frame["income"] + 1])

    with pytest.raises(ModelOutputError, match=r"2 numbers per row that are no probabilities"):
        load_scoring_function(two, sample=ROWS)
    assert load_scoring_function(two, sample=ROWS, task="regression").class_names == (
        "value 0",
        "value 1",
    )
    score = load_scoring_function(two, sample=ROWS, task="classification")
    assert "no probabilities" in score.notes[0]


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


def test_at_most_two_rows_are_asked_for_while_deciding(table):
    sizes = []

    def spy(frame):
        sizes.append(len(frame))
        return np.tile([0.2, 0.8], (len(frame), 1))

    load_scoring_function(spy, sample=table)
    assert sizes == [2]


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


def model_of(output):
    return lambda frame: output(len(frame))


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (lambda n: np.full((1, 2), 0.5), "returned 1 rows for 2 inputs"),
        (lambda n: np.full((n, 2), np.nan), "NaN or infinity for 2 of 2"),
        (lambda n: np.full((n, 2, 2), 0.5), "array of shape"),
        (lambda n: {"a": np.ones(n), "b": np.ones(n)}, "dict with the keys \\['a', 'b'\\]"),
        (lambda n: [object()] * n, "values of type object"),
        (lambda n: np.full(n, 3.5), "expected probabilities between 0 and 1"),
        (lambda n: ["perhaps"] * n, "label that is none of the 2 class names"),
        (lambda n: pd.DataFrame({"label": ["a"] * n, "score": [0.5] * n}), "values of type str"),
    ],
)
def test_an_output_that_cannot_be_explained_is_a_typed_error(output, text):
    with pytest.raises(ModelOutputError, match=text):
        load_scoring_function(
            model_of(output), task="classification", class_names=["no", "yes"], sample=ROWS
        )(ROWS)


def test_three_outputs_for_two_names_is_a_configuration_error():
    with pytest.raises(ConfigError, match=r"class_names lists 2 names .* returned 3 outputs"):
        load_scoring_function(
            model_of(lambda n: np.full((n, 3), 1 / 3)), sample=ROWS, class_names=["a", "b"]
        )


def test_class_names_replace_the_models_own_by_position(numbers, pieces):
    model = RandomForestClassifier(3, random_state=0).fit(numbers, pieces)
    score = load_scoring_function(model, class_names=["H", "L", "M"])
    assert score.class_names == ("H", "L", "M")
    with pytest.raises(ConfigError, match=r"lists 2 names .* has 3 classes"):
        load_scoring_function(model, class_names=["H", "L"])


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


def test_a_wrong_task_gets_the_one_that_was_meant():
    with pytest.raises(ConfigError, match=r"Did you mean 'classification'"):
        load_scoring_function(len, task="clasification")


def test_what_is_no_model_is_said():
    with pytest.raises(ModelError, match=r"expected a model URI, .* got int"):
        load_scoring_function(5)


# The user's own function -----------------------------------------------------------------


@pytest.fixture
def hooks(tmp_path, monkeypatch):
    (tmp_path / "my_hooks.py").write_text(
        "import numpy as np\n"
        "def score(frame):\n"
        "    return np.tile([0.3, 0.7], (len(frame), 1))\n"
        "def with_model(frame, model):\n"
        "    return model.predict(frame) / 100\n"
        "number = 3\n"
    )
    (tmp_path / "broken_hooks.py").write_text("1 / 0\n")
    (tmp_path / "needy_hooks.py").write_text("import package_that_is_not_there\n")
    monkeypatch.chdir(tmp_path)
    yield
    for name in ("my_hooks", "broken_hooks", "needy_hooks"):
        sys.modules.pop(name, None)


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


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("my_hooks", "form 'module:function'"),
        ("my_hooks:scor", "has no 'scor'. Did you mean 'score'"),
        ("my_hooks:number", "is int, expected a function"),
        ("not_there_at_all:f", "no module 'not_there_at_all'"),
        ("broken_hooks:f", "importing broken_hooks raised ZeroDivisionError"),
        ("needy_hooks:f", "needs 'package_that_is_not_there'"),
    ],
)
def test_a_function_that_cannot_be_imported_says_why(hooks, spec, text):
    with pytest.raises(ConfigError, match=text):
        import_function(spec)


# Loading ---------------------------------------------------------------------------------


def test_a_version_that_does_not_exist_is_said_before_loading():
    with pytest.raises(VersionNotFoundError):
        load_scoring_function("models:/nothing-of-that-name/1")


def test_a_server_that_is_down_is_said_before_loading():
    mlflow.set_tracking_uri("http://127.0.0.1:9")
    mlflow.set_registry_uri("http://127.0.0.1:9")
    with pytest.raises(TrackingServerError):
        load_scoring_function("models:/a/1")


def test_a_missing_package_is_named(log, numbers, target, tmp_path):
    model = LogisticRegression().fit(numbers, target)
    mlflow.sklearn.save_model(model, tmp_path / "m", pip_requirements=["x"], **PICKLED)
    path = tmp_path / "m" / "MLmodel"
    path.write_text(path.read_text().replace("mlflow.sklearn", "absent_flavor"))
    with pytest.raises(ModelError, match=r"needs the package 'absent_flavor'"):
        load_scoring_function(tmp_path / "m")


def test_damaged_files_are_a_model_error(numbers, target, tmp_path):
    model = LogisticRegression().fit(numbers, target)
    mlflow.sklearn.save_model(model, tmp_path / "m", pip_requirements=["x"], **PICKLED)
    (tmp_path / "m" / "model.pkl").write_bytes(b"no pickle")
    with pytest.raises(ModelError, match=r"cannot be loaded: "):
        load_scoring_function(tmp_path / "m")


def test_several_targets_at_once_need_the_users_function(numbers, target):
    both = np.column_stack([target, 1 - target])
    model = RandomForestClassifier(3).fit(numbers, both)
    with pytest.raises(ModelError, match=r"predicts 2 targets at once"):
        load_scoring_function(model)


def test_the_description_is_plain_json(pipeline, table):
    import json

    description = load_scoring_function(pipeline, sample=table).describe()
    assert json.loads(json.dumps(description)) == description
    assert description["columns"] == list(table.columns)


# Casting ---------------------------------------------------------------------------------


def caster(**types):
    from mlflow_lime.tracking.casting import InputCaster

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
    from mlflow_lime.tracking.casting import InputCaster

    assert InputCaster.build(signature, strict=True)(table) is table


def test_the_index_and_the_callers_frame_stay_as_they_are():
    frame = pd.DataFrame({"x": [1.4, 2.6]}, index=["p", "q"])
    result = caster(x="long")(frame)
    assert result.index.tolist() == ["p", "q"]
    assert frame["x"].tolist() == [1.4, 2.6]


def test_named_tensors_are_a_dict_of_arrays():
    from mlflow_lime.tracking.casting import InputCaster

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
