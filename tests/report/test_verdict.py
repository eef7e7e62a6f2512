"""Verdicts as Markdown, JUnit XML, JSON and text, whatever their names contain."""

import json
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mlflow_lime.gate.judge import RuleResult, Verdict, judge, not_judged
from mlflow_lime.gate.measured import Measured, Value
from mlflow_lime.gate.rule import GateRule
from mlflow_lime.report.verdict import (
    verdict_json,
    verdict_junit,
    verdict_lines,
    verdict_markdown,
)

FACTS = {
    "candidate": "credit/7",
    "baseline": "credit/3 (@champion)",
    "time": "2026-05-04T03:02:01Z",
}
HOSTILE = [
    "<script>alert(1)</script>",
    "![x](https://example.com/a.png)",
    "[click](javascript:alert(1))",
    "@everyone #1 !2 ~bug www.example.com https://example.com",
    "a | b || c\\| d\\",
    "`` ` ``` <b>",
    "]]></system-out><x>&amp;",
    "\x00\x08\x1b[31m\ud800\ufffe\u202e",
    "| --- |\n# title\n\n<h1>",
    "*bold* _it_ ~~x~~ :smile: $x$ --- ***",
]


def everything(name="the rule", metric="auc"):
    """Return a verdict with every outcome, about names that may be hostile."""
    rules = [
        GateRule("metric", "auc", least=0.9),
        GateRule("change", metric, least=-0.01, against=metric, name=name),
        GateRule("metric", "auc", most=0.1, stops=False),
        GateRule("metric", metric + "?", least=0, stops=False),
        GateRule("check", "LIM005"),
    ]
    found = {metric: (Value(0.5, metric),), "auc": (Value(0.5, "run 1"),)}
    return judge(rules, Measured(found, {metric: found}, why_no_checks=name))


def test_every_rule_is_a_row_of_the_markdown():
    text = verdict_markdown(everything(), FACTS)
    assert text.startswith("### ❌ fail: `credit/7`\n")
    assert "- baseline: `credit/3` (`@champion`)" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert rows[0] == ("| `auc` | 0.5 | at least 0.9 | ❌ fail | 0.5 is below 0.9 by 0.4 (run 1) |")
    signs = [row.split(" | ")[3] for row in rows]
    assert [sign.split(" ", 1)[1] for sign in signs] == [
        "fail", "pass", "warn", "not judged", "not judged"
    ]  # fmt: skip


def test_a_version_that_is_not_judged_is_never_green_in_junit():
    rules = [GateRule("metric", "none", least=0, stops=False)]
    suite = ElementTree.fromstring(verdict_junit(judge(rules, Measured()), FACTS))[0]
    assert (suite.get("errors"), suite.get("skipped")) == ("1", "1")


def test_a_pass_with_a_note_is_green_in_junit():
    suite = ElementTree.fromstring(verdict_junit(Verdict("pass", note="it is there"), FACTS))[0]
    assert (suite.get("tests"), suite.get("errors")) == ("1", "0")


def test_a_note_of_several_lines_is_a_block_of_code():
    text = verdict_markdown(not_judged("one\n```\n<b>"), FACTS)
    assert "````\none\n```\n<b>\n````" in text


@pytest.mark.parametrize("name", HOSTILE)
def test_names_stay_names_in_markdown(name):
    markdown = MarkdownIt("gfm-like", {"html": True, "linkify": False})
    verdict = everything(name, name)
    facts = {"candidate": name, "notes": name}
    seen = []
    for text in (verdict_markdown(verdict, facts), verdict_markdown(not_judged(name), facts)):
        tokens = markdown.parse(text)
        flat = [inner for token in tokens for inner in (token, *(token.children or ()))]
        seen += [token.type for token in flat]
        html = [token.content for token in flat if token.type in ("html_inline", "html_block")]
        assert set(html) <= {"<code>", "</code>"}
        assert sum(token.type == "tr_open" for token in flat) in (0, 6)
        assert sum(token.type == "td_open" for token in flat) in (0, 25)
    assert not {"link_open", "image", "em_open", "strong_open", "s_open", "hr"} & set(seen)
    assert seen.count("heading_open") == 2


@given(st.text(max_size=40))
def test_mentions_and_references_stand_in_code(name):
    text = verdict_markdown(everything(name, name or "m"), {"candidate": name})
    outside = re.sub(r"(`+).*?\1|<code>.*?</code>", "", text)
    assert not re.search(r"[@#!~][A-Za-z0-9]|://|www\.", outside.replace("### ", ""))


