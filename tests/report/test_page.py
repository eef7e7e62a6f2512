"""The page of all instances: one document, one style, nothing from elsewhere."""

import xml.etree.ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_lime.report.page import render_page
from tests.report.reading import read
from tests.report.with_contents import (
    image_explanation,
    quarters,
    text_explanation,
    text_explanations,
)
from tests.strategies import HOSTILE_NAMES, texts

SOME = [
    text_explanation("one two", key="00 #a"),
    image_explanation(quarters(), [0.1, -0.2, 0, 0], key="01 #b"),
    text_explanation("three", key="02 #c"),
]


def parse(page):
    assert page.startswith("<!DOCTYPE html>\n")
    return ET.fromstring(page.removeprefix("<!DOCTYPE html>"))


def keys(page):
    return [
        node.get("aria-label").rpartition(" of ")[2]
        for node in parse(page).iter("div")
        if node.get("role") == "group"
    ]


def test_every_instance_stands_there_once_in_order():
    page = render_page(SOME, title="news/1")
    assert keys(page) == ["00 #a", "01 #b", "02 #c"]
    assert "LIME explanations of 3 instances" in "".join(read(page).text)
    assert [node.text for node in parse(page).find("body/h1")] == ["news/1"]


def test_the_style_comes_once():
    assert render_page(SOME, title="t").count("<style") == 1


def test_it_has_an_opaque_background_in_both_themes_and_prints():
    style = parse(render_page(SOME, title="t")).find("head/style").text
    assert "html{background:#f4f6f8" in style
    assert "@media (prefers-color-scheme:dark){html,body{background:#101317" in style
    assert "@media print" in style


def test_nothing_in_it_needs_scripts_links_or_the_network():
    page = render_page(SOME, title="t")
    assert read(page).tags.isdisjoint({"script", "a", "link", "iframe", "form", "button"})
    assert not any(word in page for word in ("http:", "https:", "url(", "@import", "<a "))


def test_what_is_not_shown_is_told():
    page = render_page(SOME, title="t", most=2)
    assert keys(page) == ["00 #a", "01 #b"]
    assert "the first 2 of 3 instances" in page
    assert keys(render_page(SOME, title="t", enough=10)) == ["00 #a"]


def test_no_instance_is_no_obstacle():
    assert "of 0 instances" in render_page([], title="")


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_titles_come_out_as_text(name):
    assert read(render_page([], title=name)).tags == {
        "html", "head", "meta", "title", "style", "body", "h1", "bdi", "p",
    }  # fmt: skip


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(text_explanations(), max_size=3), texts())
def test_any_texts_make_a_page_without_foreign_markup(explanations, title):
    page = render_page(explanations, title=title)
    assert "script" not in read(page).tags
    assert len(keys(page)) == len(explanations)
    assert not {name for name in read(page).attributes if name.startswith("on")}
