"""Choosing representative instances from data."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlflow_lime.errors import DataError, InstanceNotFoundError, did_you_mean, shorten

__all__ = ["PICKERS", "Picked", "pick_instances"]

MOST_CLASSES = 20
"""A target of more distinct values is a quantity."""


@dataclass(frozen=True, slots=True)
class Picked:
    """Rows chosen from a data frame.

    Attributes
    ----------
    positions : tuple of int
        Row numbers, from 0, in the order of choice.
    reasons : tuple of str
        Why each was chosen.
    """

    positions: tuple[int, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asked for; each picker reads what concerns it."""

    count: int
    ids: Sequence[object]
    rows: Sequence[int]
    query: str | None
    target: str | None
    id_column: str | None
    seed: int


def pick_instances(
    frame: pd.DataFrame,
    *,
    pick: str = "stratified",
    count: int = 20,
    ids: Sequence[object] = (),
    rows: Sequence[int] = (),
    query: str | None = None,
    target: str | None = None,
    id_column: str | None = None,
    seed: int = 0,
) -> Picked:
    """Choose instances.

    Parameters
    ----------
    frame : DataFrame
        Data to choose from.
    pick : {"stratified", "random", "ids", "rows", "query"}
        At random in proportion to the classes or the quantiles of the target; at random; by the
        values of `id_column` (or of the index); by row number; or by a pandas query expression,
        the first `count` that fit.
    count : int, default 20
        How many, at most.
    ids, rows, query
        What the picker of the same name needs.
    target : str, optional
        Column with true labels, for ``"stratified"``.
    id_column : str, optional
        Column that names an instance, for ``"ids"``.
    seed : int, default 0
        Determines random choices, together with the data.

    Returns
    -------
    Picked

    Raises
    ------
    DataError
        If the data is empty or the query cannot be evaluated.
    InstanceNotFoundError
        If an id or a row does not exist, or no row fits the query.

    Examples
    --------
    >>> frame = pd.DataFrame({"age": [31, 42, 58], "name": ["a", "b", "c"]})
    >>> pick_instances(frame, pick="ids", ids=["c", "a"], id_column="name")
    Picked(positions=(2, 0), reasons=('chosen by id', 'chosen by id'))
    """
    if pick not in PICKERS:
        hint = did_you_mean(pick, PICKERS)
        msg = f"pick must be one of {', '.join(PICKERS)}; got {pick!r}.{hint}"
        raise DataError(msg)
    if len(frame) == 0:
        msg = "there is no data to pick instances from: the data has no rows"
        raise DataError(msg)
    wish = Wish(count, ids, rows, query, target, id_column, seed)
    return PICKERS[pick](frame, wish)


def _random(frame: pd.DataFrame, wish: Wish) -> Picked:
    rng = np.random.default_rng(wish.seed)
    order = rng.permutation(len(frame))[: wish.count]
    return _picked(sorted(order.tolist()), "chosen at random")


def _stratified(frame: pd.DataFrame, wish: Wish) -> Picked:
    if wish.target is None:
        return _random(frame, wish)
    if wish.target not in frame.columns:
        hint = did_you_mean(wish.target, frame.columns)
        msg = f"target column {wish.target!r} is not in the data.{hint}"
        raise DataError(msg)
    strata, names = _strata(frame[wish.target])
    rng = np.random.default_rng(wish.seed)
    count = min(wish.count, len(frame))
    positions: list[int] = []
    reasons: list[str] = []
    for stratum, share in enumerate(_apportion(np.bincount(strata), count)):
        members = rng.permutation(np.flatnonzero(strata == stratum))[:share]
        positions.extend(sorted(members.tolist()))
        reasons.extend([f"typical share of {names[stratum]}"] * len(members))
    return Picked(tuple(positions), tuple(reasons))


def _strata(target: pd.Series) -> tuple[NDArray[np.intp], list[str]]:
    """Return the stratum of each row, and the strata's names; missing targets are one stratum."""
    target = target.reset_index(drop=True)
    known = target.dropna()
    if _is_graded(known):
        if not pd.api.types.is_numeric_dtype(known.dtype):
            msg = (
                f"target column {target.name!r} has {known.nunique()} distinct values that are "
                "no numbers; give a column of classes, or `pick: random`"
            )
            raise DataError(msg)
        places = pd.qcut(known.rank(method="first"), min(5, len(known)), labels=False)
        codes, distinct = pd.factorize(places, sort=True)
        names = [f"target quantile {i + 1} of {len(distinct)}" for i in range(len(distinct))]
    else:
        codes, distinct = pd.factorize(known.astype(object))
        order = np.argsort([str(item) for item in distinct], kind="stable")
        codes = np.argsort(order, kind="stable")[codes]
        names = [f"class {distinct[i]}" for i in order]
    strata = np.full(len(target), len(names), dtype=np.intp)
    strata[known.index.to_numpy(dtype=np.intp)] = codes
    return strata, [*names, "missing targets"]


def _is_graded(known: pd.Series) -> bool:
    """Return whether a target is a quantity rather than a class."""
    if known.nunique() > MOST_CLASSES:
        return True
    # A column of whole numbers becomes one of floats where some are missing.
    return pd.api.types.is_float_dtype(known.dtype) and not bool((known % 1 == 0).all())


def _apportion(sizes: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Share `count` seats in proportion to `sizes`, at least one each while they last."""
    seats = np.minimum(1, sizes)
    if seats.sum() >= count:
        order = np.argsort(-sizes, kind="stable")[:count]
        few = np.zeros_like(sizes)
        few[order] = 1
        return few
    while seats.sum() < count:
        wanting = np.where(seats < sizes, sizes / (seats + 0.5), -1.0)
        seats[int(np.argmax(wanting))] += 1
    return seats


def _ids(frame: pd.DataFrame, wish: Wish) -> Picked:
    if wish.id_column is not None and wish.id_column not in frame.columns:
        hint = did_you_mean(wish.id_column, frame.columns)
        msg = f"id column {wish.id_column!r} is not in the data.{hint}"
        raise DataError(msg)
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
    return _picked([place[str(item)] for item in wish.ids], "chosen by id")


def _rows(frame: pd.DataFrame, wish: Wish) -> Picked:
    beyond = [row for row in wish.rows if not 0 <= row < len(frame)]
    if beyond:
        msg = f"row {beyond[0]} does not exist: the data has rows 0 to {len(frame) - 1}"
        raise InstanceNotFoundError(msg)
    return _picked(list(wish.rows), "chosen by row number")


def _query(frame: pd.DataFrame, wish: Wish) -> Picked:
    expression = wish.query or ""
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
    return _picked(found[: wish.count].tolist(), f"fits {expression}")


def _picked(positions: Sequence[int], reason: str) -> Picked:
    return Picked(tuple(positions), (reason,) * len(positions))


PICKERS: dict[str, Callable[[pd.DataFrame, Wish], Picked]] = {
    "stratified": _stratified,
    "random": _random,
    "ids": _ids,
    "rows": _rows,
    "query": _query,
}
