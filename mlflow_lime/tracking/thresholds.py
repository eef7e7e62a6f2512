"""The rules of a gate as the thresholds of `mlflow.validate_evaluation_results`."""

import logging
import sys
from collections import defaultdict
from collections.abc import Sequence

from mlflow.models import MetricThreshold

from mlflow_lime.config import Config
from mlflow_lime.errors import ConfigError
from mlflow_lime.gate.rule import BASELINE, DRIFT, GateRule
from mlflow_lime.tracking.gate_rules import gate_rules

__all__ = ["metric_thresholds"]

_LOG = logging.getLogger(__name__)

_LEAST = sys.float_info.min
"""The smallest change that MLflow takes for "no worse": it wants a positive number.

Added to a metric it changes nothing, unless the metric is 0.
"""


def metric_thresholds(config: Config, *, partial: bool = False) -> dict[str, MetricThreshold]:
    """Return the rules of a gate for `mlflow.validate_evaluation_results`.

    MLflow has one threshold for a metric, with one direction. So it can say ``min`` or ``max`` of a
    metric, and that a metric must grow (``min`` of a change, 0 or more) or fall (``max`` of a
    change, 0 or less) against the one baseline result that it is given. It cannot say how far a
    metric may get worse, nor both bounds, nor checks, nor drift. Rules that only warn are left out,
    since MLflow knows no warnings.

    Parameters
    ----------
    config : Config
        Whose ``gate.rules`` are meant.
    partial : bool, default False
        Whether to leave out what MLflow cannot say, with a warning in the log, instead of refusing.

    Returns
    -------
    dict of str to MetricThreshold
        By metric. With a change of at least 0 and a baseline of exactly 0, MLflow asks for more
        than 0.

    Raises
    ------
    ConfigError
        If MLflow cannot say some rule, or no rule is left: MLflow would pass any model.

    Examples
    --------
    >>> rules = [{"metric": "lime/fidelity_r2", "min": 0.3}]
    >>> found = metric_thresholds(Config.model_validate({"gate": {"rules": rules}}))
    >>> print(found["lime/fidelity_r2"])
    Threshold: 0.3. Greater value is better.
    """
    rules: dict[str, list[GateRule]] = defaultdict(list)
    refused: list[str] = []
    for rule in gate_rules(config):
        if not rule.stops:
            continue
        reason = _unsayable(rule) or _other_way(rule, rules[rule.subject])
        if reason:
            refused.append(f"{rule.text}: {reason}")
        else:
            rules[rule.subject].append(rule)
    if refused and not partial:
        msg = (
            "mlflow.validate_evaluation_results cannot judge these rules: "
            f"{'; '.join(refused)}. Use `mlflow-lime gate`, or leave them out with partial=True."
        )
        raise ConfigError(msg)
    for text in refused:
        _LOG.warning("left out of the thresholds for MLflow: %s", text)
    thresholds = {name: _threshold(found) for name, found in rules.items() if found}
    if not thresholds:
        msg = (
            "no rule is left that MLflow can judge, and it passes a model without thresholds; use"
            " `mlflow-lime gate`, or write a rule on a metric with severity fail"
        )
        raise ConfigError(msg)
    return thresholds


def _unsayable(rule: GateRule) -> str:
    """Return why MLflow cannot say a rule; nothing where it can."""
    if rule.kind == "check":
        return "MLflow knows metrics alone"
    if rule.subject.startswith(DRIFT):
        return "an evaluation is compared with no other version's reasons"
    if rule.least is not None and rule.most is not None:
        return "MLflow takes one bound; write two rules for two metrics, or drop one bound"
    if rule.kind == "metric":
        return ""
    if rule.against != BASELINE:
        return "MLflow is given one baseline"
    if (rule.least or 0.0) < 0 or (rule.most or 0.0) > 0:
        return "MLflow cannot allow that a metric gets worse"
    return ""


def _other_way(rule: GateRule, others: Sequence[GateRule]) -> str:
    if any((other.least is None) != (rule.least is None) for other in others):
        return f"another rule bounds {rule.subject} from the other side"
    return ""


def _threshold(rules: Sequence[GateRule]) -> MetricThreshold:
    """Return one threshold for all rules of a metric, which all look to the same side."""
    greater = rules[0].least is not None
    bounds: dict[str, list[float]] = {"metric": [], "change": []}
    for rule in rules:
        bound = rule.least if rule.least is not None else rule.most
        bounds[rule.kind].append(float(bound or 0.0))
    strictest = max if greater else min
    values, changes = bounds["metric"], bounds["change"]
    return MetricThreshold(
        threshold=strictest(values) if values else None,
        min_absolute_change=max(abs(strictest(changes)), _LEAST) if changes else None,
        greater_is_better=greater,
    )
