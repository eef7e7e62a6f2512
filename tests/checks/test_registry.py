import re
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from mlflow_lime.checks import registry
from mlflow_lime.checks.check import NEEDS, Check, Evidence, Finding, Outcome
from mlflow_lime.checks.drifted import DRIFTED
from mlflow_lime.checks.options import Options, read_options
from mlflow_lime.checks.registry import CHECKS, known_checks, run_checks
from mlflow_lime.compare.drift import Drift, InstanceDrift
from mlflow_lime.errors import ConfigError, DataError
from tests.checks.cases import grown, outcome

PAGES = Path(__file__).parents[2] / "docs" / "checks"


# Codes, titles, options and pages


def test_codes_are_in_order_and_each_has_a_page():
    codes = [check.code for check in CHECKS]
    assert codes == [f"LIM{number:03d}" for number in range(1, 17)]
    assert {path.stem for path in PAGES.glob("LIM*.md")} == set(codes)
    for check in CHECKS:
        assert check.page == f"docs/checks/{check.code}.md"
        assert set(check.needs) <= set(NEEDS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.code)
def test_a_page_tells_title_severity_summary_and_options_as_they_are(check):
    page = (PAGES / f"{check.code}.md").read_text()
    assert page.startswith(f"# {check.code}: {check.title}\n")
    assert f"Severity: {check.severity}." in page
    assert check.summary in page
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \| (.+) \|$", page, re.MULTILINE)
    told = {name: (default, about) for name, default, about in rows}
    fields = check.options.model_fields
    assert told == {n: (str(f.default), f.description) for n, f in fields.items()}
    for heading in ("Why it matters", "How it decides", "Example", "What to do", "When to mute"):
        assert f"## {heading}\n" in page


def test_the_list_of_pages_names_every_check():
    text = (PAGES / "README.md").read_text()
    for check in CHECKS:
        assert f"| [{check.code}]({check.code}.md) | {check.title} | {check.severity} |" in text


# Muting and options


def test_a_muted_check_is_skipped_and_says_so(healthy):
    found = {item.code: item for item in run_checks(healthy, muted=["LIM001", "LIM009"])}
    for code in ("LIM001", "LIM009"):
        assert (found[code].state, found[code].reason) == ("skipped", "muted (checks.mute)")
    assert found["LIM002"].state == "passed"


def test_there_is_an_outcome_for_every_check_without_any_evidence():
    found = run_checks(Evidence())
    assert [item.code for item in found] == [check.code for check in CHECKS]
    assert {item.state for item in found} <= {"skipped", "not applicable"}
    assert all(item.reason for item in found)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"LIM001": {"mim": 0.1}}, "LIM001 has no option 'mim'.*Did you mean 'min'"),
        ({"LIM001": {"min": "high"}}, "LIM001, option min.*valid number, got 'high'"),
        ({"LIM001": {"share": 1.5}}, "LIM001, option share.*less than 1, got 1.5"),
        ({"LIM001": {"min": float("nan")}}, "LIM001, option min"),
        ({"LIM011": {"min": 1}}, "its options are: none"),
        ({"LIM100": {}}, "no check 'LIM100'.*Did you mean 'LIM010'"),
    ],
)
def test_wrong_options_name_the_check_the_option_and_the_cure(options, says):
    with pytest.raises(ConfigError, match=says):
        run_checks(Evidence(), options=options)


def test_a_whole_number_is_a_number():
    class Some(Options):
        least: float = 0.5

    assert read_options(Some, {"least": 1}, code="ABC001").least == 1.0


# Checks that fail


def test_a_check_that_fails_stops_no_other(monkeypatch, healthy):
    def fails(evidence, options):
        raise KeyError("a secret of the data")

    broken = Check("LIM001", "t", "error", "s", fails)
    odd = Check("LIM002", "t", "error", "s", lambda evidence, options: "fine")
    monkeypatch.setattr(registry, "CHECKS", (broken, odd, *CHECKS[2:]))
    found = {item.code: item for item in run_checks(healthy)}
    assert found["LIM001"].state == found["LIM002"].state == "skipped"
    assert found["LIM001"].reason == "the check itself failed: KeyError"
    assert "gave a str" in found["LIM002"].reason
    assert found["LIM003"].state == "passed"


def test_missing_evidence_tells_why_it_is_missing(healthy):
    evidence = grown(healthy, associations=None, absent={"associations": "the set is gone"})
    assert outcome(evidence, "LIM006").reason == "the set is gone"


# Plugins


class Least(Options):
    least: float = 0.5


def _many(evidence, options):
    return Finding.judged(True, f"more than {options.least}", value=1.0)


MINE = Check("ABC001", "Mine", "error", "Something of ours.", _many, options=Least)
TAKEN = Check("LIM001", "Taken", "error", "s", _many)
NEEDY = Check("ABC002", "Needy", "error", "s", _many, needs=("money",))
CODELESS = Check("abc", "t", "error", "s", _many)
LOUD = Check("ABC003", "t", "fatal", "s", _many)
UNTYPED = Check("ABC004", "t", "error", "s", _many, options=dict)


def make():
    return MINE


def explode():
    raise RuntimeError("boom")


def nothing():
    return 3


