"""A graph in two: what is linear in the input, and the rest."""

from dataclasses import dataclass

from torch import Tensor, fx

from mlflow_lime.deep.layers import Maximum, plainly
from mlflow_lime.deep.nodes import is_size, without_dead

__all__ = ["Halves", "cut"]


@dataclass(frozen=True, slots=True, eq=False)
class Halves:
    """A graph, cut behind the operations that are linear in the input.

    Attributes
    ----------
    linear : GraphModule
        From what the whole graph reads to the tensors at the cut.
    rest : GraphModule
        From what the whole graph reads, and the tensors at the cut, to the outputs.
    """

    linear: fx.GraphModule
    rest: fx.GraphModule

    def front(self, values: Tensor, *tokens: Tensor) -> list[Tensor]:
        """Return the tensors at the cut, with the true derivatives of what leads to them."""
        with plainly():
            return list(self.linear(values, *tokens))


def cut(module: fx.GraphModule, start: fx.Node, active: set[fx.Node]) -> Halves:
    """Cut a graph behind what is linear in its input.

    Parameters
    ----------
    module : GraphModule
        As it was rebuilt for relevance propagation; curves are marked in the ``meta`` of nodes.
    start : Node
        The input, or the vectors of tokens.
    active : set of Node
        What depends on it.
    """
    linear = {start}
    for node in module.graph.nodes:
        inputs = [source for source in node.all_input_nodes if source in active]
        if node.op == "output" or not inputs or is_size(node) or node.meta.get("curve"):
            continue
        layer = module.get_submodule(str(node.target)) if node.op == "call_module" else None
        if not isinstance(layer, Maximum) and all(source in linear for source in inputs):
            linear.add(node)
    # A size of a tensor is read from the tensor itself, on either side of the cut.
    front = [
        node
        for node in module.graph.nodes
        if node in linear and any(user not in linear for user in node.users)
    ]
    return Halves(_first(module, linear, front), _second(module, linear, front))


def _first(module: fx.GraphModule, linear: set[fx.Node], front: list[fx.Node]) -> fx.GraphModule:
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in module.graph.nodes:
        known = all(source in copies for source in node.all_input_nodes)
        if node.op != "output" and known and not node.meta.get("curve"):
            copies[node] = graph.node_copy(node, lambda n: copies[n])
    graph.output([copies[node] for node in front])
    return without_dead(module, graph)


def _second(module: fx.GraphModule, linear: set[fx.Node], front: list[fx.Node]) -> fx.GraphModule:
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in module.graph.nodes:
        if node.op == "placeholder":
            copies[node] = graph.node_copy(node)
    for i, node in enumerate(front):
        copies[node] = graph.placeholder(f"front_{i}")
        copies[node].meta = dict(node.meta)
    for node in module.graph.nodes:
        if node.op == "output":
            graph.output(copies[node.args[0]])
        elif node not in copies and node not in linear:
            copies[node] = graph.node_copy(node, lambda n: copies[n])
    return without_dead(module, graph)
