"""A real MLflow store on sqlite, made once, and models logged into it."""

import os
import sys
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
from mlflow.utils.file_utils import local_file_uri_to_path
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

with warnings.catch_warnings():
    # MLflow warns about type hints of its own when this is imported.
    warnings.simplefilter("ignore")
    import mlflow.pyfunc


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


@pytest.fixture(scope="module")
def pipeline(table: pd.DataFrame, target: np.ndarray) -> Any:
    columns = make_column_transformer(
        (StandardScaler(), ["income", "age"]), (OneHotEncoder(), ["job"]), remainder="passthrough"
    )
    return make_pipeline(columns, LogisticRegression()).fit(table, target)


@pytest.fixture(scope="module")
def numbers(table: pd.DataFrame) -> pd.DataFrame:
    return table[["income", "age"]]


@pytest.fixture(scope="module")
def pieces(table: pd.DataFrame) -> np.ndarray:
    """Three classes with names."""
    return np.array(["low", "middle", "high"])[np.digitize(table["income"], [35, 45])]


@pytest.fixture
def model(table: pd.DataFrame, target: np.ndarray) -> Any:
    """Log a model with or without an input example, and return its reference."""
    from mlflow_lime.tracking.versions import resolve_model

    def build(example: Any = None, **options: Any) -> Any:
        fitted = LogisticRegression().fit(table[["income", "age"]], target)
        info = logged(
            mlflow.sklearn,
            fitted,
            input_example=example,
            serialization_format="cloudpickle",
            **options,
        )
        return resolve_model(info.model_uri)

    return build


@pytest.fixture
def signature(table: pd.DataFrame) -> Any:
    return infer_signature(table, np.array([0, 1]))


@pytest.fixture(autouse=True)
def lime_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Journals in a folder of the test's own, and no run given from outside."""
    home = tmp_path / "lime-home"
    monkeypatch.setenv("MLFLOW_LIME_HOME", str(home))
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    return home


class Desk:
    """A registered model on a small table, with everything needed to explain its versions."""

    def __init__(self, folder: Path, name: str, frame: pd.DataFrame) -> None:
        self.folder = folder
        self.name = name
        self.frame = frame
        self.columns = [name for name in frame.columns if name not in ("target", "who")]
        self.data = folder / "data.parquet"
        frame.to_parquet(self.data, index=False)
        self.client = MlflowClient()

    def register(self, model: Any = None, *, target: Any = None, **options: Any) -> str:
        """Fit, log and register a version, and return its URI."""
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(max_iter=9999) if model is None else model
        model.fit(self.frame[self.columns], self.frame["target"] if target is None else target)
        options.setdefault("registered_model_name", self.name)
        options.setdefault("serialization_format", "cloudpickle")
        info = logged(mlflow.sklearn, model, **options)
        number = info.registered_model_version
        return info.model_uri if number is None else f"models:/{self.name}/{number}"

    def config(self, **changes: Any) -> Any:
        """Return a small configuration; sections are given as dicts."""
        from mlflow_lime.config import Config

        sections: dict[str, Any] = {
            "data": {"source": str(self.data), "target": "target", "id": "who"},
            "reference": {"count": 5},
            "sampling": {"rows": 32, "max_rows": 32},
            "outputs": {"pictures": False},
            "report": {"page": False, "compare": False, "description": False},
        }
        for key, value in changes.items():
            both = isinstance(value, dict) and key in sections
            sections[key] = {**sections[key], **value} if both else value
        config = Config.model_validate(sections)
        return config.in_folder(self.folder)

    def explain(self, uri: str, config: Any = None, **options: Any) -> Any:
        from mlflow_lime.tracking.review import review_version

        return review_version(uri, config or self.config(), **options)

    def runs(self) -> list[Any]:
        """Return the review runs of this model, oldest first."""
        found = self.client.search_runs(
            [e.experiment_id for e in self.client.search_experiments()],
            filter_string="tags.`lime.status` != ''",
            order_by=["attributes.start_time ASC"],
        )
        mine = f"{self.name}/"
        return [r for r in found if r.data.tags.get("lime.identity", "").startswith(mine)]

    def points(self, run_id: str) -> dict[str, int]:
        """Return how many points each of our metrics has in a run."""
        names = [key for key in self.client.get_run(run_id).data.metrics if key[:5] == "lime/"]
        return {name: len(self.client.get_metric_history(run_id, name)) for name in names}

    def artifacts(self, run_id: str, path: str | None = None) -> dict[str, bytes]:
        """Return every artifact of a run, by path; read from the disk that the store is on."""
        root = Path(local_file_uri_to_path(self.client.get_run(run_id).info.artifact_uri))
        files = (file for file in (root / (path or "")).rglob("*") if file.is_file())
        return {file.relative_to(root).as_posix(): file.read_bytes() for file in files}


@pytest.fixture
def desk(tmp_path: Path, request: pytest.FixtureRequest) -> Desk:
    """A desk with seven numeric columns, a binary target, and a column of names."""
    random = np.random.default_rng(11)
    values = {f"x{i}": random.normal(40, 10, 80).round(4) for i in range(7)}
    frame = pd.DataFrame(values)
    frame["target"] = (frame["x0"] + frame["x1"] / 2 > 60).astype(int)
    frame["who"] = [f"person-{i:02d}" for i in range(80)]
    name = f"credit-{abs(hash(request.node.nodeid)) % 10**12}"
    made = Desk(tmp_path, name, frame)
    made.columns = [f"x{i}" for i in range(7)]
    return made


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[pd.DataFrame]:
    """Everything that models are asked for while they are explained."""
    from mlflow_lime.tracking.scoring_function import ScoringFunction

    frames: list[pd.DataFrame] = []
    score = ScoringFunction.score

    def spy(self: ScoringFunction, inputs: Any) -> Any:
        frames.append(inputs.copy())
        return score(self, inputs)

    monkeypatch.setattr(ScoringFunction, "score", spy)
    return frames


@pytest.fixture
def hooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Modules with functions of the user's own in the current folder."""
    (tmp_path / "my_hooks.py").write_text(
        "import numpy as np\n"
        "def score(frame):\n"
        "    return np.tile([0.3, 0.7], (len(frame), 1))\n"
        "def with_model(frame, model):\n"
        "    return model.predict(frame) / 100\n"
        "number = 3\n"
    )
    (tmp_path / "broken_hooks.py").write_text("1 / 0\n")
    (tmp_path / "needy_hooks.py").write_text("import package_that_is_not_there\n")
    monkeypatch.chdir(tmp_path)
    yield
    for name in ("my_hooks", "broken_hooks", "needy_hooks"):
        sys.modules.pop(name, None)
