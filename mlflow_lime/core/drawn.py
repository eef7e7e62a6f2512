"""Designs once drawn: their blocks, and all that follows from them whatever the instance.

A few designs serve all instances of as many parts. Each instance takes one of them, by its
content, with its parts in an order of its own. Alone, its rows are distributed as those of a
design of its own; in company, the errors of two instances have next to no correlation, because
their parts stand at other places of the design (``benchmarks/sharing.py``).
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final

from mlflow_lime.core.blocks import MaskBlock
from mlflow_lime.core.covariates import Covariates
from mlflow_lime.core.moments import Rows

__all__ = ["N_DESIGNS", "Drawn", "DrawnBlock", "Remembered"]

N_DESIGNS: Final = 4
"""Designs that serve all instances of as many parts."""

REMEMBERED_BYTES: Final = 2**26
"""Size of the designs that are remembered."""


@dataclass(frozen=True, slots=True, eq=False)
class DrawnBlock:
    """What a round adds to a replicate.

    Attributes
    ----------
    replicate : int
    block : MaskBlock
        Its parts stand in the order of the design.
    rows : Rows or None
        The same as the surrogate sees it; None where that depends on the instance.
    """

    replicate: int
    block: MaskBlock
    rows: Rows | None


@dataclass(slots=True, eq=False)
class Drawn:
    """One design, drawn round by round.

    Attributes
    ----------
    draw : callable
        From the number of a round to what it adds to each replicate.
    shared : bool
        Whether other instances will ask for the same, so that it is remembered.
    """

    draw: Callable[[int], list[DrawnBlock]]
    shared: bool
    _rounds: dict[int, list[DrawnBlock]] = field(init=False, default_factory=dict)
    _sums: dict[int, Covariates] = field(init=False, default_factory=dict)

    def round(self, number: int) -> list[DrawnBlock]:
        """Return what a round adds to each replicate."""
        if not self.shared:
            return self.draw(number)
        if number not in self._rounds:
            self._rounds[number] = self.draw(number)
        return self._rounds[number]

    def covariates(self, n_rounds: int) -> Covariates:
        """Return the covariates of each replicate, of all its first rounds together."""
        if n_rounds not in self._sums:
            found = [block.rows.covariates() for block in self.round(n_rounds - 1) if block.rows]
            stack = Covariates.stack(found)
            if n_rounds > 1:
                stack += self.covariates(n_rounds - 1)
            self._sums[n_rounds] = stack
        return self._sums[n_rounds]

    @property
    def nbytes(self) -> int:
        """Approximate size of what is remembered."""
        blocks = [block.rows for round_ in self._rounds.values() for block in round_ if block.rows]
        # Columns, masks, levels, and their places.
        sizes = [(8 * one.n_columns + 11 * one.n_parts) * len(one.weights) for one in blocks]
        # The sums themselves, those without each replicate, and their factors.
        return sum(sizes) + sum(8 * int(sums.gram.nbytes) for sums in self._sums.values())


@dataclass(slots=True)
class Remembered:
    """The designs that were used last.

    Attributes
    ----------
    designs : OrderedDict of Hashable to Drawn
    """

    designs: "OrderedDict[Hashable, Drawn]" = field(default_factory=OrderedDict)

    def get(self, key: Hashable, make: Callable[[], Drawn]) -> Drawn:
        """Return a design, drawn anew where it is not remembered."""
        found = self.designs.pop(key, None) or make()
        self.designs[key] = found
        return found

    def forget(self) -> None:
        """Forget the designs that were not used for longest, where there are too many."""
        sizes = {key: design.nbytes for key, design in self.designs.items()}
        spent = sum(sizes.values())
        while spent > REMEMBERED_BYTES and self.designs:
            key, _ = self.designs.popitem(last=False)
            spent -= sizes[key]
