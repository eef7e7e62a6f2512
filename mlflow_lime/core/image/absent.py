"""What takes the place of a segment that is absent."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.image.files import read_path
from mlflow_lime.errors import DataError, did_you_mean, shorten

__all__ = ["ABSENT", "Absence", "differing"]

ABSENT: Final = ("mean", "blur", "segment_mean")

BLUR_SHARE: Final = 0.06
"""Standard deviation of the blur, as a share of the image's shorter side."""

Absent = str | float | Sequence[float] | NDArray[Any] | Path


class Absence:
    """What replaces absent segments.

    Parameters
    ----------
    absent : str, number, sequence of numbers, ndarray, or path, default "mean"
        ``"mean"``: the mean of each channel of the image. ``"blur"``: the image through a Gaussian
        filter. ``"segment_mean"``: the mean of each channel of the segment. A number, or one for
        each channel: a colour, in the image's units. An array or the name of an image file: a
        background of the image's shape.

    Raises
    ------
    DataError
        If it is none of these, or the file cannot be read.
    """

    def __init__(self, absent: Absent = "mean") -> None:
        self.method = "mean"
        self.colour: NDArray[np.float64] | None = None
        self.background: NDArray[Any] | None = None
        value: Any = absent
        if isinstance(value, str) and value in ABSENT:
            self.method = value
        elif isinstance(value, (str, Path)):
            self.method, self.background = "background", _read_background(value)
        else:
            self._read_values(value)

    def _read_values(self, value: Any) -> None:
        try:
            array = np.asarray(value)
        except (TypeError, ValueError):
            array = np.asarray(None)
        if array.dtype.kind not in "buif" or not array.size or array.ndim > 3:
            raise _unknown(value)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            msg = "absent must be finite, got NaN or infinity"
            raise DataError(msg)
        if array.ndim < 2:
            self.method, self.colour = "colour", array.astype(np.float64).reshape(-1)
        else:
            self.method, self.background = "background", np.ascontiguousarray(array)

    def fill(self, image: NDArray[Any], labels: NDArray[np.int32]) -> NDArray[Any]:
        """Return what the image becomes where every segment is absent.

        Parameters
        ----------
        image : ndarray, shape (height, width) or (height, width, n_channels)
        labels : ndarray of int32, shape (height, width)
            0 to n - 1.

        Returns
        -------
        ndarray of the image's shape and dtype
            Whole numbers are rounded. May be a view that repeats one colour.

        Raises
        ------
        DataError
            If a colour or background does not fit the image.
        """
        dtype = image.dtype
        if self.background is not None:
            return self._background(image)
        if self.method == "blur":
            return _cast(_blurred(image), dtype)
        if self.method == "segment_mean":
            return _cast(_segment_means(image, labels), dtype)
        n_channels = 1 if image.ndim == 2 else image.shape[-1]
        if self.colour is None:
            with np.errstate(over="ignore"):
                colour = image.reshape(-1, n_channels).mean(axis=0, dtype=np.float64)
        elif len(self.colour) in (1, n_channels):
            colour = np.broadcast_to(self.colour, (n_channels,))
        else:
            msg = (
                f"absent is a colour of {len(self.colour)} channels, but the image has "
                f"{n_channels}; give one number, or one for each channel"
            )
            raise DataError(msg)
        plain = _cast(colour, dtype)
        return np.broadcast_to(plain[0] if image.ndim == 2 else plain, image.shape)

    def _background(self, image: NDArray[Any]) -> NDArray[Any]:
        background = np.asarray(self.background)
        if background.shape != image.shape:
            msg = (
                f"absent is a background of shape {background.shape}, but the image has shape "
                f"{image.shape} (channels last); give a background of that shape"
            )
            raise DataError(msg)
        return _cast(background, image.dtype)

    def recipe(self) -> dict[str, Any]:
        """Return the choice as plain JSON values."""
        if self.background is not None:
            digest = hashlib.blake2b(digest_size=16)
            digest.update(repr((self.background.shape, self.background.dtype.str)).encode())
            digest.update(self.background.tobytes())
            return {"absent": f"background:{digest.hexdigest()}"}
        if self.colour is not None:
            return {"absent": self.colour.tolist()}
        return {"absent": self.method}


def differing(
    image: NDArray[Any], fill: NDArray[Any], labels: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """Return for each segment whether its replacement differs from it in any pixel.

    Parameters
    ----------
    image, fill : ndarray, shape (height, width) or (height, width, n_channels)
    labels : ndarray of int32, shape (height, width)
        0 to n - 1.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    changed = image != fill
    if changed.ndim == 3:
        changed = changed.any(axis=-1)
    found = np.zeros(int(labels.max()) + 1, dtype=bool)
    found[labels[changed]] = True
    return found


def _read_background(name: str | Path) -> NDArray[Any]:
    if isinstance(name, str) and not Path(name).exists() and not Path(name).suffix:
        raise _unknown(name)
    pixels, _ = read_path(name)
    return pixels


def _unknown(value: Any) -> DataError:
    msg = (
        f"absent must be one of {', '.join(ABSENT)}, a colour, an array of the image's shape, or "
        f"the name of an image file; got {shorten(value)}."
    )
    return DataError(msg + (did_you_mean(value, ABSENT) if isinstance(value, str) else ""))


def _cast(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return values in the image's dtype: rounded, and refused where it cannot hold them."""
    if values.dtype == dtype:
        return values
    if dtype.kind == "b":
        return np.asarray(values >= 0.5)
    if dtype.kind in "iu":
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        rounded = np.rint(values) if values.dtype.kind == "f" else values
        if rounded.min() < low or rounded.max() > high:
            msg = (
                f"absent has values from {values.min():g} to {values.max():g}, but the image is "
                f"of dtype {dtype}, {low} to {high}; give it in the image's units"
            )
            raise DataError(msg)
        return rounded.astype(dtype)
    with np.errstate(over="ignore"):
        cast = values.astype(dtype)
    if not np.isfinite(cast).all():
        msg = f"absent has values too large for the image's dtype {dtype}; give it in its units"
        raise DataError(msg)
    return cast


def _blurred(image: NDArray[Any]) -> NDArray[np.float64]:
    from scipy.ndimage import gaussian_filter

    sigma = max(1.0, BLUR_SHARE * min(image.shape[:2]))
    sigmas = (sigma, sigma, 0.0)[: image.ndim]
    return np.asarray(gaussian_filter(image.astype(np.float64), sigmas, truncate=3.0))


def _segment_means(image: NDArray[Any], labels: NDArray[np.int32]) -> NDArray[np.float64]:
    flat = labels.ravel()
    sizes = np.bincount(flat)
    channels = image.reshape(flat.size, -1).astype(np.float64)
    means = np.stack(
        [np.bincount(flat, weights=channel) / sizes for channel in channels.T], axis=-1
    )
    return np.asarray(means[flat].reshape(image.shape))
