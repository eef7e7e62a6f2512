"""What it does to errors that instances share a few designs.

Instances are explained under many seeds: with a design for each instance; with one for all, in one
order of the parts, and in an order for each instance; and with as many as explainers use. Printed
are variances over seeds, of the ten heaviest parts, relative to those of designs of their own: of a
weight, of its mean over instances, and of the mean of its size; and how often the interval of a
weight covers its mean over all seeds.

Run ``OMP_NUM_THREADS=1 python benchmarks/sharing.py [--quick]``.
"""

import argparse
import warnings
from typing import Any

import numpy as np
from workloads import TOP, Ours, Workload, once, workload

from mlflow_lime.core import neighbourhood

CASES = [("cancer", "logistic"), ("cancer", "forest"), ("diabetes", "mlp"), ("wine", "forest")]
OWN = 2**32
"""So many designs that hardly two instances share one."""


def explained(work: Workload, instances: Any, n_rows: int, n_seeds: int) -> tuple[Any, Any, Any]:
    """Return weights, and the ends of their intervals, each (n_seeds, n_instances, n_parts)."""
    found = []
    for seed in range(n_seeds):
        items = Ours(work).explainer(once(n_rows, seed=seed)).explain(instances)
        labels = [item.labels[0] for item in items]
        found.append([[one.weights, one.low, one.high] for one in labels])
    weights, low, high = np.moveaxis(np.array(found), 2, 0)
    return weights, low, high


def one_order(seed: int, digest: str, n_parts: int) -> Any:
    """Return the same order for every instance."""
    return np.arange(n_parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer seeds")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    n_instances, n_rows, n_seeds = 200, 512, 20 if options.quick else 80
    shared, own_order = neighbourhood.N_DESIGNS, neighbourhood.instance_order
    kinds = {
        "own": (OWN, own_order),
        "1, one order": (1, one_order),
        "1": (1, own_order),
        str(shared): (shared, own_order),
    }
    print(f"{n_instances} instances of {n_rows} rows, {n_seeds} seeds")
    head = ("designs", "one weight", "mean weight", "mean size", "coverage")
    print(f"{'':18s}" + "".join(f"{word:>13s}" for word in head))
    for data, model in CASES:
        work = workload(data, model)
        instances = np.concatenate([work.rows, work.train])[:n_instances]
        units: tuple[float, ...] = ()
        for name, (n_designs, order) in kinds.items():
            neighbourhood.N_DESIGNS = n_designs  # type: ignore[misc]
            neighbourhood.instance_order = order
            weights, low, high = explained(work, instances, n_rows, n_seeds)
            heavy = np.argsort(-np.abs(weights).mean(axis=(0, 1)))[:TOP]
            truth = weights.mean(axis=0)
            variances = (
                weights.var(axis=0, ddof=1)[:, heavy].mean(),
                weights.mean(axis=1).var(axis=0, ddof=1)[heavy].mean(),
                np.abs(weights).mean(axis=1).var(axis=0, ddof=1)[heavy].mean(),
            )
            units = units or variances
            one, mean, size = (a / b for a, b in zip(variances, units, strict=True))
            covered = ((low <= truth) & (truth <= high))[:, :, heavy].mean()
            print(
                f"{data + ' ' + model:18s}{name:>13s}{one:13.2f}{mean:13.2f}{size:13.2f}"
                f"{covered:13.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
