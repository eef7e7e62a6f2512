"""Which instances of a large reference set are shown one by one, and how that is said."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.core.stored import chosen
from mlflow_lime.report.wording import fit

__all__ = ["Shown", "choose_shown"]

_POOREST = 20
"""Instances of the poorest fit that are shown, at most."""
_SHARE = 20
"""They, and failures, take no more than one in so many of the places each."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A sample of a reference set's outcomes.

    Attributes
    ----------
    explanations, failed : tuples
        Those that are shown, in the order of the reference set.
    total : int
        Instances of the set.
    note : str
        Which ones are shown, in a sentence.
    """

    explanations: tuple[Explanation, ...]
    failed: tuple[FailedExplanation, ...]
    total: int
    note: str

    def __len__(self) -> int:
        return len(self.explanations) + len(self.failed)

    @property
    def words(self) -> str:
        """How many of how many, such as ``"1,000 of 100,000 instances"``."""
        return f"{len(self):,} of {self.total:,} instances"


def choose_shown(
    explanations: Sequence[Explanation], failed: Sequence[FailedExplanation], most: int
) -> Shown | None:
    """Choose the instances that are shown one by one; None where all are.

    Parameters
    ----------
    explanations, failed : sequences
        Outcomes, in the order of the reference set; explanations are looked at once, and those
        that are chosen again.
    most : int
        How many, at most.

    Returns
    -------
    Shown or None
        Always the same ones of the same outcomes: the first failures, the explanations of the
        poorest fit, at most one in twenty of either, and the rest spread evenly over the others.

    Examples
    --------
    >>> choose_shown((), (), 10) is None
    True
    """
    total = len(explanations) + len(failed)
    if total <= most:
        return None
    first = failed[: max(most // _SHARE, most - len(explanations))]
    room = most - len(first)
    poorest = _poorest(explanations, min(_POOREST, most // _SHARE, room))
    others = np.setdiff1d(np.arange(len(explanations)), poorest)
    even = others[_even(len(others), room - len(poorest))]
    positions = np.sort(np.concatenate([poorest, even])).tolist()
    kinds = [f"{len(even):,} spread evenly"] if len(even) else []
    kinds += [f"the {len(poorest):,} of the poorest fit"] if len(poorest) else []
    kinds += [f"{len(first):,} of the {len(failed):,} that failed"] if len(first) else []
    found = tuple(chosen(explanations, positions))
    shown = Shown(found, tuple(first), total, "")
    note = f"{shown.words} are shown: {', '.join(kinds)}; aggregates and drift are of all"
    return Shown(found, tuple(first), total, note)


def _even(n: int, count: int) -> NDArray[np.intp]:
    """Return `count` of `n` places, evenly spread; all of them where there are no more."""
    if count >= n:
        return np.arange(n)
    return ((2 * np.arange(count) + 1) * n // (2 * count)).astype(np.intp)


def _poorest(explanations: Sequence[Explanation], count: int) -> NDArray[np.intp]:
    """Return the places of the poorest fits; flat neighbourhoods have nothing to fit."""
    if count < 1:
        return np.zeros(0, dtype=np.intp)
    fits = np.array([np.nan if x.labels[0].flat else fit(x.labels[0]) for x in explanations])
    order = np.argsort(fits, kind="stable")  # those without a value come last
    return order[: min(count, int(np.isfinite(fits).sum()))]
