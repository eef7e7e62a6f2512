"""The table that justifies the default law and design of masks.

For each model: relative standard deviation over seeds of the ten largest weights, squared error
against a large sample as a ratio to plain sampling of the same law at equal rows, coverage of the
jackknife intervals at nominal .95, held-out R2, and the gap at the instance.

Run ``python benchmarks/designs.py [--quick] [--rows 1024] [--lime]``.
"""

import argparse
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student
from workloads import TOP, Lime, Workload, relative_sd, workload

from mlflow_lime.core.level_columns import level_columns
from mlflow_lime.core.masks import mask_block

WIDTH = 0.45


@dataclass(frozen=True)
class Setup:
    """A law, a design, and how the surrogate is fitted."""

    design: str
    law: str = "uniform_count"
    width: float | None = WIDTH
    order: int = 0
    replicates: int = 4

    def __str__(self) -> str:
        law = f"local {self.width}" if self.width else self.law
        return f"{law:14s} {self.design:11s} order {self.order} R {self.replicates}"


def workloads(quick: bool) -> Iterator[Workload]:
    for model in ("forest", "boosting", "mlp"):
        yield workload("cancer", model)
    if quick:
        return
    yield workload("wine", "forest")
    yield workload("diabetes", "forest")
    yield workload("interacting", "mlp")


