"""An outcome comes back from its line with the same bits, and a damaged line is noticed."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_lime.core.contents import ImageContent, SequenceContent, TextContent
from mlflow_lime.core.explanation import Explanation, FailedExplanation, LabelExplanation
from mlflow_lime.core.packed import join, name_of, pack, split, unpack
from mlflow_lime.errors import DataError
from tests.strategies import explanations, failed_explanations, make_explanation, make_label

ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True, width=64)


def bits(value):
    """Return a value in a form in which equal means equal bit by bit."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, float):
        return np.float64(value).tobytes()
    if isinstance(value, (Explanation, LabelExplanation, FailedExplanation)):
        names = [field.name for field in fields(value)]
        return type(value).__name__, [(name, bits(getattr(value, name))) for name in names]
    if isinstance(value, (TextContent, ImageContent, SequenceContent)):
        return [bits(getattr(value, field.name)) for field in fields(value)]
    if isinstance(value, (tuple, list)):
        return [bits(item) for item in value]
    return type(value).__name__, value


@st.composite
def outcomes(draw):
    """Return outcomes whose numbers are any float64 and whose texts are any text."""
    any_text = st.text(st.characters(exclude_categories=()), max_size=8)
    if draw(st.booleans()):
        return FailedExplanation(draw(any_text), draw(any_text), draw(any_text))
    made = draw(explanations())
    labels = []
    for item in made.labels:
        array = np.array([draw(ANY_FLOAT) for _ in item.weights])
        labels.append(
            replace(item, label=draw(any_text), weights=array, low=-array, partial_r2=array[0])
        )
    return replace(
        made,
        labels=tuple(labels),
        parts=tuple(draw(any_text) for _ in made.parts),
        scores=np.array([draw(ANY_FLOAT) for _ in made.scores]),
        permuted_r2=draw(ANY_FLOAT),
        key=draw(any_text),
        notes=(draw(any_text),),
        recipe={draw(any_text): [draw(any_text), 1, 0.1, None, True, {"a": {}}]},
    )


@given(outcomes())
@settings(max_examples=150, deadline=None)
def test_an_outcome_comes_back_with_the_same_bits(outcome):
    line = pack(outcome)
    assert b"\n" not in line
    assert bits(unpack(line)) == bits(outcome)
    assert name_of(line) == (outcome.key, isinstance(outcome, Explanation))


@given(explanations() | failed_explanations())
@settings(max_examples=50, deadline=None)
def test_the_lines_of_earlier_releases_are_read(outcome):
    if isinstance(outcome, FailedExplanation):
        entry = {"failed": {"key": outcome.key, "reason": outcome.reason, "kind": outcome.kind}}
    else:
        entry = {"explained": outcome.to_dict()}
    line = json.dumps(entry).encode()
    read = unpack(line)
    assert pack(read) == pack(outcome)
    assert name_of(line) == name_of(pack(outcome))


def test_texts_images_and_sequences_come_back():
    text = TextContent("review", "so \ud800 bad\n", np.array([[0, 2, 0]], dtype=np.int32))
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    segments = np.arange(16, dtype=np.int32).reshape(4, 4) % 2
    image = ImageContent("", pixels, segments, np.array([0, -1], dtype=np.int32))
    values = np.array([[np.nan, 0.1], [-0.0, 1e300]])
    labels = np.zeros((2, 2), dtype=np.int32)
    sequence = SequenceContent("s", values, labels, ("a", "b\ud800"), (1, 0), "lag")
    made = make_explanation([make_label([0.5])], contents=(text, image, sequence))
    assert bits(unpack(pack(made))) == bits(made)


def test_numbers_of_numpy_are_read_as_plain_numbers():
    recipe = {"width": np.float64(0.25), "levels": np.arange(3), "of": np.bool_(True)}
    made = make_explanation([make_label([0.5])], rows=np.int64(7), recipe=recipe)
    read = unpack(pack(made))
    assert read.rows == 7
    assert read.recipe == {"width": 0.25, "levels": [0, 1, 2], "of": True}


def test_what_is_read_may_be_written_to():
    label = unpack(pack(make_explanation([make_label([0.5, 0.25])]))).labels[0]
    label.weights[0] = 1.0
    assert label.weights.tolist() == [1.0, 0.25]


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_line_that_was_changed_anywhere_is_refused(data):
    line = bytearray(pack(make_explanation([make_label([0.5, -0.25])])))
    at = data.draw(st.integers(0, len(line) - 1))
    line[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DataError, match=r"explain it again"):
        unpack(bytes(line))
    with pytest.raises(DataError):
        name_of(bytes(line))


@given(st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_a_line_that_was_cut_is_refused(at):
    line = pack(make_explanation([make_label([0.5, -0.25])]))
    with pytest.raises(DataError):
        unpack(line[: at % len(line)])


@pytest.mark.parametrize(
    "line", [b"", b"5", b"null", b"[]", b"{}", b"\xff", b'{"failed": 3}', b"[" * 10**5]
)
def test_what_is_no_outcome_is_refused(line):
    with pytest.raises(DataError):
        unpack(line)


def test_an_explanation_is_taken_apart_and_put_together():
    made = make_explanation([make_label([0.5, -0.25]), make_label([1.0, 2.0], label="b", index=1)])
    rest, numbers = split(made)
    assert bits(join(made.key, rest, numbers)) == bits(made)
    for damaged in ((rest, numbers[:-8]), (rest, numbers[:-1]), (rest[:-1], numbers), (b"3", b"")):
        with pytest.raises(DataError):
            join(made.key, *damaged)
