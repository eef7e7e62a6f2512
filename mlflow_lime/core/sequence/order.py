"""Where each column of a wide table stands in a sequence: lags, steps, or a given order."""

import re
from collections.abc import Hashable, Sequence
from typing import Final

import numpy as np

from mlflow_lime.core.sequence.form import SequenceForm, feature_names
from mlflow_lime.errors import DataError, shorten

__all__ = ["LAGS", "ORDERS", "STEPS", "matching", "place_columns"]

ORDERS: Final = ("auto", "time", "features")

LAGS: Final = r"(?=.*[^\W\d_])(?P<feature>.+?)(?:[ _.]?(?i:lag)[ _.]?|[ _.]?t-|-)(?P<lag>\d{1,9})"
"""Names that count back from now: ``temp_lag3``, ``temp_t-3``, ``temp-3``; no dates."""

STEPS: Final = r"(?P<feature>.*?)(?:[ _.](?:step|t)?[ _.]?)?(?P<step>\d{1,9})"
"""Names that count forward: ``temp_12``, ``temp_t12``, ``x12``."""


def matching(columns: Sequence[Hashable], order: str) -> list[Hashable]:
    """Return the columns whose whole name a regular expression matches.

    Examples
    --------
    >>> matching(["age", "temp_lag1"], LAGS)
    ['temp_lag1']
    """
    return [column for column in columns if re.fullmatch(order, str(column))]


def place_columns(
    columns: Sequence[Hashable],
    *,
    order: str = "auto",
    shape: tuple[int, int] | None = None,
    features: Sequence[str] | None = None,
) -> SequenceForm:
    """Return the form of a sequence whose values stand in many columns.

    Parameters
    ----------
    columns : sequence of Hashable
        The columns, in the order of the table.
    order : str, default "auto"
        ``"time"``: all features of the first step, then those of the next one. ``"features"``: all
        steps of the first feature, then those of the next one. Otherwise a regular expression with
        a group ``lag`` (counts back from now) or ``step`` (counts forward), and a group
        ``feature`` where there are several. ``"auto"``: names that end in a lag or a step, and the
        order of time where there are none.
    shape : (int, int), optional
        Steps and features; names tell it too.
    features : sequence of str, optional
        Names of the features, where no name of a column tells them.

    Raises
    ------
    DataError
        If the columns are not one for each step of each feature.

    Examples
    --------
    >>> form = place_columns(["temp_lag1", "temp_lag2", "load_lag1", "load_lag2"])
    >>> form.features, form.steps, form.places
    (('temp', 'load'), (2, 1), (2, 0, 3, 1))
    """
    if order == "auto":
        for pattern in (LAGS, STEPS):
            if len(matching(columns, pattern)) == len(columns):
                try:
                    return _by_names(columns, pattern, shape)
                except DataError:
                    if shape is None:
                        raise
        order = "time"
    if order not in ORDERS:
        return _by_names(columns, order, shape)
    if shape is None:
        msg = (
            f"the names of the columns, such as {shorten(list(columns[:3]))}, tell no lags and no "
            "steps; give sequence.shape as [steps, features], or a regular expression as "
            "sequence.order"
        )
        raise DataError(msg)
    _require_count(len(columns), shape)
    places = np.arange(len(columns))
    if order == "features":
        places = places.reshape(shape[1], shape[0]).T.ravel().argsort()
    names = feature_names(features, shape[1])
    return SequenceForm("flat", shape=shape, places=tuple(places.tolist()), features=names)


def _by_names(
    columns: Sequence[Hashable], pattern: str, shape: tuple[int, int] | None
) -> SequenceForm:
    found = [re.fullmatch(pattern, str(column)) for column in columns]
    lost = [column for column, match in zip(columns, found, strict=True) if match is None]
    if lost or not columns:
        msg = (
            f"sequence.order {shorten(pattern)} does not match column {shorten(lost[:1])}; correct "
            "it, or leave the column out of sequence.columns"
        )
        raise DataError(msg)
    keys = [_key(match.groupdict()) for match in found if match is not None]
    counted = "lag" if keys[0][2] else "step"
    names = list(dict.fromkeys(feature for feature, _, _ in keys))
    steps = sorted({step for _, step, _ in keys}, reverse=counted == "lag")
    size = (len(steps), len(names))
    rows, across = {s: i for i, s in enumerate(steps)}, {name: i for i, name in enumerate(names)}
    places = [rows[step] * len(names) + across[feature] for feature, step, _ in keys]
    missing = sorted(set(range(len(steps) * len(names))) - set(places))
    if missing or len(set(places)) < len(places):
        gap = "two columns for one"
        if missing:
            row, column = divmod(missing[0], len(names))
            gap = f"none for {counted} {steps[row]} of {names[column]!r}"
        msg = (
            f"{len(columns)} columns are no whole sequence of {size[0]} steps and {size[1]} "
            f"features: there is {shorten(gap)}; name its columns as sequence.columns, or "
            "correct sequence.order"
        )
        raise DataError(msg)
    if shape is not None and shape != size:
        msg = (
            f"the names of the columns tell of {size[0]} steps and {size[1]} features, but "
            f"sequence.shape is {list(shape)}; correct one of them"
        )
        raise DataError(msg)
    return SequenceForm(
        "flat",
        shape=size,
        places=tuple(places),
        features=tuple(names),
        steps=tuple(steps),
        counted=counted,
    )


def _key(groups: dict[str, str | None]) -> tuple[str, int, bool]:
    """Return feature, number, and whether it counts back."""
    lag, step = groups.get("lag"), groups.get("step")
    number = lag if lag is not None else step
    feature = groups.get("feature") or "value"
    try:
        return feature, int(str(number)), lag is not None
    except ValueError:
        msg = (
            f"sequence.order finds {shorten(str(number))} where it should find a whole number; "
            r"write the group as (?P<lag>\d+) or (?P<step>\d+)"
        )
        raise DataError(msg) from None


def _require_count(n_columns: int, shape: tuple[int, int]) -> None:
    if n_columns != shape[0] * shape[1]:
        msg = (
            f"sequence.shape {list(shape)} has {shape[0] * shape[1]} values, but there are "
            f"{n_columns} columns; name the columns of the sequence as sequence.columns, or "
            "correct the shape"
        )
        raise DataError(msg)
