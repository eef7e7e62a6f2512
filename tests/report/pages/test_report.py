"""The page as a whole: what it shows, in which order, and that it needs nothing else."""

import hashlib
import html
import re
from base64 import b64encode
from dataclasses import replace

import numpy as np
import pytest

from mlflow_lime.core.explanation import FailedExplanation
from mlflow_lime.report.facts import InstanceFacts
from mlflow_lime.report.pages.content import Content, Other, Side
from mlflow_lime.report.pages.report import render_report
from tests.report.pages.made import WEIGHTS, compared, gate, outcome, simple
from tests.report.with_contents import image_explanation, quarters, text_explanation
from tests.strategies import make_explanation, make_label


def text_of(page):
    """Return what a reader sees, without markup."""
    body = re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.S)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", body)))


def headings(page):
    return [text_of(found).strip() for found in re.findall(r"<h2.*?</h2>", page, re.S)]


def cards(page):
    return re.findall(r'<details class="card".*?</details>', page, re.S)


def whole():
    content = compared(
        config_text="seed: 0\n", provenance={"seed": "0", "review run": "1f2e"}, notes=("a note",)
    )
    found = (
        outcome("error", instances=(content.side.explanations[1].key,)),
        outcome("info", "passed"),
    )
    return replace(content, outcomes=found, gate=gate("fail", "rule 3: too small"))


def test_the_page_is_in_the_order_that_a_reviewer_reads():
    page = render_report(whole())
    assert headings(page) == [
        "✕ Stop, the gate says fail against credit/6; 1 finding of severity error",
        "What the model relies on",
        "What changed",
        "Findings of the checks",
        "Instances",
        "Settings and all numbers",
    ]
    text = text_of(page)
    for told in ("rule 3: too small", "LIM007", "a note", "seed: 0", "1f2e", "credit/6"):
        assert told in text


def test_the_page_needs_nothing_else_and_lets_no_other_script_run():
    page = render_report(whole())
    assert not re.findall(r'\b(?:src|href)="(?!data:image/webp;base64,)', page)
    assert "url(" not in page
    assert "@import" not in page
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.S)
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html.unescape(page)
    assert "default-src 'none'" in html.unescape(page)
    assert len(script) < 6_000


def test_there_are_no_anchors_within_the_page():
    assert not re.findall(r"<a\b", render_report(whole()))


def test_everything_can_be_read_without_the_script():
    page = render_report(whole())
    hidden = re.findall(r"<(\w+)[^>]*\shidden[ >/]", page)
    assert set(hidden) <= {"button", "nav", "form"}


def test_a_card_tells_both_answers_the_truth_the_reason_and_the_weights_of_both():
    card = cards(render_report(compared()))[0]
    text = text_of(card)
    for told in ("credit/7", "credit/6", "True label: malignant", "typical", "fit "):
        assert told in text
    assert card.count('class="mark"') == len(WEIGHTS)
    assert "reasons changed" in text


def test_a_poor_fit_is_warned_of_in_plain_words():
    page = render_report(Content(simple(partial_r2=0.1)))
    assert page.count("Single parts explain only 10% of the variation here.") == 3
    assert "Single parts" not in render_report(Content(simple(partial_r2=0.9)))


def test_an_instance_can_be_found_by_its_class_reason_finding_and_words():
    content = whole()
    key = content.side.explanations[1].key
    page = render_report(content)
    (card,) = [card for card in cards(page) if f'data-key="{key}"' in card]
    assert 'data-class="malignant"' in card
    assert 'data-reason="typical"' in card
    assert "LIM007" in re.search(r'data-tags="([^"]*)"', card)[1].split()
    assert '<option value="LIM007">' in page
    assert '<option value="reasons-changed">' in page


def test_an_answer_that_is_not_the_true_label_can_be_found():
    side = simple()
    facts = InstanceFacts(true_labels={"00 #ab": "benign", "01 #ab": "malignant"})
    page = render_report(Content(replace(side, facts=facts)))
    wrong = [card for card in cards(page) if "differs from the truth" in card]
    assert len(wrong) == 1
    assert 'data-key="00 #ab"' in wrong[0]


