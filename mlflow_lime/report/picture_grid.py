"""Small overlays of many images, side by side in an SVG picture."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlflow_lime.core.contents import ImageContent
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.report import svg
from mlflow_lime.report.overlays import encode_png, largest, overlay
from mlflow_lime.report.wording import (
    AGAINST,
    TOWARDS,
    cut,
    direction_words,
    fit,
    headline,
    number,
    r2,
    units,
)

__all__ = ["GridPlan", "PictureGrid", "draw_picture_grid", "plan_grid"]

_COLUMNS, _MOST = 4, 12
_LEFT, _SIDE, _GAP = 20, 156, 12
_CELL = _SIDE + 66  # with three lines of text below
_COLOURS = 64


@dataclass(frozen=True, slots=True)
class PictureGrid:
    """Elements of an SVG picture, and where they end.

    Attributes
    ----------
    nodes : list of str
    bottom : int
        Pixels from the top.
    """

    nodes: list[str]
    bottom: int


@dataclass(frozen=True, slots=True)
class GridPlan:
    """Which images are shown, and where.

    Attributes
    ----------
    cells : list of (Explanation, ImageContent, int, int)
        Instances with their first image, and the place of its top left corner in pixels.
    side : int
        Pixels of an image's longer side.
    limit : float
        Largest absolute weight, which all images share as the end of their scale.
    found : int
        Instances that have an image.
    bottom : int
        Pixels from the top where the cells end.
    """

    cells: list[tuple[Explanation, ImageContent, int, int]]
    side: int
    limit: float
    found: int
    bottom: int


def plan_grid(explanations: Sequence[Explanation], y: int) -> GridPlan | None:
    """Return where the first images stand; None where no instance has an image.

    Parameters
    ----------
    explanations, y
        As for `draw_picture_grid`.
    """
    found = [
        (item, content)
        for item in explanations
        for content in [c for c in item.contents if isinstance(c, ImageContent)][:1]
    ]
    if not found:
        return None
    cells = [
        (*pair, _LEFT + n % _COLUMNS * (_SIDE + _GAP), y + n // _COLUMNS * _CELL)
        for n, pair in enumerate(found[:_MOST])
    ]
    limit = max(largest(item.labels[0].weights[content.parts]) for item, content, _, _ in cells)
    return GridPlan(cells, _SIDE, limit, len(found), y + _CELL * -(-len(cells) // _COLUMNS))


def draw_picture_grid(explanations: Sequence[Explanation], y: int) -> PictureGrid | None:
    """Draw the overlays of the first images, on one scale.

    Parameters
    ----------
    explanations : sequence of Explanation
        Explained instances; those without an image are left out. Of several images in an
        instance, the first is drawn, and of each instance the first explained label counts.
    y : int
        Where to begin, in pixels from the top.

    Returns
    -------
    PictureGrid or None
        None where no instance has an image.
    """
    plan = plan_grid(explanations, y)
    if plan is None:
        return None
    nodes: list[str] = []
    for item, content, *place in plan.cells:
        nodes.extend(_cell(item, content, place, plan.limit))
    nodes.extend(_legend(explanations[0], plan.limit, plan.bottom + 14))
    if plan.found > len(plan.cells):
        more = f"first {len(plan.cells)} of {plan.found:,}"
        nodes.append(svg.text(more, svg.WIDTH - _LEFT, plan.bottom + 14, anchor="end"))
    return PictureGrid(nodes, plan.bottom + 30)


def _cell(
    explanation: Explanation, content: ImageContent, place: Sequence[int], limit: float
) -> Iterator[str]:
    """Yield an overlay with what the model said and how well the surrogate fits."""
    x, y = place
    label = explanation.labels[0]
    pixels = overlay(content, label, side=_SIDE, limit=limit)
    height, width = pixels.shape[:2]
    data = base64.b64encode(encode_png(pixels, colours=_COLOURS)).decode("ascii")
    yield svg.node(
        "image",
        x=x + (_SIDE - width) / 2,
        y=y + (_SIDE - height) / 2,
        width=width,
        height=height,
        href=f"data:image/png;base64,{data}",
    )
    told = "flat" if label.flat else f"fit {r2(fit(label))}"
    yield svg.text(cut(explanation.key, 22), x, y + _SIDE + 16, fill=svg.INK)
    yield svg.text(cut(headline(explanation, label), 22), x, y + _SIDE + 32)
    yield svg.text(told, x, y + _SIDE + 48)


def _legend(explanation: Explanation, limit: float, y: int) -> Iterator[str]:
    against, towards = direction_words(explanation)
    end = number(float(f"{limit:.2g}"))
    yield svg.node("rect", x=_LEFT, y=y - 10, width=12, height=12, fill=TOWARDS)
    yield svg.text(f"{towards}, +{end}", _LEFT + 18, y)
    yield svg.node("rect", x=_LEFT + 130, y=y - 10, width=12, height=12, fill=AGAINST)
    yield svg.text(f"{against}, −{end}", _LEFT + 148, y)
    yield svg.text(f"{units(explanation)} per segment, one scale for all", _LEFT + 264, y)
