"""Scores that stand at other rows: what no surrogate must be able to predict."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.moments import Moments
from mlflow_lime.core.seeds import SHUFFLE

__all__ = ["Shuffled"]

FloatArray = NDArray[np.float64]


@dataclass(slots=True)
class Shuffled:
    """The moments of scores that were shuffled over the rows of each replicate's first block.

    Attributes
    ----------
    seed : numpy.random.SeedSequence
        Of the instance.
    output : int
        Column of the scores.
    grams : dict of int to ndarray of float64, shape (n_columns, n_columns)
        The Gram matrix of each replicate, whose columns are one, the parts, the shuffled scores,
        and the nuisance columns.
    shape : (int, int)
        Number of parts, and of nuisance columns.
    """

    seed: np.random.SeedSequence
    output: int
    grams: dict[int, FloatArray] = field(default_factory=dict)
    shape: tuple[int, int] = (0, 0)

    def add(
        self,
        replicate: int,
        block: Moments,
        features: NDArray[Any],
        scores: FloatArray,
        weights: FloatArray,
        nuisance: NDArray[Any] | None,
    ) -> None:
        """Shuffle the scores of a block, if it is the first one of its replicate.

        Parameters
        ----------
        replicate : int
        block : Moments
            Those of the scores as they were: all but the products with scores stay.
        features : ndarray, shape (n_rows, n_parts)
        scores, weights : ndarray of float64, shape (n_rows,)
        nuisance : ndarray, shape (n_rows, n_nuisance), or None
        """
        if replicate in self.grams:
            return
        key = (*self.seed.spawn_key, SHUFFLE, replicate)
        seed = np.random.SeedSequence(self.seed.entropy, spawn_key=key)
        moved = np.random.Generator(np.random.PCG64(seed)).permutation(scores)
        weighed = moved * weights
        split, n_kept = 1 + block.n_parts, block.gram.shape[1] - block.n_nuisance
        used = np.delete(np.arange(block.gram.shape[1]), np.arange(split + 1, n_kept))
        gram = block.gram[0][used[:, None], used]
        sums = np.empty(len(used))
        sums[0], sums[split] = weighed.sum(), weighed @ moved
        sums[1:split] = _products(weighed, features)
        if nuisance is not None:
            sums[split + 1 :] = _products(weighed, nuisance)
        gram[split], gram[:, split] = sums, sums
        self.grams[replicate] = gram
        self.shape = (block.n_parts, block.n_nuisance)

    def moments(self) -> Moments:
        """Return the moments of all replicates, stacked."""
        stack = np.stack([self.grams[replicate] for replicate in range(len(self.grams))])
        return Moments(stack, *self.shape)


def _products(scores: FloatArray, columns: NDArray[Any]) -> FloatArray:
    """Return products with masks and level columns in single precision, which is enough here."""
    if columns.dtype == np.float64:
        return np.asarray(scores @ columns)
    return np.asarray(scores.astype(np.float32) @ columns.astype(np.float32, copy=False))
