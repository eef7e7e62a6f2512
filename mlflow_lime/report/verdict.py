"""A verdict as Markdown for a pull request, as JUnit XML, as JSON, and as text for a terminal."""

import json
import math
import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree

from mlflow_lime.gate.judge import RuleResult, Verdict
from mlflow_lime.gate.rule import shown
from mlflow_lime.report.markdown import as_code, as_prose
from mlflow_lime.report.wording import clean, clean_lines

__all__ = ["verdict_json", "verdict_junit", "verdict_lines", "verdict_markdown"]

Facts = Mapping[str, str]

_WIDTH = 100
_INDENT = 14
_SIGNS = {"pass": "✅ pass", "fail": "❌ fail", "warn": "⚠️ warn", "not judged": "❔ not judged"}


def verdict_markdown(verdict: Verdict, facts: Facts) -> str:
    """Return a verdict for the comments of a pull request.

    Whatever is not a plain word or number stands as code, in which no markup, mention, or link
    takes effect.

    Parameters
    ----------
    verdict : Verdict
    facts : mapping of str to str
        What else a reader must know, by name: ``candidate``, ``baseline``, ``run``.
    """
    title = f"### {_SIGNS[verdict.outcome]}: {as_code(facts.get('candidate', 'model version'))}"
    lines = [title, "", *_note(verdict.note)]
    lines += [f"- {name}: {as_prose(text)}" for name, text in facts.items() if name != "candidate"]
    if verdict.results:
        lines += ["", "| rule | measured | bound | outcome | why |", "|---|---|---|---|---|"]
        lines += [_row(result) for result in verdict.results]
    return "\n".join(lines) + "\n"


def _row(result: RuleResult) -> str:
    rule = result.rule
    name = f"{as_code(rule.name)}: " if rule.name else ""
    subject = as_code(rule.subject)
    change = f"change of {subject} against {as_code(rule.against)}"
    where = f" ({as_prose(result.source)})" if result.source else ""
    cells = (
        name + {"metric": subject, "change": change, "check": f"check {subject}"}[rule.kind],
        "" if result.value is None else shown(result.value, rule.least, rule.most),
        rule.bound or "finds nothing",
        _SIGNS[result.outcome],
        f"{as_prose(result.why)}{where}",
    )
    return f"| {' | '.join(cells)} |"


def _note(note: str) -> list[str]:
    """Return a note as a paragraph, or as a block of code where it has several lines."""
    text = clean_lines(note)
    if "\n" not in text:
        return [as_prose(text), ""] if text else []
    ticks = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, ticks + 1)
    return [fence, text, fence, ""]


def verdict_junit(verdict: Verdict, facts: Facts) -> str:
    """Return a verdict as a suite of tests, one for each rule.

    A failed rule is a failure. A rule that could not be judged is an error, as it keeps the version
    from passing; one that only warns is skipped. Valid against the schemas of Ant and of Jenkins.

    Parameters
    ----------
    verdict : Verdict
    facts : mapping of str to str
        ``candidate`` names the suite, ``time`` is when it was judged; all become properties.
    """
    name = _xml(facts.get("candidate", "model version"))
    cases = list(_cases(verdict, name))
    states = Counter(case[0].tag for case in cases if len(case))
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        name=f"mlflow-lime gate {name}",
        id="0",
        package="mlflow_lime.gate",
        timestamp=facts.get("time", "1970-01-01T00:00:00")[:19],
        hostname="localhost",
        tests=str(len(cases)),
        failures=str(states["failure"]),
        errors=str(states["error"]),
        skipped=str(states["skipped"]),
        time="0",
    )
    properties = ElementTree.SubElement(suite, "properties")
    for key, value in {"verdict": verdict.outcome, **facts}.items():
        ElementTree.SubElement(properties, "property", name=_xml(key), value=_xml(value))
    suite.extend(cases)
    said = "\n".join(_xml(line) for line in verdict_lines(verdict, facts))
    ElementTree.SubElement(suite, "system-out").text = said
    ElementTree.SubElement(suite, "system-err")
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _cases(verdict: Verdict, classname: str) -> Iterator[ElementTree.Element]:
    seen: Counter[str] = Counter()
    for result in verdict.results:
        text = _xml(result.rule.name or result.rule.text)
        seen[text] += 1
        case = _case(text if seen[text] == 1 else f"{text} ({seen[text]})", classname)
        state = {"fail": "failure", "not judged": "error" if result.rule.stops else "skipped"}
        if result.outcome in state:
            why = _xml(result.why)
            details = {"message": why, "type": result.outcome}
            detail = ElementTree.SubElement(case, state[result.outcome], details)
            detail.text = "\n".join([_xml(result.rule.text), why, _xml(result.source)]).strip()
        yield case
    if verdict.note:
        case = _case("the version can be judged", classname)
        if verdict.outcome == "pass":
            yield case
            return
        details = {"message": _xml(verdict.note), "type": verdict.outcome}
        ElementTree.SubElement(case, "error", details).text = details["message"]
        yield case


def _case(name: str, classname: str) -> ElementTree.Element:
    return ElementTree.Element("testcase", name=name, classname=classname, time="0")


def _xml(text: str) -> str:
    """Return text without the characters that no XML document may hold."""
    return clean_lines(text).replace("\x0c", "\ufffd")


def verdict_json(verdict: Verdict, facts: Facts) -> str:
    """Return a verdict as JSON: ``format``, ``verdict``, ``note``, ``facts``, and ``rules``."""
    content = {
        "format": 1,
        "verdict": verdict.outcome,
        "note": verdict.note,
        "facts": dict(facts),
        "rules": [_rule_json(result) for result in verdict.results],
    }
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def _rule_json(result: RuleResult) -> dict[str, Any]:
    rule = result.rule
    return {
        "name": rule.name,
        "rule": rule.text,
        "kind": rule.kind,
        "subject": rule.subject,
        "against": rule.against if rule.kind == "change" else None,
        "min": _finite(rule.least),
        "max": _finite(rule.most),
        "severity": "fail" if rule.stops else "warn",
        "outcome": result.outcome,
        "value": _finite(result.value),
        "margin": _finite(result.margin),
        "candidate": _finite(result.candidate),
        "other": _finite(result.other),
        "why": result.why,
        "source": result.source,
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def verdict_lines(verdict: Verdict, facts: Facts) -> Iterator[str]:
    r"""Yield a verdict for a terminal.

    Examples
    --------
    >>> from mlflow_lime.gate.judge import not_judged
    >>> print(*verdict_lines(not_judged("no server answers"), {"candidate": "credit/7"}), sep="\n")
    credit/7: not judged
      no server answers
    """
    yield f"{clean(facts.get('candidate', 'model version'))}: {verdict.outcome}"
    yield from (f"  {line}" for line in clean_lines(verdict.note).splitlines())
    for name, text in facts.items():
        if name != "candidate":
            yield from _wrapped(name, clean(text))
    if verdict.results:
        yield ""
    for result in verdict.results:
        rule = result.rule
        yield from _wrapped(result.outcome, clean(f"{rule.name}: " * bool(rule.name) + rule.text))
        where = f" ({result.source})" if result.source else ""
        yield from _wrapped("", clean(f"{result.why}{where}"))


def _wrapped(head: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"  {head} ".ljust(_INDENT),
        subsequent_indent=" " * _INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
