"""Every kind of rule, held against every kind of measurement."""

import math
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_lime.checks.check import Outcome
from mlflow_lime.gate.judge import HOW_TO_WRITE_RULES, judge, not_judged
from mlflow_lime.gate.measured import CANDIDATE, Measured, Value
from mlflow_lime.gate.rule import GateRule

FIDELITY = GateRule("metric", "lime/fidelity_r2_p10", least=0.2)
ACCURACY = GateRule("change", "accuracy", least=-0.01)
ALARM = GateRule("metric", "lime/drift_alarm", most=0)
SEX = GateRule("check", "LIM005")


def values(**numbers):
    """Return metrics; ``lime_x`` stands for ``lime/x``."""
    return {k.replace("lime_", "lime/", 1): (Value(v, "run 1"),) for k, v in numbers.items()}


def measured(candidate=(), baseline=(), **more):
    return Measured(values(**dict(candidate)), {"baseline": values(**dict(baseline))}, **more)


def check(state, code="LIM005", value=None):
    outcome = Outcome(code, "relies on a sensitive column", "error", state, "sex: 0.3", (), value)
    return Measured(outcomes={code: outcome}, checked_in="review run 1")


def single(rule, found, **options):
    (result,) = judge([rule], found, **options).results
    return result


# Each kind: passes, fails, is not judged


@pytest.mark.parametrize(
    ("rule", "value", "outcome", "why"),
    [
        (FIDELITY, 0.31, "pass", "0.31 is at least 0.2"),
        (FIDELITY, 0.2, "pass", "0.2 is at least 0.2"),
        (FIDELITY, 0.15, "fail", "0.15 is below 0.2 by 0.05"),
        (FIDELITY, 0.19999999, "fail", "0.19999999 is below 0.2 by 1e-08"),
        (FIDELITY, math.nan, "not judged", "nan is no number to judge"),
        (FIDELITY, math.inf, "not judged", "inf is no number to judge"),
        (GateRule("metric", "lime/fidelity_r2_p10", most=0.1), 0.3, "fail", "0.3 is above 0.1"),
        (GateRule("metric", "lime/fidelity_r2_p10", 0, 1), 0.3, "pass", "is between 0 and 1"),
        (GateRule("metric", "lime/fidelity_r2_p10", 0, 1), -1, "fail", "-1 is below 0 by 1"),
        (GateRule("metric", "lime/fidelity_r2_p10", 0, 1), 3, "fail", "3 is above 1 by 2"),
    ],
)
def test_a_metric_is_held_against_its_bounds(rule, value, outcome, why):
    result = single(rule, measured({"lime_fidelity_r2_p10": value}))
    assert result.outcome == outcome
    assert why in result.why
    assert result.source == "run 1"


def test_the_margin_is_the_room_to_the_nearest_bound():
    rule = GateRule("metric", "auc", least=0.5, most=1)
    assert single(rule, measured({"auc": 0.9})).margin == pytest.approx(0.1)
    assert single(rule, measured({"auc": 0.4})).margin == pytest.approx(-0.1)


def test_a_missing_metric_is_not_judged_and_named_with_its_neighbour_and_the_cure():
    found = measured({"accuracy_score": 0.9}, advice="Log it so.")
    result = single(GateRule("metric", "acuracy_score", least=0.8), found)
    assert result.outcome == "not judged"
    assert result.why == (
        "there is no metric 'acuracy_score'. Did you mean 'accuracy_score'? Log it so."
    )


def test_a_metric_of_reasons_that_are_not_there_says_why():
    found = Measured(why_no_reasons={CANDIDATE: "the model does not load"}, advice="Log it so.")
    assert single(FIDELITY, found).why == "the model does not load"


@pytest.mark.parametrize(
    ("old", "new", "outcome"),
    [(0.91, 0.90, "pass"), (0.91, 0.95, "pass"), (0.91, 0.89, "fail"), (0.91, math.nan, None)],
)
def test_a_change_is_the_candidate_less_the_other(old, new, outcome):
    result = single(ACCURACY, measured({"accuracy": new}, {"accuracy": old}))
    assert result.outcome == (outcome or "not judged")
    assert (result.other, result.source) == (old, "run 1; baseline: run 1")


