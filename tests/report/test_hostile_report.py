"""Whatever data and models are called, pages and pictures hold the markup that we wrote."""

import xml.etree.ElementTree as ET
from functools import cache
from importlib.resources import files

import pytest
from hypothesis import HealthCheck, example, given, settings
from markdown_it import MarkdownIt

from mlflow_lime.report.description import Link, compose_block, with_block
from mlflow_lime.report.html import render_explanation
from mlflow_lime.report.overview import draw_overview
from mlflow_lime.report.pages.multiples import small_multiples
from mlflow_lime.report.pages.numbers import main_numbers
from mlflow_lime.report.pages.report import render_report
from mlflow_lime.report.pages.summary import summarise_content
from mlflow_lime.report.wording import clean
from tests.report.hostile import HOSTILE, hostile_texts
from tests.report.hostile_content import content_of
from tests.report.walking import walk

PIECES = range(0, len(HOSTILE), 34)


def report(text, *, image=False):
    return render_report(content_of(text, image=image))


def cells(text, *, image=False):
    """Return what notebooks show of each instance."""
    explained = content_of(text, image=image).side.explanations
    return "".join(render_explanation(item, item.labels[0]) for item in explained)


def panels(text, *, image=False):
    return "".join(panel.svg for panel in small_multiples(content_of(text, image=image)))


@cache
def twin(render, text, image):
    """Return what is shown of the same content with a harmless name."""
    return walk(render(text, image=image))


def proven(render, text, *, image=False):
    """Return what is shown of hostile content, which has the very markup of its harmless twin."""
    walker = walk(render(text, image=image))
    harmless = twin(render, "harmless" if clean(text) else text and " ", image)
    assert walker.elements == harmless.elements
    assert walker.inside == harmless.inside
    assert walker.others == harmless.others
    return walker


def test_there_are_many_hostile_strings_and_each_is_another():
    assert len(set(HOSTILE)) == len(HOSTILE) >= 200


@pytest.mark.parametrize("render", [report, cells, panels])
@pytest.mark.parametrize("start", PIECES)
def test_a_view_has_the_markup_of_its_harmless_twin(render, start):
    for text in HOSTILE[start : start + PIECES.step]:
        proven(render, text)


@pytest.mark.parametrize("render", [report, cells])
@pytest.mark.parametrize("text", HOSTILE[::30])
def test_images_change_nothing(render, text):
    walker = proven(render, text, image=True)
    assert "img" in [tag for tag, _ in walker.elements]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(hostile_texts())
@example('</bdi></b><script>window.__pwned=1</script>\x00" onload="x')
def test_any_mixture_has_the_markup_of_the_harmless_twin(text):
    for render in (report, panels):
        proven(render, text)


def test_every_view_can_be_written_as_utf_8():
    for text in ("\ud800", "\udfff<b>", "a\ud83d b"):
        for render in (report, cells, panels):
            render(text).encode()


def test_the_only_script_is_our_own():
    own = files("mlflow_lime.report").joinpath("templates", "report.js").read_text("utf-8")
    walker = twin(report, "harmless", False)
    assert ["".join(walker.inside["script"])] == [own.strip()]
    assert [tag for tag, _ in walker.elements].count("script") == 1
    assert walker.others == ["DOCTYPE html"]


def test_the_other_views_have_no_script():
    for render in (cells, panels):
        assert "script" not in {tag for tag, _ in twin(render, "harmless", False).elements}


def test_names_come_out_as_they_were():
    name = "<b>&amp; \"'{{ 7*7 }}"
    for render in (report, cells):
        assert name in "".join(proven(render, name).told)


def overview(text, *, image=False):
    """Return the elements of the overview with their attributes, and its text."""
    content = content_of(text, image=image)
    former = content.others[0].side.explanations
    svg = draw_overview(content.side.explanations, title=text, baseline=former)
    root = ET.fromstring(svg.encode())
    for node in root.iter():
        for name, value in node.attrib.items():
            assert not name.startswith("on")
            assert name != "href" or value.startswith("data:image/png;base64,")
    found = [(node.tag.rpartition("}")[2], tuple(node.attrib)) for node in root.iter()]
    return found, [node.text for node in root.iter() if node.text and node.text.strip()]


@pytest.mark.parametrize("start", PIECES)
def test_the_overview_is_well_formed_with_the_elements_of_its_harmless_twin(start):
    harmless, _ = overview("harmless", image=True)
    for text in HOSTILE[start : start + PIECES.step]:
        found, _ = overview(text, image=True)
        assert set(found) <= set(harmless)
        assert not clean(text) or found == harmless, text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(hostile_texts())
def test_any_mixture_makes_a_well_formed_overview(text):
    found, _ = overview(text)
    assert {tag for tag, _ in found} <= {"svg", "rect", "text", "line", "g", "circle", "polygon"}


MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
BLOCKS = {
    "paragraph_open", "paragraph_close", "inline", "bullet_list_open", "bullet_list_close",
    "list_item_open", "list_item_close", "html_block",
}  # fmt: skip
INLINE = {
    "text", "softbreak", "code_inline", "strong_open", "strong_close", "link_open", "link_close",
    "image", "html_inline", "text_special",
}  # fmt: skip


def described(text):
    """Return the tokens of a description that holds the block on hostile content."""
    content = content_of(text)
    block = compose_block(
        summarise_content(content),
        main_numbers(content),
        report=Link(f"Open the report of {text}", "#/report"),
        links=[Link(text, "#/other")],
        picture="get-artifact?path=x",
    )
    return MARKDOWN.parse(with_block("A person's words.", block))


def prove_described(text):
    tokens = described(text)
    assert {token.type for token in tokens} <= BLOCKS
    inside = [child for token in tokens for child in token.children or ()]
    assert {child.type for child in inside} <= INLINE
    links = [child.attrs["href"] for child in inside if child.type == "link_open"]
    assert links == ["#/report", "#/other"]
    images = [child.attrs["src"] for child in inside if child.type == "image"]
    assert images == ["get-artifact?path=x"]
    raw = {item.content.strip() for item in (*tokens, *inside) if item.type.startswith("html_")}
    assert {piece for piece in raw if not piece.startswith("<!-- lime:")} <= {"<code>", "</code>"}
    assert len([piece for piece in raw if piece.startswith("<!--")]) == 2


@pytest.mark.parametrize("start", PIECES)
def test_a_description_has_our_links_and_picture_and_no_others(start):
    for text in filter(clean, HOSTILE[start : start + PIECES.step]):
        prove_described(text)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(hostile_texts().filter(clean))
def test_any_mixture_makes_a_description_with_our_links_alone(text):
    prove_described(text)
