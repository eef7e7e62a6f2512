"""What a least-squares fit needs to know of its columns, whatever the scores."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dtrtri

__all__ = ["MANY_COLUMNS", "Covariates"]

FloatArray = NDArray[np.float64]

MANY_COLUMNS = 64
"""Number of columns from which triangular solves, one by one, are faster than inverse factors."""


@dataclass(frozen=True, eq=False)
class Covariates:
    """Stacked weighted Gram matrices of the columns that scores are regressed on.

    All that follows from them alone is computed once, however many scores are fitted.

    Attributes
    ----------
    gram : ndarray of float64, shape (n_blocks, n_columns, n_columns)
        One Gram matrix for each block: a replicate, or any sum of replicates. The columns are
        one, the parts, and the nuisance columns.
    n_parts : int
        Number of interpretable features.
    n_nuisance : int
        Number of nuisance columns.
    """

    gram: FloatArray
    n_parts: int
    n_nuisance: int = 0

    @classmethod
    def stack(cls, blocks: "list[Covariates]") -> Self:
        """Return several blocks as one stack."""
        gram = np.concatenate([block.gram for block in blocks])
        return cls(gram, blocks[0].n_parts, blocks[0].n_nuisance)

    def __add__(self, other: Self) -> Self:
        return replace(self, gram=self.gram + other.gram)

    @cached_property
    def total(self) -> Self:
        """The sum of all blocks, as a stack of one."""
        return replace(self, gram=self.gram.sum(axis=0, keepdims=True))

    @cached_property
    def leave_one_out(self) -> Self:
        """For each block, the sum of the others."""
        return replace(self, gram=self.total.gram - self.gram)

    @cached_property
    def sums(self) -> Self:
        """The total, and then the sums without each block in turn."""
        return self.stack([self.total, self.leave_one_out])

    @property
    def weight(self) -> FloatArray:
        """Total weight of each block, shape (n_blocks,)."""
        return self.gram[:, 0, 0]

    @cached_property
    def plain(self) -> Self:
        """Those without the nuisance columns, which a surrogate is scored on."""
        kept = 1 + self.n_parts
        return replace(self, gram=self.gram[:, :kept, :kept], n_nuisance=0)

    @cached_property
    def whitened(self) -> FloatArray:
        """Inverse triangular factors of the nuisance columns, (n_blocks, n_nuisance, n_nuisance).

        Their product with columns' products with the nuisance columns, and its square, is what
        these explain.
        """
        kept = 1 + self.n_parts
        inner = self.gram[:, kept:, kept:]
        size = np.trace(inner, axis1=1, axis2=2) / self.n_nuisance
        size[size <= 0] = 1.0  # no part is ever absent
        ridge = (1e-10 * size)[:, None, None] * np.eye(self.n_nuisance)
        return inverse_factors(inner + ridge)

    @cached_property
    def explained(self) -> FloatArray:
        """What the nuisance columns know of one and the parts, whitened.

        The shape is (n_blocks, n_nuisance, 1 + n_parts).
        """
        kept = 1 + self.n_parts
        return self.whitened @ self.gram[:, kept:, :kept]

    @cached_property
    def adjusted(self) -> Self:
        """What the nuisance columns leave over of one and the parts, for the fit.

        By the Frisch-Waugh-Lovell theorem a fit on it has the weights, and the intercept, of the
        joint fit.
        """
        if self.n_nuisance == 0:
            return self
        left = self.plain.gram - np.swapaxes(self.explained, 1, 2) @ self.explained
        return replace(self, gram=left, n_nuisance=0)

    @cached_property
    def centred(self) -> FloatArray:
        """Second moments of the features about their means, shape (n_blocks, n_parts, n_parts)."""
        split = 1 + self.n_parts
        sums = self.gram[:, 0, 1:split]
        return self.gram[:, 1:split, 1:split] - (
            sums[:, :, None] * sums[:, None, :] / self.weight[:, None, None]
        )

    @cached_property
    def squares(self) -> FloatArray:
        """Weighted sums of squares of the features about their means, (n_blocks, n_parts).

        They are the diagonal of the centred second moments.
        """
        part = slice(1, 1 + self.n_parts)
        sums = self.gram[:, 0, part]
        squares = np.diagonal(self.gram, axis1=1, axis2=2)[:, part]
        return np.asarray(squares - sums * sums / self.weight[:, None])

    def ridge_factors(self, penalty: float) -> FloatArray:
        """Return inverse triangular factors of the penalised features, for `fit_ridge`.

        Parameters
        ----------
        penalty : float
            Per unit of total weight.

        Returns
        -------
        ndarray of float64, shape (n_blocks, n_parts, n_parts)
        """
        known: dict[float, FloatArray] = self.__dict__.setdefault("_ridge_factors", {})
        if penalty not in known:
            alpha = (penalty * self.weight)[:, None, None]
            known[penalty] = inverse_factors(self.centred + alpha * np.eye(self.n_parts))
        return known[penalty]


def inverse_factors(matrices: FloatArray) -> FloatArray:
    """Return W of each symmetric matrix A, such that ``WᵀW`` is its inverse.

    Parameters
    ----------
    matrices : ndarray of float64, shape (n_blocks, n, n)

    Returns
    -------
    ndarray of float64, shape (n_blocks, n, n)
        Lower triangular, from Cholesky factors; where rounding made a matrix indefinite, from its
        eigenvectors, and a pseudo-inverse.
    """
    factors = np.empty_like(matrices)
    for i, matrix in enumerate(matrices):
        factor, failed = dpotrf(matrix.T, lower=1, clean=1)
        if not failed:
            factors[i], failed = dtrtri(factor, lower=1)
        if failed:
            values, vectors = np.linalg.eigh(matrix)
            used = values > np.finfo(float).eps * len(values) * np.abs(values).max(initial=0.0)
            size = np.divide(1.0, np.sqrt(np.abs(values)), out=np.zeros_like(values), where=used)
            factors[i] = size[:, None] * vectors.T
    return factors
