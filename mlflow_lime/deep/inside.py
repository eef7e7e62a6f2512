"""A network looked into: attributions of batches, in memory and on a device that bear them."""

import copy
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mlflow_lime.deep.deeplift import deeplift
from mlflow_lime.deep.network import Network
from mlflow_lime.deep.propagation import propagate
from mlflow_lime.deep.target import likely_scores, outputs_of
from mlflow_lime.deep.traced import Traced, trace
from mlflow_lime.errors import DataError, ModelError

__all__ = ["Attributed", "Encoded", "Inside", "choose_device"]

BYTES: Final = 256 << 20
"""What the activations of a batch may take."""

COPIES: Final = 6
"""How often a method holds the activations of a batch: twice the rows, and gradients."""

MOST_ROWS: Final = 256

SCORES_AGREE: Final = 1e-3
"""Largest difference between the model's scores and those that the network leads to."""


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """Instances as a network reads them.

    Attributes
    ----------
    values : Tensor, shape (n_rows, ...)
        Inputs, or the vectors of tokens.
    tokens : tuple of Tensor, each of shape (n_rows, ...)
        What vectors were looked up for; empty for other inputs.
    """

    values: Tensor
    tokens: tuple[Tensor, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, chosen: slice) -> Self:
        """Return some of the instances."""
        return type(self)(self.values[chosen], tuple(t[chosen] for t in self.tokens))


@dataclass(frozen=True, slots=True, eq=False)
class Attributed:
    """What a method makes of instances.

    Attributes
    ----------
    values : ndarray of float, shape (n_rows, ...)
        Attribution of each element of the input, or of each token.
    outputs : ndarray of float64, shape (n_rows,)
        The explained outputs.
    missing : ndarray of float64, shape (n_rows,)
        What the attributions do not account for, as a share of their total size: of the
        difference from the baseline (DeepLIFT), or of the output (relevance propagation, with
        what the biases took).
    biases : ndarray of float64, shape (n_rows,)
        Share of the relevance that the biases took; zero for DeepLIFT.
    """

    values: NDArray[np.floating]
    outputs: NDArray[np.float64]
    missing: NDArray[np.float64]
    biases: NDArray[np.float64]


def choose_device(wish: str) -> torch.device:
    """Return the device that ``auto``, ``cpu`` or ``cuda`` asks for.

    Raises
    ------
    DataError
        If there is no such device here.
    """
    if wish == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wish == "cuda" and not torch.cuda.is_available():
        msg = "deep.device is cuda, but torch finds no CUDA device here; set it to auto or cpu"
        raise DataError(msg)
    return torch.device(wish)


def _evaluating(module: torch.nn.Module) -> torch.nn.Module:
    """Return a module in evaluation mode; one that was exported has none other than its own."""
    with suppress(NotImplementedError):
        module.eval()
    return module


