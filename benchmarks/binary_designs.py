"""Rows, law and designs where absent parts are fixed: texts and images, against ``lime``.

1. Stability: standard deviation over seeds of the weights, root mean square over all parts, over
   the size of the largest weight; and the mean overlap (Jaccard) of the five largest weights of two
   seeds. Each explainer against its own law and its own mean.
2. Squared error of all weights at equal rows: plain sampling of the same law, without count
   columns, over the default. Images: models on ``skimage.data.lfw_subset``, truth by enumeration
   (17 superpixels) or from a long run. Scores made to be hard, under both laws.
3. Coverage of the jackknife intervals at nominal .95.
4. Law of texts: gap at the instance, and change of the score when five words are removed, or kept.

Run ``python benchmarks/binary_designs.py [--quick] [--news FILE]``; FILE holds one JSON object a
line, with ``text``, ``label``, and ``split``.
"""

import argparse
import gzip
import json
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from workloads import once

from mlflow_lime.core.arrays import orthogonal_runs
from mlflow_lime.core.domain import Draw, Subject
from mlflow_lime.core.explain import Explainer
from mlflow_lime.core.kernel import Kernel
from mlflow_lime.core.masks import LOCAL_WIDTH, enumerate_masks
from mlflow_lime.core.options import Sampling

NEWS = Path("../shared/data/newsgroups_atheism_christian/20news_atheism_christian.jsonl.gz")
TOP = 5
Scores = Callable[[Any], Any]


@dataclass(frozen=True)
class Case:
    """A function from masks, shape (n_rows, n_parts), to scores, shape (n_rows,)."""

    name: str
    n_parts: int
    scores: Scores
    text: bool = False


class Masks:
    """A domain whose model inputs are the masks themselves."""

    shared = False
    masked = True
    call_rows = (4096,)

    def __init__(self, case: Case) -> None:
        self.case = case

    def subjects(self, instances: Any, keys: Sequence[str] | None = None) -> list[Subject]:
        n_parts = self.case.n_parts
        names = tuple(f"part {i}" for i in range(n_parts))
        digest = f"{sum(map(ord, self.case.name)):032x}"
        return [Subject("0", digest, names, names, np.arange(n_parts), 0, None)]

    def perturb(self, draws: Sequence[Draw]) -> Any:
        return np.concatenate([block.masks for _, block in draws])

    def originals(self, subjects: Sequence[Subject]) -> Any:
        return np.ones((len(subjects), self.case.n_parts), dtype=np.uint8)

    def features(self, subject: Subject, block: Any) -> Any:
        return block.masks

    def origin(self, subject: Subject) -> Any:
        return np.ones(subject.n_active)

    def fingerprints(self, draws: Sequence[Draw]) -> None:
        return None

    def row_bytes(self, subject: Subject) -> int:
        return 8 * subject.n_active

    def default_rows(self, subject: Subject) -> int:
        return max(1024, 10 * subject.n_active) if self.case.text else 256

    def default_law(self) -> tuple[str, float | None]:
        return ("uniform_count", LOCAL_WIDTH) if self.case.text else ("bernoulli", None)

    def default_kernel(self, subject: Subject) -> Kernel:
        return Kernel()

    def recipe(self) -> dict[str, Any]:
        return {}


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


def hard_cases(n_parts: int, *, text: bool) -> Iterator[Case]:
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
        yield Case(f"{name} {n_parts}", n_parts, scores, text=text)


# --------------------------------------------------------------------------------- measuring


def stability(weights: Any) -> tuple[float, float]:
    """Return relative standard deviation and top-5 overlap of weights of several seeds."""
    spread = np.sqrt(weights.var(axis=0, ddof=1).mean()) / np.abs(weights.mean(axis=0)).max()
    tops = [set(np.argsort(-np.abs(one))[:TOP].tolist()) for one in weights]
    overlap = [len(a & b) / len(a | b) for a, b in combinations(tops, 2)]
    return float(spread), float(np.mean(overlap))


