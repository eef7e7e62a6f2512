"""What a model says about rows, from arrays that a test gives, or from a fitted model."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from mlflow_lime.core.explanation import Explanation
from mlflow_lime.core.layout import Layout
from mlflow_lime.core.options import Sampling
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.explainers import TabularExplainer
from mlflow_lime.reference.distances import coordinates
from tests.strategies import make_explanation, make_label


@dataclass
class Given:
    """Answers as arrays, one row each; counts what is asked for."""

    answers: Any = None
    baseline: Any = None
    places: Any = None
    explained: Any = None
    mode: str = "classification"
    class_names: tuple[str, ...] = ("no", "yes")
    baseline_names: tuple[str, ...] = ("no", "yes")
    most_explained: int = 200
    notes: list[str] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)

    def scores(self, rows):
        self.asked.append(len(rows))
        return np.asarray(self.answers, dtype=float)[rows]

    def baseline_scores(self, rows):
        return np.asarray(self.baseline, dtype=float)[rows]

    def points(self, rows):
        return np.asarray(self.places, dtype=float)[rows]

    def explanations(self, rows):
        return [self.explained[row] for row in rows]


def binary(probabilities):
    """Return scores of two classes from the probabilities of the second."""
    second = np.asarray(probabilities, dtype=float)
    return np.column_stack([1 - second, second])


def explained(weights, fidelity=None):
    """Return an explanation for each row of weights, whose parts are p0, p1, ..."""
    weights = np.asarray(weights, dtype=float)
    fidelity = np.full(len(weights), 0.5) if fidelity is None else fidelity
    names = tuple(f"p{j}" for j in range(weights.shape[1]))
    return [
        reasoned(row, names, fidelity_r2=float(f)) for row, f in zip(weights, fidelity, strict=True)
    ]


def reasoned(weights, names, *, contents=(), **changes):
    """Return an explanation of one label whose parts have these names."""
    changes = {"partial_r2": float("nan"), **changes}
    return make_explanation([make_label(weights, **changes)], names=names, contents=contents)


class Model:
    """A fitted scikit-learn model of a table, asked as pickers ask it."""

    def __init__(self, model, frame: pd.DataFrame, baseline=None, rows: int = 64) -> None:
        self.model, self.frame, self.other = model, frame, baseline
        self.mode = "classification" if hasattr(model, "predict_proba") else "regression"
        self.class_names = tuple(map(str, getattr(model, "classes_", ("value",))))
        self.baseline_names = self.class_names
        self.most_explained = 60
        self.notes: list[str] = []
        sampling = Sampling(rows=rows, max_rows=rows)
        self.explainer = TabularExplainer(frame, self.ask, mode=self.mode, sampling=sampling)

    def ask(self, frame, model=None):
        chosen = model or self.model
        if self.mode == "classification":
            return chosen.predict_proba(frame)
        return np.asarray(chosen.predict(frame)).reshape(len(frame), -1)

    def scores(self, rows):
        return self.ask(self.frame.iloc[rows])

    def baseline_scores(self, rows):
        return self.ask(self.frame.iloc[rows], self.other)

    def points(self, rows):
        layout = Layout.of_table(Background.from_frame(self.frame))
        return coordinates(layout, self.frame.iloc[rows])

    def explanations(self, rows):
        found = self.explainer.explain(self.frame.iloc[rows])
        return [item if isinstance(item, Explanation) else None for item in found]
