import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_lime.errors import DataError
from mlflow_lime.report.jsonlines import (
    explanations_json,
    read_explanations_json,
    sample_note,
)
from tests.strategies import (
    FailedExplanation,
    explanations,
    failed_explanations,
    make_explanation,
    make_label,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(explanations(), max_size=3), st.lists(failed_explanations(), max_size=3))
def test_reading_returns_what_was_written(items, failed):
    text = explanations_json(items, failed)
    read, read_failed = read_explanations_json(text)
    assert [item.to_dict() for item in read] == [item.to_dict() for item in items]
    assert read_failed == failed
    assert explanations_json(read, read_failed) == text
    assert text.count("\n") == len(items) + len(failed)


def test_lone_surrogates_survive_utf8():
    failed = [FailedExplanation("a\udc80b", "r", "k")]
    text = explanations_json([], failed)
    text.encode("utf-8")
    assert read_explanations_json(text)[1] == failed


def test_nothing_is_an_empty_text():
    assert explanations_json([]) == ""
    assert read_explanations_json("\n") == ([], [])


@pytest.mark.parametrize("line", ["{", "3", "[]", "{}", '{"failed": {"key": "a"}}', '"text"'])
def test_a_line_that_is_no_explanation_is_named(line):
    good = explanations_json([make_explanation([make_label([0.1])])])
    with pytest.raises(DataError, match="line 2 of the explanations is no explanation"):
        read_explanations_json(good + line)


def test_a_newer_format_is_refused():
    text = explanations_json([make_explanation([make_label([0.1])])])
    with pytest.raises(DataError, match="upgrade mlflow-lime"):
        read_explanations_json(text.replace('"format": 1', '"format": 99'))


def test_a_sample_says_so_in_its_first_line_and_is_read_as_ever():
    made = make_explanation([make_label([0.2])])
    text = explanations_json([made], sample="1 of 2,000 instances are shown: that one\u2028é")
    assert sample_note(text) == "1 of 2,000 instances are shown: that one\u2028é"
    (read,), failed = read_explanations_json(text)
    assert (read.to_json(), failed) == (made.to_json(), [])
    assert sample_note(explanations_json([made])) == ""


def test_what_is_said_of_a_sample_stands_in_the_first_line_alone():
    text = explanations_json([make_explanation([make_label([0.2])])])
    with pytest.raises(DataError, match="line 2"):
        read_explanations_json(text + '{"sample": "no"}\n')