ANT = {
    "testsuites": set(),
    "testsuite": {"name", "id", "package", "timestamp", "hostname", "tests", "failures", "errors",
                  "skipped", "time"},
    "properties": set(),
    "property": {"name", "value"},
    "testcase": {"name", "classname", "time"},
    "failure": {"message", "type"},
    "error": {"message", "type"},
    "skipped": {"message", "type"},
    "system-out": set(),
    "system-err": set(),
}  # fmt: skip
"""What Ant's schema asks of each element, and Jenkins' allows."""


def require_valid(root):
    assert root.tag == "testsuites"
    for element in root.iter():
        assert set(element.attrib) == ANT[element.tag], element.tag
    (suite,) = root
    tags = [child.tag for child in suite]
    cases = suite.findall("testcase")
    assert tags == ["properties", *["testcase"] * len(cases), "system-out", "system-err"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.get("timestamp"))
    states = [child.tag for case in cases for child in case]
    assert all(len(case) <= 1 for case in cases)
    for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.get(count)) == states.count(tag)
    assert int(suite.get("tests")) == len(cases)
    assert all(item.get("name") for item in suite.iter() if "name" in ANT[item.tag])
    return cases


def test_every_rule_is_a_test_case():
    cases = require_valid(ElementTree.fromstring(verdict_junit(everything(), FACTS)))
    assert [[child.tag for child in case] for case in cases] == [
        ["failure"], [], [], ["skipped"], ["error"]
    ]  # fmt: skip
    assert cases[0].get("name") == "auc at least 0.9"
    assert cases[0][0].get("message") == "0.5 is below 0.9 by 0.4"
    assert cases[1].get("name") == "the rule"
    assert cases[0].get("classname") == "credit/7"


def test_what_no_rule_says_is_a_test_case_of_its_own():
    cases = require_valid(ElementTree.fromstring(verdict_junit(not_judged("no server"), FACTS)))
    (case,) = cases
    assert case[0].tag == "error"
    assert case[0].get("message") == "no server"


def test_two_equal_rules_are_two_test_cases():
    rule = GateRule("metric", "auc", least=0.9)
    verdict = judge([rule, rule], Measured({"auc": (Value(1.0),)}))
    root = ElementTree.fromstring(verdict_junit(verdict, {}))
    assert [case.get("name") for case in require_valid(root)] == [
        "auc at least 0.9",
        "auc at least 0.9 (2)",
    ]


@given(st.text(max_size=40))
@pytest.mark.parametrize("hostile", HOSTILE)
def test_any_name_makes_a_valid_document(hostile, name):
    for text in (hostile, name):
        facts = {"candidate": text or "x", "notes": text}
        xml = verdict_junit(everything(text, text or "m"), facts)
        require_valid(ElementTree.fromstring(xml.encode("utf-8")))


def test_the_json_holds_every_number():
    content = json.loads(verdict_json(everything(), FACTS))
    assert content["format"] == 1
    assert (content["verdict"], content["facts"]) == ("fail", FACTS)
    first, second, third, _, last = content["rules"]
    assert (first["value"], first["min"], first["max"]) == (0.5, 0.9, None)
    assert first["margin"] == pytest.approx(-0.4)
    assert (second["kind"], second["candidate"], second["other"]) == ("change", 0.5, 0.5)
    assert (third["severity"], third["outcome"]) == ("warn", "warn")
    assert last["value"] is None


def test_the_json_has_no_number_that_json_does_not_know():
    rule = GateRule("metric", "auc", least=float("-inf"))
    result = RuleResult(rule, "fail", "", float("inf"), float("nan"))
    (found,) = json.loads(verdict_json(Verdict("fail", (result,)), {}))["rules"]
    assert (found["min"], found["value"], found["margin"]) == (None, None, None)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_terminal_gets_no_control_characters(name):
    lines = list(verdict_lines(everything(name, name), {"candidate": name, "notes": name}))
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202e\ud800]", "".join(lines))


def test_a_terminal_shows_outcome_rule_and_reason():
    lines = list(verdict_lines(everything(), FACTS))
    assert lines[0] == "credit/7: fail"
    assert "  baseline    credit/3 (@champion)" in lines
    assert "  fail        auc at least 0.9" in lines
    assert "              0.5 is below 0.9 by 0.4 (run 1)" in lines
