"""Weighted Gram matrices: all that a linear surrogate needs of a neighbourhood.

The moments of a block of rows are ``M = Aᵀ W A`` with ``A = [1, Z, C, Y]``: a column of ones, the
interpretable features, nuisance columns, which explain noise and are no part of the surrogate, and
the scores to explain. Moments of disjoint blocks add.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.covariates import Covariates

__all__ = ["Moments", "Rows"]

FloatArray = NDArray[np.float64]

LANES = 16
"""Columns that a processor handles at once: products of whole multiples are a sixth faster."""

EXACT_ROWS = 4096
"""Rows whose level columns are added up in single precision without error: 24 digits suffice."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a block, as a surrogate sees them; scores are not among them.

    Attributes
    ----------
    features : ndarray, shape (n_rows, n_parts)
        Interpretable features; uint8 masks, or continuous values.
    weights : ndarray of float64, shape (n_rows,)
        How much each row counts.
    nuisance : ndarray, shape (n_rows, n_nuisance), optional
        Those of `level_columns`, in single precision, are added up at twice the speed.
    kept : bool, default False
        Whether to remember what the rows need beside the scores, for other scores of the same
        rows.
    """

    features: NDArray[Any]
    weights: FloatArray
    nuisance: NDArray[Any] | None = None
    kept: bool = False

    @property
    def n_columns(self) -> int:
        """Number of columns that scores are regressed on: one, the parts, the nuisance columns."""
        return 1 + self.n_parts + self.n_nuisance

    @property
    def n_parts(self) -> int:
        """Number of interpretable features."""
        return int(self.features.shape[1])

    @property
    def n_counted(self) -> int:
        """Number of rows that count at all."""
        return len(self.weights) if self._alike else int(np.count_nonzero(self.weights))

    @property
    def n_nuisance(self) -> int:
        """Number of nuisance columns."""
        return 0 if self.nuisance is None else int(self.nuisance.shape[1])

    def columns(self) -> FloatArray:
        """Return one, the parts and the nuisance columns, times the roots of the weights.

        Returns
        -------
        ndarray of float64, shape (n_columns, n_rows)
        """
        found: FloatArray | None = self.__dict__.get("_columns")
        if found is None:
            found = self.__dict__["_columns"] = self._columns_of()
        return found

    def release(self) -> None:
        """Forget what is made anew from the features, unless the rows are kept."""
        if not self.kept:
            self.__dict__.pop("_columns", None)

    def covariates(self) -> Covariates:
        """Return the Gram matrix of the columns, as a stack of one."""
        found: Covariates | None = self.__dict__.get("_covariates")
        if found is None:
            gram = self._gram(self.columns())
            found = Covariates(gram[None], self.n_parts, self.n_nuisance)
            if self.kept:
                self.__dict__["_covariates"] = found
        return found

    def products(self, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return weighted products of the columns with scores, and the scores' squares.

        Parameters
        ----------
        scores : ndarray of float64, shape (n_rows, n_labels)

        Returns
        -------
        cross : ndarray of float64, shape (n_columns, n_labels)
        squares : ndarray of float64, shape (n_labels,)
            Their weighted sums.
        """
        if not self._alike:
            scores = scores * np.sqrt(self.weights)[:, None]
        return self.columns() @ scores, np.einsum("ji,ji->j", scores.T, scores.T)

    def predicted(self, beta: FloatArray) -> FloatArray:
        """Return what linear surrogates predict for the rows.

        Parameters
        ----------
        beta : ndarray of float64, shape (n_labels, 1 + n_parts)
            Their intercepts, and their weights.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_labels)
        """
        if not (self.kept and self._alike):
            return np.asarray(self.features @ beta[:, 1:].T + beta[:, 0])
        return (beta @ self.columns()[: 1 + self.n_parts]).T

    def weight_of(self, rows: NDArray[np.bool_]) -> float:
        """Return how much some of the rows count, chosen by a mask of shape (n_rows,)."""
        return float(np.count_nonzero(rows)) if self._alike else float(self.weights @ rows)

    @property
    def weight(self) -> float:
        """How much all rows count."""
        return float(self.n_rows) if self._alike else float(self.weights.sum())

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.weights)

    @property
    def _alike(self) -> bool:
        found: bool | None = self.__dict__.get("_count_alike")
        if found is None:
            found = self.__dict__["_count_alike"] = bool((self.weights == 1.0).all())
        return found

    def _columns_of(self) -> FloatArray:
        columns = np.empty((self.n_columns, len(self.features)))
        columns[0] = 1.0
        columns[1 : 1 + self.n_parts] = self.features.T
        if self.nuisance is not None:
            columns[1 + self.n_parts :] = self.nuisance.T
        if not self._alike:
            columns *= np.sqrt(self.weights)
        return columns

    def _gram(self, columns: FloatArray) -> FloatArray:
        """Return the Gram matrix of the columns.

        Single precision adds up masks, and products of masks and level columns, without error, so
        a model that is linear in the masks is recovered as exactly as ever. Rounding among the
        level columns only changes what is taken for noise.
        """
        if self.features.dtype != np.uint8 or not self._alike:
            # The product of a matrix with itself costs a third of a general one.
            return columns @ columns.T
        if self.nuisance is None or self.nuisance.dtype == np.float32:
            return _single_gram(columns)
        n_masks = 1 + self.n_parts
        gram = np.empty((len(columns), len(columns)))
        gram[:n_masks, :n_masks] = _single_gram(columns[:n_masks])
        gram[:n_masks, n_masks:] = columns[:n_masks] @ columns[n_masks:].T
        gram[n_masks:, :n_masks] = gram[:n_masks, n_masks:].T
        gram[n_masks:, n_masks:] = columns[n_masks:] @ columns[n_masks:].T
        return gram


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Stacked weighted Gram matrices of several blocks of rows.

    Attributes
    ----------
    covariates : Covariates
        The columns that scores are regressed on: one, the parts, and the nuisance columns.
    cross : ndarray of float64, shape (..., n_blocks, n_columns, n_labels)
        Their products with the scores; of several instances that have the same rows, first the
        instance.
    squares : ndarray of float64, shape (..., n_blocks, n_labels)
        Weighted sums of the squares of the scores.
    """

    covariates: Covariates
    cross: FloatArray
    squares: FloatArray

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
        """
        rows = Rows(features, weights, nuisance)
        cross, squares = rows.products(scores)
        return cls(rows.covariates(), cross[None], squares[None])

    @classmethod
    def together(cls, instances: "Sequence[Moments]") -> Self:
        """Return the moments of several instances that have the same rows."""
        return cls(
            instances[0].covariates,
            np.stack([moments.cross for moments in instances]),
            np.stack([moments.squares for moments in instances]),
        )

    def total(self) -> Self:
        """Return the sum of all blocks, as a stack of one."""
        cross, squares = self._summed()
        return type(self)(self.covariates.total, cross, squares)

    def sums(self) -> Self:
        """Return the total, and then the sums without each block in turn, as one stack."""
        cross, squares = self._summed()
        return type(self)(
            self.covariates.sums,
            np.concatenate([cross, cross - self.cross], axis=-3),
            np.concatenate([squares, squares - self.squares], axis=-2),
        )

    def _summed(self) -> tuple[FloatArray, FloatArray]:
        return self.cross.sum(axis=-3, keepdims=True), self.squares.sum(axis=-2, keepdims=True)

    def without(self, block: int) -> Self:
        """Return the sum of all blocks but one, as a stack of one."""
        one = slice(block, block + 1)
        whole = self.covariates
        left = Covariates(whole.total.gram - whole.gram[one], whole.n_parts, whole.n_nuisance)
        cross, squares = self._summed()
        return type(self)(
            left, cross - self.cross[..., one, :, :], squares - self.squares[..., one, :]
        )

    def first(self) -> Self:
        """Return the first block, as a stack of one."""
        one = replace(self.covariates, gram=self.covariates.gram[:1])
        return type(self)(one, self.cross[..., :1, :, :], self.squares[..., :1, :])

    def instance(self, number: int) -> Self:
        """Return the moments of one of several instances."""
        return replace(self, cross=self.cross[number], squares=self.squares[number])

    @property
    def n_parts(self) -> int:
        """Number of interpretable features."""
        return self.covariates.n_parts

    @property
    def n_nuisance(self) -> int:
        """Number of nuisance columns."""
        return self.covariates.n_nuisance

    def plain(self) -> Self:
        """Return the moments without the nuisance columns, which a surrogate is scored on."""
        kept = 1 + self.n_parts
        return type(self)(self.covariates.plain, self.cross[..., :kept, :], self.squares)

    def adjusted(self) -> Self:
        """Return the moments of what the nuisance columns leave over, for the fit."""
        if self.n_nuisance == 0:
            return self
        kept, covariates = 1 + self.n_parts, self.covariates
        known = covariates.whitened @ self.cross[..., kept:, :]
        return type(self)(
            covariates.adjusted,
            self.cross[..., :kept, :] - np.swapaxes(covariates.explained, 1, 2) @ known,
            self.squares - (known**2).sum(axis=-2),
        )

    @property
    def weight(self) -> FloatArray:
        """Total weight of each block, shape (n_blocks,)."""
        return self.covariates.weight

    @property
    def score_means(self) -> FloatArray:
        """Weighted mean of the scores, shape (..., n_blocks, n_labels)."""
        return self.cross[..., 0, :] / self.weight[:, None]

    def centred_cross(self) -> FloatArray:
        """Return second moments of features and scores, (..., n_blocks, n_parts, n_labels)."""
        split = 1 + self.n_parts
        sums = self.covariates.gram[:, 0, 1:split]
        return self.cross[..., 1:split, :] - sums[:, :, None] * self.score_means[..., None, :]

    def score_squares(self) -> FloatArray:
        """Return sums of squares of the scores about their means, (..., n_blocks, n_labels)."""
        return np.maximum(self.squares - self.weight[:, None] * self.score_means**2, 0.0)


def _single_gram(columns: FloatArray) -> FloatArray:
    """Return the Gram matrix of columns, added up in single precision."""
    size, lanes = len(columns), -(-len(columns) // LANES) * LANES
    gram = np.zeros((size, size))
    for start in range(0, columns.shape[1], EXACT_ROWS):
        part = columns[:, start : start + EXACT_ROWS]
        rows = np.zeros((lanes, part.shape[1]), dtype=np.float32)
        rows[:size] = part
        gram += (rows @ rows.T)[:size, :size]
    return gram
