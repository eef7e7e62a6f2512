"""Taking an image apart into segments."""

import hashlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.errors import DataError, did_you_mean, shorten

__all__ = [
    "MAX_SEGMENTS",
    "METHODS",
    "Segmenter",
    "relabel",
    "segment",
]

METHODS: Final = ("slic", "quickshift", "felzenszwalb", "grid")

MAX_SEGMENTS: Final = 5_000
"""More parts than this cannot be fitted."""

LARGE: Final = 4_000_000
"""Images of more pixels are segmented on every second, third, ... pixel of each axis."""

PIXELS_EACH = 4
"""Segments of fewer pixels on average are not asked of a small image."""

_LAB_COMPACTNESS = 10.0
_PLAIN_COMPACTNESS = 0.1

Labels = NDArray[np.int32]
Segments = str | Callable[[NDArray[Any]], Any] | NDArray[Any] | Sequence[Any]
"""A method's name, a function from an image to labels, or the labels themselves."""


class Segmenter:
    """What takes images apart.

    Parameters
    ----------
    method : str, callable, or array_like of int
        One of `METHODS`; a function from an image (channels last) to labels (height, width);
        labels (height, width) for all images; or one such array for each instance of a call.
    n_segments : int, default 50
        About how many segments SLIC, felzenszwalb, and grid give; for small images at most one
        for four pixels.

    Raises
    ------
    DataError
        If there is no such method.
    """

    def __init__(self, method: Segments = "slic", n_segments: int = 50) -> None:
        wrong: Any = n_segments  # whatever a caller without type checks gave
        if isinstance(wrong, bool) or not isinstance(wrong, (int, np.integer)) or wrong < 1:
            msg = f"n_segments must be a whole number of at least 1, got {shorten(wrong)}"
            raise DataError(msg)
        if isinstance(method, str) and method not in METHODS:
            msg = (
                f"segments must be one of {', '.join(METHODS)}, a function, or labels; got "
                f"{shorten(method)}."
            )
            raise DataError(msg + did_you_mean(method, METHODS))
        self.method = method
        self.n_segments = int(n_segments)
        self.given: list[NDArray[Any]] | None = None
        self.each = False
        if not isinstance(method, str) and not callable(method):
            self.given, self.each = _given(method)

    def require(self, n_instances: int) -> None:
        """Raise a DataError where labels are given for another number of instances."""
        if self.each and self.given is not None and len(self.given) != n_instances:
            msg = (
                f"segments are given for {len(self.given)} images, but there are {n_instances}; "
                "give one array (height, width) for all, or one for each"
            )
            raise DataError(msg)

    def __call__(self, image: NDArray[Any], place: int) -> Labels:
        """Return the labels of an image, 0 to n - 1 in the order of their first pixels.

        Parameters
        ----------
        image : ndarray, shape (height, width) or (height, width, n_channels)
        place : int
            Position of the image in its call.

        Raises
        ------
        DataError
            If the labels cannot be used, or a function fails.
        """
        if self.given is not None:
            return relabel(self.given[place if self.each else 0], image.shape[:2])
        if isinstance(self.method, str):
            return segment(image, self.method, self.n_segments)
        function: Any = self.method
        try:
            found = function(image.copy())
        except DataError:
            raise
        except Exception as error:  # a function of the user's own
            msg = f"the segmentation function raised {type(error).__name__}: {shorten(str(error))}"
            raise DataError(msg) from error
        return relabel(found, image.shape[:2])

    def recipe(self) -> dict[str, Any]:
        """Return the method as plain JSON values."""
        if isinstance(self.method, str):
            counted = self.method != "quickshift"
            return {"segments": self.method, "n_segments": self.n_segments if counted else None}
        if self.given is None:
            name = getattr(self.method, "__qualname__", type(self.method).__qualname__)
            module = getattr(self.method, "__module__", None)
            return {"segments": f"{module}:{name}", "n_segments": None}
        digest = hashlib.blake2b(digest_size=16)
        for labels in self.given:
            digest.update(repr((labels.shape, labels.dtype.str)).encode())
            digest.update(np.ascontiguousarray(labels).tobytes())
        return {"segments": f"labels:{digest.hexdigest()}", "n_segments": None}


def _given(labels: Any) -> tuple[list[NDArray[Any]], bool]:
    """Return given labels, and whether there is one array for each instance."""
    if isinstance(labels, (list, tuple)) and len(labels) and np.ndim(labels[0]) == 2:
        return [np.asarray(item) for item in labels], True
    try:
        array = np.asarray(labels)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.ndim == 2:
        return [array], False
    if array.ndim == 3:
        return list(array), True
    msg = (
        f"segments must be one of {', '.join(METHODS)}, a function, or labels of shape (height, "
        f"width) or one such array an instance; got {type(labels).__name__} of shape {array.shape}"
    )
    raise DataError(msg)


