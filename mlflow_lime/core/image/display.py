"""An image as a person sees it, and where in it a segment lies."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["SHOWN_PIXELS", "as_shown", "positions", "stride"]

SHOWN_PIXELS: Final = 1_000_000
"""Larger images are shown by every second, third, ... pixel of each axis."""


def stride(height: int, width: int) -> int:
    """Return which share of an axis is shown: every pixel of a small image, fewer of a large one.

    Examples
    --------
    >>> stride(512, 512), stride(4000, 3000)
    (1, 4)
    """
    return max(1, int(np.ceil(np.sqrt(height * width / SHOWN_PIXELS))))


def as_shown(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Return an image of any dtype and number of channels as RGB.

    Parameters
    ----------
    image : ndarray, shape (height, width) or (height, width, n_channels)
        8-bit values stay, also in a wider whole type, floats between 0 and 1 are multiplied by
        255, and everything else is stretched between its extremes. Of two channels the first is
        shown, four are RGB and opacity (over white), and of more channels the mean.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)

    Examples
    --------
    >>> as_shown(np.array([[0.0, 1.0]])).tolist()
    [[[0, 0, 0], [255, 255, 255]]]
    """
    if image.dtype == np.uint8 and image.ndim == 3 and image.shape[-1] == 3:
        return np.ascontiguousarray(image)
    n_channels = 1 if image.ndim == 2 else image.shape[-1]
    bands = image.reshape(*image.shape[:2], n_channels)
    if n_channels > 4:
        bands = (bands / n_channels).sum(axis=-1, keepdims=True)
    elif n_channels == 2:
        bands = bands[..., :1]
    values = _between_0_and_1(bands, image.dtype)
    if n_channels == 4:
        opacity = values[..., 3:]
        values = values[..., :3] * opacity + (1 - opacity)
    shown = np.rint(values * 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(shown, (*shown.shape[:2], 3)))


def _between_0_and_1(bands: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[np.float64]:
    values = bands.astype(np.float64)
    if dtype == np.uint8:
        return np.asarray(values / 255)
    low, high = float(values.min()), float(values.max())
    if dtype.kind == "b" or (dtype.kind == "f" and low >= 0 and high <= 1):
        return values
    if dtype.kind in "iu" and low >= 0 and 127 < high <= 255:
        return np.asarray(values / 255)  # bytes that were read into a wider type
    if high == low:
        return np.full_like(values, 0.5)
    return np.asarray(np.clip((values / 2 - low / 2) / (high / 2 - low / 2), 0, 1))


def positions(labels: NDArray[np.int32]) -> list[str]:
    """Return in which ninth of the image the centre of each segment lies.

    Parameters
    ----------
    labels : ndarray of int32, shape (height, width)
        0 to n - 1.

    Returns
    -------
    list of str

    Examples
    --------
    >>> positions(np.arange(9, dtype=np.int32).reshape(3, 3))[:5]
    ['top left', 'top centre', 'top right', 'middle left', 'centre']
    """
    height, width = labels.shape
    flat = labels.ravel()
    sizes = np.bincount(flat)
    rows = np.bincount(flat, weights=np.repeat(np.arange(height) + 0.5, width)) / sizes
    columns = np.bincount(flat, weights=np.tile(np.arange(width) + 0.5, height)) / sizes
    words = []
    for row, column in zip(3 * rows / height, 3 * columns / width, strict=True):
        across = ("left", "centre", "right")[min(int(column), 2)]
        down = ("top", "middle", "bottom")[min(int(row), 2)]
        words.append("centre" if (down, across) == ("middle", "centre") else f"{down} {across}")
    return words
