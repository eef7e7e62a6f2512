"""A few instances of a reference set, to be sent to a worker without the rest."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import pandas as pd

from mlflow_lime.core.explanation import FailedExplanation
from mlflow_lime.core.packed import pack
from mlflow_lime.reference.reference_set import ReferenceSet

__all__ = ["Portion", "first_rows"]

HEAD = 8
"""Instances that stand for a set where a few rows are enough."""


@dataclass(frozen=True, slots=True, eq=False)
class Portion:
    """What is particular to some instances of a set.

    Attributes
    ----------
    keys, digests, part_digests : tuple of str
    labels : tuple of tuple of str
    inputs : DataFrame or None
    parts : tuple of (mapping of str to object) or None
        As in `ReferenceSet`, of these instances alone.
    """

    keys: tuple[str, ...]
    digests: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    inputs: pd.DataFrame | None
    part_digests: tuple[str, ...]
    parts: tuple[Any, ...] | None

    @classmethod
    def of(cls, reference: "ReferenceSet | Portion", rows: Sequence[int]) -> Self:
        """Return some instances of a set, or of a portion of it.

        Parameters
        ----------
        reference : ReferenceSet or Portion
        rows : sequence of int
            Their positions in it.
        """
        return cls(
            keys=_at(reference.keys, rows),
            digests=_at(reference.digests, rows),
            labels=_at(reference.labels, rows),
            inputs=_rows_of(reference.inputs, rows),
            part_digests=_at(reference.part_digests, rows) if reference.part_digests else (),
            parts=None if reference.parts is None else _at(reference.parts, rows),
        )

    @property
    def size(self) -> int:
        """Number of instances."""
        return len(self.keys)

    def split(self) -> list[Self]:
        """Return the instances one by one."""
        return [type(self).of(self, [i]) for i in range(self.size)]

    def lost(self, reason: str) -> list[bytes]:
        """Return packed failures of instances that no worker survives."""
        return [pack(FailedExplanation(key, reason, "WorkerLost")) for key in self.keys]

    def within(self, base: ReferenceSet) -> ReferenceSet:
        """Return a reference set of these instances, with the layout of another of the same set."""
        unknown = (None,) * self.size
        return replace(
            base,
            keys=self.keys,
            digests=self.digests,
            positions=tuple(range(self.size)),
            reasons=("",) * self.size,
            true_labels=unknown,
            labels=self.labels,
            inputs=self.inputs,
            part_digests=self.part_digests,
            parts=self.parts,
            slices={},
            associations=None,
        )


def first_rows(reference: ReferenceSet) -> ReferenceSet:
    """Return the set with its first instances alone; its layout and its rules stay."""
    return Portion.of(reference, range(min(HEAD, len(reference)))).within(reference)


def _at(values: Sequence[Any], rows: Sequence[int]) -> tuple[Any, ...]:
    return tuple(values[row] for row in rows)


def _rows_of(inputs: pd.DataFrame | None, rows: Sequence[int]) -> pd.DataFrame | None:
    return None if inputs is None else inputs.iloc[list(rows)].reset_index(drop=True)
