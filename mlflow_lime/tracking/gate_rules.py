"""The rules of a configuration, as `mlflow_lime.gate` judges them."""

from mlflow_lime.config import Config
from mlflow_lime.config.judging import Rule
from mlflow_lime.gate.rule import GateRule

__all__ = ["gate_rules"]


def gate_rules(config: Config) -> tuple[GateRule, ...]:
    """Return the rules of a configuration, in their order.

    Examples
    --------
    >>> config = Config.model_validate({"gate": {"rules": [{"check": "LIM005"}]}})
    >>> [rule.text for rule in gate_rules(config)]
    ['check LIM005 finds nothing']
    """
    return tuple(_gate_rule(rule) for rule in config.gate.rules)


def _gate_rule(rule: Rule) -> GateRule:
    stops, name = rule.severity == "fail", rule.name or ""
    if rule.metric is not None:
        return GateRule("metric", rule.metric, rule.min, rule.max, stops=stops, name=name)
    if rule.change is not None:
        it = rule.change
        return GateRule("change", it.metric, it.min, it.max, it.against, stops, name)
    return GateRule("check", str(rule.check), stops=stops, name=name)
