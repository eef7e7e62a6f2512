"""Texts and images as functions from masks to scores; the reference package on them; hard scores.

Absent words are removed, absent superpixels take the mean of the image.
"""

import gzip
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from workloads import once

from mlflow_lime.core.domain import Draw, Subject
from mlflow_lime.core.explain import Explainer
from mlflow_lime.core.kernel import Kernel
from mlflow_lime.core.masks import LOCAL_WIDTH
from mlflow_lime.core.options import Sampling

Scores = Callable[[Any], Any]


@dataclass(frozen=True)
class Case:
    """A function from masks, shape (n_rows, n_parts), to scores, shape (n_rows,)."""

    name: str
    n_parts: int
    scores: Scores
    text: bool = False
    law: str = "bernoulli"


class Masks:
    """A domain whose model inputs are the masks themselves."""

    shared = False
    masked = True
    call_rows = (4096,)

    def __init__(self, case: Case) -> None:
        self.case = case

    def subjects(self, instances: Any, keys: Sequence[str] | None = None) -> list[Subject]:
        """Return one instance."""
        n_parts = self.case.n_parts
        names = tuple(f"part {i}" for i in range(n_parts))
        digest = f"{sum(map(ord, self.case.name)):032x}"
        return [Subject("0", digest, names, names, np.arange(n_parts), 0, None)]

    def perturb(self, draws: Sequence[Draw]) -> Any:
        """Return the masks."""
        return np.concatenate([block.masks for _, block in draws])

    def originals(self, subjects: Sequence[Subject]) -> Any:
        """Return masks that keep everything."""
        return np.ones((len(subjects), self.case.n_parts), dtype=np.uint8)

    def features(self, subject: Subject, block: Any) -> Any:
        """Return the masks."""
        return block.masks

    def origin(self, subject: Subject) -> Any:
        """Return ones."""
        return np.ones(subject.n_active)

    def fingerprints(self, draws: Sequence[Draw]) -> None:
        """Return None: masks hardly repeat."""
        return None

    def row_bytes(self, subject: Subject) -> int:
        """Return the size of a row."""
        return 8 * subject.n_active

    def default_rows(self, subject: Subject) -> int:
        """Return the rows of the first round."""
        return default_rows(self.case)

    def default_law(self) -> tuple[str, float | None]:
        """Return the law of the case."""
        return ("uniform_count", LOCAL_WIDTH) if self.case.law == "local" else (self.case.law, None)

    def default_kernel(self, subject: Subject) -> Kernel:
        """Return no kernel."""
        return Kernel()

    def recipe(self) -> dict[str, Any]:
        """Return nothing."""
        return {}


def default_rows(case: Case) -> int:
    if not case.text:
        return 256
    return max(1024, min(2000, 10 * case.n_parts), 4 * case.n_parts)


def explain(case: Case, sampling: Sampling) -> Any:
    """Return the explanation of a case by this package."""
    explainer = Explainer(Masks(case), case.scores, mode="regression", sampling=sampling)
    (outcome,) = explainer.explain([None], labels="all")
    return outcome


def ours(case: Case, rows: int | None, n_seeds: int, **options: Any) -> Any:
    """Return the weights of several seeds, shape (n_seeds, n_parts)."""
    sampling = once(rows, **options)
    found = [explain(case, replace(sampling, seed=seed)) for seed in range(n_seeds)]
    return np.array([outcome.labels[0].weights for outcome in found])


def plain(case: Case, rows: int, n_seeds: int, law: str, width: float | None) -> Any:
    """Return weights from plain sampling and least squares alone, shape (n_seeds, n_parts)."""
    found = []
    for seed in range(n_seeds):
        rng = np.random.default_rng([11, seed])
        share = 0.5 if law == "bernoulli" else local_shares(rng, rows, width)
        masks = (rng.random((rows, case.n_parts)) < share).astype(np.uint8)
        found.append(least_squares(masks, case.scores(masks)))
    return np.array(found)


def local_shares(rng: Any, rows: int, width: float | None) -> Any:
    """Return shares kept of the local law, shape (rows, 1), by rejection."""
    absent = rng.random(64 * rows)
    if width is not None:
        absent = absent[rng.random(len(absent)) < np.exp(-0.5 * (absent / width) ** 2)]
    return 1.0 - absent[:rows, None]


def least_squares(masks: Any, scores: Any) -> Any:
    columns = np.column_stack([np.ones(len(masks)), masks])
    gram = columns.T @ columns
    gram += 1e-10 * np.trace(gram) / len(gram) * np.eye(len(gram))
    return np.linalg.solve(gram, columns.T @ scores)[1:]


# ----------------------------------------------------------------------------- the reference


