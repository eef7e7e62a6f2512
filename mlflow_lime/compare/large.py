"""Compare two versions over a set too large to be held: two looks, block by block."""

import sys
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.compare.batch import compare_batch, shape_of
from mlflow_lime.compare.drift import DriftCounts, Glance
from mlflow_lime.compare.importance import (
    Importance,
    Places,
    places_of,
    sizes_of,
    unlike_parts,
)
from mlflow_lime.compare.instances import Pair, answers_of, pair_up, why_untrusted
from mlflow_lime.compare.settings import DriftSettings
from mlflow_lime.compare.significance import largest_discovery
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.core.stored import blocks, chosen, keys_of

__all__ = ["MEASURES", "Aligned", "Discovered", "Sums", "align", "look_at_all", "to_list"]

FloatArray = NDArray[np.float64]
BLOCK = 512
"""Instances that are held at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Aligned:
    """The instances that every version explains, by their place in each.

    Attributes
    ----------
    runs : tuple of sequences of Explanation
        The baseline, the candidate, and retrains of the baseline.
    places : tuple of sequences of int
        Place of each instance in each of them.
    absent : dict of str to str
        Instances that some version lacks, and why.
    """

    runs: tuple[Sequence[Explanation], ...]
    places: tuple[Sequence[int], ...]
    absent: dict[str, str]

    def __len__(self) -> int:
        return len(self.places[0])

    def at(self, positions: Sequence[int] | None = None) -> Iterator[tuple[Explanation, ...]]:
        """Yield the explanations of each instance, or of those at some positions."""
        wanted = [
            places if positions is None else [places[i] for i in positions]
            for places in self.places
        ]
        yield from zip(*map(chosen, self.runs, wanted), strict=True)


def align(runs: tuple[Sequence[Explanation], ...], missing: Mapping[str, str] | None) -> Aligned:
    """Match the instances of several versions by key; see `Aligned`."""
    absent = dict(missing or {})
    first, *others = (keys_of(run) for run in runs)
    where = [{key: i for i, key in enumerate(keys)} for keys in others]
    found = [array("q") for _ in runs]
    for i, key in enumerate(first):
        there = [places[key] for places in where if key in places]
        if len(there) < len(where):
            absent.setdefault(key, "another version has no explanation of it")
            continue
        for column, place in zip(found, (i, *there), strict=True):
            column.append(place)
    known = frozenset(first)
    for key in others[0]:
        if key not in known:
            absent.setdefault(key, "the baseline has no explanation of it")
    return Aligned(runs, tuple(found), absent)


@dataclass(slots=True, eq=False)
class Sums:
    """What one look at every pair leaves.

    Attributes
    ----------
    settings : DriftSettings
    positions : array of int
        Of the compared instances, among the aligned ones.
    answers : list of tuple of str
        Key, and both answers, of each compared instance.
    answer_changed : array of int
        1 where they differ.
    p_values : array of float
        Of all weights of the compared instances, one after the other.
    sizes : array of int
        Weights of each compared instance.
    measures : dict of str to array of float
        Numbers of each compared instance.
    untrusted : array of int
        Positions of the instances that are left out.
    importance : ImportanceSums
    """

    settings: DriftSettings
    positions: "array[int]" = field(default_factory=lambda: array("q"))
    answers: list[tuple[str, str, str]] = field(default_factory=list)
    answer_changed: "array[int]" = field(default_factory=lambda: array("b"))
    p_values: "array[float]" = field(default_factory=lambda: array("d"))
    sizes: "array[int]" = field(default_factory=lambda: array("q"))
    measures: "dict[str, array[float]]" = field(default_factory=lambda: defaultdict(_floats))
    untrusted: "array[int]" = field(default_factory=lambda: array("q"))
    importance: "ImportanceSums" = field(default_factory=lambda: ImportanceSums())

    def add(self, pairs: Sequence[Pair]) -> None:
        """Add the pairs of a block, which are compared."""
        groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for i, pair in enumerate(pairs):
            groups[shape_of(pair)].append(i)
        numbers = {name: np.zeros(len(pairs)) for name in MEASURES}
        p_values: list[FloatArray] = [np.zeros(0)] * len(pairs)
        for members in groups.values():
            batch = compare_batch([pairs[i] for i in members], self.settings)
            for name, column in numbers.items():
                column[members] = getattr(batch, name)
            for i, row in zip(members, batch.p_values, strict=True):
                p_values[i] = row
        for name, column in numbers.items():
            self.measures[name].frombytes(column.tobytes())
        self.p_values.frombytes(np.concatenate(p_values).tobytes())
        self.sizes.extend(len(row) for row in p_values)
        for pair in pairs:
            (first, second), moved = answers_of(pair)
            self.answers.append((pair.before.key, sys.intern(first), sys.intern(second)))
            self.answer_changed.append(moved)
        self.importance.add(pairs)

    def discovered(self) -> "Discovered":
        """Return which weights changed, over all compared instances."""
        p_values = np.frombuffer(self.p_values, dtype=np.float64)
        limit = largest_discovery(p_values, self.settings.fdr)
        ends = np.cumsum(np.frombuffer(self.sizes, dtype=np.int64))
        flags = np.concatenate([[0], np.cumsum(p_values <= limit)])
        counts = np.diff(flags[np.concatenate([[0], ends])]) if len(ends) else ends
        return Discovered(p_values, limit, ends, counts)

    def glances(self, changed: NDArray[np.bool_]) -> list[Glance]:
        """Return what is known of every compared instance."""
        moved = self.measures["total_change"]
        rows = zip(self.answers, changed.tolist(), moved, strict=True)
        return [Glance(*told, flag, change) for told, flag, change in rows]

    def counts(self, changed: NDArray[np.bool_], missing: int) -> DriftCounts:
        """Return how many instances were compared, and changed."""
        other = np.frombuffer(self.answer_changed, dtype=np.int8) != 0
        return DriftCounts(
            compared=len(self.positions),
            untrusted=len(self.untrusted),
            missing=missing,
            answer_changed=int(other.sum()),
            changed=int(changed.sum()),
            same_answer_new_reason=int((changed & ~other).sum()),
            either_changed=int((changed | other).sum()),
        )


def _floats() -> "array[float]":
    return array("d")


MEASURES = ("p_value", "topk_overlap", "rank_agreement", "total_change", "sign_flips")
"""Numbers of a compared instance that are kept: attributes of `Batch`."""


@dataclass(frozen=True, slots=True, eq=False)
class Discovered:
    """Weights that changed, at the rate of false discoveries.

    Attributes
    ----------
    p_values : ndarray of float64, shape (n_weights,)
    limit : float
        Largest p-value of a weight that changed; -1 where none did.
    ends : ndarray of int64, shape (n_instances,)
        Where the p-values of each compared instance end.
    counts : ndarray of int64, shape (n_instances,)
        Changed weights of each.
    """

    p_values: FloatArray
    limit: float
    ends: NDArray[np.int64]
    counts: NDArray[np.int64]

    def flags(self, instance: int) -> NDArray[np.bool_]:
        """Return which weights of a compared instance changed."""
        start = 0 if instance == 0 else int(self.ends[instance - 1])
        return np.asarray(self.p_values[start : int(self.ends[instance])] <= self.limit)


def look_at_all(aligned: Aligned, settings: DriftSettings) -> Sums:
    """Compare every aligned instance; why one cannot be compared goes to `Aligned.absent`."""
    sums = Sums(settings)
    position = 0
    for block in blocks(aligned.at(), BLOCK):
        pairs: list[Pair] = []
        for before, after, *retrains in block:
            pair = pair_up(before, after, retrains)
            if isinstance(pair, str):
                aligned.absent[before.key] = pair
            elif why_untrusted(pair, settings):
                sums.untrusted.append(position)
            else:
                pairs.append(pair)
                sums.positions.append(position)
            position += 1
        if pairs:
            sums.add(pairs)
    return sums


def to_list(sums: Sums, changed: NDArray[np.bool_], most: int) -> list[int]:
    """Return the positions of the instances that are listed, in order.

    Half of them are those whose reasons changed, and then those whose weight moved, the most; the
    rest is spread evenly over the others.
    """
    compared = np.frombuffer(sums.positions, dtype=np.int64)
    moved = np.frombuffer(sums.measures["total_change"], dtype=np.float64)
    order = np.lexsort((-moved, ~changed)) if len(compared) else np.zeros(0, dtype=np.intp)
    first = compared[order[: most // 2]]
    every = np.concatenate([compared, np.frombuffer(sums.untrusted, dtype=np.int64)])
    rest = np.setdiff1d(every, first)
    room = min(most - len(first), len(rest))
    even = rest[(2 * np.arange(room) + 1) * len(rest) // (2 * room)] if room else rest[:0]
    return [int(i) for i in np.sort(np.concatenate([first, even]))]


class ImportanceSums:
    """Sums of the absolute weights of each part name, and of how they moved.

    The squares of the changes are taken about the first change of a name, so that no digits are
    lost where all instances change alike.
    """

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._known: tuple[tuple[str, ...], Places] | None = None
        self._totals = np.zeros((0, 0))
        self._moves = np.zeros((4, 0))
        self._n = 0

    def add(self, pairs: Sequence[Pair]) -> None:
        """Add the pairs of a block."""
        own: list[NDArray[np.intp]] = []
        sizes: list[FloatArray] = []
        for pair in pairs:
            places = self._places_of(pair)
            labels = (pair.label_before, pair.label_after, *pair.retrains)
            own.append(places[1])
            sizes.append(np.stack([sizes_of(places, label) for label in labels]))
        self._grow(len(pairs[0].retrains) + 2)
        columns = np.concatenate(own)
        found = np.concatenate(sizes, axis=1)
        for total, row in zip(self._totals, found, strict=True):
            np.add.at(total, columns, row)
        self._add_moves(columns, found[1] - found[0])
        self._n += len(pairs)

    def _places_of(self, pair: Pair) -> Places:
        """Return the places of the names; those of a table are the same for all instances."""
        names, unlike = pair.before.names, unlike_parts(pair)
        if self._known is not None and not unlike and names == self._known[0]:
            return self._known[1]
        for j, name in enumerate(names):
            if j not in unlike:
                self._places.setdefault(name, len(self._places))
        places = places_of(pair, self._places)
        if not unlike:
            self._known = names, places
        return places

    def _grow(self, n_runs: int) -> None:
        lacking = len(self._places) - self._totals.shape[1]
        totals = self._totals if len(self._totals) else np.zeros((n_runs, 0))
        self._totals = np.pad(totals, ((0, 0), (0, lacking)))
        self._moves = np.pad(self._moves, ((0, 0), (0, lacking)))

    def _add_moves(self, columns: NDArray[np.intp], moved: FloatArray) -> None:
        counts, shifts, sums, squares = self._moves
        new, first = np.unique(columns, return_index=True)
        fresh = counts[new] == 0
        shifts[new[fresh]] = moved[first[fresh]]
        away = moved - shifts[columns]
        np.add.at(counts, columns, 1.0)
        np.add.at(sums, columns, away)
        np.add.at(squares, columns, away**2)

    def found(self) -> Importance | None:
        """Return the importance of each name; None where there is none, or one instance."""
        if not self._places or self._n < 2:
            return None
        before, after, *retrains = self._totals / self._n
        change = after - before
        counts, shifts, sums, squares = self._moves
        off = change - shifts
        about = squares - 2 * off * sums + counts * off**2 + (self._n - counts) * change**2
        errors = np.sqrt(np.maximum(about, 0.0) / (self._n - 1) / self._n)
        return Importance(list(self._places), before, after, retrains, errors, self._n)
