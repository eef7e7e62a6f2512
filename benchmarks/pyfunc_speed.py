"""Wide frames: a logistic regression through pyfunc, as it is, and by way of this package.

5000 rows of 30, 200, and 1000 columns; a model with a signature, logged with ``predict_proba``.
"Ours" casts the rows and then asks the model itself, once a block has proved that pyfunc gives the
same numbers; "ours, checked" goes through pyfunc, as it did before.

Run ``OMP_NUM_THREADS=1 python benchmarks/pyfunc_speed.py [--quick]``.
"""

import argparse
import logging
import os
import tempfile
import warnings
from pathlib import Path

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import mlflow
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from workloads import interleaved, median_ratio

from mlflow_lime.tracking.model import load_scoring_function

N_ROWS = 5000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    repeats = 5 if parser.parse_args().quick else 15
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    print(f"{N_ROWS} rows, CPU ms, medians of {repeats} interleaved repeats")
    print(f"{'columns':>8s}{'model':>9s}{'pyfunc':>9s}{'checked':>9s}{'ours':>9s}  checked / ours")
    generator = np.random.default_rng(0)
    for n_columns in (30, 200, 1000):
        values = generator.normal(size=(N_ROWS, n_columns))
        frame = pd.DataFrame(values, columns=[f"c{i}" for i in range(n_columns)])
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "model")
            mlflow.sklearn.save_model(
                LogisticRegression().fit(frame, frame["c0"] > 0),
                path,
                input_example=frame.head(5),
                pyfunc_predict_fn="predict_proba",
                serialization_format="cloudpickle",
                pip_requirements=["scikit-learn"],
            )
            model = mlflow.pyfunc.load_model(path)
            ours, checked = load_scoring_function(path), load_scoring_function(path)
        checked.call.proven = False
        raw = model.get_raw_model()
        tasks = {
            "model": lambda raw=raw, frame=frame: raw.predict_proba(frame),
            "pyfunc": lambda model=model, frame=frame: model.predict(frame),
            "checked": lambda checked=checked, frame=frame: checked(frame),
            "ours": lambda ours=ours, frame=frame: ours(frame),
        }
        found = {name: cpu for name, (cpu, _) in interleaved(tasks, repeats).items()}
        ms = "".join(f"{1e3 * np.median(seconds):9.1f}" for seconds in found.values())
        print(
            f"{n_columns:8d}{ms}  {median_ratio(found['checked'], found['ours']):.1f}", flush=True
        )


if __name__ == "__main__":
    main()
