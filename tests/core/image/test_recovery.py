"""Explanations of images find what is known to matter."""

import numpy as np
import pytest
from skimage import data
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.neural_network import MLPClassifier

from mlflow_lime.core.blocks import MaskBlock
from mlflow_lime.core.explain import Explainer
from mlflow_lime.core.image.cells import ImageForm
from mlflow_lime.core.image.masked import MaskedImage
from mlflow_lime.core.options import Sampling

CAT = data.chelsea()[::6, ::6]
DIGITS = load_digits()
FACES = data.lfw_subset()

IMAGES = {
    "colour": CAT,
    "floats": (CAT / 255).astype(np.float32),
    "gray": data.camera()[::9, ::9],
    "RGBA": data.logo()[::9, ::9],
}


def presence(picture):
    """Return a model's features: whether a pixel that tells each segment is the image's own."""
    n_pixels = picture.labels.size
    flat = picture.cell.pixels.reshape(n_pixels, -1)
    tells = (flat != picture.fill.reshape(n_pixels, -1)).any(axis=1)
    places = picture.places.ravel()
    pixels = [int(np.flatnonzero(tells & (places == i))[0]) for i in range(places.max() + 1)]

    def features(images):
        values = images.reshape(len(images), n_pixels, -1)[:, pixels]
        return (values == flat[pixels]).all(axis=2).astype(float)

    return features


@pytest.mark.parametrize("name", IMAGES)
def test_a_linear_model_is_recovered_exactly_where_all_masks_are_tried(name):
    image = IMAGES[name]
    domain = MaskedImage(segments="grid", n_segments=9, absent="blur")
    (subject,) = domain.subjects(image[None])
    features = presence(subject.content)
    true = np.random.default_rng(0).normal(size=subject.n_active)
    explainer = Explainer(
        domain, lambda x: features(x) @ true, mode="regression", sampling=Sampling(rows=1024)
    )
    (found,) = explainer.explain(image[None])
    assert found.exact
    assert np.abs(found.labels[0].weights - true).max() < 1e-8


def test_every_segment_of_slic_can_be_the_one_that_matters():
    """The last label and the first one are no exceptions."""
    (subject,) = MaskedImage().subjects([CAT])
    features = presence(subject.content)
    for which in (0, subject.n_active - 1):
        explainer = Explainer(
            MaskedImage(), lambda x, i=which: 3 * features(x)[:, i], mode="regression"
        )
        (found,) = explainer.explain([CAT])
        weights = found.labels[0].weights
        assert np.argmax(np.abs(weights)) == which
        assert abs(weights[which] - 3) < 1e-6


def test_a_flat_segment_counts_although_its_own_mean_equals_it():
    image = np.zeros((8, 8), dtype=np.float64)
    image[:4] = 1.0
    domain = MaskedImage(segments="grid", n_segments=4)

    def predict(images):
        return images[:, 0, 0]

    (found,) = Explainer(domain, predict, mode="regression").explain(image[None])
    assert found.labels[0].weights[0] == pytest.approx(0.5)
    (failed,) = Explainer(
        MaskedImage(segments="grid", n_segments=4, absent="segment_mean"),
        predict,
        mode="regression",
    ).explain(image[None])
    assert "cannot be tested" in failed.reason


def test_intervals_hold_the_weights_of_a_linear_model_where_masks_are_drawn():
    domain = MaskedImage(n_segments=30)
    (subject,) = domain.subjects([CAT])
    features = presence(subject.content)
    true = np.random.default_rng(1).normal(size=subject.n_active)
    pairs = np.random.default_rng(2).normal(size=(subject.n_active,) * 2) / 40

    def predict(images):
        kept = features(images) - 0.5
        return kept @ true + np.einsum("ni,ij,nj->n", kept, pairs, kept)

    (found,) = Explainer(domain, predict, mode="regression").explain([CAT])
    chosen = found.labels[0]
    inside = (chosen.low - 1e-9 <= true) & (true <= chosen.high + 1e-9)
    assert inside.mean() >= 0.85
    assert np.abs(chosen.weights - true).max() < 0.25


STRIP = slice(16, 19)


@pytest.mark.parametrize("segments", ["grid", "slic"])
def test_the_weight_lies_on_a_planted_strip(segments):
    rng = np.random.default_rng(0)
    images = FACES.copy()
    labels = rng.integers(0, 2, len(images))
    images[labels == 1, STRIP] = np.minimum(images[labels == 1, STRIP] + 0.5, 1.0)
    forest = RandomForestClassifier(60, random_state=0).fit(
        images[:160].reshape(160, -1), labels[:160]
    )
    test = images[160:][labels[160:] == 1][:8]

    def predict(x):
        return forest.predict_proba(x.reshape(len(x), -1))

    shares = []
    for found in Explainer(MaskedImage(segments=segments), predict).explain(test):
        (shown,) = found.contents
        weights = np.abs(found.labels[0].weights)
        top = np.argsort(-weights)[:5]
        on_strip = shown.owners[np.unique(shown.segments[STRIP])]
        shares.append(weights[np.intersect1d(top, on_strip)].sum() / weights[top].sum())
    assert np.mean(shares) >= 0.8


OPTIONS = {
    "defaults": {},
    "two by two": {"segments": "grid", "absent": 0},
    "pixels": {"segments": np.arange(64).reshape(8, 8), "absent": 0},
}


@pytest.mark.parametrize("options", OPTIONS)
def test_hiding_the_top_parts_of_digits_hurts_more_than_hiding_any(options):
    x, y = DIGITS.data, DIGITS.target
    model = MLPClassifier((64,), random_state=0, max_iter=300).fit(x[:1300], y[:1300])
    assert model.score(x[1300:], y[1300:]) > 0.9
    domain = MaskedImage(ImageForm("flat", shape=(8, 8)), **OPTIONS[options])
    subjects = domain.subjects(x[1300:1350])
    rng = np.random.default_rng(0)
    drops = {"top": [], "random": []}
    explainer = Explainer(domain, model.predict_proba)
    for subject, found in explainer.stream(subjects, labels="predicted"):
        label = found.labels[0]
        n_hidden = max(1, round(0.2 * subject.n_active))
        masks = np.ones((21, subject.n_active), dtype=np.uint8)
        masks[0, np.argsort(-label.weights)[:n_hidden]] = 0
        for mask in masks[1:]:
            mask[rng.permutation(subject.n_active)[:n_hidden]] = 0
        block = MaskBlock(masks, np.zeros((21, 0), np.uint16), np.ones(21))
        fall = (
            label.prediction
            - model.predict_proba(domain.perturb([(subject, block)]))[:, label.index]
        )
        drops["top"].append(fall[0])
        drops["random"].append(fall[1:].mean())
    ratio = np.mean(drops["top"]) / np.mean(drops["random"])
    assert len(drops["top"]) == 50
    assert ratio >= 3
