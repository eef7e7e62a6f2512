"""A picture drawn by Pillow, which takes a tenth of matplotlib's time."""

import io
import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mlflow_lime.report.fonts import letters, pieces, wrap

__all__ = ["Raster"]


@dataclass(frozen=True, slots=True)
class Raster:
    """A white picture whose places are pixels from its top left corner.

    Attributes
    ----------
    image : Image
        Red, green and blue, without transparency.
    """

    image: Image.Image

    @classmethod
    def blank(cls, width: int, height: int) -> Self:
        """Return an empty picture of so many pixels."""
        return cls(Image.new("RGB", (width, height), "white"))

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
        """Write a line, cut to a width; `y` is its base line."""
        line = wrap(text, size, width=width, bold=bold)
        drawn = [(letters(path, size), piece) for path, piece in pieces(line, bold=bold)]
        share = {"left": 0.0, "center": 0.5, "right": 1.0}[anchor]
        lengths = [font.getlength(piece) for font, piece in drawn]
        x -= share * sum(lengths)
        draw = ImageDraw.Draw(self.image)
        for (font, piece), length in zip(drawn, lengths, strict=True):
            draw.text((_pixel(x), _pixel(y)), piece, fill=color, font=font, anchor="ls")
            x += length

    def bar(self, x: float, y: float, width: float, height: float, *, color: str) -> None:
        """Fill a rectangle; its width and height may be negative."""
        left, right = sorted((_pixel(x), _pixel(x + width)))
        top, bottom = sorted((_pixel(y), _pixel(y + height)))
        if left < right and top < bottom:
            ImageDraw.Draw(self.image).rectangle((left, top, right - 1, bottom - 1), fill=color)

    def show(
        self, pixels: NDArray[np.uint8], x: float, y: float, width: float, height: float
    ) -> None:
        """Draw an image, its pixels repeated to that size."""
        image = Image.fromarray(np.ascontiguousarray(pixels))
        size = (_pixel(width), _pixel(height))
        self.image.paste(image.resize(size, Image.Resampling.NEAREST), (_pixel(x), _pixel(y)))

    def png(self) -> bytes:
        """Return the picture as a PNG file, lightly packed."""
        buffer = io.BytesIO()
        self.image.save(buffer, format="png", compress_level=2)
        return buffer.getvalue()


def _pixel(place: float) -> int:
    """Return the nearest pixel; what is as wide as a pixel stays so, wherever it begins."""
    return math.floor(place + 0.5)
