"""Time at equal rows: 20 instances of 5000 rows each on the breast cancer data.

Total over predict: the whole explanation over the model's own time for the same rows, in the same
calls; "5000 a call" is the total over the model's time in calls of one instance each, as ``lime``
makes them. Lime over ours: the same instances and rows with ``lime`` (ten features, all defaults).
Every repeat runs all of them in turn; ratios are medians over repeats of CPU and of wall time.

Run ``python benchmarks/speed.py [--quick] [--shap]``.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from workloads import Ours, Workload, interleaved, median_ratio, once, verdict, workload

N_ROWS, N_INSTANCES = 5000, 20
CASES: list[tuple[str, float | None, float | None]] = [
    ("logistic", None, 10.0),
    ("forest", 1.25, 3.0),
    ("forest 500", 1.08, None),
    ("boosting", None, None),
    ("mlp", None, None),
]
"""Model, most total over predict, least lime over ours."""


def recorded(explainer: Any, rows: Any) -> list[Any]:
    """Return the inputs of the calls that explaining makes, once it knows the best size."""
    for _ in range(3):
        explainer.explain(rows)
    calls: list[Any] = []
    predict = explainer.predictor.predict
    explainer.predictor.predict = lambda inputs: calls.append(inputs.copy()) or predict(inputs)
    explainer.explain(rows)
    explainer.predictor.predict = predict
    return calls


def tasks(work: Workload, rows: Any) -> dict[str, Callable[[], Any]]:
    from lime.lime_tabular import LimeTabularExplainer

    explainer = Ours(work).explainer(once(N_ROWS))
    calls = recorded(explainer, rows)
    inputs = np.concatenate(calls)
    pieces = [inputs[i : i + N_ROWS] for i in range(0, len(inputs), N_ROWS)]
    lime = LimeTabularExplainer(work.train, random_state=0)

    def reference() -> None:
        for row in rows:
            lime.explain_instance(row, work.predict, num_features=10, num_samples=N_ROWS)

    return {
        "ours": lambda: explainer.explain(rows),
        "same calls": lambda: [work.predict(call) for call in calls],
        "5000 a call": lambda: [work.predict(piece) for piece in pieces],
        "lime": reference,
    }


def judged(value: float, most: float | None = None, least: float | None = None) -> str:
    if most is not None:
        return f"(<= {most:g}) {verdict(value <= most)}"
    if least is not None:
        return f"(>= {least:g}) {verdict(value >= least)}"
    return ""


def against_shap(work: Workload, rows: Any) -> None:
    """Print what other explainers take, for information."""
    import shap

    background = work.train[:100]
    kernel = shap.KernelExplainer(work.one, shap.kmeans(work.train, 10))
    permutation = shap.PermutationExplainer(work.one, background)
    ours = Ours(work).explainer(once(1024))
    runs: dict[str, Callable[[], Any]] = {
        "ours, 1024 rows": lambda: ours.explain(rows),
        "shap Kernel, 10 means": lambda: kernel.shap_values(rows, silent=True),
        "shap Permutation, 100 rows": lambda: permutation(rows),
    }
    print(f"\n{work.name}: CPU ms an instance, for information")
    for name, run in runs.items():
        started = time.process_time()
        run()
        print(f"  {name:28s} {1e3 * (time.process_time() - started) / len(rows):8.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats, no forest of 500")
    parser.add_argument("--shap", action="store_true", help="also shap, for information")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    repeats = 3 if options.quick else 11
    print(f"{N_INSTANCES} instances of {N_ROWS} rows, medians of {repeats} interleaved repeats")
    print(f"{'':14s} {'':>5s} {'ms an instance: ours':>21s} {'predict':>8s} {'lime':>7s}  ratios")
    for model, most, least in CASES:
        if options.quick and model == "forest 500":
            continue
        work = workload("cancer", model)
        rows = work.rows[:N_INSTANCES]
        found = interleaved(tasks(work, rows), repeats)
        for kind, name in enumerate(("CPU", "wall")):
            seconds = {task: times[kind] for task, times in found.items()}
            ms = {task: 1e3 * np.median(s) / N_INSTANCES for task, s in seconds.items()}
            total = median_ratio(seconds["ours"], seconds["same calls"])
            apart = median_ratio(seconds["ours"], seconds["5000 a call"])
            lime = median_ratio(seconds["lime"], seconds["ours"])
            wanted = least if name == "CPU" else None
            print(
                f"{model:14s} {name:>5s} {ms['ours']:21.2f} {ms['same calls']:8.2f} "
                f"{ms['lime']:7.2f}  total / predict {total:5.2f} {judged(total, most=most):15s} "
                f"5000 a call {apart:5.2f}  lime / ours {lime:5.1f} {judged(lime, least=wanted)}",
                flush=True,
            )
    if options.shap:
        work = workload("cancer", "forest")
        against_shap(work, work.rows[:N_INSTANCES])


if __name__ == "__main__":
    main()
