"""What came of the questions put to a model."""

from types import SimpleNamespace

import pytest

from mlflow_lime.config import Config
from mlflow_lime.core.explanation import FailedExplanation
from mlflow_lime.errors import ModelError
from mlflow_lime.report.items import Metric
from mlflow_lime.tracking.answers import Answers
from tests.strategies import make_explanation, make_label

KEYS = ("00 #a", "01 #b", "02 #c")


def explained(key):
    return make_explanation([make_label([0.2])], key=key)


def failed(key):
    return FailedExplanation(key, "the model raised OSError", "ModelError")


@pytest.fixture
def questions():
    reference = SimpleNamespace(keys=KEYS, reasons=("chosen by id",) * 3, true_labels=(None,) * 3)
    return SimpleNamespace(keys=KEYS, reference=reference, scoring={"how": "predict"}, notes=("n",))


def test_outcomes_come_in_the_order_of_the_reference_set(questions):
    outcomes = [failed(KEYS[2]), explained(KEYS[1]), failed(KEYS[0])]
    answers = Answers.of(questions, outcomes)
    assert [item.key for item in answers.explanations] == [KEYS[1]]
    assert [item.key for item in answers.failed] == [KEYS[0], KEYS[2]]


def test_failures_alone_are_refused_with_the_first_reason(questions):
    answers = Answers.of(questions, map(failed, KEYS))
    with pytest.raises(ModelError, match="the first failed because: the model raised OSError"):
        answers.require_some()
    Answers.of(questions, map(explained, KEYS)).require_some()


def test_failures_alone_are_logged_too(questions):
    items = Answers.of(questions, map(failed, KEYS)).items(Config(), title="t", seconds=1.5)
    metrics = {item.name: item.value for item in items if isinstance(item, Metric)}
    assert metrics == {"lime/instances": 0, "lime/failed": 3, "lime/seconds": 1.5}
