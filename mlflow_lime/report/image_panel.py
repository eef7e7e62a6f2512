"""The upper half of an image's picture: the overlay and the map of its weights, with a scale."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mlflow_lime.core.contents import ImageContent
from mlflow_lime.core.explanation import Explanation, LabelExplanation
from mlflow_lime.report.content_views import numbered_parts
from mlflow_lime.report.fonts import PLAIN, font, wrap
from mlflow_lime.report.overlays import Pixels, colours_of, heat_map, largest, overlay
from mlflow_lime.report.wording import is_sure, number, units

__all__ = ["draw_images", "panel_height"]

_LEFT, _MIDDLE, _SIDE = 24, 360, 316  # where overlay and map begin, and their longer side
_CAPTION = 28
_FOOT = 74  # room for the scale
_MOST = 3
"""Images drawn; a table may have more columns of them."""

_GREY = "#5b6670"


@dataclass(frozen=True, slots=True)
class _Panel:
    """A figure whose places are pixels from its top left corner."""

    figure: Figure

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Return axes without a frame."""
        wide, tall = self.figure.bbox.size
        axes = self.figure.add_axes(
            (x / wide, 1 - (y + height) / tall, width / wide, height / tall)
        )
        axes.set_axis_off()
        return axes

    def show(self, pixels: Pixels, x: float, y: float, width: float, height: float) -> None:
        """Draw an image pixel by pixel."""
        axes = self.axes(x, y, width, height)
        axes.imshow(pixels, interpolation="nearest", aspect="auto")

    def write(self, text: str, x: float, y: float, *, ha: str = "left", width: float = 320) -> None:
        """Write one small line, cut to a width."""
        wide, tall = self.figure.bbox.size
        properties = font(15)
        line = wrap(text, properties, width=width)
        place = (x / wide, 1 - y / tall)
        self.figure.text(
            *place, line, fontproperties=properties, color=_GREY, va="top", ha=ha, **PLAIN
        )


def panel_height(explanation: Explanation) -> int:
    """Return the pixels that `draw_images` needs; zero without an image."""
    return sum(_CAPTION + _height(content) + _FOOT for content in _images(explanation))


def draw_images(
    figure: Figure,
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
    figure : Figure
        A figure 700 pixels wide.
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
    panel = _Panel(figure)
    limit = limit or largest(label_explanation.weights)
    ranks = numbered_parts(explanation, label_explanation, top=top)
    for content in _images(explanation):
        height = _height(content)
        column = f"{content.column}: " if content.column else ""
        panel.write(f"{column}segments by rank and sign", _LEFT, y)
        panel.write("weight of every segment", _MIDDLE, y)
        y += _CAPTION
        tinted = overlay(content, label_explanation, side=_SIDE, limit=limit, ranks=ranks)
        mapped = heat_map(content, label_explanation, side=_SIDE, limit=limit)
        tall, wide = tinted.shape[:2]
        panel.show(tinted, _LEFT, y, wide, tall)
        panel.show(mapped, _MIDDLE, y, wide, tall)
        y += height
        _write_notes(panel, y + 10, content, label_explanation)
        _draw_scale(panel, y + 10, limit, f"{units(explanation)} per segment")
        y += _FOOT


def _images(explanation: Explanation) -> list[ImageContent]:
    return [item for item in explanation.contents if isinstance(item, ImageContent)][:_MOST]


def _height(content: ImageContent) -> int:
    height, width = content.segments.shape
    return int(max(1, round(_SIDE * height / max(height, width))))


def _write_notes(panel: _Panel, y: float, content: ImageContent, label: LabelExplanation) -> None:
    """Write what has no tint, and what the hatches mean."""
    unsure = ~is_sure(label)[content.parts]
    if unsure.any():
        panel.write("no tint: interval includes zero", _LEFT, y)
        y += 24
    if (content.owners[np.unique(content.segments)] < 0).any():
        axes = panel.axes(_LEFT, y + 3, 22, 12)
        swatch = Rectangle((0, 0), 1, 1, facecolor="#f2f2f2", edgecolor="#929292", hatch="////")
        axes.add_patch(swatch)
        panel.write("cannot be tested", _LEFT + 30, y)


def _draw_scale(panel: _Panel, y: float, limit: float, unit: str) -> None:
    """Draw the colours from minus to plus the limit, with zero in the middle."""
    shares = np.linspace(-1, 1, _SIDE)
    colours = np.rint(colours_of(shares)).astype(np.uint8)
    axes = panel.axes(_MIDDLE, y, _SIDE, 12)
    axes.imshow(colours[None, :, :], interpolation="nearest", aspect="auto")
    axes.add_patch(
        Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False, edgecolor=_GREY, lw=0.8)
    )
    end = number(float(f"{limit:.2g}"))
    panel.write(f"−{end}", _MIDDLE, y + 16)
    panel.write("0", _MIDDLE + _SIDE / 2, y + 16, ha="center")
    panel.write(end, _MIDDLE + _SIDE, y + 16, ha="right")
    panel.write(unit, _MIDDLE + _SIDE / 2, y + 36, ha="center")
