"""Layers that a traced network is rebuilt from, one module for each place where one is used."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Elementwise", "Maximum", "Pooling", "pass_through", "split_sum", "stabilised"]

TINY = 1e-9
"""Added to a denominator with its sign, relative to the root mean square of the instance."""


class _Function(nn.Module):
    """A function of one tensor, with its other arguments fixed."""

    def __init__(
        self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.function = function
        self.args = tuple(args)
        self.kwargs = dict(kwargs)

    def forward(self, values: Tensor) -> Tensor:
        """Return the function's values; the first of several."""
        result = self.function(values, *self.args, **self.kwargs)
        first: Tensor = result[0] if isinstance(result, tuple) else result
        return first


class Elementwise(_Function):
    """A curve that is applied to each element by itself, such as ReLU."""


class Maximum(_Function):
    """The largest element of each window, or of whole dimensions."""


class Pooling(_Function):
    """A sum of elements with fixed weights that are not negative, such as a mean."""


class _PassThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, result: Tensor) -> Tensor:
        return result.view_as(result)

    @staticmethod
    def backward(ctx: Any, *relevance: Tensor) -> tuple[Tensor, None]:
        return relevance[0], None


def pass_through(values: Tensor, result: Tensor) -> Tensor:
    """Return `result`, and hand the relevance that comes back on to `values` unchanged.

    Parameters
    ----------
    values, result : Tensor of the same shape
        What goes into an operation on single elements, and what comes out of it.
    """
    found: Tensor = _PassThrough.apply(values, result.detach())  # type: ignore[no-untyped-call]
    return found


class _SplitSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor) -> Tensor:
        ctx.save_for_backward(left, right)
        return left + right

    @staticmethod
    def backward(ctx: Any, *relevance: Tensor) -> tuple[Tensor, Tensor]:
        left, right = ctx.saved_tensors
        share = relevance[0] / stabilised(left + right)
        return (left * share).sum_to_size(left.shape), (right * share).sum_to_size(right.shape)


def split_sum(left: Tensor, right: Tensor) -> Tensor:
    """Return a sum whose relevance goes back to both in proportion to what they contributed."""
    found: Tensor = _SplitSum.apply(left, right)  # type: ignore[no-untyped-call]
    return found


def stabilised(values: Tensor, share: float = TINY) -> Tensor:
    """Return denominators away from zero, with their signs.

    Parameters
    ----------
    values : Tensor, shape (n_rows, ...)
    share : float
        How far they are moved, as a share of the root mean square of their instance.
    """
    dims = tuple(range(1, values.ndim))
    size = values.square().mean(dim=dims, keepdim=True).sqrt() if dims else values.abs()
    floor = torch.finfo(values.dtype).tiny ** 0.5  # its reciprocal is finite
    sign = torch.where(values < 0, -1.0, 1.0).to(values)
    moved: Tensor = values + sign * (share * size + floor)
    return moved
