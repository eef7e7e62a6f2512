"""The rules of a gate as MLflow's own thresholds, judged by MLflow."""

import logging

import mlflow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.models.evaluation import EvaluationResult
from mlflow.models.evaluation.validation import ModelValidationFailedException

from mlflow_lime.config import Config
from mlflow_lime.errors import ConfigError
from mlflow_lime.gate.judge import judge
from mlflow_lime.gate.measured import Measured, Value
from mlflow_lime.tracking.gate_rules import gate_rules
from mlflow_lime.tracking.thresholds import metric_thresholds

pytestmark = pytest.mark.filterwarnings("ignore")
"""MLflow's evaluation warns of its own doing."""


def ruled(*rules):
    return Config.model_validate({"gate": {"rules": list(rules)}})


def accepts(thresholds, new, old=None):
    """Return whether MLflow lets an evaluation pass."""
    results = [EvaluationResult({"auc": v}, {}) if v is not None else None for v in (new, old)]
    try:
        mlflow.validate_evaluation_results(thresholds, *results)
    except ModelValidationFailedException:
        return False
    return True


@pytest.mark.parametrize(
    ("rule", "passing", "failing"),
    [
        ({"metric": "auc", "min": 0.5}, (0.5, None), (0.49, None)),
        ({"metric": "auc", "max": 0.5}, (0.5, 0.1), (0.51, 0.9)),
        ({"change": {"metric": "auc", "min": 0.125}}, (0.75, 0.625), (0.75, 0.75)),
        ({"change": {"metric": "auc", "min": 0}}, (0.7, 0.7), (0.69, 0.7)),
        ({"change": {"metric": "auc", "max": 0}}, (0.7, 0.7), (0.71, 0.7)),
        ({"change": {"metric": "auc", "max": -0.25}}, (0.25, 0.5), (0.3, 0.5)),
        ({"change": {"metric": "auc", "min": 0}}, (-0.7, -0.7), (-0.71, -0.7)),
    ],
)
def test_mlflow_judges_a_rule_as_the_gate_does(rule, passing, failing):
    thresholds = metric_thresholds(ruled(rule))
    assert accepts(thresholds, *passing)
    assert not accepts(thresholds, *failing)


@given(
    st.sampled_from(["metric", "change"]),
    st.sampled_from(["min", "max"]),
    st.integers(0, 64),
    st.integers(-256, 256),
    st.integers(1, 256),
)
def test_mlflow_and_the_gate_agree(kind, side, bound, new, old):
    size = bound / 64 * (-1 if side == "max" and kind == "change" else 1)
    rule = {"metric": "auc", side: size}
    config = ruled(rule if kind == "metric" else {"change": rule})
    new, old = new / 64, old / 64
    measured = Measured({"auc": (Value(new),)}, {"baseline": {"auc": (Value(old),)}})
    ours = judge(gate_rules(config), measured).outcome
    assert accepts(metric_thresholds(config), new, old) == (ours == "pass")


def test_a_missing_metric_or_baseline_does_not_pass():
    assert not accepts(metric_thresholds(ruled({"metric": "f1", "min": 0})), 1.0)
    growing = metric_thresholds(ruled({"change": {"metric": "auc", "min": 0}}))
    assert not accepts(growing, 1.0)


def test_rules_that_look_to_the_same_side_become_one_threshold():
    thresholds = metric_thresholds(
        ruled(
            {"metric": "auc", "min": 0.5},
            {"metric": "auc", "min": 0.75},
            {"change": {"metric": "auc", "min": 0.125}},
        )
    )
    assert accepts(thresholds, 0.75, 0.5)
    assert not accepts(thresholds, 0.7, 0.5)
    assert not accepts(thresholds, 0.8, 0.75)


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ([{"check": "LIM005"}], "MLflow knows metrics alone"),
        ([{"metric": "lime/drift_alarm", "max": 0}], "no other version's reasons"),
        ([{"metric": "auc", "min": 0, "max": 1}], "takes one bound"),
        ([{"change": {"metric": "auc", "min": -0.01}}], "cannot allow that a metric gets worse"),
        ([{"change": {"metric": "loss", "max": 0.01}}], "cannot allow that a metric gets worse"),
        ([{"change": {"metric": "auc", "min": 0, "against": "@old"}}], "given one baseline"),
        ([{"metric": "auc", "min": 0}, {"metric": "auc", "max": 1}], "from the other side"),
    ],
)
def test_what_mlflow_cannot_say_is_refused_with_the_reason(rules, reason, caplog):
    config = ruled(*rules, {"metric": "f1", "min": 0.5})
    with pytest.raises(ConfigError, match=reason):
        metric_thresholds(config)
    with caplog.at_level(logging.WARNING, "mlflow_lime"):
        found = metric_thresholds(config, partial=True)
    assert found["f1"].threshold == 0.5
    assert reason in caplog.text


def test_rules_that_only_warn_are_left_out():
    warns = {"metric": "auc", "min": 1, "severity": "warn"}
    assert list(metric_thresholds(ruled(warns, {"metric": "f1", "min": 0}))) == ["f1"]


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize(
    "rules", [[], [{"metric": "auc", "min": 1, "severity": "warn"}], [{"check": "LIM005"}]]
)
def test_nothing_that_mlflow_can_judge_is_an_error_as_it_would_pass_any_model(rules, partial):
    with pytest.raises(ConfigError, match="no rule is left" if partial or not rules else ""):
        metric_thresholds(ruled(*rules), partial=partial)


def test_a_real_evaluation_is_validated_against_its_rules(desk):
    uri = desk.register()
    frame = desk.frame.drop(columns="who")
    options = {"targets": "target", "model_type": "classifier"}
    quiet = {"default": {"log_model_explainability": False}}
    own = {"reference": {"count": 3}, "sampling": {"rows": 32, "max_rows": 32}}
    with mlflow.start_run():
        result = mlflow.models.evaluate(
            uri, frame, **options, evaluator_config={**quiet, "lime": own}
        )
    good = ruled({"metric": "accuracy_score", "min": 0.5}, {"metric": "lime/instances", "min": 3})
    mlflow.validate_evaluation_results(metric_thresholds(good), result)
    bad = ruled({"metric": "lime/instances", "min": 4})
    with pytest.raises(ModelValidationFailedException, match="lime/instances"):
        mlflow.validate_evaluation_results(metric_thresholds(bad), result)
