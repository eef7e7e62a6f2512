"""Explanations of many instances as one matrix: whose columns are parts that several can share."""

from collections.abc import Hashable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.contents import ImageContent
from mlflow_lime.core.explanation import Explanation

__all__ = ["heaviest_reasons", "usual_reasons"]

FloatArray = NDArray[np.float64]
Named = list[tuple[Hashable, float]]

HEAVIEST = 5
"""Parts of an instance that count as its explanation, as with the K features of the paper."""
VISUAL_WORDS = 24
"""Groups of segments that look and lie alike, at most."""


def heaviest_reasons(explanations: Sequence[Explanation | None], *, seed: int = 0) -> FloatArray:
    """Return the absolute weights of each instance's heaviest parts.

    A dense explanation would cover every part of a table, so only the `HEAVIEST` count.

    Parameters
    ----------
    explanations : sequence of Explanation or None
        Of the first explained label.
    seed : int

    Returns
    -------
    ndarray of float64, shape (n_instances, n_names)
        Columns are names of parts; segments of images have none that instances share, so those
        that look and lie alike share one. Rows of NaN where there is no explanation.
    """
    rows: list[Named | None] = []
    for named in _named_weights(explanations, seed):
        if named is None:
            rows.append(None)
            continue
        sums: dict[Hashable, float] = {}
        for name, weight in named:
            sums[name] = sums.get(name, 0.0) + abs(weight)
        ordered = sorted(sums.items(), key=lambda item: -item[1])
        rows.append([item for item in ordered[:HEAVIEST] if item[1] > 0])
    return _matrix(rows)


def usual_reasons(explanations: Sequence[Explanation | None], *, seed: int = 0) -> FloatArray:
    """Return each instance's weights, signed, scaled to length one, apart for each label.

    Parameters
    ----------
    explanations : sequence of Explanation or None
    seed : int

    Returns
    -------
    ndarray of float64, shape (n_instances, n_columns)
        Rows of NaN where there is no explanation.
    """
    rows: list[Named | None] = [
        None
        if named is None or item is None
        else [((item.labels[0].index, n), w) for n, w in named]
        for item, named in zip(explanations, _named_weights(explanations, seed), strict=True)
    ]
    matrix = _matrix(rows)
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return matrix / np.where(lengths > 0, lengths, 1.0)


def _matrix(rows: Sequence[Named | None]) -> FloatArray:
    columns = {name: i for i, name in enumerate(dict.fromkeys(n for r in rows for n, _ in r or ()))}
    matrix = np.zeros((len(rows), len(columns)))
    for i, row in enumerate(rows):
        if row is None:
            matrix[i] = np.nan
        for name, weight in row or ():
            matrix[i, columns[name]] += weight
    return matrix


def _named_weights(explanations: Sequence[Explanation | None], seed: int) -> Iterator[Named | None]:
    """Yield the names and weights of each instance's parts."""
    words = _visual_words(explanations, seed)
    for i, item in enumerate(explanations):
        if item is None:
            yield None
        else:
            names = [words.get((i, j), name) for j, name in enumerate(item.names)]
            yield list(zip(names, item.labels[0].weights.tolist(), strict=True))


def _visual_words(
    explanations: Sequence[Explanation | None], seed: int
) -> dict[tuple[int, int], Hashable]:
    """Return what stands for the name of each segment, by instance and part.

    Segments are grouped by mean colour and position, with k-means over all instances.
    """
    places: dict[str, list[tuple[int, int]]] = {}
    features: dict[str, list[FloatArray]] = {}
    for i, item in enumerate(explanations):
        for content in item.contents if item is not None else ():
            if isinstance(content, ImageContent) and len(content.parts):
                places.setdefault(content.column, []).extend((i, int(j)) for j in content.parts)
                features.setdefault(content.column, []).append(_looks(content))
    words: dict[tuple[int, int], Hashable] = {}
    for column, found in features.items():
        from sklearn.cluster import KMeans

        table = np.concatenate(found).round(6)
        distinct = len(np.unique(table, axis=0))
        means = KMeans(min(VISUAL_WORDS, distinct), n_init=3, random_state=seed).fit(table)
        groups = means.labels_.tolist()
        words |= {
            place: (column, group) for place, group in zip(places[column], groups, strict=True)
        }
    return words


def _looks(content: ImageContent) -> FloatArray:
    """Return mean colour and mean position of each part, all from 0 to 1, shape (n_parts, 5)."""
    owners = content.owners[content.segments].ravel()
    inside = owners >= 0
    height, width = content.segments.shape
    rows, columns = np.indices((height, width)).reshape(2, -1)
    values = [*(content.pixels.reshape(-1, 3).T / 255), rows / height, columns / width]
    parts = content.parts
    sizes = np.bincount(owners[inside])[parts]
    sums = [np.bincount(owners[inside], value[inside])[parts] for value in values]
    return np.column_stack(sums) / sizes[:, None]
