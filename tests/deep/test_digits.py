"""A network that was trained on real digits: what the methods find matters, and comes from it."""

import copy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from mlflow_lime import Fitting, ImageExplainer, Sampling
from mlflow_lime.deep.baselines import baselines_of
from mlflow_lime.deep.inside import Inside
from mlflow_lime.deep.network import Network
from mlflow_lime.deep.parts import aligned, summed
from mlflow_lime.deep.target import contrast
from mlflow_lime.metrics.agreement import agreement, rank_correlation
from mlflow_lime.metrics.attributions import Attribution, Attributions
from mlflow_lime.metrics.faithfulness import faithfulness

sys.path.append(str(Path(__file__).parent))

N_IMAGES = 40


@pytest.fixture(scope="module")
def trained():
    """A network, and pictures that it has not seen, (n, 1, 8, 8)."""
    pixels, labels = load_digits(return_X_y=True)
    images = (pixels / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(32 * 4 * 4, 10),
        )
        optimiser = torch.optim.Adam(network.parameters(), 3e-3)
        x, y = torch.tensor(images[:1400]), torch.tensor(labels[:1400])
        for _ in range(12):
            for batch in torch.randperm(len(x)).split(64):
                optimiser.zero_grad()
                nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
                optimiser.step()
    network.eval()
    unseen = images[1400:]
    with torch.no_grad():
        right = network(torch.tensor(unseen)).argmax(1).numpy() == labels[1400:]
    assert right.mean() > 0.9
    return network, unseen[right][:N_IMAGES]


def explained(network, images):
    """Return the explainer, explanations with their subjects, and what the methods attribute."""

    def predict(batch):
        with torch.no_grad():
            return network(torch.tensor(np.asarray(batch))).softmax(1).double().numpy()

    explainer = ImageExplainer(
        predict,
        segments="grid",
        n_segments=16,
        absent=0.0,
        channels="first",
        sampling=Sampling(rows=512),
        fitting=Fitting(),
    )
    subjects = explainer.domain.subjects(images)
    found = {}
    for subject, outcome in explainer.stream(subjects, labels="predicted"):
        found[subject.key] = outcome
    pairs = [(found[subject.key], subject) for subject in subjects]
    inside = Inside(Network(network), images)
    encoded = inside.encode(images)
    contrasts = np.stack(
        [
            contrast(10, item.labels[0].index, mode="classification", head="none")
            for item, _ in pairs
        ]
    )
    zero = baselines_of("zero", encoded.values)
    by_method = {
        "deeplift": inside.deeplift(encoded, zero, contrasts),
        "lrp": inside.relevance(encoded, contrasts),
    }
    instances = {}
    for i, (item, subject) in enumerate(pairs):
        owners = aligned(explainer.domain.element_parts(subject), (1, 8, 8))
        instances[item.key] = {
            method: Attribution(
                item.labels[0].label,
                *summed(values.values[i], owners, len(item.parts)),
                float(values.outputs[i]),
                float(values.missing[i]),
            )
            for method, values in by_method.items()
        }
    return explainer, pairs, Attributions(instances)


@pytest.fixture(scope="module")
def looked(trained):
    return explained(*trained)


def test_deleting_the_heaviest_fifth_hurts_three_times_as_much_as_random_parts(looked):
    explainer, pairs, attributions = looked
    sizes = [subject.n_active for _, subject in pairs]
    top = round(0.2 * np.median(sizes))  # what is black already is no part
    own = faithfulness(explainer, pairs, top=top, draws=16, steps=4)
    others = agreement(explainer, pairs, attributions, top=top, draws=16, steps=4)
    random = np.mean([values["comprehensiveness_random"] for values in own.values()])
    drops = {
        "lime": np.mean([values["comprehensiveness"] for values in own.values()]),
        **{
            method: np.mean([v[f"{method}_comprehensiveness"] for v in others.values()])
            for method in ("deeplift", "lrp")
        },
    }
    assert all(drop >= 3 * random for drop in drops.values()), (drops, random)


def test_the_methods_agree_on_a_network_that_has_learned(looked):
    explainer, pairs, attributions = looked
    found = agreement(explainer, pairs, attributions, curves=False)
    for method in ("deeplift", "lrp"):
        assert np.mean([values[f"{method}_agreement"] for values in found.values()]) > 0.6
        assert np.mean([values[f"{method}_overlap"] for values in found.values()]) > 0.6


def test_random_weights_destroy_the_attributions(trained, looked):
    """The sanity check of Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018."""
    network, images = trained
    scrambled = copy.deepcopy(network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        for layer in scrambled:
            if hasattr(layer, "reset_parameters"):
                layer.reset_parameters()
    _, pairs, attributions = looked
    labels = [item.labels[0].index for item, _ in pairs]
    inside = Inside(Network(scrambled), images)
    encoded = inside.encode(images)
    contrasts = np.stack([contrast(10, i, mode="classification", head="none") for i in labels])
    zero = baselines_of("zero", encoded.values)
    domain = looked[0].domain
    for method, values in {
        "deeplift": inside.deeplift(encoded, zero, contrasts).values,
        "lrp": inside.relevance(encoded, contrasts).values,
    }.items():
        correlations = []
        for i, (item, subject) in enumerate(pairs):
            owners = aligned(domain.element_parts(subject), (1, 8, 8))
            after, _ = summed(values[i], owners, len(item.parts))
            before = attributions.instances[item.key][method].values
            correlations.append(rank_correlation(before, after))
        assert abs(np.nanmean(correlations)) < 0.3, (method, np.nanmean(correlations))
