import pytest

from mlflow_lime import names
from mlflow_lime.checks.check import Outcome
from mlflow_lime.errors import DataError
from mlflow_lime.report.findings import (
    findings_items,
    findings_json,
    findings_lines,
    findings_markdown,
    read_findings_json,
)
from mlflow_lime.report.markdown import as_code, as_prose

HOSTILE = "<img src=x onerror=alert(1)> | `x` \n# [a](http://evil.example) @all \u202e\x00"
OUTCOMES = (
    Outcome("LIM001", "Low fidelity", "warning", "passed", "all fit", value=0.0),
    Outcome("LIM002", "Unstable", "warning", "raised", "9 of 20", tuple("abcdefg"), 0.45, "d/2.md"),
    Outcome("LIM005", "Sensitive", "error", "raised", f"{HOSTILE!r} carries 45 %", (HOSTILE,), 0.4),
    Outcome("LIM009", "Border", "warning", "not applicable", "no images"),
    Outcome("LIM011", "Drifted", "warning", "skipped", "not compared"),
)


def test_the_worst_comes_first_with_its_reason_its_instances_and_its_page():
    text = "\n".join(findings_lines(OUTCOMES))
    assert text.startswith("5 checks: 2 raised, 1 passed, 1 skipped, 1 not applicable")
    assert text.index("LIM005") < text.index("LIM002") < text.index("LIM011")
    assert "instances: a, b, c, d, e and 2 more" in text
    assert "see d/2.md" in text
    assert "LIM001" not in text
    assert "LIM011 Drifted: not compared" in text


def test_all_states_are_told_where_that_is_wanted():
    text = "\n".join(findings_lines(OUTCOMES, every=True))
    assert all(item.code in text and item.state in text for item in OUTCOMES if item.value is None)
    assert "passed          LIM001  Low fidelity" in text


def test_names_from_data_stay_on_their_line_and_reorder_nothing():
    lines = list(findings_lines(OUTCOMES, every=True))
    assert all(len(line) <= 100 for line in lines)
    assert not any(sign in line for line in lines for sign in ("\n", "\x00", "\u202e"))


def test_markdown_takes_nothing_from_the_data_for_markup():
    text = findings_markdown(OUTCOMES)
    rows = text.splitlines()[2:]
    assert len(rows) == 2 + len(OUTCOMES)
    assert all(row.count("|") == 5 for row in rows)
    outside = "".join(text.split("`")[::2])
    for sign in ("<img", "[a](", "@all", "http"):
        assert sign not in outside
    assert "**error**" in rows[2]


def test_code_and_prose_escape_what_they_must():
    assert as_code("a|b`c\\d") == "<code>a&#124;b&#96;c&#92;d</code>"
    assert as_code("") == "` `"
    assert as_prose("3 of 20, <b>") == "3 of 20, `<b>`"


def test_findings_are_read_back():
    assert read_findings_json(findings_json(OUTCOMES)) == OUTCOMES


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 2, "outcomes": []}', '{"format": 1, "outcomes": [{}]}']
)
def test_what_are_no_findings_is_refused(text):
    with pytest.raises(DataError):
        read_findings_json(text)


def test_two_numbers_and_a_file_are_logged():
    raised, errors, file = findings_items(OUTCOMES)
    assert (raised.name, raised.value) == ("lime/findings", 2.0)
    assert (errors.name, errors.value) == ("lime/findings_error", 1.0)
    assert file.path == names.FINDINGS_FILE
    lone = Outcome("LIM005", "t", "error", "raised", "\ud800")
    assert findings_items([lone])[2].content  # a lone surrogate is no error
