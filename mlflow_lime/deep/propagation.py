"""Layer-wise relevance propagation on a traced network."""

import copy
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from mlflow_lime.deep.halves import Halves
from mlflow_lime.deep.layers import Ledger, kept_in, stabilised
from mlflow_lime.deep.nodes import is_size
from mlflow_lime.deep.rules import Share, rule_of
from mlflow_lime.deep.target import require_rows

__all__ = ["Relevance", "propagate"]


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
    inner = [tensor.detach().requires_grad_() for tensor in front]
    with _ruled(rest, rule, ledger), kept_in(ledger), torch.enable_grad():
        outputs = require_rows(rest(*given, *inner), len(given[0]))
        sent = (outputs * contrasts).detach()
        found = torch.autograd.grad(outputs, inner, sent, allow_unused=True)
    relevance = [
        torch.zeros_like(tensor) if own is None else own
        for tensor, own in zip(inner, found, strict=True)
    ]
    return outputs.detach(), relevance


class _Ruled(torch.autograd.Function):
    """The result of a layer, whose relevance goes back by a rule."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, result: Tensor, sharing: Any) -> Tensor:
        ctx.save_for_backward(values)
        ctx.sharing = sharing
        return result.view_as(result)

    @staticmethod
    def backward(ctx: Any, *relevance: Tensor) -> tuple[Tensor, None, None]:
        return ctx.sharing(ctx.saved_tensors[0], relevance[0]), None, None


@contextmanager
def _ruled(graph: fx.GraphModule, rule: str, ledger: Ledger) -> Iterator[None]:
    """Let the layers of a graph hand relevance back by their rules."""
    last = frozenset(_last_layers(graph))
    handles = []

    def listen(module: nn.Module, share: Share) -> Any:
        bare = copy.copy(module)  # the rule applies the layer itself, without this hook
        bare._forward_hooks = OrderedDict()

        def hook(layer: nn.Module, given: tuple[Tensor, ...], result: Tensor) -> Tensor:
            def sharing(values: Tensor, relevance: Tensor) -> Tensor:
                return share(bare, values, relevance, ledger)

            found: Tensor = _Ruled.apply(given[0], result.detach(), sharing)  # type: ignore[no-untyped-call]
            return found

        return module.register_forward_hook(hook)

    for name, module in graph.named_modules():
        share = rule_of(module, "epsilon" if name in last else rule)
        if share is not None:
            handles.append(listen(module, share))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _last_layers(graph: fx.GraphModule) -> list[str]:
    """Return the names of the layers with no other layer between them and the output."""
    start = graph.graph.output_node()
    seen, waiting, found = {start}, [start], []
    while waiting:
        for node in waiting.pop().all_input_nodes:
            if node in seen or is_size(node):
                continue  # a size is nothing that relevance flows through
            seen.add(node)
            if node.op == "call_function":
                waiting.append(node)
            elif node.op == "call_module":
                found.append(str(node.target))
    return found
