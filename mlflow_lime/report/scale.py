"""The scale of the tints below a picture, and the small letters around it."""

from typing import Final

import numpy as np

from mlflow_lime.report.overlays import colours_of
from mlflow_lime.report.paper import Paper
from mlflow_lime.report.wording import number

__all__ = ["GREY", "draw_scale", "write_small"]

GREY: Final = "#5b6670"


def write_small(
    paper: Paper,
    text: str,
    x: float,
    y: float,
    *,
    anchor: str = "left",
    size: int = 15,
    width: float = 320,
) -> None:
    """Write one small line below a place, cut to a width."""
    paper.write(text, x, y + 11, size=size, anchor=anchor, color=GREY, width=width)


def draw_scale(paper: Paper, x: float, y: float, width: int, *, limit: float, unit: str) -> None:
    """Draw the colours from minus to plus the limit, with zero in the middle.

    Parameters
    ----------
    paper : Paper
    x, y : float
        Its top left corner.
    width : int
        In pixels.
    limit : float
        Weight of the strongest tint.
    unit : str
        What the weights are in.
    """
    colours = np.rint(colours_of(np.linspace(-1, 1, width))).astype(np.uint8)
    paper.bar(x - 1, y - 1, width + 2, 14, color=GREY)
    paper.show(colours[None, :, :], x, y, width, 12)
    end = number(float(f"{limit:.2g}"))
    write_small(paper, f"−{end}", x, y + 16)
    write_small(paper, "0", x + width / 2, y + 16, anchor="center")
    write_small(paper, end, x + width, y + 16, anchor="right")
    write_small(paper, unit, x + width / 2, y + 36, anchor="center")
