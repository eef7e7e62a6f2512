"""Layers that a traced network is rebuilt from, one module for each place where one is used."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

__all__ = [
    "Elementwise",
    "Ledger",
    "Maximum",
    "Pooling",
    "kept_in",
    "pass_through",
    "plainly",
    "split_sum",
    "stabilised",
]

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


@dataclass(slots=True)
class Ledger:
    """What constants take of the relevance, place by place.

    Attributes
    ----------
    n_rows : int
        Instances of the batch.
    """

    n_rows: int
    entries: list[Tensor] = field(default_factory=list)

    def note(self, taken: Tensor) -> None:
        """Note what constants take, of a shape whose first axis is that of the instances."""
        taken = taken.detach()
        rows = taken.reshape(1, -1) if self.n_rows == 1 else taken.flatten(1)
        self.entries.append(rows.sum(dim=1))

    def total(self, like: Tensor) -> Tensor:
        """Return what they take of each instance, shape (n_rows,)."""
        return torch.stack(self.entries).sum(dim=0) if self.entries else like.new_zeros(len(like))


_LEDGER: ContextVar[Ledger | None] = ContextVar("ledger", default=None)
_PLAIN: ContextVar[bool] = ContextVar("plain", default=False)


@contextmanager
def plainly() -> Iterator[None]:
    """Let operations have their derivatives instead of what relevance propagation makes of them."""
    token = _PLAIN.set(True)
    try:
        yield
    finally:
        _PLAIN.reset(token)


@contextmanager
def kept_in(ledger: Ledger) -> Iterator[None]:
    """Note what constants of sums take."""
    token = _LEDGER.set(ledger)
    try:
        yield
    finally:
        _LEDGER.reset(token)


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
    if _PLAIN.get():
        return result
    found: Tensor = _PassThrough.apply(values, result.detach())  # type: ignore[no-untyped-call]
    return found


class _SplitSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor, ledger: Ledger | None) -> Tensor:
        ctx.save_for_backward(left, right)
        ctx.ledger = ledger
        return left + right

    @staticmethod
    def backward(ctx: Any, *relevance: Tensor) -> tuple[Tensor, Tensor | None, None]:
        left, right = ctx.saved_tensors
        share = relevance[0] / stabilised(left + right)
        own = (left * share).sum_to_size(left.shape)
        if ctx.needs_input_grad[1]:
            return own, (right * share).sum_to_size(right.shape), None
        if ctx.ledger is not None:
            ctx.ledger.note(right * share)
        return own, None, None


def split_sum(left: Tensor, right: Any) -> Tensor:
    """Return a sum whose relevance goes back to both in proportion to what they contributed.

    Parameters
    ----------
    left : Tensor
    right : Tensor or number
        What a constant gets is noted, and goes no further.
    """
    right = right if isinstance(right, Tensor) else left.new_tensor(right)
    if _PLAIN.get():
        total: Tensor = left + right
        return total
    found: Tensor = _SplitSum.apply(left, right, _LEDGER.get())  # type: ignore[no-untyped-call]
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
