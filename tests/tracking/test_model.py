"""Every kind of model becomes one function from rows to an array of scores."""

import lightgbm as lgb
import mlflow
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from mlflow.models import infer_signature
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline

from mlflow_lime.errors import (
    ConfigError,
    DataError,
)
from mlflow_lime.tracking.model import load_scoring_function

PICKLED = {"serialization_format": "cloudpickle"}

keeps_categories = pytest.mark.skipif(
    not hasattr(xgb.Booster, "get_categories"),
    reason="XGBoost keeps the categories of its training data since 3.1",
)
writes_skops = pytest.mark.skipif(
    "skops" not in mlflow.sklearn.SUPPORTED_SERIALIZATION_FORMATS,
    reason="MLflow writes scikit-learn models with skops since 3.9",
)


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


def test_at_most_two_rows_are_asked_for_while_deciding(table):
    sizes = []

    def spy(frame):
        sizes.append(len(frame))
        return np.tile([0.2, 0.8], (len(frame), 1))

    load_scoring_function(spy, sample=table)
    assert sizes == [2]


def test_class_names_replace_the_models_own_by_position(numbers, pieces):
    model = RandomForestClassifier(3, random_state=0).fit(numbers, pieces)
    score = load_scoring_function(model, class_names=["H", "L", "M"])
    assert score.class_names == ("H", "L", "M")
    with pytest.raises(ConfigError, match=r"lists 2 names .* has 3 classes"):
        load_scoring_function(model, class_names=["H", "L"])


def test_a_wrong_task_gets_the_one_that_was_meant():
    with pytest.raises(ConfigError, match=r"Did you mean 'classification'"):
        load_scoring_function(len, task="clasification")
