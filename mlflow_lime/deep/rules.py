"""Rules by which a layer shares relevance between what it adds up."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.func import functional_call

from mlflow_lime.deep.layers import Ledger, Pooling, stabilised

__all__ = ["RULES", "Share", "rule_of"]

RULES: Final = ("composite", "epsilon", "gamma", "alpha_beta")
"""How relevance is shared between what a layer adds up."""

GAMMA: Final = 0.25

Share = Callable[[Any, Tensor, Tensor, Ledger], Tensor]
"""From a layer, its input, and the relevance of its output to that of its input."""


def rule_of(module: nn.Module, name: str) -> Share | None:
    """Return what a layer does with relevance; None where its derivative hands it on.

    Parameters
    ----------
    module : Module
    name : {"composite", "epsilon", "gamma", "alpha_beta"}
    """
    if isinstance(module, Pooling):
        return _epsilon
    dense = isinstance(module, nn.Linear)
    if not dense and not isinstance(module, nn.modules.conv._ConvNd):
        return None
    if name == "alpha_beta":
        return _alpha_beta
    return _gamma if name == "gamma" or (name == "composite" and not dense) else _epsilon


def _epsilon(layer: Any, values: Tensor, relevance: Tensor, ledger: Ledger) -> Tensor:
    """Share in proportion to the contributions (Montavon et al. 2019, section 10.2.1)."""
    own = _Share(layer, values)
    return own.shared(relevance / stabilised(own.result), ledger)


def _gamma(layer: Any, values: Tensor, relevance: Tensor, ledger: Ledger) -> Tensor:
    """Favour contributions of the sign of the result (Andéol et al. 2021, generalised LRP-γ)."""
    with torch.no_grad():
        signs = layer(values).sign()
    total = torch.zeros_like(values)
    for sign in (1.0, -1.0):
        chosen = relevance * (signs == sign)
        pieces = [
            _Share(layer, part, _favouring(own), bias=biased)
            for part, own, biased in _halves(values, sign)
        ]
        share = chosen / stabilised(_sum(pieces))
        for piece in pieces:
            total = total + piece.shared(share, ledger)
    return total


def _alpha_beta(layer: Any, values: Tensor, relevance: Tensor, ledger: Ledger) -> Tensor:
    """Share between positive contributions alone: α = 1, β = 0 (Bach et al. 2015, equation 60)."""
    pieces = [
        _Share(layer, part, partial(_part, sign=own), bias=biased)
        for part, own, biased in _halves(values, 1.0)
    ]
    share = relevance / stabilised(_sum(pieces))
    total = torch.zeros_like(values)
    for piece in pieces:
        total = total + piece.shared(share, ledger)
    return total


def _favouring(sign: float) -> Callable[[Tensor], Tensor]:
    return lambda weight: weight + GAMMA * _part(weight, sign)


def _sum(pieces: "Sequence[_Share]") -> Tensor:
    return torch.stack([piece.result for piece in pieces]).sum(dim=0)


def _part(values: Tensor, sign: float) -> Tensor:
    return values.clamp(min=0) if sign > 0 else values.clamp(max=0)


def _halves(values: Tensor, sign: float) -> list[tuple[Tensor, float, bool]]:
    """Return positive and negative inputs, the sign of the weights with which they have `sign`.

    A bias goes with the first; negative inputs are left out where there are none.
    """
    found = [(_part(values, 1.0), sign, True)]
    if bool((values < 0).any()):
        found.append((_part(values, -1.0), -sign, False))
    return found


class _Share:
    """A layer with changed weights, applied to a part of its input."""

    def __init__(
        self,
        layer: Any,
        values: Tensor,
        change: Callable[[Tensor], Tensor] | None = None,
        *,
        bias: bool = True,
    ) -> None:
        self.values = values.detach().requires_grad_()
        weights = dict(layer.named_parameters())
        if change is not None:
            weights = {name: change(weight) for name, weight in weights.items()}
        known = weights.get("bias")
        if known is not None and not bias:
            weights["bias"] = torch.zeros_like(known)
        self.bias = known if bias else None
        self.dims = 0 if isinstance(layer, nn.Linear) else self.values.ndim - 2
        with torch.enable_grad():
            found: Tensor = functional_call(layer, weights, (self.values,))
        self.live = found
        self.result = found.detach()

    def shared(self, share: Tensor, ledger: Ledger) -> Tensor:
        """Return the relevance of the input, given that of a unit of the output."""
        if self.bias is not None:
            ledger.note(share * self.bias.detach().reshape(1, -1, *[1] * self.dims))
        (slopes,) = torch.autograd.grad(self.live, self.values, share)
        return self.values.detach() * slopes
