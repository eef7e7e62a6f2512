"""What the benchmarks share: fitted models, explainers, the reference package, verdicts."""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine, make_classification
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlflow_lime.core.blocks import LEVELS
from mlflow_lime.core.explain import Explainer
from mlflow_lime.core.options import Sampling
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.explainers import table_domain

TOP = 10


@dataclass(frozen=True)
class Workload:
    """A fitted model, what it was trained on, and rows to explain.

    Attributes
    ----------
    predict : callable
        Probabilities, shape (n, k), or values in standard deviations of the model, shape (n,).
    train, rows : ndarray of float64
    label : int or None
        Output to explain; None for a regression.
    table : ndarray of float64, shape (LEVELS, n_columns)
        Quantiles of the columns of `train`.
    """

    name: str
    predict: Callable[[Any], Any]
    train: Any
    rows: Any
    label: int | None
    table: Any

    @property
    def mode(self) -> str:
        """What the model does."""
        return "regression" if self.label is None else "classification"

    def one(self, inputs: Any) -> Any:
        """Return the output to explain."""
        return self.predict(inputs) if self.label is None else self.predict(inputs)[:, self.label]


def scaled(model: Any) -> Any:
    return make_pipeline(StandardScaler(), model)


CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "logistic": lambda: scaled(LogisticRegression(max_iter=1000)),
    "forest": lambda: RandomForestClassifier(100, random_state=0),
    "forest 500": lambda: RandomForestClassifier(500, random_state=0),
    "boosting": lambda: HistGradientBoostingClassifier(random_state=0),
    "mlp": lambda: scaled(MLPClassifier(max_iter=500, random_state=0)),
}
REGRESSORS: dict[str, Callable[[], Any]] = {
    "forest": lambda: RandomForestRegressor(100, random_state=0),
    "boosting": lambda: HistGradientBoostingRegressor(random_state=0),
    "mlp": lambda: scaled(
        MLPRegressor(
            hidden_layer_sizes=(128, 64), max_iter=120, early_stopping=True, random_state=0
        )
    ),
}


@lru_cache(maxsize=32)
def workload(data: str, model: str) -> Workload:
    """Return a fitted workload: cancer, wine, diabetes, interacting, or wide, and a model."""
    name = f"{data} {model}"
    if data == "cancer":
        return fitted(name, CLASSIFIERS[model](), *load_breast_cancer(return_X_y=True), 1)
    if data == "wine":
        return fitted(name, CLASSIFIERS[model](), *load_wine(return_X_y=True), 0)
    if data == "wide":
        x, y = make_classification(4000, 200, n_informative=40, random_state=0)
        return fitted(name, CLASSIFIERS[model](), x, y, 1)
    x, y = load_diabetes(return_X_y=True) if data == "diabetes" else interacting()
    return fitted(name, REGRESSORS[model](), x, y, None)


def interacting(n_rows: int = 6000) -> tuple[Any, Any]:
    """Return 20 features that act through products and exclusive-ors."""
    x = np.random.default_rng(0).normal(size=(n_rows, 20))
    y = x[:, 0:10:2] * x[:, 1:10:2] @ np.array([1.0, -1.0, 0.7, 1.3, -0.8])
    y += np.sign(x[:, 10] * x[:, 11]) + 0.8 * np.sign(x[:, 12] * x[:, 13] * x[:, 14])
    y += 0.7 * x[:, 15] * x[:, 16] * x[:, 17] + 0.5 * x[:, 18] + 0.3 * x[:, 19]
    return x, y


