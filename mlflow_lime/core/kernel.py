"""How much a perturbed input counts, by its distance from the instance."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.errors import DataError, did_you_mean

__all__ = ["DISTANCES", "Kernel", "effective_share"]

FloatArray = NDArray[np.float64]
DISTANCES = ("cosine", "euclidean")


@dataclass(frozen=True, slots=True)
class Kernel:
    """A weighting of perturbed inputs.

    Attributes
    ----------
    width : float or None
        Width of the exponential kernel ``exp(-distance**2 / (2 width**2))``; None weights every
        row alike.
    distance : {"cosine", "euclidean"}
        Between the features of a row and those of the instance. With binary masks of d parts, k of
        them present: ``1 - sqrt(k / d)`` and ``sqrt(d - k)``.
    function : callable, optional
        From distances, shape (n_rows,), to weights; used in place of the exponential.

    References
    ----------
    Ribeiro, Singh, Guestrin, "Why should I trust you?", KDD 2016, section 3.4. The exponent
    follows the ``lime`` package, which takes the square root of the paper's kernel.

    Examples
    --------
    >>> Kernel(width=0.25).weights(np.array([[1, 1, 1, 1], [1, 0, 0, 0]]), np.ones(4)).round(3)
    array([1.   , 0.135])
    """

    width: float | None = None
    distance: str = "cosine"
    function: Callable[[FloatArray], Any] | None = None

    def __post_init__(self) -> None:
        if self.distance not in DISTANCES:
            hint = did_you_mean(self.distance, DISTANCES)
            msg = f"kernel distance must be one of {DISTANCES}, got {self.distance!r}.{hint}"
            raise DataError(msg)
        if self.width is not None and not self.width > 0:
            msg = f"kernel width must be a positive number, got {self.width!r}"
            raise DataError(msg)

    @property
    def uniform(self) -> bool:
        """Whether every row counts alike."""
        return self.width is None and self.function is None

    def weights(self, features: NDArray[Any], origin: FloatArray) -> FloatArray:
        """Return the weight of each row.

        Parameters
        ----------
        features : ndarray, shape (n_rows, n_parts)
            Interpretable features; uint8 masks, or continuous values.
        origin : ndarray of float64, shape (n_parts,)
            Features of the instance.

        Returns
        -------
        ndarray of float64, shape (n_rows,)

        Raises
        ------
        DataError
            If the kernel function gives weights that are negative, not finite, or of another
            shape.
        """
        if self.uniform:
            return np.ones(len(features))
        distance = self._distances(features, origin)
        if self.function is None:
            exponent = np.square(distance / float(self.width or 1.0))
            return np.asarray(np.exp(-0.5 * exponent), dtype=np.float64)
        weights = np.asarray(self.function(distance), dtype=np.float64)
        if weights.shape != distance.shape:
            msg = f"the kernel returned weights of shape {weights.shape} for {distance.shape}"
            raise DataError(msg)
        if not np.isfinite(weights).all() or weights.min(initial=0) < 0:
            msg = "the kernel returned weights that are negative or not finite"
            raise DataError(msg)
        return weights

    def _distances(self, features: NDArray[Any], origin: FloatArray) -> FloatArray:
        if features.dtype == np.uint8 and (origin == 1).all():
            n_parts = features.shape[1]
            present = np.arange(n_parts + 1)
            table: FloatArray = np.sqrt(n_parts - present)
            if self.distance == "cosine":
                table = 1.0 - np.sqrt(present / n_parts)
            return np.asarray(table[features.sum(axis=1, dtype=np.intp)])
        if self.distance == "euclidean":
            squared: FloatArray = ((features - origin) ** 2).sum(axis=1)
            return np.asarray(np.sqrt(squared))
        lengths = np.linalg.norm(features, axis=1) * np.linalg.norm(origin)
        cosine: FloatArray = np.divide(
            features @ origin, lengths, out=np.zeros(len(features)), where=lengths > 0
        )
        return 1.0 - cosine


def effective_share(weights: FloatArray) -> float:
    """Return the effective sample size of weights (Kish) as a share of their number.

    Examples
    --------
    >>> effective_share(np.array([1.0, 1.0, 0.0, 0.0]))
    0.5
    """
    largest = weights.max(initial=0.0)
    if largest == 0:
        return 0.0
    if weights.min() == largest:
        return 1.0
    weights = weights / largest  # squares of tiny weights would vanish
    total = weights.sum()
    return float(total * total / (len(weights) * (weights @ weights)))
