"""Telling columns of images from other columns."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

__all__ = ["image_kind"]

MAGIC: Final = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"RIFF")
SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp")
_BASE64 = ("data:image/", "iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR", "SUkqA", "TU0AK")


def image_kind(values: Sequence[Any]) -> str | None:
    """Return the form in which a column holds images, or None where most values are no images.

    Parameters
    ----------
    values : sequence
        The cells of the column.

    Returns
    -------
    {"array", "bytes", "base64", "path"} or None

    Examples
    --------
    >>> image_kind(["cats/1.png", "cats/2.png"]), image_kind(["a cat", "a dog"])
    ('path', None)
    """
    found = [_kind(value) for value in values]
    known = [kind for kind in found if kind is not None]
    if not known or len(known) < 0.5 * len(found):
        return None
    return max(sorted(set(known)), key=known.count)


def _kind(value: Any) -> str | None:
    if isinstance(value, np.ndarray):
        return "array" if value.ndim in (2, 3) or _is_nested(value) else None
    if isinstance(value, (list, tuple)):
        return "array" if value and isinstance(value[0], (list, tuple, np.ndarray)) else None
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "bytes" if bytes(value[:6]).startswith(MAGIC) else None
    if isinstance(value, str):
        if value.lower().endswith(SUFFIXES):
            return "path"
        return "base64" if value.startswith(_BASE64) else None
    return None


def _is_nested(array: Any) -> bool:
    """Return whether an array holds arrays, as Parquet gives nested lists back."""
    nested = array.ndim == 1 and array.dtype == object and array.size > 0
    return nested and isinstance(array.item(0), np.ndarray)