def fitted(name: str, model: Any, x: Any, y: Any, label: int | None) -> Workload:
    train, rows, target, _ = train_test_split(x, y, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(train, target)
    unit = 1.0 if label is not None else model.predict(train).std()

    def predict(inputs: Any) -> Any:
        return model.predict(inputs) / unit if label is None else model.predict_proba(inputs)

    at = ((np.arange(LEVELS) + 0.5) * len(train) / LEVELS).astype(int)
    return Workload(name, predict, train, rows, label, np.sort(train, axis=0)[at])


# ------------------------------------------------------------------------------- this package


def once(rows: int | None, **options: Any) -> Sampling:
    """Return a sampling of one round of exactly `rows` rows."""
    return Sampling(rows=rows, max_rows=rows, **options)


class Ours:
    """Explains the rows of a workload, as often as asked, under one recipe.

    Parameters
    ----------
    work : Workload
    representation : {"mask", "bins", "standardised"}
    """

    def __init__(self, work: Workload, representation: str = "mask") -> None:
        names = [f"x{i}" for i in range(work.train.shape[1])]
        frame = pd.DataFrame(work.train, columns=names)
        background = Background.from_frame(frame)
        self.work = work
        self.domain = table_domain(background, representation, as_array=True)

    def explainer(self, sampling: Sampling) -> Explainer:
        """Return an explainer under one sampling."""
        work = self.work
        return Explainer(self.domain, work.predict, mode=work.mode, sampling=sampling)

    def explain(self, rows: Any, sampling: Sampling, label: int | None = None) -> list[Any]:
        """Return the explanation of one label of each row, and the whole explanation."""
        label = self.work.label if label is None else label
        found = self.explainer(sampling).explain(rows, labels="all")
        return [(outcome.labels[label or 0], outcome) for outcome in found]

    def weights(self, rows: Any, sampling: Sampling) -> Any:
        """Return the weights of each row, shape (n_rows, n_parts)."""
        return np.array([result.weights for result, _ in self.explain(rows, sampling)])


# --------------------------------------------------------------------------- the reference


@dataclass(frozen=True)
class Neighbourhood:
    """What the reference package drew around a row."""

    features: Any
    outputs: Any
    kernel: Any


class Lime:
    """The reference package on a workload, with all features in the surrogate.

    Parameters
    ----------
    work : Workload
    label : int, optional
        Output to explain, if not the workload's.
    """

    def __init__(self, work: Workload, label: int | None = None) -> None:
        self.work = work
        self.label = label if label is not None else (0 if work.label is None else work.label)

    def explain(self, row: Any, n_rows: int, seed: int) -> tuple[Any, float, Neighbourhood]:
        """Return weights, intercept, and the neighbourhood that they were fitted on."""
        from lime.lime_tabular import LimeTabularExplainer

        work = self.work
        explainer = LimeTabularExplainer(work.train, mode=work.mode, random_state=seed)
        base, seen = explainer.base, []
        explain = base.explain_instance_with_data

        def record(features: Any, outputs: Any, distances: Any, label: int, *args: Any, **kw: Any):
            seen.append((features, outputs[:, label], base.kernel_fn(distances)))
            return explain(features, outputs, distances, label, *args, **kw)

        base.explain_instance_with_data = record
        found = explainer.explain_instance(
            row, work.predict, labels=(self.label,), num_features=len(row), num_samples=n_rows
        )
        key = 1 if work.mode == "regression" else self.label
        weights = np.array([value for _, value in sorted(found.local_exp[key])])
        return weights, float(found.intercept[key]), Neighbourhood(*seen[0])

    def weights(self, row: Any, n_rows: int, seed: int) -> Any:
        """Return the weights of all features."""
        return self.explain(row, n_rows, seed)[0]


# ------------------------------------------------------------------------------- measuring


def relative_sd(draws: Any, center: Any | None = None) -> float:
    """Return the sd over draws of the ten largest weights, over their mean size.

    Parameters
    ----------
    draws : ndarray, shape (n_draws, n_parts)
    center : ndarray, shape (n_parts,), optional
        Which weights are largest; the mean over the draws by default.
    """
    center = draws.mean(axis=0) if center is None else center
    top = np.argsort(-np.abs(center))[:TOP]
    return float(draws.std(axis=0, ddof=1)[top].mean() / np.abs(center)[top].mean())


def interleaved(
    tasks: dict[str, Callable[[], Any]], repeats: int
) -> dict[str, tuple[list[float], list[float]]]:
    """Return CPU and wall seconds of each task; every repeat runs all of them in turn."""
    seconds: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in tasks}
    for task in tasks.values():
        task()
    for _ in range(repeats):
        for name, task in tasks.items():
            cpu, wall = time.process_time(), time.perf_counter()
            task()
            seconds[name][0].append(time.process_time() - cpu)
            seconds[name][1].append(time.perf_counter() - wall)
    return seconds


def median_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Return the median over repeats of one task's time over another's."""
    return float(np.median(np.divide(above, below)))


def verdict(met: bool) -> str:
    return "met" if met else "missed"


def grid(data: Sequence[str], models: Sequence[str]) -> Iterator[Workload]:
    for name in data:
        for model in models:
            yield workload(name, model)
