"""The verdict: what makes a reader stop, what makes them look, and what the sentences say."""

from dataclasses import replace

import numpy as np
import pytest

from mlflow_lime.compare.compare import compare_explanations
from mlflow_lime.core.explanation import FailedExplanation
from mlflow_lime.metrics.trust import summarise
from mlflow_lime.report.pages.content import Content, Other, Side
from mlflow_lime.report.pages.summary import poorly_explained, summarise_content
from tests.compare.made import versions
from tests.report.pages.made import WEIGHTS, compared, gate, outcome, simple
from tests.report.with_contents import image_explanation, quarters
from tests.strategies import make_explanation, make_label

FAILED = FailedExplanation("09 #ff", "the model raised ValueError", "ModelError")


def level(content):
    return summarise_content(content).level


def said(content):
    return " ".join(summarise_content(content).sentences)


def test_nothing_stands_out_where_nothing_does():
    summary = summarise_content(Content(simple()))
    assert (summary.level, summary.headline) == ("ok", "Nothing stands out")
    checked = summarise_content(Content(simple(), outcomes=(outcome(state="passed"),)))
    assert checked.headline == "No check raises anything"


@pytest.mark.parametrize(
    "content",
    [
        Content(simple(), gate=gate("fail")),
        Content(simple(), outcomes=(outcome("error"),)),
        Content(Side("credit/7", (), (FAILED,))),
    ],
)
def test_a_failed_gate_an_error_or_no_explanation_at_all_stop_a_version(content):
    assert level(content) == "stop"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (Content(simple(), gate=gate("not judged")), "could not judge"),
        (Content(simple(), outcomes=(outcome("warning"),)), "1 warning"),
        (Content(replace(simple(), failed=(FAILED,))), "1 instance could not be explained"),
        (Content(simple(partial_r2=0.1)), "fit poorly"),
        (compared(), "the reasons changed since credit/6"),
    ],
)
def test_what_is_to_be_looked_at_is_said_in_the_verdict(content, why):
    summary = summarise_content(content)
    assert summary.level == "look"
    assert why in summary.headline


def test_remarks_and_passed_checks_make_nobody_look():
    found = (outcome("info"), outcome("error", "passed"), outcome("error", "skipped"))
    assert level(Content(simple(), outcomes=found)) == "ok"


def test_a_version_that_did_not_change_is_said_to_hold():
    summary = summarise_content(compared(after=WEIGHTS.copy()))
    assert summary.level == "ok"
    assert summary.headline.endswith("and the reasons held")
    assert "did not change beyond noise" in " ".join(summary.sentences)


def test_the_sentences_name_the_heaviest_parts_and_their_share():
    assert "relies most on feature 0 (75% of the weight), feature 1 (25%" in said(Content(simple()))


def test_regions_of_images_have_no_names_to_tell():
    side = Side("pictures/1", (image_explanation(quarters(), [0.3, -0.1, 0.2, 0.0]),))
    assert "regions of images" in said(Content(side))


def test_regions_of_images_beside_columns_have_their_share():
    image = image_explanation(quarters(), [0.5, 0.4, -0.3, 0.2])
    column = make_explanation([make_label([0.014])], names=["age"])
    text = said(Content(Side("mixed/1", (image, column))))
    assert "for 99% of the weight, and apart from them most on age (1% of the weight)" in text


def test_a_constant_model_relies_on_nothing():
    assert "rely on no part" in said(Content(simple(weights=(0.0, 0.0))))


def test_reasons_that_were_not_compared_did_not_hold():
    content = compared(after=WEIGHTS.copy())
    other = content.others[0]
    poor = tuple(replace(item, untrusted="too poor") for item in other.drift.instances)
    unknown = replace(other, drift=replace(other.drift, instances=poor))
    assert "held" not in summarise_content(replace(content, others=(unknown,))).headline


def test_many_other_answers_are_looked_at_whatever_the_reasons():
    content = compared(after=WEIGHTS.copy())
    other = content.others[0]
    flipped = tuple(replace(item, answer_changed=True) for item in other.drift.instances)
    turned = replace(other, drift=replace(other.drift, instances=flipped))
    summary = summarise_content(replace(content, others=(turned,)))
    assert summary.headline == "Look closer, 6 of 6 answers changed since credit/6"


def test_the_change_is_told_in_counts():
    text = said(compared())
    assert "Since credit/6, the answer changed for 0 and the reasons for 6 of 6" in text
    assert "6 of them with the same answer" in text
    assert "p < 0.001" in text or "p = " in text
    assert "Importance moved most for" in text


def test_a_version_that_cannot_be_compared_is_said_with_its_reason():
    other = Other(Side("credit/6", ()), None, "explained on another set")
    assert "could not be compared with credit/6: explained on another set." in said(
        Content(simple(), (other,))
    )


def test_poor_fits_are_counted_by_partial_r2_where_it_is_known():
    assert poorly_explained(simple(partial_r2=0.9, fidelity_r2=0.1)) == []
    assert len(poorly_explained(simple(partial_r2=np.nan, fidelity_r2=0.1))) == 3
    assert poorly_explained(simple(partial_r2=0.1, flat=True)) == []


def test_stability_is_told_where_it_was_measured():
    side = simple()
    trusted = replace(side, trust=summarise(side.explanations))
    assert "agree to 80%" in said(Content(trusted))
    assert "agree to" not in said(Content(side))


def test_a_sample_is_called_one_and_failures_are_counted_over_all():
    whole = simple(6)
    sample = replace(
        whole,
        sample="7 of 4,000 instances are shown",
        failed=(FAILED,),
        metrics={**whole.metrics, "lime/failed": 30.0},
    )
    assert "Over 6 shown instances" in said(Content(sample))
    assert "30 instances could not be explained" in said(Content(sample))
    assert "Over 6 instances" in said(Content(whole))


def test_what_changed_is_counted_over_all_instances_of_a_large_set():
    drift = compare_explanations(*versions(0, WEIGHTS, WEIGHTS[::-1], count=40), most=10)
    text = said(Content(simple(), (Other(simple(), drift),)))
    assert f"{drift.counts.changed} of 40 compared instances" in text
