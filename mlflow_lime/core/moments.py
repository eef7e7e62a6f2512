"""Weighted Gram matrices: all that a linear surrogate needs of a neighbourhood.

The moments of a block of rows are ``M = Aᵀ W A`` with ``A = [1, Z, Y]``: a column of ones, the
interpretable features, and the scores to explain. Moments of disjoint blocks add.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Moments"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Stacked weighted Gram matrices of several blocks of rows.

    Attributes
    ----------
    gram : ndarray of float64, shape (n_blocks, 1 + n_parts + n_labels, 1 + n_parts + n_labels)
        One Gram matrix for each block: a replicate, or any sum of replicates.
    n_parts : int
        Number of interpretable features.
    """

    gram: FloatArray
    n_parts: int

    @classmethod
    def of_rows(cls, features: NDArray[Any], scores: FloatArray, weights: FloatArray) -> Self:
        """Return the moments of one block of rows.

        Parameters
        ----------
        features : ndarray, shape (n_rows, n_parts)
        scores : ndarray of float64, shape (n_rows, n_labels)
        weights : ndarray of float64, shape (n_rows,)
        """
        n_rows, n_parts = features.shape
        rows = np.empty((n_rows, 1 + n_parts + scores.shape[1]))
        rows[:, 0] = 1.0
        rows[:, 1 : 1 + n_parts] = features
        rows[:, 1 + n_parts :] = scores
        weighted = rows if (weights == 1.0).all() else rows * weights[:, None]
        return cls((weighted.T @ rows)[None], n_parts)

    @classmethod
    def stack(cls, blocks: "list[Moments]") -> Self:
        """Return several moments as one stack."""
        return cls(np.concatenate([block.gram for block in blocks]), blocks[0].n_parts)

    def total(self) -> Self:
        """Return the sum of all blocks, as a stack of one."""
        return type(self)(self.gram.sum(axis=0, keepdims=True), self.n_parts)

    def leave_one_out(self) -> Self:
        """Return, for each block, the sum of the others."""
        return type(self)(self.gram.sum(axis=0, keepdims=True) - self.gram, self.n_parts)

    @property
    def weight(self) -> FloatArray:
        """Total weight of each block, shape (n_blocks,)."""
        return self.gram[:, 0, 0]

    @property
    def score_means(self) -> FloatArray:
        """Weighted mean of the scores, shape (n_blocks, n_labels)."""
        return self.gram[:, 0, 1 + self.n_parts :] / self.weight[:, None]

    def centred(self) -> tuple[FloatArray, FloatArray]:
        """Return centred second moments of the features, and of features with scores.

        Returns
        -------
        features : ndarray of float64, shape (n_blocks, n_parts, n_parts)
        cross : ndarray of float64, shape (n_blocks, n_parts, n_labels)
        """
        split = 1 + self.n_parts
        sums = self.gram[:, 0, 1:]
        z_sums, y_means = sums[:, : self.n_parts], self.score_means
        features = self.gram[:, 1:split, 1:split] - (
            z_sums[:, :, None] * z_sums[:, None, :] / self.weight[:, None, None]
        )
        cross = self.gram[:, 1:split, split:] - z_sums[:, :, None] * y_means[:, None, :]
        return features, cross

    def score_squares(self) -> FloatArray:
        """Return weighted sums of squares of the scores about their means, (n_blocks, n_labels)."""
        split = 1 + self.n_parts
        squares = np.diagonal(self.gram[:, split:, split:], axis1=1, axis2=2)
        return np.maximum(squares - self.weight[:, None] * self.score_means**2, 0.0)
