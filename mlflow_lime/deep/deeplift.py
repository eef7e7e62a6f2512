"""DeepLIFT with the rescale rule, by captum, on a traced network."""

import warnings
from collections.abc import Sequence
from typing import Any, Final

import torch
from captum.attr import DeepLift
from captum.attr._core.deep_lift import SUPPORTED_NON_LINEAR
from torch import Tensor, fx

from mlflow_lime.deep.layers import Elementwise, Maximum
from mlflow_lime.deep.target import Margin

__all__ = ["deeplift"]

CLOSE: Final = {torch.float32: 1e-5, torch.float64: 1e-10}
"""Relative difference from the baseline below which a slope is the derivative."""


def deeplift(
    graph: fx.GraphModule,
    values: Tensor,
    baselines: Sequence[Tensor],
    *,
    contrasts: Tensor,
    tokens: Sequence[Tensor] = (),
) -> Tensor:
    """Return how much each element of the input adds to the difference from a baseline.

    Parameters
    ----------
    graph : GraphModule
        As `mlflow_lime.deep.traced.trace` rebuilds it for this method.
    values : Tensor, shape (n_rows, ...)
        Inputs, or vectors of tokens.
    baselines : sequence of Tensor, each of the shape of `values`
        What the inputs are compared with; the contributions are averaged over them.
    contrasts : Tensor, shape (n_rows, n_outputs)
        What is explained of the outputs, as their coefficients.
    tokens : sequence of Tensor
        What the graph reads beside the vectors.

    Returns
    -------
    Tensor, shape of `values`
        Contributions. Their sum over an instance is its explained output less that of the
        baseline (completeness).

    References
    ----------
    Shrikumar, Greenside, Kundaje, "Learning important features through propagating activation
    differences", ICML 2017, section 3.5.1.
    """
    explainer = DeepLift(Margin(graph))
    total = torch.zeros_like(values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # captum says that it sets hooks
        for baseline in baselines:
            total += explainer.attribute(
                values.detach().clone().requires_grad_(),
                baselines=baseline,
                additional_forward_args=(contrasts, *tokens),
            ).detach()
    return total / len(baselines)


def _rescale(
    module: Any,
    inputs: Tensor,
    outputs: Tensor,
    grad_input: Tensor,
    grad_output: Tensor,
    eps: float = 0.0,
) -> Tensor:
    """Replace the derivative of a curve by its slope between instance and baseline."""
    (value, reference), (result, expected) = inputs.chunk(2), outputs.chunk(2)
    difference = value - reference
    close = difference.abs() <= CLOSE.get(value.dtype, 1e-5) * (value.abs() + reference.abs())
    slope = (result - expected) / torch.where(close, 1.0, difference)
    return torch.where(
        close.repeat(_twice(close)), grad_input, grad_output * slope.repeat(_twice(slope))
    )


def _largest(
    module: Maximum,
    inputs: Tensor,
    outputs: Tensor,
    grad_input: Tensor,
    grad_output: Tensor,
    eps: float = 0.0,
) -> Tensor:
    """Share the difference of largest elements between those of instance and baseline.

    What the larger of the two exceeds the baseline's result by is the instance's largest
    element's, and what the instance's result falls short of it by is the baseline's, in whatever
    overlapping windows they stand.
    """
    (value, reference), (result, expected) = inputs.chunk(2), outputs.chunk(2)
    larger = torch.maximum(result, expected)
    sent, _ = grad_output.chunk(2)
    gained = _scattered(module, value, sent * (larger - expected))
    lost = _scattered(module, reference, sent * (result - larger))
    difference = value - reference
    same = difference == 0
    slope = torch.where(same, 0.0, (gained + lost) / torch.where(same, 1.0, difference))
    return slope.repeat(_twice(slope))


def _scattered(module: Maximum, values: Tensor, amounts: Tensor) -> Tensor:
    """Return amounts of windows at the places of their largest elements."""
    with torch.enable_grad():
        values = values.detach().requires_grad_()
        (found,) = torch.autograd.grad(module.forward(values), values, amounts)
    return found


def _twice(values: Tensor) -> tuple[int, ...]:
    return (2, *[1] * (values.ndim - 1))


SUPPORTED_NON_LINEAR[Elementwise] = _rescale
SUPPORTED_NON_LINEAR[Maximum] = _largest
