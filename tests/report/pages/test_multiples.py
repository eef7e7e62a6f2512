"""Small multiples: one panel for each group, the same parts and one axis everywhere."""

import time
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_lime.report.facts import InstanceFacts
from mlflow_lime.report.pages.content import Content, Other, Side
from mlflow_lime.report.pages.multiples import MOST, groups_left_out, small_multiples
from tests.report.with_contents import image_explanation, quarters
from tests.strategies import HOSTILE_NAMES, explanations, make_explanation, make_label, texts

TAGS = {"svg", "g", "rect", "path", "polygon", "text"}
ATTRIBUTES = {
    "width", "height", "viewBox", "role", "aria-label", "class", "stroke", "stroke-opacity",
    "stroke-width", "fill", "font-size", "text-anchor", "x", "y", "d", "points",
}  # fmt: skip


def explain(key, *weights, malignant=True, names="abc", **changes):
    scores = np.array([0.8, 0.2] if malignant else [0.3, 0.7])
    return make_explanation([make_label(weights)], names=names, key=key, scores=scores, **changes)


SOME = (
    explain("00", 0.4, -0.1, 0.0),
    explain("01", 0.2, -0.3, 0.1),
    explain("02", 0.0, 0.2, 0.1, malignant=False),
)


def content(items=SOME, *, former=None, why_not="", **facts):
    others = () if former is None else (Other(Side("v1", tuple(former)), why_not=why_not),)
    return Content(Side("v2", tuple(items), facts=InstanceFacts(**facts)), others)


def parse(panel):
    root = ET.fromstring(panel.svg)
    assert {node.tag for node in root.iter()} <= TAGS
    assert {name for node in root.iter() for name in node.attrib} <= ATTRIBUTES
    assert {node.get(name) for node in root.iter() for name in ("fill", "stroke")} <= {
        None, "none", "currentColor",
    }  # fmt: skip
    return root


def group(panel, name):
    return [node for part in parse(panel).iter("g") if part.get("class") == name for node in part]


def names(panel):
    return [node.text for node in group(panel, "ink")]


def test_each_class_and_each_value_of_a_slice_has_a_panel():
    panels = small_multiples(content(slices={"region": {"00": "north", "02": "north"}}))
    assert [(panel.kind, panel.title, panel.count) for panel in panels] == [
        ("class", "malignant", 2),
        ("class", "benign", 1),
        ("region", "north", 2),
    ]


def test_true_classes_come_before_predicted_ones():
    panels = small_multiples(content(true_labels={"00": "benign"}))
    assert [(panel.title, panel.count) for panel in panels] == [("benign", 2), ("malignant", 1)]


def test_every_panel_has_the_same_parts_in_the_same_order():
    panels = small_multiples(content(), top=2)
    assert [names(panel) for panel in panels] == [["a", "b"], ["a", "b"]]
    assert [[row.name for row in panel.rows] for panel in panels] == [["a", "b"], ["a", "b"]]


def test_a_bar_is_the_mean_weight_without_sign_on_one_axis():
    first, second = small_multiples(content(), top=2)
    assert [row.importance for row in first.rows] == pytest.approx([0.3, 0.2])
    assert [row.importance for row in second.rows] == pytest.approx([0.0, 0.2])
    wide = [float(node.get("width")) for node in group(first, "to")]
    (narrow,) = [float(node.get("width")) for node in group(second, "to")]
    assert wide == pytest.approx([wide[0], wide[0] * 2 / 3], abs=0.2)
    assert narrow == wide[1]


def test_an_interval_is_that_of_the_mean_and_one_instance_has_none():
    first, second = small_multiples(content())
    row = first.rows[0]
    half = 12.706 * np.std([0.4, 0.2], ddof=1) / np.sqrt(2)
    assert (row.low, row.high) == pytest.approx((0.0, 0.3 + half), rel=1e-3)
    assert np.isnan(second.rows[1].low)
    assert len(group(first, "ci")) == 3
    assert group(second, "ci") == []


def test_wide_intervals_end_where_the_axis_ends():
    first, _ = small_multiples(content())
    ends = {node.get("d").partition("H")[2] for node in group(first, "ci")}
    assert ends == {"262"}