def truth(case: Case) -> Any:
    """Return the weights under the default law: of all masks, or of a long run."""
    n_parts = case.n_parts
    if not case.text and n_parts <= 17:
        masks = enumerate_masks(n_parts)
        return np.array(2.0 * ((2.0 * masks - 1.0).T @ case.scores(masks)) / len(masks))
    if case.text:
        return ours(case, 65_536, 6, max_rows=65_536).mean(axis=0)
    return ours(case, 4 * max(4096, orthogonal_runs(n_parts)), 6).mean(axis=0)


def gain(case: Case, rows: int, n_seeds: int, true: Any) -> tuple[float, float]:
    """Return how much smaller the squared error is than plain sampling's, and its error."""
    law, width = Masks(case).default_law()
    mine = ((ours(case, rows, n_seeds) - true) ** 2).sum(axis=1)
    theirs = ((plain(case, rows, n_seeds, law, width) - true) ** 2).sum(axis=1)
    value = theirs.mean() / max(mine.mean(), 1e-300)
    noise = np.hypot(
        *(np.std(e, ddof=1) / max(e.mean(), 1e-300) / np.sqrt(n_seeds) for e in (mine, theirs))
    )
    return float(value), float(value * noise)


def covered(case: Case, rows: int | None, n_seeds: int, true: Any) -> list[float]:
    """Return for each seed the share of the ten largest weights that intervals hold."""
    top = np.argsort(-np.abs(true))[:10]
    sampling, shares = Sampling() if rows is None else once(rows), []
    for seed in range(n_seeds):
        found = explain(case, replace(sampling, seed=seed)).labels[0]
        shares.append(float(((found.low <= true) & (true <= found.high))[top].mean()))
    return shares


def line(*cells: Any) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def head(title: str, *cells: str) -> None:
    print(f"\n{title}\n")
    line(*cells)
    line(*["---"] * len(cells))


def verdict(met: bool) -> str:
    return "met" if met else "missed"


IMAGES = (0, 1, 2, 3)
MODELS = ("forest", "mlp", "mlp scaled", "cnn", "cnn sharp")


def image_cases(quick: bool) -> Iterator[tuple[str, int, list[Case]]]:
    for kind in ("forest", "mlp scaled") if quick else MODELS:
        for n_parts in (17, 45):
            numbers = IMAGES[:2] if quick else IMAGES
            yield kind, n_parts, [image_case(i, n_parts, kind) for i in numbers]


def image_stability(quick: bool) -> None:
    head(
        "Images: stability (relative sd, top-5 overlap), mean over images",
        *("model", "parts", "ours 256", "ours 1024", "lime 1000", "target: 256 as lime 1000"),
    )
    n_seeds = 8 if quick else 20
    for kind, n_parts, cases in image_cases(quick):
        rows = {
            "256": [stability(ours(case, 256, n_seeds)) for case in cases],
            "1024": [stability(ours(case, 1024, n_seeds)) for case in cases],
            "lime": [stability(lime(case, 1000, n_seeds)) for case in cases],
        }
        means = {name: np.mean(found, axis=0) for name, found in rows.items()}
        cells = [f"{sd:.3f}, {overlap:.2f}" for sd, overlap in means.values()]
        line(kind, n_parts, *cells, verdict(means["256"][0] <= means["lime"][0]))


def image_gain(quick: bool) -> None:
    head(
        "Images: squared error of plain sampling over the default's, and coverage",
        *("model", "parts", "rows 256", "rows 1024", "target", "", "coverage 256 / 1024"),
    )
    n_seeds = 12 if quick else 40
    for kind, n_parts, cases in image_cases(quick):
        truths = [truth(case) for case in cases]
        pairs = list(zip(cases, truths, strict=True))
        found = {rows: [gain(c, rows, n_seeds, t) for c, t in pairs] for rows in (256, 1024)}
        cells = [", ".join(f"{v:.3g}" for v, _ in found[rows]) for rows in found]
        share = [np.mean([covered(c, rows, n_seeds, t) for c, t in pairs]) for rows in found]
        least = 5 if kind.startswith("cnn") else 20
        middle = float(np.median([v for v, _ in found[1024]]))
        line(
            *(kind, n_parts, *cells, f">= {least} (median {middle:.3g})"),
            *(verdict(middle >= least), " / ".join(f"{s:.3f}" for s in share)),
        )


