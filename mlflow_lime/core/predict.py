"""Calling the model: pooled, bounded in rows and bytes, checked, and counted."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from mlflow_lime.errors import MlflowLimeError, ModelError, ModelOutputError, shorten

__all__ = ["Counter", "Predict", "Predictor", "as_scores", "take_rows", "trim"]

Predict = Callable[[Any], Any]
"""A function from model inputs to scores: (n, k) probabilities, or n values."""

_DROPPED = 20
_HALF, _KEPT = np.int64(1 << (_DROPPED - 1)), np.int64(-1 << _DROPPED)


def as_scores(
    raw: object, n_rows: int, *, mode: str, n_outputs: int | None = None
) -> NDArray[np.float64]:
    """Return what a model gave as a checked array of scores.

    Parameters
    ----------
    raw : array_like, DataFrame, or Series
        What the model returned.
    n_rows : int
        Rows that it was asked for.
    mode : {"classification", "regression"}
        What the model does. One column of probabilities becomes two for a classification.
    n_outputs : int, optional
        Columns that earlier calls gave.

    Returns
    -------
    ndarray of float64, shape (n_rows, n_outputs)

    Raises
    ------
    ModelOutputError
        If the scores are not numbers, are not finite, or come in another shape than asked.

    Examples
    --------
    >>> as_scores([0.25, 1.0], 2, mode="classification")
    array([[0.75, 0.25],
           [0.  , 1.  ]])
    """
    scores = _numbers(raw, mode)
    if scores.ndim == 1:
        scores = scores[:, None]
    if scores.ndim != 2:
        msg = (
            f"the model returned an array of shape {scores.shape}, expected (rows, outputs); "
            "wrap it with `predict: module:function`"
        )
        raise ModelOutputError(msg)
    if len(scores) != n_rows:
        msg = (
            f"the model returned {len(scores)} rows for {n_rows} inputs; it may read the input's "
            "columns as rows: log it with an input example, or wrap it with "
            "`predict: module:function`"
        )
        raise ModelOutputError(msg)
    if mode == "classification" and scores.shape[1] == 1:
        scores = _two_columns(scores)
    if n_outputs is not None and scores.shape[1] != n_outputs:
        msg = f"the model returned {scores.shape[1]} outputs, but {n_outputs} in an earlier call"
        raise ModelOutputError(msg)
    if not np.isfinite(scores).all():
        bad = int((~np.isfinite(scores)).any(axis=1).sum())
        msg = (
            f"the model returned NaN or infinity for {bad} of {n_rows} inputs; "
            "it must give finite scores for every value that the background holds"
        )
        raise ModelOutputError(msg)
    return scores


def _numbers(raw: object, mode: str) -> NDArray[np.float64]:
    if isinstance(raw, (pd.DataFrame, pd.Series)):
        raw = raw.to_numpy()
    if isinstance(raw, np.ndarray) and raw.dtype.kind == "f":
        return raw.astype(np.float64)  # a copy: a model may write its next output over it
    try:
        array = np.asarray(raw.toarray() if hasattr(raw, "toarray") else raw)
    except ValueError as error:
        msg = "the model returned rows of different lengths, expected an array (rows, outputs)"
        raise ModelOutputError(msg) from error
    single = array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)
    labels = mode == "classification" and single and array.dtype.kind in "iub"
    words = array.dtype.kind in "US" or (single and array.size and isinstance(array.flat[0], str))
    if array.size and (labels or words):
        msg = (
            f"the model returned labels such as {shorten(array.item(0))}, expected probabilities "
            "of shape (rows, classes); in Python pass model.predict_proba, for MLflow log it with "
            "pyfunc_predict_fn='predict_proba', or wrap it with `predict: module:function`"
        )
        raise ModelOutputError(msg)
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        plain = (int, float, np.number, type(None))
        kinds = (type(value).__name__ for value in array.flat if not isinstance(value, plain))
        kind = next(kinds, "nothing")
        msg = f"the model returned values of type {kind}, expected numbers of shape (rows, outputs)"
        raise ModelOutputError(msg) from error


def _two_columns(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    finite = scores[np.isfinite(scores)]
    if len(finite) and (finite.min() < 0 or finite.max() > 1):
        msg = (
            f"the model returned one score per row between {finite.min():.3g} and "
            f"{finite.max():.3g}, expected probabilities between 0 and 1; if it is no classifier, "
            "set `task: regression` (in Python mode='regression'), or wrap it with "
            "`predict: module:function`"
        )
        raise ModelOutputError(msg)
    return np.hstack([1.0 - scores, scores])


def _without_values(text: str) -> str:
    """Return an error's text without quoted values, which may come from the data."""
    return shorten(re.sub(r"(['\"]).*?\1", "'...'", text, flags=re.DOTALL), 300)


def trim(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return scores rounded to 32 binary digits of their fraction, relative error 2**-33.

    A matrix product may give another last bit for the same row in a larger batch. Rounding keeps
    that out of the explanation, so that an instance gets the same bits alone and in company.
    """
    bits = np.ascontiguousarray(scores).view(np.int64)
    return ((bits + _HALF) & _KEPT).view(np.float64)


@dataclass(slots=True)
class Counter:
    """What the model was asked for so far.

    Attributes
    ----------
    calls : int
        Calls of the model.
    rows : int
        Rows that it was asked for; duplicates that were left out do not count.
    seconds : float
        Wall time inside the model.
    """

    calls: int = 0
    rows: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Predictor:
    """A model behind one checked call.

    Attributes
    ----------
    predict : callable
        Model inputs to scores.
    mode : {"classification", "regression"}
        What the model does.
    counter : Counter
        What the model was asked for so far.
    n_outputs : int or None
        Columns of the scores, known after the first call.
    """

    predict: Predict
    mode: str
    counter: Counter = field(default_factory=Counter)
    n_outputs: int | None = None

    def __call__(self, inputs: Any, n_rows: int) -> NDArray[np.float64]:
        """Return the checked scores of `n_rows` inputs, shape (n_rows, n_outputs).

        Raises
        ------
        ModelError
            If the model raises.
        ModelOutputError
            If its scores cannot be used.
        """
        started = time.perf_counter()
        try:
            raw = self.predict(inputs)
        except MlflowLimeError:
            raise
        except Exception as error:
            msg = f"the model raised {type(error).__name__}: {_without_values(str(error))}"
            raise ModelError(msg) from error
        finally:
            self.counter.calls += 1
            self.counter.rows += n_rows
            self.counter.seconds += time.perf_counter() - started
        scores = as_scores(raw, n_rows, mode=self.mode, n_outputs=self.n_outputs)
        self.n_outputs = scores.shape[1]
        return trim(scores)


def take_rows(inputs: Any, rows: NDArray[np.intp] | slice) -> Any:
    """Return some rows of model inputs: a data frame, an array, a sparse matrix, or a sequence."""
    if isinstance(inputs, (pd.DataFrame, pd.Series)):
        return inputs.iloc[rows]
    if isinstance(inputs, np.ndarray) or sparse.issparse(inputs):
        return inputs[rows]
    if isinstance(rows, slice):
        return inputs[rows]
    sequence: Sequence[Any] = inputs
    return [sequence[int(row)] for row in rows]
