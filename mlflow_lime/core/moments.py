"""Weighted Gram matrices: all that a linear surrogate needs of a neighbourhood.

The moments of a block of rows are ``M = Aᵀ W A`` with ``A = [1, Z, Y]``: a column of ones, the
interpretable features, and the scores to explain. Moments of disjoint blocks add. Nuisance
columns may follow: they explain noise and are no part of the surrogate.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dtrsm
from scipy.linalg.lapack import dpotrf

__all__ = ["MANY_COLUMNS", "Moments"]

FloatArray = NDArray[np.float64]

MANY_COLUMNS = 64
"""Number of columns from which Cholesky factors, at half the operations, pay for their calls."""

LANES = 16
"""Columns that a processor handles at once: products of whole multiples are a sixth faster."""

EXACT_ROWS = 4096
"""Rows whose level columns are added up in single precision without error: 24 digits suffice."""


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Stacked weighted Gram matrices of several blocks of rows.

    Attributes
    ----------
    gram : ndarray of float64, shape (n_blocks, n_columns, n_columns)
        One Gram matrix for each block: a replicate, or any sum of replicates. The columns are one,
        the parts, the labels, and the nuisance columns.
    n_parts : int
        Number of interpretable features.
    n_nuisance : int
        Number of nuisance columns.
    """

    gram: FloatArray
    n_parts: int
    n_nuisance: int = 0

    @classmethod
    def of_rows(
        cls,
        features: NDArray[Any],
        scores: FloatArray,
        weights: FloatArray,
        nuisance: NDArray[Any] | None = None,
    ) -> Self:
        """Return the moments of one block of rows.

        Parameters
        ----------
        features : ndarray, shape (n_rows, n_parts)
        scores : ndarray of float64, shape (n_rows, n_labels)
        weights : ndarray of float64, shape (n_rows,)
        nuisance : ndarray, shape (n_rows, n_nuisance), optional
            Those of `level_columns`, in single precision, are added up at twice the speed.
        """
        n_rows, n_parts = features.shape
        if nuisance is None:
            columns: NDArray[Any] = np.empty((n_rows, 0), dtype=np.float32)
        else:
            columns = nuisance
        plain = features.dtype == np.uint8 and bool((weights == 1.0).all())
        if plain and columns.dtype == np.float32:
            return cls(_mask_gram(features, scores, columns)[None], n_parts, columns.shape[1])
        if plain and columns.dtype == np.float64:
            exact = np.hstack([scores, columns])
            return cls(_split_gram(features, exact)[None], n_parts, columns.shape[1])
        kept = 1 + n_parts + scores.shape[1]
        rows = np.empty((n_rows, kept + columns.shape[1]))
        rows[:, 0] = 1.0
        rows[:, 1 : 1 + n_parts] = features
        rows[:, 1 + n_parts : kept] = scores
        rows[:, kept:] = columns
        if not (weights == 1.0).all():
            rows *= np.sqrt(weights)[:, None]
        # The product of a matrix with itself costs a third of a general one.
        return cls((rows.T @ rows)[None], n_parts, columns.shape[1])

    @classmethod
    def stack(cls, blocks: "list[Moments]") -> Self:
        """Return several moments as one stack."""
        gram = np.concatenate([block.gram for block in blocks])
        return cls(gram, blocks[0].n_parts, blocks[0].n_nuisance)

    def __add__(self, other: Self) -> Self:
        return replace(self, gram=self.gram + other.gram)

    def total(self) -> Self:
        """Return the sum of all blocks, as a stack of one."""
        return replace(self, gram=self.gram.sum(axis=0, keepdims=True))

    def leave_one_out(self) -> Self:
        """Return, for each block, the sum of the others."""
        return replace(self, gram=self.gram.sum(axis=0, keepdims=True) - self.gram)

    def first(self) -> Self:
        """Return the first block, as a stack of one."""
        return replace(self, gram=self.gram[:1])

    def of_scores(self) -> Self:
        """Return the moments of the scores alone, without parts and nuisance columns."""
        split, kept = 1 + self.n_parts, self.gram.shape[1] - self.n_nuisance
        used = np.append(0, np.arange(split, kept))
        return replace(self, gram=self.gram[:, used[:, None], used], n_parts=0, n_nuisance=0)

    def plain(self) -> Self:
        """Return the moments without the nuisance columns, which a surrogate is scored on."""
        kept = self.gram.shape[1] - self.n_nuisance
        return replace(self, gram=self.gram[:, :kept, :kept], n_nuisance=0)

    def adjusted(self) -> Self:
        """Return the moments of what the nuisance columns leave over, for the fit.

        By the Frisch-Waugh-Lovell theorem a fit on them has the weights, and the intercept, of the
        joint fit.
        """
        if self.n_nuisance == 0:
            return self
        kept = self.gram.shape[1] - self.n_nuisance
        explained = self.explained(self.gram[:, kept:, :kept])
        return replace(self, gram=self.gram[:, :kept, :kept] - explained, n_nuisance=0)

    def explained(self, cross: FloatArray) -> FloatArray:
        """Return what columns share with the nuisance columns.

        Parameters
        ----------
        cross : ndarray of float64, shape (n_blocks, n_nuisance, n_columns)
            Products of the nuisance columns with them.

        Returns
        -------
        ndarray of float64, shape (n_blocks, n_columns, n_columns)
        """
        kept = self.gram.shape[1] - self.n_nuisance
        inner = self.gram[:, kept:, kept:]
        size = np.trace(inner, axis1=1, axis2=2) / self.n_nuisance
        size[size <= 0] = 1.0  # no part is ever absent
        ridge = (1e-10 * size)[:, None, None] * np.eye(self.n_nuisance)
        return _explained(inner + ridge, cross)

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

    def feature_squares(self) -> FloatArray:
        """Return weighted sums of squares of the features about their means, (n_blocks, n_parts).

        They are the diagonal of the centred second moments.
        """
        part = slice(1, 1 + self.n_parts)
        sums = self.gram[:, 0, part]
        squares = np.diagonal(self.gram, axis1=1, axis2=2)[:, part]
        return np.asarray(squares - sums * sums / self.weight[:, None])

    def score_squares(self) -> FloatArray:
        """Return weighted sums of squares of the scores about their means, (n_blocks, n_labels)."""
        split = 1 + self.n_parts
        squares = np.diagonal(self.gram[:, split:, split:], axis1=1, axis2=2)
        return np.maximum(squares - self.weight[:, None] * self.score_means**2, 0.0)


