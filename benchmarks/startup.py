"""From the shell to the result: the wall and CPU seconds of each command, and of what it needs.

Three versions of a logistic regression on breast cancer in a new SQLite store. ``import mlflow``
and "MLflow's own part" (import it, open the store, load the model, log one file to a run) tell what
nobody who explains a model with MLflow can save. The commands take turns in every repeat.

Run ``OMP_NUM_THREADS=1 python benchmarks/startup.py [--repeats 3] [--skops]``. With ``--skops`` the
model is logged in the format that newer versions of MLflow take by default; reading it imports all
of scikit-learn, and torch where that is installed.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from workloads import verdict

LOGGED = """
import sys, mlflow
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
import mlflow_lime
folder, kind = sys.argv[1:]
mlflow.set_experiment(
    experiment_id=mlflow.create_experiment("b", artifact_location=f"{folder}/artifacts"))
X, y = load_breast_cancer(return_X_y=True, as_frame=True)
for strength in (1.0, 0.1, 0.01):
    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength)).fit(X, y)
    format = {"serialization_format": kind}
    with mlflow.start_run():
        mlflow.sklearn.log_model(
            model, name="model", registered_model_name="m", input_example=X.head(200),
            pip_requirements=["scikit-learn"], **format)
"""
OWN_PART = """
import mlflow
client = mlflow.MlflowClient()
client.get_model_version("m", "1")
mlflow.pyfunc.load_model("models:/m/1")
run = client.create_run("1")
client.log_text(run.info.run_id, "x", "x.txt")
"""
LIME = [sys.executable, "-m", "mlflow_lime"]
TIMED: dict[str, tuple[list[str], float | None]] = {
    "python -c pass": ([sys.executable, "-c", "pass"], None),
    "import mlflow_lime": ([sys.executable, "-c", "import mlflow_lime"], 0.1),
    "--help": ([*LIME, "--help"], 0.4),
    "import mlflow": ([sys.executable, "-c", "import mlflow"], None),
    "MLflow's own part": ([sys.executable, "-c", OWN_PART], None),
    "explain (first time)": ([*LIME, "explain", "models:/m/3"], 6.0),
    "explain (done already)": ([*LIME, "explain", "models:/m/1"], None),
    "validate": ([*LIME, "validate", "models:/m/1"], None),
    "compare": ([*LIME, "compare", "models:/m/2"], None),
    "check": ([*LIME, "check", "models:/m/2"], None),
    "gate": ([*LIME, "gate", "models:/m/2"], None),
    "report": ([*LIME, "report", "models:/m/2"], None),
    "doctor": ([*LIME, "doctor"], None),
}
"""Command, and most wall seconds beyond those of an empty Python where it is an import."""


def seconds(command: list[str], folder: Path) -> tuple[float, float]:
    """Return wall and CPU seconds of a process; its output is dropped."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if any(word in done.stderr for word in ("Traceback", "Usage:", "Error:")):
        raise SystemExit(f"{command} ended with {done.returncode}: {done.stderr[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu


def prepared(folder: Path, kind: str) -> None:
    """Make a store with three versions, the first two of them explained."""
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder / 'store.db'}"
    os.environ["MLFLOW_LIME_HOME"] = str(folder / "home")
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    seconds([sys.executable, "-c", LOGGED, str(folder), kind], folder)
    for version in (1, 2):
        seconds([*LIME, "explain", f"models:/m/{version}"], folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--skops", action="store_true", help="the model in skops' format")
    options = parser.parse_args()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in TIMED}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepared(folder, "skops" if options.skops else "cloudpickle")
        shutil.copy(folder / "store.db", folder / "kept.db")
        for _ in range(options.repeats):
            for what, (command, _) in TIMED.items():
                shutil.copy(folder / "kept.db", folder / "store.db")
                found[what].append(seconds(command, folder))
    empty = median(wall for wall, _ in found["python -c pass"])
    print(f"seconds, medians of {options.repeats} interleaved repeats")
    print(f"{'':24s}{'wall':>7s}{'CPU':>7s}  target")
    for what, (_, most) in TIMED.items():
        wall, cpu = (median(column) for column in zip(*found[what], strict=True))
        own = wall - empty if what == "import mlflow_lime" else wall
        target = "" if most is None else f"<= {most:g} {verdict(own <= most)}"
        print(f"{what:24s}{wall:7.2f}{cpu:7.2f}  {target}")


if __name__ == "__main__":
    main()
