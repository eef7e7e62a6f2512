"""Instances picked from the data alone: spread, named, rare, or typical of groups."""

from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from mlflow_lime.errors import DataError, InstanceNotFoundError, did_you_mean, shorten
from mlflow_lime.reference.material import Choice, Material
from mlflow_lime.reference.strata import require_column, spread

__all__ = ["by_id", "by_query", "by_row", "random", "rare", "stratified"]

NEIGHBOURS = 5
"""Nearest rows whose mean distance says how rare a row is."""


def random(material: Material, count: int, taken: frozenset[int]) -> Iterator[Choice]:
    """Yield rows at random, of those that are left."""
    return _of_the_rest(material, None, count, taken)


def stratified(material: Material, count: int, taken: frozenset[int]) -> Iterator[Choice]:
    """Yield rows in proportion to the classes or quantiles of the target, of those left."""
    return _of_the_rest(material, material.wish.target, count, taken)


def _of_the_rest(
    material: Material, target: str | None, count: int, taken: frozenset[int]
) -> Iterator[Choice]:
    frame = material.frame
    rest = np.setdiff1d(np.arange(len(frame)), np.fromiter(taken, dtype=np.intp))
    if target is not None and target in frame.columns:
        frame = frame[[target]]  # the others need not be copied
    chosen = spread(frame.iloc[rest], target, count, material.wish.seed)
    return ((int(rest[place]), reason) for place, reason in chosen)


def by_id(material: Material, count: int, taken: frozenset[int]) -> Iterator[Choice]:
    """Yield the rows that the configured ids name."""
    frame, wish = material.frame, material.wish
    if wish.id_column is not None:
        require_column(frame, wish.id_column, "id")
    names = frame.index if wish.id_column is None else frame[wish.id_column]
    place: dict[Hashable, int] = {}
    for position, name in enumerate(names):
        place.setdefault(str(name), position)
    missing = [item for item in wish.ids if str(item) not in place]
    if missing:
        where = "the index" if wish.id_column is None else f"column {wish.id_column!r}"
        hint = did_you_mean(str(missing[0]), list(place)[:10_000])
        msg = f"no instance with id {shorten(missing[0])} in {where} of {len(frame)} rows.{hint}"
        raise InstanceNotFoundError(msg)
    return ((place[str(item)], "chosen by id") for item in wish.ids)


def by_row(material: Material, count: int, taken: frozenset[int]) -> Iterator[Choice]:
    """Yield the rows with the configured numbers."""
    total = len(material.frame)
    beyond = [row for row in material.wish.rows if not 0 <= row < total]
    if beyond:
        msg = f"row {beyond[0]} does not exist: the data has rows 0 to {total - 1}"
        raise InstanceNotFoundError(msg)
    return ((row, "chosen by row number") for row in material.wish.rows)


def by_query(material: Material, count: int, taken: frozenset[int]) -> Iterator[Choice]:
    """Yield the rows that fit the configured query, in their order."""
    frame, expression = material.frame, material.wish.query or ""
    if "@" in expression or "__" in expression:
        msg = f"query {shorten(expression)} may not use '@' or '__'; name columns and values only"
        raise DataError(msg)
    try:
        fits: Any = frame.eval(expression, engine="python")
    except Exception as error:
        msg = (
            f"query {shorten(expression)} cannot be evaluated: {shorten(str(error))}; "
            "write it as for DataFrame.query, with `back ticks` around names with spaces"
        )
        raise DataError(msg) from error
    if not isinstance(fits, pd.Series) or not pd.api.types.is_bool_dtype(fits.dtype):
        msg = f"query {shorten(expression)} is no condition; write for example `age > 60`"
        raise DataError(msg)
    found = np.flatnonzero(fits.fillna(False).to_numpy(dtype=bool))
    if len(found) == 0:
        msg = f"no row of {len(frame)} fits the query {shorten(expression)}; widen it"
        raise InstanceNotFoundError(msg)
    return ((row, f"fits {expression}") for row in found.tolist())


def rare(material: Material, count: int, taken: frozenset[int]) -> Iterator[Choice]:
    """Yield the rows of the pool that are farthest, on average, from their nearest rows."""
    from sklearn.neighbors import NearestNeighbors

    points = material.replies.points(material.pool)
    usable = np.isfinite(points).all(axis=1)
    rows, points = material.pool[usable], points[usable]
    nearest = min(NEIGHBOURS, len(rows) - 1)
    if nearest < 1:
        return iter(())
    distances, _ = NearestNeighbors(n_neighbors=nearest).fit(points).kneighbors()
    order = np.argsort(-distances.mean(axis=1), kind="stable")
    reason = f"rare: far from its {nearest} nearest of {len(rows)} rows"
    return ((int(rows[i]), reason) for i in order)
