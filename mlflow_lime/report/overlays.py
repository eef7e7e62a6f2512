"""Images with the weights of their segments on them, as arrays of pixels."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.contents import ImageContent
from mlflow_lime.core.explanation import LabelExplanation
from mlflow_lime.report.fonts import carried_font, letters
from mlflow_lime.report.wording import AGAINST, TOWARDS, is_sure

if TYPE_CHECKING:
    from PIL import ImageDraw

__all__ = [
    "AGAINST_RGB",
    "TOWARDS_RGB",
    "colours_of",
    "encode_png",
    "hatching",
    "heat_map",
    "largest",
    "overlay",
]

Pixels = NDArray[np.uint8]


def _rgb(colour: str) -> NDArray[np.float64]:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.float64)


TOWARDS_RGB = _rgb(TOWARDS)
AGAINST_RGB = _rgb(AGAINST)
_INK = np.array([27.0, 31.0, 36.0])
_HATCH_LIGHT, _HATCH_DARK = 242.0, 146.0  # without hue, which would be a sign
_SATURATION = 0.12
"""Share of an image's colour that stays below the tint, so that a blue sky is no weight."""

_BLACK = 48.0
"""What black becomes, so that a tint shows on it."""

_FAINTEST, _STRONGEST = 0.14, 0.72
"""Share of the tint in a pixel, for the lightest and the heaviest weight."""


@dataclass(frozen=True, slots=True, eq=False)
class _Canvas:
    """An image and its segments at the size at which they are shown."""

    pixels: NDArray[np.float64]
    segments: NDArray[np.int32]


def overlay(
    content: ImageContent,
    label_explanation: LabelExplanation,
    *,
    side: int = 350,
    limit: float | None = None,
    ranks: Mapping[int, int] | None = None,
) -> Pixels:
    """Return an image with its segments' outlines, tinted by weight.

    Blue segments push towards the explained label, orange ones against it. Those whose interval
    includes zero have no tint, and those that cannot be tested are hatched.

    Parameters
    ----------
    content : ImageContent
        The image.
    label_explanation : LabelExplanation
        The surrogate to show.
    side : int, default 350
        Pixels of the longer side. Smaller images are repeated pixel by pixel, larger ones are
        averaged.
    limit : float, optional
        Absolute weight of the strongest tint, in units of the output; the largest one of the
        explanation by default.
    ranks : mapping of int to int, optional
        Numbers of the parts that get a badge with this number and the sign of their weight.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
    """
    canvas = _canvas(content, side)
    weights = np.where(is_sure(label_explanation), label_explanation.weights, 0.0)
    shares = _shares(content, weights, limit or largest(label_explanation.weights))
    share = shares[canvas.segments][..., None]
    grey = canvas.pixels @ np.array([0.299, 0.587, 0.114])
    base = _SATURATION * canvas.pixels + (1 - _SATURATION) * grey[..., None]
    base = _BLACK + (255 - _BLACK) / 255 * base
    strength = np.where(share == 0, 0.0, _FAINTEST + (_STRONGEST - _FAINTEST) * np.abs(share))
    tinted = (1 - strength) * base + strength * np.where(share > 0, TOWARDS_RGB, AGAINST_RGB)
    untestable = 0.5 * base + 0.5 * hatching(canvas.segments.shape)
    drawn = np.where(np.isnan(share), untestable, tinted)
    bright = grey[..., None] > 110
    lined = np.where(bright, 0.45 * drawn + 0.55 * _INK, 0.45 * drawn + 0.55 * 255)
    drawn = np.where(_outlines(canvas.segments)[..., None], lined, drawn)
    return _with_badges(_as_bytes(drawn), canvas, content, label_explanation.weights, ranks or {})


def heat_map(
    content: ImageContent,
    label_explanation: LabelExplanation,
    *,
    side: int = 350,
    limit: float | None = None,
) -> Pixels:
    """Return the weight of each segment on a scale from orange through white to blue.

    Zero is white, and both ends of the scale have the same absolute weight. Segments that cannot
    be tested are hatched.

    Parameters
    ----------
    content, label_explanation, side, limit
        As for `overlay`.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
    """
    canvas = _canvas(content, side)
    weights = label_explanation.weights
    shares = _shares(content, weights, limit or largest(weights))[canvas.segments]
    hatched = hatching(canvas.segments.shape)
    drawn = np.where(np.isnan(shares)[..., None], hatched, colours_of(shares))
    lined = 0.6 * drawn + 0.4 * _HATCH_DARK
    return _as_bytes(np.where(_outlines(canvas.segments)[..., None], lined, drawn))