def lime_text(case: Case, rows: int, seed: int) -> Any:
    """Return weights of ``LimeTextExplainer`` for a text whose words are the parts' numbers."""
    from lime.lime_text import LimeTextExplainer

    def predict(texts: Any) -> Any:
        masks = np.zeros((len(texts), case.n_parts), dtype=np.uint8)
        for mask, text in zip(masks, texts, strict=True):
            mask[np.array(text.split(), dtype=int)] = 1
        scores = case.scores(masks)
        return np.column_stack([1 - scores, scores])

    explainer = LimeTextExplainer(random_state=seed, feature_selection="none")
    text = " ".join(map(str, range(case.n_parts)))
    found = explainer.explain_instance(
        text, predict, labels=(1,), num_features=case.n_parts, num_samples=rows
    )
    words = found.domain_mapper.indexed_string
    weights = np.empty(case.n_parts)
    for part, value in found.local_exp[1]:
        weights[int(words.word(part))] = value
    return weights


def lime_image(case: Case, rows: int, seed: int) -> Any:
    """Return weights of ``LimeImageExplainer`` for an image whose pixels are the parts."""
    from lime.lime_image import LimeImageExplainer

    def predict(images: Any) -> Any:
        scores = case.scores(np.asarray(images)[:, 0, :, 0].astype(np.uint8))
        return np.column_stack([1 - scores, scores])

    explainer = LimeImageExplainer(random_state=seed, feature_selection="none")
    found = explainer.explain_instance(
        np.ones((1, case.n_parts, 3)),
        predict,
        labels=(1,),
        top_labels=None,
        hide_color=0,
        num_features=case.n_parts,
        num_samples=rows,
        batch_size=1000,
        segmentation_fn=lambda image: np.arange(case.n_parts)[None],
    )
    return np.array([value for _, value in sorted(found.local_exp[1])])


def lime(case: Case, rows: int, n_seeds: int) -> Any:
    one = lime_text if case.text else lime_image
    return np.array([one(case, rows, seed) for seed in range(n_seeds)])


# --------------------------------------------------------------------------------- workloads


@lru_cache(maxsize=1)
def faces() -> tuple[Any, Any, Any]:
    """Return 200 images, whether they show a face, and the shuffled order: 150 train."""
    from skimage.data import lfw_subset

    labels = np.repeat([1, 0], 100)
    return lfw_subset().astype(float), labels, np.random.default_rng(0).permutation(200)


@lru_cache(maxsize=16)
def image_model(kind: str) -> Scores:
    """Return a model from images, shape (n, 25, 25), to the probability of a face."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    images, labels, order = faces()
    train = order[:150]
    if kind.startswith("cnn"):
        return cnn(kind, images[train], labels[train])
    models = {
        "forest": lambda: RandomForestClassifier(200, random_state=0),
        "mlp": lambda: MLPClassifier(max_iter=500, random_state=0),
        "mlp scaled": lambda: make_pipeline(
            StandardScaler(), MLPClassifier(alpha=10.0, max_iter=500, random_state=0)
        ),
    }
    model = models[kind]().fit(images[train].reshape(150, -1), labels[train])
    return lambda batch: model.predict_proba(batch.reshape(len(batch), -1))[:, 1]


def cnn(kind: str, images: Any, labels: Any) -> Scores:
    """Return a small trained network; "cnn sharp" has its logits multiplied by 20."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    net = nn.Sequential(
        *(nn.Conv2d(1, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(400, 32), nn.ReLU(), nn.Linear(32, 1)),
    )
    inputs = torch.tensor(images[:, None], dtype=torch.float32)
    target = torch.tensor(labels, dtype=torch.float32)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(net(inputs)[:, 0], target).backward()
        optimizer.step()
    gain = 20.0 if kind == "cnn sharp" else 1.0

    def predict(batch: Any) -> Any:
        with torch.no_grad():
            logits = net(torch.tensor(batch[:, None], dtype=torch.float32))[:, 0].double().numpy()
        return 1 / (1 + np.exp(-np.clip(gain * logits, -50, 50)))

    return predict


def superpixels(image: Any, n_parts: int) -> Any:
    """Return exactly so many SLIC superpixels; the smallest ones join a neighbour."""
    from skimage.segmentation import slic

    for n_segments in range(n_parts, 4 * n_parts):
        found = slic(image, n_segments, compactness=0.1, channel_axis=None)
        if len(np.unique(found)) >= n_parts:
            break
    while len(sizes := np.unique(found, return_counts=True)[1]) > n_parts:
        found = np.unique(found, return_inverse=True)[1].reshape(image.shape)
        inside = np.pad(found == sizes.argmin(), 1)
        near = inside[2:, 1:-1] | inside[:-2, 1:-1] | inside[1:-1, 2:] | inside[1:-1, :-2]
        inside = inside[1:-1, 1:-1]
        found[inside] = np.bincount(found[near & ~inside]).argmax()
    return np.unique(found, return_inverse=True)[1].reshape(image.shape)


