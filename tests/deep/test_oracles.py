"""What both methods must give where it is known, and what must add up everywhere."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mlflow_lime import Sampling, TabularExplainer
from mlflow_lime.deep.inside import Inside
from mlflow_lime.deep.network import Network
from mlflow_lime.deep.rules import RULES

sys.path.append(str(Path(__file__).parent))
import nets


def looked_into(network, inputs):
    return Inside(Network(network), inputs.numpy())


def ones(n, label=0, n_outputs=1):
    found = np.zeros((n, n_outputs))
    found[:, label] = 1.0
    return found


def test_a_linear_network_gives_weight_times_departure_by_both_methods():
    network = nn.Sequential(nn.Linear(6, 9), nn.Linear(9, 1)).double().eval()
    weights = (network[1].weight @ network[0].weight).detach()
    inputs, baseline = torch.randn(5, 6).double(), torch.randn(1, 6).double().expand(5, -1)
    inside = Inside(Network(network, encode=lambda rows: rows), inputs)
    encoded = inside.encode(inputs)
    expected = ((inputs - baseline) * weights).numpy()
    lift = inside.deeplift(encoded, [baseline], ones(5))
    relevance = inside.relevance(encoded, ones(5), rule="epsilon", start=baseline)
    np.testing.assert_allclose(lift.values, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(relevance.values, expected, rtol=1e-6, atol=1e-9)
    from_zero = inside.relevance(encoded, ones(5), rule="epsilon")
    np.testing.assert_allclose(from_zero.values, (inputs * weights).numpy(), rtol=1e-6, atol=1e-9)


def test_reading_a_size_makes_no_layer_the_first():
    class Viewed(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(2, 3, 3, bias=False)
            self.head = nn.Linear(3 * 6, 1, bias=False)

        def forward(self, x):
            h = self.conv(x)
            return self.head(h.view(x.size(0), -1))

    network = Viewed().double().eval()
    inputs, baseline = torch.randn(4, 2, 8).double(), torch.randn(4, 2, 8).double()
    leaf = inputs.clone().requires_grad_()
    (slope,) = torch.autograd.grad(network(leaf).sum(), leaf)
    inside = Inside(Network(network, encode=lambda rows: rows), inputs)
    found = inside.relevance(inside.encode(inputs), ones(4), rule="epsilon", start=baseline)
    expected = (slope * (inputs - baseline)).numpy()
    np.testing.assert_allclose(found.values, expected, rtol=1e-6, atol=1e-9)


def test_lime_on_the_same_parts_agrees_within_its_intervals():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(400, 5)), columns=list("abcde"))
    network = nn.Sequential(nn.Linear(5, 8), nn.Linear(8, 1)).double().eval()

    def predict(rows):
        with torch.no_grad():
            return network(torch.tensor(rows.to_numpy()))[:, 0].numpy()

    explainer = TabularExplainer(frame, predict, mode="regression", sampling=Sampling(rows=4096))
    instances = frame.head(8)
    inside = Inside(Network(network, encode=lambda rows: rows.to_numpy()), instances)
    encoded = inside.encode(instances)
    mean = torch.tensor(frame.to_numpy()).mean(dim=0, keepdim=True).expand(8, -1)
    lift = inside.deeplift(encoded, [mean], ones(8)).values
    inside_interval = []
    for item, values in zip(explainer.explain(instances), lift, strict=True):
        label = item.labels[0]
        width = np.maximum(label.high - label.low, 0.02 * np.abs(values).max())
        inside_interval += list(np.abs(values - label.weights) <= width)
    assert np.mean(inside_interval) >= 0.95


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.integers(2, 12), min_size=2, max_size=5),
    seed=st.integers(0, 2**16),
    rule=st.sampled_from(RULES),
)
def test_everything_adds_up_in_networks_of_relu_without_bias(sizes, seed, rule):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nets.dense([5, *sizes, 3]).eval()
        inputs, baseline = torch.randn(4, 5), torch.randn(4, 5)
    inside = looked_into(network, inputs)
    encoded = inside.encode(inputs.numpy())
    contrasts = ones(4, 1, 3) - 0.5 * ones(4, 0, 3) - 0.5 * ones(4, 2, 3)
    lift = inside.deeplift(encoded, [baseline], contrasts)
    assert lift.missing.max() < 1e-4
    relevance = inside.relevance(encoded, contrasts, rule=rule)
    assert relevance.missing.max() < 1e-3
    assert relevance.biases.max() == 0.0


@pytest.mark.parametrize("rule", RULES)
def test_everything_adds_up_in_a_convolutional_network_without_bias(rule):
    network = nets.Residual(bias=False).eval()
    inputs = 255 * torch.rand(5, 24, 24, 3)
    inside = looked_into(network, inputs)
    encoded = inside.encode(inputs.numpy())
    contrasts = ones(5, 2, 4)
    lift = inside.deeplift(encoded, [torch.full_like(inputs, 127.0)], contrasts)
    relevance = inside.relevance(encoded, contrasts, rule=rule)
    assert lift.missing.max() < 1e-4
    assert relevance.missing.max() < 1e-3
    total = relevance.values.reshape(5, -1).sum(axis=1)
    np.testing.assert_allclose(total, relevance.outputs, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("start", ["zero", "baseline"])
@pytest.mark.parametrize("case", ["residual", "words", "difference", "dense"])
def test_with_biases_relevance_and_what_they_took_add_up(case, start, rule):
    network, inputs = {
        "residual": lambda: (nets.Residual(), 255 * torch.rand(4, 24, 24, 3)),
        "words": lambda: (nets.Words(), torch.randint(1, 40, (4, 9))),
        "difference": lambda: (nets.Difference(), torch.randn(4, 5)),
        "dense": lambda: (nets.dense([5, 9, 9, 2], bias=True), torch.randn(4, 5)),
    }[case]()
    nets.settled(network, inputs)
    inside = looked_into(network, inputs)
    encoded = inside.encode(inputs.numpy())
    baseline = torch.rand_like(encoded.values)
    contrasts = np.ones((4, inside.outputs(encoded).shape[1]))
    contrasts[:, 0] = 0.5
    found = inside.relevance(
        encoded, contrasts, rule=rule, start=baseline if start == "baseline" else None
    )
    assert found.missing.max() < 1e-3
    lift = inside.deeplift(encoded, [baseline, torch.zeros_like(baseline)], contrasts)
    assert lift.missing.max() < 1e-4


def test_several_baselines_are_averaged():
    network, inputs = nets.dense([5, 9, 1], bias=True).eval(), torch.randn(3, 5)
    inside = looked_into(network, inputs)
    encoded = inside.encode(inputs.numpy())
    starts = [torch.randn(3, 5) for _ in range(3)]
    single = [inside.deeplift(encoded, [start], ones(3)).values for start in starts]
    both = inside.deeplift(encoded, starts, ones(3)).values
    np.testing.assert_allclose(both, np.mean(single, axis=0), rtol=1e-5, atol=1e-6)


def test_an_instance_has_the_same_attributions_alone_and_in_a_batch():
    network, inputs = nets.settled(nets.Residual(), 255 * torch.rand(6, 24, 24, 3)), None
    inputs = 255 * torch.rand(6, 24, 24, 3)
    inside = looked_into(network, inputs)
    contrasts = ones(6, 1, 4)
    baseline = torch.zeros_like(inputs)
    together = inside.deeplift(inside.encode(inputs.numpy()), [baseline], contrasts)
    relevance = inside.relevance(inside.encode(inputs.numpy()), contrasts)
    for i in (0, 5):
        one = inside.encode(inputs[i : i + 1].numpy())
        alone = inside.deeplift(one, [baseline[:1]], contrasts[:1])
        np.testing.assert_allclose(alone.values[0], together.values[i], rtol=1e-3, atol=1e-7)
        alone = inside.relevance(one, contrasts[:1])
        np.testing.assert_allclose(alone.values[0], relevance.values[i], rtol=1e-3, atol=1e-7)


def test_small_batches_give_the_same():
    network, inputs = nets.dense([5, 9, 2], bias=True).eval(), torch.randn(11, 5)
    inside = looked_into(network, inputs)
    encoded = inside.encode(inputs.numpy())
    whole = inside.relevance(encoded, ones(11, 1, 2))
    inside._batch = 3
    parts = inside.relevance(encoded, ones(11, 1, 2))
    np.testing.assert_allclose(parts.values, whole.values, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(parts.biases, whole.biases, rtol=1e-5, atol=1e-7)


def test_memory_that_runs_out_halves_the_batch(monkeypatch):
    network, inputs = nets.dense([5, 9, 2], bias=True).eval(), torch.randn(8, 5)
    inside = looked_into(network, inputs)
    encoded = inside.encode(inputs.numpy())
    whole = inside.relevance(encoded, ones(8, 1, 2)).values
    from mlflow_lime.deep import inside as module

    real = module.propagate

    def scarce(graph, values, **options):
        if len(values) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(graph, values, **options)

    monkeypatch.setattr(module, "propagate", scarce)
    np.testing.assert_allclose(
        inside.relevance(encoded, ones(8, 1, 2)).values, whole, rtol=1e-5, atol=1e-7
    )
    assert inside._batch == 2


def test_a_network_of_other_scores_is_refused():
    from mlflow_lime.errors import ModelError

    network, inputs = nets.dense([5, 9, 3], bias=True).eval(), torch.randn(4, 5)
    inside = looked_into(network, inputs)
    outputs = inside.outputs(inside.encode(inputs.numpy()))
    shares = outputs.softmax(1).double().numpy()
    assert inside.unit(outputs, shares, mode="classification") == "logits"
    assert inside.unit(outputs, outputs.double().numpy(), mode="regression") == "target"
    with pytest.raises(ModelError, match="does not lead to the model's scores: they differ by up"):
        inside.unit(outputs, shares[:, ::-1], mode="classification")
    with pytest.raises(ModelError, match="does not lead to the model's scores"):
        inside.unit(outputs, shares[:, :2], mode="classification")


class Averaged(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(nn.functional.avg_pool1d(x[:, None], 2)[:, 0])


class Differenced(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(7, 2)

    def forward(self, x):
        return self.head(x[:, 1:] - x[:, :-1])


class Skipping(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.head = nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x):
        return self.head(x + self.inner(x))


class Joined(Skipping):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(16, 2)

    def forward(self, x):
        return self.head(torch.cat([x, self.inner(x)], dim=1))


class Constant(Skipping):
    def __init__(self):
        super().__init__()
        self.register_buffer("shift", torch.randn(8))

    def forward(self, x):
        return 2 * self.head((1 - self.inner(x)) / 3 + self.shift) - 0.5


class Written(Skipping):
    def forward(self, x):
        h = self.inner(x)
        h[:, 0] = 0.5
        h[:, 2:4] += h[:, :2]
        return self.head(h)


class Stretched(nn.Module):
    def __init__(self, affine):
        super().__init__()
        self.norm = nn.BatchNorm1d(8, affine=affine)
        self.layers = nn.Sequential(nn.Linear(8, 8), self.norm, nn.Dropout(), nn.Linear(8, 2))
        with torch.no_grad():
            self.norm.running_mean.normal_()
            self.norm.running_var.uniform_(0.5, 2)

    def forward(self, x):
        return self.layers(self.norm(x))


LINEAR = {
    "averaged": Averaged,
    "differenced": Differenced,
    "skipping": Skipping,
    "joined": Joined,
    "constant": Constant,
    "written": Written,
    "normalised": lambda: Stretched(True),
    "normalised without weights": lambda: Stretched(False),
}


@pytest.mark.parametrize("start", ["zero", "baseline"])
@pytest.mark.parametrize("case", LINEAR)
def test_every_way_to_be_linear_gives_slope_times_departure(case, start):
    network = LINEAR[case]().double().eval()
    inputs = torch.randn(5, 8).double()
    baseline = torch.zeros_like(inputs) if start == "zero" else torch.randn(5, 8).double()
    leaf = inputs.clone().requires_grad_()
    (slope,) = torch.autograd.grad(network(leaf)[:, 1].sum(), leaf)
    expected = (slope * (inputs - baseline)).numpy()
    inside = Inside(Network(network, encode=lambda rows: rows), inputs)
    encoded, contrasts = inside.encode(inputs), ones(5, 1, 2)
    torch.testing.assert_close(inside.outputs(encoded), network(inputs).detach())
    lift = inside.deeplift(encoded, [baseline], contrasts)
    np.testing.assert_allclose(lift.values, expected, rtol=1e-6, atol=1e-9)
    found = inside.relevance(encoded, contrasts, rule="epsilon", start=baseline)
    np.testing.assert_allclose(found.values, expected, rtol=1e-5, atol=1e-7)
    assert found.missing.max() < 1e-6


def test_rescale_is_exact_for_what_is_written_into_a_view():
    class Rectified(nn.Module):
        def forward(self, x):
            h = 2.0 * x
            h[:, :1].relu_()
            return h.sum(dim=1)

    inputs, baseline = torch.tensor([[1.0, 2.0], [2.0, 3.0]]), torch.full((2, 2), -4.0)
    inside = looked_into(Rectified(), inputs)
    found = inside.deeplift(inside.encode(inputs.numpy()), [baseline], ones(2))
    np.testing.assert_allclose(found.values, [[2.0, 12.0], [4.0, 14.0]], rtol=1e-6)


def test_the_users_own_module_stays_as_it_is():
    network = nets.Residual().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    inputs = 255 * torch.rand(4, 24, 24, 3)
    inside = looked_into(network, inputs)
    inside.relevance(inside.encode(inputs.numpy()), ones(4, 1, 4))
    assert network.training
    assert all(module.training for module in network.modules())
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name])
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_whole_numbers_that_are_no_tokens_are_numbers(dtype):
    network = nets.Residual(bias=False).eval()
    inputs = np.random.default_rng(0).integers(0, 255, (4, 24, 24, 3)).astype(dtype)
    inside = Inside(Network(network), inputs)
    encoded = inside.encode(inputs)
    found = inside.deeplift(encoded, [torch.zeros_like(encoded.values)], ones(4, 1, 4))
    assert found.missing.max() < 1e-4


def test_half_precision_is_looked_into():
    network = nets.dense([5, 8, 2], bias=True).to(torch.bfloat16).eval()
    inputs = torch.randn(4, 5)
    inside = looked_into(network, inputs)
    encoded = inside.encode(inputs.numpy())
    lift = inside.deeplift(encoded, [torch.zeros_like(encoded.values)], ones(4, 1, 2))
    assert np.isfinite(lift.values).all()
    assert lift.missing.max() < 0.05


def test_attributions_that_are_no_numbers_count_as_lost():
    class Logarithm(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(3, 1)

        def forward(self, x):
            return self.head(torch.log(x))

    inputs = torch.rand(2, 3) + 1
    inside = looked_into(Logarithm().eval(), inputs)
    found = inside.deeplift(inside.encode(inputs.numpy()), [torch.zeros(2, 3)], ones(2))
    assert (found.missing == 1.0).all()