def colours_of(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the colours of weights on the zero-centred scale.

    Parameters
    ----------
    shares : ndarray of float64
        Weights as shares of the scale's limit, from -1 to 1; NaN counts as zero.

    Returns
    -------
    ndarray of float64, shape (*shares.shape, 3)
        Red, green and blue, 0 to 255; white at zero.
    """
    share = np.nan_to_num(np.clip(shares, -1, 1))[..., None]
    end = np.where(share > 0, TOWARDS_RGB, AGAINST_RGB)
    return np.asarray(255 + np.abs(share) * (end - 255))


def encode_png(pixels: Pixels, *, colours: int | None = None) -> bytes:
    """Return an image as PNG.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)
        The image.
    colours : int, optional
        How many colours to keep, at most 256, where a small file matters more than every shade.
        All of them by default.
    """
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    if colours is not None:
        image = image.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def hatching(shape: tuple[int, ...]) -> Pixels:
    """Return the diagonal stripes of what cannot be tested, two pixels of eight.

    Parameters
    ----------
    shape : tuple of int
        Height and width.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
    """
    rows, columns = np.indices(shape, sparse=True)
    dark = ((rows + columns) % 8 < 2)[..., None]
    return np.repeat(np.where(dark, _HATCH_DARK, _HATCH_LIGHT).astype(np.uint8), 3, axis=2)


def largest(weights: NDArray[np.float64]) -> float:
    """Return the largest finite absolute weight; 1 where all are zero."""
    sizes = np.abs(weights)
    return float(np.max(sizes, initial=0.0, where=np.isfinite(sizes))) or 1.0


def _shares(
    content: ImageContent, weights: NDArray[np.float64], limit: float
) -> NDArray[np.float64]:
    """Return each segment's weight as a share of the limit; NaN where it cannot be tested."""
    of_parts = np.append(weights, np.nan)[content.owners]
    # Infinite weights are as unknown as those that are not a number.
    return np.clip(np.where(np.isfinite(of_parts), of_parts / limit, np.nan), -1, 1)


def _canvas(content: ImageContent, side: int) -> _Canvas:
    from PIL import Image

    height, width = content.segments.shape
    scale = side / max(height, width)
    new_height, new_width = (max(1, round(scale * length)) for length in (height, width))
    rows, columns = _nearest(height, new_height), _nearest(width, new_width)
    segments = content.segments[np.ix_(rows, columns)]
    if scale >= 1:
        pixels = content.pixels[np.ix_(rows, columns)]
    else:
        image = Image.fromarray(np.ascontiguousarray(content.pixels))
        pixels = np.asarray(image.resize((new_width, new_height), Image.Resampling.BOX))
    return _Canvas(pixels.astype(np.float64), segments)


def _nearest(length: int, shown: int) -> NDArray[np.intp]:
    """Return the pixel that lies below the centre of each pixel shown."""
    return ((np.arange(shown) + 0.5) * length / shown).astype(np.intp)


def _outlines(segments: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return which pixels differ from the next one to the right or below."""
    differs = np.zeros(segments.shape, dtype=bool)
    differs[:, :-1] |= segments[:, :-1] != segments[:, 1:]
    differs[:-1, :] |= segments[:-1, :] != segments[1:, :]
    return differs


def _as_bytes(colours: NDArray[np.float64]) -> Pixels:
    return np.rint(np.clip(colours, 0, 255)).astype(np.uint8)


def _with_badges(
    pixels: Pixels,
    canvas: _Canvas,
    content: ImageContent,
    weights: NDArray[np.float64],
    ranks: Mapping[int, int],
) -> Pixels:
    """Return the image with the numbers and signs of its heaviest segments."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(np.ascontiguousarray(pixels))
    draw = ImageDraw.Draw(image)
    for part, rank in sorted(ranks.items(), key=lambda item: -item[1]):  # the heaviest on top
        place = _middle(np.isin(canvas.segments, np.flatnonzero(content.owners == part)))
        if place is not None:
            _draw_badge(draw, place, f"{rank}{'+' if weights[part] > 0 else '−'}", image.size)
    return np.asarray(image)


def _draw_badge(
    draw: "ImageDraw.ImageDraw", place: tuple[int, int], text: str, size: tuple[int, int]
) -> None:
    """Write white on a dark badge, wholly inside the image where it fits."""
    row, column = place
    width, height = size
    font = letters(carried_font(bold=True), 13)
    half, tall = font.getlength(text) / 2 + 3, 8.5
    x = min(max(column, half), max(half, width - 1 - half))
    y = min(max(row, tall), max(tall, height - 1 - tall))
    box = (x - half, y - tall, x + half, y + tall)
    draw.rounded_rectangle(box, radius=4, fill="#1b1f24", outline="#ffffff")
    draw.text((x, y), text, fill="#ffffff", font=font, anchor="mm")


def _middle(inside: NDArray[np.bool_]) -> tuple[int, int] | None:
    """Return the row and column farthest from the outline; None where nothing is inside."""
    from scipy.ndimage import distance_transform_edt

    if not inside.any():
        return None
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    cropped = inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    depth = distance_transform_edt(np.pad(cropped, 1))[1:-1, 1:-1]
    deepest = np.argwhere(depth >= depth.max() - 1e-9)
    # A long segment has many deepest pixels, in reading order; take the one in the middle.
    row, column = deepest[len(deepest) // 2].tolist()
    return int(rows[0]) + row, int(columns[0]) + column
