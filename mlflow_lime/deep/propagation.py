"""Layer-wise relevance propagation, by zennit's rules, on a traced network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, fx, nn
from zennit.core import BasicHook, Composite, ParamMod
from zennit.rules import AlphaBeta, Epsilon, Gamma, Norm

from mlflow_lime.deep.halves import Halves
from mlflow_lime.deep.layers import Ledger, Pooling, kept_in, stabilised
from mlflow_lime.deep.nodes import is_size
from mlflow_lime.deep.target import require_rows

__all__ = ["RULES", "Relevance", "propagate"]

RULES: Final = ("composite", "epsilon", "gamma", "alpha_beta")
"""How relevance is shared between what a layer adds up."""

_WEIGHTED: Final = (nn.Linear, nn.modules.conv._ConvNd)


@dataclass(slots=True, eq=False)
class Relevance:
    """Relevance of a batch.

    Attributes
    ----------
    values : Tensor, shape of the inputs
        Relevance of each element.
    biases : Tensor, shape (n_rows,)
        What the biases of the layers took, and what the network makes of the start by itself.
    outputs : Tensor, shape (n_rows,)
        The explained outputs: relevance and what the biases took add up to them (conservation).
    """

    values: Tensor
    biases: Tensor
    outputs: Tensor


def propagate(
    halves: Halves,
    values: Tensor,
    *,
    contrasts: Tensor,
    tokens: Sequence[Tensor] = (),
    rule: str = "composite",
    start: Tensor | None = None,
) -> Relevance:
    """Return how much of the explained output each element of the input is responsible for.

    Relevance comes back through the layers by their rules, down to what is linear in the input;
    there it is shared as by LRP-0, in proportion to what each element's departure from the start
    contributes.

    Parameters
    ----------
    halves : Halves
        The graph that `mlflow_lime.deep.traced.trace` rebuilds for this method.
    values : Tensor, shape (n_rows, ...)
        Inputs, or vectors of tokens.
    contrasts : Tensor, shape (n_rows, n_outputs)
        What is explained of the outputs, as their coefficients.
    tokens : sequence of Tensor
        What the graph reads beside the vectors.
    rule : {"composite", "epsilon", "gamma", "alpha_beta"}
        LRP-0 with a stabiliser; LRP-γ, γ = 1/4; LRP-αβ, α = 1, β = 0; or ε for dense layers and γ
        for convolutions. The last layers always have ε, as an output may be negative.
    start : Tensor, shape of `values`, optional
        What the input's departures are counted from; zero by default.

    References
    ----------
    Bach et al., "On pixel-wise explanations for non-linear classifier decisions by layer-wise
    relevance propagation", PLoS ONE 2015, equations 58 and 60. Montavon et al., "Layer-wise
    relevance propagation: an overview", 2019, sections 10.2 and 10.4.
    """
    ledger = Ledger(len(values))
    start = torch.zeros_like(values) if start is None else start
    leaf = values.detach().clone().requires_grad_()
    with torch.enable_grad():
        front = halves.front(leaf, *tokens)
    outputs, relevance = _through_rest(
        halves.rest, (values, *tokens), front, contrasts, rule, ledger
    )
    with torch.no_grad():
        before = halves.front(start, *tokens)
    shares = []
    for tensor, own, at in zip(front, relevance, before, strict=True):
        share = own / stabilised(tensor.detach())
        shares.append(share)
        ledger.note(share * at)
    (slopes,) = torch.autograd.grad(front, leaf, shares)
    found = (values - start) * slopes
    return Relevance(found.detach(), ledger.total(found), (outputs * contrasts).sum(dim=1))


def _through_rest(
    rest: fx.GraphModule,
    given: Sequence[Tensor],
    front: Sequence[Tensor],
    contrasts: Tensor,
    rule: str,
    ledger: Ledger,
) -> tuple[Tensor, list[Tensor]]:
    """Return the outputs, and the relevance of the tensors at the cut."""
    last = frozenset(_last_layers(rest))

    def rule_of(_: object, name: str, module: nn.Module) -> BasicHook | None:
        return _hook(module, "epsilon" if name in last else rule, ledger)

    composite = Composite(module_map=rule_of)
    inner = [tensor.detach().requires_grad_() for tensor in front]
    with composite.context(rest), kept_in(ledger), torch.enable_grad():
        outputs = require_rows(rest(*given, *inner), len(given[0]))
        sent = (outputs * contrasts).detach()
        found = torch.autograd.grad(outputs, inner, sent, allow_unused=True)
    relevance = [
        torch.zeros_like(tensor) if own is None else own
        for tensor, own in zip(inner, found, strict=True)
    ]
    return outputs.detach(), relevance


def _hook(module: nn.Module, rule: str, ledger: Ledger) -> BasicHook | None:
    """Return what a layer does with relevance; None where it is handed on by the graph."""
    if isinstance(module, Pooling):
        return Norm(stabilised)
    if not isinstance(module, _WEIGHTED):
        return None
    return _recorded(_rule(rule, module), module, ledger)


def _rule(name: str, module: nn.Module) -> BasicHook:
    dense = isinstance(module, nn.Linear)
    if name == "alpha_beta":
        return AlphaBeta(alpha=1.0, beta=0.0, stabilizer=stabilised)
    if name == "gamma" or (name == "composite" and not dense):
        return Gamma(gamma=0.25, stabilizer=stabilised)
    return Epsilon(epsilon=stabilised)


def _recorded(hook: BasicHook, module: Any, ledger: Ledger) -> BasicHook:
    """Return a rule that notes what the bias of a layer takes, by the rule itself."""
    inner: Callable[..., Any] = hook.gradient_mapper
    dims = 0 if isinstance(module, nn.Linear) else module.weight.ndim - 2
    shape = (1, -1, *[1] * dims)

    def mapper(relevance: Tensor, results: Sequence[Tensor]) -> Any:
        gradients = inner(relevance, results)
        if module.bias is not None:
            listed = gradients if isinstance(gradients, (list, tuple)) else [gradients]
            biases = []
            for modifier in hook.param_modifiers:
                with ParamMod.ensure(modifier)(module) as modified:
                    biases.append(modified.bias.detach().clone().reshape(shape))
            ledger.note(hook.reducer(biases, listed))
        return gradients

    return BasicHook(
        hook.input_modifiers, hook.param_modifiers, hook.output_modifiers, mapper, hook.reducer
    )


def _last_layers(graph: fx.GraphModule) -> list[str]:
    """Return the names of the weighted layers with no other layer between them and the output."""
    start = graph.graph.output_node()
    seen, waiting, found = {start}, [start], []
    while waiting:
        for node in waiting.pop().all_input_nodes:
            if node in seen or is_size(node):
                continue  # a size is nothing that relevance flows through
            seen.add(node)
            if node.op == "call_function":
                waiting.append(node)
            elif node.op == "call_module" and isinstance(
                graph.get_submodule(str(node.target)), _WEIGHTED
            ):
                found.append(str(node.target))
    return found
