"""Typical instances: rows to which all others are near.

References
----------
Kaufman and Rousseeuw (1990), Finding Groups in Data, chapter 2 (PAM); Schubert and Rousseeuw
(2021), Fast and eager k-medoids clustering, Information Systems 101 (the swap below); Arthur and
Vassilvitskii (2007), k-means++, SODA (the start).
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.reference.material import Choice, Material
from mlflow_lime.reference.reasons import usual_reasons

__all__ = ["k_medoids", "medoids"]

FloatArray = NDArray[np.float64]

MOST = 2000
"""Rows between which all distances are measured, at most: 32 MB."""
PASSES = 100
"""Times that all rows are tried; a handful suffices."""
EPSILON = 1e-9
"""Share of the cost that a swap must save, so that rounding cannot make it go round."""


def medoids(material: Material, count: int, taken: frozenset[int]) -> Iterator[Choice]:
    """Yield medoids of the pool, that of the largest group first; more groups where some are taken.

    The distances are those between inputs, or between the explanations of a smaller pool.
    """
    from sklearn.metrics import pairwise_distances

    if material.wish.medoids_over == "explanations":
        rows = material.small_pool
        points = usual_reasons(material.replies.explanations(rows), seed=material.wish.seed)
        near = "reasons like"
    else:
        pool = material.pool
        rows = pool if len(pool) <= MOST else pool[np.linspace(0, len(pool) - 1, MOST).astype(int)]
        points = material.replies.points(rows)
        near = "typical of"
    usable = np.isfinite(points).all(axis=1)
    rows, points = rows[usable], points[usable]
    distances = pairwise_distances(points) if len(rows) else np.empty((0, 0))
    given: set[int] = set()
    groups = count
    while len(given) < len(rows):
        groups = min(groups, len(rows))
        centres, sizes = k_medoids(distances, groups, seed=material.wish.seed)
        for centre, size in zip(centres.tolist(), sizes.tolist(), strict=True):
            if centre not in given:
                given.add(centre)
                yield int(rows[centre]), f"{near} {size} of {len(rows)} rows"
        groups += 1


def k_medoids(
    distances: FloatArray, count: int, *, seed: int = 0
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows such that the sum of all rows' distances to the nearest of them is small.

    Parameters
    ----------
    distances : ndarray of float64, shape (n, n)
        Symmetric, zero on the diagonal.
    count : int
        How many, from 1 to n.
    seed : int

    Returns
    -------
    medoids : ndarray of intp, shape (count,)
        Those with the most rows first. No exchange with another row makes the sum smaller.
    sizes : ndarray of intp, shape (count,)
        How many rows are nearest to each.

    Examples
    --------
    >>> places = np.array([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0], [13.0], [11.5]])
    >>> k_medoids(np.abs(places - places.T), 2)[0].tolist()
    [7, 1]
    """
    chosen = _start(distances, count, np.random.default_rng(seed))
    if count == 1:
        chosen = np.array([distances.sum(axis=0).argmin()])
    elif count < len(distances):
        _improve(distances, chosen)
    owners = distances[:, chosen].argmin(axis=1)
    owners[chosen] = np.arange(count)  # of equal rows each medoid keeps itself
    sizes = np.bincount(owners, minlength=count)
    order = np.lexsort((chosen, -sizes))
    return chosen[order], sizes[order]


def _start(distances: FloatArray, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return distinct rows, each drawn by its squared distance to those before (k-means++)."""
    n = len(distances)
    chosen = [int(rng.integers(n))]
    nearest = distances[:, chosen[0]].copy()
    for _ in range(count - 1):
        mass = nearest**2
        mass[chosen] = 0.0
        if not mass.sum() > 0:
            mass = np.ones(n)
            mass[chosen] = 0.0
        chosen.append(int(rng.choice(n, p=mass / mass.sum())))
        nearest = np.minimum(nearest, distances[:, chosen[-1]])
    return np.array(chosen, dtype=np.intp)


def _improve(distances: FloatArray, chosen: NDArray[np.intp]) -> None:
    """Exchange medoids in place as long as one exchange makes the sum of distances smaller."""
    n, count = len(distances), len(chosen)
    owner, near, second, loss = _assign(distances, chosen)
    idle = 0
    for candidate in np.tile(np.arange(n), PASSES):
        if idle >= n:
            return
        idle += 1
        if candidate in chosen:
            continue
        away = distances[:, candidate]
        closer = away < near
        shared = float((away - near)[closer].sum())
        own = np.where(closer, near - second, np.minimum(away - second, 0.0))
        change = loss + np.bincount(owner, own, minlength=count) + shared
        best = int(change.argmin())
        if change[best] < -EPSILON * near.sum():
            chosen[best] = candidate
            owner, near, second, loss = _assign(distances, chosen)
            idle = 0


def _assign(
    distances: FloatArray, chosen: NDArray[np.intp]
) -> tuple[NDArray[np.intp], FloatArray, FloatArray, FloatArray]:
    """Return each row's medoid, the distances to the two nearest, and what each removal costs."""
    columns = distances[:, chosen]
    two = np.argpartition(columns, 1, axis=1)[:, :2]
    pairs = np.take_along_axis(columns, two, axis=1)
    swapped = pairs[:, 0] > pairs[:, 1]
    two[swapped], pairs[swapped] = two[swapped][:, ::-1], pairs[swapped][:, ::-1]
    owner, near, second = two[:, 0], pairs[:, 0], pairs[:, 1]
    loss = np.bincount(owner, second - near, minlength=len(chosen)).astype(np.float64)
    return owner, near, second, loss
