"""Image files: decoded once, with every refusal that a file deserves, and encoded losslessly."""

import base64
import binascii
import io
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.errors import DataError, shorten

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "ImageFile",
    "base64_bytes",
    "encode",
    "read_bytes",
    "read_image_file",
    "read_path",
]

FORMATS: Final = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
"""What is decoded; of several frames the first."""

MAX_PIXELS: Final = 40_000_000
"""Images with more pixels are refused before they are decoded."""

_KEPT_MODES = ("L", "LA", "RGB", "RGBA")
_CONVERTED = {"1": "L", "CMYK": "RGB", "YCbCr": "RGB", "HSV": "RGB", "LAB": "RGB", "RGBX": "RGB"}
_BASE64 = re.compile(rb"[A-Za-z0-9+/=\s]*")
_DATA_URI = re.compile(r"\s*data:[^,]*;base64,")


@dataclass(frozen=True, slots=True)
class ImageFile:
    """What a decoded file was, so that its like can be given to the model.

    Attributes
    ----------
    format : str
        One of `FORMATS`.
    mode : str
        Pillow's mode of the decoded pixels: ``"L"``, ``"LA"``, ``"RGB"``, ``"RGBA"``, ``"I;16"``.
    prefix : bool
        Whether the text had a ``data:`` prefix.
    extras : mapping
        Orientation and colour profile, which the PNG files for the model carry, too.
    """

    format: str
    mode: str
    prefix: bool = False
    extras: Mapping[str, Any] = field(default_factory=dict)


def read_image_file(
    cell: object, *, kind: str, folder: str | None = None, max_pixels: int = MAX_PIXELS
) -> tuple[NDArray[Any], ImageFile]:
    """Return the decoded pixels of one cell.

    Parameters
    ----------
    cell : bytes, str, or path
        File content, base64 text, or a file name. The content of a file is accepted in place of
        its text or name.
    kind : {"bytes", "base64", "path"}
        What the cell is.
    folder : str, optional
        Where relative file names start.
    max_pixels : int
        Largest number of pixels that is decoded.

    Returns
    -------
    pixels : ndarray of uint8 or uint16, shape (height, width) or (height, width, n_channels)
        Modes L, LA, RGB, RGBA and 16-bit grey stay what they are. Palettes become RGB (RGBA where
        they hold transparency), CMYK becomes RGB, and bilevel images become grey.
    file : ImageFile

    Raises
    ------
    DataError
        If there is no such file, or it is none that can be decoded.

    Examples
    --------
    >>> pixels, file = read_image_file(encode(np.zeros((2, 3), dtype=np.uint8)), kind="bytes")
    >>> pixels.shape, file.format, file.mode
    ((2, 3), 'PNG', 'L')
    """
    if isinstance(cell, (bytes, bytearray, memoryview)):
        data = bytes(cell)
        if kind == "base64" and _BASE64.fullmatch(data):
            return read_bytes(base64_bytes(data.decode("ascii")), max_pixels=max_pixels)
        return read_bytes(data, max_pixels=max_pixels)
    if kind == "bytes":
        msg = (
            f"expected the content of an image file as bytes, got {type(cell).__name__}; for text "
            "or file names set the image's form to base64 or path"
        )
        raise DataError(msg)
    if kind == "base64":
        if not isinstance(cell, str):
            msg = f"expected an image file in base64 as text, got {type(cell).__name__}"
            raise DataError(msg)
        prefix = _DATA_URI.match(cell) is not None
        return read_bytes(base64_bytes(cell), max_pixels=max_pixels, prefix=prefix)
    if not isinstance(cell, (str, Path)):
        msg = f"expected the name of an image file, got {type(cell).__name__}"
        raise DataError(msg)
    return read_path(cell, folder=folder, max_pixels=max_pixels)


def base64_bytes(text: str) -> bytes:
    """Return the bytes of base64 text, with or without a ``data:`` prefix and white space.

    Raises
    ------
    DataError
        If it is no base64.
    """
    prefix = _DATA_URI.match(text)
    body = "".join(text[prefix.end() if prefix else 0 :].split())
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        msg = (
            f"expected an image file in base64, got text of {len(text)} characters that is none "
            f"({error}); for file names set the image's form to path"
        )
        raise DataError(msg) from error


def read_bytes(
    data: bytes, *, max_pixels: int = MAX_PIXELS, prefix: bool = False
) -> tuple[NDArray[Any], ImageFile]:
    """Return the decoded pixels of a file's content; see `read_image_file`."""
    return _decode(io.BytesIO(data), f"{len(data):,} bytes", max_pixels, prefix)


