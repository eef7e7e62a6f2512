"""LIME beside methods that look inside: the table of all instances, and the cards."""

from dataclasses import replace

import numpy as np
import pytest

from mlflow_lime.metrics.attributions import Attributions
from mlflow_lime.report.pages.content import Content
from mlflow_lime.report.pages.methods import as_shares, methods_of, methods_summary
from mlflow_lime.report.pages.report import render_report
from tests.report.contents_of_kinds import images_of, inside_of, series_of, table_of, texts_of


@pytest.fixture(scope="module")
def side():
    return inside_of(table_of(4, 8))


def test_shares_keep_signs_and_sum_to_one_in_size():
    found = as_shares(np.array([2.0, -1.0, np.nan, 1.0]))
    assert found.tolist() == [0.5, -0.25, 0.0, 0.25]
    assert as_shares(np.zeros(3)).tolist() == [0.0, 0.0, 0.0]


def test_a_page_without_attributions_says_nothing_of_them():
    page = render_report(Content(table_of(2, 4)))
    assert "Inside the network" not in page
    assert "LIME beside a look inside" not in page


def test_the_summary_has_a_row_for_each_method(side):
    found = methods_summary(side)
    assert [name for name, _ in found["rows"]] == ["LIME", "DeepLIFT", "LRP"]
    lift = dict(found["rows"])["DeepLIFT"]
    expected = side.trust.summary["deeplift_agreement"].value
    assert lift[0].startswith(f"{expected:.2f} (")
    assert lift[-1] == "≈ 0"
    assert found["unit"] == "the log-odds of the label"


def test_every_card_sets_the_methods_beside_each_other(side):
    page = render_report(Content(side))
    assert page.count("LIME beside a look inside") == 4
    assert page.count("They attribute <bdi>the log-odds of “malignant”</bdi>") == 4
    item = side.explanations[0]
    surrogates, found = methods_of(side, item, item.labels[0])
    assert [name for name, _ in surrogates] == ["LIME", "DeepLIFT", "LRP"]
    for name, label in surrogates:
        assert np.abs(label.weights).sum() == pytest.approx(1.0), name
    share = 100 * surrogates[2][1].weights[int(item.labels[0].order()[0])]
    assert f"LRP {share:+.0f} %".replace("-", "−") in page
    assert set(found) == {"deeplift", "lrp"}


@pytest.mark.parametrize(
    ("kind", "sign"),
    [
        (lambda: texts_of(2), "as LRP reads it"),
        (lambda: images_of(2, side=64, segments=12), "segments tinted by their share of DeepLIFT"),
        (lambda: series_of(2, n_steps=40, n_features=2), "<bdi>DeepLIFT</bdi>"),
    ],
)
def test_what_a_reader_looks_at_is_shown_by_each_method(kind, sign):
    assert sign in render_report(Content(inside_of(kind())))


def test_layers_and_reasons_are_told():
    refused = inside_of(table_of(2, 4), refused=["'norm' (layer_norm) divides"])
    assert "LRP cannot look through: <bdi>&#39;norm&#39; (layer_norm) divides" in render_report(
        Content(refused)
    )
    nothing = replace(table_of(2, 4), attributions=Attributions(why_not="an ONNX model"))
    assert "Nothing looked inside: <bdi>an ONNX model</bdi>" in render_report(Content(nothing))
