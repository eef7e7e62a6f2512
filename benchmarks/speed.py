"""Time at equal rows: 100 instances of 5000 rows each, in one call, on the breast cancer data.

Total over predict: the whole explanation over the model's own time for the same rows, kept in
memory: in calls of the size at which the model is fastest ("best"), which is the limit; in the
calls that explaining makes ("same calls"); and in calls of one instance each ("5000 a call"), as
``lime`` makes them. Explaining draws its designs anew in every repeat. Lime over ours: six of the
instances with ``lime`` (as many rows, ten features, all defaults). Every repeat runs all of them in
turn; ratios are medians over repeats of CPU and of wall time.

Run ``OMP_NUM_THREADS=1 python benchmarks/speed.py [--quick] [--shap]``.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from workloads import Ours, Workload, interleaved, median_ratio, once, verdict, workload

N_ROWS, N_INSTANCES, N_LIME = 5000, 100, 6
POOLED, POOL_ROWS = 50, 8192
BLOCKS = (500, 1000, 2500, 5000, 10_000, 15_000, 30_000)
CASES: list[tuple[str, float | None, float | None]] = [
    ("logistic", 3.0, 12.0),
    ("forest", 1.15, 6.0),
    ("forest 500", None, None),
    ("boosting", None, None),
    ("mlp", None, None),
]
"""Model, most total over predict, least lime over ours."""


def recorded(explainer: Any, rows: Any) -> list[Any]:
    """Return the inputs of the calls that explaining makes, once it knows the best size."""
    for _ in range(8):
        explainer.explain(rows)
    calls: list[Any] = []
    predict = explainer.predictor.predict
    explainer.predictor.predict = lambda inputs: calls.append(inputs.copy()) or predict(inputs)
    explainer.explain(rows)
    explainer.predictor.predict = predict
    return calls


def pieces(inputs: Any, size: int) -> list[Any]:
    return [inputs[i : i + size] for i in range(0, len(inputs), size)]


def fastest(predict: Callable[[Any], Any], calls: list[Any]) -> float:
    """Return the least seconds of five passes over all calls."""
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        for call in calls:
            predict(call)
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def tasks(work: Workload, rows: Any) -> dict[str, Callable[[], Any]]:
    from lime.lime_tabular import LimeTabularExplainer

    explainer = Ours(work).explainer(once(N_ROWS))
    calls = recorded(explainer, rows)
    inputs = np.concatenate(calls)
    best = min(BLOCKS, key=lambda size: fastest(work.predict, pieces(inputs, size)))
    sizes = sorted({len(call) for call in calls[1:]})
    print(f"{work.name}: calls of {sizes} rows; fastest at {best}")
    lime = LimeTabularExplainer(work.train, random_state=0)

    def ours() -> None:
        explainer.neighbourhood.remembered.designs.clear()
        explainer.explain(rows)

    def reference() -> None:
        for row in rows[:N_LIME]:
            lime.explain_instance(row, work.predict, num_features=10, num_samples=N_ROWS)

    return {
        "ours": ours,
        "best": lambda: [work.predict(piece) for piece in pieces(inputs, best)],
        "same calls": lambda: [work.predict(call) for call in calls],
        "5000 a call": lambda: [work.predict(piece) for piece in pieces(inputs, N_ROWS)],
        "lime": reference,
    }


def judged(value: float, most: float | None = None, least: float | None = None) -> str:
    if most is not None:
        return f"(<= {most:g}) {verdict(value <= most)}"
    if least is not None:
        return f"(>= {least:g}) {verdict(value >= least)}"
    return ""


def pooled(work: Workload, model: str, least: float, repeats: int) -> None:
    """Print what bins from one pool take, whose error is a fraction of ``lime``'s (rows.py)."""
    from lime.lime_tabular import LimeTabularExplainer

    rows = work.rows[:POOLED]
    explainer = Ours(work, "bins").explainer(once(POOL_ROWS))
    lime = LimeTabularExplainer(work.train, random_state=0)

    def reference() -> None:
        for row in rows[:: POOLED // N_LIME]:
            lime.explain_instance(row, work.predict, num_features=10, num_samples=N_ROWS)

    found = interleaved({"ours": lambda: explainer.explain(rows), "lime": reference}, repeats)
    n_lime = len(rows[:: POOLED // N_LIME])
    ours, lime_ms = (np.array(found[name][0]) * 1e3 for name in ("ours", "lime"))
    ratio = median_ratio(lime_ms / n_lime, ours / POOLED)
    print(
        f"{model:14s} ours {np.median(ours) / POOLED:6.2f}  lime {np.median(lime_ms) / n_lime:6.2f}"
        f"  lime / ours {ratio:5.1f} {judged(ratio, least=least)}",
        flush=True,
    )


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
    for model, most, _ in CASES:
        if options.quick and model == "forest 500":
            continue
        work = workload("cancer", model)
        rows = work.rows[:N_INSTANCES]
        found = interleaved(tasks(work, rows), repeats)
        for kind, name in enumerate(("CPU", "wall")):
            seconds: dict[str, Any] = {task: times[kind] for task, times in found.items()}
            count = {"lime": N_LIME}
            seconds = {
                task: np.array(s) / count.get(task, N_INSTANCES) for task, s in seconds.items()
            }
            ms = {task: 1e3 * np.median(s) for task, s in seconds.items()}
            total = median_ratio(seconds["ours"], seconds["best"])
            same = median_ratio(seconds["ours"], seconds["same calls"])
            apart = median_ratio(seconds["ours"], seconds["5000 a call"])
            lime = median_ratio(seconds["lime"], seconds["ours"])
            print(
                f"{model:14s} {name:>5s} {ms['ours']:21.2f} {ms['best']:8.2f} {ms['lime']:7.2f}  "
                f"total / predict {total:5.2f} {judged(total, most=most):15s} "
                f"same calls {same:5.2f}  5000 a call {apart:5.2f}  lime / ours {lime:5.1f}",
                flush=True,
            )
    print(f"\n{POOLED} instances in bins from one pool of {POOL_ROWS} rows, CPU ms an instance")
    for model, _, least in CASES:
        if least is not None:
            pooled(workload("cancer", model), model, least, repeats)
    if options.shap:
        work = workload("cancer", "forest")
        against_shap(work, work.rows[:N_LIME])


if __name__ == "__main__":
    main()