@given(st.decimals(-1000, 1000, places=4), st.decimals(-1000, 1000, places=4), st.integers(-99, 99))
def test_a_change_of_just_the_bound_passes_as_in_decimal_numbers(old, new, step):
    bound = new - old + step * Decimal("0.0001")
    rule = GateRule("change", "m", least=float(bound))
    result = single(rule, measured({"m": float(new)}, {"m": float(old)}))
    assert result.outcome == ("pass" if step <= 0 else "fail")


def test_a_change_lacks_the_metric_of_either_version():
    assert "no metric 'accuracy'" in single(ACCURACY, measured({}, {"accuracy": 1})).why
    why = single(ACCURACY, measured({"accuracy": 1}, {})).why
    assert why.startswith("baseline: there is no metric 'accuracy'")


def test_a_change_against_a_version_that_is_not_there_says_why():
    found = measured({"accuracy": 1}, why_no_other={"baseline": "no version is named"})
    assert single(ACCURACY, found).why == "no version is named"


def test_a_change_is_taken_on_the_same_data_even_if_that_is_not_the_newest():
    ours = (Value(0.7, "new", "b"), Value(0.9, "old", "a"))
    found = Measured({"accuracy": ours}, {"baseline": {"accuracy": (Value(0.9, "", "a"),)}})
    assert single(ACCURACY, found).outcome == "pass"


def test_a_change_between_different_data_is_not_judged():
    theirs = {"accuracy": (Value(0.5, "run 2", "b"),)}
    found = Measured({"accuracy": (Value(0.9, "run 1", "a"),)}, {"baseline": theirs})
    result = single(ACCURACY, found)
    assert result.outcome == "not judged"
    assert "was never measured on the same data" in result.why


@pytest.mark.parametrize("data", [("", "a"), ("a", ""), ("", "")])
def test_a_change_between_data_that_nobody_knows_is_judged(data):
    theirs = {"accuracy": (Value(0.9, "", data[1]),)}
    found = Measured({"accuracy": (Value(0.9, "", data[0]),)}, {"baseline": theirs})
    assert single(ACCURACY, found).outcome == "pass"


def test_a_change_of_drift_makes_no_sense():
    rule = GateRule("change", "lime/drift_alarm", most=0)
    found = measured({"lime_drift_alarm": 0}, {"lime_drift_alarm": 0}, compared=9)
    assert "write it as a rule on the metric" in single(rule, found).why


@pytest.mark.parametrize(
    ("compared", "alarm", "outcome"), [(5, 0, "pass"), (5, 1, "fail"), (4, 1, "not judged")]
)
def test_drift_is_judged_over_enough_trusted_instances(compared, alarm, outcome):
    found = measured({"lime_drift_alarm": alarm}, compared=compared, untrusted=3)
    result = single(ALARM, found, min_trusted=5)
    assert result.outcome == outcome
    if outcome == "not judged":
        assert "over 4 instances, of which gate.min_trusted asks 5; 3 were left out" in result.why


def test_the_instances_that_a_version_could_not_explain_are_counted_too():
    why = single(ALARM, Measured(compared=4, unexplained=2), min_trusted=5).why
    assert "2 because one of the versions could not be explained on them" in why


@pytest.mark.parametrize("state", ["passed", "raised"])
@pytest.mark.parametrize(
    ("compared", "on_drift", "judged"), [(5, True, True), (4, True, False), (4, False, True)]
)
def test_a_check_that_looks_at_drift_asks_for_enough_trusted_instances(
    state, compared, on_drift, judged
):
    found = replace(
        check(state), compared=compared, on_drift=frozenset(["LIM005"] if on_drift else [])
    )
    result = single(SEX, found, min_trusted=5)
    assert (result.outcome != "not judged") == judged
    if not judged:
        assert "of which gate.min_trusted asks 5" in result.why


