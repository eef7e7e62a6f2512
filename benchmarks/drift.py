"""Drift where nothing changed, and where something did: rates of alarms.

``null``: retrains of one model that differ in seed and row order alone, each against another, with
the sampling of explanations as noise, and with other retrains as noise; and one model under two
seeds of the explanation. ``pairing``: how much narrower a paired change is. ``power``: a version
that leans on something planted against one that does not, with the same accuracy on the pinned
instances.

Run ``python benchmarks/drift.py null|pairing|power [--retrains N] [--seeds N]``.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from contents_workloads import table
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import MultinomialNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlflow_lime.compare.compare import compare_explanations
from mlflow_lime.compare.drift import Drift
from mlflow_lime.compare.settings import DriftSettings
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.core.options import Sampling
from mlflow_lime.explainers import ImageExplainer, TabularExplainer, TextExplainer

Explain = Callable[[Any, int], list[Explanation]]
ANY = DriftSettings(min_change=0.0, min_share=0.0)
USUAL = DriftSettings()
NOISE = 5
"""Retrains that are given as noise."""


# --------------------------------------------------------------------------------- the null


FAMILIES: dict[str, Callable[[int], Any]] = {
    "forest of 500": lambda seed: RandomForestClassifier(500, random_state=seed),
    "forest of 100": lambda seed: RandomForestClassifier(100, random_state=seed),
    "logistic regression": lambda seed: make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=500, solver="saga", random_state=seed)
    ),
    "MLP": lambda seed: make_pipeline(
        StandardScaler(), MLPClassifier(max_iter=500, random_state=seed)
    ),
}


def cancer() -> tuple[Any, Any, Any]:
    x, y = load_breast_cancer(return_X_y=True, as_frame=True)
    train, rows, target, _ = train_test_split(x, y, random_state=0)
    return train, target, rows.head(20)


def retrains(family: str, count: int) -> list[list[Explanation]]:
    """Return explanations of the same rows by models of one family."""
    train, target, rows = cancer()
    found = []
    for seed in range(count):
        order = np.random.default_rng(seed).permutation(len(train))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = FAMILIES[family](seed).fit(train.to_numpy()[order], target.to_numpy()[order])
        found.append(explain_table(model, train, rows))
    return found


def explain_table(model: Any, train: Any, rows: Any, seed: int = 0) -> list[Explanation]:
    explainer = TabularExplainer(
        train,
        lambda frame: model.predict_proba(np.asarray(frame)),
        class_names=["0", "1"],
        sampling=Sampling(seed=seed),
    )
    return explainer.explain(rows, labels=["1"])


def null(count: int) -> None:
    """Each retrain is a candidate once; baseline and noise are drawn among the others."""
    head = [
        "retrains of",
        "noise",
        "smallest change",
        "alarms",
        "at most",
        "any weight",
        "at most",
    ]
    lines = []
    for family, n in (("forest of 500", count), ("forest of 100", count // 4), ("MLP", count // 4)):
        found = retrains(family, n)
        random = np.random.default_rng(1)
        for settings, noise in ((USUAL, 0), (ANY, NOISE), (USUAL, NOISE)):
            drifts = []
            for i in range(n):
                others = random.permutation([k for k in range(n) if k != i])[: 1 + noise]
                given = [found[k] for k in others[1:]]
                drifts.append(
                    compare_explanations(
                        found[others[0]], found[i], retrains=given, settings=settings
                    )
                )
            what = f"{noise} retrains" if noise else "sampling"
            lines.append([f"{family} ({n})", what, f"{settings.min_change:g}", *rates(drifts)])
        itself = compare_explanations(found[0], found[0], settings=ANY)
        largest = max(float(np.abs(item.after - item.before).max()) for item in itself.instances)
        lines.append(
            [f"{family}, itself", "sampling", "0", f"{itself.alarm:d}", "", f"{largest:g}", "0"]
        )
    lines.append(
        ["forest of 100, other seeds", "sampling", "0", *rates(seeds(max(20, count // 4)))]
    )
    table(head, lines)


def seeds(count: int) -> list[Drift]:
    """Return comparisons of one model with itself, explained under two seeds."""
    train, target, rows = cancer()
    model = FAMILIES["forest of 100"](0).fit(train.to_numpy(), target)
    found = [explain_table(model, train, rows, seed) for seed in range(count + 1)]
    as_one = [[replace(item, seed=0) for item in run] for run in found]
    return [compare_explanations(before, after, settings=ANY) for before, after in pairwise(as_one)]


def rates(drifts: Sequence[Drift]) -> list[str]:
    alarms = np.mean([drift.alarm for drift in drifts])
    rate, n = drifts[0].settings["alarm_rate"], len(drifts)
    weights = np.mean([any(item.changed for item in drift.compared) for drift in drifts])
    fdr = drifts[0].settings["fdr"]
    bounds = [p + 2 * np.sqrt(p * (1 - p) / n) for p in (rate, fdr)]
    return [f"{alarms:.3f}", f"≤ {bounds[0]:.3f}", f"{weights:.3f}", f"≤ {bounds[1]:.3f}"]


# --------------------------------------------------------------------------------- pairing


def pairing(count: int) -> None:
    """Print the variance of a change, unpaired over paired, of the weights of 20 instances."""
    lines = []
    for family in FAMILIES:
        found = retrains(family, count)
        ratios = []
        for before, after in pairwise(found):
            for item in compare_explanations(before, after, settings=ANY).instances:
                raw = jackknife_variances(before, after, item.key)
                ratios.append(raw)
        low, middle, high = np.quantile(ratios, [0.1, 0.5, 0.9])
        lines.append([family, f"{middle:.1f}", f"{low:.1f} to {high:.1f}", verdict(middle >= 5)])
    table(["retrains of", "unpaired / paired variance", "10 to 90 %", "at least 5"], lines)


def jackknife_variances(before: Any, after: Any, key: str) -> float:
    """Return the sum of unpaired variances of an instance's weights over that of paired ones."""
    first, second = (next(i for i in run if i.key == key).labels[0] for run in (before, after))
    n = len(first.replicate_weights)
    difference = second.replicate_weights - first.replicate_weights
    paired = (n - 1) / n * ((difference - difference.mean(axis=0)) ** 2).sum()
    return float((first.std_errors**2 + second.std_errors**2).sum() / max(paired, 1e-300))


