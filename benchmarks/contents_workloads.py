"""What the benchmarks of texts and images share: data, models, and the line about the machine."""

import gzip
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

NEWSGROUPS = (
    Path(__file__).parents[2]
    / "shared/data/newsgroups_atheism_christian/20news_atheism_christian.jsonl.gz"
)


def machine() -> str:
    """Return processor, load, and versions."""
    names = ("numpy", "scipy", "scikit-learn", "scikit-image", "torch", "lime")
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    load = os.getloadavg()[0]
    return f"{model}, load {load:.1f}, Python {platform.python_version()}, {versions}"


def table(head: list[str], rows: list[list[str]]) -> None:
    """Print a Markdown table."""
    print("\n| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def text_model(name: str, texts: list[str], labels: Any) -> Any:
    models = {
        "logistic": lambda: LogisticRegression(max_iter=1000),
        "forest": lambda: RandomForestClassifier(100, random_state=0),
    }
    return make_pipeline(TfidfVectorizer(), models[name]()).fit(texts, labels)


def newsgroups() -> tuple[tuple[list[str], Any], tuple[list[str], Any]] | None:
    """Return posts with headers, and labels, to train on and to explain; None where absent."""
    if not NEWSGROUPS.exists():
        return None
    with gzip.open(NEWSGROUPS, "rt") as lines:
        posts = [json.loads(line) for line in lines]
    parts = [[post for post in posts if (post["split"] == "train") == seen] for seen in (1, 0)]
    first, second = ([post["text"] for post in part] for part in parts)
    labels = [np.array([post["label"] for post in part]) for part in parts]
    return (first, labels[0]), (second, labels[1])


def header_leaks(posts: list[str], labels: Any) -> dict[str, list[str]]:
    """Return the words of headers that give the label away, by two rules.

    ``coefficient``: the words of the 50 largest coefficients of a logistic regression on tf-idf.
    ``share``: words that in headers stand in different shares of the posts of either label
    (p < 0.001). Either way only words that stand in more headers than in what is said: in bodies
    without the lines that hold an address.
    """
    heads, bodies = zip(*(post.split("\n\n", 1) for post in posts), strict=True)
    said = ["\n".join(line for line in body.splitlines() if "@" not in line) for body in bodies]
    model = text_model("logistic", posts, labels)
    words = model[0].get_feature_names_out()
    counter = CountVectorizer(binary=True, vocabulary=model[0].vocabulary_)
    present = counter.transform(heads).toarray()
    often, elsewhere = present.sum(axis=0), counter.transform(said).toarray().sum(axis=0)
    first, second = present[labels == 0], present[labels == 1]
    chance = often / len(present)
    spread = np.sqrt(chance * (1 - chance) * (1 / len(first) + 1 / len(second)) + 1e-12)
    differs = np.abs(first.mean(axis=0) - second.mean(axis=0)) / spread
    size = np.abs(model[1].coef_[0])
    order = np.argsort(-size, kind="stable")
    chosen = {"coefficient": order[:50], "share": [i for i in order if differs[i] > 3.29]}
    return {
        rule: [words[i] for i in places if often[i] > elsewhere[i]]
        for rule, places in chosen.items()
    }


def synthetic_texts(n_words: int, n_texts: int, seed: int = 0) -> tuple[list[str], Any]:
    """Return texts of made-up words, all different within a text, and random labels."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = sorted({"".join(rng.choice(letters, rng.integers(3, 10))) for _ in range(8000)})
    texts = [" ".join(rng.choice(words, n_words, replace=False)) + "." for _ in range(n_texts)]
    return texts, rng.integers(0, 2, n_texts)


def sentiment(n_texts: int = 400, seed: int = 0) -> tuple[list[str], Any]:
    """Return reviews whose label is the majority of their good and bad words."""
    rng = np.random.default_rng(seed)
    good = ["great", "lovely", "superb", "warm", "clever", "moving", "funny", "charming"]
    bad = ["dull", "awful", "weak", "cold", "stupid", "boring", "clumsy", "empty"]
    plain = [f"{a}{b}" for a in ("film", "scene", "actor", "story", "plot") for b in "abcdef"]
    texts, labels = [], []
    for _ in range(n_texts):
        up, down = rng.permutation([rng.integers(2, 5), rng.integers(0, 2)])
        words = [*rng.choice(good, up, replace=False), *rng.choice(bad, down, replace=False)]
        words += list(rng.choice(plain, 12, replace=False))
        texts.append(" ".join(rng.permutation(words)))
        labels.append(int(up > down))
    return texts, np.array(labels)


def astronaut(size: int, *, floats: bool) -> Any:
    """Return a photograph, shape (size, size, 3), as uint8, or as float32 in [0, 1]."""
    from skimage import data

    step = max(1, data.astronaut().shape[0] // size)
    pixels = np.ascontiguousarray(data.astronaut()[::step, ::step][:size, :size])
    return (pixels / 255).astype(np.float32) if floats else pixels


def small_cnn() -> Any:
    """Return a convolutional network with random weights as a function of images."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    ).eval()

    def predict(images: Any) -> Any:
        with torch.inference_mode():
            pixels = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)
            scaled = pixels.float().div_(255) if pixels.dtype == torch.uint8 else pixels.float()
            return torch.softmax(net(scaled), 1).numpy()

    return predict