def test_a_diamond_is_the_other_version_in_the_same_group():
    former = [explain("00", 0.1, 0.0, 0.0), explain("01", 0.3, 0.0, 0.0, malignant=False)]
    first, second = small_multiples(content(former=former))
    assert [row.baseline for row in first.rows] == pytest.approx([0.2, 0.0, 0.0])
    assert [row.baseline for row in second.rows] == [None] * 3  # it lacks that instance
    assert (len(group(first, "mark")), len(group(second, "mark"))) == (3, 0)


def test_a_version_that_cannot_be_compared_is_not_drawn():
    panels = small_multiples(content(former=SOME, why_not="another reference set"))
    assert {row.baseline for panel in panels for row in panel.rows} == {None}


def test_the_label_tells_the_heaviest_parts():
    items = [explain(f"{i}", 0.4, -0.1, 0.0, 0.2, 0.1, names="abcde") for i in range(2)]
    (panel,) = small_multiples(content(items))
    assert parse(panel).get("aria-label") == (
        "class malignant, 2 instances. Heaviest parts: a 0.400, d 0.200, b 0.100."
    )


def test_zero_weights_are_told():
    (panel,) = small_multiples(content([explain("00", 0.0, 0.0, 0.0)]))
    assert parse(panel).get("aria-label") == "class malignant, 1 instance: no part has weight."


def test_the_largest_groups_are_drawn_and_the_others_counted():
    items = [explain(f"{i:02d}", 0.1, 0.2, 0.3) for i in range(60)]
    ids = {item.key: "many" if i < 20 else str(i) for i, item in enumerate(items)}
    found = content(items, slices={"id": ids})
    panels = small_multiples(found)
    assert len(panels) == MOST
    assert [panel.count for panel in panels[:3]] == [60, 20, 1]
    assert groups_left_out(found) == 1 + 1 + 40 - MOST
    assert groups_left_out(content()) == 0


def test_groups_whose_names_look_alike_stay_apart():
    slices = {"a = b": {"00": "c"}, "a": {"01": "b = c", "02": "b = c"}}
    panels = small_multiples(content(slices=slices))[2:]
    assert [(panel.kind, panel.title, panel.count) for panel in panels] == [
        ("a = b", "c", 1),
        ("a", "b = c", 2),
    ]


def test_regressions_have_slices_alone():
    items = [explain("00", 1.0, 2.0, 3.0, mode="regression")]
    assert small_multiples(content(items)) == []
    (panel,) = small_multiples(content(items, slices={"region": {"00": "north"}}))
    assert panel.kind == "region"


def test_images_have_no_panels():
    items = [image_explanation(quarters(), [0.1, 0, 0, 0])]
    assert small_multiples(content(items)) == []
    assert small_multiples(content([])) == []


def test_a_thousand_instances_take_less_than_half_a_second():
    rng = np.random.default_rng(0)
    scale = [f"feature {j}" for j in range(30)]
    items = [explain(f"{i}", *rng.normal(size=30), names=scale) for i in range(1000)]
    ages = {"age": {item.key: str(i % 40) for i, item in enumerate(items)}}
    found = content(items, former=items, slices=ages)
    start = time.process_time()
    panels = small_multiples(found)
    assert time.process_time() - start < 0.5
    assert len(panels) == MOST
    assert sum(len(panel.svg) for panel in panels) < 100_000


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_come_out_as_text(name):
    item = explain("00", 0.1, 0.2, names=[name, "b"], class_names=(name, "other"))
    for panel in small_multiples(content([item], slices={name: {"00": name}})):
        assert "b" in names(panel)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(explanations(), max_size=4),
    st.lists(explanations(), max_size=2),
    st.dictionaries(texts(), st.dictionaries(texts(), texts(), max_size=3), max_size=3),
)
def test_any_explanations_and_slices_make_well_formed_panels(items, former, slices):
    for panel in small_multiples(content(items, former=former, slices=slices)):
        root = parse(panel)
        wide, high = float(root.get("width")), float(root.get("height"))
        for bar in group(panel, "to"):
            assert 0 < float(bar.get("x")) + float(bar.get("width")) <= wide
            assert float(bar.get("y")) < high
