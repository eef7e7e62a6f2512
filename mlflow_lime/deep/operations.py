"""What the operations of a traced network are to the methods that look inside it."""

from typing import Any, Final

import torch

__all__ = [
    "ACTIVATIONS",
    "AFFINE",
    "CURVES",
    "MAXIMA",
    "NORMALISATION",
    "POOLINGS",
    "RESHAPING",
    "SEVERAL",
    "name_of",
    "why_refused",
]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


RESHAPING: Final = _names("""
    _to_copy _unsafe_view alias cat channel_shuffle chunk clone constant_pad_nd contiguous
    expand expand_as fill flatten flip getitem index index_select masked_fill movedim narrow pad
    permute pixel_shuffle repeat reshape roll select select_scatter slice slice_scatter split
    split_with_sizes squeeze stack t to transpose type_as unbind unflatten unsqueeze
    upsample_nearest1d upsample_nearest2d view view_as
    """)
"""Operations that move elements, copy them, or leave them out."""

SEVERAL: Final = _names("cat select_scatter slice_scatter stack")
"""Those of them that put elements of several tensors together."""

AFFINE: Final = _names("add sub rsub mul div neg")
"""Operations that, with a constant, stretch or shift each element by itself."""

NORMALISATION: Final = "_native_batch_norm_legit_no_training"
"""Batch normalisation by fixed statistics."""

ACTIVATIONS: Final = _names("""
    celu elu gelu hardsigmoid hardswish hardtanh leaky_relu mish prelu relu relu6 selu sigmoid silu
    softplus tanh
    """)
"""Curves that hand relevance on unchanged."""

CURVES: Final = ACTIVATIONS | _names(
    "abs clamp clamp_max clamp_min erf exp log log1p log_sigmoid pow sqrt square"
)
"""Functions of single elements."""

MAXIMA: Final = _names("""
    adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d amax max max_pool1d max_pool2d
    max_pool2d_with_indices max_pool3d max_pool3d_with_indices
    """)
"""Largest elements of windows, or of whole dimensions."""

POOLINGS: Final = _names("""
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d avg_pool1d avg_pool2d avg_pool3d
    mean sum upsample_bilinear2d upsample_linear1d
    """)
"""Sums of elements with fixed weights that are not negative."""

_MULTIPLIES: Final = "multiplies activations by each other"
_GATES: Final = "its gates multiply activations by each other"
_NORMALISES: Final = "divides activations by their own spread"
_SOFTMAX: Final = "divides activations by their own sum"
_BAG: Final = "hides the vectors of single tokens"
_TRAINING: Final = "is in training mode, in which outputs are random or depend on other instances"

_REFUSED: Final = {
    "add": "adds a multiple of activations",
    "addmm": "multiplies by a matrix that depends on the input",
    "bmm": _MULTIPLIES,
    "einsum": _MULTIPLIES,
    "linear": "has weights that depend on the input",
    "matmul": _MULTIPLIES,
    "mm": _MULTIPLIES,
    "mul": _MULTIPLIES,
    "div": "divides by activations",
    "scaled_dot_product_attention": f"attention {_MULTIPLIES}",
    "lstm": _GATES,
    "gru": _GATES,
    "glu": _MULTIPLIES,
    "layer_norm": _NORMALISES,
    "group_norm": _NORMALISES,
    "instance_norm": _NORMALISES,
    "native_layer_norm": _NORMALISES,
    "rms_norm": _NORMALISES,
    "softmax": _SOFTMAX,
    "log_softmax": _SOFTMAX,
    "_native_batch_norm_legit": _TRAINING,
    "_native_batch_norm_legit_functional": _TRAINING,
    "dropout": _TRAINING,
    "native_dropout": _TRAINING,
    "embedding_bag": _BAG,
    "_embedding_bag": _BAG,
}


def name_of(target: Any) -> str:
    """Return the plain name of an operation of a graph.

    Examples
    --------
    >>> name_of(torch.ops.aten.relu_.default), name_of(torch.ops.aten.add.Tensor)
    ('relu', 'add')
    """
    if not isinstance(target, torch._ops.OpOverload):
        return str(getattr(target, "__name__", target))
    return str(target.overloadpacket.__name__).removesuffix("_")


def why_refused(name: str) -> str:
    """Return why an operation cannot be looked through."""
    return _REFUSED.get(name, "has no rule")
