"""What a picture is drawn on: letters, bars and images at places in pixels."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Paper"]


class Paper(Protocol):
    """A white picture whose places are pixels from its top left corner.

    What is drawn later lies on what was drawn earlier, images above bars, letters above both.
    """

    def write(
        self,
        text: object,
        x: float,
        y: float,
        *,
        size: int = 12,
        anchor: str = "left",
        color: str,
        bold: bool = False,
        width: float = 640,
    ) -> None:
        """Write a line, cut to a width; `x` is its left, center or right, `y` its base line."""

    def bar(self, x: float, y: float, width: float, height: float, *, color: str) -> None:
        """Fill a rectangle; its width and height may be negative."""

    def curve(self, points: Sequence[tuple[float, float]], *, color: str, width: float = 1) -> None:
        """Draw a line through points, with a light edge that sets it off from what is below."""

    def dots(self, places: Sequence[tuple[float, float]], *, radius: float, color: str) -> None:
        """Draw discs."""

    def show(
        self, pixels: NDArray[np.uint8], x: float, y: float, width: float, height: float
    ) -> None:
        """Draw an image, its pixels repeated to that size."""
