import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_lime.report import wording
from tests.strategies import make_explanation, make_label, texts

FLOATS = st.floats(allow_nan=True, allow_infinity=True)


@given(texts())
def test_cleaned_text_is_one_line_that_utf8_and_xml_admit(text):
    cleaned = wording.clean(text)
    cleaned.encode("utf-8")
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in cleaned)
    assert not set(cleaned) & set("\u202e\u2066\u2028\ufffe\uffff")


def test_lone_surrogates_are_replaced():
    assert wording.clean("a\udc80b") == "a\ufffdb"


@given(texts(), st.integers(1, 60))
def test_cut_text_fits_and_is_untouched_where_it_fitted(text, limit):
    result = wording.cut(text, limit)
    assert wording.cells(result) <= max(1, limit)
    if wording.cells(wording.clean(text)) <= limit:
        assert result == wording.clean(text)


def test_cut_keeps_the_value_at_the_end():
    assert wording.cut("number of late payments = 17", 16).endswith("= 17")


@given(FLOATS)
def test_every_number_has_a_short_form(value):
    assert 0 < len(wording.number(value)) <= 18
    assert wording.score(value)
    assert wording.r2(value)


@given(st.lists(FLOATS))
def test_signed_numbers_tell_their_sign(values):
    for value, text in zip(values, wording.signed(values), strict=True):
        if math.isfinite(value) and any(char in "123456789" for char in text):
            assert text[0] == ("+" if value > 0 else "-")


def test_thousands_do_not_turn_into_exponents():
    assert wording.number(9999.9) == "10,000"
    assert wording.signed([250_000.0, -12.0]) == ["+250,000", "-12"]


@pytest.mark.parametrize("value", [0.996, 0.0049, 0.9999999, 1e-9])
def test_a_probability_that_is_not_certain_never_reads_so(value):
    assert wording.score(value) not in ("1.00", "0.00")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"fidelity_r2": 0.9}, None),
        ({"fidelity_r2": 0.03}, "explain only 3%"),
        ({"fidelity_r2": math.nan}, "unknown"),
        ({"fidelity_r2": math.nan, "flat": True}, "nothing to explain"),
    ],
)
def test_readers_are_warned_of_poor_fits(changes, expected):
    warning = wording.caveat(make_label([0.1], **changes))
    assert warning is None if expected is None else expected in warning


def test_headline_names_the_probability_or_the_value():
    label = make_label([0.1], prediction=0.69)
    assert wording.headline(make_explanation([label]), label) == "P(malignant) = 0.69"
    price = make_label([0.1], label="value", prediction=251_300.4)
    house = make_explanation([price], mode="regression")
    assert wording.headline(house, price) == "prediction = 251,300"


@given(texts())
def test_cleaned_lines_keep_their_white_space_and_xml_admits_them(text):
    cleaned = wording.clean_lines(text)
    cleaned.encode("utf-8")
    assert not set(cleaned) & {*map(chr, range(9)), "\r", "\x7f", "\x85", *"\u202e\u2028\uffff"}
    if text.isprintable() and not set(text) & set("\u202e\u2066\ufffe\uffff"):
        assert cleaned == text


def test_every_kind_of_line_end_is_one():
    assert wording.clean_lines("a\r\nb\rc\nd\u2028e\u2029f\x85g") == "a\nb\nc\nd\ne\nf\ng"
    assert wording.clean_lines(" a \t\n\n b\x00") == " a \t\n\n b\ufffd"


def test_a_weight_is_sure_where_its_interval_excludes_zero():
    nan = math.nan
    label = make_label(
        [0.2, -0.2, 0.1, 0.0, nan, 0.3],
        low=np.array([0.1, -0.3, -0.1, 0.0, nan, nan]),
        high=np.array([0.3, -0.1, 0.3, 0.0, nan, nan]),
    )
    assert wording.is_sure(label).tolist() == [True, True, False, False, False, False]


def test_units_are_those_of_the_output():
    assert wording.units(make_explanation([make_label([0.1])])) == "probability"
    regression = make_explanation([make_label([0.1])], mode="regression")
    assert wording.units(regression) == "units of the target"
