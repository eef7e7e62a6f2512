"""Texts and images in HTML: all of a text is there, marked by weight, and nothing unescaped."""

import base64
import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from PIL import Image

from mlflow_lime.report.content_views import content_views, numbered_parts
from mlflow_lime.report.html import render_explanation
from mlflow_lime.report.wording import clean_lines
from tests.report.reading import read
from tests.report.with_contents import (
    image_content,
    image_explanation,
    quarters,
    text_explanation,
    text_explanations,
)
from tests.strategies import HOSTILE_NAMES, make_explanation, make_label

TAGS = {
    "div", "style", "p", "span", "b", "bdi", "table", "thead", "tr", "th", "td", "svg", "rect",
    "mark", "img",
}  # fmt: skip
ATTRIBUTES = {
    "class", "role", "aria-label", "aria-hidden", "title", "scope", "viewbox", "fill",
    "preserveaspectratio", "x", "y", "width", "height", "dir", "tabindex", "src", "alt",
}  # fmt: skip


def render(explanation):
    return render_explanation(explanation, explanation.labels[0])


def boxes(fragment):
    return [node for node in ET.fromstring(fragment).iter("div") if node.get("class") == "text"]


def seen(box):
    """Return the text of a box as eyes see it."""
    pieces = [box.text or ""]
    for node in box:
        if node.get("class") != "sr":
            pieces.append(node.text or "")
        pieces.append(node.tail or "")
    return "".join(pieces)


def marks(fragment):
    """Return the marked words, each with its style and tooltip."""
    return [
        (node.text, node.get("class"), node.get("title"))
        for box in boxes(fragment)
        for node in box.iter("mark")
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text_explanations())
def test_all_of_any_text_is_there_and_nothing_of_it_is_markup(explanation):
    fragment = render(explanation)
    reader = read(fragment)
    assert reader.tags <= TAGS
    assert reader.attributes <= ATTRIBUTES
    assert not set("\u202e\u2066\x00") & set(fragment)
    (box,) = boxes(fragment)
    # A stretch may end between the two characters of a line's end.
    text = explanation.contents[0].text
    assert seen(box).replace("\n", "") == clean_lines(text).replace("\n", "")


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_texts_and_columns_come_out_as_text(name):
    fragment = render(text_explanation(f"{name} word {name}", column=name))
    assert read(fragment).tags <= TAGS
    assert fragment.count("</style>") == 1
    fragment = render(
        image_explanation(quarters(column=name), [1.0, -1, 0, 0], parts=[name] * 4, names="abcd")
    )
    assert read(fragment).tags <= TAGS
    assert read(fragment).attributes <= ATTRIBUTES


def test_white_space_and_lines_are_kept():
    text = "one  two\n\n\tthree\r\nfour \rfive"
    fragment = render(text_explanation(text))
    assert seen(boxes(fragment)[0]) == "one  two\n\n\tthree\nfour \nfive"
    assert "white-space:pre-wrap" in fragment


def test_sign_and_strength_are_told_by_colour_and_by_line():
    words = "a b c d e"
    fragment = render(text_explanation(words, [0.6, -0.6, 0.1, -0.01, 0.0]))
    assert [(word, css) for word, css, _ in marks(fragment)] == [
        ("a", "t6"), ("b", "a6"), ("c", "t1"), ("d", "a1"),
    ]  # fmt: skip
    style = ET.fromstring(fragment).find("style").text
    for step in range(1, 7):
        assert f".mlflow-lime .t{step}{{" in style
        assert re.search(rf"\.a{step}\{{border-bottom:\dpx dotted var\(--off\);", style)
    assert "mark{color:inherit;background:none;padding:0;border-bottom:1px solid" in style


def test_both_themes_have_every_colour():
    lines = ET.fromstring(render(text_explanation("a b"))).find("style").text.splitlines()
    start = "@media (prefers-color-scheme:dark)"
    dark = "".join(line for line in lines if line.startswith(start))
    light = "".join(line for line in lines if not line.startswith(start))
    for name in ["bg", "ink", "to", "off", *(f"{c}{i}" for c in "ta" for i in range(1, 7))]:
        assert f"--{name}:" in light
        assert f"--{name}:" in dark


def test_a_tooltip_tells_weight_and_interval():
    fragment = render(text_explanation("good bad", [0.3, -0.2], error=0.02))
    assert marks(fragment) == [
        ("good", "t6", "+0.300 (+0.260 to +0.340)"),
        ("bad", "a4", "−0.200 (−0.240 to −0.160)"),
    ]
    assert marks(render(text_explanation("good", [0.3])))[0][2] == "+0.300"


def test_words_that_may_weigh_nothing_are_not_marked():
    fragment = render(text_explanation("good bad", [0.3, -0.2], error=0.12))
    assert [word for word, *_ in marks(fragment)] == ["good"]
    fragment = render(text_explanation("good bad", [0.3, -0.2], error=0.2))
    assert not marks(fragment)
    assert "Nothing is marked: no part" in "".join(read(fragment).text)