def hard_gain(quick: bool) -> None:
    head(
        "Hard scores: squared error of plain sampling over the default's (below 1 is a loss)",
        *("law", "parts", "rows", "scores", "ratio", "+-", "", "coverage"),
    )
    sizes = ((17, 256), (45, 256), (45, 1024), (100, 1024))
    n_seeds = 16 if quick else 40
    for text in (False, True):
        for n_parts, rows in sizes[:2] if quick else sizes:
            for case in hard_cases(n_parts, text=text):
                true = truth(case)
                value, noise = gain(case, rows, n_seeds, true)
                share = np.mean(covered(case, rows, n_seeds, true))
                loses = value + 2 * noise < 1
                law = "local" if text else "bernoulli"
                cells = (f"{value:.3g}", f"{noise:.2g}", "loses" if loses else "")
                line(law, n_parts, rows, case.name, *cells, f"{share:.3f}")


def text_tables(news: News, quick: bool) -> None:
    head(
        "Texts: stability (relative sd, top-5 overlap), gain over plain sampling, coverage",
        *("case", "words", "rows", "ours", "lime 5000", "target", "gain", "coverage"),
    )
    n_seeds, n_lime = (6, 4) if quick else (20, 10)
    for number in news.numbers((0.02, 0.5) if quick else (0.02, 0.12, 0.3, 0.5, 0.7, 0.85)):
        for kind in ("logistic", "forest"):
            case = news.case(number, kind)
            rows = min(2000, Masks(case).default_rows(explain_subject(case)))
            mine = stability(ours(case, rows, n_seeds))
            theirs = stability(lime(case, 5000, n_lime))
            true = truth(case)
            value, noise = gain(case, rows, n_seeds, true)
            line(
                *(case.name, case.n_parts, rows, f"{mine[0]:.3f}, {mine[1]:.2f}"),
                *(f"{theirs[0]:.3f}, {theirs[1]:.2f}", verdict(mine[0] <= theirs[0])),
                *(f"{value:.2f} +- {noise:.2f}", f"{np.mean(covered(case, rows, n_seeds, true)):.3f}"),
            )


def explain_subject(case: Case) -> Subject:
    return Masks(case).subjects([None])[0]


def text_laws(news: News, quick: bool) -> None:
    head(
        "Texts: measures that depend on no law, by the law of the masks",
        *("model", "law", "gap", "five removed", "five kept", "five at random removed"),
    )
    sizes = np.linspace(0.1, 0.8, 6 if quick else 24)
    for kind in ("logistic", "forest"):
        cases = [news.case(number, kind) for number in news.numbers(sizes)]
        for name in ("local", "uniform_count", "bernoulli"):
            found = np.mean([faithful(case, name) for case in cases], axis=0)
            line(kind, name, *(f"{value:.3f}" for value in found))


def faithful(case: Case, law: str) -> tuple[float, float, float, float]:
    """Return the gap, and the drop of the predicted class's score by removing or keeping words."""
    result = explain(case, once(4096, law=law)).labels[0]
    own = float(case.scores(np.ones((1, case.n_parts), dtype=np.uint8))[0])
    sign = 1.0 if own > 0.5 else -1.0
    rng = np.random.default_rng(0)
    order = np.argsort(-sign * result.weights)[:TOP]

    def drop(parts: Any, *, keep: bool) -> float:
        mask = np.full((1, case.n_parts), 0 if keep else 1, dtype=np.uint8)
        mask[0, parts] = 1 if keep else 0
        return sign * (own - float(case.scores(mask)[0]))

    chance = [drop(rng.permutation(case.n_parts)[:TOP], keep=False) for _ in range(10)]
    gap = abs(result.surrogate_prediction - own)
    return gap, drop(order, keep=False), drop(order, keep=True), float(np.mean(chance))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer models, sizes, and seeds")
    parser.add_argument("--news", type=Path, default=NEWS, help="texts, JSON lines, gzipped")
    parser.add_argument("--only", choices=("images", "hard", "texts"), help="one of the tables")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.only in (None, "images"):
        image_stability(options.quick)
        image_gain(options.quick)
    if options.only in (None, "hard"):
        hard_gain(options.quick)
    if options.only in (None, "texts") and options.news.exists():
        news = News(options.news)
        text_tables(news, options.quick)
        text_laws(news, options.quick)


if __name__ == "__main__":
    main()
