"""What it takes to watch a registry of thousands of versions: sweeps and polls, in seconds.

    python benchmarks/watching.py [--models 50] [--versions 100] [--server]

The versions are written to the store directly, with a source that is never loaded; then a watcher
looks at them as ``mlflow-lime watch`` does: a first sweep, which queues them all, a sweep that
finds nothing new, and a poll that finds nothing new (median of five).
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import mlflow
from mlflow import MlflowClient
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

sys.path.insert(0, str(Path(__file__).parents[1]))

from mlflow_lime.config import Config
from mlflow_lime.registration.plans import Plan, Plans
from mlflow_lime.registration.queue import JobQueue
from mlflow_lime.registration.watch import Watcher
from tests.servers import MlflowServer


def seconds(work: Callable[[], int], expected: int) -> float:
    started = time.perf_counter()
    if work() != expected:
        raise SystemExit(f"expected {expected} new versions")
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=int, default=50)
    parser.add_argument("--versions", type=int, default=100)
    parser.add_argument("--server", action="store_true", help="through a server on loopback")
    options = parser.parse_args()
    count = options.models * options.versions
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        uri = f"sqlite:///{folder / 'store.db'}"
        MlflowClient(uri).search_experiments()
        store = SqlAlchemyStore(uri)
        for model in range(options.models):
            store.create_registered_model(f"credit-{model}")
            for _ in range(options.versions):
                store.create_model_version(f"credit-{model}", "s3://nowhere/model")
        server = MlflowServer(folder / "server", uri) if options.server else nullcontext()
        with server as started:
            mlflow.set_tracking_uri(started.uri if started else uri)
            queue = JobQueue(folder / "queue.db", "benchmark")
            watcher = Watcher(MlflowClient(), Plans([Plan(Config(models="credit-*"))]), queue)
            first = seconds(watcher.sweep, count)
            known = seconds(watcher.sweep, 0)
            poll = statistics.median(seconds(watcher.poll, 0) for _ in range(5))
            queue.close()
    where = "server on loopback" if options.server else "sqlite"
    print(f"{where}, {count:,} versions of {options.models} models")
    print(f"  first sweep {first:.2f} s   known sweep {known:.2f} s   poll {poll * 1000:.0f} ms")


if __name__ == "__main__":
    main()