def verdict(holds: bool) -> str:
    return "met" if holds else "missed"


# ---------------------------------------------------------------------------------- power


@dataclass(frozen=True)
class Planted:
    """Two fitted models, what explains them, and what was planted.

    Attributes
    ----------
    models : tuple
        Baseline and candidate.
    explain : callable
        From a model and a seed to explanations of the pinned instances.
    answers : callable
        From a model to its predicted labels of the pinned instances.
    truth : ndarray
    is_planted : callable
        Whether an instance's part is the planted one, from the part's name and position.
    """

    models: tuple[Any, Any]
    explain: Explain
    answers: Callable[[Any], Any]
    truth: Any
    is_planted: Callable[[Explanation, int], bool]


def leak(seed: int) -> Planted:
    """Plant a column that agrees with the label in 90 % of the rows; noise for the baseline."""
    random = np.random.default_rng(seed)
    x, y = load_breast_cancer(return_X_y=True, as_frame=True)
    agreeing = np.where(random.random(len(y)) < 0.9, y, 1 - y) + random.normal(0, 0.05, len(y))
    train, rows, target, truth = train_test_split(
        x.assign(leak=agreeing), y, random_state=seed, stratify=y
    )
    honest = train.assign(leak=random.permutation(train["leak"]))
    models = tuple(
        RandomForestClassifier(60, random_state=seed).fit(data.to_numpy(), target)
        for data in (honest, train)
    )
    pinned = rows.head(20)
    return Planted(
        models,
        lambda model, at: explain_table(model, train, pinned, at),
        lambda model: model.predict(pinned.to_numpy()),
        truth.head(20).to_numpy(),
        lambda item, j: item.names[j] == "leak",
    )


