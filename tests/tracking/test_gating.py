"""Gating a version: what is judged, logged, and moved, on a real store."""

import json
import re

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from sklearn.linear_model import LogisticRegression

from mlflow_lime import names
from mlflow_lime.errors import ConfigError, VersionNotFoundError
from mlflow_lime.tracking import gating
from mlflow_lime.tracking.checking import check_version
from mlflow_lime.tracking.gating import (
    gate_version,
)
from mlflow_lime.tracking.promotion import Promotion

FIDELITY = {"metric": "lime/fidelity_r2", "min": -5}
IMPOSSIBLE = {"metric": "lime/fidelity_r2", "min": 2}
SAME = {"metric": "lime/drift_alarm", "max": 0}
CHANGE = {"change": {"metric": "lime/fidelity_r2", "min": -2}}


def ruled(desk, *rules, **gate):
    return desk.config(gate={"rules": list(rules), "min_trusted": 1, **gate})


def version(desk, number):
    return desk.client.get_model_version(desk.name, str(number))


def verdict_of(desk, number):
    """Return the verdict in the version's tag; None where there is none."""
    tag = version(desk, number).tags.get(names.TAG_GATE)
    return None if tag is None else re.split(" (?:against|at) ", tag)[0]


def recorded(desk, alias="champion"):
    """Return what is on record about who had an alias before."""
    tags = desk.client.get_registered_model(desk.name).tags
    return tags.get(f"{names.TAG_GATE_PREVIOUS}.{alias}")


def holder(desk, alias="champion"):
    found = desk.client.get_registered_model(desk.name).aliases.get(alias)
    return None if found is None else int(found)


def pair(desk):
    """Register two versions, and explain both."""
    for strength in (1.0, 0.5):
        desk.explain(desk.register(LogisticRegression(C=strength, max_iter=9999)))
    return desk


MADE = []


@pytest.fixture
def credit(desk):
    """A model with two explained versions, the first of which is the champion.

    It is made once for all tests, which leave only what is taken away here.
    """
    if not MADE:
        MADE.append(pair(desk))
    (made,) = MADE
    for number in (1, 2):
        if names.TAG_GATE in version(made, number).tags:
            made.client.delete_model_version_tag(made.name, str(number), names.TAG_GATE)
    for key in made.client.get_registered_model(made.name).tags:
        if key.startswith(names.TAG_GATE_PREVIOUS):
            made.client.delete_registered_model_tag(made.name, key)
    made.client.set_registered_model_alias(made.name, "champion", "1")
    return made


def uri(desk, number):
    return f"models:/{desk.name}/{number}"


def test_a_version_that_meets_its_rules_passes_and_gets_the_alias(credit):
    config = ruled(credit, FIDELITY, {"metric": "lime/drift_instances", "min": 1})
    gated = gate_version(uri(credit, 2), config, against="@champion", promote="champion")
    assert gated.verdict.outcome == "pass", gated.verdict
    assert (gated.promoted, gated.previous_holder, holder(credit)) == (True, "1", 2)
    tags = version(credit, 2).tags
    said_at = f"pass against {re.escape(credit.name)}/1 at [0-9-]{{10}}T[0-9:]{{8}}Z"
    assert re.fullmatch(said_at, tags[names.TAG_GATE])
    assert len(tags) == 3, "the list of versions has no room for more"
    assert recorded(credit) == f"{credit.name}/1 before {credit.name}/2"
    files = credit.artifacts(gated.run_id)
    logged = json.loads(files[names.GATE_JSON])
    assert logged["verdict"] == "pass"
    assert logged["facts"]["alias"] == f"moved @champion from {credit.name}/1 to {credit.name}/2"
    assert logged["facts"]["baseline"] == f"{credit.name}/1 (@champion)"
    assert logged["facts"]["review run"] == gated.run_id
    assert "✅ pass" in files[names.GATE_MARKDOWN].decode()


def test_a_version_that_breaks_a_rule_fails_and_gets_nothing(credit):
    gated = gate_version(
        uri(credit, 2), ruled(credit, IMPOSSIBLE), against="1", promote="@champion"
    )
    assert gated.verdict.outcome == "fail"
    assert (gated.promoted, holder(credit)) == (False, 1)
    assert verdict_of(credit, 2) == "fail"
    assert recorded(credit) is None
    logged = json.loads(credit.artifacts(gated.run_id)[names.GATE_JSON])
    assert logged["facts"]["alias"] == f"@champion stays with {credit.name}/1"


