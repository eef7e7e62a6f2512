"""Composing perturbed images: each segment from the image itself, or from what replaces it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Layers", "compose"]

BLOCK_BYTES = 1 << 18
"""Size of the pieces that are composed at once: a few of them fit in a core's own cache."""

WIDE_PIXEL = 12
"""Pixels of at least so many bytes (three floats) are moved as they are."""

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

    Pixels that follow each other mostly belong to the same part, so masks are repeated along runs
    of them. Narrow pixels are composed as ``fill ^ (mask & (image ^ fill))`` on the bits
    themselves; of wide ones NumPy moves those that are needed.

    Attributes
    ----------
    fill : ndarray, shape (n_outer, n_lanes)
        Contiguous, as unsigned integers of the elements' size, or as bytes of a wide pixel.
    above : ndarray, shape (n_outer, n_lanes)
        ``image ^ fill`` of narrow pixels, the image itself of wide ones.
    pieces : tuple of Piece
        Consecutive lanes that are composed at once.
    """

    fill: NDArray[Any]
    above: NDArray[Any]
    pieces: "tuple[Piece, ...]"

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
        each = 1 if wide else n_inner
        pieces = tuple(Piece.cut(places.astype(np.intp), each, lane.itemsize))
        below, above = _lanes(fill, lane), _lanes(image, lane)
        return cls(below, above if wide else above ^ below, pieces)

    def write(self, out: NDArray[Any], masks: NDArray[np.uint8]) -> None:
        """Write one image for each mask, see `compose`."""
        lane = self.fill.dtype
        flat = out.reshape(len(masks), len(self.fill), -1).view(lane)
        # The last column is for pixels that are always kept.
        kept = np.ones((len(masks), masks.shape[1] + 1), dtype=np.bool_)
        kept[:, :-1] = masks
        wide = lane.kind == "V"
        values = kept if wide else np.negative(kept.astype(lane))
        write = _write_pixels if wide else _write_bits
        for piece in self.pieces:
            fill, above = self.fill[:, piece.lanes], self.above[:, piece.lanes]
            for rows, repeated in piece.repeated(values):
                write(flat[rows, :, piece.lanes], repeated, fill, above)


def _write_bits(out: Bits, kept: Bits, fill: Bits, change: Bits) -> None:
    """Write some lanes of some images, shape (n_rows, n_outer, n_lanes), by their bits."""
    # The result takes the place of the mask, where that is large enough.
    masked = np.bitwise_and(kept, change, out=kept if len(change) == 1 else None)
    np.bitwise_xor(masked, fill, out=out)


def _write_pixels(
    out: NDArray[Any], kept: NDArray[np.bool_], fill: NDArray[Any], image: NDArray[Any]
) -> None:
    """Write some pixels of some images, shape (n_rows, 1, n_lanes); the fewer ones twice."""
    below, above = fill, image
    if 2 * np.count_nonzero(kept) > kept.size:
        below, above = image, fill
        np.logical_not(kept, out=kept)
    out[:] = below
    np.copyto(out, above, where=kept)


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Consecutive lanes of an image, as runs of lanes of the same part.

    Attributes
    ----------
    lanes : slice
    owners : ndarray of intp, shape (n_runs,)
        Part of each run; -1 where the image always stays.
    lengths : ndarray of intp, shape (n_rows * n_runs,)
        Lanes of each run, for as many images as are composed at once.
    """

    lanes: slice
    owners: NDArray[np.intp]
    lengths: NDArray[np.intp]

    @classmethod
    def cut(cls, places: NDArray[np.intp], each: int, itemsize: int) -> Iterator[Self]:
        """Yield the pieces of an image.

        Parameters
        ----------
        places : ndarray of intp, shape (n_pixels,)
        each : int
            Lanes of a pixel.
        itemsize : int
            Bytes of a lane.
        """
        step = max(1, BLOCK_BYTES // (each * itemsize))
        for start in range(0, len(places), step):
            some = places[start : start + step]
            begins = np.flatnonzero(np.diff(some, prepend=some[0] - 1))
            lengths = np.diff(begins, append=len(some)) * each
            n_rows = max(1, BLOCK_BYTES // (len(some) * each * itemsize))
            lanes = slice(start * each, (start + len(some)) * each)
            yield cls(lanes, some[begins], np.tile(lengths, n_rows))

    def repeated(self, values: NDArray[Any]) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Yield values of parts for each lane, of as many images as are composed at once.

        Parameters
        ----------
        values : ndarray, shape (n_images, n_parts + 1)

        Yields
        ------
        rows : slice
        repeated : ndarray, shape (n_rows, 1, n_lanes)
        """
        n_runs = len(self.owners)
        runs = np.take(values, self.owners, axis=1)
        many = len(self.lengths) // n_runs
        for start in range(0, len(runs), many):
            some = runs[start : start + many]
            each = np.repeat(some.reshape(-1), self.lengths[: some.size])
            yield slice(start, start + len(some)), each.reshape(len(some), 1, -1)


def _lanes(values: NDArray[Any], lane: np.dtype[Any]) -> NDArray[Any]:
    """Return the bytes of (n_outer, n_pixels, n_inner) values, shape (n_outer, n_lanes)."""
    return np.ascontiguousarray(values).reshape(len(values), -1).view(lane)
