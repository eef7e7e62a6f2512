"""A network as a graph of layers that DeepLIFT and relevance propagation can hook."""

import operator
import warnings
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, fx, nn

from mlflow_lime.deep.convolutions import CONVOLUTIONS, convolution
from mlflow_lime.deep.halves import Halves, cut
from mlflow_lime.deep.layers import Elementwise, Maximum, Pooling, pass_through, split_sum
from mlflow_lime.deep.nodes import (
    dependents,
    first_size,
    flat,
    is_check,
    nodes_in,
    place_of,
    row_bytes_of,
    shape_of,
    up_to,
)
from mlflow_lime.deep.operations import (
    ACTIVATIONS,
    AFFINE,
    CURVES,
    MAXIMA,
    NORMALISATION,
    POOLINGS,
    RESHAPING,
    SEVERAL,
    name_of,
    why_refused,
)
from mlflow_lime.errors import ModelError, shorten

__all__ = ["METHODS", "Traced", "trace"]

METHODS: Final = ("deeplift", "lrp")
"""Methods that look inside a network."""

_HEADS: Final = {
    "softmax": "softmax",
    "_softmax": "softmax",
    "log_softmax": "softmax",
    "_log_softmax": "softmax",
    "sigmoid": "sigmoid",
}


@dataclass(frozen=True, slots=True, eq=False)
class Traced:
    """A network, rebuilt for each method from what happens in its forward pass.

    Attributes
    ----------
    graphs : dict of str to GraphModule
        By method, those that can look through every layer: from inputs, or from the vectors of
        tokens and the tokens themselves, to outputs before the last softmax or sigmoid.
    halves : Halves or None
        The graph for relevance propagation, cut behind what is linear in the input.
    refused : dict of str to tuple of str
        By method, the layers that it cannot look through, each with the reason.
    embed : GraphModule or None
        From tokens to their vectors, where the inputs are tokens.
    head : {"none", "softmax", "sigmoid"}
        What the network does with its outputs in the end, and the graphs do not.
    row_bytes : int
        What the activations of one instance take.
    merged : bool
        Whether somewhere instances do not stand along the first axis.
    tokens : bool
        Whether integer inputs were found to be tokens.
    """

    graphs: dict[str, fx.GraphModule]
    refused: dict[str, tuple[str, ...]]
    embed: fx.GraphModule | None
    head: str
    row_bytes: int
    halves: Halves | None = None
    merged: bool = False
    tokens: bool = False


def trace(module: nn.Module, inputs: Tensor) -> Traced:
    """Look at what a network does with its inputs.

    Parameters
    ----------
    module : Module
        In evaluation mode, without side effects; it returns one tensor.
    inputs : Tensor, shape (n_rows, ...)
        At least two instances. Tokens where they are integers.

    Raises
    ------
    ModelError
        If its forward pass cannot be traced, or returns something else than one tensor.

    Examples
    --------
    >>> network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2), nn.Softmax(dim=1))
    >>> found = trace(network.eval(), torch.zeros(2, 3))
    >>> found.head, sorted(found.graphs), found.refused
    ('softmax', ['deeplift', 'lrp'], {})
    """
    batch = torch.export.Dim.AUTO
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(module, (inputs,), dynamic_shapes=({0: batch},))
            program = program.run_decompositions({})  # nothing is written over anything else
        rebuilt = {method: _Rebuilt(program.module(), method, inputs) for method in METHODS}
    except ModelError:
        raise
    except Exception as error:  # whatever a stranger's forward pass and the tracing of it raise
        reason = shorten(str(error).strip().splitlines()[0] if str(error) else "", 200)
        msg = (
            f"the forward pass of {type(module).__name__} cannot be traced: "
            f"{type(error).__name__}: {reason}; let deep.network name a function that returns a "
            "module without branches on its values"
        )
        raise ModelError(msg) from error
    found = rebuilt["deeplift"]
    return Traced(
        graphs={method: one.module for method, one in rebuilt.items() if not one.refused},
        refused={method: tuple(one.refused) for method, one in rebuilt.items() if one.refused},
        embed=found.embed,
        head=found.head,
        row_bytes=found.row_bytes,
        halves=None if rebuilt["lrp"].refused else rebuilt["lrp"].halves(),
        merged=rebuilt["lrp"].merged,
        tokens=found.embed is not None,
    )


