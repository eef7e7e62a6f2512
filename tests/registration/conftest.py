"""A real store on sqlite with one logged model, and a queue for its versions."""

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"

import numpy as np
import pandas as pd
import pytest
import yaml

with warnings.catch_warnings():
    # MLflow warns about type hints and deprecations of its own when it is imported.
    warnings.simplefilter("ignore")
    import mlflow
    import mlflow.pyfunc
    import mlflow.sklearn
    from mlflow import MlflowClient

from sklearn.linear_model import LogisticRegression

from mlflow_lime.registration.plans import Plans, read_plans
from mlflow_lime.registration.queue import JobQueue, queue_path
from mlflow_lime.tracking.connection import store_label

ROOT = Path(__file__).parents[2]
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


class Shelf:
    """A store, a model that was logged into it, and what explains its versions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uri = f"sqlite:///{folder / 'store.db'}"
        self.home = folder / "home"
        self.config: dict[str, Any] = {
            "models": ["credit-*"],
            "data": {"source": str(folder / "data.parquet"), "target": "target"},
            "reference": {"count": 4},
            "sampling": {"rows": 32, "max_rows": 32},
            "outputs": {"pictures": False},
        }

    def fill(self) -> None:
        """Make the store, the data, and the model."""
        random = np.random.default_rng(5)
        frame = pd.DataFrame(random.normal(size=(60, 4)).round(3), columns=list("abcd"))
        target = (frame["a"] + frame["b"] > 0).astype(int)
        frame.assign(target=target).to_parquet(self.folder / "data.parquet", index=False)
        experiment = self.client.create_experiment(
            "shelf", artifact_location=str(self.folder / "artifacts")
        )
        mlflow.set_experiment(experiment_id=experiment)
        with mlflow.start_run() as run:
            self.run_id = run.info.run_id
            self.source = mlflow.sklearn.log_model(
                LogisticRegression().fit(frame, target),
                name="model",
                serialization_format="cloudpickle",
                pip_requirements=["mlflow"],
            ).model_uri

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.uri, self.uri)

    def register(
        self,
        name: str,
        count: int = 1,
        source: str | None = None,
        run_id: str | None = None,
    ) -> list[str]:
        """Register versions of the model, and return their numbers."""
        client = self.client
        if not client.search_registered_models(f"name='{name}'"):
            client.create_registered_model(name)
        versions = [
            client.create_model_version(name, source or self.source, run_id=run_id or self.run_id)
            for _ in range(count)
        ]
        return [str(version.version) for version in versions]

    def write_config(self, **changes: Any) -> Path:
        """Write the configuration, with some sections changed, and return the file."""
        path = self.folder / f"lime-{len(list(self.folder.glob('lime-*.yaml')))}.yaml"
        sections = {
            key: changes.get(key, self.config.get(key)) for key in {**self.config, **changes}
        }
        path.write_text(yaml.safe_dump(sections))
        return path

    def plans(self, **changes: Any) -> Plans:
        return read_plans([self.write_config(**changes)])

    def queue(self) -> JobQueue:
        store = store_label()
        return JobQueue(queue_path(store), store)

    def environment(self) -> dict[str, str]:
        """What a process of its own needs to ask the same store."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
        return {
            **inherited,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_LIME_HOME": str(self.home),
        }

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start the command line in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "mlflow_lime", *arguments],
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def lime(self, *arguments: str, seconds: float = 120) -> str:
        """Run the command line in a process of its own, and return what it says."""
        process = self.start(*arguments)
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return said

    def reviews(self, name: str) -> dict[str, list[Any]]:
        """Return the review runs of each version of a model."""
        client = self.client
        found = client.search_runs(
            [experiment.experiment_id for experiment in client.search_experiments()],
            filter_string="tags.`lime.status` != ''",
            max_results=5000,
        )
        reviews: dict[str, list[Any]] = {}
        for run in found:
            label = run.data.tags.get("lime.identity", "").partition("@")[0]
            if label.startswith(f"{name}/"):
                reviews.setdefault(label.rpartition("/")[2], []).append(run)
        return reviews


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    shelf = Shelf(tmp_path_factory.mktemp("shelf"))
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    mlflow.set_tracking_uri(shelf.uri)
    mlflow.set_registry_uri(shelf.uri)
    shelf.fill()
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])
    return shelf


@pytest.fixture
def shelf(filled: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """The store, chosen in this process, with a home and a queue of the test's own."""
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    mlflow.set_tracking_uri(filled.uri)
    mlflow.set_registry_uri("")  # the same store
    for name in ("MLFLOW_REGISTRY_URI", "MLFLOW_RUN_ID", "MLFLOW_LIME_CONFIG", "MLFLOW_LIME_QUEUE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(filled, "home", tmp_path / "home")
    monkeypatch.setenv("MLFLOW_LIME_HOME", str(filled.home))
    yield filled
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A registered model of the test's own, which the pattern of the shelf names."""
    return f"credit-{abs(hash(request.node.nodeid)) % 10**12}"
