"""Instances picked by the model's scores: near its boundary, wrong, or decided anew."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlflow_lime.errors import DataError, shorten
from mlflow_lime.reference.material import Choice, Material
from mlflow_lime.reference.strata import as_classes, require_column, true_labels

__all__ = ["boundary", "confident_errors", "disagreement", "errors"]

FloatArray = NDArray[np.float64]
Rows = NDArray[np.intp]

ROUNDING = 1e-9
"""Differences of scores up to this share of the score do not count."""


def boundary(material: Material, count: int, taken: frozenset[int]) -> Iterator[Choice]:
    """Yield the rows of the pool with the smallest margin between the two likeliest classes.

    Raises
    ------
    DataError
        For a regression, which has no boundary.
    """
    _require_classes(material, "boundary")
    rows, scores = _scored(material)
    top = np.sort(scores, axis=1)[:, -2:]
    margins = top[:, -1] - top[:, 0]
    for i in np.argsort(margins, kind="stable"):
        yield int(rows[i]), f"near the boundary: margin {margins[i]:.2g}"


def errors(material: Material, count: int, taken: frozenset[int]) -> Iterator[Choice]:
    """Yield the wrong rows of the pool in random order; of a regression the most wrong first.

    Raises
    ------
    DataError
        If the true labels are unknown, or are no classes of the model.
    """
    if material.replies.mode == "regression":
        yield from _largest_errors(material)
        return
    rows, _ = _wrong(material, "errors")
    for row in np.random.default_rng(material.wish.seed).permutation(rows):
        yield int(row), "wrong label"


def confident_errors(material: Material, count: int, taken: frozenset[int]) -> Iterator[Choice]:
    """Yield the wrong rows of the pool, the one with the likeliest wrong answer first.

    Raises
    ------
    DataError
        As `errors`, and for a regression, which says nothing about its confidence.
    """
    _require_classes(material, "confident_errors")
    rows, sureness = _wrong(material, "confident_errors")
    for i in np.argsort(-sureness, kind="stable"):
        yield int(rows[i]), f"wrong label with probability {sureness[i]:.2f}"


def disagreement(material: Material, count: int, taken: frozenset[int]) -> Iterator[Choice]:
    """Yield the rows of the pool that model and baseline see most differently.

    Those with another label come first, then the total variation of the scores decides, half the
    sum of their absolute differences; for a regression, the sum of the absolute differences.
    """
    replies, pool = material.replies, material.pool
    ours, theirs = replies.scores(pool), replies.baseline_scores(pool)
    usable = np.isfinite(ours).all(axis=1) & np.isfinite(theirs).all(axis=1)
    rows, ours, theirs = pool[usable], ours[usable], theirs[usable]
    if replies.mode == "regression":
        if ours.shape != theirs.shape:
            msg = f"the baseline has {theirs.shape[1]} outputs, the model {ours.shape[1]}"
            raise DataError(f"pick: disagreement: {msg}; name another reference.against")
        flips, distances = np.zeros(len(rows), bool), np.abs(ours - theirs).sum(axis=1)
    else:
        every = list(dict.fromkeys([*replies.class_names, *replies.baseline_names]))
        ours = _aligned(ours, list(replies.class_names), every)
        theirs = _aligned(theirs, list(replies.baseline_names), every)
        flips = ours.argmax(axis=1) != theirs.argmax(axis=1)
        distances = np.abs(ours - theirs).sum(axis=1) / 2
    for i in np.lexsort((-distances, ~flips)):
        if flips[i]:
            yield int(rows[i]), "another label than the baseline's"
        elif distances[i] > ROUNDING * np.abs(ours[i]).max():
            yield int(rows[i]), f"scores differ from the baseline's by {distances[i]:.2g}"


def _aligned(scores: FloatArray, names: list[str], every: list[str]) -> FloatArray:
    wide = np.zeros((len(scores), len(every)))
    wide[:, [every.index(name) for name in names]] = scores
    return wide


def _scored(material: Material) -> tuple[Rows, FloatArray]:
    """Return the rows of the pool that the model answers for, and its scores."""
    scores = material.replies.scores(material.pool)
    usable = np.isfinite(scores).all(axis=1)
    return material.pool[usable], scores[usable]


def _wrong(material: Material, pick: str) -> tuple[Rows, FloatArray]:
    """Return the rows whose predicted label is wrong, and the probabilities of these labels."""
    truth = np.array(true_labels(_target(material, pick)), dtype=object)
    names = np.array([str(name) for name in material.replies.class_names], dtype=object)
    known = set(truth) - {None}
    if known and not known & set(names):
        msg = (
            f"pick: {pick}: no true label in column {material.wish.target!r}, such as "
            f"{shorten(min(known))}, is a class of the model: {shorten(list(names))}; correct "
            "data.target"
        )
        raise DataError(msg)
    rows, scores = _scored(material)
    predicted = scores.argmax(axis=1)
    wrong = (truth[rows] != names[predicted]) & (truth[rows] != None)  # noqa: E711
    return rows[wrong], scores[np.arange(len(rows)), predicted][wrong]


def _largest_errors(material: Material) -> Iterator[Choice]:
    target = as_classes(_target(material, "errors"))
    if not pd.api.types.is_numeric_dtype(target.dtype):
        msg = (
            f"pick: errors: target column {material.wish.target!r} holds no numbers, but the "
            "model is a regression; correct data.target, or set task: classification"
        )
        raise DataError(msg)
    rows, scores = _scored(material)
    if scores.shape[1] != 1:
        msg = (
            f"pick: errors: the model has {scores.shape[1]} outputs and data.target names one "
            "column; choose another pick"
        )
        raise DataError(msg)
    truth = target.to_numpy(dtype=np.float64, na_value=np.nan)[rows]
    misses = np.abs(scores[:, 0] - truth)
    for i in np.argsort(-misses, kind="stable"):
        if misses[i] > 0:
            yield int(rows[i]), f"off by {misses[i]:.3g}"


def _target(material: Material, pick: str) -> "pd.Series[Any]":
    target = material.wish.target
    if target is None:
        msg = f"pick: {pick} needs true labels; name their column as data.target"
        raise DataError(msg)
    require_column(material.frame, target, "target")
    return material.frame[target]


def _require_classes(material: Material, pick: str) -> None:
    if material.replies.mode == "regression":
        msg = (
            f"pick: {pick} needs a model of classes, and this one is a regression; choose errors "
            "(largest first), rare, medoids, or submodular"
        )
        raise DataError(msg)