def _explained(inner: FloatArray, cross: FloatArray) -> FloatArray:
    """Return what `cross` shares with the columns of `inner`, shape (n_blocks, n_kept, n_kept)."""
    explained = np.empty((len(cross), cross.shape[2], cross.shape[2]))
    for i, (gram, shared) in enumerate(zip(inner, cross, strict=True)):
        factor, failed = dpotrf(gram.T, lower=1, clean=0)
        if failed:  # rounding made a matrix indefinite
            explained[i] = shared.T @ np.linalg.solve(gram, shared)
            continue
        half = dtrsm(1.0, factor, shared.T, side=1, lower=1, trans_a=1)
        np.matmul(half, half.T, out=explained[i])
    return explained


def _mask_gram(
    masks: NDArray[np.uint8], scores: FloatArray, columns: NDArray[np.float32]
) -> FloatArray:
    """Return the Gram matrix of masks, scores, and level columns, of rows that count alike.

    Single precision adds up masks, and products of masks and level columns, without error, and
    scores are added up in double precision: so a model that is linear in the masks is recovered
    as exactly as ever. Rounding among the level columns only changes what is taken for noise.
    """
    first, kept = 1 + masks.shape[1], 1 + masks.shape[1] + scores.shape[1]
    size = kept + columns.shape[1]
    gram, cross = np.zeros((size, size)), np.zeros((size, scores.shape[1]))
    for start in range(0, len(masks), EXACT_ROWS):
        part = slice(start, start + EXACT_ROWS)
        rows = np.zeros((len(masks[part]), -(-size // LANES) * LANES), dtype=np.float32)
        rows[:, 0] = 1.0
        rows[:, 1:first] = masks[part]
        rows[:, kept:size] = columns[part]
        gram += (rows.T @ rows)[:size, :size]
        cross += (rows.astype(np.float64).T @ scores[part])[:size]
    cross[first:kept] = scores.T @ scores
    gram[:, first:kept] = cross
    gram[first:kept] = cross.T
    return gram


def _split_gram(masks: NDArray[np.uint8], columns: FloatArray) -> FloatArray:
    """Return the Gram matrix of masks, and columns in double precision, of rows that count alike.

    Only the masks among themselves are added up in single precision, without error.
    """
    n_masks, size = 1 + masks.shape[1], 1 + masks.shape[1] + columns.shape[1]
    gram = np.zeros((size, size))
    for start in range(0, len(masks), EXACT_ROWS):
        part = slice(start, start + EXACT_ROWS)
        rows = np.ones((len(masks[part]), n_masks), dtype=np.float32)
        rows[:, 1:] = masks[part]
        gram[:n_masks, :n_masks] += rows.T @ rows
        gram[:n_masks, n_masks:] += rows.astype(np.float64).T @ columns[part]
    gram[n_masks:, :n_masks] = gram[:n_masks, n_masks:].T
    gram[n_masks:, n_masks:] = columns.T @ columns
    return gram