def test_a_version_that_cannot_be_judged_gets_nothing(credit):
    rule = {"change": {"metric": "accuracy_score", "min": -0.01}}
    gated = gate_version(
        uri(credit, 2), ruled(credit, FIDELITY, rule), against="1", promote="champion"
    )
    assert gated.verdict.outcome == "not judged"
    (result,) = gated.verdict.of("not judged")
    assert "there is no metric 'accuracy_score'" in result.why
    assert 'mlflow.models.evaluate("models:/m-' in result.why
    assert (gated.promoted, holder(credit)) == (False, 1)
    assert verdict_of(credit, 2) == "not judged"


def test_an_alias_that_nobody_has_is_given(desk):
    gated = gate_version(desk.register(), ruled(desk, FIDELITY), promote="champion")
    assert (gated.promoted, gated.previous_holder, holder(desk)) == (True, None, 1)
    assert recorded(desk) == f"no version before {desk.name}/1"


def test_a_version_that_has_the_alias_keeps_it_and_its_record(credit):
    gate_version(uri(credit, 2), ruled(credit, FIDELITY), promote="champion")
    again = gate_version(uri(credit, 2), ruled(credit, FIDELITY), promote="champion")
    assert again.promoted
    assert again.facts["alias"] == f"@champion points to {credit.name}/2 already"
    assert recorded(credit) == f"{credit.name}/1 before {credit.name}/2"


def test_a_version_is_not_judged_against_itself(credit):
    config = ruled(credit, SAME, {"change": {"metric": "lime/fidelity_r2", "min": 0}})
    gate_version(uri(credit, 1), ruled(credit, FIDELITY))
    gated = gate_version(uri(credit, 1), config, against="@champion")
    assert gated.verdict.outcome == "not judged"
    assert verdict_of(credit, 1) == "pass", "what was said before stays"
    logged = json.loads(credit.artifacts(gated.run_id)[names.GATE_JSON])
    assert logged["verdict"] == "pass"
    for result in gated.verdict.results:
        assert f"{credit.name}/1 is itself what '@champion' names" in result.why


@pytest.mark.parametrize("wish", ["@champion", "full"])
def test_gating_a_version_again_after_its_promotion_has_nothing_to_judge(credit, asked, wish):
    against = f"models:/{credit.name}@champion" if wish == "full" else wish
    config = ruled(credit, FIDELITY, {"metric": "lime/drift_instances", "min": 1})
    first = gate_version(uri(credit, 2), config, against=against, promote="champion")
    tags = version(credit, 2).tags
    again = gate_version(uri(credit, 2), config, against=against, promote="champion")
    assert (first.verdict.outcome, again.verdict.outcome) == ("pass", "pass")
    assert again.promoted
    assert again.verdict.note == f"{credit.name}/2 is @champion already; there is nothing to judge"
    assert version(credit, 2).tags == tags
    logged = json.loads(credit.artifacts(first.run_id)[names.GATE_JSON])
    assert logged["facts"]["alias"].startswith("moved @champion from")


def test_the_record_of_one_alias_outlives_the_promotion_to_another(credit):
    config = ruled(credit, FIDELITY)
    for alias in ("champion", "staging"):
        gate_version(uri(credit, 2), config, promote=alias)
    credit.client.delete_registered_model_alias(credit.name, "staging")
    assert recorded(credit) == f"{credit.name}/1 before {credit.name}/2"
    assert recorded(credit, "staging") == f"no version before {credit.name}/2"
    gated = gate_version(uri(credit, 2), ruled(credit, SAME), against="@champion")
    assert f"(@champion was {credit.name}/1 before)" in gated.verdict.results[0].why


def test_without_a_baseline_rules_on_drift_are_not_judged(desk):
    gated = gate_version(desk.register(), ruled(desk, SAME))
    assert gated.verdict.outcome == "not judged"
    assert "name one with --against" in gated.verdict.results[0].why


def test_the_configuration_may_name_the_baseline(credit):
    config = credit.config(
        gate={"rules": [{"metric": "lime/drift_instances", "min": 1}], "min_trusted": 1},
        compare={"baseline": "previous"},
    )
    gated = gate_version(uri(credit, 2), config)
    assert gated.verdict.outcome == "pass", gated.verdict
    assert gated.baseline.version == "1"


