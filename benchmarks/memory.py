"""Peak memory of explaining 1,000 instances of a model with 200 features.

Each model runs in a process of its own, which trains nothing: it loads the model and the data,
predicts 16,384 rows once, takes its resident memory as the model's own, and explains. The peak is
the kernel's high-water mark (``VmHWM``, Linux only), reset before the explaining. The explanations
are all kept, as a caller of ``explain`` would.

Run ``python benchmarks/memory.py [--quick]``.
"""

import argparse
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from workloads import CLASSIFIERS, verdict, workload

MOST_MB = 500.0
N_INSTANCES = 1000


def resident_mb(field: str) -> float:
    """Return a line of /proc/self/status: VmRSS, or VmHWM, its peak."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    msg = f"no {field} in /proc/self/status"
    raise OSError(msg)


def explain(path: str, n_instances: int) -> None:
    """Print the memory before, the peak above it, rows asked for, and seconds."""
    from mlflow_lime.explainers import TabularExplainer

    model, train, rows = pickle.loads(Path(path).read_bytes())
    explainer = TabularExplainer(train, model.predict_proba)
    instances = np.resize(rows, (n_instances, rows.shape[1]))
    model.predict_proba(np.resize(rows, (16_384, rows.shape[1])))
    Path("/proc/self/clear_refs").write_text("5")
    before, started = resident_mb("VmRSS"), time.perf_counter()
    outcomes = explainer.explain(instances)
    seconds, peak = time.perf_counter() - started, resident_mb("VmHWM")
    kept = sum(len(pickle.dumps(outcome)) for outcome in outcomes) / 2**20
    print(before, peak - before, kept, explainer.predictor.counter.rows, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 instances, logistic regression")
    parser.add_argument("--child", nargs=2, metavar=("PATH", "N"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        explain(options.child[0], int(options.child[1]))
        return
    n_instances = 100 if options.quick else N_INSTANCES
    print(f"{n_instances} instances, 200 features, everything by default; target <= {MOST_MB:g} MB")
    print(
        f"{'':10s} {'model MB':>9s} {'peak above':>11s} {'explanations':>13s} {'rows':>10s} "
        f"{'s':>6s}"
    )
    for name in ("logistic",) if options.quick else ("logistic", "boosting"):
        work = workload("wide", name)
        model = CLASSIFIERS[name]().fit(work.train, work.predict(work.train).argmax(axis=1))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.pkl"
            path.write_bytes(pickle.dumps((model, work.train, work.rows)))
            command = [sys.executable, __file__, "--child", str(path), str(n_instances)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        before, above, kept, rows, seconds = map(float, done.stdout.split())
        print(
            f"{name:10s} {before:9.0f} {above:11.0f} {kept:13.0f} {rows:10.0f} {seconds:6.0f}  "
            f"{verdict(above <= MOST_MB)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
