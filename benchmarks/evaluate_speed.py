"""Explaining inside ``mlflow.models.evaluate``: MLflow's own SHAP plots against this package.

A forest of 100 trees on breast cancer, evaluated on the 143 rows that it was not trained on, and on
50 of them. MLflow's SHAP, by the permutation algorithm, explains every row of the data; this
package picks 50, and does everything that it does by default: explanations with intervals, metrics,
a picture of each instance, tables, the report. All ways take turns in one process. An evaluation
without explanations is measured too, and taken off both for the last figure.

Run ``OMP_NUM_THREADS=1 python benchmarks/evaluate_speed.py [--repeats 3]``; it needs ``shap``.
"""

import argparse
import logging
import os
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import mlflow
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from workloads import verdict

N_INSTANCES, TARGET = 50, 5.0

WAYS: dict[str, dict[str, Any]] = {
    "neither": {
        "evaluators": ["default"],
        "evaluator_config": {"default": {"log_model_explainability": False}},
    },
    "MLflow's SHAP": {
        "evaluators": ["default"],
        "evaluator_config": {
            "default": {
                "log_model_explainability": True,
                "explainability_algorithm": "permutation",
            }
        },
    },
    "mlflow-lime": {
        "evaluators": ["default", "lime"],
        "evaluator_config": {
            "default": {"log_model_explainability": False},
            "lime": {"reference": {"count": N_INSTANCES}},
        },
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    features, target = load_breast_cancer(return_X_y=True, as_frame=True)
    train, rows, known, truth = train_test_split(features, target, random_state=0)
    forest = RandomForestClassifier(100, random_state=0).fit(train, known)
    data = rows.assign(target=truth)
    with tempfile.TemporaryDirectory() as folder:
        mlflow.set_tracking_uri(f"sqlite:///{Path(folder) / 'store.db'}")
        mlflow.set_experiment(
            experiment_id=mlflow.create_experiment("b", artifact_location=f"{folder}/artifacts")
        )
        info = mlflow.sklearn.log_model(
            forest, name="model", input_example=train, serialization_format="cloudpickle"
        )
        evaluated("neither", info.model_uri, data)  # which imports what all of them need
        print(f"a forest of 100, medians of {options.repeats} interleaved repeats, seconds")
        for some in (data, data.head(N_INSTANCES)):
            seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
            for _ in range(options.repeats):
                for name in WAYS:
                    seconds[name].append(evaluated(name, info.model_uri, some))
            report(seconds, len(some))


def evaluated(name: str, model_uri: str, data: Any) -> tuple[float, float]:
    """Return CPU and wall seconds of an evaluation."""
    with mlflow.start_run() as run:
        cpu, wall = time.process_time(), time.perf_counter()
        mlflow.models.evaluate(
            model_uri, data, targets="target", model_type="classifier", **WAYS[name]
        )
        spent = time.process_time() - cpu, time.perf_counter() - wall
    files = {file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id)}
    made = {"MLflow's SHAP": any("shap" in file for file in files)}
    made["mlflow-lime"] = "lime_report.html" in files
    if not made.get(name, True):
        msg = f"{name} left no explanations, only {sorted(files)}"
        raise SystemExit(msg)
    return spent


def report(seconds: dict[str, list[tuple[float, float]]], n_rows: int) -> None:
    print(f"{n_rows:4d} rows" + "".join(f"{name:>16s}" for name in WAYS) + "   SHAP / mlflow-lime")
    for clock, i in (("CPU", 0), ("wall", 1)):
        took = {name: np.array([pair[i] for pair in pairs]) for name, pairs in seconds.items()}
        whole = np.median(took["MLflow's SHAP"] / took["mlflow-lime"])
        own = {name: spent - took["neither"] for name, spent in took.items()}
        net = np.median(own["MLflow's SHAP"] / own["mlflow-lime"])
        medians = "".join(f"{np.median(took[name]):16.2f}" for name in WAYS)
        target = f" (>= {TARGET:g}) {verdict(whole >= TARGET)}" if n_rows > N_INSTANCES else ""
        print(
            f"{clock:9s}{medians}   {whole:.1f}{target}; without the evaluation itself {net:.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
