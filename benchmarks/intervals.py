"""Coverage of the jackknife intervals at nominal .95, against a large sample of the same recipe.

The ten largest weights of each instance, for three models on three data sets and every design
that offers intervals. The standard error counts seeds, because weights of one seed depend on each
other. The target, .93 to .97, is judged with two standard errors of slack; a row that meets it
only thanks to them says so.

Run ``python benchmarks/intervals.py [--quick]``.
"""

import argparse
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from workloads import TOP, Ours, Workload, grid, once

from mlflow_lime.core.arrays import orthogonal_runs
from mlflow_lime.core.options import Sampling

LOW, HIGH = 0.93, 0.97


@dataclass(frozen=True)
class Recipe:
    """How an instance is explained; rows are those of the one round."""

    name: str
    representation: str
    sampling: Sampling
    truth_rows: int = 131_072


def recipes(n_parts: int) -> list[Recipe]:
    found = [
        Recipe(f"mask {design}", "mask", once(1024, design=design))
        for design in ("iid", "paired", "stratified", "sobol")
    ]
    rows = max(1024, 4 * orthogonal_runs(n_parts))
    found += [
        Recipe("mask orthogonal", "mask", once(rows, design="orthogonal", law="bernoulli")),
        Recipe("mask adaptive", "mask", Sampling()),
        Recipe("bins pool", "bins", once(4096)),
        Recipe("standardised", "standardised", once(4096), 65_536),
    ]
    return found


def coverage(work: Workload, recipe: Recipe, n_instances: int, n_seeds: int) -> tuple[float, float]:
    """Return the share of intervals that hold the truth, and its standard error over seeds."""
    ours, rows = Ours(work, recipe.representation), work.rows[:n_instances]
    law, design = recipe.sampling.law, "auto" if recipe.sampling.law == "auto" else "iid"
    truth = ours.weights(rows, once(recipe.truth_rows, law=law, design=design, seed=10**6))
    top = np.argsort(-np.abs(truth), axis=1)[:, :TOP]
    covered = [
        np.mean(held(ours.explain(rows, replace(recipe.sampling, seed=seed)), truth, top))
        for seed in range(n_seeds)
    ]
    return float(np.mean(covered)), float(np.std(covered, ddof=1) / np.sqrt(n_seeds))


def held(found: list[Any], truth: Any, top: Any) -> Any:
    """Return whether each of the largest weights lies in its interval."""
    inside = [
        (result.low <= true) & (true <= result.high)
        for (result, _), true in zip(found, truth, strict=True)
    ]
    return np.take_along_axis(np.array(inside), top, axis=1)


def judge(share: float, error: float) -> str:
    if LOW <= share <= HIGH:
        return "met"
    return "met within noise" if LOW - 2 * error <= share <= HIGH + 2 * error else "missed"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one data set, fewer seeds")
    options = parser.parse_args()
    data = ("wine",) if options.quick else ("cancer", "wine", "diabetes")
    n_instances, n_seeds = (3, 10) if options.quick else (6, 60)
    print(f"coverage at nominal .95, {n_instances} instances, {n_seeds} seeds; target .93 to .97")
    shares: dict[str, list[float]] = {}
    for work in grid(data, ("forest", "boosting", "mlp")):
        for recipe in recipes(work.train.shape[1]):
            share, error = coverage(work, recipe, n_instances, n_seeds)
            shares.setdefault(recipe.name, []).append(share)
            print(
                f"  {work.name:18s} {recipe.name:16s} {share:.3f} +- {error:.3f}  "
                f"{judge(share, error)}",
                flush=True,
            )
    print("mean over models and data")
    for name, found in shares.items():
        spread = float(np.std(found, ddof=1) / np.sqrt(len(found)))
        mean = float(np.mean(found))
        print(f"  {name:16s} {mean:.3f} +- {spread:.3f}  {judge(mean, 0.0)}")


if __name__ == "__main__":
    main()
