"""Composing perturbed images: each segment from the image itself, or from what replaces it."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Layers", "compose"]

BLOCK_BYTES = 1 << 18
"""Size of the pieces that are composed at once: a few of them fit in a core's own cache."""

WIDE_PIXEL = 12
"""Pixels of at least so many bytes (three floats) are moved in runs."""

_WORD = 8
Bits = NDArray[np.unsignedinteger[Any]]


def compose(
    out: NDArray[Any],
    *,
    image: NDArray[Any],
    fill: NDArray[Any],
    places: NDArray[np.integer[Any]],
    masks: NDArray[np.uint8],
) -> None:
    """Write one image for each mask, bit for bit from `image` and `fill`, whatever the dtype.

    Parameters
    ----------
    out : ndarray, shape (n_rows, n_outer, n_pixels, n_inner), C-contiguous
        Where to write. Channels that come before the pixels are `n_outer`, those after them
        `n_inner`.
    image, fill, places : see `Layers.of`
    masks : ndarray of uint8, shape (n_rows, n_parts)
        1 where the part is kept.

    Examples
    --------
    >>> out = np.empty((2, 1, 3, 1))
    >>> image, fill = np.array([[[1.0], [2.0], [3.0]]]), np.zeros((1, 3, 1))
    >>> masks = np.array([[1, 0], [0, 0]], dtype=np.uint8)
    >>> compose(out, image=image, fill=fill, places=np.array([0, 1, -1]), masks=masks)
    >>> out[:, 0, :, 0].tolist()
    [[1.0, 0.0, 3.0], [0.0, 0.0, 3.0]]
    """
    Layers.of(image, fill, places).write(out, masks)


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """An image and what replaces it, laid out once for the many batches composed of them.

    The bits of 8 masks (of as many as an element has bits) go into one word for each part, and the
    words are gathered once for each pixel: each bit of them is then the mask of one image. Narrow
    pixels are composed as ``fill ^ (mask & (image ^ fill))`` on the bits themselves; of wide ones
    NumPy moves each run of kept pixels at once.

    Attributes
    ----------
    image, fill : ndarray, shape (n_outer, n_lanes)
        Contiguous, as unsigned integers of the elements' size, or as bytes of a wide pixel.
    owners : ndarray of intp, shape (n_pixels,)
        Part of each pixel; the largest intp where the image always stays.
    itemsize : int
        Bytes of an element.
    """

    image: NDArray[Any]
    fill: NDArray[Any]
    owners: NDArray[np.intp]
    itemsize: int

    @classmethod
    def of(cls, image: NDArray[Any], fill: NDArray[Any], places: NDArray[np.integer[Any]]) -> Self:
        """Lay an image out.

        Parameters
        ----------
        image, fill : ndarray of the same dtype, shape (n_outer, n_pixels, n_inner)
            What is kept, and what replaces it.
        places : ndarray of int, shape (n_pixels,)
            Part of each pixel; -1 where the image always stays.
        """
        n_outer, _, n_inner = image.shape
        size = image.dtype.itemsize
        wide = n_outer == 1 and size * n_inner >= WIDE_PIXEL
        lane = np.dtype((np.void, size * n_inner)) if wide else np.dtype(f"=u{size}")
        owners = places.astype(np.intp)
        owners[owners < 0] = np.iinfo(np.intp).max  # clipped to the last column of the words
        return cls(_lanes(image, lane), _lanes(fill, lane), owners, size)

    def write(self, out: NDArray[Any], masks: NDArray[np.uint8]) -> None:
        """Write one image for each mask, see `compose`."""
        in_runs = self.image.dtype.kind == "V"
        words = _mask_words(masks, 1 if in_runs else self.itemsize)
        write = _write_runs if in_runs else _write_bits
        n_outer, n_lanes = self.image.shape
        n_pixels = len(self.owners)
        each = n_lanes // n_pixels
        flat = out.reshape(len(masks), n_outer, -1).view(self.image.dtype)
        step = max(1, BLOCK_BYTES // (each * self.image.dtype.itemsize))
        for start in range(0, n_pixels, step):
            owners = self.owners[start : start + step]
            lanes = slice(start * each, (start + len(owners)) * each)
            write(
                flat[:, :, lanes],
                image=self.image[:, lanes],
                fill=self.fill[:, lanes],
                owners=owners,
                words=words,
            )


def _write_bits(
    out: NDArray[Any], *, image: Bits, fill: Bits, owners: NDArray[np.intp], words: Bits
) -> None:
    """Write some pixels of all images, shape (n_rows, n_outer, n_elements), by their bits."""
    n_rows, n_outer, n_elements = out.shape
    n_inner = n_elements // len(owners)
    lane, bits = words.dtype, 8 * words.dtype.itemsize
    padded = -(-n_elements * lane.itemsize // _WORD) * _WORD // lane.itemsize
    change = image ^ fill
    many = max(1, min(bits, n_rows, BLOCK_BYTES // (padded * lane.itemsize * n_outer)))
    gathered = np.zeros(padded, dtype=lane)
    each = np.empty(len(owners), dtype=lane)
    planes = np.empty((many, padded * lane.itemsize // _WORD), dtype=np.uint64)
    kept = planes.view(lane)[:, None, :n_elements]
    # The result takes the place of the mask, where that is large enough.
    masked = kept if n_outer == 1 else np.empty((many, n_outer, n_elements), dtype=lane)
    packed, lowest = gathered.view(np.uint64), _lowest_bits(lane)
    for group, word in enumerate(words):
        np.take(word, owners, out=each, mode="clip")
        for channel in range(n_inner):
            gathered[channel:n_elements:n_inner] = each
        last = min(bits, n_rows - group * bits)
        for first in range(0, last, many):
            rows = min(many, last - first)
            plane = planes[:rows]
            _unpack(packed, lowest, first, plane)
            np.multiply(plane, np.uint64((1 << bits) - 1), out=plane)
            np.bitwise_and(kept[:rows], change, out=masked[:rows])
            row = group * bits + first
            np.bitwise_xor(masked[:rows], fill, out=out[row : row + rows])


def _write_runs(
    out: NDArray[Any],
    *,
    image: NDArray[Any],
    fill: NDArray[Any],
    owners: NDArray[np.intp],
    words: Bits,
) -> None:
    """Write some pixels of all images, shape (n_rows, 1, n_pixels), run by run."""
    n_rows, _, n_pixels = out.shape
    bits = 8
    many = max(1, min(bits, n_rows, BLOCK_BYTES // image.nbytes))
    gathered = np.zeros(-(-n_pixels // _WORD) * _WORD, dtype=np.uint8)
    planes = np.empty((many, len(gathered) // _WORD), dtype=np.uint64)
    kept = planes.view(np.bool_)[:, None, :n_pixels]
    packed, lowest = gathered.view(np.uint64), _lowest_bits(gathered.dtype)
    for group, word in enumerate(words):
        np.take(word, owners, out=gathered[:n_pixels], mode="clip")
        last = min(n_rows, (group + 1) * bits)
        for first in range(group * bits, last, many):
            rows = out[first : min(first + many, last)]
            _unpack(packed, lowest, first % bits, planes[: len(rows)])
            rows[:] = fill
            np.copyto(rows, image, where=kept[: len(rows)])


def _unpack(
    packed: NDArray[np.uint64], lowest: np.uint64, first: int, planes: NDArray[np.uint64]
) -> None:
    """Write bit `first` of each element, the next one, and so on, shape (n_bits, n_words)."""
    shifts = np.arange(first, first + len(planes), dtype=np.uint64)[:, None]
    np.right_shift(packed, shifts, out=planes)
    np.bitwise_and(planes, lowest, out=planes)


def _lowest_bits(lane: np.dtype[Any]) -> np.uint64:
    """Return a word with the lowest bit of each of its elements set."""
    return np.uint64(np.ones(_WORD // lane.itemsize, dtype=lane).view(np.uint64)[0])


def _mask_words(masks: NDArray[np.uint8], itemsize: int) -> Bits:
    """Return the masks' bits, shape (n_groups, n_parts + 1): row i of a group is bit i.

    The last column is for pixels that are always kept.
    """
    n_rows, n_parts = masks.shape
    bits = 8 * itemsize
    padded = np.ones((-(-n_rows // bits) * bits, n_parts + 1), dtype=np.uint8)
    padded[:n_rows, :n_parts] = masks
    packed = np.packbits(padded, axis=0, bitorder="little").reshape(-1, itemsize, n_parts + 1)
    joined = np.ascontiguousarray(packed.transpose(0, 2, 1)).view(f"<u{itemsize}")
    return np.asarray(joined[:, :, 0].astype(f"=u{itemsize}"))


def _lanes(values: NDArray[Any], lane: np.dtype[Any]) -> NDArray[Any]:
    """Return the bytes of (n_outer, n_pixels, n_inner) values, shape (n_outer, n_lanes)."""
    return np.ascontiguousarray(values).reshape(len(values), -1).view(lane)
