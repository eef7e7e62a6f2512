"""What was predicted around one instance, and all that its surrogates need of it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.covariates import Covariates
from mlflow_lime.core.moments import Moments, Rows
from mlflow_lime.core.shuffled import Shuffled
from mlflow_lime.errors import DataError

__all__ = ["Sample", "concatenated"]

FloatArray = NDArray[np.float64]


@dataclass(slots=True)
class Sample:
    """What was predicted so far around one instance, by replicate.

    Attributes
    ----------
    n_replicates : int
    offset : ndarray of float64, shape (n_outputs,)
        Taken from the scores before they go into the moments, so that large scores that hardly
        differ lose no digits: the scores of the instance.
    shuffled : Shuffled or None
        What a surrogate of shuffled scores is fitted to, where that was asked for.
    order : ndarray of intp, shape (n_parts,), optional
        Column of the features in which each part of the instance stands; their own by default.
    known : callable, optional
        From the number of blocks in each replicate to the covariates of the replicates, where
        other instances have the same rows; otherwise they are added up here.
    rows : list of list of Rows
    scores : list of list of ndarray of float64, each shape (n_rows, n_outputs)
    """

    n_replicates: int
    offset: FloatArray
    shuffled: Shuffled | None = None
    order: NDArray[np.intp] | None = None
    known: Callable[[int], Covariates] | None = None
    rows: list[list[Rows]] = field(init=False)
    scores: list[list[FloatArray]] = field(init=False)
    _moments: Moments | None = field(init=False, default=None)
    _first: dict[int, Covariates] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.rows = [[] for _ in range(self.n_replicates)]
        self.scores = [[] for _ in range(self.n_replicates)]

    def add(self, replicate: int, rows: Rows, scores: FloatArray) -> None:
        """Add the rows of one block to a replicate.

        Parameters
        ----------
        replicate : int
        rows : Rows
        scores : ndarray of float64, shape (n_rows, n_outputs)
        """
        # Labels one after the other: sums over rows are several times faster along memory.
        shifted = np.subtract(scores.T, self.offset[:, None], order="C").T
        cross, squares = rows.products(shifted)
        if self._moments is None:
            self._moments = self._empty(rows, scores.shape[1])
        self._moments.cross[replicate] += cross
        self._moments.squares[replicate] += squares
        if self.known is None:
            own, sums = rows.covariates(), self._moments.covariates
            sums.gram[replicate] += own.gram[0]
            # Anew, without what an earlier round remembered of it.
            self._moments = replace(self._moments, covariates=replace(sums))
            if self.shuffled is not None:
                self._first.setdefault(replicate, own)
        if self.shuffled is not None:
            self.shuffled.add(replicate, rows, shifted[:, self.shuffled.output])
        rows.release()
        self.rows[replicate].append(rows)
        self.scores[replicate].append(scores)

    def _empty(self, rows: Rows, n_outputs: int) -> Moments:
        n, p = self.n_replicates, rows.n_columns
        size = 0 if self.known else p
        empty = Covariates(np.zeros((n, size, size)), rows.n_parts, rows.n_nuisance)
        return Moments(empty, np.zeros((n, p, n_outputs)), np.zeros((n, n_outputs)))

    def emptied(self) -> "Sample":
        """Return a sample of the same kind without rows."""
        shuffled = self.shuffled
        fresh = None if shuffled is None else Shuffled(shuffled.seed, shuffled.output)
        return Sample(self.n_replicates, self.offset, fresh, self.order, self.known)

    def moments(self) -> Moments:
        """Return the moments of all replicates, stacked."""
        if self._moments is None:
            msg = "there are no rows to fit a surrogate to"
            raise DataError(msg)
        if self.known is None:
            return self._moments
        return replace(self._moments, covariates=self.known(len(self.rows[0])))

    def shuffled_moments(self) -> Moments:
        """Return the moments of the shuffled scores, stacked; where there are such scores."""
        if self.shuffled is None:
            msg = "there are no shuffled scores"
            raise DataError(msg)
        if self.known is not None:
            return self.shuffled.moments(self.known(1))
        first = [self._first[replicate] for replicate in range(self.n_replicates)]
        return self.shuffled.moments(Covariates.stack(first))

    def joined(self, replicate: int) -> tuple[NDArray[Any], FloatArray, FloatArray]:
        """Return the features, scores, and weights of a replicate."""
        return (
            np.concatenate([rows.features for rows in self.rows[replicate]]),
            np.concatenate(self.scores[replicate]),
            self.weights(replicate),
        )

    def weights(self, replicate: int) -> FloatArray:
        """Return the kernel weights of a replicate, shape (n_rows,)."""
        return concatenated([rows.weights for rows in self.rows[replicate]])

    @property
    def n_rows(self) -> int:
        """Rows of all replicates."""
        return sum(len(block) for blocks in self.scores for block in blocks)

    def all_weights(self) -> FloatArray:
        """Return the kernel weights of all rows, shape (n_rows,)."""
        return np.concatenate([self.weights(r) for r in range(self.n_replicates)])


def concatenated(blocks: list[FloatArray]) -> FloatArray:
    """Return the rows of several blocks, one after the other."""
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
