"""How faithful explanations of texts and images are, everything by default.

R2 is the held-out one, the gap ``|surrogate - model|`` at the instance. Comprehensiveness is the
drop of the predicted class's probability when the parts of the five largest weights are taken away,
sufficiency its drop when they alone are left; beside each stands the mean for five random parts.

Further: the share of the five largest weights that lies on a planted strip that carries the label
(``skimage.data.lfw_subset``), the drop from hiding a fifth of the parts of digits over that from
hiding random ones, and the share of newsgroup posts in whose ten largest weights is a word of the
headers that gives the label away.

Run ``python benchmarks/contents_faithful.py [--quick]``.
"""

import argparse
import warnings
from typing import Any

import numpy as np
from contents_workloads import (
    header_leaks,
    machine,
    newsgroups,
    sentiment,
    table,
    text_model,
)
from sklearn.ensemble import RandomForestClassifier
from sklearn.neural_network import MLPClassifier
from workloads import verdict

from mlflow_lime.core.blocks import MaskBlock
from mlflow_lime.explainers import ImageExplainer, TextExplainer

TOP, N_RANDOM = 5, 20


def scores(explainer: Any, subject: Any, masks: Any, label: int) -> Any:
    """Return the probability of a label for masks of one instance."""
    masks = np.ascontiguousarray(masks, dtype=np.uint8)
    levels = np.zeros((len(masks), 0), dtype=np.uint16)
    inputs = explainer.domain.perturb([(subject, MaskBlock(masks, levels, np.ones(len(masks))))])
    return np.asarray(explainer.predictor.predict(inputs))[:, label]


def without(chosen: Any, n_parts: int) -> Any:
    masks = np.ones((len(chosen), n_parts), dtype=np.uint8)
    np.put_along_axis(masks, np.asarray(chosen), 0, axis=1)
    return masks


def line(name: str, explainer: Any, instances: Any) -> list[str]:
    """Return R2, gap, comprehensiveness, and sufficiency of one model."""
    rng = np.random.default_rng(0)
    found = explainer.explain(instances, labels="predicted")
    subjects = explainer.domain.subjects(instances)
    measures = []
    for subject, one in zip(subjects, found, strict=True):
        if subject.n_active < 2 * TOP:
            continue
        result = one.labels[0]
        top = np.argsort(-result.weights[subject.active])[:TOP]
        random = [rng.choice(subject.n_active, TOP, replace=False) for _ in range(N_RANDOM)]
        masks = without([top, *random], subject.n_active)
        gone = scores(explainer, subject, masks, result.index)
        left = scores(explainer, subject, 1 - masks, result.index)
        gap = abs(result.surrogate_prediction - result.prediction)
        at = result.prediction
        drops = [at - gone[0], at - gone[1:].mean(), at - left[0], at - left[1:].mean()]
        measures.append([result.fidelity_r2, gap, *drops])
    values = np.array(measures)
    numbers = [np.nanmedian(values[:, 0]), *values[:, 1:].mean(axis=0)]
    return [name, str(len(values)), *(f"{value:.3f}" for value in numbers)]


def leaks(explainer: Any, posts: list[str], words: set[str]) -> list[str]:
    """Return the shares of posts with a leaking word among ten parts: the heaviest, and any."""
    rng = np.random.default_rng(0)
    heavy, random = [], []
    for one in explainer.explain(posts):
        leaking = np.array([part.lower() in words for part in one.parts])
        order = np.argsort(-np.abs(one.labels[0].weights))[:10]
        heavy.append(leaking[order].any())
        random += [leaking[rng.permutation(len(leaking))[:10]].any() for _ in range(N_RANDOM)]
    share = float(np.mean(heavy))
    return [str(len(posts)), f"{share:.2f}", f"{np.mean(random):.2f}", verdict(share > 0.5)]


