"""A tracking server, processes that register versions on it, and processes that explain them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from tests.servers import MlflowServer

__all__ = ["Fleet", "wait_for"]

ROOT = Path(__file__).parents[2]
WEBHOOKS = {
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": "f_2tqA1kqV2mMzqvXcYjP1t3lY0R6eYJc2vZpW5Kx9E=",
}
"""What a server needs so that it delivers webhooks to loopback; the key is for tests alone."""

_LOGGER = """
import sys, warnings
warnings.simplefilter("ignore")
import mlflow, mlflow.sklearn, pandas as pd
from sklearn.linear_model import LogisticRegression
frame = pd.read_parquet(sys.argv[1])
mlflow.set_experiment("fleet")
with mlflow.start_run():
    info = mlflow.sklearn.log_model(
        LogisticRegression().fit(frame.drop(columns="target"), frame["target"]),
        name="model", serialization_format="cloudpickle", pip_requirements=["mlflow"])
print(info.model_uri)
"""


def wait_for(true: Callable[[], Any], seconds: float, what: str) -> None:
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            raise AssertionError(f"waited {seconds:g} s for {what}")
        time.sleep(0.25)


@dataclass
class Fleet:
    """Everything around one server.

    Processes that it starts are stopped by `stop`.
    """

    folder: Path
    server: MlflowServer
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    source: str = ""

    def prepare(self, **changes: Any) -> "Fleet":
        """Log the model whose versions are registered, and write the configuration."""
        random = np.random.default_rng(5)
        frame = pd.DataFrame(random.normal(size=(60, 4)).round(3), columns=list("abcd"))
        frame["target"] = (frame["a"] + frame["b"] > 0).astype(int)
        frame.to_parquet(self.folder / "data.parquet", index=False)
        config = {
            "models": ["credit-*"],
            "data": {"source": "data.parquet", "target": "target"},
            "reference": {"count": 3},
            "sampling": {"rows": 32, "max_rows": 32},
            "outputs": {"pictures": False},
            "registration": {"retry_seconds": 1},
            **changes,
        }
        (self.folder / "lime.yaml").write_text(yaml.safe_dump(config))
        said = subprocess.run(
            [sys.executable, "-c", _LOGGER, str(self.folder / "data.parquet")],
            env=self.environment(),
            cwd=self.folder,
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        )
        self.source = next(s for s in said.stdout.splitlines() if s.startswith("models:/"))
        return self

    def environment(self, **more: str) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
        return {
            **inherited,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
            "MLFLOW_TRACKING_URI": self.server.uri,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_LIME_HOME": str(self.folder / "home"),
            "MLFLOW_LIME_QUEUE": str(self.folder / "home" / "queue.db"),
            "MLFLOW_LIME_WEBHOOK_SECRET": "a-secret-for-tests-alone",
            **self.server.user,
            **more,
        }

    # Processes

    def register(
        self, ways: Sequence[str], count: int, names: Sequence[str], **more: str
    ) -> list["subprocess.Popen[bytes]"]:
        """Start a process for each way, which registers `count` versions of the models in turn."""
        started = []
        for number, way in enumerate(ways):
            command = [sys.executable, str(ROOT / "tests/registration/registrar.py"), way]
            command += [str(count), self.source, *names]
            started.append(self._start(f"registrar-{number}", command, self.environment(**more)))
        return started

    def lime(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a command of ours; what it says goes to ``COMMAND.log``."""
        command = [sys.executable, "-m", "mlflow_lime", *arguments]
        return self._start(arguments[0], command, self.environment())

    def serve(self, *arguments: str, webhook: bool = True) -> "subprocess.Popen[bytes]":
        """Start the receiver, and register it with the server."""
        if not hasattr(self, "receiver_port"):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.receiver_port = int(probe.getsockname()[1])
        port = str(self.receiver_port)
        process = self.lime("serve", "-c", "lime.yaml", "--port", port, *arguments)
        wait_for(self.receiver_listens, 120, "the receiver")
        if webhook:
            self.create_webhook()
        return process

    def create_webhook(self) -> None:
        url = f"http://127.0.0.1:{self.receiver_port}/webhook"
        created = self.lime("webhook", "create", url)
        assert created.wait(timeout=120) == 0, self.log("webhook")

    def receiver_listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.receiver_port)) == 0

    def _start(
        self, name: str, command: list[str], environment: dict[str, str]
    ) -> "subprocess.Popen[bytes]":
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log
            )
        self.processes.append(process)
        return process

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-4000:]

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    # What came of it

    @property
    def client(self) -> Any:
        from mlflow import MlflowClient

        os.environ.update(self.server.user)
        return MlflowClient(self.server.uri, self.server.uri)

    def versions(self) -> list[str]:
        """Return ``name/version`` of everything that is registered."""
        found, token = [], None
        while True:
            page = self.client.search_model_versions(max_results=500, page_token=token)
            found += [f"{version.name}/{version.version}" for version in page]
            token = page.token
            if not token:
                return sorted(found)

    def reviews(self) -> list[Any]:
        """Return every review run."""
        client = self.client
        experiments = [e.experiment_id for e in client.search_experiments()]
        found, token = [], None
        while True:
            page = client.search_runs(
                experiments,
                filter_string="tags.`lime.status` != ''",
                max_results=500,
                page_token=token,
            )
            found += page
            token = page.token
            if not token:
                return found

    def completed(self) -> int:
        return sum(run.data.tags["lime.status"] == "completed" for run in self.reviews())

    def check(self, count: int) -> None:
        """Every version has one review, which is complete, and nothing was logged twice."""
        versions = self.versions()
        assert len(versions) == count
        runs = self.reviews()
        explained = Counter(run.data.tags["lime.identity"].partition("@")[0] for run in runs)
        assert sorted(explained) == versions
        assert set(explained.values()) == {1}
        assert {run.data.tags["lime.status"] for run in runs} == {"completed"}
        assert {run.info.status for run in runs} == {"FINISHED"}
        self._check_reference_sets(runs)
        for run in runs:
            self._check_run(run)

    def _check_reference_sets(self, runs: Sequence[Any]) -> None:
        """The versions of a model share the set that the model pins."""
        client = self.client
        pinned = {
            model.name: model.tags["lime.reference"].partition("@")[0]
            for model in client.search_registered_models(max_results=1000)
            if model.latest_versions
        }
        for run in runs:
            label, _, digests = run.data.tags["lime.identity"].partition("@")
            assert digests.rpartition("/")[2] == pinned[label.rpartition("/")[0]]

    def _check_run(self, run: Any) -> None:
        client = self.client
        for metric in run.data.metrics:
            assert len(client.get_metric_history(run.info.run_id, metric)) == 1, metric
        assert run.data.metrics["lime/instances"] == 3
        names = {file.path for file in client.list_artifacts(run.info.run_id, "lime")}
        assert {"lime/explanations.jsonl", "lime/weights.json", "lime/config.yaml"} <= names
