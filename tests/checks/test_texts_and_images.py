"""Checks of texts and images: a planted fault each, and healthy, other, and missing evidence."""

import numpy as np
import pytest

from mlflow_lime.checks.registry import run_checks
from mlflow_lime.core.layout import Layout
from tests.checks import cases
from tests.checks.cases import grown, outcome


def test_healthy_texts_raise_nothing(texts):
    assert [item.code for item in run_checks(texts) if item.state == "raised"] == []


def test_healthy_digits_raise_nothing(images):
    assert [item.code for item in run_checks(images) if item.state == "raised"] == []


def test_a_header_at_the_same_place_of_the_texts_of_a_class_is_raised():
    evidence = cases.on_texts(*cases.letters(header=("Xref: no", "Reply to")))
    found = outcome(evidence, "LIM008")
    assert found.state == "raised"
    assert "stands as part 1 in" in found.reason or "stands as part 2 in" in found.reason
    assert "that the model calls" in found.reason
    assert len(found.instances) >= 5
    assert outcome(evidence, "LIM008", place=1.0, share=0.9, certain=0.9).state == "passed"


def test_a_footer_is_found_from_the_end():
    words, target = cases.letters()
    signed = [
        f"{text} {'regards bob' if label == 'good' else 'bye'}"
        for text, label in zip(words, target, strict=True)
    ]
    found = outcome(cases.on_texts(signed, target, parts="positions"), "LIM008")
    assert found.state == "raised"
    assert "from the end" in found.reason


def test_words_without_a_place_pass(texts):
    found = outcome(texts, "LIM008")
    assert found.state == "passed"
    assert "no word carries weight at the same place" in found.reason


@pytest.mark.parametrize("parts", ["words", "positions"])
def test_a_sensitive_word_is_raised(parts):
    words, target = cases.letters()
    random = np.random.default_rng(2)
    named = [
        f"{text} {'Kevin' if (label == 'bad') == (random.random() < 0.9) else 'Anna'} said"
        for text, label in zip(words, target, strict=True)
    ]
    evidence = cases.on_texts(named, target, parts=parts)
    found = outcome(grown(evidence, sensitive=("kevin", "anna")), "LIM005")
    assert found.state == "raised"
    assert found.reason.startswith("'anna', 'kevin' carry")
    assert outcome(grown(evidence, sensitive=("john",)), "LIM005").value == 0.0


def test_texts_that_are_not_stored_have_no_words_to_look_for(texts):
    hidden = grown(texts, explanations=tuple(item.redacted() for item in texts.explanations))
    assert outcome(grown(hidden, sensitive=("kevin",)), "LIM005").state == "not applicable"
    assert outcome(hidden, "LIM008").state == "not applicable"
    assert outcome(hidden, "LIM007").state == "not applicable"


@pytest.mark.parametrize(
    ("mark", "says"),
    [
        ((slice(0, 3), slice(0, 32)), "the border"),
        ((slice(26, 30), slice(26, 30)), ""),
        ((slice(12, 16), slice(8, 12)), "its middle is 38 % from the top and 25 % from the left"),
    ],
    ids=["strip", "corner", "inside"],
)
def test_a_mark_that_tells_the_class_is_raised(mark, says):
    evidence = cases.on_images(*cases.pictures(mark))
    found = outcome(evidence, "LIM009")
    assert found.state == "raised"
    assert says in found.reason
    assert len(found.instances) >= 5
    passed = outcome(evidence, "LIM009", excess=1.0, region=1.0)
    assert passed.state == "passed"


def test_digits_are_not_read_from_their_border(images):
    found = outcome(images, "LIM009")
    assert found.state == "passed"
    assert found.value < 0


def test_few_images_and_other_data_are_not_judged(images, texts):
    few = grown(images, explanations=images.explanations[:3])
    assert outcome(few, "LIM009").state == "skipped"
    assert outcome(texts, "LIM009").state == "not applicable"
    hidden = tuple(item.redacted() for item in images.explanations)
    assert outcome(grown(images, explanations=hidden), "LIM009").state == "not applicable"


def test_proxies_and_categories_are_not_looked_for_in_texts(texts):
    evidence = grown(texts, sensitive=("sex",), layout=Layout(columns=("text",), texts=("text",)))
    states = {item.code: item.state for item in run_checks(evidence)}
    assert states["LIM006"] == states["LIM010"] == states["LIM004"] == "not applicable"
