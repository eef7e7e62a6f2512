import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_lime.report.overview import draw_overview
from tests.report.with_contents import image_explanation, quarters, text_explanation
from tests.strategies import HOSTILE_NAMES, explanations, make_explanation, make_label, texts

SVG = "{http://www.w3.org/2000/svg}"


def parse(svg):
    root = ET.fromstring(svg)
    assert root.get("width") == "700"
    return root


def words(root):
    return [node.text for node in root.iter(f"{SVG}text")]


def dots(root):
    """Return colour, opacity and position of the instances' dots."""
    return [
        (group.get("fill"), float(group.get("fill-opacity")), float(dot.get("cx")))
        for group in root.iter(f"{SVG}g")
        for dot in group
    ]


def explain(*weights, names="ab", **changes):
    return make_explanation([make_label(weights, **changes)], names=names)


def test_parts_are_ordered_by_mean_absolute_weight():
    root = parse(draw_overview([explain(0.1, 0.3), explain(0.2, -0.4)], title="t"))
    text = words(root)
    assert text.index("b") < text.index("a")
    assert text[text.index("b") + 1] == "0.350"


def test_a_dot_is_an_instance_at_its_signed_weight():
    root = parse(draw_overview([explain(0.1, -0.2)], title="t"))
    against, towards = sorted(dots(root), key=lambda dot: dot[2])
    assert against[2] == pytest.approx(218)
    assert towards[2] == pytest.approx(411 + 193 / 2)
    assert against[0] != towards[0]


def test_poorer_fits_are_fainter():
    opacities = [
        dots(parse(draw_overview([explain(0.1, 0.2, fidelity_r2=fit)], title="t")))[0][1]
        for fit in (float("nan"), -3, 0.3, 0.6, 0.9)
    ]
    assert opacities == sorted(opacities)
    assert opacities[0] < opacities[-1]


def test_a_diamond_is_the_mean_of_the_baseline():
    former = [explain(0.2, 0.0), explain(-0.1, 0.0)]
    root = parse(draw_overview([explain(0.1, 0.1)], title="t", baseline=former))
    first, _, legend = list(root.iter(f"{SVG}polygon"))
    assert first.get("points").startswith(f"{411 + 193 * 0.5:.1f},")
    assert legend is not None
    assert "mean of the baseline version" in words(root)


def test_without_a_baseline_there_is_no_diamond():
    assert not list(parse(draw_overview([explain(0.1, 0.1)], title="t")).iter(f"{SVG}polygon"))


def test_parts_that_only_the_baseline_has_draw_nothing():
    root = parse(
        draw_overview([explain(0.1, 0.1)], title="t", baseline=[explain(1, 1, names="xy")])
    )
    assert not {"x", "y"} & set(words(root))


def test_subtitle_names_the_explained_class():
    assert "1 instance · effect of each part on P(malignant)" in words(
        parse(draw_overview([explain(0.1, 0.1)], title="t"))
    )


def test_subtitle_counts_the_explained_classes():
    mixed = [explain(0.1, 0.1, label=label) for label in ("red", "red", "blue")]
    assert any(
        "P(red) 2×, P(blue) 1×" in text for text in words(parse(draw_overview(mixed, title="t")))
    )


def test_nothing_explained_is_said():
    assert "No instance was explained." in words(parse(draw_overview([], title="t")))


def test_all_zero_weights_have_no_scale():
    text = words(parse(draw_overview([explain(0.0, 0.0)], title="t")))
    assert "0" in text
    assert "1" not in text


def test_of_very_many_instances_two_hundred_stand_for_their_spread():
    weights = np.random.default_rng(0).normal(size=1000)
    root = parse(draw_overview([explain(w, names="a") for w in weights], title="t"))
    drawn = [(x - 411) / 193 * np.abs(weights).max() for _, _, x in dots(root)]
    assert len(drawn) == 200
    assert "at most 200 dots a row" in words(root)
    levels = np.linspace(0, 1, 21)
    np.testing.assert_allclose(np.quantile(drawn, levels), np.quantile(weights, levels), atol=0.05)


def test_a_thousand_instances_take_150_kb():
    rng = np.random.default_rng(0)
    many = [explain(*rng.normal(size=30), names=range(30)) for _ in range(1000)]
    assert len(draw_overview(many, title="t", baseline=many).encode()) < 150_000


def test_sixty_instances_are_all_drawn_in_a_small_file():
    rng = np.random.default_rng(0)
    some = [explain(*rng.normal(size=30), names=range(30)) for _ in range(60)]
    svg = draw_overview(some, title="t")
    assert len(dots(parse(svg))) == 12 * 60
    assert len(svg.encode()) < 50_000


