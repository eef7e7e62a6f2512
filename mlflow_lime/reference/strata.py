"""Rows spread over the classes, or over the range, of a target; and what the true labels are."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlflow_lime.errors import DataError, did_you_mean

__all__ = ["as_classes", "require_column", "spread", "true_labels"]

MOST_CLASSES = 20
"""A target of more distinct values is a quantity."""


def spread(frame: pd.DataFrame, target: str | None, count: int, seed: int) -> list[tuple[int, str]]:
    """Return rows at random, in proportion to the classes or the quantiles of a target.

    Parameters
    ----------
    frame : DataFrame
    target : str or None
        Its column; None for rows from anywhere.
    count : int
        How many, at most.
    seed : int

    Returns
    -------
    list of tuple of (int, str)
        Row numbers, and what each stands for.

    Raises
    ------
    DataError
        If there is no such column, or its values are neither few nor numbers.
    """
    rng = np.random.default_rng(seed)
    if target is None:
        order = rng.permutation(len(frame))[:count]
        return [(row, "chosen at random") for row in sorted(order.tolist())]
    require_column(frame, target, "target")
    strata, names = _strata(frame[target])
    chosen: list[tuple[int, str]] = []
    seats = _apportion(np.bincount(strata), min(count, len(frame)))
    for stratum, share in enumerate(seats):
        members = rng.permutation(np.flatnonzero(strata == stratum))[:share]
        reason = f"typical share of {names[stratum]}"
        chosen.extend((row, reason) for row in sorted(members.tolist()))
    return chosen


def require_column(frame: pd.DataFrame, name: str, what: str) -> None:
    """Refuse data without a column.

    Raises
    ------
    DataError
        If it is not there.
    """
    if name not in frame.columns:
        hint = did_you_mean(name, frame.columns)
        msg = f"{what} column {name!r} is not in the data.{hint}"
        raise DataError(msg)


def as_classes(target: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return whole numbers that are floats only because some are missing as whole numbers.

    Examples
    --------
    >>> as_classes(pd.Series([1.0, None])).tolist()
    [1, <NA>]
    """
    holed = pd.api.types.is_float_dtype(target.dtype) and target.hasnans
    return target.astype("Int64") if holed and (target.dropna() % 1 == 0).all() else target


def true_labels(target: "pd.Series[Any]") -> list[str | None]:
    """Return the true labels as text, None where they are missing.

    Examples
    --------
    >>> true_labels(pd.Series([1.0, None]))
    ['1', None]
    """
    return [None if pd.isna(item) else str(item) for item in as_classes(target).tolist()]


def _strata(target: "pd.Series[Any]") -> tuple[NDArray[np.intp], list[str]]:
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


def _is_graded(known: "pd.Series[Any]") -> bool:
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
    if count > 2 * len(sizes):  # most seats at once, as they would be given one by one
        each = sizes.sum() / (count - len(sizes))
        seats = np.clip(np.floor(sizes / each + 0.5).astype(sizes.dtype), seats, sizes)
    while seats.sum() < count:
        wanting = np.where(seats < sizes, sizes / (seats + 0.5), -1.0)
        seats[int(np.argmax(wanting))] += 1
    return seats
