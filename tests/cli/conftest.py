"""One sqlite store with three registered models, and a command line that asks it."""

import os
import sys
import warnings
from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

with warnings.catch_warnings():
    # MLflow warns about type hints and deprecations of its own when it is imported.
    warnings.simplefilter("ignore")
    import mlflow
    import mlflow.sklearn
    from mlflow import MlflowClient
    from mlflow.models import infer_signature

from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from mlflow_lime.cli import main

ROOT = Path(__file__).parents[2]
# Before click 8.2, stderr goes into stdout unless it is asked not to; later it cannot be asked.
APART = {"mix_stderr": False} if "mix_stderr" in signature(CliRunner).parameters else {}


class AllSaid(Result):
    """What was said on both streams, as later versions of click have it by themselves."""

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


IGNORED = [
    # MLflow leaves sockets to the garbage collector.
    "ignore:unclosed <socket:ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            for rule in IGNORED:
                item.add_marker(pytest.mark.filterwarnings(rule))


@pytest.fixture(scope="session")
def people() -> pd.DataFrame:
    """Rows with a true label."""
    random = np.random.default_rng(3)
    n = 80
    frame = pd.DataFrame(
        {
            "income": random.normal(40, 10, n).round(1),
            "age": random.integers(20, 70, n),
            "job": random.choice(["cook", "nurse"], n),
        }
    )
    good = frame["income"] / 10 + 2 * (frame["job"] == "nurse") > 5
    return frame.assign(label=np.where(good, "good", "bad"))


def _pipeline(final: Any) -> Any:
    encode = make_column_transformer((OneHotEncoder(), ["job"]), remainder="passthrough")
    return make_pipeline(encode, final)


def _log(model: Any, name: str | None, rows: pd.DataFrame, **options: Any) -> Any:
    return mlflow.sklearn.log_model(
        model,
        name="model",
        serialization_format="cloudpickle",
        pip_requirements=["mlflow"],
        registered_model_name=name,
        **options,
    )


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, people: pd.DataFrame) -> Any:
    """Models: credit (two versions, dataset on the run), rent (input example), bare (nothing)."""
    folder = tmp_path_factory.mktemp("cli")
    uri = f"sqlite:///{folder / 'store.db'}"
    people.to_csv(folder / "people.csv", index=False)
    people.drop(columns="label").to_csv(folder / "rows.csv", index=False)
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri("")  # the same store
        client = MlflowClient()
        experiment = client.create_experiment("cli", artifact_location=str(folder / "artifacts"))
        mlflow.set_experiment(experiment_id=experiment)
        _fill(folder, people)
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])
    return SimpleNamespace(uri=uri, folder=folder, experiment=experiment)


def _fill(folder: Path, people: pd.DataFrame) -> None:
    rows = people.drop(columns="label")
    for strength in (1.0, 0.1):
        with mlflow.start_run():
            model = _pipeline(LogisticRegression(C=strength, max_iter=500))
            model.fit(rows, people["label"])
            logged = mlflow.data.from_pandas(people, source=str(folder / "people.csv"), name="p")
            mlflow.log_input(logged, context="training")
            signature = infer_signature(rows, model.predict(rows))
            _log(model, "credit", rows, signature=signature)
    with mlflow.start_run():
        regression = _pipeline(LinearRegression()).fit(rows, rows["income"] + rows["age"])
        _log(regression, "rent", rows, input_example=rows.head(6))
    with mlflow.start_run():
        _log(regression, "bare", rows)


@pytest.fixture
def register() -> Any:
    """Fit a small pipeline on rows and their labels, log it, and register it by a name."""

    def build(name: str, rows: pd.DataFrame, labels: Any, *, strength: float = 1.0) -> None:
        final = LogisticRegression(C=strength, max_iter=500)
        model = _pipeline(final) if "job" in rows else final
        with mlflow.start_run(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _log(model.fit(rows, labels), name, rows, input_example=rows.head(12))

    return build


@pytest.fixture
def lime(store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The command line in an empty folder, with a journal of its own."""
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    monkeypatch.setenv("MLFLOW_LIME_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLFLOW_LIME_CONFIG", raising=False)
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    mlflow.set_tracking_uri(store.uri)
    mlflow.set_registry_uri("")  # the same store
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)

    def run(*arguments: str) -> Result:
        result = CliRunner(**APART).invoke(main, [str(item) for item in arguments])
        if APART:
            result.__class__ = AllSaid
        return result

    yield run
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])


@pytest.fixture
def model(store: Any, lime: Any, people: pd.DataFrame, request: pytest.FixtureRequest) -> str:
    """A registered model of this test's own, with data but without a reference set."""
    name = f"own-{abs(hash(request.node.nodeid)) % 10**8}"
    rows = people.drop(columns="label")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with mlflow.start_run(experiment_id=store.experiment):
            fitted = _pipeline(LogisticRegression(max_iter=500)).fit(rows, people["label"])
            logged = mlflow.data.from_pandas(rows, source=str(store.folder / "rows.csv"))
            mlflow.log_input(logged, context="training")
            _log(fitted, name, rows, signature=infer_signature(rows, fitted.predict(rows)))
    return f"models:/{name}/1"


@pytest.fixture
def environment(store: Any, tmp_path: Path) -> dict[str, str]:
    """What a process of its own needs to ask the same store."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    return {
        **inherited,
        "PATH": path,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "MLFLOW_TRACKING_URI": store.uri,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_LIME_HOME": str(tmp_path / "home"),
    }