@pytest.fixture
def plugins(monkeypatch):
    def install(*names):
        points = [EntryPoint(name, f"{__name__}:{name}", registry.GROUP) for name in names]
        monkeypatch.setattr(registry, "entry_points", lambda group: points)

    return install


@pytest.mark.parametrize("name", ["MINE", "make"])
def test_a_plugin_adds_a_check_with_options(plugins, name):
    plugins(name)
    found = run_checks(Evidence(), options={"ABC001": {"least": 0.7}})[-1]
    assert (found.code, found.state, found.reason) == ("ABC001", "raised", "more than 0.7")
    assert run_checks(Evidence(), muted=["ABC001"])[-1].state == "skipped"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("explode", "RuntimeError"),
        ("nothing", "gives a int"),
        ("missing_name", "AttributeError"),
        ("TAKEN", "its code LIM001 is taken by 'Low fidelity'"),
        ("NEEDY", "it needs 'money'"),
        ("CODELESS", "its code is 'abc'"),
        ("LOUD", "its severity is 'fatal'"),
        ("UNTYPED", "expected a subclass of Options"),
    ],
)
def test_a_broken_plugin_is_skipped_with_its_name(plugins, name, says):
    plugins(name, "MINE")
    checks, broken = known_checks()
    (found,) = broken
    assert (found.state, found.title) == ("skipped", f"plugin {name!r}")
    assert says in found.reason
    assert len(checks) == 17
    states = [item.state for item in run_checks(Evidence(), muted=["XYZ999"])]
    assert len(states) == 18


def test_a_plugin_that_is_installed_twice_counts_once(plugins):
    plugins("MINE", "make")
    checks, broken = known_checks()
    assert len(checks) == 17
    assert "taken by 'Mine'" in broken[0].reason


# Outcomes


def test_an_outcome_is_read_back():
    found = Outcome("LIM001", "t", "error", "raised", "why", ("a", "b"), 0.5, "page")
    assert Outcome.from_dict(found.to_dict()) == found
    endless = Outcome("LIM001", "t", "error", "raised", "why", value=float("nan"))
    assert endless.to_dict()["value"] is None


@pytest.mark.parametrize(
    "change", [{"severity": "fatal"}, {"state": "odd"}, {"more": 1}, {"instances": None}]
)
def test_a_damaged_outcome_is_refused(change):
    data = Outcome("LIM001", "t", "error", "raised", "why").to_dict()
    with pytest.raises(DataError):
        Outcome.from_dict({**data, **change})


# Drift


def instance(key, *, changed=True, before="a", after="a", untrusted="", total=0.5):
    two = np.zeros(2)
    return InstanceDrift(
        key=key,
        label="a",
        parts=("x", "y"),
        names=("x", "y"),
        before=two,
        after=two,
        std_errors=two,
        low=two,
        high=two,
        p_values=two,
        discovered=np.array([changed, False]),
        prediction_before=0.5,
        prediction_after=0.5,
        answer_before=before,
        answer_after=after,
        answer_changed=before != after,
        topk_overlap=1.0,
        rank_agreement=1.0,
        total_change=total,
        sign_flips=0,
        fidelity_before=0.9,
        fidelity_after=0.9,
        untrusted=untrusted,
        p_value=0.01,
    )


def drift(*instances, alarm=True):
    return Drift(instances, (), 0.003, alarm, settings={"alarm_rate": 0.05})


def test_an_alarm_is_raised_with_the_most_changed_first():
    found = drift(instance("1", total=0.2), instance("2", total=0.9), instance("3", changed=False))
    raised = outcome(Evidence(drift=found), "LIM011")
    assert (raised.state, raised.instances, raised.value) == ("raised", ("2", "1"), 0.003)
    assert "2 of 3 compared instances" in raised.reason
    assert outcome(Evidence(drift=grown(found, alarm=False)), "LIM011").state == "passed"
    lost = drift(instance("1", untrusted="fits poorly"))
    assert outcome(Evidence(drift=lost), "LIM011").state == "skipped"
    assert outcome(Evidence(), "LIM011").reason == NEEDS["drift"]
    assert DRIFTED.find(Evidence(), Options()).state == "skipped"


def test_right_answers_for_new_reasons_are_raised(healthy):
    found = drift(
        instance("1", total=0.2),
        instance("2", total=0.8),
        instance("3", changed=False),
        instance("4", before="b"),  # was wrong
        instance("5", before="b", after="b"),  # is wrong
        instance("6", untrusted="fits poorly"),
    )
    truth = dict.fromkeys("123456", "a")
    evidence = Evidence(drift=found, true_labels=truth)
    raised = outcome(evidence, "LIM012")
    assert (raised.state, raised.instances) == ("raised", ("2", "1"))
    assert "2 of 3 instances that both versions get right" in raised.reason
    assert raised.value == pytest.approx(2 / 3)
    assert outcome(evidence, "LIM012", share=0.7).state == "passed"
    assert outcome(grown(evidence, true_labels={}), "LIM012").state == "skipped"
    wrong = grown(evidence, true_labels=dict.fromkeys("123456", "c"))
    assert "of no compared instance" in outcome(wrong, "LIM012").reason
    values = tuple(grown(item, mode="regression") for item in healthy.explanations)
    assert outcome(grown(evidence, explanations=values), "LIM012").state == "not applicable"
