"""Tokenizers of the user's own: offsets, tokens, and what can be wrong with them."""

from collections import UserDict
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_lime.core.text.offsets import callable_name, offsets_of
from mlflow_lime.errors import DataError

TEXT = "Hello big  world"


def returning(value):
    def tokenizer(text):
        return value

    return tokenizer


class Encoding:
    def __init__(self, offsets):
        self.offsets = offsets


class Batch(UserDict):
    """What a fast tokenizer returns where nobody asked for offsets."""

    encodings = (Encoding([(0, 0), (0, 5), (0, 0)]),)


@pytest.mark.parametrize(
    "raw",
    [
        [(0, 0), (0, 5), (5, 9), (9, 16), (0, 0)],
        [[0, 5], [5, 9], [9, 16]],
        ((0, 5), (6, 9), (11, 16)),
        np.array([[0, 0], [0, 5], [5, 9], [9, 16]]),
        np.array([[[0, 0], [0, 5], [5, 9], [9, 16]]]),
        [[(0, 0), (0, 5), (5, 9), (9, 16)]],
        {"input_ids": [1, 2, 3], "offset_mapping": [(0, 5), (5, 9), (9, 16)]},
        UserDict(offset_mapping=[(0, 5), (5, 9), (9, 16)]),
        Encoding([(0, 5), (5, 9), (9, 16)]),
        ["Hello", "big", "world"],
        ["Hello", " big", "", "  world"],
        iter(["Hello", "big", "world"]),
        [(0, 5), (5, 9), (9, 16), (11, 16), (12, 14)],
        [(11, 16), (0, 3), (2, 5), (6, 9)],
    ],
    ids=lambda raw: type(raw).__name__,
)
def test_whatever_holds_the_offsets_the_tokens_are_the_same(raw):
    assert offsets_of(TEXT, returning(raw)) == [(0, 5), (6, 9), (11, 16)]


def test_an_encoding_without_a_mapping_still_knows_its_offsets():
    assert offsets_of(TEXT, returning(Batch(input_ids=[1]))) == [(0, 5)]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([(0, 17)], "item 0 .* text of 16 characters"),
        ([(0, 5), (-1, 3)], "item 1 "),
        ([(5, 2)], "item 0 "),
        ([(0.0, 5.0)], "whole numbers"),
        ([(True, 5)], "whole numbers"),
        ([(0, None)], "whole numbers"),
        ([(0, 1, 2)], "got tuple"),
        ([1, 2, 3], "got int"),
        (["Hello", (6, 9)], "item 0 .* got str"),
        (["Hello", "##lo"], "token 1 .* not found in the text after character 5"),
        (["big", "Hello"], "token 1 .* not found"),
        (None, "failed with TypeError"),
        ("Hello", "failed with TypeError"),
        (7, "failed with TypeError"),
        ({"input_ids": [1]}, "failed with TypeError"),
    ],
)
def test_nonsense_is_an_error_that_names_the_tokenizer_and_no_text(raw, message):
    with pytest.raises(DataError, match=message) as caught:
        offsets_of(TEXT, returning(raw))
    assert "returning.<locals>.tokenizer" in str(caught.value)
    assert "Hello" not in str(caught.value)
    assert "big" not in str(caught.value)


def test_a_tokenizer_that_raises_is_named_with_the_kind_of_its_error():
    def broken(text):
        raise KeyError(text)

    with pytest.raises(DataError, match="broken failed with KeyError") as caught:
        offsets_of(TEXT, broken)
    assert "Hello" not in str(caught.value)


@given(st.lists(st.tuples(st.integers(0, 16), st.integers(0, 16)).map(sorted), max_size=8))
def test_merged_offsets_cover_what_the_tokens_cover_but_white_space(pairs):
    found = offsets_of(TEXT, returning(pairs))
    covered = {i for start, end in found for i in range(start, end)}
    given_ = {i for start, end in pairs for i in range(start, end)}
    assert covered <= given_
    assert all(TEXT[i].isspace() for i in given_ - covered)
    assert all(a[1] <= b[0] for a, b in pairwise(found))


def test_a_callable_is_known_by_module_and_name():
    assert callable_name(returning) == f"{__name__}:returning"
    assert callable_name(partial(returning, 1)) == "functools:partial"
    assert callable_name(Batch().get).endswith("Mapping.get")
