"""What a model is asked: each row once, little about each, and never with another label."""

import mlflow
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from mlflow_lime.core.layout import Layout
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.tracking.questions import load_scorer
from mlflow_lime.tracking.replies import ROWS, ROWS_A_PART, ModelReplies

pytestmark = pytest.mark.filterwarnings("ignore")


class Counting(LogisticRegression):
    """Remembers how many rows each call had."""

    calls: list[int] = []  # noqa: RUF012

    def predict_proba(self, X):
        self.calls.append(len(X))
        return super().predict_proba(X)


@pytest.fixture
def replies(desk, request):
    """Return a maker of replies about the table of the desk."""

    def make(**changes):
        features = desk.frame[desk.columns]
        uri = desk.register(Counting(max_iter=9999))
        config = desk.config(**{"sampling": {"rows": "auto", "max_rows": "auto"}, **changes})
        scorer = load_scorer(uri, config, features.head(2))
        layout = Layout.of_table(Background.from_frame(features))
        Counting.calls.clear()
        return ModelReplies(features, layout, scorer, config, desk.client)

    return make


def test_every_row_is_asked_for_once(replies, desk):
    found = replies()
    one = found.scores(np.arange(50))
    two = found.scores(np.arange(30, 80))
    assert sum(Counting.calls) == 80
    np.testing.assert_array_equal(one[30:], two[:20])
    model = mlflow.sklearn.load_model(f"models:/{desk.name}/1")
    np.testing.assert_allclose(one, model.predict_proba(desk.frame[desk.columns].head(50)))


def test_an_explanation_takes_few_rows(replies):
    found = replies()
    items = found.explanations(np.arange(20))
    assert len(items) == 20
    assert sum(Counting.calls) <= 20 * (max(ROWS, 7 * ROWS_A_PART) + 2)
    assert {item.labels[0].label for item in items} == {"1"}


def test_configured_rows_are_not_exceeded(replies):
    found = replies(sampling={"rows": 16, "max_rows": 16})
    found.explanations(np.arange(10))
    assert sum(Counting.calls) <= 10 * 18


@pytest.mark.parametrize("representation", ["bins", "standardised"])
def test_every_representation_is_explained(replies, representation):
    found = replies(tabular={"representation": representation})
    items = found.explanations(np.arange(6))
    assert all(item is not None for item in items)
