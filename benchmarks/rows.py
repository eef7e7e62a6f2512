"""Rows for the same precision: stability against ``lime``, error against plain sampling, one pool.

1. Relative standard deviation over seeds of the ten largest weights: masks as they are by default
   at several numbers of rows, ``lime`` at 1000 and 5000.
2. Squared error of the ten largest weights at equal rows, default design over plain sampling of
   the same law; both with level columns ("iid"), and plain sampling without ("plain"). The
   standard error counts instances, and the target, at most 1, is judged with two of them.
3. Bins: 200 instances from one pool of at most 20,000 rows against ``lime`` at 5000 rows each:
   root mean squared error of the ten largest weights, each about a large sample of its own law.

Run ``python benchmarks/rows.py [--quick]``.
"""

import argparse
import warnings
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from designs import Setup, draw, perturb, surrogate
from workloads import TOP, Lime, Ours, Workload, once, relative_sd, verdict, workload

from mlflow_lime.core.options import Sampling

ROWS = (600, 1000, 2048, 4096)
MOST_ROWS = 1000
POOL_ROWS = 20_000


# ------------------------------------------------------------------------------- stability


def our_sds(work: Workload, n_rows: int, n_instances: int, n_seeds: int) -> list[float]:
    ours, rows = Ours(work), work.rows[:n_instances]
    draws = np.array([ours.weights(rows, once(n_rows, seed=s)) for s in range(n_seeds)])
    return [relative_sd(draws[:, i]) for i in range(n_instances)]


def lime_sds(work: Workload, n_rows: int, n_instances: int, n_seeds: int) -> list[float]:
    lime = Lime(work)
    return [
        relative_sd(np.array([lime.weights(row, n_rows, 1000 * i + s) for s in range(n_seeds)]))
        for i, row in enumerate(work.rows[:n_instances])
    ]


def rows_needed(sds: Sequence[float], target: float) -> str:
    """Return the rows at which the target is met, between the measured ones on a log scale."""
    pairs = list(zip(ROWS, sds, strict=True))
    if sds[0] <= target:
        return f"<= {ROWS[0]}"
    for (n, sd), (n_next, sd_next) in pairwise(pairs):
        if sd_next <= target:
            share = np.log(sd / target) / np.log(sd / sd_next)
            return f"about {n * (n_next / n) ** share:.0f}"
    return f"> {ROWS[-1]}"


def stability(quick: bool) -> None:
    n_instances, n_seeds = (3, 5) if quick else (12, 20)
    print(f"relative sd of the top {TOP} weights, {n_instances} instances, {n_seeds} seeds")
    head = "".join(f"{n:8d}" for n in ROWS)
    print(f"{'':18s}{head}   lime 1000  lime 5000   rows needed for lime 5000's (target <= 1000)")
    for model in ("forest", "boosting", "mlp"):
        work = workload("cancer", model)
        sds = [float(np.mean(our_sds(work, n, n_instances, n_seeds))) for n in ROWS]
        low, high = (float(np.mean(lime_sds(work, n, n_instances, n_seeds))) for n in (1000, 5000))
        cells = "".join(f"{sd:8.3f}" for sd in sds)
        met = sds[ROWS.index(MOST_ROWS)] <= high
        print(
            f"{work.name:18s}{cells}   {low:9.3f}  {high:9.3f}   {rows_needed(sds, high)}  "
            f"{verdict(met)}",
            flush=True,
        )


# ----------------------------------------------------------------- error at equal rows


def squared_errors(weights: Any, truth: Any) -> Any:
    """Return the mean squared error of the top weights of each instance, (n_instances,)."""
    top = np.argsort(-np.abs(truth), axis=1)[:, :TOP]
    mean = ((weights - truth) ** 2).mean(axis=0)
    return np.take_along_axis(mean, top, axis=1).sum(axis=1)


def plain_weights(work: Workload, n_rows: int, n_instances: int, n_seeds: int) -> Any:
    """Return weights from plain sampling of the default law without level columns."""
    setup, found = Setup("iid"), []
    for seed in range(n_seeds):
        for number, row in enumerate(work.rows[:n_instances]):
            masks, levels, replicate = draw(setup, len(row), n_rows, (5, number, seed))
            outputs = work.one(perturb(work, row, masks, levels))
            found.append(surrogate(masks, levels, outputs, replicate, 0)[0][1:])
    return np.array(found).reshape(n_seeds, n_instances, -1)


