"""The forms in which models read images: arrays, pixels in a row, and files."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlflow_lime.core.image.files import MAX_PIXELS, ImageFile, encode, read_image_file
from mlflow_lime.errors import DataError, did_you_mean, shorten

__all__ = [
    "CHANNELS",
    "FORMS",
    "Cell",
    "ImageForm",
    "Unreadable",
    "encode_cell",
    "find_channels",
    "flat_like",
    "pixels_digest",
    "read_cells",
]

FORMS: Final = ("array", "flat", "bytes", "base64", "path")
CHANNELS: Final = ("auto", "first", "last", "none")

MAX_COLOURS = 4
"""An axis of at most this length can be taken for the channels."""


@dataclass(frozen=True, slots=True)
class ImageForm:
    """How images come, and how the model gets them.

    Attributes
    ----------
    kind : {"array", "flat", "bytes", "base64", "path"}, default "array"
        Arrays, pixels in a row, contents of image files, the same as text, or file names.
    channels : {"auto", "first", "last", "none"}, default "auto"
        Where the channels of an array are. ``"auto"``: a last axis of at most 4 is the channels,
        else a first axis of at most 4.
    shape : tuple of int, optional
        Shape of one image. Needed for pixels in a row; elsewhere images of another shape are
        refused.
    folder : str, optional
        Where relative file names start.

    Raises
    ------
    DataError
        If the values do not belong together.

    Examples
    --------
    >>> ImageForm("flat", shape=(8, 8)).to_dict()
    {'kind': 'flat', 'channels': 'auto', 'shape': [8, 8], 'folder': None}
    """

    kind: str = "array"
    channels: str = "auto"
    shape: tuple[int, ...] | None = None
    folder: str | None = None

    def __post_init__(self) -> None:
        _one_of("the image's form", self.kind, FORMS)
        _one_of("channels", self.channels, CHANNELS)
        if self.kind == "flat" and self.shape is None:
            msg = "pixels in a row need the shape of an image, such as shape=(28, 28)"
            raise DataError(msg)
        if self.shape is None:
            return
        shape: Any = self.shape  # whatever a caller without type checks gave
        whole = isinstance(shape, Sequence) and all(
            isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n > 0 for n in shape
        )
        if not whole or len(shape) not in (2, 3):
            msg = f"shape must be 2 or 3 positive whole numbers, got {shorten(shape)}"
            raise DataError(msg)
        object.__setattr__(self, "shape", tuple(int(n) for n in shape))
        if self.kind in ("array", "flat"):
            find_channels(tuple(self.shape), self.channels)

    @property
    def encoded(self) -> bool:
        """Whether images come as files."""
        return self.kind in ("bytes", "base64", "path")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        shape = None if self.shape is None else list(self.shape)
        return {
            "kind": self.kind,
            "channels": self.channels,
            "shape": shape,
            "folder": self.folder,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        shape = data.get("shape")
        return cls(
            kind=data.get("kind", "array"),
            channels=data.get("channels", "auto"),
            shape=None if shape is None else tuple(shape),
            folder=data.get("folder"),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """One image as the model has it.

    Attributes
    ----------
    pixels : ndarray, shape (height, width) and `n_channels` first, last, or not at all
        C-contiguous.
    channels : {"first", "last", "none"}
        Where the channels are.
    file : ImageFile, optional
        What the pixels were decoded from.
    columns : Series, optional
        For pixels in a row of a data frame: dtypes by column.
    """

    pixels: NDArray[Any]
    channels: str
    file: ImageFile | None = None
    columns: "pd.Series[Any] | None" = None

    @property
    def image(self) -> NDArray[Any]:
        """The pixels with the channels last, or without; a view."""
        return np.moveaxis(self.pixels, 0, -1) if self.channels == "first" else self.pixels

    @property
    def n_channels(self) -> int:
        """Number of channels; 1 where there is no axis for them."""
        return 1 if self.channels == "none" else self.image.shape[-1]

    def like_pixels(self, image: NDArray[Any]) -> NDArray[Any]:
        """Return an array of the layout of `image` in the layout of the pixels; a view."""
        return np.moveaxis(image, -1, 0) if self.channels == "first" else image

    def fit(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return pixels as the columns of a data frame can hold them: whole numbers rounded."""
        if self.columns is None or pixels.dtype.kind != "f":
            return pixels
        whole = np.array([dtype.kind not in "fc" for dtype in self.columns]).reshape(pixels.shape)
        return np.where(whole, np.rint(pixels), pixels).astype(pixels.dtype)

    @property
    def split(self) -> tuple[int, int, int]:
        """The shape (channels before the pixels, pixels, channels after them)."""
        shape = self.pixels.shape
        if self.channels == "first":
            return shape[0], shape[1] * shape[2], 1
        return 1, shape[0] * shape[1], self.n_channels


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An instance that is no image of the form.

    Attributes
    ----------
    reason : str
        What was expected, what was got, and the cure.
    digest : str
        Hash of the reason and of what was given, 32 hexadecimal digits.
    """

    reason: str
    digest: str


def read_cells(
    instances: Any, form: ImageForm, *, max_pixels: int = MAX_PIXELS
) -> list[Cell | Unreadable]:
    """Return each image, or what is wrong with it.

    Parameters
    ----------
    instances : array_like, Series, data frame, or sequence
        Images in the given form.
    form : ImageForm
    max_pixels : int
        Files with more pixels are not decoded.

    Returns
    -------
    list of Cell or Unreadable
        One for each instance.

    Raises
    ------
    DataError
        If the container is none that holds images of this form.
    """
    if form.kind == "flat":
        return _flat_cells(instances, form)
    found = [_read_cell(item, form, max_pixels) for item in _items(instances, form)]
    if form.encoded:
        return found  # the model decodes them, whatever their modes
    counts = [cell.n_channels for cell in found if isinstance(cell, Cell)]
    usual = max(counts, key=counts.count, default=0)  # the first one where several are as frequent
    return [_same_channels(cell, usual) if isinstance(cell, Cell) else cell for cell in found]


def _items(instances: Any, form: ImageForm) -> list[Any]:
    """Return the instances one by one."""
    if isinstance(instances, pd.DataFrame):
        if instances.shape[1] != 1:
            msg = (
                f"expected one column of images, got a data frame of {instances.shape[1]}; choose "
                "the column, or set the image's form to flat for pixels in a row"
            )
            raise DataError(msg)
        instances = instances.iloc[:, 0]
    if isinstance(instances, pd.Series):
        return instances.tolist()
    if isinstance(instances, (list, tuple)):
        return list(instances)
    if form.kind == "array" and not isinstance(instances, (str, bytes, Mapping)):
        return _along_first_axis(np.asarray(instances))
    if isinstance(instances, np.ndarray) and instances.ndim == 1:
        return list(instances.tolist())
    msg = (
        f"expected a list or Series of images as {form.kind}, got {type(instances).__name__}; put "
        "a single image into a list"
    )
    raise DataError(msg)


def _along_first_axis(array: NDArray[Any]) -> list[Any]:
    if array.dtype == object and array.ndim == 1:
        return list(array)
    if array.ndim not in (3, 4):
        msg = (
            "expected images as an array of shape (n, height, width), with or without channels, "
            f"got shape {array.shape}; give a single image as image[None], and set the image's "
            "form to flat for pixels in a row"
        )
        raise DataError(msg)
    return list(array)


def _read_cell(item: Any, form: ImageForm, max_pixels: int) -> Cell | Unreadable:
    try:
        if form.encoded:
            pixels, file = read_image_file(
                item, kind=form.kind, folder=form.folder, max_pixels=max_pixels
            )
            channels = "none" if pixels.ndim == 2 else "last"
            return _require_shape(Cell(pixels, channels, file), form)
        return _require_shape(_array_cell(item, form), form)
    except DataError as error:
        return _unreadable(error, item)


def _array_cell(item: Any, form: ImageForm) -> Cell:
    if isinstance(item, (str, bytes, type(None))):
        msg = (
            f"expected an image as an array, got {type(item).__name__}; set the image's form to "
            "bytes, base64, or path"
        )
        raise DataError(msg)
    try:
        array = np.asarray(item)
        if array.dtype == object and array.ndim:
            array = _dense(array)
    except (TypeError, ValueError) as error:
        msg = f"expected an image as an array, got {type(item).__name__} with rows of other lengths"
        raise DataError(msg) from error
    channels = find_channels(array.shape, form.channels)
    return Cell(_require_numbers(array), channels)


def _dense(rows: NDArray[Any]) -> NDArray[Any]:
    """Return arrays within arrays, as Parquet gives nested lists back, as one array."""
    nested = [
        _dense(row) if isinstance(row, np.ndarray) and row.dtype == object else row for row in rows
    ]
    return np.asarray(nested)


def _require_numbers(array: NDArray[Any]) -> NDArray[Any]:
    """Return C-contiguous pixels of a dtype that can be composed, all finite."""
    if array.dtype.kind not in "buif" or array.dtype.itemsize > 8:
        msg = (
            "expected pixels as bool, integers, or floats of 16, 32, or 64 bits, got dtype "
            f"{array.dtype}; convert them"
        )
        raise DataError(msg)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        n_bad = int((~np.isfinite(array)).sum())
        msg = (
            f"expected finite pixels, got NaN or infinity in {n_bad:,} of {array.size:,} values; "
            "replace them"
        )
        raise DataError(msg)
    return np.ascontiguousarray(array)


def find_channels(shape: tuple[int, ...], channels: str) -> str:
    """Return where the channels of one image are: ``"first"``, ``"last"``, or ``"none"``.

    Raises
    ------
    DataError
        If the shape is none of an image, or says nothing about its channels.

    Examples
    --------
    >>> find_channels((28, 28), "auto"), find_channels((3, 64, 48), "auto")
    ('none', 'first')
    """
    if len(shape) not in (2, 3) or 0 in shape:
        msg = (
            "expected an image of shape (height, width), (height, width, channels), or (channels, "
            f"height, width), none of them zero, got shape {shape}"
        )
        raise DataError(msg)
    if channels == "auto":
        if len(shape) == 2:
            return "none"
        if shape[-1] <= MAX_COLOURS:
            return "last"
        if shape[0] <= MAX_COLOURS:
            return "first"
        msg = (
            f"shape {shape} does not tell where the channels are: neither the first nor the last "
            f"axis is at most {MAX_COLOURS}; set channels to first or last"
        )
        raise DataError(msg)
    if (channels == "none") != (len(shape) == 2):
        wanted = "(height, width)" if channels == "none" else f"three axes, channels {channels}"
        msg = f"expected an image of {wanted}, got shape {shape}; set channels to auto"
        raise DataError(msg)
    return channels


def _require_shape(cell: Cell, form: ImageForm) -> Cell:
    if form.shape is not None and cell.pixels.shape != form.shape:
        msg = (
            f"expected an image of the configured shape {form.shape}, got {cell.pixels.shape}; "
            "resize or convert it, or leave out the shape"
        )
        raise DataError(msg)
    return cell


def _same_channels(cell: Cell, n_channels: int) -> Cell | Unreadable:
    if cell.n_channels == n_channels:
        return cell
    error = DataError(
        f"expected {n_channels} channels as most of the images have, got {cell.n_channels} (shape "
        f"{cell.pixels.shape}); convert the images to one mode"
    )
    return Unreadable(str(error), pixels_digest(cell.pixels))


def _flat_cells(instances: Any, form: ImageForm) -> list[Cell | Unreadable]:
    matrix, columns = _matrix(instances)
    shape = form.shape or ()
    n_pixels = int(np.prod(shape))
    if matrix.ndim != 2 or matrix.shape[1] != n_pixels:
        msg = (
            f"expected pixels in a row, shape (n, {n_pixels}) for images of {shape}, got "
            f"{matrix.shape}; check the configured shape and columns"
        )
        raise DataError(msg)
    channels = find_channels(shape, form.channels)
    found: list[Cell | Unreadable] = []
    for row in matrix:
        try:
            pixels = _require_numbers(row).reshape(shape)
            found.append(Cell(pixels, channels, columns=columns))
        except DataError as error:
            found.append(_unreadable(error, row))
    return found


def pixels_digest(pixels: NDArray[Any]) -> str:
    """Return the hash of dtype, shape, and values, 32 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr((pixels.dtype.str, pixels.shape)).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def _unreadable(error: DataError, item: Any) -> Unreadable:
    digest = hashlib.blake2b(str(error).encode(), digest_size=16)
    if isinstance(item, (str, Path)):
        digest.update(str(item).encode("utf-8", "surrogatepass"))
    elif isinstance(item, (bytes, bytearray, memoryview)):
        digest.update(item)
    elif isinstance(item, np.ndarray) and item.dtype != object:
        digest.update(np.ascontiguousarray(item).tobytes())
    return Unreadable(str(error), digest.hexdigest())