def proxy(seed: int) -> Planted:
    """Train the candidate without a sensitive column, which another one stands in for."""
    random = np.random.default_rng(seed)
    n = 1500
    sex = random.integers(0, 2, n)
    frame = pd.DataFrame(random.normal(size=(n, 6)), columns=[f"x{j}" for j in range(6)])
    frame["sex"] = sex
    frame["title"] = np.where(random.random(n) < 0.95, sex, 1 - sex)
    score = frame["x0"] + frame["x1"] + 1.5 * (sex - 0.5) + random.normal(0, 0.5, n)
    y = (score > 0).astype(int)
    train, rows, target, truth = train_test_split(frame, y, random_state=seed)
    blind = [column for column in frame if column != "sex"]
    first = LogisticRegression().fit(train.to_numpy(), target)
    second = LogisticRegression().fit(train[blind].to_numpy(), target)
    kept = [frame.columns.get_loc(column) for column in blind]
    models = (first, Narrow(second, kept))
    pinned = rows.head(20)
    return Planted(
        models,
        lambda model, at: explain_table(model, train, pinned, at),
        lambda model: model.predict(pinned.to_numpy()),
        truth.head(20).to_numpy(),
        lambda item, j: item.names[j] in ("sex", "title"),
    )


class Narrow:
    """A model that reads some columns of an array."""

    def __init__(self, model: Any, columns: list[int]) -> None:
        self.model, self.columns = model, columns

    def predict_proba(self, rows: Any) -> Any:
        """Return the probabilities of whole rows."""
        return self.model.predict_proba(rows[:, self.columns])

    def predict(self, rows: Any) -> Any:
        """Return the labels of whole rows."""
        return self.model.predict(rows[:, self.columns])


WORDS = ([f"good{i}" for i in range(30)], [f"bad{i}" for i in range(30)])
COMMON = [f"word{i}" for i in range(200)]


def shortcut(seed: int) -> Planted:
    """Plant a token in half of the texts, nearly all of one class; for the baseline of any."""
    random = np.random.default_rng(seed)

    def texts(n: int, tells: bool) -> tuple[list[str], Any]:
        labels = random.integers(0, 2, n)
        made = []
        for label in labels:
            own = [str(word) for word in random.choice(WORDS[label], 4)]
            other = [str(word) for word in random.choice(WORDS[1 - label], 2)]
            words = own + other + [str(word) for word in random.choice(COMMON, 14)]
            share = (0.95 if label else 0.05) if tells else 0.5
            if random.random() < share:
                words.append("zq7")
            made.append(" ".join(random.permutation(words)))
        return made, labels

    told, honest, pinned = texts(800, True), texts(800, False), texts(20, True)
    models = tuple(
        make_pipeline(CountVectorizer(), MultinomialNB()).fit(*data) for data in (honest, told)
    )

    def explain(model: Any, at: int) -> list[Explanation]:
        explainer = TextExplainer(
            model.predict_proba, class_names=["0", "1"], sampling=Sampling(seed=at)
        )
        return explainer.explain(pinned[0], labels=["1"])

    return Planted(
        models,
        explain,
        lambda model: model.predict(pinned[0]),
        pinned[1],
        lambda item, j: item.names[j] == "zq7",
    )


