"""Integer and text columns of the German credit data, where they are at hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from mlflow_lime.core.explain import Explainer
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.core.tabular.bins import BinnedTable
from mlflow_lime.core.tabular.masked import MaskedTable
from mlflow_lime.core.tabular.standardised import StandardisedTable

PATH = Path(__file__).parents[4] / "shared" / "data" / "german" / "german.data"

pytestmark = pytest.mark.skipif(not PATH.exists(), reason=f"needs {PATH}")


@pytest.fixture(scope="module")
def credit():
    frame = pd.read_csv(PATH, sep=r"\s+", header=None, names=[f"a{j}" for j in range(1, 22)])
    labels, frame = frame["a21"], frame.drop(columns="a21")
    words = [c for c in frame if not pd.api.types.is_numeric_dtype(frame[c])]
    model = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), words), remainder="passthrough"
        ),
        RandomForestClassifier(20, random_state=0),
    ).fit(frame, labels)
    return frame, model


@pytest.mark.parametrize("make", [MaskedTable, BinnedTable])
def test_the_model_is_fed_values_that_the_data_hold(credit, make):
    frame, model = credit
    seen = []

    def predict(rows):
        seen.append(rows)
        return model.predict_proba(rows)

    Explainer(make(Background.from_frame(frame)), predict).explain(frame.iloc[:3])
    shown = pd.concat(seen)
    for column in frame:
        assert set(shown[column]) <= set(frame[column])
        assert shown[column].dtype == frame[column].dtype


def test_standardised_whole_numbers_stay_whole(credit):
    frame, model = credit
    seen = []

    def predict(rows):
        seen.append(rows)
        return model.predict_proba(rows)

    domain = StandardisedTable(Background.from_frame(frame))
    (found,) = Explainer(domain, predict).explain(frame.iloc[[0]])
    assert all((shown.dtypes == frame.dtypes).all() for shown in seen)
    assert np.isfinite(found.labels[0].weights).all()
