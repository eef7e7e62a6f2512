"""A picture drawn by Pillow, which takes a tenth of matplotlib's time."""

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mlflow_lime.report.fonts import letters, pieces, wrap

__all__ = ["Raster"]

_FINE = 3
"""How much finer curves are drawn before they are scaled, so that their edges are smooth."""

Points = Sequence[tuple[float, float]]
Places = Callable[[Points], list[tuple[float, float]]]


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

    def curve(self, points: Sequence[tuple[float, float]], *, color: str, width: float = 1) -> None:
        """Draw a line through points, with a light edge."""

        def draw(image: Image.Image, at: Places) -> None:
            pen = ImageDraw.Draw(image, "RGBA")
            halo = math.ceil(_FINE * (width + 2.6))
            pen.line(at(points), fill=(255, 255, 255, 190), width=halo, joint="curve")
            pen.line(at(points), fill=color, width=math.ceil(_FINE * width), joint="curve")

        self._finely(points, width + 3, draw)

    def dots(self, places: Sequence[tuple[float, float]], *, radius: float, color: str) -> None:
        """Draw discs."""

        def draw(image: Image.Image, at: Places) -> None:
            pen, size = ImageDraw.Draw(image), _FINE * radius
            for x, y in at(places):
                pen.ellipse((x - size, y - size, x + size, y + size), fill=color)

        self._finely(places, radius + 1, draw)

    def _finely(
        self,
        points: Sequence[tuple[float, float]],
        margin: float,
        draw: Callable[[Image.Image, Places], None],
    ) -> None:
        """Draw on a copy of what is around points that is several times as fine, and scale it."""
        xs, ys = zip(*points, strict=True)
        box = (
            max(0, math.floor(min(xs) - margin)),
            max(0, math.floor(min(ys) - margin)),
            min(self.image.width, math.ceil(max(xs) + margin)),
            min(self.image.height, math.ceil(max(ys) + margin)),
        )
        size = (box[2] - box[0], box[3] - box[1])
        if min(size) <= 0:
            return
        fine = self.image.crop(box).resize(
            (_FINE * size[0], _FINE * size[1]), Image.Resampling.NEAREST
        )
        draw(fine, lambda at: [(_FINE * (x - box[0]), _FINE * (y - box[1])) for x, y in at])
        self.image.paste(fine.resize(size, Image.Resampling.BOX), box[:2])

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