def strip(seed: int) -> Planted:
    """Plant a bright strip at the lower edge of images of one class; for the baseline of any."""
    random = np.random.default_rng(seed)
    images, labels = load_digits(return_X_y=True)
    kept = np.isin(labels, (3, 8))
    images, labels = images[kept].reshape(-1, 8, 8) / 16, (labels[kept] == 8).astype(int)
    large = np.kron(images, np.ones((1, 4, 4)))
    train, rows, target, truth = train_test_split(large, labels, random_state=seed)

    def marked(pictures: Any, where: Any) -> Any:
        found = pictures.copy()
        found[where.astype(bool), 28:] = 1.0
        return found

    told = marked(train, target)
    honest = marked(train, random.integers(0, 2, len(train)))
    models = tuple(
        LogisticRegression(max_iter=300, C=0.1).fit(data.reshape(len(data), -1), target)
        for data in (honest, told)
    )
    pinned = marked(rows[:20], truth[:20])

    def explain(model: Any, at: int) -> list[Explanation]:
        explainer = ImageExplainer(
            lambda batch: model.predict_proba(np.asarray(batch)[..., 0].reshape(len(batch), -1)),
            class_names=["0", "1"],
            segments="felzenszwalb",
            absent=[0],
            sampling=Sampling(seed=at),
        )
        return explainer.explain(pinned[..., None], labels=["1"])

    return Planted(
        models,
        explain,
        lambda model: model.predict(pinned.reshape(len(pinned), -1)),
        truth[:20],
        lambda item, j: lowest_rows(item, j),
    )


def lowest_rows(item: Explanation, j: int) -> bool:
    """Return whether a segment lies at the lower edge of its image."""
    content = item.contents[0]
    return bool((content.owners[content.segments[-1]] == j).any())


SHIFTS = {
    "leaked column": leak,
    "proxy of a sensitive column": proxy,
    "shortcut token": shortcut,
    "bright strip": strip,
}


def power(count: int) -> None:
    """Seeds in which accuracy stays within a point: alarms, and the planted part first."""
    lines = []
    for name, plant in SHIFTS.items():
        started = time.perf_counter()
        flagged, first, alone, seed = [], [], [], 0
        while len(flagged) < count and seed < 40 * count:
            found, seed = plant(seed), seed + 1
            right = [np.mean(found.answers(model) == found.truth) for model in found.models]
            if abs(right[1] - right[0]) > 0.01:
                continue
            before, after = (found.explain(model, 0) for model in found.models)
            drift = compare_explanations(before, after)
            flagged.append(drift.alarm)
            first.append(planted_first(drift, found, after))
            other = [replace(item, seed=0) for item in found.explain(found.models[1], 1)]
            alone.append(compare_explanations(before, other).alarm)
        used = f"{len(flagged)} of {seed}"
        lines.append(
            [
                name,
                used,
                f"{np.mean(flagged):.2f}",
                f"{np.mean(first):.2f}",
                verdict(np.mean(flagged) >= 0.95 and np.mean(first) >= 0.95),
                f"{np.mean(alone):.2f}",
                f"{time.perf_counter() - started:.0f}",
            ]
        )
    head = ["planted", "seeds", "flagged", "planted part first", "at least .95", "unpaired", "s"]
    table(head, lines)


def planted_first(drift: Drift, found: Planted, after: Sequence[Explanation]) -> bool:
    """Return whether the part that changed most is what was planted.

    By its importance over the set; segments, which have no importance over images, by their weight.
    """
    by_key = {item.key: item for item in after}
    if drift.parts:
        name = drift.parts[0].name
        holders = [item for item in after if name in item.names]
        return found.is_planted(holders[0], holders[0].names.index(name))
    changed = [item for item in drift.compared if item.changed]
    tops = [(abs(item.after - item.before).max(), item) for item in changed]
    _, item = max(tops, key=lambda top: top[0])
    return found.is_planted(by_key[item.key], int(item.order()[0]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["null", "pairing", "power"])
    parser.add_argument("--retrains", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=100)
    options = parser.parse_args()
    if options.what == "null":
        null(options.retrains)
    elif options.what == "pairing":
        pairing(max(4, options.retrains // 20))
    else:
        power(options.seeds)


if __name__ == "__main__":
    main()