def test_labels_of_another_type_than_the_classes_tell_nothing_of_errors():
    facts = InstanceFacts(true_labels={"00 #ab": "1.0", "01 #ab": "0.0"})
    assert "differs from the truth" not in render_report(Content(replace(simple(), facts=facts)))


def test_each_version_stands_beside_its_own_sign():
    content = compared()
    missing = replace(content.others[0].side, name="credit/5", explanations=())
    others = (Other(missing, None, "it failed"), content.others[0])
    card = cards(render_report(replace(content, others=others)))[0]
    assert re.search(r'<th scope="row">○ <bdi>credit/6', card)


def test_what_is_stored_without_values_is_compared_without_them():
    new = text_explanation("please send money now")
    old = Other(Side("mail/1", (new,)))
    page = render_report(Content(Side("mail/2", (new.redacted(),)), (old,)))
    assert "label not explained" not in page
    assert "money" not in page


def test_panels_say_what_they_are_of():
    keys = [f"{i:02d} #ab" for i in range(3)]
    slices = {"has phone": dict.fromkeys(keys, "no"), "owns house": dict.fromkeys(keys, "no")}
    text = text_of(render_report(Content(replace(simple(), facts=InstanceFacts(slices=slices)))))
    assert "has phone no · 3 instances" in text
    assert "owns house no · 3 instances" in text


def test_one_scale_serves_all_cards():
    items = tuple(
        make_explanation([make_label([weight], error=0.0, partial_r2=0.9)], key=f"0{i} #ab")
        for i, weight in enumerate((1.0, 0.5))
    )
    widths = [
        float(re.search(r'<rect class="to" x="[\d.]+" y="2" width="([\d.]+)"', card)[1])
        for card in cards(render_report(Content(Side("credit/7", items))))
    ]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.2)


def test_a_part_that_only_the_baseline_relied_on_is_shown():
    heavy = np.zeros(20)
    heavy[:10] = 0.3
    light = np.zeros(20)
    light[19] = 0.9
    page = render_report(compared(light, heavy), top=5)
    assert "feature 19" in cards(page)[0]


def test_text_is_shown_as_both_versions_read_it():
    new = text_explanation("please send money now")
    labels = tuple(
        replace(label, weights=-label.weights, low=-label.high, high=-label.low)
        for label in new.labels
    )
    old = replace(new, labels=labels)
    page = render_report(Content(Side("mail/2", (new,)), (Other(Side("mail/1", (old,))),)))
    assert page.count('<div class="text"') == 2
    marks = set(re.findall(r'<mark class="([at]\d)"', page))
    assert {mark[0] for mark in marks} == {"a", "t"}


def test_an_image_is_shown_with_the_overlays_of_both_versions():
    item = image_explanation(quarters(), [0.3, -0.1, 0.2, 0.0])
    page = render_report(Content(Side("faces/2", (item,)), (Other(Side("faces/1", (item,))),)))
    assert page.count('src="data:image/webp;base64,') == 3
    assert page.count("its segments tinted by weight") == 2


def test_instances_beyond_the_limit_are_counted():
    page = render_report(Content(simple(5)), most=2)
    assert len(cards(page)) == 2
    assert "The first 2 of 5 are shown" in text_of(page)


def test_failures_are_listed_with_their_reasons():
    failed = FailedExplanation("09 #ff", "the model raised <ValueError>", "ModelError")
    text = text_of(render_report(Content(replace(simple(), failed=(failed,)))))
    assert "09 #ff the model raised <ValueError>" in text


def test_a_page_without_any_explanation_says_so():
    failed = FailedExplanation("00 #ff", "no luck", "ModelError")
    text = text_of(render_report(Content(Side("credit/7", (), (failed,)))))
    assert "no instance could be explained" in text
    assert "No instance was explained." in text


def test_six_versions_stand_side_by_side():
    content = compared()
    more = [replace(content.others[0].side, name=f"credit/{n}") for n in (5, 4, 3, 2)]
    others = (*content.others, *(Other(side, None, "another set") for side in more))
    page = render_report(replace(content, others=others))
    assert text_of(page).count("Not compared: another set") == 4
    assert cards(page)[0].count('class="mark"') == 5 * len(WEIGHTS)
