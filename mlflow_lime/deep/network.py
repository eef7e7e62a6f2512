"""A neural network as the methods that look inside it need it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Network", "Spans"]

Spans = Callable[[Sequence[str]], Sequence[Sequence[tuple[int, int]]]]
"""From texts to the start and end, in characters, of each of their tokens."""


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """The torch module of a model, and how it reads what the model reads.

    Attributes
    ----------
    module : torch.nn.Module
        From one tensor, shape (n_rows, ...), to outputs, shape (n_rows, n_outputs) or (n_rows,).
    encode : callable, optional
        From inputs as the model reads them (a frame, an array, a list of texts) to that tensor or
        an array. By default frames and arrays become float32. Tokens are integers, padded.
    spans : callable, optional
        For texts: from texts to the start and end of each token, in characters, in the order of
        the tokens that `encode` gives; tokens beyond them (padding) belong to no word.
    columns : ndarray of intp, shape (n_features,), optional
        For tables that `encode` changes: column that each encoded feature comes from, -1 where it
        comes from none. By default features are the columns in the model's order.
    name : str
        What a person calls it.

    Examples
    --------
    A function that ``deep.network`` names returns such a network, or just the module:

    >>> def network(model):
    ...     inner = model.unwrap_python_model()
    ...     return Network(inner.module, encode=inner.tokens, spans=inner.spans)
    """

    module: "nn.Module"
    encode: Callable[[Any], Any] | None = None
    spans: Spans | None = None
    columns: NDArray[np.intp] | None = None
    name: str = ""