def test_other_reference_sets_make_rules_on_drift_not_judged(desk):
    desk.explain(desk.register())
    second = desk.register(LogisticRegression(C=0.5, max_iter=9999))
    config = desk.config(gate={"rules": [FIDELITY, SAME, CHANGE]}, reference={"count": 4}, seed=1)
    desk.explain(second, new_set=True, config=config)
    gated = gate_version(second, config, against="1")
    assert gated.verdict.outcome == "not judged"
    good, *bad = gated.verdict.results
    assert good.outcome == "pass"
    for result in bad:
        assert result.outcome == "not judged"
        assert "reference set" in result.why


def test_too_few_trusted_instances_make_rules_on_drift_not_judged(credit):
    gated = gate_version(uri(credit, 2), ruled(credit, SAME, min_trusted=6), against="1")
    assert gated.verdict.outcome == "not judged"
    assert "of which gate.min_trusted asks 6" in gated.verdict.results[0].why


def test_changes_of_our_metrics_are_taken_against_every_version_that_is_named(credit):
    rules = [
        {"change": {"metric": "lime/fidelity_r2", "min": -2, "against": wish}}
        for wish in ("baseline", "@champion", uri(credit, 1))
    ]
    gated = gate_version(uri(credit, 2), ruled(credit, *rules), against="previous")
    assert [r.outcome for r in gated.verdict.results] == ["pass"] * 3, gated.verdict
    assert len({r.value for r in gated.verdict.results}) == 1
    assert "review run" in gated.verdict.results[0].source


def test_a_version_that_does_not_exist_is_an_error_in_the_baseline_and_a_reason_in_a_rule(credit):
    rule = {"change": {"metric": "lime/fidelity_r2", "min": -2, "against": "@nobody"}}
    gated = gate_version(uri(credit, 2), ruled(credit, rule))
    assert "has no alias 'nobody'" in gated.verdict.results[0].why
    with pytest.raises(VersionNotFoundError, match="has no alias 'nobody'"):
        gate_version(uri(credit, 2), ruled(credit, rule), against="@nobody")


def test_a_version_that_cannot_be_explained_is_not_judged_and_says_why(credit):
    config = ruled(credit, FIDELITY).model_copy(update={"predict": "module_that_is_not_there:f"})
    gated = gate_version(uri(credit, 2), config, promote="champion")
    assert gated.verdict.outcome == "not judged"
    assert "module_that_is_not_there" in gated.verdict.results[0].why
    assert gated.run_id is None
    assert verdict_of(credit, 2) == "not judged"
    assert holder(credit) == 1


def test_no_rules_are_not_judged_and_say_how_to_write_some(desk):
    gated = gate_version(desk.register(), desk.config())
    assert gated.verdict.outcome == "not judged"
    assert "- {metric: lime/fidelity_r2_p10, min: 0.2}" in gated.verdict.note


@pytest.mark.parametrize(
    ("rules", "said"),
    [([], "there are no rules"), ([{"check": "LIM050"}], "there is no check 'LIM050'")],
)
def test_what_can_never_pass_is_said_before_anything_is_explained(desk, rules, said):
    gated = gate_version(desk.register(), ruled(desk, *rules))
    assert gated.verdict.outcome == "not judged"
    assert said in gated.verdict.note
    assert desk.runs() == []
    assert verdict_of(desk, 1) == "not judged"


def test_without_log_nothing_is_said_of_the_version(credit):
    logged = gate_version(uri(credit, 2), ruled(credit, IMPOSSIBLE))
    credit.client.delete_model_version_tag(credit.name, "2", names.TAG_GATE)
    gated = gate_version(uri(credit, 2), ruled(credit, FIDELITY), log=False)
    assert gated.verdict.outcome == "pass"
    assert json.loads(credit.artifacts(logged.run_id)[names.GATE_JSON])["verdict"] == "fail"
    assert verdict_of(credit, 2) is None
    with pytest.raises(ConfigError, match="only with a record"):
        gate_version(uri(credit, 2), ruled(credit, FIDELITY), log=False, promote="champion")


def test_version_tags_may_be_switched_off_but_not_the_record_of_the_previous_holder(credit):
    config = credit.config(gate={"rules": [FIDELITY]}, outputs={"version_tags": False})
    gate_version(uri(credit, 2), config, promote="champion")
    assert verdict_of(credit, 2) is None
    assert recorded(credit) == f"{credit.name}/1 before {credit.name}/2"


