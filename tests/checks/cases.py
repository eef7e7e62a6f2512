"""Real fitted models, healthy and with something planted, and the evidence on them."""

import dataclasses
from functools import cache

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mlflow_lime import ImageExplainer, TabularExplainer, TextExplainer
from mlflow_lime.checks.check import Evidence
from mlflow_lime.checks.registry import run_checks
from mlflow_lime.core.layout import Layout
from mlflow_lime.core.options import Sampling
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.reference.associations import Associations

FEW = Sampling(rows=256, max_rows=256)
INSTANCES = 14


def outcome(evidence, code, **options):
    """Return what came of one check."""
    found = run_checks(evidence, options={code: options} if options else None)
    return next(item for item in found if item.code == code)


def grown(evidence, **changes):
    return dataclasses.replace(evidence, **changes)


@cache
def people(n=1200):
    """Return rows as in a census, and whether each earns much; sex does not matter."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": random.integers(18, 80, n),
            "hours": random.normal(40, 10, n).round(),
            "education": random.choice(["school", "college", "doctor"], n, p=[0.5, 0.4, 0.1]),
            "job": random.choice(["clerk", "sales", "boss", "craft"], n),
            "married": random.random(n) > 0.5,
            "sex": random.choice(["f", "m"], n),
        }
    )
    score = (frame["age"] - 48) / 15 + (frame["hours"] - 40) / 10 + frame["married"] - 0.5
    score += frame["education"].map({"school": -0.6, "college": 0.3, "doctor": 1.5})
    score += frame["job"].map({"clerk": -0.5, "sales": 0.0, "boss": 0.8, "craft": -0.3})
    return frame, (score + random.logistic(0, 0.5, n) > 0).astype(int).to_numpy()


def forest(frame, trees=40, **options):
    words = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), words), remainder="passthrough"
    )
    return make_pipeline(columns, RandomForestClassifier(trees, random_state=0, **options))


def logistic(frame):
    words = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), words), remainder=StandardScaler()
    )
    return make_pipeline(columns, LogisticRegression(max_iter=999))


def stump(frame):
    """Return a model that has no use for any column."""
    words = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    columns = make_column_transformer(("drop", words), remainder="passthrough")
    return make_pipeline(columns, DummyClassifier())


def explain_rows(model, background, rows):
    explainer = TabularExplainer(
        background, model.predict_proba, class_names=["low", "high"], sampling=FEW
    )
    return tuple(explainer.explain(rows, labels=["high"]))


def on_table(frame, target, make=forest, *, hidden=None, sensitive=()):
    """Fit a model on all rows but the first, and explain those.

    Columns of `hidden` are in the data, but the model does not read them.
    """
    model = make(frame)
    model.fit(frame.iloc[INSTANCES:], target[INSTANCES:])
    background = Background.from_frame(frame.iloc[INSTANCES:])
    rows = frame.iloc[:INSTANCES]
    explanations = explain_rows(model, background, rows)
    data = frame.assign(rich=target) if hidden is None else frame.assign(rich=target, **hidden)
    keys = [item.key for item in explanations]
    return Evidence(
        explanations=explanations,
        layout=Layout.of_table(background),
        inputs=rows.set_axis(keys, axis="index"),
        true_labels=dict(zip(keys, np.where(target[:INSTANCES], "high", "low"), strict=True)),
        target="rich",
        associations=Associations.of_frame(data),
        sensitive=tuple(sensitive),
    )


def on_texts(texts, target, **options):
    model = make_pipeline(TfidfVectorizer(), LogisticRegression())
    model.fit(texts[INSTANCES:], target[INSTANCES:])
    explainer = TextExplainer(
        model.predict_proba, class_names=list(model.classes_), sampling=FEW, **options
    )
    return Evidence(explanations=tuple(explainer.explain(texts[:INSTANCES])))


def letters(header=("", ""), n=160):
    """Return texts with words of their class in any order, and their class."""
    random = np.random.default_rng(0)
    words = {"good": ["great", "lovely", "superb", "fine"], "bad": ["dull", "awful", "weak", "sad"]}
    plain = ["the", "movie", "was", "seen", "in", "a", "cinema", "yesterday", "by", "friends"]
    texts, target = [], []
    for label in random.choice(["good", "bad"], n):
        chosen = [*random.choice(words[label], 3), *random.choice(plain, 6)]
        random.shuffle(chosen)
        texts.append(f"{header[label == 'good']} {' '.join(chosen)}".strip())
        target.append(label)
    return texts, np.array(target)


def on_images(pixels, target, n_segments=64):
    flat = pixels.reshape(len(pixels), -1)
    model = LogisticRegression(max_iter=300).fit(flat[INSTANCES:], target[INSTANCES:])
    explainer = ImageExplainer(
        lambda rows: model.predict_proba(np.asarray(rows).reshape(len(rows), -1)),
        class_names=[str(name) for name in model.classes_],
        segments="grid",
        n_segments=n_segments,
        sampling=FEW,
    )
    return Evidence(explanations=tuple(explainer.explain(pixels[:INSTANCES])))


def pictures(mark, n=200):
    """Return noise in which the class shows as a mark alone: rows and columns of pixels."""
    random = np.random.default_rng(0)
    target = random.integers(0, 2, n)
    pixels = random.integers(60, 200, (n, 32, 32, 3)).astype(np.uint8)
    pixels[target == 1, mark[0], mark[1]] = 255
    return pixels, target


def digits():
    found = load_digits()
    order = np.random.default_rng(0).permutation(len(found.target))[:600]
    return (found.images * 15).astype(np.uint8)[order], found.target[order]
