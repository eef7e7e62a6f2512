"""Rules of a configuration as the gate judges them."""

from mlflow_lime.config import Config
from mlflow_lime.gate.rule import GateRule
from mlflow_lime.tracking.gate_rules import gate_rules


def test_every_kind_of_rule_keeps_what_was_written():
    rules = [
        {"metric": "auc", "min": 0.5, "max": 0.99, "severity": "warn", "name": "plausible"},
        {"change": {"metric": "auc", "against": "@champion", "min": -0.01}},
        {"check": "LIM005"},
    ]
    assert gate_rules(Config.model_validate({"gate": {"rules": rules}})) == (
        GateRule("metric", "auc", 0.5, 0.99, stops=False, name="plausible"),
        GateRule("change", "auc", -0.01, None, "@champion"),
        GateRule("check", "LIM005"),
    )
