"""Blocks of masks and background levels, from which a domain makes perturbed inputs."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEVELS", "MaskBlock", "joined"]

MaskArray = NDArray[np.uint8]
LevelArray = NDArray[np.uint16]
FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.intp]

LEVELS: Final = 1024

Kind = TypeVar("Kind", np.uint8, np.uint16)


class MaskBlock:
    """Masks and background levels of one randomised block of rows.

    Parameters
    ----------
    masks : ndarray of uint8, shape (n_rows, n_parts)
        1 where the part is kept.
    levels : ndarray of uint16, shape (n_rows, n_draws)
        Uniform on 0 .. `LEVELS` - 1, independent of the masks: which of the equally likely
        background values replaces an absent part.
    weights : ndarray of float64, shape (n_rows,)
        Law over proposal: ones, except where all masks are enumerated.
    distinct : bool, default False
        Whether it is known that no mask occurs twice.
    """

    def __init__(
        self,
        masks: MaskArray,
        levels: LevelArray,
        weights: FloatArray,
        *,
        distinct: bool = False,
    ) -> None:
        self.weights = weights
        self.distinct = distinct
        self._drawn = _Drawn(masks, levels)
        self._rows = slice(None)
        self._order: IndexArray | None = None

    @cached_property
    def masks(self) -> MaskArray:
        """1 where the part is kept, shape (n_rows, n_parts)."""
        return self._in_order(self._drawn.masks[self._rows])

    @cached_property
    def levels(self) -> LevelArray:
        """Level of each background value, shape (n_rows, n_draws)."""
        levels = self._drawn.levels[self._rows]
        return self._in_order(levels) if levels.shape[1] else levels

    def look_up(self, values: FloatArray, out: FloatArray, room: FloatArray) -> None:
        """Write the value of every part in every row, of a block with a level for each part.

        Parameters
        ----------
        values : ndarray of float64, shape (n_parts, LEVELS + 1)
            Of each part: its value at each level, and the one where the part is kept.
        out : ndarray of float64, shape (n_rows, n_parts)
        room : ndarray of float64, shape (2, at least as many values as either of these)
            Overwritten. Memory asked for anew would take longer than all that is done here.
        """
        places = self._drawn.places[self._rows]
        if self._order is None:
            np.take(values, places, out=out, mode="clip")
            return
        drawn, found = room[0, : values.size], room[1, : out.size].reshape(out.shape)
        drawn.reshape(values.shape)[self._order] = values
        np.take(drawn, places, out=found, mode="clip")
        np.take(found, self._order, axis=1, out=out, mode="clip")

    def reordered(self, order: IndexArray | None) -> "MaskBlock":
        """Return the same rows with the parts in another order, made only where it is looked at.

        Parameters
        ----------
        order : ndarray of intp, shape (n_parts,), or None
            For each part the one here whose place it takes, with its level where it has one.
        """
        if order is None:
            return self
        return self._view(
            0, len(self.weights), order if self._order is None else self._order[order]
        )

    def part(self, start: int, stop: int) -> "MaskBlock":
        """Return some of the rows."""
        return self._view(start, stop, self._order)

    def _view(self, start: int, stop: int, order: IndexArray | None) -> "MaskBlock":
        view = MaskBlock.__new__(MaskBlock)
        first = self._rows.start or 0
        view.weights, view.distinct = self.weights[start:stop], self.distinct
        view._drawn, view._rows = self._drawn, slice(first + start, first + stop)
        view._order = order
        return view

    def _in_order(self, drawn: NDArray[Kind]) -> NDArray[Kind]:
        return drawn if self._order is None else np.take(drawn, self._order, axis=1)


@dataclass(frozen=True, eq=False)
class _Drawn:
    """What several blocks can be views of."""

    masks: MaskArray
    levels: LevelArray

    @cached_property
    def places(self) -> IndexArray:
        """Place of each value in a flat table of (n_parts, LEVELS + 1), (n_rows, n_parts)."""
        levels = np.maximum(self.levels, self.masks * np.uint16(LEVELS))
        places: IndexArray = levels.astype(np.intp)
        places += np.arange(levels.shape[1]) * (LEVELS + 1)
        return places


def joined(blocks: list[MaskBlock]) -> MaskBlock:
    """Return the rows of several blocks, one after the other."""
    if len(blocks) == 1:
        return blocks[0]
    return MaskBlock(
        np.concatenate([block.masks for block in blocks]),
        np.concatenate([block.levels for block in blocks]),
        np.concatenate([block.weights for block in blocks]),
    )
