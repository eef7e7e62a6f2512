"""What pickers are given: data, what a person asked for, and what a model says about rows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlflow_lime.core.explanation import Explanation
from mlflow_lime.errors import DataError
from mlflow_lime.reference.strata import spread

__all__ = ["Choice", "Material", "Picker", "Replies", "Wish"]

FloatArray = NDArray[np.float64]
Rows = NDArray[np.intp]

Choice = tuple[int, str]
"""A row number, and why the row is chosen."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asked for; each picker reads what concerns it.

    Attributes
    ----------
    ids, rows, query
        What the picker of the same name needs.
    target : str or None
        Column with true labels.
    id_column : str or None
        Column that names an instance; None for the index.
    seed : int
        Determines random choices, together with the data.
    pool : int
        Rows among which the pickers look that need a model or distances, at most.
    medoids_over : {"inputs", "explanations"}
        What medoids are near to.
    """

    ids: Sequence[object] = ()
    rows: Sequence[int] = ()
    query: str | None = None
    target: str | None = None
    id_column: str | None = None
    seed: int = 0
    pool: int = 1000
    medoids_over: str = "inputs"


class Replies(Protocol):
    """What a model says about rows of the data, asked for only where a picker needs it."""

    @property
    def mode(self) -> str:
        """``"classification"`` or ``"regression"``."""
        ...

    @property
    def class_names(self) -> Sequence[str]:
        """Name of each column of the scores."""
        ...

    @property
    def baseline_names(self) -> Sequence[str]:
        """Name of each column of the baseline's scores."""
        ...

    @property
    def most_explained(self) -> int:
        """Rows that are worth explaining, at most."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What a reader must know, such as rows that were left out."""
        ...

    def points(self, rows: Rows) -> FloatArray:
        """Return where rows lie, shape (n_rows, n_coordinates); NaN for what cannot be read."""
        ...

    def scores(self, rows: Rows) -> FloatArray:
        """Return the model's scores, shape (n_rows, n_outputs); NaN where it fails."""
        ...

    def baseline_scores(self, rows: Rows) -> FloatArray:
        """Return the baseline's scores, shape (n_rows, n_baseline_outputs); NaN where it fails."""
        ...

    def explanations(self, rows: Rows) -> Sequence[Explanation | None]:
        """Return a small explanation of each row; None where there is none."""
        ...


@dataclass(frozen=True, eq=False)
class Material:
    """What a picker chooses from.

    Attributes
    ----------
    frame : DataFrame
        The data.
    wish : Wish
    given : Replies or None
        What the model says; None where nobody can ask it.
    """

    frame: pd.DataFrame
    wish: Wish
    given: Replies | None = None

    @property
    def replies(self) -> Replies:
        """What the model says.

        Raises
        ------
        DataError
            If nobody can ask it.
        """
        if self.given is None:
            msg = "these instances are picked by a model's answers, and none are given"
            raise DataError(msg)
        return self.given

    @cached_property
    def pool(self) -> Rows:
        """Rows that are looked at where not all can be: spread over the target, ascending."""
        return self._sample(self.wish.pool, np.arange(len(self.frame)))

    @cached_property
    def small_pool(self) -> Rows:
        """Rows of the pool that are explained."""
        return self._sample(self.replies.most_explained, self.pool)

    def _sample(self, count: int, rows: Rows) -> Rows:
        if len(rows) <= count:
            return rows
        wish = self.wish
        try:
            chosen = spread(self.frame.iloc[rows], wish.target, count, wish.seed)
        except DataError:  # a target that is no label serves all the same
            chosen = spread(self.frame.iloc[rows], None, count, wish.seed)
        return np.sort(rows[[position for position, _ in chosen]])


Picker = Callable[[Material, int, frozenset[int]], Iterator[Choice]]
"""Yields rows, best first, of which the caller takes so many that are not among those taken."""
