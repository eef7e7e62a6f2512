"""What a model returned: one array of scores, of labels, or an error that says what is wrong."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, softmax

from mlflow_lime.core.predict import as_scores
from mlflow_lime.errors import ModelOutputError, shorten

__all__ = [
    "are_labels",
    "are_probabilities",
    "as_probabilities",
    "column_names",
    "flat",
    "n_rows_of",
    "one_hot",
    "unwrapped",
    "value_names",
]


def unwrapped(raw: Any) -> Any:
    """Return the array in what a model returned: out of a one-entry dict, or a sparse matrix."""
    if isinstance(raw, dict):
        if len(raw) != 1:
            msg = (
                f"the model returned a dict with the keys {shorten(sorted(map(str, raw)))}, "
                "expected one array; choose one in `predict: module:function`"
            )
            raise ModelOutputError(msg)
        raw = next(iter(raw.values()))
    if hasattr(raw, "toarray"):
        return raw.toarray()
    return raw.detach().cpu().numpy() if hasattr(raw, "detach") else raw


def flat(output: Any) -> NDArray[Any] | None:
    """Return the output as a flat array if it is one value per row, else None."""
    if isinstance(output, pd.DataFrame):
        output = output.iloc[:, 0] if output.shape[1] == 1 else output
    if isinstance(output, pd.Series):
        output = output.to_numpy()
    try:
        array = np.asarray(output)
    except ValueError:
        return None
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    return array if array.ndim == 1 else None


def are_labels(array: NDArray[Any]) -> bool:
    """Return whether one value per row looks like a class, not a score."""
    if array.dtype.kind == "O":
        return any(isinstance(value, (str, bool, np.bool_)) for value in array)
    return array.dtype.kind in "USbiu"


def one_hot(
    labels: NDArray[Any], classes: tuple[Any, ...] | None, names: tuple[str, ...]
) -> NDArray[np.float64]:
    """Return zeros and ones, shape (n_rows, n_classes)."""
    positions = np.full(len(labels), -1)
    if classes is not None:
        positions = pd.Index(classes).get_indexer(pd.Index(labels))
    if (positions < 0).any():
        positions = pd.Index(names).get_indexer(pd.Index([str(x) for x in labels]))
    if (positions < 0).any() and labels.dtype.kind in "iub":
        positions = np.where(labels < len(names), labels, -1).astype(np.intp)
    if (positions < 0).any():
        msg = (
            f"the model returned a label that is none of the {len(names)} class names "
            f"{shorten(names)}; complete class_names"
        )
        raise ModelOutputError(msg)
    scores = np.zeros((len(labels), len(names)))
    scores[np.arange(len(labels)), positions] = 1.0
    return scores


def n_rows_of(output: Any) -> int:
    """Return how many rows a model returned."""
    output = unwrapped(output)
    if hasattr(output, "shape"):
        return int(output.shape[0]) if output.shape else 1
    return len(output) if hasattr(output, "__len__") else 1


def value_names(output: Any) -> tuple[str, ...]:
    """Return the names of a regression's values."""
    scores = as_scores(output, n_rows_of(output), mode="regression")
    if scores.shape[1] == 1:
        return ("value",)
    return column_names(output) or tuple(f"value {i}" for i in range(scores.shape[1]))


def column_names(output: Any) -> tuple[str, ...] | None:
    """Return the names that a data frame gives its columns, if it is one."""
    return tuple(str(c) for c in output.columns) if isinstance(output, pd.DataFrame) else None


def are_probabilities(scores: NDArray[np.float64]) -> bool:
    """Return whether each row is a distribution over the columns."""
    return bool((scores >= 0).all() and np.allclose(scores.sum(axis=1), 1.0, atol=1e-3))


def as_probabilities(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probabilities that logits stand for: by softmax, or of one column by sigmoid.

    Examples
    --------
    >>> as_probabilities(np.array([[0.0], [2.0]])).round(3).tolist()
    [[0.5, 0.5], [0.119, 0.881]]
    """
    if logits.shape[1] == 1:
        chance = expit(logits)
        return np.hstack([1.0 - chance, chance])
    return np.asarray(softmax(logits, axis=1))