def test_an_alias_that_was_moved_meanwhile_is_left_alone(credit, monkeypatch):
    ours = Promotion.moved_meanwhile

    def meanwhile(self):
        credit.client.delete_registered_model_alias(credit.name, "champion")
        return ours(self)

    monkeypatch.setattr(Promotion, "moved_meanwhile", meanwhile)
    config = ruled(credit, FIDELITY)
    gated = gate_version(uri(credit, 2), config, against="@champion", promote="champion")
    assert gated.verdict.outcome == "not judged"
    assert "now points to no version" in gated.verdict.note
    assert (gated.promoted, holder(credit)) == (False, None)
    assert verdict_of(credit, 2) == "not judged"
    assert recorded(credit) is None


def test_a_move_that_somebody_undid_at_once_is_no_promotion(credit, monkeypatch):
    set_alias = mlflow.MlflowClient.set_registered_model_alias

    def both(self, name, alias, number):
        set_alias(self, name, alias, number)
        set_alias(self, name, alias, "1")

    monkeypatch.setattr(mlflow.MlflowClient, "set_registered_model_alias", both)
    gated = gate_version(uri(credit, 2), ruled(credit, FIDELITY), promote="champion")
    assert gated.verdict.outcome == "not judged"
    assert not gated.promoted
    logged = json.loads(credit.artifacts(gated.run_id)[names.GATE_JSON])
    assert logged["verdict"] == "not judged"
    assert verdict_of(credit, 2) == "not judged"


def test_a_move_that_the_store_refuses_is_no_promotion(credit, monkeypatch):
    def refuse(self, name, alias, number):
        raise MlflowException("only admins move aliases\nmore")

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "set_registered_model_alias", refuse)
        gated = gate_version(uri(credit, 2), ruled(credit, FIDELITY), promote="champion")
    assert gated.verdict.outcome == "not judged"
    assert gated.verdict.note == "the alias could not be moved: 'only admins move aliases'"
    assert (gated.promoted, holder(credit)) == (False, 1)
    logged = json.loads(credit.artifacts(gated.run_id)[names.GATE_JSON])
    assert logged["verdict"] == verdict_of(credit, 2) == "not judged"
    assert logged["facts"]["alias"] == f"@champion stays with {credit.name}/1"


def test_a_move_whose_answer_was_lost_is_a_promotion(credit, monkeypatch):
    set_alias = mlflow.MlflowClient.set_registered_model_alias

    def lost(self, name, alias, number):
        set_alias(self, name, alias, number)
        raise MlflowException("timed out")

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "set_registered_model_alias", lost)
        gated = gate_version(uri(credit, 2), ruled(credit, FIDELITY), promote="champion")
    assert (gated.verdict.outcome, gated.promoted, holder(credit)) == ("pass", True, 2)
    assert verdict_of(credit, 2) == "pass"


def test_the_compared_version_must_be_the_one_that_had_the_alias(credit, monkeypatch):
    plan = gating.plan_promotion

    def before_it_moves(ref, alias, client):
        client.set_registered_model_alias(credit.name, "champion", "2")
        planned = plan(ref, alias, client)
        client.set_registered_model_alias(credit.name, "champion", "1")
        return planned

    monkeypatch.setattr(gating, "plan_promotion", before_it_moves)
    config = ruled(credit, FIDELITY)
    gated = gate_version(uri(credit, 2), config, against="@champion", promote="champion")
    assert gated.verdict.outcome == "not judged"
    assert holder(credit) == 1


@pytest.mark.parametrize("alias", ["latest", "v7", "a b", "", "a" * 300])
def test_what_cannot_be_an_alias_is_refused_before_anything_is_explained(credit, alias):
    before = credit.runs()
    config = ruled(credit, FIDELITY).model_copy(update={"seed": 99})
    with pytest.raises(ConfigError, match="expected an alias"):
        gate_version(uri(credit, 2), config, promote=alias)
    assert len(credit.runs()) == len(before)


def test_a_model_that_is_not_registered_can_be_gated_but_not_promoted(desk):
    uri = desk.register(registered_model_name=None)
    assert gate_version(uri, ruled(desk, FIDELITY)).verdict.outcome == "pass"
    with pytest.raises(ConfigError, match="is not a version of a registered model"):
        gate_version(uri, ruled(desk, FIDELITY), promote="champion")


