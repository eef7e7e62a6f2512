"""Texts, images and sequences that parts lie in: the same after JSON, and where each part is."""

import base64
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mlflow_lime.core.contents import (
    ImageContent,
    SequenceContent,
    TextContent,
    content_from_dict,
)
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.errors import DataError
from tests.report.with_contents import image_explanation, quarters, text_explanations
from tests.strategies import make_explanation, make_label


@given(text_explanations())
@settings(deadline=None, max_examples=40)
def test_texts_come_back_from_json(explanation):
    (again,) = Explanation.from_json(explanation.to_json()).contents
    (content,) = explanation.contents
    assert (again.column, again.text) == (content.column, content.text)
    np.testing.assert_array_equal(again.spans, content.spans)
    assert again.spans.dtype == np.int32


@given(st.data())
@settings(deadline=None, max_examples=30)
def test_images_come_back_from_json(data):
    shape = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    n_segments = data.draw(st.sampled_from([1, 3, 300, 70_000]))
    content = ImageContent(
        "photo",
        data.draw(arrays.arrays(np.uint8, (*shape, 3))),
        data.draw(arrays.arrays(np.int32, shape, elements=st.integers(0, n_segments - 1))),
        np.arange(-1, n_segments - 1, dtype=np.int32),
    )
    again = content_from_dict(json.loads(json.dumps(content.to_dict())))
    assert again.column == "photo"
    for name in ("pixels", "segments", "owners"):
        one, other = getattr(again, name), getattr(content, name)
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype


def test_an_image_comes_back_with_its_explanation():
    explanation = image_explanation(quarters(untestable=[2]), [0.1, -0.2, 0.3])
    again = Explanation.from_json(explanation.to_json())
    assert again.to_json() == explanation.to_json()
    np.testing.assert_array_equal(again.contents[0].owners, [0, 1, -1, 2])


def test_untestable_segments_have_no_weight():
    weights = quarters(2, untestable=[2]).weight_map(np.array([0.1, -0.2, 0.3]))
    np.testing.assert_array_equal(weights, [[0.1, -0.2], [np.nan, 0.3]])


def test_parts_move_behind_those_of_other_columns():
    moved = quarters(untestable=[2]).moved(5, "photo")
    assert moved.column == "photo"
    assert moved.owners.tolist() == [5, 6, -1, 7]
    assert moved.parts.tolist() == [5, 6, 7]
    text = TextContent("", "a b a", np.array([[0, 1, 0], [2, 3, 1], [4, 5, 0]], dtype=np.int32))
    assert text.moved(2, "body").parts.tolist() == [2, 3]
    assert text.parts.tolist() == [0, 1]


def test_an_unknown_kind_is_refused():
    with pytest.raises(DataError, match="kind 'sound', expected one of"):
        content_from_dict({"kind": "sound"})


@pytest.mark.parametrize("spans", [[[0, 9, 0]], [[2, 1, 0]], [[0, 2, 0], [1, 3, 0]], [[-1, 1, 0]]])
def test_stretches_outside_the_text_or_over_another_are_refused(spans):
    with pytest.raises(DataError, match="overlap or lie outside"):
        content_from_dict({"kind": "text", "column": "", "text": "abc", "spans": spans})


def test_files_that_are_no_png_are_refused():
    data = quarters().to_dict()
    for broken in ("", "%%%", base64.b64encode(b"GIF89a").decode(), data["pixels"][:60]):
        with pytest.raises(DataError, match="no PNG in base64"):
            content_from_dict(data | {"pixels": broken})


@pytest.mark.parametrize(
    "changes", [{"owners": [0]}, {"segments": quarters(4).to_dict()["pixels"]}]
)
def test_segments_that_do_not_fit_the_image_are_refused(changes):
    with pytest.raises(DataError, match="has segments of shape"):
        content_from_dict(quarters().to_dict() | changes)


def test_explanations_without_contents_are_read_as_before():
    explanation = image_explanation(quarters(), [0.1, 0.2, 0.3, 0.4])
    data = explanation.to_dict()
    del data["contents"]
    assert Explanation.from_dict(data).contents == ()


def sequence(**changes):
    fields = {
        "column": "series",
        "values": np.array([[0.1, np.nan], [-np.inf, 2.0], [3.0, 1e300]]),
        "labels": np.array([[0, 0], [0, 0], [2, 2]], dtype=np.int32),
        "features": ("temp", "load"),
        "steps": (3, 2, 1),
        "counted": "lag",
    }
    return SequenceContent(**{**fields, **changes})


def test_sequences_come_back_from_json_bit_by_bit():
    content = sequence()
    again = content_from_dict(json.loads(json.dumps(content.to_dict())))
    assert again.values.tobytes() == content.values.tobytes()
    assert again.labels.dtype == np.int32
    np.testing.assert_array_equal(again.labels, content.labels)
    for name in ("column", "features", "steps", "counted"):
        assert getattr(again, name) == getattr(content, name)


def test_windows_move_behind_the_parts_of_other_columns():
    moved = sequence().moved(5, "other")
    assert (moved.column, moved.parts.tolist()) == ("other", [5, 7])


@pytest.mark.parametrize(
    "changes",
    [
        {"features": ("temp",)},
        {"steps": (1, 2)},
        {"labels": np.zeros((2, 2), dtype=np.int32)},
        {"labels": np.full((3, 2), -1, dtype=np.int32)},
        {"labels": np.full((3, 2), 0.5)},
        {"labels": np.full((3, 2), np.nan)},
        {"counted": "hours"},
        {"values": np.zeros((0, 2)), "labels": np.zeros((0, 2)), "steps": ()},
    ],
)
def test_windows_that_do_not_fit_the_sequence_are_refused(changes):
    data = json.loads(json.dumps(sequence(**changes).to_dict()))
    with pytest.raises(DataError, match="was changed after it was written"):
        content_from_dict(data)


def test_names_of_windows_stay_where_values_may_not_be_stored():
    names = ("a", "steps 0 to 1", "step 2")
    content = sequence(labels=np.array([[1, 1], [1, 1], [2, 2]], dtype=np.int32))
    label = make_label([0.1, 0.2, 0.3])
    explanation = make_explanation([label], names=names, contents=(content,))
    bare = explanation.redacted()
    assert bare.names == names
    assert bare.contents == ()
    assert "numbered_parts" not in bare.recipe