def test_every_occurrence_is_marked_and_the_first_is_read_out():
    fragment = render(text_explanation("no, no, yes", [-0.5, 0.25]))
    assert [word for word, *_ in marks(fragment)] == ["no", "no", "yes"]
    spoken = [node.text for node in ET.fromstring(fragment).iter("bdi") if node.get("class")]
    assert spoken == [" (against −0.500)", " (towards +0.250)"]


def test_a_text_has_its_own_direction_and_can_be_scrolled_with_keys():
    (box,) = boxes(render(text_explanation("هذا صحيح")))
    assert (box.get("dir"), box.get("tabindex"), box.get("role")) == ("auto", "0", "region")
    assert seen(box) == "هذا صحيح"


def test_five_thousand_words_stay_below_600_kb():
    words = " ".join(f"wording{j}" for j in range(5000))
    fragment = render(text_explanation(words, np.linspace(-1, 1, 5000), error=1e-6))
    assert len(marks(fragment)) > 4990
    assert seen(boxes(fragment)[0]) == words
    assert len(fragment.encode()) < 600_000


def test_an_image_is_an_overlay_in_the_page():
    fragment = render(image_explanation(quarters(untestable=[2]), [0.4, -0.4, 0.1]))
    (image,) = ET.fromstring(fragment).iter("img")
    head, data = image.get("src").split(",")
    assert head == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        assert (str(picture.width), str(picture.height)) == (
            image.get("width"),
            image.get("height"),
        )
        assert picture.width >= 280
        red, _, blue = picture.convert("RGB").getpixel((30, 30))
    assert blue - red > 60
    words = "".join(read(fragment).text)
    assert "hatched: cannot be tested" in words
    assert "probability per part" in words
    assert "−0.400 against" in words
    assert "http" not in fragment


def test_an_image_tells_its_heaviest_segments_in_words():
    fragment = render(image_explanation(quarters(), [0.1, -0.4, 0.0, 0.2]))
    (image,) = ET.fromstring(fragment).iter("img")
    assert image.get("alt") == (
        "Image of 8 by 8 pixels, its segments tinted by weight. Heaviest segments: "
        "segment 1, against −0.400; segment 3, towards +0.200; segment 0, towards +0.100."
    )
    flat = render(image_explanation(quarters(), [0.0] * 4))
    assert "No segment has weight." in flat


def test_an_image_without_testable_segments_is_still_shown():
    explanation = image_explanation(quarters(untestable=range(4)), [])
    words = "".join(read(render(explanation)).text)
    assert "hatched: cannot be tested" in words
    assert "no parts" in words
    explanation.as_figure().savefig(io.BytesIO())


def test_badges_and_rows_have_the_same_numbers():
    explanation = image_explanation(quarters(), [0.1, -0.4, 0.0, 0.2])
    assert numbered_parts(explanation, explanation.labels[0], top=3) == {1: 1, 3: 2, 0: 3}
    words = read(render(explanation)).text
    assert "1 · segment 1" in words
    assert "2 · segment 3" in words
    assert "segment 2" in words


def test_only_parts_of_images_are_numbered():
    content = quarters().moved(2, "photo")
    explanation = make_explanation(
        [make_label([0.9, 0.0, 0.1, -0.5, np.nan, 0.2])], contents=(content,)
    )
    assert numbered_parts(explanation, explanation.labels[0], top=10) == {3: 2, 5: 3, 2: 4}


def test_regressions_have_the_units_of_the_target():
    label = make_label([0.4, -0.4, 0.0, 0.1], label="value")
    explanation = image_explanation(
        quarters(), [], label=label, mode="regression", class_names=("value",), scores=np.ones(1)
    )
    assert "units of the target per part" in "".join(read(render(explanation)).text)


def test_tables_have_no_style_of_texts():
    fragment = render(make_explanation([make_label([0.1])]))
    assert ".text{" not in fragment
    assert content_views(make_explanation([make_label([0.1])]), make_label([0.1])) == []


def test_a_large_photo_stays_small():
    rng = np.random.default_rng(0)
    rows, columns = np.indices((600, 800))
    photo = np.stack([rows / 3, columns / 4, (rows + columns) / 6], -1) + rng.normal(
        0, 6, (600, 800, 3)
    )
    content = image_content(np.clip(photo, 0, 255), rows // 100 * 8 + columns // 100)
    fragment = render(image_explanation(content, rng.normal(size=48)))
    assert len(fragment) < 150_000


def test_the_same_explanation_gives_the_same_bytes():
    for explanation in (
        image_explanation(quarters(), [0.1, -0.4, 0.0, 0.2]), text_explanation("a b a"),
    ):  # fmt: skip
        assert render(explanation) == render(explanation)
