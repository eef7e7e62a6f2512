"""Held-out R2 and the gap at the instance, for masks as they are by default and for ``lime``.

Both get 1024 rows an instance, and the surrogate has every feature. R2 is the weighted one on
rows that the fit has not seen: here the replicate left out, for ``lime`` a fresh neighbourhood.
R2 is the median over instances, the gap the mean of ``|surrogate - model|`` at the instance, in
probability or, for a regression, in standard deviations of the model.

Run ``python benchmarks/faithful.py [--quick]``.
"""

import argparse
import warnings
from typing import Any

import numpy as np
from workloads import Lime, Ours, Workload, once, verdict, workload

N_ROWS = 1024
CASES: list[tuple[str, str, str, float | None, float | None]] = [
    ("cancer", "forest", "own", 0.46, 0.013),
    ("cancer", "mlp", "own", 0.21, 0.07),
    ("cancer", "boosting", "own", None, None),
    ("wine", "forest", "predicted", 0.50, 0.017),
    ("wine", "forest", "0", None, None),
    ("wine", "forest", "1", None, None),
    ("wine", "forest", "2", None, None),
    ("diabetes", "forest", "own", 0.34, 0.06),
    ("diabetes", "mlp", "own", None, None),
]
"""Data, model, label, and the targets for R2 and gap (those of ``lime`` where there is none)."""


def label_of(work: Workload, row: Any, rule: str) -> int:
    if rule == "predicted":
        return int(work.predict(row[None])[0].argmax())
    return (work.label or 0) if rule == "own" else int(rule)


def ours(work: Workload, rows: Any, rule: str, seed: int) -> tuple[Any, Any]:
    explained = Ours(work).explainer(once(N_ROWS, seed=seed)).explain(rows, labels="all")
    found = [o.labels[label_of(work, row, rule)] for o, row in zip(explained, rows, strict=True)]
    gaps = [abs(one.surrogate_prediction - one.prediction) for one in found]
    return np.array([one.fidelity_r2 for one in found]), np.array(gaps)


def reference(work: Workload, rows: Any, rule: str, seed: int) -> tuple[Any, Any]:
    r2s, gaps = [], []
    for number, row in enumerate(rows):
        label = label_of(work, row, rule)
        lime = Lime(work, label)
        weights, intercept, seen = lime.explain(row, N_ROWS, 1000 * seed + number)
        _, _, fresh = lime.explain(row, N_ROWS, 1000 * seed + 500 + number)
        error = fresh.outputs - intercept - fresh.features @ weights
        centred = fresh.outputs - np.average(fresh.outputs, weights=fresh.kernel)
        spread = fresh.kernel @ centred**2
        r2s.append(1 - fresh.kernel @ error**2 / spread if spread > 0 else np.nan)
        # The reference's first row is the instance itself.
        gaps.append(abs(intercept + seen.features[0] @ weights - seen.outputs[0]))
    return np.array(r2s), np.array(gaps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer instances and seeds")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    n_instances, n_seeds = (5, 1) if options.quick else (25, 4)
    print(f"{N_ROWS} rows, {n_instances} instances, {n_seeds} seeds")
    print(f"{'':28s} {'R2: ours':>9s} {'lime':>6s} {'target':>7s} {'gap: ours':>11s} ", end="")
    print(f"{'lime':>6s} {'target':>7s}")
    for data, model, rule, least, most in CASES:
        work = workload(data, model)
        rows = work.rows[:n_instances]
        both = []
        for measure in (ours, reference):
            found = [measure(work, rows, rule, seed) for seed in range(n_seeds)]
            r2 = np.nanmedian(np.concatenate([r2s for r2s, _ in found]))
            both.append((float(r2), float(np.mean([gaps for _, gaps in found]))))
        (r2, gap), (lime_r2, lime_gap) = both
        least_r2 = max(least if least is not None else -1.0, lime_r2)
        most_gap = min(most if most is not None else np.inf, lime_gap)
        label = "" if rule == "own" else f", class {rule}"
        print(
            f"{work.name + label:28s} {r2:9.3f} {lime_r2:6.3f} {least_r2:7.3f} {gap:11.4f} "
            f"{lime_gap:6.3f} {most_gap:7.3f}  "
            f"R2 {verdict(r2 >= least_r2)}, gap {verdict(gap <= most_gap)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
