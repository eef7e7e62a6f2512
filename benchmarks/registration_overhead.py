"""What `autolog` costs a registration: off and on in turns, in one process, medians in ms.

    python benchmarks/registration_overhead.py [--rounds 20] [--server] [--work]

Each round registers ten versions in a row without autolog and ten with it in the background, in
random order, so that both see the same machine; before each ten, whatever autolog has still to hand
over is waited for, so that its cost falls on its own registrations. The first round is left out as
MLflow's own warm-up.
Without --work, a stand-in takes the place of the worker, so that the cost is that of autolog alone;
with it, the real worker explains meanwhile, on the same cores.
"""

import argparse
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from sklearn.linear_model import LogisticRegression

import mlflow_lime
from mlflow_lime.registration import autolog as background
from mlflow_lime.registration import own_worker
from mlflow_lime.registration.ledger import Ledger
from mlflow_lime.registration.queue import queue_path
from mlflow_lime.tracking.connection import store_label

IN_A_ROW = 10
TARGET_MS = 5.0


def logged_model(folder: Path) -> tuple[str, str, dict]:
    generator = np.random.default_rng(5)
    frame = pd.DataFrame(generator.normal(size=(60, 4)).round(3), columns=list("abcd"))
    target = (frame["a"] + frame["b"] > 0).astype(int)
    frame.assign(target=target).to_parquet(folder / "data.parquet", index=False)
    experiment = mlflow.create_experiment("b", artifact_location=str(folder / "artifacts"))
    with mlflow.start_run(experiment_id=experiment) as run:
        info = mlflow.sklearn.log_model(
            LogisticRegression().fit(frame, target),
            name="model",
            serialization_format="cloudpickle",
            pip_requirements=["mlflow"],
        )
    config = {
        "data": {"source": str(folder / "data.parquet"), "target": "target"},
        "reference": {"count": 4},
        "sampling": {"rows": 32, "max_rows": 32},
        "outputs": {"pictures": False},
        "registration": {"wait_seconds": 0},
    }
    return info.model_uri, run.info.run_id, config


@contextmanager
def store(folder: Path, server: bool) -> Iterator[str]:
    """Yield the URI of a database, or of a server on loopback in front of it."""
    uri = f"sqlite:///{folder / 'store.db'}"
    MlflowClient(uri).search_experiments()
    if not server:
        yield uri
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--backend-store-uri", uri, "--port", str(port), "--workers", "1"]
    with open(folder / "server.log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *options],
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        while True:
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def measure(rounds: int, source: str, run_id: str, config: dict) -> dict[str, list[float]]:
    client, model_id = MlflowClient(), source.removeprefix("models:/")
    client.create_registered_model("credit")
    took: dict[str, list[float]] = {"off": [], "background": []}
    handed_over = 0
    for turn in range(rounds + 1):
        modes = list(took)
        random.shuffle(modes)
        for mode in modes:
            on = mode == "background"
            mlflow_lime.autolog(config, disable=not on)
            for _ in range(IN_A_ROW):
                started = time.perf_counter()
                client.create_model_version("credit", source, run_id=run_id, model_id=model_id)
                if turn:
                    took[mode].append((time.perf_counter() - started) * 1000)
            handed_over += IN_A_ROW * on
            wait_until_queued(handed_over)
    return took


def wait_until_queued(count: int) -> None:
    """Wait until autolog has nothing left to hand over."""
    store = store_label()
    while count:
        ledger = Ledger(queue_path(store), store)
        found = sum(ledger.counts().values())
        ledger.close()
        if found >= count:
            return
        time.sleep(0.02)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--server", action="store_true")
    parser.add_argument("--work", action="store_true")
    options = parser.parse_args()
    if not options.work:
        own_worker.worker_command = lambda path: [
            sys.executable,
            "-c",
            "import time; time.sleep(600)",
        ]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        os.environ["MLFLOW_LIME_HOME"] = str(folder / "home")
        with store(folder, options.server) as uri:
            mlflow.set_tracking_uri(uri)
            took = measure(options.rounds, *logged_model(folder))
        off, on = (statistics.median(took[mode]) for mode in ("off", "background"))
        late = {mode: sorted(times)[int(len(times) * 0.95)] for mode, times in took.items()}
        where = "server on loopback" if options.server else "sqlite"
        work = "real worker at work" if options.work else "no worker at work"
        print(f"{where}, {work}, {options.rounds} rounds of {IN_A_ROW}")
        print(f"  median  off {off:.2f} ms  background {on:.2f} ms")
        print(f"  p95     off {late['off']:.2f} ms  background {late['background']:.2f} ms")
        verdict = "ok" if on - off <= TARGET_MS else "TOO MUCH"
        print(
            f"  ratio {on / off:.3f}  difference {on - off:+.2f} ms  (target {TARGET_MS}) {verdict}"
        )
        background._BACKGROUND.finish()
        for note in (folder / "home" / "queues").glob("*.worker"):
            os.kill(int(note.read_text().strip("[]").partition(",")[0]), signal.SIGTERM)


if __name__ == "__main__":
    main()
