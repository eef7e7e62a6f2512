"""How rules and numbers read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_lime.gate.rule import GateRule, shown

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (GateRule("metric", "auc", least=0.9), "auc at least 0.9"),
        (GateRule("metric", "loss", most=0.1), "loss at most 0.1"),
        (GateRule("metric", "rows", least=1, most=2e6), "rows between 1 and 2e+06"),
        (
            GateRule("change", "auc", least=0, against="@champion"),
            "change of auc against @champion at least 0",
        ),
        (GateRule("check", "LIM005"), "check LIM005 finds nothing"),
    ],
)
def test_a_rule_reads_as_a_sentence(rule, text):
    assert rule.text == text


def test_only_rules_on_metrics_of_drift_are_on_drift():
    assert GateRule("metric", "lime/drift_alarm", most=0).is_on_drift
    assert not GateRule("metric", "lime/fidelity_r2", least=0).is_on_drift
    assert not GateRule("check", "LIM011").is_on_drift


@given(FINITE, FINITE)
def test_two_different_numbers_never_read_alike(one, other):
    if one != other:
        assert shown(one, other) != shown(other, one)
    else:
        assert shown(one, other) == shown(other, one)
