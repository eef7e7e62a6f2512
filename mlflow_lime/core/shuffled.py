"""Scores that stand at other rows: what no surrogate must be able to predict."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.covariates import Covariates
from mlflow_lime.core.moments import Moments, Rows
from mlflow_lime.core.seeds import SHUFFLE

__all__ = ["Shuffled"]

FloatArray = NDArray[np.float64]


@dataclass(slots=True)
class Shuffled:
    """Products of scores that were shuffled over the rows of each replicate's first block.

    Attributes
    ----------
    seed : numpy.random.SeedSequence
        Of the instance.
    output : int
        Column of the scores.
    products : dict of int to (ndarray, ndarray)
        Of each replicate, what `Rows.products` returns for the shuffled scores.
    """

    seed: np.random.SeedSequence
    output: int
    products: dict[int, tuple[FloatArray, FloatArray]] = field(default_factory=dict)

    def add(self, replicate: int, rows: Rows, scores: FloatArray) -> None:
        """Shuffle the scores of a block, if it is the first one of its replicate.

        Parameters
        ----------
        replicate : int
        rows : Rows
        scores : ndarray of float64, shape (n_rows,)
        """
        if replicate in self.products:
            return
        key = (*self.seed.spawn_key, SHUFFLE, replicate)
        seed = np.random.SeedSequence(self.seed.entropy, spawn_key=key)
        moved = np.random.Generator(np.random.PCG64(seed)).permutation(scores)
        self.products[replicate] = rows.products(moved[:, None])

    def moments(self, covariates: Covariates) -> Moments:
        """Return the moments of all replicates, stacked.

        Parameters
        ----------
        covariates : Covariates
            Of the first block of each replicate.
        """
        found = [self.products[replicate] for replicate in range(len(self.products))]
        cross, squares = (np.stack(pieces) for pieces in zip(*found, strict=True))
        return Moments(covariates, cross, squares)
