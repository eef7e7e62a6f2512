"""A real MLflow store on sqlite, made once, and models logged into it."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.models import infer_signature

with warnings.catch_warnings():
    # MLflow warns about type hints of its own when this is imported.
    warnings.simplefilter("ignore")
    import mlflow.pyfunc

IGNORED = [
    # MLflow on every signature with whole numbers.
    "ignore:Hint. Inferred schema contains integer column:UserWarning",
    # MLflow on every PythonModel; the texts start with a colour code.
    "ignore:.*Add type hints to the `predict` method:UserWarning",
    "ignore:.*An input example was not provided:UserWarning",
    # MLflow on pandas 3, for every input example and dataset.
    "ignore:Operation with range is deprecated",
    "ignore:Starting with pandas version 4.0 all arguments of all",
    "ignore:The specified dataset source can be interpreted in multiple ways:UserWarning",
    # MLflow on sqlalchemy 2.1.
    "ignore::sqlalchemy.exc.SADeprecationWarning",
    # MLflow and its database layer leave connections to the garbage collector.
    "ignore:unclosed database:ResourceWarning",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            for rule in IGNORED:
                item.add_marker(pytest.mark.filterwarnings(rule))


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Tracking URI, and the experiment whose artifacts lie in a temporary folder."""
    folder = tmp_path_factory.mktemp("mlflow")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(uri)
    experiment = client.create_experiment("tests", artifact_location=str(folder / "artifacts"))
    return uri, experiment


@pytest.fixture(autouse=True)
def tracking(store: tuple[str, str]) -> Iterator[MlflowClient]:
    before = mlflow.get_tracking_uri()
    registry = mlflow.get_registry_uri()
    mlflow.set_tracking_uri(store[0])
    mlflow.set_registry_uri(store[0])
    mlflow.set_experiment(experiment_id=store[1])
    yield MlflowClient()
    while mlflow.active_run() is not None:
        mlflow.end_run()
    mlflow.set_tracking_uri(before)
    mlflow.set_registry_uri(registry)


@pytest.fixture(scope="session")
def table() -> pd.DataFrame:
    random = np.random.default_rng(7)
    n = 120
    return pd.DataFrame(
        {
            "income": random.normal(40, 10, n).round(2),
            "age": random.integers(20, 70, n),
            "job": random.choice(["cook", "nurse", "smith"], n),
            "owner": random.random(n) > 0.5,
        }
    )


@pytest.fixture(scope="session")
def target(table: pd.DataFrame) -> np.ndarray:
    score = table["income"] / 10 + (table["job"] == "nurse") * 2 + table["age"] / 30
    return (score > score.median()).to_numpy().astype(int)


def logged(flavor: Any, model: Any, name: str = "model", **options: Any) -> Any:
    """Log a model quickly into a run of its own, and return its ModelInfo."""
    options.setdefault("pip_requirements", ["mlflow"])
    with mlflow.start_run():
        return flavor.log_model(model, name=name, **options)


@pytest.fixture
def log() -> Any:
    return logged


@pytest.fixture
def signature(table: pd.DataFrame) -> Any:
    return infer_signature(table, np.array([0, 1]))
