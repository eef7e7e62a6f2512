"""Which steps run, in which order, and what a failure does to those that follow."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_lime.config import Config
from mlflow_lime.config.sections import Section
from mlflow_lime.config.steps import Conditions, PlannedStep, StepKeys, StepsFile
from mlflow_lime.errors import ConfigError, DataError
from mlflow_lime.pipeline import pipeline as module
from mlflow_lime.pipeline.pipeline import Pipeline, why_not
from mlflow_lime.pipeline.registry import KINDS, STEPS
from mlflow_lime.pipeline.step import Result, Step


class Wish(Section):
    outcome: str = "done"


def ref(**known):
    usual = {"name": "credit", "label": "credit/3", "uri": "models:/credit/3"}
    return SimpleNamespace(**{**usual, "aliases": (), "tags": {}, **known})


def step(name, outcome="done", *, after="success", stops=True, config=None, **when):
    return PlannedStep(
        kind="act",
        name=name,
        options=Wish(outcome=outcome),
        config=config or Config(),
        when=Conditions(after=after, **when),
        stops=stops,
        place="steps.yaml:1",
    )


def act(context):
    outcome = context.options.outcome
    if outcome == "raise":
        raise DataError("no rows here")
    if outcome == "crash":
        raise RuntimeError("boom\nsecond line")
    return Result(lines=(f"after {', '.join(context.results)}",), outcome=outcome)


@pytest.fixture(scope="module", autouse=True)
def acting():
    with pytest.MonkeyPatch.context() as patch:
        acts = Step("act", "acts", StepKeys(Wish), act)
        patch.setattr(module, "STEPS", {"act": acts})
        yield


def pipeline(*steps, model=None):
    return Pipeline(StepsFile("steps.yaml", None, "all defaults", steps), model or ref(), None)


def states(*steps, start=0):
    return [record.state for record in pipeline(*steps).run(start)]


def test_steps_run_in_order_and_see_the_results_of_earlier_ones():
    records = list(pipeline(step("a"), step("b", "unchanged"), step("c")).run())
    assert [record.result.lines[0] for record in records] == ["after ", "after a", "after a, b"]
    assert [record.state for record in records] == ["done", "unchanged", "done"]


def test_each_step_is_announced_before_it_runs():
    said = []
    for record in pipeline(step("a"), step("b", after="failure"), step("c")).run(
        begins=lambda planned: said.append(planned.name)
    ):
        said.append(record.state)
    assert said == ["a", "done", "skipped", "c", "done"]


@pytest.mark.parametrize("outcome", ["failed", "raise", "crash"])
def test_a_failure_leaves_out_what_follows_but_for_steps_that_wait_for_it(outcome):
    wait = step("c", after="failure"), step("d", after="always")
    assert states(step("a", outcome), step("b"), *wait) == ["failed", "skipped", "done", "done"]
    assert states(step("a"), step("b"), *wait) == ["done", "done", "skipped", "done"]


def test_a_failure_that_is_let_pass_stops_nothing_and_is_still_a_failure():
    found = states(step("a", "raise", stops=False), step("b"), step("c", after="failure"))
    assert found == ["failed", "done", "done"]


def test_the_reason_of_a_failure_is_kept():
    raised, crashed = pipeline(step("a", "raise", stops=False), step("b", "crash")).run()
    assert (raised.reason, type(raised.error)) == ("no rows here", DataError)
    assert crashed.reason == "unexpected RuntimeError: 'boom'"


def test_a_step_whose_code_calls_sys_exit_fails(monkeypatch):
    def leave(context):
        raise SystemExit(0)

    monkeypatch.setattr(module, "STEPS", {"act": Step("act", "leaves", StepKeys(Wish), leave)})
    (record,) = pipeline(step("a")).run()
    assert (record.state, record.reason) == ("failed", "unexpected SystemExit: '0'")
    assert isinstance(record.error, Exception)


def test_an_interruption_is_no_failure_of_a_step(monkeypatch):
    def stop(context):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "STEPS", {"act": Step("act", "stops", StepKeys(Wish), stop)})
    with pytest.raises(KeyboardInterrupt):
        list(pipeline(step("a", stops=False), step("b", after="always")).run())


def test_steps_before_the_first_one_are_skipped():
    assert states(step("a", "raise"), step("b"), start=1) == ["skipped", "done"]
    planned = pipeline(step("a"), step("b"), step("c", after="failure"))
    reasons = [reason for _, reason in planned.preview(1)]
    assert reasons == ["before --from", "", "no earlier step failed"]


plans = st.lists(
    st.tuples(
        st.sampled_from(["done", "unchanged", "failed", "raise"]),
        st.sampled_from(["success", "failure", "always"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@given(plan=plans)
def test_a_step_runs_exactly_where_its_condition_holds(plan):
    planned = [
        step(str(i), outcome, after=after, stops=stops)
        for i, (outcome, after, stops) in enumerate(plan)
    ]
    found = states(*planned)
    for i, (outcome, after, _) in enumerate(plan):
        failures = [
            stops
            for state, (_, _, stops) in zip(found[:i], plan, strict=False)
            if state == "failed"
        ]
        holds = {"success": not any(failures), "failure": bool(failures), "always": True}[after]
        ran = "failed" if outcome == "raise" else outcome
        assert found[i] == (ran if holds else "skipped")


@pytest.mark.parametrize(
    ("when", "model", "reason"),
    [
        ({"models": ("credit-*", "credit")}, {}, ""),
        ({"models": ("credit-*",)}, {}, "credit/3 is not among the models credit-*"),
        ({"models": ("Credit",)}, {}, "credit/3 is not among the models Credit"),
        ({"models": ("*",)}, {"name": None, "label": "m-1"}, "m-1 is not among the models *"),
        ({"alias": ("a", "b")}, {"aliases": ("b", "c")}, ""),
        ({"alias": ("a", "b")}, {"aliases": ("c",)}, "no alias a or b points to credit/3"),
        ({"tag": {"ok": "yes"}}, {"tags": {"ok": "yes"}}, ""),
        ({"tag": {"ok": "yes"}}, {}, "tag ok of credit/3 is not set, not 'yes'"),
        (
            {"tag": {"ok": "yes"}},
            {"tags": {"ok": "n" * 500}},
            f"tag ok of credit/3 is '{'n' * 76}..., not 'yes'",
        ),
        ({"alias": ("b",), "tag": {"ok": "yes"}}, {"aliases": ("b",)}, "tag ok of credit/3 is not"),
    ],
)
def test_all_conditions_must_hold_and_the_first_that_does_not_is_named(when, model, reason):
    found = why_not(Conditions(**when), ref(**model))
    assert found.startswith(reason) if reason else found == ""


def test_a_configuration_for_other_models_is_refused_before_anything_runs():
    fraud = Config(models="fraud-*")
    with pytest.raises(ConfigError, match="the configuration of 'b' is for models"):
        pipeline(step("a"), step("b", config=fraud))
    pipeline(step("b", config=fraud, models=("fraud-*",)))
    pipeline(step("b", config=fraud), model=ref(name=None))


def test_every_step_has_its_own_name_keys_and_a_line_about_it():
    assert set(STEPS) == set(KINDS)
    for name, registered in STEPS.items():
        assert registered.name == name
        assert registered.summary
        assert "\n" not in registered.summary
        assert not set(registered.keys.own.model_fields) & set(Config.model_fields)