def relabel(labels: Any, shape: tuple[int, ...]) -> Labels:
    """Return labels as 0 to n - 1 in the order of their first pixels, none lost.

    Parameters
    ----------
    labels : array_like of int, shape (height, width)
        Any whole numbers, negative ones too: each distinct value is a segment of its own.
    shape : tuple of int
        What their shape must be.

    Returns
    -------
    ndarray of int32, shape (height, width)

    Raises
    ------
    DataError
        If the labels are no whole numbers, of another shape, or more than `MAX_SEGMENTS`.

    Examples
    --------
    >>> relabel([[7, 7, -1], [3, 7, -1]], (2, 3)).tolist()
    [[0, 0, 1], [2, 0, 1]]
    """
    try:
        array = np.asarray(labels)
    except (TypeError, ValueError):
        array = np.asarray(None)
    if array.shape != shape:
        msg = f"expected segment labels of shape {shape}, one for each pixel, got {array.shape}"
        raise DataError(msg)
    if array.dtype.kind == "f" and np.isfinite(array).all() and (array == np.rint(array)).all():
        array = array.astype(np.int64)
    if array.dtype.kind not in "bui":
        msg = f"expected segment labels that are whole numbers, got dtype {array.dtype}"
        raise DataError(msg)
    _, first, inverse = np.unique(array.ravel(), return_index=True, return_inverse=True)
    if len(first) > MAX_SEGMENTS:
        msg = (
            f"expected at most {MAX_SEGMENTS:,} segments, got {len(first):,}; lower n_segments, or "
            "choose another method"
        )
        raise DataError(msg)
    ranks = np.empty(len(first), dtype=np.int32)
    ranks[np.argsort(first, kind="stable")] = np.arange(len(first), dtype=np.int32)
    return ranks[inverse.reshape(-1)].reshape(shape)


def segment(image: NDArray[Any], method: str = "slic", n_segments: int = 50) -> Labels:
    """Return the segments of an image: a function of its pixels alone.

    Parameters
    ----------
    image : ndarray, shape (height, width) or (height, width, n_channels)
        Of any dtype; for this alone it is scaled to 0 to 1. Three channels are taken for RGB and
        compared in CIELAB.
    method : {"slic", "quickshift", "felzenszwalb", "grid"}
    n_segments : int
        About how many; not heeded by quickshift.

    Returns
    -------
    ndarray of int32, shape (height, width)
        0 to n - 1, in the order of their first pixels.

    References
    ----------
    Achanta et al., "SLIC superpixels compared to state-of-the-art superpixel methods", TPAMI 2012.
    Vedaldi and Soatto, "Quick shift and kernel methods for mode seeking", ECCV 2008. Felzenszwalb
    and Huttenlocher, "Efficient graph-based image segmentation", IJCV 2004.

    Examples
    --------
    >>> segment(np.zeros((4, 4)), "grid", 4).tolist()
    [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]
    """
    height, width = image.shape[:2]
    step = int(np.ceil(np.sqrt(height * width / LARGE)))
    if step > 1 and method != "grid":
        small = _run(image[::step, ::step], method, n_segments)
        labels = np.repeat(np.repeat(small, step, axis=0), step, axis=1)[:height, :width]
    else:
        labels = _run(image, method, n_segments)
    return relabel(labels, (height, width))


def _run(image: NDArray[Any], method: str, n_segments: int) -> NDArray[Any]:
    height, width = image.shape[:2]
    count = max(1, min(n_segments, height * width // PIXELS_EACH))
    if method == "grid" or min(height, width) < 3:
        return _grid(height, width, count)
    from skimage import segmentation

    scaled = _scaled(image)
    colour = scaled.ndim == 3 and scaled.shape[-1] == 3
    axis = None if scaled.ndim == 2 else -1
    if method == "slic":
        compactness = _LAB_COMPACTNESS if colour else _PLAIN_COMPACTNESS
        for factor in (1, 10, 100):
            found = segmentation.slic(
                scaled,
                n_segments=count,
                compactness=factor * compactness,
                start_label=0,
                channel_axis=axis,
            )
            # Noise tears segments into crumbs, which are then joined into nearly one.
            if 4 * (int(found.max()) + 1) >= count:
                return np.asarray(found)
        return _grid(height, width, count)
    if method == "quickshift":
        found = segmentation.quickshift(  # type: ignore[no-untyped-call]
            scaled if colour else np.atleast_3d(scaled),
            kernel_size=min(4.0, max(1.0, min(height, width) / 32)),
            max_dist=200,
            ratio=0.2,
            convert2lab=colour,
            rng=0,
        )
    else:
        least = max(2, height * width // (2 * count))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # that there are over three channels
            found = segmentation.felzenszwalb(
                scaled, scale=100, sigma=0.5, min_size=least, channel_axis=axis
            )
    return np.asarray(found)


def _scaled(image: NDArray[Any]) -> NDArray[np.float64]:
    """Return pixels between 0 and 1; a single channel loses its axis."""
    if image.ndim == 3 and image.shape[-1] == 1:
        image = image[..., 0]
    values = image.astype(np.float64)
    if image.dtype == np.uint8:
        return np.asarray(values / 255)
    low, high = values.min(), values.max()
    if high == low:
        return np.zeros_like(values)
    # Halves first, so that the range of the largest floats does not overflow.
    return np.asarray((values / 2 - low / 2) / (high / 2 - low / 2))


def _grid(height: int, width: int, count: int) -> NDArray[np.int64]:
    """Return about `count` rectangles, as square as they can be."""
    side = np.sqrt(height * width / count)
    n_rows = int(np.clip(np.rint(height / side), 1, height))
    n_columns = int(np.clip(np.rint(count / n_rows), 1, width))
    rows = np.arange(height) * n_rows // height
    columns = np.arange(width) * n_columns // width
    return np.asarray(rows[:, None] * n_columns + columns)
