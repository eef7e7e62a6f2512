"""Time and memory of comparing two versions of 1,000 instances and 200 features from artifacts.

The explanations are made up, but stored as reviews store them, in a store on sqlite; each
comparison runs in a process of its own, whose memory before reading is subtracted.

Run ``python benchmarks/compare_speed.py [--instances N] [--features N]``.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

REPEATS = 5
CHILD = """
import json, resource, sys, time
import mlflow
from mlflow_lime.config import Config
import mlflow_lime.tracking.comparison as comparison
mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_registry_uri(sys.argv[1])
comparison.MlflowClient().search_experiments()
before = resource.getrusage(resource.RUSAGE_SELF)
start = time.perf_counter()
found = comparison.compare_versions(f"runs:/{sys.argv[3]}", f"runs:/{sys.argv[2]}", Config(),
                                    log=sys.argv[4] == "log")
wall = time.perf_counter() - start
after = resource.getrusage(resource.RUSAGE_SELF)
cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print(json.dumps({"wall": wall, "cpu": cpu, "mb": (after.ru_maxrss - before.ru_maxrss) / 1024,
                  "compared": len(found.drift.compared)}))
"""


def store(folder: Path, instances: int, features: int) -> tuple[str, list[str]]:
    """Write two reviews, and return the store and the runs."""
    from mlflow import MlflowClient

    from mlflow_lime import names
    from mlflow_lime.report.jsonlines import explanations_json

    uri = f"sqlite:///{folder / 'store.db'}"
    client = MlflowClient(uri, uri)
    experiment = client.create_experiment("speed", artifact_location=str(folder / "artifacts"))
    runs = []
    for shift in (0.0, 0.02):
        run = client.create_run(experiment, tags={names.TAG_STATUS: "completed"})
        made = explanations(instances, features, shift)
        local = folder / "lime"
        local.mkdir(exist_ok=True)
        (local / "explanations.jsonl").write_text(explanations_json(made))
        client.log_artifact(run.info.run_id, str(local / "explanations.jsonl"), "lime")
        runs.append(run.info.run_id)
    return uri, runs


def explanations(instances: int, features: int, shift: float) -> list:
    from mlflow_lime.core.explanation import Explanation, LabelExplanation

    random = np.random.default_rng(0)
    labels = tuple(f"feature {j}" for j in range(features))
    found = []
    for i in range(instances):
        weights = random.normal(size=features) / 10
        noise = random.normal(size=(4, features)) / 100
        weights[0] += shift * 10
        error = noise.std(axis=0)
        label = LabelExplanation(
            label="1", index=1, weights=weights, std_errors=error, low=weights - 3 * error,
            high=weights + 3 * error, replicate_weights=weights + noise, intercept=0.4,
            prediction=0.7, surrogate_prediction=0.69, fidelity_r2=0.6, error=0.05,
            output_std=0.2, decision_agreement=0.9, stability_topk=0.8, sign_agreement=1.0,
            flat=False, partial_r2=0.7,
        )  # fmt: skip
        found.append(
            Explanation(
                key=f"{i:02d} #{i:06x}", mode="classification", class_names=("0", "1"),
                scores=np.array([0.3, 0.7]), parts=tuple(f"{name} = 1.5" for name in labels),
                names=labels, labels=(label,), ess_share=1.0, rows=1024, rows_predicted=1024,
                converged=True, exact=False, seed=0, digest=f"{i:032x}",
                recipe={"domain": "tabular"},
            )
        )  # fmt: skip
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=1000)
    parser.add_argument("--features", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        uri, runs = store(Path(name), options.instances, options.features)
        print("| what | wall s | CPU s | MB above the start | compared |\n|---|---|---|---|---|")
        for what in ("compare", "log"):
            found = [measure(uri, runs, what) for _ in range(REPEATS)]
            middle = {key: statistics.median(item[key] for item in found) for key in found[0]}
            said = "compare and log" if what == "log" else "compare"
            print(
                f"| {said} | {middle['wall']:.2f} | {middle['cpu']:.2f} | {middle['mb']:.0f} | "
                f"{middle['compared']:.0f} |",
                flush=True,
            )


def measure(uri: str, runs: list[str], what: str) -> dict[str, float]:
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "OMP_NUM_THREADS": "1"}
    answer = subprocess.run(
        [sys.executable, "-c", CHILD, uri, *runs, what],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(answer.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
