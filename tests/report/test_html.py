import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from mlflow_lime.report.html import render_explanation
from tests.report.reading import read
from tests.strategies import HOSTILE_NAMES, explanations, make_explanation, make_label

TAGS = {"div", "style", "p", "span", "b", "bdi", "table", "thead", "tr", "th", "td", "svg", "rect"}
ATTRIBUTES = {
    "class", "role", "aria-label", "aria-hidden", "title", "scope", "viewbox",
    "preserveaspectratio", "x", "y", "width", "height",
}  # fmt: skip


def render(label, **changes):
    return render_explanation(make_explanation([label], **changes), label)


def text(fragment):
    return "".join(read(fragment).text)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_come_out_as_text(name):
    label = make_label([0.1], label=name)
    fragment = render(
        label, key=name, names=[name], parts=[name], class_names=(name, name), notes=(name,)
    )
    reader = read(fragment)
    assert reader.tags <= TAGS
    assert reader.attributes <= ATTRIBUTES
    assert fragment.count("</style>") == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(explanations())
def test_any_explanation_renders_only_known_markup(explanation):
    for label in explanation.labels:
        fragment = render_explanation(explanation, label)
        reader = read(fragment)
        assert reader.tags <= TAGS
        assert reader.attributes <= ATTRIBUTES
        assert "\u202e" not in fragment


def test_thirty_features_fit_in_12_kb():
    label = make_label(np.linspace(-1, 1, 30))
    names = [f"worst fractal dimension {j}" for j in range(30)]
    assert len(render(label, names=names).encode()) < 12_000


def test_long_names_and_a_thousand_classes_stay_small():
    label = make_label(np.linspace(-1, 1, 30), label="c3", index=3)
    classes = tuple(f"c{j}" for j in range(1000))
    fragment = render(
        label, names=["x"] * 30, parts=["&<>\"'" * 100] * 30, class_names=classes,
        scores=np.linspace(0, 1, 1000), key="k" * 9999, notes=("n" * 9999,) * 99,
    )  # fmt: skip
    assert len(fragment.encode()) < 20_000
    assert "995 more with lower scores" in text(fragment)


def test_it_needs_nothing_from_elsewhere():
    fragment = render(make_label([0.1]))
    assert not any(word in fragment for word in ("http", "<script", "url(", "@import", "src="))


def test_every_style_rule_is_scoped():
    style = ET.fromstring(render(make_label([0.1]))).find("style").text
    rules = [line for line in style.strip().splitlines() if not line.startswith("@media")]
    assert all(line.startswith(".mlflow-lime") for line in rules)
    assert all(f",{part}" not in style for part in (" .", "td", "th"))


def test_dark_mode_keeps_an_opaque_background():
    fragment = render(make_label([0.1]))
    assert "prefers-color-scheme:dark" in fragment
    assert "background:var(--bg)" in fragment


def test_it_tells_prediction_classes_fidelity_and_notes():
    words = text(render(make_label([0.1]), notes=("one column is constant",)))
    for expected in (
        "P(malignant) = 0.69", "fit 0.58", "malignant (explained)", "benign", "0.31",
        "+0.100", "one column is constant", "1,024 rows", "surrogate 0.66",
    ):  # fmt: skip
        assert expected in words


def test_poor_fits_carry_a_warning():
    fragment = render(make_label([0.1], fidelity_r2=0.0))
    assert "Single parts explain only" in text(fragment)
    assert 'class="chip poor"' in fragment


def test_exact_weights_have_no_interval():
    fragment = render(make_label([0.1], error=0), exact=True)
    assert 'aria-label="no interval"' in fragment
    assert "no sampling error" in text(fragment)


def test_intervals_are_told_to_screen_readers():
    assert 'aria-label="interval +0.060 to +0.140"' in render(make_label([0.1]))


def test_regressions_list_no_classes():
    label = make_label([12_000.0], label="value", prediction=251_300.4)
    fragment = render(label, mode="regression", class_names=("value",), scores=np.array([251300.4]))
    assert "Scores of the model" not in fragment
    assert "prediction = 251,300" in text(fragment)


def test_an_instance_without_parts_says_so():
    assert "no parts" in text(render(make_label([]), names=(), parts=()))


def test_bars_lie_inside_their_axis():
    for rect in ET.fromstring(render(make_label([0.5, -0.4, 1e-9]))).iter("rect"):
        x, width = float(rect.get("x", 0)), float(rect.get("width"))
        assert x >= 0
        assert x + width <= 200
