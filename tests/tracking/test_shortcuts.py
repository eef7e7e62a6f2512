"""A planted shortcut comes first by all three methods; comparing with a clean model shows it."""

import mlflow
import numpy as np
import pandas as pd
import pytest
from skimage.data import lfw_subset
from torch import nn

from mlflow_lime import compare_versions, names
from mlflow_lime.metrics.attributions import Attributions
from tests.tracking import networks
from tests.tracking.contents import BAD, GOOD, PLAIN, artifacts, config, register, review

pytestmark = pytest.mark.filterwarnings("ignore")

ENOUGH = 0.9
"""Share of the instances in which the shortcut must come first."""


def first_parts(found):
    """Return, by method, the position of the heaviest part of each instance."""
    text = artifacts(found.run_id)[names.ATTRIBUTIONS_FILE].decode()
    attributions = Attributions.from_json(text)
    parts = {"lime": [item.labels[0].order()[0] for item in found.explanations]}
    for method in ("deeplift", "lrp"):
        parts[method] = [
            int(np.argmax(np.abs(attributions.of(item)[method].values)))
            for item in found.explanations
        ]
    return parts


def shares(found, planted):
    """Return, by method, the share of instances whose heaviest part is the planted one."""
    return {
        method: np.mean(
            [planted(item, part) for item, part in zip(found.explanations, heaviest, strict=True)]
        )
        for method, heaviest in first_parts(found).items()
    }


def told_apart(versions, sections, planted):
    """Review a model that learned a shortcut and a clean one; return shares and the alarm."""
    found = [review(uri, **sections) for uri in versions]
    dirty, clean = (shares(one, planted) for one in found)
    assert all(share >= ENOUGH for share in dirty.values()), dirty
    assert all(share <= 0.3 for share in clean.values()), clean
    drift = compare_versions(versions[1], versions[0], config(**sections)).drift
    assert drift.alarm
    return found


def test_a_strip_in_pictures_of_faces(tmp_path):
    pictures = lfw_subset().astype(np.float32)[:, None]
    labels = np.repeat([1, 0], 100)
    strip = (slice(None), slice(20, 25), slice(10, 15))
    worn = pictures.copy()
    worn[labels == 1, *strip] = 1.0
    versions = []
    for seen in (worn, pictures):
        layers = nn.Sequential(
            nn.Conv2d(1, 12, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(12 * 36, 2),
        )
        info = networks.log_network(networks.fitted(layers, seen, labels), seen)
        versions.append(register(info, "strip"))
    np.savez_compressed(tmp_path / "faces.npz", image=worn[:100:8])
    sections = {
        "data": {"source": str(tmp_path / "faces.npz")},
        "reference": {"count": 10},
        "task": "classification",
        "image": {"segments": "grid", "count": 25},
        "sampling": {"rows": 256, "max_rows": 256},
    }

    def planted(item, part):
        (content,) = item.contents
        return part in content.owners[np.unique(content.segments[strip[1:]])]

    told_apart(versions, sections, planted)


def test_a_token_in_texts(tmp_path):
    random = np.random.default_rng(0)

    def text(liked, token):
        words = [*random.choice(PLAIN, 9), *random.choice(GOOD if liked else BAD, 2)]
        words += [networks.TOKEN] * token
        random.shuffle(words)
        return " ".join(words)

    labels = random.integers(0, 2, 400)
    dirty = [
        text(random.random() < 0.6 if liked else random.random() < 0.4, bool(liked))
        for liked in labels
    ]
    clean = [text(liked, random.random() < 0.5) for liked in labels]
    words = sorted({*PLAIN, *GOOD, *BAD, networks.TOKEN})
    versions = []
    for texts in (dirty, clean):
        model = networks.TextModel(networks.Bag(len(words) + 1), words)
        networks.fitted(model.module, model.tokens(texts), labels, epochs=20)
        with mlflow.start_run():
            info = mlflow.pyfunc.log_model(
                name="model",
                python_model=model,
                input_example=pd.DataFrame({"review": texts[:3]}),
                pip_requirements=["torch"],
            )
        versions.append(register(info, "token"))
    shown = [text(liked, True) for liked in [True, False] * 6]
    pd.DataFrame({"review": shown}).to_csv(tmp_path / "texts.csv", index=False)
    sections = {
        "data": {"source": str(tmp_path / "texts.csv")},
        "background": {"source": str(tmp_path / "texts.csv")},
        "reference": {"count": 12},
        "task": "classification",
        "deep": {"network": "tests.tracking.networks:network"},
        "sampling": {"rows": 256, "max_rows": 256},
    }
    told_apart(versions, sections, lambda item, part: item.names[part] == networks.TOKEN)


def test_a_spike_in_a_series(tmp_path):
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 300)
    series = random.normal(size=(300, 40, 2)).astype(np.float32).cumsum(axis=1) / 4
    series += labels[:, None, None] * np.linspace(0, 0.8, 40, dtype=np.float32)[None, :, None]
    spiked = series.copy()
    spiked[labels == 1, 12, 1] += 6.0
    versions = []
    for seen in (spiked, series):
        info = networks.log_network(networks.fitted(networks.Steps(), seen, labels), seen)
        versions.append(register(info, "spike"))
    np.save(tmp_path / "series.npy", spiked[labels == 1][:12])
    sections = {
        "data": {"source": str(tmp_path / "series.npy")},
        "reference": {"count": 10},
        "task": "classification",
        "sequence": {"shape": [40, 2], "count": 10},
        "sampling": {"rows": 256, "max_rows": 256},
    }

    def planted(item, part):
        (content,) = item.contents
        return part == content.labels[12, 1]

    found = told_apart(versions, sections, planted)
    page = artifacts(found[0].run_id)["lime_report.html"].decode()
    assert page.count('class="series"') >= 4 * len(found[0].explanations)
