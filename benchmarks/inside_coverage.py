"""Which layers DeepLIFT and relevance propagation get right: captum, zennit, and ours.

    python benchmarks/inside_coverage.py

Needs ``pip install 'mlflow-lime[deep]' zennit``; zennit needs a torchvision that fits the build of
torch, else its column says so. Each row is a small network without biases that has the layer in its
middle. The libraries are given the network as it is; ours traces it first, gives captum (DeepLIFT)
modules that it can hook, and has rules of its own for LRP. "wrong" is what attributions leave
unaccounted for without a word, as a share of their size, where that is more than 1 %: of the
difference from a baseline for DeepLIFT, of the output for LRP-0. "refuses" raises, or names the
layer.
"""

import warnings

import numpy as np
import torch
import torch.nn.functional as F
from captum.attr import LRP, DeepLift
from torch import nn

from mlflow_lime.deep.inside import Inside
from mlflow_lime.deep.network import Network

WRONG = 0.01


class Residual(nn.Module):
    """Adds what came in to what was made of it."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1, bias=False)

    def forward(self, x):
        """Return the layer's output."""
        return x + torch.relu(self.conv(x))


class Reused(nn.Module):
    """One ReLU in two places."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.second = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.relu = nn.ReLU()

    def forward(self, x):
        """Return the layer's output."""
        return self.relu(self.second(self.relu(self.first(x))))


class Function(nn.Module):
    """A function in the forward pass."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        """Return the layer's output."""
        return self.function(x)


def image(middle, features=4 * 6 * 6):
    """Return a network of images with layers in its middle."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, bias=False),
        nn.ReLU(),
        *(middle if isinstance(middle, list) else [middle]),
        Head(features),
    )


def series(middle, features):
    """Return a network of series with layers in its middle."""
    return nn.Sequential(*middle, Head(features))


class Head(nn.Module):
    """Three outputs of everything; captum has no rule for a layer that only flattens."""

    def __init__(self, features):
        super().__init__()
        self.linear = nn.Linear(features, 3, bias=False)

    def forward(self, x):
        """Return the outputs."""
        return self.linear(x.flatten(1))


class Gate(nn.Module):
    """Multiplies activations by each other."""

    def forward(self, x):
        """Return the layer's output."""
        return x * torch.sigmoid(x.mean(dim=(2, 3), keepdim=True))


IMAGES = (6, 2, 6, 6)
SERIES = (6, 2, 12)
CASES = {
    "dense, ReLU": (image([]), IMAGES),
    "tanh": (image(nn.Tanh()), IMAGES),
    "leaky ReLU": (image([nn.Conv2d(4, 4, 1, bias=False), nn.LeakyReLU(0.2)]), IMAGES),
    "GELU": (image([nn.Conv2d(4, 4, 1, bias=False), nn.GELU()]), IMAGES),
    "ReLU as a function": (
        image([nn.Conv2d(4, 4, 3, padding=1, bias=False), Function(F.relu)]),
        IMAGES,
    ),
    "one ReLU used twice": (image(Reused()), IMAGES),
    "residual sum": (image(Residual()), IMAGES),
    "max pooling": (image([nn.MaxPool2d(2)], 36), IMAGES),
    "max pooling, overlapping": (image([nn.MaxPool2d(3, 2, 1)], 36), IMAGES),
    "average pooling": (image([nn.AvgPool2d(2)], 36), IMAGES),
    "mean as a function": (image([Function(lambda x: x.mean((2, 3)))], 4), IMAGES),
    "batch normalisation": (
        image([nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU()]),
        IMAGES,
    ),
    "scaling by a constant": (image([Function(lambda x: 3 * x)]), IMAGES),
    "1-d convolution": (series([nn.Conv1d(2, 4, 3, bias=False), nn.ReLU()], 40), SERIES),
    "transposed convolution": (
        series([nn.ConvTranspose1d(2, 4, 3, bias=False), nn.ReLU()], 56),
        SERIES,
    ),
    "gate (product)": (image(Gate()), IMAGES),
    "layer normalisation": (image(nn.LayerNorm([4, 6, 6])), IMAGES),
}


def missing(values, expected):
    """Return what values leave unaccounted for, as a share of their size, the largest."""
    flat = values.detach().double().flatten(1)
    size = torch.maximum(flat.abs().sum(1), expected.detach().double().abs())
    return float(((flat.sum(1) - expected.detach().double()).abs() / size).max())


def captum_lift(network, inputs, baseline):
    values = DeepLift(network).attribute(inputs, baseline, target=1)
    return missing(values, network(inputs)[:, 1] - network(baseline)[:, 1])


def captum_lrp(network, inputs, baseline):
    return missing(LRP(network).attribute(inputs, target=1), network(inputs)[:, 1])


def zennit_lrp(network, inputs, baseline):
    from zennit.attribution import Gradient
    from zennit.composites import EpsilonPlus, LayerMapComposite
    from zennit.rules import Epsilon, Norm, Pass
    from zennit.types import Activation, AvgPool, Convolution, Linear

    rules = [
        (Activation, Pass()),
        (AvgPool, Norm()),
        (Convolution, Epsilon()),
        (Linear, Epsilon()),
    ]
    canonizers = EpsilonPlus().canonizers
    composite = LayerMapComposite(layer_map=rules, canonizers=canonizers)
    with Gradient(model=network, composite=composite) as attributor:
        outputs, values = attributor(inputs, lambda out: out * torch.eye(3)[1])
    return missing(values, outputs[:, 1])


def ours(network, inputs, baseline):
    inside = Inside(Network(network), inputs.numpy())
    encoded = inside.encode(inputs.numpy())
    contrasts = np.zeros((len(inputs), 3))
    contrasts[:, 1] = 1.0
    return inside, encoded, contrasts


def our_lift(network, inputs, baseline):
    inside, encoded, contrasts = ours(network, inputs, baseline)
    if "deeplift" not in inside.traced.graphs:
        raise ValueError(inside.traced.refused["deeplift"][0])
    return float(inside.deeplift(encoded, [baseline], contrasts).missing.max())


def our_lrp(network, inputs, baseline):
    inside, encoded, contrasts = ours(network, inputs, baseline)
    if "lrp" not in inside.traced.graphs:
        raise ValueError(inside.traced.refused["lrp"][0])
    return float(inside.relevance(encoded, contrasts, rule="epsilon").missing.max())


WAYS = {
    "DeepLIFT captum": captum_lift,
    "ours": our_lift,
    "LRP captum": captum_lrp,
    "LRP zennit": zennit_lrp,
    "ours ": our_lrp,
}


def told(way, network, inputs, baseline):
    """Return what came of a way, in a word."""
    try:
        found = way(network, inputs.clone(), baseline.clone())
    except (ImportError, RuntimeError) as error:
        return "not here" if "torchvision" in str(error) else "refuses"
    except Exception:
        return "refuses"
    return f"wrong {found:.2f}" if not found <= WRONG else "right"


def main():
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    print(f"{'':28}" + "".join(f"{name:>17}" for name in WAYS))
    for name, (network, shape) in CASES.items():
        network.train()
        with torch.no_grad():
            network(torch.randn(64, *shape[1:]))
        network.eval()
        inputs, baseline = torch.randn(shape), torch.randn(shape)
        cells = [told(way, network, inputs, baseline) for way in WAYS.values()]
        print(f"{name:28}" + "".join(f"{cell:>17}" for cell in cells))


if __name__ == "__main__":
    main()