def ratio(ours: Any, theirs: Any) -> tuple[float, float]:
    """Return the ratio of summed errors, and its standard error over instances."""
    value = ours.sum() / theirs.sum()
    spread = np.std(ours - value * theirs, ddof=1) * np.sqrt(len(ours)) / theirs.sum()
    return float(value), float(spread)


def against_iid(quick: bool) -> None:
    n_instances, n_seeds = (4, 8) if quick else (12, 40)
    print(f"\nsquared error over plain sampling's, {n_instances} instances, {n_seeds} seeds")
    print(f"{'':18s} {'rows':>5s}  {'over iid':>16s}  {'over plain':>16s}")
    cases = [(d, m) for d in ("cancer", "wine", "diabetes") for m in ("forest", "boosting", "mlp")]
    for data, model in [*cases, ("interacting", "mlp")]:
        work = workload(data, model)
        ours, rows = Ours(work), work.rows[:n_instances]
        truth = ours.weights(rows, once(32_768 if quick else 131_072, seed=10**6))
        for n_rows in (256, 1024):
            designs = {"auto": once(n_rows), "iid": once(n_rows, design="iid")}
            errors = {
                name: squared_errors(many(ours, rows, sampling, n_seeds), truth)
                for name, sampling in designs.items()
            }
            plain = squared_errors(plain_weights(work, n_rows, n_instances, n_seeds), truth)
            iid, iid_error = ratio(errors["auto"], errors["iid"])
            bare, bare_error = ratio(errors["auto"], plain)
            met = max(iid - 2 * iid_error, bare - 2 * bare_error) <= 1
            noise = " within noise" if met and max(iid, bare) > 1 else ""
            print(
                f"{work.name:18s} {n_rows:5d}  {iid:6.2f} +- {iid_error:5.2f}  "
                f"{bare:6.2f} +- {bare_error:5.2f}  {verdict(met)}{noise}",
                flush=True,
            )


def many(ours: Ours, rows: Any, sampling: Sampling, n_seeds: int) -> Any:
    """Return weights of many seeds, shape (n_seeds, n_instances, n_parts)."""
    return np.array([ours.weights(rows, replace(sampling, seed=s)) for s in range(n_seeds)])


# ----------------------------------------------------------------------- one pool in bins


def root_mean_square(weights: Any, truth: Any) -> float:
    return float(np.sqrt(squared_errors(weights, truth).mean() / min(TOP, truth.shape[1])))


def lime_weights(lime: Lime, rows: Any, n_rows: int, seed: int) -> Any:
    return np.array([lime.weights(row, n_rows, 100 * i + seed) for i, row in enumerate(rows)])


def pool(quick: bool) -> None:
    n_measured, n_seeds, n_lime = (4, 2, 2) if quick else (20, 6, 3)
    size = (50_000, 65_536) if quick else (100_000, 131_072)
    print(f"\nbins: rows in all and error of the top {TOP} weights, {n_measured} of 200 instances")
    print(f"{'':18s} {'rows: lime':>10s} {'ours':>7s} {'error: lime':>12s} {'ours':>7s} ", end="")
    print(f"{'ratio (target <= 0.50)':>22s}")
    for model in ("forest", "boosting", "mlp"):
        work = workload("cancer", model)
        instances = np.concatenate([work.rows, work.train])[:200]
        measured = instances[:n_measured]
        lime, ours = Lime(work), Ours(work, "bins")
        lime_truth = lime_weights(lime, measured, size[0], 10**6)
        draws = np.array([lime_weights(lime, measured, 5000, seed) for seed in range(n_lime)])
        truth = ours.weights(measured, once(size[1], seed=10**6))
        found, asked = [], []
        for seed in range(n_seeds):
            explainer = ours.explainer(Sampling(max_rows=POOL_ROWS, seed=seed))
            outcomes = explainer.explain(instances if seed == 0 else measured, labels="all")
            found.append([o.labels[1].weights for o in outcomes[:n_measured]])
            asked.append(explainer.predictor.counter.rows)
        theirs = root_mean_square(draws, lime_truth)
        error = root_mean_square(np.array(found), truth)
        met = max(asked) <= POOL_ROWS and error <= theirs / 2
        print(
            f"{work.name:18s} {200 * 5000:10d} {max(asked):7d} {theirs:12.5f} {error:7.5f} "
            f"{error / theirs:9.2f}  {verdict(met)}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer instances and seeds")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    stability(options.quick)
    against_iid(options.quick)
    pool(options.quick)


if __name__ == "__main__":
    main()