def read_path(
    name: str | Path, *, folder: str | None = None, max_pixels: int = MAX_PIXELS
) -> tuple[NDArray[Any], ImageFile]:
    """Return the decoded pixels of a file by its name; see `read_image_file`."""
    path = Path(folder, name) if folder else Path(name)
    shown = shorten(str(name), 120)
    try:
        with path.open("rb") as stream:
            return _decode(stream, f"file {shown}", max_pixels, prefix=False)
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        where = f" in folder {shorten(folder, 120)}" if folder else ""
        reason = getattr(error, "strerror", None) or type(error).__name__
        msg = (
            f"image file {shown}{where} cannot be read ({reason}); check the name and the "
            "configured folder that it is relative to"
        )
        raise DataError(msg) from error


def _decode(
    stream: Any, what: str, max_pixels: int, prefix: bool
) -> tuple[NDArray[Any], ImageFile]:
    from PIL import Image, UnidentifiedImageError

    expected = f"expected an image file ({', '.join(FORMATS)})"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of sizes that are refused below
            with Image.open(stream, formats=FORMATS) as image:
                _require_size(image.size, what, max_pixels)
                image.load()
                return _as_pixels(image, prefix)
    except DataError:
        raise
    except UnidentifiedImageError as error:
        msg = f"{expected}, got {what} that are none; convert it to PNG"
        raise DataError(msg) from error
    except Image.DecompressionBombError as error:
        msg = f"{expected} of at most {max_pixels:,} pixels, got {what} that declare more"
        raise DataError(msg) from error
    except Exception as error:  # Pillow's decoders raise nearly every kind for a damaged file
        msg = (
            f"{expected}, got {what} that are damaged or cut off "
            f"({type(error).__name__}); write the file again"
        )
        raise DataError(msg) from error


def _require_size(size: tuple[int, int], what: str, max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        msg = (
            f"expected an image of at most {max_pixels:,} pixels, got {what} that declare "
            f"{size[0]:,} x {size[1]:,}; make the image smaller"
        )
        raise DataError(msg)


def _as_pixels(image: "Image.Image", prefix: bool) -> tuple[NDArray[Any], ImageFile]:
    kind = str(image.format)
    extras = {key: image.info[key] for key in ("icc_profile",) if image.info.get(key)}
    orientation = image.getexif().get(_ORIENTATION, 1)
    if orientation != 1:
        extras["orientation"] = int(orientation)
    mode = image.mode
    if mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    elif mode in ("PA", "La", "RGBa"):
        image = image.convert("LA" if mode == "La" else "RGBA")
    elif mode in _CONVERTED:
        image = image.convert(_CONVERTED[mode])
        extras.pop("icc_profile", None)
    elif mode == "I" or mode.startswith("I;16"):
        return _sixteen_bits(np.asarray(image)), ImageFile(kind, "I;16", prefix, extras)
    elif mode not in _KEPT_MODES:
        msg = (
            f"expected an image file of 8 or 16 bits a channel, got mode {mode!r}; convert it, or "
            "give arrays (image form array)"
        )
        raise DataError(msg)
    return np.array(image), ImageFile(kind, image.mode, prefix, extras)


def _sixteen_bits(values: NDArray[Any]) -> NDArray[np.uint16]:
    if values.size and (values.min() < 0 or values.max() > np.iinfo(np.uint16).max):
        msg = (
            f"expected grey levels from 0 to 65535, got {values.min()} to {values.max()}; scale "
            "them, or give arrays (image form array)"
        )
        raise DataError(msg)
    return values.astype(np.uint16)


_ORIENTATION = 0x0112


def encode(pixels: NDArray[Any], file: ImageFile | None = None) -> bytes:
    """Return pixels as a PNG file.

    Parameters
    ----------
    pixels : ndarray of uint8 or uint16, shape (height, width) or (height, width, n_channels)
    file : ImageFile, optional
        Whose orientation and colour profile the file gets.

    Returns
    -------
    bytes
    """
    from PIL import Image

    extras = {} if file is None else dict(file.extras)
    orientation = extras.pop("orientation", None)
    if orientation is not None:
        exif = Image.Exif()
        exif[_ORIENTATION] = orientation
        extras["exif"] = exif
    buffer = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.save(buffer, format="PNG", compress_level=1, **extras)
    return buffer.getvalue()