class Inside:
    """A network that was traced once, for inputs of one kind.

    Parameters
    ----------
    network : Network
    sample : object
        Two or more instances as the model reads them.
    device : {"auto", "cpu", "cuda"}

    Raises
    ------
    ModelError
        If the network cannot be traced.
    DataError
        If the instances cannot be encoded, or there is no such device.
    """

    def __init__(self, network: Network, sample: Any, *, device: str = "cpu") -> None:
        self.network = network
        self.device = choose_device(device)
        # A copy: the user's own stays in its mode, and where it is.
        self.module = _evaluating(copy.deepcopy(network.module)).to(self.device)
        self._numbers = False
        weights = (w.dtype for w in self.module.parameters() if w.is_floating_point())
        self._float = next(weights, torch.float32)
        encoded = self._tensor(sample)
        if not encoded.is_floating_point() and not self._are_tokens(encoded):
            self._numbers = True
            encoded = self._tensor(sample)
        self.traced: Traced = trace(
            self.module,
            encoded if len(encoded) > 1 else encoded.repeat((2, *[1] * (encoded.ndim - 1))),
        )
        self._batch = max(1, min(MOST_ROWS, BYTES // max(1, COPIES * self.traced.row_bytes)))

    def encode(self, inputs: Any) -> Encoded:
        """Return instances as the network reads them.

        Raises
        ------
        DataError
            If they are neither numbers nor tokens.
        """
        tensor = self._tensor(inputs)
        if self.traced.embed is None:
            return Encoded(tensor)
        with torch.no_grad():
            return Encoded(self.traced.embed(tensor), (tensor,))

    def _tensor(self, inputs: Any) -> Tensor:
        encode = self.network.encode
        try:
            found = inputs if encode is None else encode(inputs)
            if not isinstance(found, Tensor):
                frame = isinstance(found, pd.DataFrame)
                array = found.to_numpy(np.float32) if frame else np.asarray(found)
                found = torch.from_numpy(np.array(array, order="C"))
        except Exception as error:  # whatever a stranger's encoding raises
            msg = (
                f"the instances cannot be turned into a tensor: {type(error).__name__}; let "
                "deep.network name a function that returns a Network with `encode`"
            )
            raise DataError(msg) from error
        tensor: Tensor = found.detach().to(self.device)
        return tensor.to(self._float) if self._numbers or tensor.is_floating_point() else tensor

    def _are_tokens(self, encoded: Tensor) -> bool:
        """Return whether the network looks integers up, instead of calculating with them."""
        lookups = (nn.Embedding, nn.EmbeddingBag)
        return any(isinstance(layer, lookups) for layer in self.module.modules()) or any(
            w.ndim == 2 and "embed" in name for name, w in self.module.named_parameters()
        )

    def outputs(self, encoded: Encoded) -> Tensor:
        """Return what the network gives before its last softmax or sigmoid, (n_rows, n_outputs).

        Raises
        ------
        ModelError
            If no method can look through it.
        """
        found: list[Tensor] = []
        for graph in self.traced.graphs.values():
            with torch.no_grad():
                parts = [outputs_of(graph, p.values, *p.tokens) for p in self._parts(encoded)]
            found.append(torch.cat(parts))
        if not found:
            msg = "no method can look through the network"
            raise ModelError(msg)
        size = max(1.0, float(found[0].double().abs().max()))
        if float((found[0] - found[-1]).double().abs().max()) > SCORES_AGREE * size:
            msg = "the network as it was traced gives other outputs to each method"
            raise ModelError(msg)
        return found[0]

    def unit(self, outputs: Tensor, scores: NDArray[np.float64], *, mode: str) -> str:
        """Return the unit of the outputs, where they lead to the model's scores.

        Parameters
        ----------
        outputs : Tensor, shape (n_rows, n_outputs)
        scores : ndarray of float64, shape (n_rows, n_scores)
            What the model gives for the same instances.
        mode : {"classification", "regression"}

        Raises
        ------
        ModelError
            If they lead to other scores.
        """
        likely = likely_scores(outputs.cpu(), mode=mode, head=self.traced.head)
        differences = [
            float(np.abs(found - scores).max()) if found.shape == scores.shape else np.inf
            for _, found in likely
        ]
        size = 1.0 if mode == "classification" else max(1.0, float(np.abs(scores).max()))
        best = int(np.argmin(differences))
        if not differences[best] <= SCORES_AGREE * size:
            msg = (
                f"the network does not lead to the model's scores: they differ by up to "
                f"{differences[best]:.3g} (shapes {tuple(outputs.shape)} and {scores.shape}); let "
                "deep.network name a function that returns the module and the encoding that the "
                "model itself uses"
            )
            raise ModelError(msg)
        return likely[best][0]

    def deeplift(
        self, encoded: Encoded, baselines: Sequence[Tensor], contrasts: NDArray[np.float64]
    ) -> Attributed:
        """Return the contributions by DeepLIFT, averaged over baselines.

        Parameters
        ----------
        encoded : Encoded
        baselines : sequence of Tensor, each of the shape of the values
        contrasts : ndarray of float64, shape (n_rows, n_outputs)
            What is explained of the outputs of each instance.
        """
        graph = self.traced.graphs["deeplift"]

        def one(chosen: slice, part: Encoded) -> tuple[Tensor, Tensor, Tensor, Tensor]:
            weights = self._like(part.values, contrasts[chosen])
            starts = [baseline[chosen] for baseline in baselines]
            found = deeplift(graph, part.values, starts, contrasts=weights, tokens=part.tokens)
            with torch.no_grad():
                output = (outputs_of(graph, part.values, *part.tokens) * weights).sum(dim=1)
                before = torch.stack(
                    [(outputs_of(graph, s, *part.tokens) * weights).sum(dim=1) for s in starts]
                ).mean(dim=0)
            return found, output, output - before, torch.zeros_like(output)

        return self._attributed(encoded, one)

    def relevance(
        self,
        encoded: Encoded,
        contrasts: NDArray[np.float64],
        *,
        rule: str = "composite",
        start: Tensor | None = None,
    ) -> Attributed:
        """Return the relevance by layer-wise propagation; see `propagate` for the options."""
        halves = self.traced.halves
        if halves is None:
            msg = "the network has layers that relevance propagation cannot look through"
            raise ModelError(msg)

        def one(chosen: slice, part: Encoded) -> tuple[Tensor, Tensor, Tensor, Tensor]:
            found = propagate(
                halves,
                part.values,
                contrasts=self._like(part.values, contrasts[chosen]),
                tokens=part.tokens,
                rule=rule,
                start=None if start is None else start[chosen],
            )
            return found.values, found.outputs, found.outputs - found.biases, found.biases

        # What biases take can be told apart by instances only where these stand along an axis.
        return self._attributed(encoded, one, rows=1 if self.traced.merged else None)

    # Batches

    def _attributed(
        self,
        encoded: Encoded,
        one: Callable[[slice, Encoded], tuple[Tensor, Tensor, Tensor, Tensor]],
        rows: int | None = None,
    ) -> Attributed:
        pieces: list[tuple[Tensor, ...]] = []
        start = 0
        while start < len(encoded):
            step = rows or self._batch
            chosen = slice(start, start + step)
            try:
                found = one(chosen, encoded.rows(chosen))
            except torch.OutOfMemoryError:
                if step == 1:
                    raise
                self._batch //= 2  # the device is smaller, or shared
                continue
            pieces.append(tuple(tensor.detach().cpu() for tensor in found))
            start += step
        values, outputs, expected, biases = (
            torch.cat(column) for column in zip(*pieces, strict=True)
        )
        if encoded.tokens:
            values = values.sum(dim=-1)
        values, outputs, expected, biases = (
            tensor.double() for tensor in (values, outputs, expected, biases.abs())
        )
        total = values.flatten(1).sum(dim=1)
        attributed = values.flatten(1).abs().sum(dim=1)
        size = torch.maximum(attributed, expected.abs())
        size = torch.where(size > 0, size, 1.0)
        missing = ((total - expected).abs() / size).nan_to_num(nan=1.0)
        taken = biases / (biases + attributed).clamp_min(1e-300)
        return Attributed(values.numpy(), outputs.numpy(), missing.numpy(), taken.numpy())

    def _parts(self, encoded: Encoded) -> Sequence[Encoded]:
        starts = range(0, len(encoded), self._batch)
        return [encoded.rows(slice(start, start + self._batch)) for start in starts]

    def _like(self, values: Tensor, weights: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(weights)).to(values)