class _Rebuilt:
    """The graph of a network on its way to one that a method can hook."""

    def __init__(self, exported: nn.Module, method: str, inputs: Tensor) -> None:
        graph: Any = exported.graph
        graph.set_codegen(fx.graph.CodeGen())  # plain arguments, a plain result
        self.module = fx.GraphModule(exported, graph)  # without the hooks that check inputs
        self.graph = self.module.graph
        self.method = method
        self.refused: dict[str, None] = {}  # in the order of the graph, each once
        self.embed: fx.GraphModule | None = None
        self.active: set[fx.Node] = set()
        self.layers: dict[fx.Node, nn.Module] = {}
        self.row_bytes = 0
        self.merged = False
        self.turned = False
        self.batch: Any = None
        self._without_guards()
        self.head = self._behead()
        self._find_inputs(inputs)
        for node in list(self.graph.nodes):
            self._visit(node)
        self.graph.eliminate_dead_code()
        self.graph.lint()
        self.module.recompile()

    def halves(self) -> Halves:
        """Return the graph cut behind what is linear in the input."""
        (start,) = (node for node in self.active if node.op == "placeholder")
        return cut(self.module, start, self.active)

    # What surrounds the layers

    def _without_guards(self) -> None:
        """Take away what only checks sizes, and what nothing uses."""
        for node in list(self.graph.nodes):
            if is_check(node):
                self.graph.erase_node(node)
        self.graph.eliminate_dead_code()

    def _behead(self) -> str:
        """Take the last softmax or sigmoid away, and return what it was."""
        (output,) = (node for node in self.graph.nodes if node.op == "output")
        returned = output.args[0]
        if isinstance(returned, (tuple, list)) and len(returned) == 1:
            returned = returned[0]
        if not isinstance(returned, fx.Node) or not isinstance(returned.meta.get("val"), Tensor):
            msg = (
                "the network returns something else than one tensor; let deep.network name a "
                "function that returns a module with one output"
            )
            raise ModelError(msg)
        output.args = (returned,)
        node = returned
        while name_of(node.target) in RESHAPING and len(node.all_input_nodes) == 1:
            node = node.all_input_nodes[0]
        head = _HEADS.get(name_of(node.target), "none") if node.op == "call_function" else "none"
        if head != "none":
            node.replace_all_uses_with(node.all_input_nodes[0])
            self.graph.erase_node(node)
        return head

    def _find_inputs(self, inputs: Tensor) -> None:
        """Note where attribution begins: at the input, or at the vectors of tokens."""
        (given,) = (node for node in self.graph.nodes if node.op == "placeholder")
        self.batch = first_size(given)
        if isinstance(self.batch, int):
            words = f"works for batches of {self.batch} alone; let it read x.shape[0], not len(x)"
            self._refuse(given, words)
        if inputs.is_floating_point():
            self.active.add(given)
            return
        dependent = dependents(given)
        found = [
            node
            for node in self.graph.nodes
            if name_of(node.target) == "embedding" and node.all_input_nodes[-1] in dependent
        ]
        if len(found) != 1:
            names = ", ".join(place_of(node) for node in found) or "an EmbeddingBag hides them"
            words = f"looks tokens up in {len(found)} embedding layers ({names}), expected one"
            self._refuse(given, words)
            return
        self.embed = up_to(self.module, found[0])
        with self.graph.inserting_before(given):
            vectors = self.graph.placeholder("vectors")
        vectors.meta["val"] = found[0].meta["val"]
        found[0].replace_all_uses_with(vectors)
        self.graph.erase_node(found[0])
        self.active.add(vectors)

    # Layer by layer

    def _visit(self, node: fx.Node) -> None:
        if node.op != "call_function" or not self._depends(node):
            return
        value = node.meta.get("val")
        if not isinstance(value, (Tensor, tuple, list)):
            return  # a size
        self.active.add(node)
        self.row_bytes += row_bytes_of(value)
        name = name_of(node.target)
        self._look_at_batch(node, name)
        if name == "copy" and shape_of(node) == shape_of(node.args[1]):
            node.replace_all_uses_with(node.args[1])  # type: ignore[arg-type]
            return
        if name in RESHAPING and (name in SEVERAL or self._first_alone(node)):
            return
        replacement = self._layer(node, name)
        if replacement is None:
            self._refuse(node, why_refused(name))

    def _look_at_batch(self, node: fx.Node, name: str) -> None:
        """Note where instances do not stand along the first axis, as rules expect."""
        size = first_size(node)
        if size in (self.batch, None):
            return
        self.merged = True
        self.turned = self.turned or str(self.batch) not in str(size)
        if self.turned and self.method == "deeplift" and name in CURVES | MAXIMA:
            self._refuse(node, "acts where instances do not stand along the first axis")

    def _depends(self, node: fx.Node) -> bool:
        return any(argument in self.active for argument in node.all_input_nodes)

    def _first_alone(self, node: fx.Node) -> bool:
        """Return whether nothing but what an operation is applied to depends on the input."""
        return not any(other in self.active for other in nodes_in(node.args[1:]))

    def _layer(self, node: fx.Node, name: str) -> fx.Node | None:
        """Return what takes the place of a node; None where no rule fits."""
        alone = self._first_alone(node) and node.args and node.args[0] in self.active
        if name in AFFINE or not alone:
            return self._sum_or_affine(node, name)
        if name == NORMALISATION:
            return self._normalised(node)
        if name in ("linear", "addmm", "mm", "matmul") or name in CONVOLUTIONS:
            layer = self._weighted(node, name)
            return None if layer is None else self._module(node, layer)
        if name in ACTIVATIONS and self.method == "lrp":
            passing = self._passing(node, node.args[0])
            for one in (node, passing):
                if one is not None:
                    one.meta["curve"] = True
            return passing
        options = [self._constant(value) for value in node.args[1:]]
        kwargs = {key: self._constant(value) for key, value in node.kwargs.items()}
        if nodes_in([*options, *kwargs.values()]):
            return None
        function: Any = node.target
        if name in CURVES and self.method == "deeplift":
            return self._module(node, Elementwise(function, options, kwargs))
        if name in MAXIMA:
            return self._first_of(self._module(node, Maximum(function, options, kwargs)))
        if name in POOLINGS:
            return self._module(node, Pooling(function, options, kwargs))
        return None

    def _sum_or_affine(self, node: fx.Node, name: str) -> fx.Node | None:
        operands = [value for value in node.args if value in self.active]
        if name not in AFFINE or not operands or node.kwargs.get("alpha", 1) != 1:
            return None
        if name not in ("add", "sub", "rsub"):
            alone = len(operands) == 1 and operands[0] is node.args[0]
            if not alone and not (name == "mul" and len(operands) == 1):
                return None
            return node if self.method == "deeplift" else self._passing(node, operands[0])
        return node if self.method == "deeplift" else self._sum(node, name)

    def _sum(self, node: Any, name: str) -> fx.Node | None:
        """Let a sum share its relevance; what a constant gets, nobody does."""
        left, right = node.args[:2] if name != "rsub" else reversed(node.args[:2])
        with self.graph.inserting_before(node):
            if name != "add" and right in self.active:
                right = self._negative(right)
            elif name != "add":
                right = self.graph.call_function(operator.neg, (right,))
            if left not in self.active:
                left, right = right, left
            new = self.graph.call_function(split_sum, (left, right))
        return self._instead(node, new)

    def _negative(self, operand: Any) -> fx.Node:
        negative = self.graph.call_function(operator.neg, (operand,))
        self._like(negative, operand)
        return self._like(self.graph.call_function(pass_through, (operand, negative)), operand)

    def _like(self, node: fx.Node, other: fx.Node) -> fx.Node:
        """Note that a new node is of another one's shape, and depends on the input."""
        node.meta = dict(other.meta)
        self.active.add(node)
        return node

    def _normalised(self, node: Any) -> fx.Node | None:
        """Merge batch normalisation into the layer before it, or stretch and shift apart."""
        source, *fixed = node.args
        weight, bias, mean, variance = (self._constant(value) for value in fixed[:4])
        if not isinstance(mean, Tensor):
            return None
        scale = (variance + fixed[5]).rsqrt() * (1.0 if weight is None else weight)
        shift = (0.0 if bias is None else bias) - mean * scale
        for user in list(node.users):
            if user.args[1] != 0:
                return None
        result: Any = self._first_of(node)
        if self._merged(source, scale, shift):
            return self._instead(result, source)
        shape = (1, -1, *[1] * (len(shape_of(source)) - 2))
        lrp = self.method == "lrp"
        with self.graph.inserting_before(node):
            factor, summand = self._kept(scale.reshape(shape)), self._kept(shift.reshape(shape))
            moved = self.graph.call_function(operator.mul, (source, factor))
            if lrp:
                self._like(moved, source)
                moved = self.graph.call_function(pass_through, (source, moved))
            new = self.graph.call_function(split_sum if lrp else operator.add, (moved, summand))
        self._like(moved, source)
        return self._instead(result, new)

    def _merged(self, source: Any, scale: Tensor, shift: Tensor) -> bool:
        """Put a stretch and a shift of channels into the layer before, which nothing else reads."""
        layer: Any = self.layers.get(source)
        if layer is None or not hasattr(layer, "weight") or len(source.users) != 1:
            return False
        transposed = isinstance(layer, nn.modules.conv._ConvTransposeNd)
        if isinstance(layer, nn.Linear):
            if len(shape_of(source)) != 2:
                return False  # the channels of a sequence are not the features of the layer
        elif transposed and layer.groups > 1:
            return False
        shape = [1] * layer.weight.ndim
        shape[1 if transposed else 0] = -1
        weight = layer.weight.detach() * scale.detach().reshape(shape)
        before = 0.0 if layer.bias is None else layer.bias.detach()
        layer.weight = nn.Parameter(weight, requires_grad=False)
        layer.bias = nn.Parameter(before * scale.detach() + shift.detach(), requires_grad=False)
        return True

    def _kept(self, tensor: Tensor) -> fx.Node:
        """Return a node of a constant."""
        name = f"constant_{len(list(self.module.buffers()))}"
        self.module.register_buffer(name, tensor.detach())
        return self.graph.get_attr(name)

    def _passing(self, node: fx.Node, operand: Any) -> fx.Node | None:
        """Let relevance pass an operation on single elements."""
        if shape_of(operand) != shape_of(node):
            self._refuse(node, "repeats elements by broadcasting")
            return node
        with self.graph.inserting_after(node):
            passing = self.graph.call_function(pass_through, (operand, node))
        node.replace_all_uses_with(passing, delete_user_cb=lambda user: user is not passing)
        passing.meta = dict(node.meta)
        self.active.add(passing)
        return passing

    def _weighted(self, node: fx.Node, name: str) -> nn.Module | None:
        """Return the layer that multiplies by weights, as a module of its own."""
        args = [self._constant(value) for value in node.args]
        if name in ("mm", "matmul"):
            weight, bias, options = args[1], None, []
            weight = weight.T if isinstance(weight, Tensor) and weight.ndim == 2 else None
        else:
            weight, bias, *options = [*args[1:], None][: max(2, len(args) - 1)]
        if not isinstance(weight, Tensor) or isinstance(bias, fx.Node) or name == "addmm":
            return None
        if name not in CONVOLUTIONS:
            wide, narrow = weight.shape
            layer: nn.Module = nn.Linear(narrow, wide, bias=bias is not None)
        else:
            layer = convolution(name, weight, bias is not None, options)
        layer.weight = nn.Parameter(weight.detach(), requires_grad=False)
        if bias is not None:
            layer.bias = nn.Parameter(bias.detach(), requires_grad=False)
        return layer

    # Changing the graph

    def _module(self, node: Any, layer: nn.Module) -> fx.Node:
        name = f"layer_{len(self.layers)}"
        self.module.add_submodule(name, layer)
        with self.graph.inserting_before(node):
            # A tensor of the layer's own: hooks on one that others read as well would meet.
            own = self.graph.call_function(torch.ops.aten.alias.default, (node.args[0],))
            self._like(own, node.args[0])
            new = self._instead(node, self.graph.call_module(name, (own,)))
        self.layers[new] = layer
        return new

    def _instead(self, node: fx.Node, new: fx.Node) -> fx.Node:
        if new is not node.args[0]:
            new.meta = dict(node.meta)
        node.replace_all_uses_with(new)
        self.graph.erase_node(node)
        self.active.add(new)
        return new

    def _first_of(self, node: fx.Node) -> fx.Node:
        """Take the place of the first of several results; the others are positions."""
        if isinstance(node.meta.get("val"), Tensor):
            return node
        for user in list(node.users):
            if name_of(user.target) == "getitem" and user.args[1] == 0:
                user.replace_all_uses_with(node)
                node.meta["val"] = user.meta["val"]
                self.graph.erase_node(user)
        for user in list(node.users):
            if isinstance(node.meta["val"], Tensor) and name_of(user.target) == "getitem":
                self._refuse(user, "uses the positions of largest elements")
        return node

    def _constant(self, value: Any) -> Any:
        """Return what a node that does not depend on any input holds; other values as they are."""
        if isinstance(value, (list, tuple)):
            return [self._constant(item) for item in value]
        if not isinstance(value, fx.Node):
            return value
        if value.op == "get_attr":
            return operator.attrgetter(str(value.target))(self.module)
        known = [self._constant(item) for item in value.args]
        if value.op != "call_function" or any(isinstance(k, fx.Node) for k in flat(known)):
            return value
        kwargs = {key: self._constant(item) for key, item in value.kwargs.items()}
        with torch.no_grad():
            return value.target(*known, **kwargs)  # type: ignore[operator]

    def _refuse(self, node: fx.Node, reason: str) -> None:
        self.refused.setdefault(f"{place_of(node)} {reason}")
