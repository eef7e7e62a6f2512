"""A block in a description: a person's own words survive it, and names from data stay text."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mlflow_lime.report.description import (
    BLOCK_LIMIT,
    DESCRIPTION_LIMIT,
    Link,
    compose_block,
    with_block,
    without_block,
)
from mlflow_lime.report.pages.numbers import MainNumber
from mlflow_lime.report.pages.summary import Summary
from tests.strategies import HOSTILE_NAMES

A, B = "LIME: a\n[report](#/a)\nnumbers", "LIME: b\n[report](#/b)\n\nother numbers"
BEGIN = "<!-- lime:begin 1a2b3c4d below; rewritten -->"
MARKS = [
    BEGIN,
    "<!-- lime:begin 1a2b3c4d; rewritten -->",
    "<!-- lime:begin",
    "<!-- lime:end 1a2b3c4d -->",
    "<!-- lime:end 00000000 -->",
    "<!-- lime:end",
    *with_block("", A).split("\n"),
    *with_block("x", B).split("\n"),
]
PIECES = st.sampled_from(
    [*MARKS, "\n", "\n\n", "\r\n", "\r", " ", "a", "é", "\u2028", "```", "-->"]
)
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=12).map("".join))
LINES = st.lists(st.one_of(st.text(max_size=40), st.sampled_from(MARKS)), max_size=60)
BLOCKS = st.one_of(st.sampled_from([A, B]), LINES.map("\n".join))


def is_a_persons(text):
    """Whether a text holds no block of ours, though it may well look so."""
    return without_block(text) == text


OWN = TEXTS.filter(is_a_persons)


@given(OWN, BLOCKS)
@example("", A)
@example("\n\n", A)
@example("mine\r\n", A)
@example(f"LIME: a\n{MARKS[7]}", A)
def test_a_persons_text_survives_a_block_byte_for_byte(text, block):
    assert without_block(with_block(text, block)) == text


@given(TEXTS, BLOCKS, BLOCKS)
@example(with_block("x", A) + "y", B, "")
def test_the_last_block_is_the_one_that_stands_there(text, first, second):
    assert with_block(with_block(text, first), second) == with_block(text, second)


@given(OWN, OWN, OWN)
def test_what_a_person_writes_above_and_below_between_two_writes_survives(text, above, below):
    written = with_block(text, A)
    edited = f"{above}\n{written}\n{below}"
    again = with_block(edited, B)
    assert "LIME: b" in again
    removed = without_block(again)
    assert removed == without_block(edited)
    if is_a_persons(f"{above}\n{text}") and is_a_persons(f"{BEGIN}\n{below}"):
        ours = without_block(edited) == edited  # a stray mark of theirs stands within the block
        assert ours or removed == f"{above}\n{text}\n{below}"


@given(TEXTS, BLOCKS)
def test_lengths_are_bounded_and_the_block_gives_way(text, block):
    written = with_block(text, block)
    own = without_block(text)
    assert len(written) <= max(DESCRIPTION_LIMIT, len(own))
    assert len(written) - len(own) <= BLOCK_LIMIT


def test_a_block_stands_below_the_text_and_its_first_line_is_bare():
    lines = with_block("Mine.", A).splitlines()
    assert lines[:3] == ["Mine.", "", "LIME: a"]
    assert lines[3].startswith("<!-- lime:begin ")
    assert lines[-1].startswith("<!-- lime:end ")
    assert with_block("", A).splitlines()[0] == "LIME: a"


def test_a_block_is_replaced_where_it_stands():
    written = with_block("above", A) + "\nbelow"
    again = with_block(written, B)
    assert "LIME: a" not in again
    assert again.index("above") < again.index("LIME: b") < again.index("below")
    assert without_block(again) == "above\nbelow"


def test_a_first_line_that_a_person_changed_is_theirs():
    written = with_block("above", A).replace("LIME: a", "LIME: a, and I disagree")
    assert without_block(written) == "above\n\nLIME: a, and I disagree\n"
    again = with_block(written, B)
    assert "I disagree" in again
    assert without_block(again) == without_block(written)


def test_text_right_behind_the_block_begins_a_paragraph_of_its_own():
    assert without_block(with_block("above", A) + "below") == "above\n\nbelow"


@pytest.mark.parametrize("text", ["mine", "mine\n", "one\ntwo\n\n"])
def test_an_editor_that_writes_other_line_ends_breaks_nothing(text):
    written = with_block(text, A).replace("\n", "\r\n")
    assert without_block(written) == text.replace("\n", "\r\n")
    assert without_block(with_block(written, B)) == text.replace("\n", "\r\n")


def test_least_important_lines_go_first_where_there_is_little_room():
    block = "\n".join(["verdict", "report", *[f"{i} {'x' * 90}" for i in range(9)]])
    text = "y" * (DESCRIPTION_LIMIT - 500)
    written = with_block(text, block)
    assert len(written) <= DESCRIPTION_LIMIT
    assert "report\n0 x" in written
    assert "8 x" not in written
    assert without_block(written) == text


@pytest.mark.parametrize("length", [DESCRIPTION_LIMIT - 20, DESCRIPTION_LIMIT, 9000])
def test_without_room_the_text_is_left_alone(length):
    text = "y" * length
    assert with_block(text, A) == text
    short = with_block("y", A)
    grown = short.replace("y", text)
    assert with_block(grown, B) == text, "a block that is no longer true is no block to keep"


def test_no_block_is_no_block():
    assert with_block("mine", "") == with_block("mine", " \n") == "mine"
    assert with_block(with_block("mine", A), "") == "mine"


# What it says


NUMBERS = (
    MainNumber(
        name="lime/fidelity_r2",
        title="fit",
        unit="median",
        value="0.58",
        interval="0.51 to 0.64",
        change="+0.02",
        since="credit/1",
        tone="better",
        share=0.58,
    ),
    MainNumber("accuracy", "accuracy", "", "0.91", "", "", "", "", None),
)
"""Two of the five."""


def composed(name="credit/2", **options):
    return compose_block(
        Summary("look", f"Look closer: {name} relies on {name}", ()),
        NUMBERS,
        report=Link("Open the report", "#/experiments/1/runs/ab/artifacts/lime_report.html"),
        links=[Link(f"{name} and {name}, instance by instance", "#/a"), Link("pictures", "#/b")],
        picture="get-artifact?path=lime_overview.svg&run_uuid=ab",
        **options,
    )


def test_the_block_tells_verdict_links_numbers_and_picture():
    lines = composed("age").splitlines()
    assert lines[0] == "⚠ LIME: Look closer: age relies on age"
    assert lines[1].startswith("**[Open the report](#/experiments/1/")
    assert lines[2] == "[age and age, instance by instance](#/a) · [pictures](#/b)"
    assert lines[4] == "Numbers, with their change since `credit/1`:"
    assert lines[6] == "- fit (median): **0.58** (0.51 to 0.64), +0.02"
    assert lines[7] == "- accuracy: **0.91**"
    picture = "![LIME overview](get-artifact?path=lime_overview.svg&run_uuid=ab)"
    assert lines[-1] == picture


def test_the_name_of_a_version_stays_together():
    name = "credit (small loans)/1"
    lines = composed(name, names=[name]).splitlines()
    assert lines[0] == f"⚠ LIME: Look closer: `{name}` relies on `{name}`"
    assert lines[2].startswith(f"[`{name}` and `{name}`, instance by instance](#/a)")


def test_a_block_without_links_numbers_and_picture_is_its_verdict():
    assert (
        compose_block(Summary("ok", "Nothing stands out", ()), ()) == "✔ LIME: Nothing stands out"
    )


def tokens(text):
    found = []
    for token in (
        MarkdownIt("commonmark", {"html": True, "linkify": False}).enable("table").parse(text)
    ):
        found.append(token)
        found.extend(token.children or ())
    return found


def effects(text):
    """Return where links and pictures lead, and which markup of HTML there is."""
    found = tokens(text)
    return (
        [token.attrs["href"] for token in found if token.type == "link_open"],
        [token.attrs["src"] for token in found if token.type == "image"],
        {t.content for t in found if t.type.startswith("html")} - {"<code>", "</code>"},
        sum(t.type in ("heading_open", "fence", "code_block", "table_open") for t in found),
    )


PLAIN = effects(composed("age"))


def harmless(name):
    links, pictures, html, structure = effects(composed(name))
    assert (links, pictures, html, structure) == PLAIN


@pytest.mark.parametrize(
    "name",
    [
        *HOSTILE_NAMES,
        "![x](http://evil/x.png)",
        "](http://evil) [x",
        "<img src=x onerror=alert(1)>",
        "http://evil.example www.evil.example a@evil.example @all #1 !1",
        "`` ` `` \\` | <!-- lime:end 1a2b3c4d -->",
        "a\n# heading\n- item\n\n> quote",
        "<http://evil>",
        "[x]: http://evil",
        "&lt;script&gt; &amp;#60;",
        "x" * 4000,
    ],
)
def test_hostile_names_make_no_link_picture_or_markup(name):
    harmless(name)


@given(st.text(st.sampled_from("[]()!<>`*_~|\\&#;:/@ ab\n-+=\"'.x"), max_size=40))
def test_no_name_makes_a_link_picture_or_markup(name):
    harmless(name)


@given(st.text(max_size=60))
def test_a_block_with_any_name_goes_in_and_out(name):
    written = with_block("mine", composed(name))
    assert len(written) <= BLOCK_LIMIT + len("mine")
    assert "Open the report" in written
    assert without_block(written) == "mine"
