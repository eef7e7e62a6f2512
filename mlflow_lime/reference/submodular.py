"""Instances whose explanations together show as much as possible of what the model relies on.

References
----------
Ribeiro, Singh and Guestrin (2016), "Why Should I Trust You?", section 4: coverage (equation 3),
picking (equation 4), and greedy picking, which reaches 1 - 1/e of the best (algorithm 2).
Minoux (1978), Accelerated greedy algorithms for maximizing submodular set functions.
"""

import heapq
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.explanation import Explanation
from mlflow_lime.reference.material import Choice, Material
from mlflow_lime.reference.reasons import heaviest_reasons

__all__ = ["covering_order", "importances", "submodular"]

FloatArray = NDArray[np.float64]


def submodular(material: Material, count: int, taken: frozenset[int]) -> Iterator[Choice]:
    """Yield the rows of the small pool in the order in which they add coverage.

    Where nothing is left to cover, the best explained come first.
    """
    rows = material.small_pool
    explanations = material.replies.explanations(rows)
    weights = heaviest_reasons(explanations, seed=material.wish.seed)
    usable = np.flatnonzero(np.isfinite(weights).all(axis=1))
    fidelity = np.array([_fidelity(item) for item in explanations])[usable]
    for i, gain in covering_order(weights[usable], fidelity):
        if gain > 0:
            reason = f"shows parts with {gain:.0%} of all importance"
        else:
            reason = "well explained, with nothing left to show"
        yield int(rows[usable[i]]), reason


def importances(weights: FloatArray) -> FloatArray:
    """Return the global importance of each part: the root of its absolute weights' sum.

    Parameters
    ----------
    weights : ndarray of float64, shape (n_instances, n_parts)

    Examples
    --------
    >>> importances(np.array([[3.0, 0.0], [-6.0, 1.0]])).tolist()
    [3.0, 1.0]
    """
    return np.asarray(np.sqrt(np.abs(weights).sum(axis=0)))


def covering_order(
    weights: FloatArray, fidelity: Sequence[float] | FloatArray
) -> Iterator[tuple[int, float]]:
    """Yield all instances, each the one that adds most coverage to those before it.

    Parameters
    ----------
    weights : ndarray of float64, shape (n_instances, n_parts)
        A part covers where its weight is not zero.
    fidelity : array_like of float64, shape (n_instances,)
        Decides between instances that add the same, then their order; NaN comes last.

    Yields
    ------
    instance : int
    gain : float
        Importance that it adds, as a share of all importance; zero once everything is covered.

    Examples
    --------
    >>> weights = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    >>> [instance for instance, _ in covering_order(weights, [0.5, 0.9, 0.1])]
    [2, 1, 0]
    """
    importance = importances(weights)
    total = float(importance.sum()) or 1.0
    covers = weights != 0
    open_ = np.ones(weights.shape[1], dtype=bool)
    ranks = -np.where(np.isnan(fidelity), -np.inf, fidelity)
    heap = [(-np.inf, float(rank), i) for i, rank in enumerate(ranks)]
    heapq.heapify(heap)
    while heap:
        _, rank, i = heapq.heappop(heap)
        gain = float(np.where(open_ & covers[i], importance, 0.0).sum())
        entry = (-gain, rank, i)
        # Coverage only shrinks: what beats all older gains beats what they have become.
        if heap and heap[0] < entry:
            heapq.heappush(heap, entry)
            continue
        open_ &= ~covers[i]
        yield i, gain / total


def _fidelity(explanation: Explanation | None) -> float:
    if explanation is None:
        return float("nan")
    label = explanation.labels[0]
    return label.fidelity_r2 if np.isnan(label.partial_r2) else label.partial_r2
