"""What DeepLIFT and relevance propagation cost, as forward-and-backward passes of the network.

    python benchmarks/inside_cost.py [--images 64] [--side 224] [--repeats 5]

Needs ``pip install 'mlflow-lime[deep]'``. A small residual network reads random images; a pass is
one forward and one backward pass of the whole batch to its input, in the network as it was written.
All are timed in one process, one after the other, and the medians are printed.
"""

import argparse
import statistics
import time

import numpy as np
import torch
from torch import nn

from mlflow_lime.deep.inside import Inside
from mlflow_lime.deep.network import Network
from mlflow_lime.deep.rules import RULES


class Block(nn.Module):
    """Two convolutions with batch normalisation, and what came in."""

    def __init__(self, wide, narrow, stride):
        super().__init__()
        self.first = nn.Conv2d(wide, narrow, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(narrow, narrow, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(narrow), nn.BatchNorm2d(narrow)])
        self.shortcut = nn.Conv2d(wide, narrow, 1, stride, bias=False)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        """Return the layer's output."""
        y = self.relu(self.norms[0](self.first(x)))
        return self.relu(self.norms[1](self.second(y)) + self.shortcut(x))


def network():
    """Return a residual network of ten convolutions and ten classes."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 7, 2, 3, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
        Block(16, 16, 1),
        Block(16, 32, 2),
        Block(32, 64, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    ).eval()


def timed(function):
    """Return CPU and wall seconds of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return time.process_time() - cpu, time.perf_counter() - wall


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    module = network()
    images = torch.rand(chosen.images, 3, chosen.side, chosen.side)
    started = time.perf_counter()
    inside = Inside(Network(module), images[:2].numpy())
    print(f"tracing: {time.perf_counter() - started:.2f} s, once")
    encoded = inside.encode(images.numpy())
    contrasts = np.zeros((chosen.images, 10))
    contrasts[:, 3] = 1.0
    baseline = [torch.zeros_like(images)]

    def one_pass():
        leaf = images.clone().requires_grad_()
        torch.autograd.grad(module(leaf)[:, 3].sum(), leaf)

    tasks = {
        "one forward-and-backward pass": one_pass,
        "DeepLIFT, one baseline": lambda: inside.deeplift(encoded, baseline, contrasts),
        **{
            f"LRP, {rule}": lambda rule=rule: inside.relevance(encoded, contrasts, rule=rule)
            for rule in RULES
        },
        "LRP, composite, from a baseline": lambda: inside.relevance(
            encoded, contrasts, start=baseline[0]
        ),
    }
    times = {name: [] for name in tasks}
    for _ in range(chosen.repeats):
        for name, task in tasks.items():
            times[name].append(timed(task))
    base = [statistics.median(column) for column in zip(*times[next(iter(times))], strict=True)]
    print(f"\n{chosen.images} images of {chosen.side} × {chosen.side}, medians of {chosen.repeats}")
    print(f"{'':34}{'CPU s':>8}{'passes':>8}{'wall s':>8}{'passes':>8}")
    for name, found in times.items():
        cpu, wall = (statistics.median(column) for column in zip(*found, strict=True))
        print(f"{name:34}{cpu:8.2f}{cpu / base[0]:8.2f}{wall:8.2f}{wall / base[1]:8.2f}")


if __name__ == "__main__":
    main()
