"""Real models of tables, texts, images, and sequences, and their explanations by any engine."""

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlflow_lime import parse_config
from mlflow_lime.core.packed import name_of, pack
from mlflow_lime.journal import Journal
from mlflow_lime.tracking.explaining import Explaining
from mlflow_lime.tracking.pinning import new_reference
from mlflow_lime.tracking.questions import Questions
from mlflow_lime.tracking.versions import resolve_model

KINDS = ("numbers", "forest", "texts", "images", "sequences")


def material(kind):
    """Return a model that is not fitted yet, its data, its target, and keys of a configuration."""
    if kind == "texts":
        random = np.random.default_rng(3)
        words = np.array([*"abcdefghi", "good", "bad", "dull", "fine"])
        texts = [" ".join(random.choice(words, random.integers(4, 14))) for _ in range(120)]
        liked = np.array([text.count("good") > text.count("bad") for text in texts])
        model = make_pipeline(TfidfVectorizer(), LogisticRegression())
        return model, pd.DataFrame({"text": texts}), np.where(liked, "pos", "neg"), {}
    if kind == "images":
        pixels, digit = load_digits(return_X_y=True, as_frame=True)
        shape = {"image": {"shape": [8, 8], "count": 12}}
        return RandomForestClassifier(20, random_state=0), pixels, digit.to_numpy(), shape
    if kind == "sequences":
        random = np.random.default_rng(5)
        names = [f"{name}_lag{i}" for name in ("temp", "load") for i in range(1, 13)]
        frame = pd.DataFrame(random.normal(size=(120, 24)), columns=names)
        frame["age"] = random.integers(20, 60, 120)
        high = (frame["temp_lag3"] + frame["load_lag7"] > 0).to_numpy()
        keys = {"columns": names, "parts": "cells", "count": 4, "absent": "background"}
        sequence = {"sequence": {**keys, "windows": "change_points"}}
        return RandomForestClassifier(20, random_state=0), frame, high, sequence
    frame, target = load_breast_cancer(return_X_y=True, as_frame=True)
    if kind == "forest":
        return RandomForestClassifier(20, random_state=0), frame, target.to_numpy(), {}
    return make_pipeline(StandardScaler(), LogisticRegression()), frame, target.to_numpy(), {}


def save(kind, folder):
    """Fit and save a model and its data, and return the sections of its configuration."""
    import mlflow

    model, frame, target, keys = material(kind)
    if (folder / "model").exists():
        return _sections(folder, keys)
    model.fit(frame["text"] if kind == "texts" else frame, target)
    mlflow.sklearn.save_model(
        model,
        folder / "model",
        serialization_format="cloudpickle",
        input_example=frame.head(2),
        pip_requirements=["mlflow"],
    )
    frame.assign(label=target).to_parquet(folder / "data.parquet", index=False)
    return _sections(folder, keys)


def _sections(folder, keys):
    return {
        "data": {"source": str(folder / "data.parquet"), "target": "label"},
        "reference": {"pick": "random", "count": 30},
        "sampling": {"rows": 128, "max_rows": 256},
        **keys,
    }


class Asked:
    """A model and a reference set, whose instances any engine explains."""

    def __init__(self, kind, folder, **changes):
        self.folder = folder
        self.sections = save(kind, folder) | changes
        self.uri = str(folder / "model")
        self.config = parse_config(self.sections)
        ref = resolve_model(self.uri)
        self.reference, self.scorer, _ = new_reference(ref, self.config, MlflowClient())

    def journal(self, name):
        return Journal(self.folder / f"{name}.jsonl")

    def explain(self, name, **engine):
        """Explain on an engine, and return the packed outcome of each instance."""
        config = parse_config({**self.sections, "engine": engine})
        questions = Questions.on(self.reference, self.scorer, config)
        with self.journal(name) as journal:
            outcomes = Explaining(questions, config, journal, self.uri).outcomes()
            return {outcome.key: pack(outcome) for outcome in outcomes}

    def lines(self, name):
        """Return how often each instance stands in a journal."""
        content = (self.folder / f"{name}.jsonl").read_bytes().split(b"\n")
        return [name_of(line)[0] for line in content if line]
