"""scikit-learn's multi-layer perceptrons as equal torch modules."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlflow_lime.deep.network import Network
from mlflow_lime.errors import ModelError

__all__ = ["is_perceptron", "perceptron_network"]

_PROBES = 1024
"""Rows in which a column takes the values of others, to see which features follow it."""


def is_perceptron(model: Any) -> bool:
    """Return whether a model is a multi-layer perceptron, or a pipeline that ends in one."""
    return type(_last(model)).__name__ in ("MLPClassifier", "MLPRegressor")


def perceptron_network(model: Any, rows: Any) -> Network:
    """Return a perceptron as a torch module of double precision.

    Parameters
    ----------
    model : MLPClassifier, MLPRegressor, or Pipeline
        Fitted. The steps before the last become `Network.encode`.
    rows : DataFrame or ndarray, shape (n_rows, n_columns)
        Rows as the model reads them, in which the columns vary.

    Returns
    -------
    Network
        Its outputs, after the sigmoid or softmax that its last module is, equal the model's
        probabilities, or its values.

    Raises
    ------
    ModelError
        If a step before the perceptron mixes columns, such as PCA does.

    Examples
    --------
    >>> from sklearn.neural_network import MLPRegressor
    >>> x = np.array([[0.0, 1.0], [1.0, 3.0], [2.0, 2.0], [3.0, 5.0]])
    >>> model = MLPRegressor(solver="lbfgs", random_state=0).fit(x, x.sum(axis=1))
    >>> perceptron_network(model, x).module
    Sequential(
      (0): Linear(in_features=2, out_features=100, bias=True)
      (1): ReLU()
      (2): Linear(in_features=100, out_features=1, bias=True)
      (3): Identity()
    )
    """
    steps = list(getattr(model, "steps", []))[:-1]
    last = _last(model)
    encode, columns = None, None
    if any(step is not None and step != "passthrough" for _, step in steps):
        encode = _Encoder(model[:-1])
        columns = _columns_of_features(encode, rows)
    return Network(_module(last), encode or _plain, columns=columns, name=type(last).__name__)


def _last(model: Any) -> Any:
    steps = getattr(model, "steps", None)
    return steps[-1][1] if isinstance(steps, list) and steps else model


class _Encoder:
    """The steps before the perceptron."""

    def __init__(self, steps: Any) -> None:
        self.steps = steps

    def __call__(self, rows: Any) -> NDArray[np.float64]:
        found = self.steps.transform(rows)
        return _plain(found.toarray() if hasattr(found, "toarray") else found)


def _plain(rows: Any) -> NDArray[np.float64]:
    return np.asarray(rows, dtype=np.float64)


def _module(perceptron: Any) -> Any:
    import torch
    from torch import nn

    activations: dict[str, Callable[[], nn.Module]] = {
        "identity": nn.Identity,
        "relu": nn.ReLU,
        "tanh": nn.Tanh,
        "logistic": nn.Sigmoid,
        "softmax": lambda: nn.Softmax(dim=1),
    }
    hidden, last = perceptron.activation, perceptron.out_activation_
    layers: list[nn.Module] = []
    pairs = list(zip(perceptron.coefs_, perceptron.intercepts_, strict=True))
    for place, (weights, bias) in enumerate(pairs):
        wide, narrow = weights.shape
        layer = nn.Linear(wide, narrow, dtype=torch.float64)
        layer.weight = nn.Parameter(torch.tensor(np.asarray(weights.T, dtype=np.float64)))
        layer.bias = nn.Parameter(torch.tensor(np.asarray(bias, dtype=np.float64)))
        name = last if place == len(pairs) - 1 else hidden
        if name not in activations:
            msg = f"the perceptron has activation {name!r}, expected one of {tuple(activations)}"
            raise ModelError(msg)
        layers += [layer, activations[name]()]
    return nn.Sequential(*layers).eval()


def _columns_of_features(encode: _Encoder, rows: Any) -> NDArray[np.intp]:
    """Return the column that each feature comes from: the only one whose values it follows."""
    probe = rows.iloc[:_PROBES] if isinstance(rows, pd.DataFrame) else np.asarray(rows)[:_PROBES]
    before = encode(probe)
    owners = np.full(before.shape[1], -1, dtype=np.intp)
    for column in range(probe.shape[1]):
        moved = _rolled(probe, column)
        follows = np.any(~_same(encode(moved), before), axis=0)
        mixed = np.flatnonzero(follows & (owners >= 0))
        if len(mixed):
            names = getattr(probe, "columns", range(probe.shape[1]))
            msg = (
                f"a step before the perceptron mixes columns {names[owners[mixed[0]]]!r} and "
                f"{names[column]!r} in one feature, so attributions of features cannot be told "
                "apart by columns; leave such a step (PCA, polynomial features) out"
            )
            raise ModelError(msg)
        owners[follows] = column
    return owners


def _rolled(rows: Any, column: int) -> Any:
    """Return rows in which a column takes the values of the rows before."""
    if not isinstance(rows, pd.DataFrame):
        moved = rows.copy()
        moved[:, column] = np.roll(rows[:, column], 1)
        return moved
    moved = rows.copy()
    name = rows.columns[column]
    moved[name] = rows[name].array.take(np.roll(np.arange(len(rows)), 1))
    return moved


def _same(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray((left == right) | (np.isnan(left) & np.isnan(right)))
