"""What of a network's outputs is explained: a contrast before the last softmax or sigmoid."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from mlflow_lime.errors import ModelError

__all__ = ["Margin", "contrast", "likely_scores", "outputs_of", "require_rows"]


class Margin(nn.Module):
    """The explained combination of a graph's outputs."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, values: Tensor, contrasts: Tensor, *tokens: Tensor) -> Tensor:
        """Return the explained output of each instance, shape (n_rows,)."""
        total: Tensor = (outputs_of(self.graph, values, *tokens) * contrasts).sum(dim=1)
        return total


def outputs_of(graph: fx.GraphModule, values: Tensor, *tokens: Tensor) -> Tensor:
    """Return the outputs of a graph, shape (n_rows, n_outputs).

    Raises
    ------
    ModelError
        If it does not give one row of outputs for each instance.
    """
    return require_rows(graph(values, *tokens), len(values))


def require_rows(found: Tensor, n_rows: int) -> Tensor:
    """Return outputs as one row for each instance, shape (n_rows, n_outputs).

    Raises
    ------
    ModelError
        If they are something else.
    """
    if found.ndim > 2 and found[0].numel() == max(found.shape[1:]):
        found = found.flatten(1)  # axes of one element
    if found.ndim == 0 or len(found) != n_rows or found.ndim > 2:
        msg = (
            f"the network returns shape {tuple(found.shape)} for {n_rows} instances, expected "
            f"({n_rows}, outputs)"
        )
        raise ModelError(msg)
    return found if found.ndim == 2 else found[:, None]


def contrast(n_outputs: int, label: int, *, mode: str, head: str) -> NDArray[np.float64]:
    """Return the coefficients of the outputs whose sum is explained.

    Parameters
    ----------
    n_outputs : int
    label : int
        Column of the model's scores.
    mode : {"classification", "regression"}
    head : {"none", "softmax", "sigmoid"}
        What the network does with its outputs in the end.

    Returns
    -------
    ndarray of float64, shape (n_outputs,)
        For a class, its output less the mean of the others: the log-odds where there are two
        (Shrikumar et al. 2017, section 3.6). A single output speaks for the second class.

    Examples
    --------
    >>> contrast(2, 1, mode="classification", head="softmax").tolist()
    [-1.0, 1.0]
    >>> contrast(1, 0, mode="classification", head="sigmoid").tolist()
    [-1.0]
    """
    if n_outputs == 1:
        return np.array([-1.0 if mode == "classification" and label == 0 else 1.0])
    coefficients = np.zeros(n_outputs)
    if mode == "classification" and head != "sigmoid":
        coefficients -= 1.0 / (n_outputs - 1)
    coefficients[label] = 1.0
    return coefficients


def likely_scores(outputs: Tensor, *, mode: str, head: str) -> list[tuple[str, NDArray[Any]]]:
    """Return what the model's scores may be, given the outputs of the graph.

    Returns
    -------
    list of (unit, ndarray of float64, shape (n_rows, n_scores))
        The unit of the outputs, were the scores these.
    """
    values = outputs.detach().double()
    shares = values.sigmoid()
    if mode == "regression":
        ends = {"sigmoid": ("log-odds", shares), "softmax": ("logits", values.softmax(dim=1))}
        unit, scores = ends.get(head, ("target", values))
        return [(unit, scores.numpy())]
    if values.shape[1] == 1:
        shares = torch.cat([1 - shares, shares], dim=1)
        plain = torch.cat([1 - values, values], dim=1)
        found = [("log-odds", shares.numpy())]
    else:
        plain = values
        soft = ("logits", values.softmax(dim=1).numpy())
        found = [soft] if head == "softmax" else [("log-odds", shares.numpy()), soft]
    return found if head != "none" else [*found, ("probability", plain.numpy())]
