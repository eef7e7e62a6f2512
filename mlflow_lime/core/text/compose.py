"""Perturbed texts from masks."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Composer"]

_ROWS = 1024
_TABLE_CHARACTERS = 1 << 23


@dataclass(frozen=True, slots=True, eq=False)
class Composer:
    """A text between whose fixed stretches some stretches come and go.

    Attributes
    ----------
    absent, present : tuple of str, length n_spans
        Each varied span without and with its own text, both after the fixed text before it. The
        text after the last span belongs to the last span.
    order : ndarray of intp, shape (n_spans,)
        Position of each span's part among the columns of the masks.
    tail : str
        The whole text where nothing varies.
    """

    absent: tuple[str, ...]
    present: tuple[str, ...]
    order: NDArray[np.intp]
    tail: str

    @classmethod
    def of(
        cls, text: str, spans: NDArray[np.int32], active: NDArray[np.intp], mask: str | None
    ) -> Self:
        """Take a text apart.

        Parameters
        ----------
        text : str
        spans : ndarray of int32, shape (n_spans, 3)
            Start, end and part of each span.
        active : ndarray of intp, shape (n_active,)
            Parts that come and go, ascending.
        mask : str or None
            What takes the place of an absent span.
        """
        varied = spans[np.isin(spans[:, 2], active)]
        replacement = mask or ""
        absent, present, place = [], [], 0
        for start, end, _ in varied.tolist():
            absent.append(text[place:start] + replacement)
            present.append(text[place:end])
            place = end
        tail = text[place:]
        if absent:
            absent[-1] += tail
            present[-1] += tail
        return cls(tuple(absent), tuple(present), np.searchsorted(active, varied[:, 2]), tail)

    def strings(self, masks: NDArray[np.uint8]) -> list[str]:
        """Return the texts of masks.

        Spans are taken in groups whose every combination is written once, so that a row is a few
        look-ups in a table and one join.

        Parameters
        ----------
        masks : ndarray of uint8, shape (n_rows, n_active)
            1 where the part is kept.

        Returns
        -------
        list of str, length n_rows
        """
        if not self.absent:
            return [self.tail] * len(masks)
        narrow = len(masks) < 256 or len(self.tail) + sum(map(len, self.present)) > (
            _TABLE_CHARACTERS >> 7
        )
        bits = 4 if narrow else 8
        table = self._table(bits)
        offsets = np.arange(len(table) >> bits, dtype=np.intp) << bits
        texts: list[str] = []
        for start in range(0, len(masks), _ROWS):
            packed = np.packbits(masks[start : start + _ROWS].take(self.order, axis=1), axis=1)
            if narrow:
                packed = np.stack([packed >> 4, packed & 15], axis=2).reshape(len(packed), -1)
                packed = packed[:, : len(offsets)]
            # By groups of spans rather than by rows, for which as many lists would be made.
            groups = table.take((packed + offsets).T).tolist()
            texts.extend(map("".join, zip(*groups, strict=True)))
        return texts

    def _table(self, bits: int) -> NDArray[np.object_]:
        """Return every combination of each group of `bits` spans, the first span leading."""
        pairs = [*zip(self.absent, self.present, strict=True)]
        pairs += [("", "")] * (-len(pairs) % bits)
        rows: list[str] = []
        for first in range(0, len(pairs), bits):
            group = [""]
            for pair in pairs[first : first + bits]:
                group = [before + piece for before in group for piece in pair]
            rows += group
        table = np.empty(len(rows), dtype=object)
        table[:] = rows
        return table
