"""Facts about instances, as JSON and as groups."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_lime.errors import DataError
from mlflow_lime.report.facts import InstanceFacts
from tests.report.pages.made import simple

TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
MAPS = st.dictionaries(TEXTS, TEXTS, max_size=4)


@given(MAPS, st.dictionaries(TEXTS, st.none() | TEXTS, max_size=4), st.dictionaries(TEXTS, MAPS))
def test_facts_are_read_back_without_loss(reasons, true_labels, slices):
    facts = InstanceFacts(reasons, true_labels, slices)
    back = InstanceFacts.from_json(facts.to_json())
    assert (back.reasons, back.true_labels, back.slices) == (reasons, true_labels, slices)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 9, "reasons": {}}'])
def test_anything_else_is_refused(text):
    with pytest.raises(DataError, match="facts of"):
        InstanceFacts.from_json(text)


def test_the_class_is_the_true_one_else_the_predicted_one():
    side = simple(2)
    facts = InstanceFacts(true_labels={"00 #ab": "benign", "01 #ab": None})
    groups = facts.groups(side.explanations)
    assert groups["class"] == {"00 #ab": "benign", "01 #ab": "malignant"}


def test_the_facts_about_some_instances():
    facts = InstanceFacts(
        {"a": "rare", "b": "rare"}, {"a": "1", "b": None}, {"region": {"a": "north", "b": "east"}}
    )
    some = facts.only(["b", "c"])
    assert (some.reasons, some.true_labels) == ({"b": "rare"}, {"b": None})
    assert some.slices == {"region": {"b": "east"}}