def test_where_nothing_may_be_explained_an_unexplained_version_is_not_judged(credit):
    config = credit.config(gate={"rules": [FIDELITY]}, compare={"reexplain": False})
    assert gate_version(uri(credit, 2), config).verdict.outcome == "pass"
    gated = gate_version(uri(credit, 2), config.model_copy(update={"seed": 7}))
    assert gated.verdict.outcome == "not judged"
    assert "compare.reexplain" in gated.verdict.results[0].why


def test_gating_again_explains_nothing_anew(credit, asked):
    gate_version(uri(credit, 2), ruled(credit, FIDELITY), against="1")
    asked.clear()
    gate_version(uri(credit, 2), ruled(credit, FIDELITY), against="1")
    assert asked == []
    assert len(credit.runs()) == 2
    assert all(run.data.tags[names.TAG_STATUS] == "completed" for run in credit.runs())


@pytest.mark.parametrize(
    ("checks", "outcome", "said"),
    [
        ({"sensitive": ["x0"]}, "fail", "'x0'"),
        (
            {"sensitive": ["x6"], "options": {"LIM005": {"share": 0.9, "certain": 0.99}}},
            "pass",
            "'x6'",
        ),
        ({}, "not judged", "no column is declared as sensitive"),
        ({"sensitive": ["x0"], "mute": ["LIM005"]}, "not judged", "muted"),
        ({"sensitive": ["x0"], "mute": ["LIM999"]}, "not judged", "LIM999"),
    ],
)
def test_a_check_is_made_and_held_against_the_version(credit, checks, outcome, said):
    config = credit.config(checks=checks, gate={"rules": [{"check": "LIM005"}]})
    gated = gate_version(uri(credit, 2), config)
    (result,) = gated.verdict.results
    assert (gated.verdict.outcome, result.outcome) == (outcome, outcome)
    assert said in result.why


def skipped_checks(desk):
    """Return the checks that are skipped for a single version without training rows."""
    checked = check_version(uri(desk, 2), desk.config(checks={"sensitive": ["x0"]}))
    return [outcome.code for outcome in checked.outcomes if outcome.state == "skipped"]


def test_the_number_of_findings_is_that_of_the_checks_just_made(credit):
    rules = [{"metric": name, "max": 99} for name in ("lime/findings", "lime/findings_error")]
    skipped = skipped_checks(credit)
    found = []
    for mute in (skipped, [*skipped, "LIM005"]):
        checks = {"sensitive": ["x0"], "mute": mute}
        gated = gate_version(uri(credit, 2), credit.config(checks=checks, gate={"rules": rules}))
        assert gated.verdict.outcome == "pass", gated.verdict
        assert f"{len(mute)} of 16 checks were muted" in gated.verdict.results[0].source
        found.append([result.value for result in gated.verdict.results])
    assert found[0][0] == found[1][0] + 1


def test_the_number_of_findings_is_not_judged_where_checks_were_skipped(credit):
    rules = [{"metric": name, "max": 99} for name in ("lime/findings", "lime/findings_error")]
    for checks, open_ones in (
        ({"sensitive": ["x0"]}, ["lime/findings"]),
        ({"mute": skipped_checks(credit)}, ["lime/findings", "lime/findings_error"]),
    ):
        gated = gate_version(uri(credit, 2), credit.config(checks=checks, gate={"rules": rules}))
        results = gated.verdict.of("not judged")
        assert [result.rule.subject for result in results] == open_ones
        assert "were skipped, so nobody knows what they would find" in results[0].why
        assert ("LIM005: no column is declared" in results[-1].why) == ("mute" in checks)


def test_checks_look_at_the_review_that_was_found_and_explain_nothing_where_they_may_not(
    credit, monkeypatch
):
    def refuse(*arguments, **options):
        raise AssertionError("a model was asked")

    for place in (
        "review.review_version",
        "checking.review_version",
        "checking.explain_training_rows",
    ):
        monkeypatch.setattr(f"mlflow_lime.tracking.{place}", refuse)
    config = credit.config(
        checks={"sensitive": ["x0"], "train": str(credit.data), "train_count": 6},
        compare={"reexplain": False},
        gate={"rules": [{"check": "LIM005"}, {"check": "LIM013"}]},
    )
    gated = gate_version(uri(credit, 2), config)
    sensitive, train = gated.verdict.results
    assert sensitive.outcome == "fail"
    assert sensitive.source == f"review run {gated.run_id}"
    assert "compare.reexplain is false" in train.why
