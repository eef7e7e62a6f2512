"""Cutting texts: what a word, a character and a sentence is in many scripts."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_lime.core.text.split import KINDS, MAX_PARTS, readable, split, split_at
from mlflow_lime.errors import DataError

ALPHABET = st.characters() | st.sampled_from(
    "aAbΣσςéßİı\u0301\u093f\u094d\u200d\u200c\ufe0f\u20e3中文のカ한عَ"
    "😀👩👍🏽🇩🇪1_.'’!?。 \t\n\x00\ud800"
)
TEXTS = st.text(ALPHABET, max_size=40)


def words(text, parts="words"):
    return list(split(text, parts).texts)


@given(TEXTS, st.sampled_from(KINDS))
@settings(max_examples=300, deadline=None)
def test_spans_are_in_order_without_overlap_and_start_and_end_with_no_white_space(text, parts):
    found = split(text, parts)
    place = 0
    for start, end, part in found.spans.tolist():
        assert place <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        assert parts == "sentences" or not any(c.isspace() for c in text[start:end])
        assert found.texts[part] == text[start:end]
        place = end
    owners = found.spans[:, 2].tolist()
    assert list(dict.fromkeys(owners)) == list(range(len(found.texts)))
    assert found.spans.dtype == np.int32
    assert found.spans.shape[1] == 3


@given(TEXTS)
@settings(max_examples=200, deadline=None)
def test_characters_cover_everything_but_white_space(text):
    found = split(text, "characters")
    assert "".join(found.texts) == "".join(text.split())


@given(TEXTS)
@settings(max_examples=200, deadline=None)
def test_every_letter_and_digit_lies_in_a_word(text):
    covered = {i for start, end, _ in split(text).spans.tolist() for i in range(start, end)}
    assert {i for i, c in enumerate(text) if c.isalnum() or c == "_"} <= covered


@given(st.text(st.characters(max_codepoint=127), max_size=60), st.sampled_from(KINDS))
@settings(max_examples=200, deadline=None)
def test_the_fast_way_of_ascii_gives_the_same_spans(text, parts):
    fast = split(text, parts)
    slow = split(f"{text} é", parts)
    n = len(fast.spans)
    if parts == "sentences":
        same = slow.spans[: max(0, n - 1)], fast.spans[: max(0, n - 1)]
    else:
        same = slow.spans[:n], fast.spans
    assert same[0].tolist() == same[1].tolist()


def test_equal_words_are_one_part_and_upper_case_is_another():
    found = split("The cat saw the cat")
    assert found.texts == ("The", "cat", "saw", "the")
    assert found.spans[:, 2].tolist() == [0, 1, 2, 3, 1]
    assert split("the cat the", "positions").texts == ("the", "cat", "the")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cafe\u0301 nai\u0308ve", ["cafe\u0301", "nai\u0308ve"]),
        ("العَرَبِيَّة لغة", ["العَرَبِيَّة", "لغة"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("שָׁלוֹם עולם", ["שָׁלוֹם", "עולם"]),
        ("中文字 とても", ["中", "文", "字", "と", "て", "も"]),
        ("カタカナ 한국어", ["カタカナ", "한국어"]),
        ("don't don’t 'quoted'", ["don't", "don’t", "quoted"]),
        ("l’e\u0301te\u0301 e\u0301'a", ["l’e\u0301te\u0301", "e\u0301'a"]),
        ("a😀b", ["a", "😀", "b"]),
        ("👨‍👩‍👧‍👦👍🏽🇩🇪🇫🇷", ["👨‍👩‍👧‍👦", "👍🏽", "🇩🇪", "🇫🇷"]),
        ("1️⃣ #️⃣ ❤️ ☺", ["1️⃣", "#️⃣", "❤️", "☺"]),
        ("snake_case, x² – (ok) ™ …", ["snake_case", "x²", "ok"]),
        ("nul\x00byte \ud800lone", ["nul", "byte", "lone"]),
    ],
)
def test_words_of_many_scripts_and_emoji_stay_whole(text, expected):
    assert words(text, "positions") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ab c!", ["a", "b", "c", "!"]),
        ("e\u0301a", ["e\u0301", "a"]),
        ("👨‍👩‍👧‍👦 🇩🇪", ["👨‍👩‍👧‍👦", "🇩🇪"]),
        ("हिन्दी", ["हि", "न्", "दी"]),
        ("각한", ["각", "한"]),
        ("\u1112\u1161\u11ab\u1100\u116e\u11a8", ["\u1112\u1161\u11ab", "\u1100\u116e\u11a8"]),
        ("a\ud800 \x00", ["a", "\ud800", "\x00"]),
    ],
)
def test_a_character_is_what_a_person_sees_as_one(text, expected):
    assert words(text, "characters") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Dr. Smith met J. R. Tolkien. He left.", ["Dr. Smith met J. R. Tolkien.", "He left."]),
        ('She said "no." Then left.', ['She said "no."', "Then left."]),
        ("e.g. this, 3.14 too. ok", ["e.g. this, 3.14 too. ok"]),
        ("Head\n\nBody on\ntwo lines", ["Head", "Body on\ntwo lines"]),
        ("今日は。明日！ほら", ["今日は。", "明日！", "ほら"]),
        ("हाँ। नहीं।", ["हाँ।", "नहीं।"]),
        ("ما هذا؟ كتاب۔", ["ما هذا؟", "كتاب۔"]),
        ("Wait... !! ok. ***", ["Wait...", "ok."]),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text, expected):
    assert words(text, "sentences") == expected


@pytest.mark.parametrize("text", ["", "  \n\t", "?! … --", "«»"])
@pytest.mark.parametrize("parts", ["words", "positions", "sentences"])
def test_a_text_without_words_has_no_parts(text, parts):
    assert len(split(text, parts).spans) == 0


def test_five_thousand_parts_are_allowed_and_one_more_is_not():
    text = " ".join(f"w{i}" for i in range(MAX_PARTS))
    assert len(split(text).texts) == MAX_PARTS
    with pytest.raises(DataError, match=r"5,001 parts, and 5,000 can be tested; use sentences"):
        split(f"{text} more")
    assert len(split(f"{text} more", "sentences").texts) == 1


def test_an_unknown_kind_is_an_error_with_a_hint():
    with pytest.raises(DataError, match=r"words, positions, sentences, characters.*Did you mean"):
        split("a text", "word")
    with pytest.raises(DataError, match="got 3"):
        split("a text", 3)


def test_a_very_long_word_and_right_to_left_text_are_parts_like_others():
    assert words("x" * 100_000 + " y") == ["x" * 100_000, "y"]
    assert split("שלום world").spans.tolist() == [[0, 4, 0], [5, 10, 1]]


def test_pinned_spans_replace_the_cut_and_must_fit():
    found = split_at("a bc a", [[0, 1, 0], [2, 4, 1], [5, 6, 0]])
    assert found.texts == ("a", "bc")
    assert split_at("", []).texts == ()
    for bad in (
        [[0, 7, 0]],
        [[-1, 1, 0]],
        [[1, 1, 0]],
        [[2, 4, 0], [0, 1, 1]],
        [[0, 3, 0], [2, 4, 1]],
        [[0, 1, 1]],
        [[0, 1]],
        [["a", "b", "c"]],
        [[0.5, 1, 0]],
        "abc",
        [[0, 1, 0], [2]],
    ):
        with pytest.raises(DataError, match="pinned spans"):
            split_at("a bc a", bad)


def test_a_reading_is_short_and_has_no_control_characters():
    assert readable("a\x1b[31m \ud800") == "a\\x1b[31m \\ud800"
    assert readable("x" * 1000) == "x" * 59 + "…"
    assert readable("👨‍👩‍👧") == "👨‍👩‍👧"


def test_ascii_texts_build_no_unicode_tables():
    code = (
        "from mlflow_lime.core.text import alphabets, split\n"
        "[split.split('It is so. Good', kind) for kind in split.KINDS]\n"
        "assert alphabets._marks.cache_info().currsize == 0\n"
        "split.split('é')\n"
        "assert alphabets._marks.cache_info().currsize == 1\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
