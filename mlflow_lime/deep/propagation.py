"""Layer-wise relevance propagation, by zennit's rules, on a traced network."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor, fx, nn
from zennit.core import BasicHook, Composite, ParamMod
from zennit.rules import AlphaBeta, Epsilon, Gamma, Norm

from mlflow_lime.deep.layers import Pooling, stabilised
from mlflow_lime.deep.target import outputs_of

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
        What the biases of the layers took.
    outputs : Tensor, shape (n_rows,)
        The explained outputs: relevance and what the biases took add up to them (conservation).
    """

    values: Tensor
    biases: Tensor
    outputs: Tensor


def propagate(
    graph: fx.GraphModule,
    values: Tensor,
    *,
    contrasts: Tensor,
    tokens: Sequence[Tensor] = (),
    rule: str = "composite",
    baseline: Tensor | None = None,
) -> Relevance:
    """Return how much of the explained output each element of the input is responsible for.

    Parameters
    ----------
    graph : GraphModule
        As `mlflow_lime.deep.traced.trace` rebuilds it for this method.
    values : Tensor, shape (n_rows, ...)
        Inputs, or vectors of tokens.
    contrasts : Tensor, shape (n_rows, n_outputs)
        What is explained of the outputs, as their coefficients.
    tokens : sequence of Tensor
        What the graph reads beside the vectors.
    rule : {"composite", "epsilon", "gamma", "alpha_beta"}
        LRP-0 with a stabiliser; LRP-γ, γ = 1/4; LRP-αβ, α = 1, β = 0; or ε for dense layers and γ
        for convolutions. The last layers always have ε, as an output may be negative.
    baseline : Tensor, shape of `values`, optional
        What the input's departures are counted from, by the layers that read it; zero by default.

    References
    ----------
    Bach et al., "On pixel-wise explanations for non-linear classifier decisions by layer-wise
    relevance propagation", PLoS ONE 2015, equations 58 and 60. Montavon et al., "Layer-wise
    relevance propagation: an overview", 2019, sections 10.2 and 10.4.
    """
    ledger = _Ledger(len(values))
    starts = {} if baseline is None else _read_by_first_layers(graph, baseline, tokens)
    last = frozenset(_last_layers(graph))

    def rule_of(_: object, name: str, module: nn.Module) -> BasicHook | None:
        return _hook(module, "epsilon" if name in last else rule, ledger, starts.get(name))

    composite = Composite(module_map=rule_of)
    leaf = values.detach().clone().requires_grad_()
    with composite.context(graph), torch.enable_grad():
        outputs = outputs_of(graph, leaf, *tokens)
        relevance = (outputs * contrasts).detach()
        (found,) = torch.autograd.grad(outputs, leaf, relevance)
    return Relevance(found.detach(), ledger.total(found), relevance.sum(dim=1))


@dataclass(slots=True)
class _Ledger:
    """What the biases take, layer by layer."""

    n_rows: int
    entries: list[Tensor] = field(default_factory=list)

    def note(self, taken: Tensor) -> None:
        if len(taken) == self.n_rows:
            self.entries.append(taken.detach().flatten(1).sum(dim=1))

    def total(self, like: Tensor) -> Tensor:
        return torch.stack(self.entries).sum(dim=0) if self.entries else like.new_zeros(len(like))


def _hook(module: nn.Module, rule: str, ledger: _Ledger, start: Tensor | None) -> BasicHook | None:
    """Return what a layer does with relevance; None where it is handed on by the graph."""
    if isinstance(module, Pooling):
        return Norm(stabilised)
    if not isinstance(module, _WEIGHTED):
        return None
    if start is not None:
        return _recorded(_from(start), module, ledger, at=module(start).detach())
    return _recorded(_rule(rule, module), module, ledger)


def _rule(name: str, module: nn.Module) -> BasicHook:
    dense = isinstance(module, nn.Linear)
    if name == "alpha_beta":
        return AlphaBeta(alpha=1.0, beta=0.0, stabilizer=stabilised)
    if name == "gamma" or (name == "composite" and not dense):
        return Gamma(gamma=0.25, stabilizer=stabilised)
    return Epsilon(epsilon=stabilised)


def _from(start: Tensor) -> BasicHook:
    """Return the ε rule for departures from a start instead of zero."""
    return BasicHook(
        input_modifiers=[lambda values: values],
        param_modifiers=[lambda weights, _: weights],
        output_modifiers=[lambda result: result],
        gradient_mapper=lambda relevance, results: [relevance / stabilised(results[0])],
        reducer=lambda inputs, gradients: (inputs[0] - start) * gradients[0],
    )


def _recorded(hook: BasicHook, module: Any, ledger: _Ledger, at: Tensor | None = None) -> BasicHook:
    """Return a rule that notes what the bias of a layer takes, by the rule itself.

    Where departures are counted from a start, what the layer gives at it counts as its bias.
    """
    inner: Callable[..., Any] = hook.gradient_mapper
    shape = (1, -1, *[1] * (0 if isinstance(module, nn.Linear) else module.weight.ndim - 2))

    def mapper(relevance: Tensor, results: Sequence[Tensor]) -> Any:
        gradients = inner(relevance, results)
        listed = gradients if isinstance(gradients, (list, tuple)) else [gradients]
        if at is not None:
            ledger.note(at * listed[0])
        elif module.bias is not None:
            biases = []
            for modifier in hook.param_modifiers:
                with ParamMod.ensure(modifier)(module) as modified:
                    biases.append(modified.bias.detach().clone().reshape(shape))
            ledger.note(hook.reducer(biases, listed))
        return gradients

    return BasicHook(
        hook.input_modifiers, hook.param_modifiers, hook.output_modifiers, mapper, hook.reducer
    )


def _read_by_first_layers(
    graph: fx.GraphModule, baseline: Tensor, tokens: Sequence[Tensor]
) -> dict[str, Tensor]:
    """Return what each layer that reads the input, stretched or moved at most, reads of another."""
    found: dict[str, Tensor] = {}
    names = _first_layers(graph)
    with _listening(graph, names, found), torch.no_grad():
        graph(baseline, *tokens)
    return found


@contextmanager
def _listening(
    graph: fx.GraphModule, names: Sequence[str], found: dict[str, Tensor]
) -> Iterator[None]:
    def listener(name: str) -> Callable[..., None]:
        return lambda module, args: found.__setitem__(name, args[0].detach())

    handles = [
        graph.get_submodule(name).register_forward_pre_hook(listener(name)) for name in names
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _first_layers(graph: fx.GraphModule) -> list[str]:
    """Return the names of the weighted layers with no other layer between them and the input."""
    given = next(node for node in graph.graph.nodes if node.op == "placeholder")
    return _nearest(graph, given, lambda node: node.users)


def _last_layers(graph: fx.GraphModule) -> list[str]:
    """Return the names of the weighted layers with no other layer between them and the output."""
    return _nearest(graph, graph.graph.output_node(), lambda node: node.all_input_nodes)


def _nearest(
    graph: fx.GraphModule, start: fx.Node, neighbours: Callable[[fx.Node], Iterable[fx.Node]]
) -> list[str]:
    seen, waiting, found = {start}, [start], []
    while waiting:
        for node in neighbours(waiting.pop()):
            if node in seen or isinstance(node.meta.get("val"), (int, torch.SymInt)):
                continue  # a size is nothing that relevance flows through
            seen.add(node)
            if node.op == "call_function":
                waiting.append(node)
            elif node.op == "call_module" and isinstance(
                graph.get_submodule(str(node.target)), _WEIGHTED
            ):
                found.append(str(node.target))
    return found
