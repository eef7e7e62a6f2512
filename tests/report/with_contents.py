"""Explanations of texts, images and sequences, made by hand, and a strategy for texts."""

import re

import numpy as np
from hypothesis import strategies as st

from mlflow_lime.core.contents import ImageContent, SequenceContent, TextContent
from mlflow_lime.core.sequence.windows import Cutter, part_names
from tests.strategies import make_explanation, make_label, texts


def image_content(pixels, segments, *, untestable=(), column=""):
    """Return an image whose testable segments are parts, in their order."""
    segments = np.asarray(segments, dtype=np.int32)
    owners = np.full(segments.max() + 1, -1, dtype=np.int32)
    testable = [s for s in range(len(owners)) if s not in untestable]
    owners[testable] = np.arange(len(testable))
    return ImageContent(column, np.asarray(pixels, dtype=np.uint8), segments, owners)


def quarters(side=8, *, level=128, untestable=(), column=""):
    """Return a grey image of four square segments, numbered as they are read."""
    rows, columns = np.indices((side, side)) * 2 // side
    pixels = np.full((side, side, 3), level)
    return image_content(pixels, 2 * rows + columns, untestable=untestable, column=column)


def image_explanation(content, weights, *, key="03 #21cc2b", error=0.0, **changes):
    """Return an explanation whose parts are the segments of one image."""
    label = changes.pop("label", None) or make_label(weights, error=error)
    segments = np.flatnonzero(content.owners >= 0)
    names = [f"segment {s}" for s in segments]
    fields = {"parts": names, "names": names, "contents": (content,), "exact": not error}
    return make_explanation([label], key=key, **(fields | changes))


def word_spans(text):
    """Return the spans of the distinct words, and the words."""
    words, spans = [], []
    for match in re.finditer(r"\w+", text):
        if match.group() not in words:
            words.append(match.group())
        spans.append((*match.span(), words.index(match.group())))
    return np.array(spans, dtype=np.int32).reshape(-1, 3), words


def text_explanation(text, weights=None, *, error=0.0, column="", **changes):
    """Return an explanation whose parts are the distinct words of a text."""
    spans, words = word_spans(text)
    weights = np.linspace(-1, 1, len(words)) if weights is None else weights
    label = changes.pop("label", None) or make_label(weights, error=error)
    contents = (TextContent(column, text, spans),)
    fields = {"parts": words, "names": words, "contents": contents, "exact": not error}
    return make_explanation([label], **(fields | changes))


def series_explanation(
    values, weights=None, *, features=None, error=0.0, parts="cells", count=3, **changes
):
    """Return an explanation whose parts are the windows of one sequence."""
    values = np.asarray(values, dtype=np.float64)
    n_steps, n_features = values.shape
    features = features or tuple("abcdefghijkl"[:n_features])
    labels = Cutter(parts, count=count)(values)
    steps = tuple(range(n_steps))
    names = part_names(labels, features, steps)
    content = SequenceContent("", values, labels, features, steps)
    label = changes.pop("label", None) or make_label(weights, error=error)
    fields = {"parts": names, "names": names, "contents": (content,), "exact": not error}
    return make_explanation([label], **(fields | changes))


@st.composite
def text_explanations(draw):
    """Return explanations of hostile texts, with stretches anywhere in them."""
    text = draw(texts())
    cuts = draw(st.lists(st.integers(0, len(text)), max_size=8).map(sorted))
    n_parts = draw(st.integers(1, 4))
    spans = [
        (start, end, draw(st.integers(0, n_parts - 1)))
        for start, end in zip(cuts[::2], cuts[1::2], strict=False)
    ]
    weights = draw(st.lists(st.floats(-1, 1), min_size=n_parts, max_size=n_parts))
    content = TextContent(draw(texts()), text, np.array(spans, dtype=np.int32).reshape(-1, 3))
    label = make_label(weights, error=draw(st.sampled_from([0.0, 1e-3, 0.1])))
    return make_explanation([label], key=draw(texts()), contents=(content,))
