"""Nodes of a traced graph: what they hold, where they stand, and what hangs on them."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, fx

from mlflow_lime.deep.operations import name_of
from mlflow_lime.errors import shorten

__all__ = [
    "dependents",
    "first_size",
    "flat",
    "is_check",
    "is_size",
    "nodes_in",
    "place_of",
    "row_bytes_of",
    "shape_of",
    "up_to",
    "without_dead",
]


def is_size(node: fx.Node) -> bool:
    """Return whether a node holds a number, such as the size of a tensor."""
    return isinstance(node.meta.get("val"), (int, torch.SymInt))


def without_dead(module: fx.GraphModule, graph: fx.Graph) -> fx.GraphModule:
    """Return a graph with the layers and constants of a module, and nothing that is not used."""
    found = fx.GraphModule(module, graph)
    found.graph.eliminate_dead_code()
    found.recompile()
    return found


def is_check(node: fx.Node) -> bool:
    """Return whether a node only checks something."""
    if node.op == "call_module" and str(node.target) == "_guards_fn":
        return True
    return "assert" in name_of(node.target) and not node.users


def dependents(node: fx.Node) -> set[fx.Node]:
    """Return what hangs on a node, other than by its size."""
    found, waiting = {node}, [node]
    while waiting:
        for user in waiting.pop().users:
            if user not in found and not is_size(user):
                found.add(user)
                waiting.append(user)
    return found


def up_to(module: fx.GraphModule, node: fx.Node) -> fx.GraphModule:
    """Return the part of a graph that leads to a node."""
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for old in module.graph.nodes:
        if old.op == "output":
            continue
        copies[old] = graph.node_copy(old, lambda n: copies[n])
        if old is node:
            break
    graph.output(copies[node])
    return without_dead(module, graph)


def nodes_in(values: Iterable[Any]) -> list[fx.Node]:
    """Return the nodes among arguments."""
    return [value for value in flat(values) if isinstance(value, fx.Node)]


def flat(values: Iterable[Any]) -> Iterator[Any]:
    """Yield arguments, also those in lists."""
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from flat(value)
        else:
            yield value


def shape_of(node: Any) -> tuple[Any, ...]:
    """Return the shape of what a node holds; empty where that is no tensor."""
    value = node.meta.get("val") if isinstance(node, fx.Node) else None
    return tuple(value.shape) if isinstance(value, Tensor) else ()


def first_size(node: fx.Node) -> Any:
    """Return the size of a node's first axis: a number, or the name of one that may vary."""
    shape = shape_of(node)
    if not shape:
        return None
    return shape[0] if isinstance(shape[0], int) else str(shape[0])


def row_bytes_of(value: Any) -> int:
    """Return the bytes of one instance's share of a value."""
    if not isinstance(value, Tensor):
        return 0
    sizes = [int(size) for size in value.shape[1:] if isinstance(size, int)]
    size = 4
    for one in sizes:
        size *= one
    return size


def place_of(node: fx.Node) -> str:
    """Return the layer that a node belongs to, as its module calls it, and the operation."""
    name = name_of(node.target) if node.op == "call_function" else "input"
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path = str(stack[-1][0]) if stack else ""
    known = path and "empty_nn_module_stack" not in path
    return f"{shorten(path, 60)} ({name})" if known else f"forward ({name})"