def test_many_instances_and_names_stay_small_and_inside():
    rng = np.random.default_rng(0)
    names = [f"name {j}" for j in range(500)]
    many = [explain(*rng.normal(size=500), names=names) for _ in range(200)]
    svg = draw_overview(many, title="t")
    root = parse(svg)
    assert len(svg) < 200_000
    assert len(dots(root)) == 12 * 200
    assert all(218 <= x <= 604 for _, _, x in dots(root))
    assert "488 more of less weight" in words(root)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_are_text_only(name):
    item = make_explanation([make_label([0.1], label=name)], names=[name])
    root = parse(draw_overview([item], title=name, baseline=[item]))
    tags = {node.tag.removeprefix(SVG) for node in root.iter()}
    assert tags <= {"svg", "rect", "text", "line", "g", "circle", "polygon"}
    assert not any(key.startswith("on") for node in root.iter() for key in node.attrib)


@settings(max_examples=50, deadline=None)
@given(st.lists(explanations(), max_size=4), st.lists(explanations(), max_size=2), texts())
def test_any_set_of_explanations_is_valid_xml(items, baseline, title):
    parse(draw_overview(items, title=title, baseline=baseline))


def test_words_tell_how_many_texts_have_them():
    items = [
        text_explanation("god is love", [0.4, 0.0, 0.1]),
        text_explanation("god knows", [0.2, -0.1]),
        text_explanation("other", [-0.1]),
    ]
    text = words(parse(draw_overview(items, title="t")))
    assert text[text.index("god") : text.index("god") + 3] == ["god", "in 2 of 3", "0.200"]
    assert text[text.index("other") + 1] == "in 1 of 3"
    assert text.index("god") < text.index("love")


def test_parts_that_every_instance_has_are_not_counted():
    text = words(parse(draw_overview([explain(0.1, 0.2), explain(0.3, 0.1)], title="t")))
    assert not [line for line in text if line.startswith("in ")]


def test_a_word_that_occurs_in_several_places_is_one_dot():
    items = [explain(0.3, -0.1, names=["word", "word"])]
    ((_, _, x),) = dots(parse(draw_overview(items, title="t")))
    assert x == pytest.approx(604)


def test_images_are_pictures_instead_of_rows():
    items = [image_explanation(quarters(), [0.1, -0.4, 0, 0], key=f"{i:02d} #a") for i in range(3)]
    root = parse(draw_overview(items, title="t"))
    assert len(list(root.iter(f"{SVG}image"))) == 3
    text = words(root)
    assert {"00 #a", "01 #a", "02 #a", "fit 0.58"} <= set(text)
    assert not [line for line in text if "segment 1" in line or "mean |w|" in line]


def test_columns_stand_above_the_images_of_a_table():
    content = quarters().moved(1, "photo")
    names = ["age", *(f"segment {j}" for j in range(4))]
    item = make_explanation(
        [make_label([0.2, 0.9, 0, 0, 0])], names=names, contents=(content,), key="00 #a"
    )
    root = parse(draw_overview([item], title="t"))
    (image,) = root.iter(f"{SVG}image")
    (age,) = [node for node in root.iter(f"{SVG}text") if node.text == "age"]
    assert float(image.get("y")) > float(age.get("y"))
    assert float(image.get("y")) + 156 < float(root.get("height"))
    assert "segment 0" not in words(root)


def test_segments_of_images_that_are_not_stored_are_not_compared():
    item = make_explanation([make_label([0.2, 0.9])], recipe={"numbered_parts": [0, 1]})
    assert any(
        "images that are not stored" in line
        for line in words(parse(draw_overview([item], title="t")))
    )


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_every_word_can_be_read_on_white():
    item = explain(0.1, -0.2)
    root = parse(draw_overview([item], title="t", baseline=[item]))
    fills = {node.get("fill") for node in root.iter(f"{SVG}text")}
    assert len(fills) == 4
    assert all(1.05 / (luminance(fill) + 0.05) >= 4.5 for fill in fills)


def test_a_page_can_give_every_colour_of_the_chart_another_one():
    item = explain(0.1, -0.2, 0.0, names="abc")
    root = parse(draw_overview([item], title="t", baseline=[item]))
    plain = [
        node
        for node in root.iter()
        if (node.get("fill") or node.get("stroke")) and not node.get("class")
    ]
    assert [node.get("stroke") for node in plain] == ["#9aa4ad"]  # seen on white and on black
    classes = {node.get("class") for node in root.iter()} - {None}
    assert classes == {"bg", "ink", "grey", "rule", "to", "off", "mark"}