def _matrix(instances: Any) -> tuple[NDArray[Any], "pd.Series[Any] | None"]:
    """Return rows of pixels, and the dtypes of their columns where they have names."""
    if isinstance(instances, pd.DataFrame):
        dtypes = instances.dtypes
        if all(isinstance(dtype, np.dtype) and dtype.kind in "buif" for dtype in dtypes):
            return instances.to_numpy(), dtypes
        try:
            return instances.to_numpy(dtype=np.float64, na_value=np.nan), dtypes
        except (TypeError, ValueError) as error:
            msg = "expected pixels in a row as columns of numbers, got columns that are none"
            raise DataError(msg) from error
    if isinstance(instances, (str, bytes, Mapping)):
        msg = f"expected rows of pixels, got {type(instances).__name__}"
        raise DataError(msg)
    try:
        rows = list(instances) if isinstance(instances, pd.Series) else instances
        return np.asarray(rows), None
    except (TypeError, ValueError) as error:
        msg = "expected rows of pixels, all of the same length"
        raise DataError(msg) from error


def flat_like(cell: Cell, images: NDArray[Any]) -> Any:
    """Return images as rows of pixels: a data frame where the cell came from one.

    Parameters
    ----------
    cell : Cell
    images : ndarray, shape (n, *shape of the cell)

    Returns
    -------
    ndarray or DataFrame, shape (n, n_pixels)
    """
    matrix = images.reshape(len(images), -1)
    if cell.columns is None:
        return matrix
    dtypes = cell.columns
    frame = pd.DataFrame(matrix, columns=dtypes.index)
    if all(dtype == matrix.dtype for dtype in dtypes):
        return frame
    return pd.concat([frame.iloc[:, i].astype(dtype) for i, dtype in enumerate(dtypes)], axis=1)


def encode_cell(cell: Cell, pixels: NDArray[Any], form: ImageForm) -> Any:
    """Return pixels as a PNG file: its content, or base64 text as the instance had it."""
    data = encode(pixels, cell.file)
    if form.kind != "base64":
        return data
    prefix = "data:image/png;base64," if cell.file is not None and cell.file.prefix else ""
    return prefix + base64.b64encode(data).decode("ascii")


def _one_of(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        msg = f"{name} must be one of {', '.join(known)}; got {shorten(value)}."
        raise DataError(msg + did_you_mean(value, known))
