"""Explanations that lie on disk, read when they are looked at, and kept by nobody."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar, overload

from mlflow_lime.core.explanation import Explanation, FailedExplanation

__all__ = ["StoredExplanations", "StoredOutcomes", "blocks", "chosen", "kept", "keys_of"]

Item = TypeVar("Item")
Read = Callable[[Sequence[int]], Iterator[Explanation]]
"""Yields the explanations at some places, in the order asked for."""


class StoredExplanations(Sequence[Explanation]):
    """A sequence of explanations that holds none of them.

    Every look reads: iterate once rather than index often, and keep what is needed twice.

    Parameters
    ----------
    read : callable
        Yields the explanations at some places, in the order asked for.
    places : sequence of int
        Place of each explanation of this sequence.
    keys : sequence of str
        Key of each.

    Examples
    --------
    >>> StoredExplanations(lambda places: iter(()), [], [])[:5]
    <0 stored explanations>
    """

    def __init__(self, read: Read, places: Sequence[int], keys: Sequence[str]) -> None:
        self._read = read
        self._places = places
        self.keys = keys

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Explanation]:
        return self._read(self._places)

    @overload
    def __getitem__(self, index: int) -> Explanation: ...

    @overload
    def __getitem__(self, index: slice) -> "StoredExplanations": ...

    def __getitem__(self, index: int | slice) -> "Explanation | StoredExplanations":
        """Return one explanation, or a part of the sequence, which holds none either."""
        if isinstance(index, slice):
            return StoredExplanations(self._read, self._places[index], self.keys[index])
        return next(self._read([self._places[index]]))

    def at(self, positions: Sequence[int]) -> "StoredExplanations":
        """Return the explanations at some positions of this sequence."""
        places = array("q", (self._places[i] for i in positions))
        return StoredExplanations(self._read, places, [self.keys[i] for i in positions])

    def changed(self, change: Callable[[Explanation], Explanation]) -> "StoredExplanations":
        """Return the explanations as a function changes them, when they are looked at."""
        read = self._read
        return StoredExplanations(lambda places: map(change, read(places)), self._places, self.keys)

    def __repr__(self) -> str:
        return f"<{len(self)} stored explanations>"


@dataclass(frozen=True, slots=True, eq=False)
class StoredOutcomes:
    """Outcomes that lie on disk.

    Attributes
    ----------
    explanations : StoredExplanations
        Read when they are looked at.
    failed : tuple of FailedExplanation
        Instances that could not be explained.
    """

    explanations: StoredExplanations
    failed: tuple[FailedExplanation, ...]

    @property
    def keys(self) -> Sequence[str]:
        """Keys of the explained instances, in order."""
        return self.explanations.keys


def keys_of(explanations: Sequence[Explanation]) -> Sequence[str]:
    """Return the key of each explanation; those of stored ones are known without reading."""
    if isinstance(explanations, StoredExplanations):
        return explanations.keys
    return [item.key for item in explanations]


def chosen(explanations: Sequence[Explanation], positions: Sequence[int]) -> Sequence[Explanation]:
    """Return the explanations at some positions; of stored ones again a sequence that holds none.

    Examples
    --------
    >>> chosen((), [])
    ()
    """
    if isinstance(explanations, StoredExplanations):
        return explanations.at(positions)
    return tuple(explanations[i] for i in positions)


def kept(
    explanations: Sequence[Explanation], keep: Callable[[Explanation], bool]
) -> Sequence[Explanation]:
    """Return the explanations for which a function holds; stored ones stay on disk.

    Examples
    --------
    >>> kept((), bool)
    ()
    """
    if isinstance(explanations, StoredExplanations):
        return explanations.at([i for i, item in enumerate(explanations) if keep(item)])
    return tuple(item for item in explanations if keep(item))


def blocks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield items in lists of `size`, the last one perhaps shorter.

    Examples
    --------
    >>> list(blocks("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    block: list[Item] = []
    for item in items:
        block.append(item)
        if len(block) == size:
            yield block
            block = []
    if block:
        yield block
