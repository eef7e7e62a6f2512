"""A rebuilt network gives what the network gives, and names what it cannot look through."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from mlflow_lime.deep.traced import trace
from mlflow_lime.errors import ModelError

sys.path.append(str(Path(__file__).parent))
import nets

IMAGES = (6, 24, 24, 3)
CASES = {
    "dense": lambda: (nets.dense([5, 8, 3], bias=True), torch.randn(6, 5)),
    "residual": lambda: (nets.Residual(), 255 * torch.rand(IMAGES)),
    "max of words": lambda: (nets.Words(), torch.randint(0, 40, (6, 9))),
    "mean of words": lambda: (nets.Words(pooled="mean"), torch.randint(1, 40, (6, 9))),
    "series": lambda: (nets.Series(), torch.randn(6, 24, 3)),
    "difference": lambda: (nets.Difference(), torch.randn(6, 5)),
    "one output": lambda: (nn.Sequential(nn.Linear(5, 1), nn.Flatten(0)), torch.randn(6, 5)),
    "transposed": lambda: (
        nn.Sequential(nn.ConvTranspose1d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(40, 2)),
        torch.randn(6, 3, 8),
    ),
    "normalised dense": lambda: (
        nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ELU(), nn.Linear(8, 2)),
        torch.randn(6, 5),
    ),
    "normalised first": lambda: (
        nn.Sequential(nn.BatchNorm1d(5), nn.Linear(5, 8), nn.SiLU(), nn.Linear(8, 2)),
        torch.randn(6, 5),
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("method", ["deeplift", "lrp"])
def test_a_rebuilt_network_gives_what_the_network_gives(case, method):
    network, inputs = CASES[case]()
    nets.settled(network, inputs)
    found = trace(network, inputs[:2])
    assert found.refused == {}
    given = (inputs,) if found.embed is None else (found.embed(inputs), inputs)
    with torch.no_grad():
        outputs = found.graphs[method](*given)
        if found.head != "none":
            outputs = outputs.softmax(1) if found.head == "softmax" else outputs.sigmoid()
        torch.testing.assert_close(outputs, network(inputs), rtol=1e-5, atol=1e-5)


def test_the_last_softmax_and_sigmoid_are_taken_away():
    assert trace(nets.Residual().eval(), torch.rand(2, 8, 8, 3)).head == "softmax"
    assert trace(nets.Words().eval(), torch.randint(0, 40, (2, 5))).head == "sigmoid"
    assert trace(nets.Series().eval(), torch.randn(2, 24, 3)).head == "none"


def test_layers_that_cannot_be_looked_through_are_named():
    found = trace(nets.Attention().eval(), torch.randn(2, 7, 6))
    assert found.graphs == {}
    for method in ("deeplift", "lrp"):
        told = " | ".join(found.refused[method])
        assert "'block.self_attn' (scaled_dot_product_attention)" in told
        assert "'block.norm1' (layer_norm) divides activations by their own spread" in told
        assert "'memory' (lstm) its gates multiply" in told


def test_an_activation_that_relevance_does_not_pass_leaves_deeplift():
    class Squares(nn.Module):
        def forward(self, x):
            return (x.square()).sum(1)

    found = trace(Squares(), torch.randn(2, 4))
    assert sorted(found.graphs) == ["deeplift"]
    assert found.refused == {"lrp": ("forward (square) has no rule",)} or (
        "has no rule" in found.refused["lrp"][0]
    )


@pytest.mark.parametrize(
    ("forward", "words"),
    [
        (lambda x: x * x.mean(1, keepdim=True), "multiplies activations by each other"),
        (lambda x: x / (1 + x.abs()), "divides by activations"),
        (lambda x: x @ x.T, "multiplies activations by each other"),
        (lambda x: torch.where(x > 0, x, 2 * x), "has no rule"),
        (lambda x: x.sort(1).values, "has no rule"),
        (lambda x: torch.softmax(x, 1) + x, "divides activations by their own sum"),
        (lambda x: torch.dropout(x, 0.5, True), "is in training mode"),
    ],
)
def test_operations_on_several_activations_are_refused(forward, words):
    class Strange(nn.Module):
        def forward(self, x):
            return forward(x)

    found = trace(Strange(), torch.randn(4, 4))
    assert found.graphs == {}
    assert all(words in " | ".join(layers) for layers in found.refused.values()), found.refused


def test_batch_statistics_are_refused():
    network = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)).train()
    found = trace(network, torch.randn(4, 4))
    assert "is in training mode" in found.refused["lrp"][0]


def test_two_embeddings_are_refused_by_name():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.tags = nn.Embedding(9, 4), nn.Embedding(9, 4)

        def forward(self, tokens):
            return (self.words(tokens) + self.tags(tokens)).sum((1, 2))

    found = trace(Two(), torch.randint(0, 9, (2, 5)))
    assert "in 2 embedding layers ('words' (embedding), 'tags' (embedding))" in str(found.refused)


def test_a_forward_pass_that_branches_on_values_says_so():
    class Branching(nn.Module):
        def forward(self, x):
            return x if float(x.sum()) > 0 else -x

    with pytest.raises(
        ModelError, match=r"forward pass of Branching cannot be traced.*deep\.network"
    ):
        trace(Branching(), torch.randn(2, 3))


def test_several_outputs_are_an_error_that_says_the_cure():
    class Pair(nn.Module):
        def forward(self, x):
            return x, 2 * x

    with pytest.raises(ModelError, match="something else than one tensor"):
        trace(Pair(), torch.randn(2, 3))


def test_an_exported_network_can_be_traced_again():
    network, inputs = nets.Series().eval(), torch.randn(4, 24, 3)
    batch = torch.export.Dim("batch")
    exported = torch.export.export(network, (inputs,), dynamic_shapes=({0: batch},)).module()
    found = trace(exported, inputs[:2])
    with torch.no_grad():
        torch.testing.assert_close(found.graphs["lrp"](inputs), network(inputs))
