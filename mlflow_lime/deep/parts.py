"""From attributions of a network's input elements to the parts that LIME weighs."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.errors import DataError

__all__ = ["aligned", "summed", "token_parts"]

_CHANNELS = (1, 3, 4)
"""Sizes that an axis of colours may have."""


def summed(
    values: NDArray[np.floating], owners: NDArray[np.integer], n_parts: int
) -> tuple[NDArray[np.float64], float]:
    """Return the sum of each part's elements, and of those that belong to no part.

    Parameters
    ----------
    values : ndarray of float, any shape
        Attributions of an instance's elements.
    owners : ndarray of int, the same shape
        Part of each element; -1 where it belongs to none.
    n_parts : int

    Returns
    -------
    sums : ndarray of float64, shape (n_parts,)
    rest : float

    Examples
    --------
    >>> summed(np.array([1.0, 2.0, 4.0]), np.array([1, -1, 1]), 2)
    (array([0., 5.]), 2.0)
    """
    places = np.asarray(owners).ravel() + 1
    weights = np.asarray(values, dtype=np.float64).ravel()
    totals = np.bincount(places, weights, n_parts + 1).astype(np.float64)
    return totals[1:], float(totals[0])


def aligned(owners: NDArray[np.integer], shape: Sequence[int]) -> NDArray[np.integer]:
    """Return the part of each element of an encoded input.

    Parameters
    ----------
    owners : ndarray of int
        Part of each element of the input as the model reads it.
    shape : sequence of int
        Of an encoded instance: the same, flattened, with its first or last axis at the other end
        (channels or features), with an axis of channels more or less, or an image of another size.

    Raises
    ------
    DataError
        If the two cannot be brought together.

    Examples
    --------
    >>> aligned(np.array([[0, 1]]), (3, 1, 2)).tolist()
    [[[0, 1]], [[0, 1]], [[0, 1]]]
    """
    shape = tuple(shape)
    if owners.shape == shape:
        return owners
    if owners.size == np.prod(shape) and 1 in (owners.ndim, len(shape)):
        return owners.reshape(shape)
    if owners.ndim == len(shape) > 1:
        for moved in (np.moveaxis(owners, -1, 0), np.moveaxis(owners, 0, -1)):
            if moved.shape == shape:
                return moved
    image = _resized(owners, shape)
    if image is None:
        msg = (
            f"the network reads instances of shape {shape}, the model those of {owners.shape}, and "
            "neither moving channels nor scaling leads from one to the other; let deep.network "
            "name a function whose `encode` keeps rows and columns, or time and features"
        )
        raise DataError(msg)
    return image


def _resized(owners: NDArray[np.integer], shape: tuple[int, ...]) -> NDArray[np.integer] | None:
    """Return the nearest part of each pixel of an image of another size or kind."""
    pairs = [(a, b) for a in _planes(owners.shape) for b in _planes(shape)]
    if not pairs:
        return None
    first, plane = min(pairs, key=lambda pair: _stretch(owners.shape, pair[0], shape, pair[1]))
    flat = np.asarray(owners if owners.ndim == 2 else owners.take(0, axis=first[2]))
    places = [
        (np.arange(shape[axis]) + 0.5) * flat.shape[i] / shape[axis]
        for i, axis in enumerate(plane[:2])
    ]
    rows, columns = (np.floor(place).astype(np.intp) for place in places)
    image = flat[np.ix_(rows, columns)]
    if len(shape) == 3:
        image = np.expand_dims(image, plane[2])
    return np.broadcast_to(image, shape)


def _planes(shape: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return what the axes of rows, columns, and channels of an image may be."""
    if len(shape) == 2:
        return [(0, 1, -1)]
    if len(shape) != 3:
        return []
    last = [(0, 1, 2)] if shape[2] in _CHANNELS else []
    return last + ([(1, 2, 0)] if shape[0] in _CHANNELS else [])


def _stretch(
    first: Sequence[int], own: Sequence[int], second: Sequence[int], other: Sequence[int]
) -> float:
    """Return how far two planes are from one size, those of another aspect ratio farthest."""
    rows = np.log(second[other[0]] / first[own[0]])
    columns = np.log(second[other[1]] / first[own[1]])
    return float(10 * abs(rows - columns) + abs(rows) + abs(columns))


def token_parts(
    characters: NDArray[np.integer], spans: Sequence[tuple[int, int]], n_tokens: int
) -> NDArray[np.intp]:
    """Return the part of each token: that of the most of its characters.

    Parameters
    ----------
    characters : ndarray of int, shape (n_characters,)
        Part of each character, -1 where it belongs to none.
    spans : sequence of (start, end)
        Of each token, in characters; tokens beyond them belong to no part.
    n_tokens : int

    Examples
    --------
    >>> token_parts(np.array([0, 0, -1, 1, 1]), [(0, 2), (2, 5)], 3).tolist()
    [0, 1, -1]
    """
    found = np.full(n_tokens, -1, dtype=np.intp)
    for i, (start, end) in enumerate(spans[:n_tokens]):
        inside = characters[max(0, int(start)) : max(0, int(end))]
        counts = np.bincount(inside[inside >= 0]) if len(inside) else np.zeros(0)
        if counts.size and counts.max() > 0:
            found[i] = counts.argmax()
    return found