@pytest.mark.parametrize("kind", ["metric", "change"])
def test_a_metric_of_which_something_else_is_known_is_not_judged_by_what_was_logged(kind):
    why = {"lime/findings": "two checks were skipped"}
    numbers = {"lime_findings": 0}
    result = single(
        GateRule(kind, "lime/findings", most=0), measured(numbers, numbers, why_no_metric=why)
    )
    assert (result.outcome, result.why) == ("not judged", "two checks were skipped")


def test_drift_that_was_not_measured_says_why():
    found = measured({"lime_drift_alarm": 0}, compared=9, why_no_drift="other reference sets")
    assert single(ALARM, found).why == "other reference sets"


@pytest.mark.parametrize(
    ("state", "outcome", "why"),
    [
        ("passed", "pass", "sex: 0.3"),
        ("raised", "fail", "relies on a sensitive column: sex: 0.3"),
        ("skipped", "not judged", "the check was skipped: sex: 0.3"),
        ("not applicable", "pass", "the check has nothing to look at: sex: 0.3"),
    ],
)
def test_a_check_must_not_find_anything(state, outcome, why):
    result = single(SEX, check(state))
    assert (result.outcome, result.why) == (outcome, why)


def test_a_check_that_does_not_exist_is_not_judged():
    result = single(GateRule("check", "LIM050"), check("passed"))
    assert result.outcome == "not judged"
    assert result.why == "there is no check 'LIM050'. Did you mean 'LIM005'?"


def test_checks_that_were_not_made_say_why():
    assert single(SEX, Measured(why_no_checks="it was not explained")).why == "it was not explained"


# All together


RESULTS = {
    "pass": GateRule("metric", "one", least=0),
    "fail": GateRule("metric", "one", least=2),
    "not judged": GateRule("metric", "none", least=0),
    "warn": GateRule("metric", "one", least=2, stops=False),
    "unknown": GateRule("metric", "none", least=0, stops=False),
}


@pytest.mark.parametrize(
    ("kinds", "outcome"),
    [
        ("pass", "pass"),
        ("pass fail", "fail"),
        ("fail not_judged", "fail"),
        ("pass not_judged", "not judged"),
        ("pass warn", "pass"),
        ("pass unknown", "pass"),
        ("unknown", "not judged"),
        ("warn", "pass"),
        ("", "not judged"),
    ],
)
def test_a_failed_rule_comes_before_one_that_is_not_judged(kinds, outcome):
    rules = [RESULTS[kind.replace("_", " ")] for kind in kinds.split()]
    verdict = judge(rules, measured({"one": 1}))
    assert verdict.outcome == outcome
    assert [result.rule for result in verdict.results] == rules


@given(st.lists(st.sampled_from(sorted(RESULTS)), max_size=5), st.sampled_from(sorted(RESULTS)))
def test_a_rule_that_stops_never_makes_a_verdict_better(kinds, added):
    order = {"fail": 0, "not judged": 1, "pass": 2}
    rules = [RESULTS[kind] for kind in [*kinds, "pass"]]
    before = judge(rules, measured({"one": 1})).outcome
    after = judge([*rules, RESULTS[added]], measured({"one": 1})).outcome
    assert order[after] <= order[before]


def test_a_version_of_which_only_warnings_are_open_says_so():
    assert judge([RESULTS["unknown"]], measured()).note == "no rule could be judged"
    assert judge([RESULTS["not judged"]], measured()).note == ""


def test_no_rules_say_how_to_write_some():
    assert judge([], measured()).note == HOW_TO_WRITE_RULES


def test_a_verdict_can_be_refused_whatever_the_rules_say():
    verdict = judge([RESULTS["pass"]], measured({"one": 1}))
    refused = verdict.refused("the alias moved")
    assert (refused.outcome, refused.note) == ("not judged", "the alias moved")
    assert refused.results == verdict.results
    assert not_judged("why").of("pass") == ()