def texts(n_texts: int) -> None:
    rows, leaking = [], []
    made = sentiment()
    for kind in ("logistic", "forest"):
        model = text_model(kind, *made)
        explainer = TextExplainer(model.predict_proba)
        rows.append(line(f"{kind}, sentiment", explainer, sentiment(n_texts, seed=1)[0]))
    posts = newsgroups()
    if posts is None:
        print("newsgroups: the folder is absent, skipped")
    else:
        train, unseen = posts
        rules = header_leaks(*train)
        every = [post for post in unseen[0] if len(post) < 5000]
        some = every[:: len(every) // n_texts][:n_texts]
        for kind in ("logistic", "forest"):
            explainer = TextExplainer(text_model(kind, *train).predict_proba)
            rows.append(line(f"{kind}, newsgroups", explainer, some))
            for rule, words in rules.items():
                found = leaks(explainer, every[:: len(every) // (5 * n_texts)], set(words))
                leaking.append([kind, rule, *found, " ".join(words[:12])])
    head = ["case", "instances", "R2", "gap", "comprehensiveness", "random"]
    table([*head, "sufficiency", "random"], rows)
    if leaking:
        head = ["model", "leaking by", "posts", "of top 10", "of random 10", "more than half"]
        table([*head, "some words"], leaking)


def lfw_strip() -> tuple[Any, Any, slice]:
    """Return small photographs of which some carry a bright strip, their labels, and its rows."""
    from skimage import data

    images = data.lfw_subset().astype(np.float32)
    labels = np.random.default_rng(0).integers(0, 2, len(images))
    strip = slice(0, 5)
    images[labels == 1, strip] = np.minimum(images[labels == 1, strip] + 0.5, 1.0)
    return images, labels, strip


def strips(n_images: int) -> None:
    images, labels, strip = lfw_strip()
    flat = images.reshape(len(images), -1)
    models = {
        "forest": RandomForestClassifier(200, random_state=0),
        "mlp": MLPClassifier((64,), max_iter=300, random_state=0),
    }
    rows, shares = [], []
    for name, model in models.items():
        model.fit(flat[:150], labels[:150])
        explainer = ImageExplainer(
            lambda batch, model=model: model.predict_proba(batch.reshape(len(batch), -1)),
        )
        some = images[150:][labels[150:] == 1][:n_images]
        rows.append(line(f"{name}, lfw", explainer, some))
        on = []
        for one in explainer.explain(some, labels=["1"]):
            content, weights = one.contents[0], np.abs(one.labels[0].weights)
            inside = np.unique(content.owners[content.segments[strip]])
            heavy = np.argsort(-weights)[:TOP]
            on.append(weights[np.intersect1d(heavy, inside)].sum() / weights[heavy].sum())
        share = float(np.mean(on))
        shares.append([name, f"{share:.2f}", f">= 0.80 {verdict(share >= 0.8)}"])
    head = ["case", "instances", "R2", "gap", "comprehensiveness", "random"]
    table([*head, "sufficiency", "random"], rows)
    table(["planted strip", "share of the top 5 weights", "target"], shares)


def digits(n_images: int) -> None:
    from sklearn.datasets import load_digits

    data = load_digits()
    rng = np.random.default_rng(0)
    order = rng.permutation(len(data.data))
    seen, held = order[n_images:], order[:n_images]
    forest = RandomForestClassifier(200, random_state=0)
    mlp = MLPClassifier((64,), max_iter=300, random_state=0)
    pixels = {"segments": np.arange(64).reshape(8, 8), "absent": 0}
    rows = []
    for name, model, choices in (
        ("forest, defaults", forest, {}),
        ("forest, pixels", forest, pixels),
        ("mlp, defaults", mlp, {}),
        ("mlp, pixels", mlp, pixels),
    ):
        model.fit(data.data[seen], data.target[seen])
        explainer = ImageExplainer(model.predict_proba, shape=(8, 8), **choices)
        drops = []
        instances = data.data[held]
        found = explainer.explain(instances, labels="predicted")
        for subject, one in zip(explainer.domain.subjects(instances), found, strict=True):
            result, k = one.labels[0], max(1, subject.n_active // 5)
            top = np.argsort(-result.weights[subject.active])[:k]
            random = [rng.choice(subject.n_active, k, replace=False) for _ in range(N_RANDOM)]
            masks = without([top, *random], subject.n_active)
            gone = result.prediction - scores(explainer, subject, masks, result.index)
            drops.append([gone[0], gone[1:].mean()])
        top_drop, random_drop = np.mean(drops, axis=0)
        ratio = top_drop / random_drop
        numbers = [f"{top_drop:.3f}", f"{random_drop:.3f}", f"{ratio:.1f}"]
        rows.append([name, str(len(drops)), *numbers, f">= 3 {verdict(ratio >= 3)}"])
    head = ["digits, a fifth of the parts hidden", "images", "largest weights", "random", "ratio"]
    table([*head, "target"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer instances")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(machine())
    texts(10 if options.quick else 40)
    strips(5 if options.quick else 25)
    digits(10 if options.quick else 50)


if __name__ == "__main__":
    main()
