"""Cutting a job into tasks: large enough to be worth sending, small enough to be shared out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

__all__ = ["Cutter"]

T = TypeVar("T")

FIRST = 25
"""Units of the first tasks, where there are enough."""
MOST = 2000
"""Units of a task at most: what is lost when a worker dies, and held in memory."""
SECONDS = 2.0
"""Wall time that a task should take: long against the cost of sending it."""
ROUNDS = 2
"""Tasks that each worker should get of what is left, so that all end at about the same time."""
SMALLEST = 4
"""How much smaller tasks may become towards the end: sending them costs as much as before."""
GROWTH = 10
"""How much larger the next tasks may become at once: a first task may be lucky."""


@dataclass(slots=True)
class Cutter(Generic[T]):
    """Cuts a job into tasks whose size follows the pace of the results.

    Which units share a task changes no result.

    Attributes
    ----------
    units : sequence of int
        Positions of what is to be done.
    make : callable
        From positions to a task.
    workers : int
        Tasks that run at the same time.
    fixed : int or None
        Units of a task, where the user has chosen.

    Examples
    --------
    >>> cutter = Cutter(range(10), tuple, workers=1, fixed=4)
    >>> list(cutter)
    [(0, 1, 2, 3), (4, 5, 6, 7), (8, 9)]
    """

    units: Sequence[int]
    make: Callable[[Sequence[int]], T]
    workers: int = 1
    fixed: int | None = None
    _start: int = field(init=False, default=0)
    _wish: float = field(init=False, default=FIRST)

    def __iter__(self) -> Iterator[T]:
        """Yield tasks as they are asked for, until every unit is in one."""
        while self._start < len(self.units):
            stop = self._start + self._size()
            yield self.make(self.units[self._start : stop])
            self._start = stop

    def _size(self) -> int:
        if self.fixed is not None:
            return self.fixed
        left = len(self.units) - self._start
        share = left / (ROUNDS * self.workers)
        most = min(self._wish, MOST)
        return max(1, int(min(most, max(share, most / SMALLEST))))

    def record(self, size: int, seconds: float) -> None:
        """Take note of how long a task of so many units took."""
        if size:
            pace = max(seconds, 1e-6) / size
            self._wish = min(max(SECONDS / pace, 1.0), GROWTH * self._wish)
