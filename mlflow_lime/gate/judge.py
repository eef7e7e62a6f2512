"""Judging: rules and measured values in, a verdict out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mlflow_lime.errors import did_you_mean, shorten
from mlflow_lime.gate.measured import CANDIDATE, Measured, Value
from mlflow_lime.gate.rule import DRIFT, GateRule, shown

__all__ = ["HOW_TO_WRITE_RULES", "RuleResult", "Verdict", "judge", "not_judged"]

HOW_TO_WRITE_RULES = (
    "there are no rules; write some into the configuration, such as\n"
    "gate:\n"
    "  rules:\n"
    "    - {metric: lime/fidelity_r2_p10, min: 0.2}\n"
    "    - {change: {metric: accuracy_score, min: -0.01}}"
)

_DIGITS = 15
"""Decimal digits that every float64 keeps; a difference has no more than those of its terms."""


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What came of one rule.

    Attributes
    ----------
    rule : GateRule
    outcome : {'pass', 'fail', 'warn', 'not judged'}
    why : str
        One plain sentence.
    value : float or None
        What is held against the bounds: the metric, its change, or how many instances a check
        found.
    margin : float or None
        How far the value lies inside the nearest bound; negative outside.
    candidate, other : float or None
        For a change: the metric of the candidate and of the other version.
    source : str
        Where the values are from.
    """

    rule: GateRule
    outcome: Literal["pass", "fail", "warn", "not judged"]
    why: str
    value: float | None = None
    margin: float | None = None
    candidate: float | None = None
    other: float | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a gate says of a version.

    Attributes
    ----------
    outcome : {'pass', 'fail', 'not judged'}
    results : tuple of RuleResult
        In the order of the rules.
    note : str
        Why the version is not judged, where no rule says it; else empty.
    """

    outcome: Literal["pass", "fail", "not judged"]
    results: tuple[RuleResult, ...] = ()
    note: str = ""

    def of(self, outcome: str) -> tuple[RuleResult, ...]:
        """Return the results with an outcome."""
        return tuple(result for result in self.results if result.outcome == outcome)

    def refused(self, note: str) -> "Verdict":
        """Return the verdict as one that could not be reached, whatever the rules say."""
        return replace(self, outcome="not judged", note=note)


def not_judged(note: str) -> Verdict:
    """Return the verdict on a version that no rule was held against.

    Examples
    --------
    >>> not_judged("the server does not answer").outcome
    'not judged'
    """
    return Verdict("not judged", note=note)


def judge(rules: Sequence[GateRule], measured: Measured, *, min_trusted: int = 1) -> Verdict:
    """Hold a version against rules.

    A version fails if it fails a rule that stops it; else it is not judged if such a rule could not
    be judged, or no rule at all could; else it passes. Rules that only warn never stop it.

    Parameters
    ----------
    rules : sequence of GateRule
    measured : Measured
    min_trusted : int, default 1
        Rules on drift, and on checks that look at it, are not judged where fewer instances were
        compared.

    Examples
    --------
    >>> rules = [GateRule("metric", "accuracy", least=0.9)]
    >>> judge(rules, Measured({"accuracy": (Value(0.93),)})).outcome
    'pass'
    >>> judge(rules, Measured()).outcome
    'not judged'
    """
    if not rules:
        return not_judged(HOW_TO_WRITE_RULES)
    results = tuple(_judge(rule, measured, min_trusted) for rule in rules)
    if any(result.outcome == "fail" for result in results):
        return Verdict("fail", results)
    open_ones = [result for result in results if result.outcome == "not judged"]
    if any(result.rule.stops for result in open_ones):
        return Verdict("not judged", results)
    if len(open_ones) == len(results):
        return Verdict("not judged", results, "no rule could be judged")
    return Verdict("pass", results)


def _judge(rule: GateRule, measured: Measured, min_trusted: int) -> RuleResult:
    if rule.kind == "check":
        return _judge_check(rule, measured, min_trusted)
    if rule.kind == "change":
        return _judge_change(rule, measured)
    lacking = _why_no_drift(measured, min_trusted) if rule.is_on_drift else ""
    lacking = lacking or measured.why_no_metric.get(rule.subject, "")
    if lacking:
        return _open(rule, lacking)
    found = measured.candidate.get(rule.subject)
    if not found:
        return _open(rule, _missing(rule.subject, CANDIDATE, measured))
    return _hold(rule, found[0].value, "", source=found[0].source)


def _why_no_drift(measured: Measured, min_trusted: int) -> str:
    if measured.why_no_drift:
        return measured.why_no_drift
    if measured.compared >= min_trusted:
        return ""
    return (
        f"the versions are compared over {measured.compared} instances, of which gate.min_trusted"
        f" asks {min_trusted}; {measured.untrusted} were left out because a surrogate fits too"
        f" poorly, {measured.unexplained} because one of the versions could not be explained on"
        " them. Pin more instances, or give the surrogates more rows (sampling.rows)."
    )


def _judge_change(rule: GateRule, measured: Measured) -> RuleResult:
    if rule.subject.startswith(DRIFT):
        return _open(
            rule,
            f"{rule.subject} compares two versions itself; write it as a rule on the metric,"
            f" {{metric: {rule.subject}, ...}}",
        )
    lacking = measured.why_no_other.get(rule.against) or measured.why_no_metric.get(rule.subject)
    if lacking:
        return _open(rule, lacking)
    ours = measured.candidate.get(rule.subject)
    if not ours:
        return _open(rule, _missing(rule.subject, CANDIDATE, measured))
    theirs = measured.others.get(rule.against, {}).get(rule.subject)
    if not theirs:
        missing = _missing(rule.subject, rule.against, measured)
        return _open(rule, f"{rule.against}: {missing}")
    pair = _pair(ours, theirs)
    if pair is None:
        return _open(
            rule,
            f"{rule.subject} was never measured on the same data for both: candidate on"
            f" {ours[0].data} ({ours[0].source}), {rule.against} on {theirs[0].data}"
            f" ({theirs[0].source}). Evaluate both versions on the same data.",
        )
    new, old = pair
    held = _hold(
        rule,
        _difference(new.value, old.value),
        f"{shown(new.value, old.value)} after {shown(old.value, new.value)}: ",
        source=f"{new.source}; {rule.against}: {old.source}",
    )
    return replace(held, candidate=new.value, other=old.value)


def _pair(ours: Sequence[Value], theirs: Sequence[Value]) -> tuple[Value, Value] | None:
    """Return the first values that were measured on the same data, as far as anybody knows.

    Values whose data nobody knows may be on the same; values that are known to be on other data
    are not.
    """
    for new in ours:
        for old in theirs:
            if new.data and new.data == old.data:
                return new, old
    for new in ours:
        for old in theirs:
            if not (new.data and old.data):
                return new, old
    return None


def _difference(new: float, old: float) -> float:
    """Return ``new - old`` as of the decimal numbers that were meant.

    Examples
    --------
    >>> 0.90 - 0.91, _difference(0.90, 0.91)
    (-0.010000000000000009, -0.01)
    """
    largest = max(abs(new), abs(old))
    if not 0 < largest < math.inf:
        return new - old
    return round(new - old, _DIGITS - math.ceil(math.log10(largest)))


def _hold(rule: GateRule, value: float, before: str, *, source: str) -> RuleResult:
    """Hold a value against the bounds of a rule."""
    if not math.isfinite(value):
        return _open(rule, f"{before}{value} is no number to judge", source=source)
    room = [value - rule.least] if rule.least is not None else []
    room += [rule.most - value] if rule.most is not None else []
    margin = min(room, default=0.0)
    bounds = (rule.least, rule.most)
    what = "a change of " if rule.kind == "change" else ""
    said = f"{before}{what}{shown(value, *bounds)}"
    if margin >= 0:
        return RuleResult(rule, "pass", f"{said} is {rule.bound}", value, margin, source=source)
    side = "below" if rule.least is not None and value < rule.least else "above"
    bound = rule.least if side == "below" else rule.most
    why = f"{said} is {side} {shown(bound or 0.0, value)} by {-margin:.3g}"
    return RuleResult(rule, _lost(rule), why, value, margin, source=source)


def _judge_check(rule: GateRule, measured: Measured, min_trusted: int) -> RuleResult:
    outcome = measured.outcomes.get(rule.subject)
    if measured.why_no_checks:
        return _open(rule, measured.why_no_checks)
    if outcome is None:
        hint = did_you_mean(rule.subject, measured.outcomes)
        return _open(rule, f"there is no check {shorten(rule.subject)}.{hint}")
    lacking = _why_no_drift(measured, min_trusted) if rule.subject in measured.on_drift else ""
    if lacking and outcome.state in ("raised", "passed"):
        return _open(rule, lacking)
    if outcome.state == "raised":
        why = f"{outcome.title}: {outcome.reason}"
        return RuleResult(rule, _lost(rule), why, outcome.value, source=measured.checked_in)
    if outcome.state == "skipped":
        return _open(rule, f"the check was skipped: {outcome.reason}")
    why = outcome.reason
    if outcome.state == "not applicable":
        why = f"the check has nothing to look at: {why}"
    return RuleResult(rule, "pass", why, outcome.value, source=measured.checked_in)


def _lost(rule: GateRule) -> Literal["fail", "warn"]:
    return "fail" if rule.stops else "warn"


def _open(rule: GateRule, why: str, *, source: str = "") -> RuleResult:
    return RuleResult(rule, "not judged", why, source=source)


def _missing(name: str, version: str, measured: Measured) -> str:
    """Return why a version has no such metric, and the cure."""
    ours = name.startswith("lime/")
    why = measured.why_no_reasons.get(version, "")
    if ours and why:
        return why
    known = measured.candidate if version == CANDIDATE else measured.others.get(version, {})
    said = f"there is no metric {shorten(name)}.{did_you_mean(name, known)}"
    return said if ours else f"{said} {measured.advice}".strip()