def image_case(number: int, n_parts: int, kind: str) -> Case:
    """Return a test image: absent superpixels take the mean of the image."""
    images, _, order = faces()
    image, predict = images[order[150 + number]], image_model(kind)
    parts = superpixels(image, n_parts)

    def scores(masks: Any) -> Any:
        chunks = [masks[i : i + 4096] for i in range(0, len(masks), 4096)]
        return np.concatenate(
            [predict(np.where(chunk[:, parts] == 1, image, image.mean())) for chunk in chunks]
        )

    return Case(f"{kind} {n_parts} image {number}", n_parts, scores)


class News:
    """Texts, and two models on tf-idf that are asked through masks of words."""

    def __init__(self, path: Path) -> None:
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        with gzip.open(path, "rt") as lines:
            rows = [json.loads(line) for line in lines]
        train = [row for row in rows if row["split"] == "train"]
        self.texts = [row["text"] for row in rows if row["split"] != "train"]
        self.vectorizer = TfidfVectorizer(min_df=3)
        inputs = self.vectorizer.fit_transform([row["text"] for row in train])
        labels = [row["label"] for row in train]
        self.models = {
            "logistic": LogisticRegression(C=10.0).fit(inputs, labels),
            "forest": RandomForestClassifier(100, random_state=0).fit(inputs, labels),
        }

    def case(self, number: int, kind: str) -> Case:
        """Return one text: its distinct words are the parts, and absent words are removed."""
        from scipy import sparse

        counts = Counter(re.findall(r"\w+", self.texts[number]))
        found = self.vectorizer.vocabulary_
        table = np.zeros((len(counts), len(found)))
        for i, (word, count) in enumerate(counts.items()):
            if len(word) > 1 and word.lower() in found:
                table[i, found[word.lower()]] += count
        table *= self.vectorizer.idf_
        used = np.flatnonzero(table.any(axis=0))
        dense, model = table[:, used], self.models[kind]

        def one(masks: Any) -> Any:
            rows = masks @ dense
            rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300)
            full = sparse.csr_matrix(rows)
            indices = used[full.indices]
            shape = (len(rows), len(found))
            full = sparse.csr_matrix((full.data, indices, full.indptr), shape=shape)
            return model.predict_proba(full)[:, 1]

        def scores(masks: Any) -> Any:
            chunks = [masks[i : i + 4096] for i in range(0, len(masks), 4096)]
            return np.concatenate([one(chunk) for chunk in chunks])

        return Case(f"{kind} text {number}", len(counts), scores, text=True)

    def numbers(self, quantiles: Sequence[float]) -> list[int]:
        """Return the texts at quantiles of the number of distinct words."""
        sizes = [len(set(re.findall(r"\w+", text))) for text in self.texts]
        order = np.argsort(sizes, kind="stable")
        return [int(order[int(q * len(order))]) for q in quantiles]


def hard_cases(n_parts: int, *, law: str) -> Iterator[Case]:
    """Yield scores made to be hard for designs: interactions, parities, nets, steps."""
    rng = np.random.default_rng(n_parts)
    effects = rng.normal(size=n_parts)
    pairs = rng.normal(size=(n_parts, n_parts)) * (rng.random((n_parts, n_parts)) < 3 / n_parts)
    inner, outer = rng.normal(size=(n_parts, 32)) * 2 / np.sqrt(n_parts), rng.normal(size=(32, 32))
    last, groups = rng.normal(size=32), [rng.permutation(n_parts) for _ in range(6)]

    def signs(masks: Any) -> Any:
        return 2.0 * masks - 1.0

    def logistic(values: Any) -> Any:
        return 1 / (1 + np.exp(-values))

    def scale(masks: Any) -> Any:
        return signs(masks) @ effects / np.sqrt(n_parts)

    made: dict[str, Scores] = {
        "two-way": lambda z: ((signs(z) @ pairs) * signs(z)).sum(axis=1) + z @ effects,
        "parity of 3": lambda z: sum(signs(z)[:, g[:3]].prod(axis=1) for g in groups),
        "parity of 5": lambda z: sum(signs(z)[:, g[:5]].prod(axis=1) for g in groups),
        "all of 4": lambda z: sum(z[:, g[:4]].prod(axis=1, dtype=float) for g in groups),
        "random net": lambda z: np.maximum(np.maximum(signs(z) @ inner, 0) @ outer, 0) @ last,
        "saturated": lambda z: logistic(8 * scale(z)),
        "saturated, off": lambda z: logistic(8 * (scale(z) - 0.7)),
        "step": lambda z: (z @ np.abs(effects) > 0.6 * np.abs(effects).sum()).astype(float),
    }
    for name, scores in made.items():
        yield Case(f"{name} {n_parts}", n_parts, scores, law=law)
