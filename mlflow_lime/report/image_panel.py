"""The upper half of an image's picture: the overlay and the map of its weights, with a scale."""

import numpy as np

from mlflow_lime.core.contents import ImageContent
from mlflow_lime.core.explanation import Explanation, LabelExplanation
from mlflow_lime.report.content_views import numbered_parts
from mlflow_lime.report.overlays import hatching, heat_map, largest, overlay
from mlflow_lime.report.paper import Paper
from mlflow_lime.report.scale import GREY, draw_scale, write_small
from mlflow_lime.report.wording import is_sure, units

__all__ = ["draw_images", "panel_height"]

_LEFT, _MIDDLE, _SIDE = 24, 360, 316  # where overlay and map begin, and their longer side
_CAPTION = 28
_FOOT = 74  # room for the scale
_MOST = 3
"""Images drawn; a table may have more columns of them."""


def panel_height(explanation: Explanation) -> int:
    """Return the pixels that `draw_images` needs; zero without an image."""
    return sum(_CAPTION + _height(content) + _FOOT for content in _images(explanation))


def draw_images(
    paper: Paper,
    y: float,
    explanation: Explanation,
    label_explanation: LabelExplanation,
    *,
    top: int = 10,
    limit: float | None = None,
) -> None:
    """Draw overlay, map and scale of each image, at most three of them.

    Parameters
    ----------
    paper : Paper
        700 pixels wide.
    y : float
        Where to begin, in pixels from the top.
    explanation : Explanation
        The explained instance.
    label_explanation : LabelExplanation
        The surrogate to draw.
    top : int, default 10
        How many of the heaviest parts may get a badge.
    limit : float, optional
        End of the scale on both sides of zero, in units of the output.
    """
    limit = limit or largest(label_explanation.weights)
    ranks = numbered_parts(explanation, label_explanation, top=top)
    for content in _images(explanation):
        height = _height(content)
        column = f"{content.column}: " if content.column else ""
        write_small(paper, f"{column}segments by rank and sign", _LEFT, y)
        write_small(paper, "weight of every segment", _MIDDLE, y)
        y += _CAPTION
        tinted = overlay(content, label_explanation, side=_SIDE, limit=limit, ranks=ranks)
        mapped = heat_map(content, label_explanation, side=_SIDE, limit=limit)
        tall, wide = tinted.shape[:2]
        paper.show(tinted, _LEFT, y, wide, tall)
        paper.show(mapped, _MIDDLE, y, wide, tall)
        y += height
        _write_notes(paper, y + 10, content, label_explanation)
        unit = f"{units(explanation)} per segment"
        draw_scale(paper, _MIDDLE, y + 10, _SIDE, limit=limit, unit=unit)
        y += _FOOT


def _images(explanation: Explanation) -> list[ImageContent]:
    return [item for item in explanation.contents if isinstance(item, ImageContent)][:_MOST]


def _height(content: ImageContent) -> int:
    height, width = content.segments.shape
    return int(max(1, round(_SIDE * height / max(height, width))))


def _write_notes(paper: Paper, y: float, content: ImageContent, label: LabelExplanation) -> None:
    """Write what has no tint, and what the hatches mean."""
    unsure = ~is_sure(label)[content.parts]
    if unsure.any():
        write_small(paper, "no tint: interval includes zero", _LEFT, y)
        y += 24
    if (content.owners[np.unique(content.segments)] < 0).any():
        paper.bar(_LEFT, y + 2, 24, 14, color=GREY)
        paper.show(hatching((12, 22)), _LEFT + 1, y + 3, 22, 12)
        write_small(paper, "cannot be tested", _LEFT + 30, y)
