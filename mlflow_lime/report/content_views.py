"""What the HTML template shows of texts, images and sequences: marks, overlays, windows."""

import base64
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.contents import Content, ImageContent, TextContent
from mlflow_lime.core.explanation import Explanation, LabelExplanation
from mlflow_lime.report.overlays import colours_of, encode_png, largest, overlay
from mlflow_lime.report.series_views import series_view
from mlflow_lime.report.wording import clean_lines, cut, direction_words, is_sure, signed, units

__all__ = ["content_views", "numbered_parts", "text_view"]

_STEPS = 6
"""Strengths of a mark."""

_SPOKEN = 10
"""Parts of a text whose weights are read out by screen readers."""

_SIDE = 340
_COLOURS = 192
_NUMBERED = 10
"""Badges on an image."""


def content_views(explanation: Explanation, label: LabelExplanation) -> list[dict[str, Any]]:
    """Return what the template shows of each text, image and sequence: cleaned strings, numbers.

    Parameters
    ----------
    explanation : Explanation
        The explained instance.
    label : LabelExplanation
        The surrogate to show.
    """
    return [_view(content, explanation, label) for content in explanation.contents]


def _view(content: Content, explanation: Explanation, label: LabelExplanation) -> dict[str, Any]:
    if isinstance(content, TextContent):
        return text_view(content, explanation, label)
    if isinstance(content, ImageContent):
        return _image_view(content, explanation, label)
    return series_view(content, explanation, [("", label)])


def numbered_parts(
    explanation: Explanation, label: LabelExplanation, *, top: int
) -> dict[int, int]:
    """Return the ranks, from 1, of the heaviest parts that lie in images, by part."""
    images = [item for item in explanation.contents if isinstance(item, ImageContent)]
    owned = set().union(*(item.parts.tolist() for item in images))
    heaviest = label.order()[: max(1, min(top, _NUMBERED))].tolist()
    return {
        part: rank
        for rank, part in enumerate(heaviest, start=1)
        if part in owned and _has_sign(label.weights[part])
    }


def text_view(
    content: TextContent,
    explanation: Explanation,
    label: LabelExplanation,
    *,
    limit: float | None = None,
) -> dict[str, Any]:
    """Return what a template shows of one text: its stretches, marked where a part surely weighs.

    Parameters
    ----------
    content : TextContent
    explanation : Explanation
        The explained instance.
    label : LabelExplanation
        The surrogate to show; its parts are those of the explanation.
    limit : float, optional
        Absolute weight of the strongest mark, in units of the output; the largest one of the
        surrogate by default.
    """
    marks = _marks(label, is_sure(label), limit or largest(label.weights))
    return {
        "kind": "text",
        "column": cut(content.column, 60),
        "length": f"{len(content.text):,}",
        "any": any(part in marks for part in content.parts.tolist()),
        "runs": list(_runs(content, explanation, label, marks)),
    }


def _runs(
    content: TextContent,
    explanation: Explanation,
    label: LabelExplanation,
    marks: Mapping[int, tuple[str, str, str]],
) -> Iterator[dict[str, str]]:
    """Yield the text in stretches, marked where a part is surely not zero."""
    against, towards = direction_words(explanation)
    heaviest = set(label.order()[:_SPOKEN].tolist())
    position = 0
    for start, end, part in content.spans.tolist():
        if part not in marks:
            continue
        css, weight, interval = marks[part]
        if position < start:
            yield _run(content.text[position:start])
        spoken = ""
        if part in heaviest:
            heaviest.remove(part)  # read out where the part first occurs
            spoken = f" ({towards if css[0] == 't' else against} {weight})"
        title = f"{weight} ({interval})" if interval else weight
        yield _run(content.text[start:end], css=css, title=title, spoken=spoken)
        position = end
    if position < len(content.text):
        yield _run(content.text[position:])


def _run(text: str, *, css: str = "", title: str = "", spoken: str = "") -> dict[str, str]:
    return {"text": clean_lines(text), "css": css, "title": title, "spoken": spoken}


def _marks(
    label: LabelExplanation, sure: NDArray[np.bool_], limit: float
) -> dict[int, tuple[str, str, str]]:
    """Return style, weight and interval of each part that is marked."""
    parts = np.flatnonzero(sure)
    weights, low, high = label.weights[parts], label.low[parts], label.high[parts]
    texts = [text.replace("-", "−") for text in signed([*weights, *low, *high])]
    n = len(parts)
    marks = {}
    for j, part in enumerate(parts.tolist()):
        step = min(_STEPS, max(1, round(_STEPS * abs(float(weights[j])) / limit)))
        style = f"{'t' if weights[j] > 0 else 'a'}{step}"
        interval = f"{texts[n + j]} to {texts[2 * n + j]}" if low[j] != high[j] else ""
        marks[part] = (style, texts[j], interval)
    return marks


def _image_view(
    content: ImageContent, explanation: Explanation, label: LabelExplanation
) -> dict[str, Any]:
    ranks = numbered_parts(explanation, label, top=_NUMBERED)
    mine = set(content.parts.tolist())
    pixels = overlay(
        content, label, side=_SIDE, ranks={p: r for p, r in ranks.items() if p in mine}
    )
    high = signed([largest(label.weights)])[0].lstrip("+")
    shares = np.linspace(-1, 1, 13)
    return {
        "kind": "image",
        "column": cut(content.column, 60),
        "png": base64.b64encode(encode_png(pixels, colours=_COLOURS)).decode("ascii"),
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "alt": _alt(content, explanation, label),
        "low": f"−{high}",
        "high": f"+{high}",
        "scale": ["#{:02x}{:02x}{:02x}".format(*rgb) for rgb in colours_of(shares).astype(int)],
        "units": units(explanation),
        "untestable": bool((content.owners[np.unique(content.segments)] < 0).any()),
        "numbered": bool(mine & ranks.keys()),
    }


def _alt(content: ImageContent, explanation: Explanation, label: LabelExplanation) -> str:
    """Return the image's heaviest segments in words."""
    height, width = content.segments.shape
    order, weights = label.order(), label.weights
    inside = [part for part in order[np.isin(order, content.parts)] if _has_sign(weights[part])]
    heaviest = inside[:3]
    against, towards = direction_words(explanation)
    phrases = [
        f"{cut(explanation.parts[part], 60)}, "
        f"{towards if weights[part] > 0 else against} {weight.replace('-', '−')}"
        for part, weight in zip(heaviest, signed(weights[heaviest]), strict=True)
    ]
    told = f"Heaviest segments: {'; '.join(phrases)}." if phrases else "No segment has weight."
    return f"Image of {width} by {height} pixels, its segments tinted by weight. {told}"


def _has_sign(weight: float) -> bool:
    return math.isfinite(weight) and weight != 0
