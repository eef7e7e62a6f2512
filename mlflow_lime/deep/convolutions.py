"""Convolutions of a traced graph as layers."""

from collections.abc import Callable
from typing import Any, Final

from torch import Tensor, nn

__all__ = ["CONVOLUTIONS", "convolution"]

CONVOLUTIONS: Final = {
    f"conv{'_transpose' * transposed}{dims}d": getattr(nn, f"Conv{'Transpose' * transposed}{dims}d")
    for transposed in (False, True)
    for dims in (1, 2, 3)
}
"""Layers by the names of their operations."""


def convolution(name: str, weight: Tensor, bias: bool, options: list[Any]) -> nn.Module:
    """Return a convolution without its weights."""
    transposed = "transpose" in name
    known: dict[str, Any] = {"stride": 1, "padding": 0}
    order = ["stride", "padding"]
    order += ["output_padding", "groups", "dilation"] if transposed else ["dilation", "groups"]
    known.update(zip(order, options, strict=False))
    for key in ("stride", "padding", "output_padding", "dilation"):
        if isinstance(known.get(key), list):
            known[key] = tuple(known[key])
    groups = known.get("groups", 1)
    wide, narrow = weight.shape[0], weight.shape[1] * groups
    channels = (wide, narrow) if transposed else (narrow, wide)
    build: Callable[..., nn.Module] = CONVOLUTIONS[name]
    return build(*channels, tuple(weight.shape[2:]), bias=bias, **known)