def draw(setup: Setup, n_parts: int, n_rows: int, seed: tuple[int, ...]) -> tuple[Any, Any, Any]:
    """Return masks, levels, and replicate numbers of all replicates."""
    blocks = [
        mask_block(
            setup.design,
            law=setup.law,
            width=setup.width,
            n_parts=n_parts,
            n_draws=n_parts,
            n_rows=n_rows // setup.replicates,
            seed=np.random.SeedSequence(seed),
            replicate=replicate,
        )
        for replicate in range(setup.replicates)
    ]
    masks = np.concatenate([block.masks for block in blocks])
    levels = np.concatenate([block.levels for block in blocks])
    return masks, levels, np.repeat(np.arange(setup.replicates), n_rows // setup.replicates)


def perturb(work: Workload, row: Any, masks: Any, levels: Any) -> Any:
    return np.where(masks == 1, row, work.table[levels, np.arange(len(row))])


def solve(moments: Any, n_parts: int) -> Any:
    """Return intercept and weights from the moments of [1, masks, level columns, outputs]."""
    gram, target = moments[:-1, :-1], moments[:-1, -1]
    penalty = 1e-10 * np.trace(gram) / len(gram) * np.eye(len(gram))
    return np.linalg.solve(gram + penalty, target)[: 1 + n_parts]


def surrogate(masks: Any, levels: Any, outputs: Any, replicate: Any, order: int) -> Any:
    """Return the pooled fit, the leave-one-out fits, and the held-out R2."""
    ones = np.ones((len(masks), 1))
    columns = level_columns(masks, levels, order=order)
    design = np.hstack([ones, masks, columns, outputs[:, None]])
    parts = [design[replicate == r] for r in range(replicate.max() + 1)]
    moments = np.array([part.T @ part for part in parts])
    n_parts = masks.shape[1]
    pooled = solve(moments.sum(axis=0), n_parts)
    without = np.array([solve(moments.sum(axis=0) - one, n_parts) for one in moments])
    error = spread = 0.0
    for part, fit in zip(parts, without, strict=True):
        error += ((part[:, -1] - part[:, : 1 + n_parts] @ fit) ** 2).sum()
        spread += ((part[:, -1] - outputs.mean()) ** 2).sum()
    return pooled, without, 1.0 - error / spread if spread > 0 else np.nan


def truth(work: Workload, row: Any, setup: Setup, number: int, n_rows: int) -> Any:
    """Return the weights of a large plain sample of the same law."""
    plain = Setup("iid", setup.law, setup.width, order=2)
    total = 0.0
    for chunk in range(max(1, n_rows // 20_000)):
        masks, levels, _ = draw(plain, len(row), 20_000, (9, number, chunk))
        outputs = work.one(perturb(work, row, masks, levels))
        columns = level_columns(masks, levels, order=2)
        design = np.hstack([np.ones((len(masks), 1)), masks, columns, outputs[:, None]])
        total = total + design.T @ design
    return solve(total, len(row))[1:]


def measure(
    work: Workload, setup: Setup, truths: list[Any], n_rows: int, n_seeds: int
) -> dict[str, Any]:
    relative, errors, covered, r2s, gaps = [], [], [], [], []
    quantile = student.ppf(0.975, setup.replicates - 1)
    for number, (row, true) in enumerate(zip(work.rows, truths, strict=False)):
        top = np.argsort(-np.abs(true))[:TOP]
        draws = [draw(setup, len(row), n_rows, (7, number, s)) for s in range(n_seeds)]
        inputs = np.concatenate([perturb(work, row, m, v) for m, v, _ in draws])
        outputs = np.split(work.one(inputs), n_seeds)
        here = work.one(row[None])[0]
        weights = []
        for (masks, levels, replicate), out in zip(draws, outputs, strict=True):
            fit, without, r2 = surrogate(masks, levels, out, replicate, setup.order)
            shrink = (setup.replicates - 1) / setup.replicates
            centred = without - without.mean(axis=0)
            half = quantile * np.sqrt(shrink * (centred**2).sum(axis=0))[1:]
            covered.append((np.abs(fit[1:] - true) <= half)[top])
            weights.append(fit[1:])
            r2s.append(r2)
            gaps.append(abs(fit.sum() - here))
        array = np.array(weights)
        relative.append(relative_sd(array, true))
        errors.append(((array - true) ** 2).mean(axis=0)[top].sum())
    return {
        "sd": np.mean(relative),
        "errors": np.array(errors),
        "coverage": np.mean(covered),
        "r2": np.nanmedian(r2s),
        "gap": np.mean(gaps),
    }


def reference(work: Workload, n_rows: int, n_instances: int, n_seeds: int) -> float:
    """Return the relative standard deviation of the reference package's weights."""
    lime = Lime(work)
    relative = [
        relative_sd(np.array([lime.weights(row, n_rows, 100 * i + s) for s in range(n_seeds)]))
        for i, row in enumerate(work.rows[:n_instances])
    ]
    return float(np.mean(relative))


def setups(quick: bool) -> list[list[Setup]]:
    """Return groups that share a law; the first of each group is plain sampling."""
    local = [Setup("iid"), Setup("sobol"), Setup("iid", order=2), Setup("sobol", order=2)]
    if quick:
        return [local]
    local += [Setup("sobol", order=1), Setup("sobol", order=2, replicates=8)]
    local += [Setup(name, order=2) for name in ("stratified", "paired")]
    groups = [local]
    for law in ("uniform_count", "bernoulli"):
        names = (("iid", 0), ("sobol", 0), ("sobol", 2))
        groups.append([Setup(name, law, None, order) for name, order in names])
    return groups


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer models, designs, and seeds")
    parser.add_argument("--rows", type=int, default=1024)
    parser.add_argument("--lime", action="store_true", help="also the reference at 5000 rows")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    n_instances, n_seeds = (3, 4) if options.quick else (6, 12)
    for work in workloads(options.quick):
        print(f"\n{work.name}, {options.rows} rows: rel. sd, error ratio, coverage, R2, gap")
        for group in setups(options.quick):
            size = 40_000 if options.quick else 200_000
            rows = work.rows[:n_instances]
            truths = [truth(work, row, group[0], i, size) for i, row in enumerate(rows)]
            plain = None
            for setup in group:
                found = measure(work, setup, truths, options.rows, n_seeds)
                plain = found["errors"].sum() if plain is None else plain
                ratio = found["errors"].sum() / plain
                print(
                    f"  {setup!s:40s} {found['sd']:.3f}  {ratio:.3f}  {found['coverage']:.3f}  "
                    f"{found['r2']:.3f}  {found['gap']:.4f}",
                    flush=True,
                )
        if options.lime and work.name.startswith("cancer"):
            print(f"  {'lime, 5000 rows':40s} {reference(work, 5000, n_instances, n_seeds):.3f}")


if __name__ == "__main__":
    main()
