"""scikit-learn's perceptrons become equal torch modules, and features keep their columns."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_wine
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, PolynomialFeatures, StandardScaler

from mlflow_lime.deep.perceptron import is_perceptron, perceptron_network
from mlflow_lime.errors import ModelError

pytestmark = pytest.mark.filterwarnings("ignore")


def outputs(network, rows):
    with torch.no_grad():
        return network.module(torch.tensor(network.encode(rows))).numpy()


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("scaled", [True, False])
def test_probabilities_are_equal_to_a_millionth(activation, classes, scaled):
    x, y = load_wine(return_X_y=True, as_frame=True)
    y = y if classes == 3 else y == 1
    model = MLPClassifier((9, 7), activation=activation, max_iter=60, random_state=0)
    model = make_pipeline(StandardScaler(), model) if scaled else model
    x = x if scaled else x / x.max()
    model.fit(x, y)
    found = outputs(perceptron_network(model, x), x)
    expected = model.predict_proba(x)
    if classes == 2:
        found = np.column_stack([1 - found[:, 0], found[:, 0]])
    assert np.abs(found - expected).max() < 1e-6


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_values_of_a_regression_are_equal_to_a_millionth(activation):
    x, y = load_diabetes(return_X_y=True)
    perceptron = MLPRegressor(activation=activation, max_iter=60, random_state=0)
    model = make_pipeline(MinMaxScaler(), perceptron).fit(x, y)
    found = outputs(perceptron_network(model, x), x)[:, 0]
    assert np.abs(found - model.predict(x)).max() < 1e-6 * np.abs(y).max()


@pytest.fixture
def frame():
    random = np.random.default_rng(0)
    kind = np.where(random.random(300) < 0.01, "rare", random.choice(["a", "b"], 300))
    known = np.where(random.random(300) < 0.1, np.nan, random.normal(size=300))
    return pd.DataFrame({"x": random.normal(size=300), "kind": kind, "holes": known})


def test_features_keep_their_columns_through_encoders_and_imputers(frame):
    before = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["kind"]),
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["holes"]),
        remainder="passthrough",
    )
    model = make_pipeline(before, MLPRegressor(max_iter=30, random_state=0)).fit(frame, frame["x"])
    found = perceptron_network(model, frame)
    assert found.columns.tolist() == [1, 1, 1, 2, 2, 0]


def test_a_step_that_mixes_columns_is_refused(frame):
    rows = frame[["x", "holes"]].fillna(0.0)
    model = make_pipeline(PolynomialFeatures(2), MLPRegressor(max_iter=30)).fit(rows, rows["x"])
    with pytest.raises(ModelError, match="mixes columns 'x' and 'holes' in one feature"):
        perceptron_network(model, rows)


def test_other_models_are_no_perceptrons():
    assert is_perceptron(make_pipeline(StandardScaler(), MLPClassifier()))
    assert not is_perceptron(make_pipeline(StandardScaler()))
    assert not is_perceptron(None)
