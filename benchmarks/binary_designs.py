"""Rows, law and designs where absent parts are fixed: texts and images, against ``lime``.

1. Stability: standard deviation over seeds of the weights, root mean square over all parts, over
   the size of the largest weight; and the mean overlap (Jaccard) of the five largest weights of two
   seeds. Each explainer against its own law and its own mean.
2. Squared error of all weights at equal rows: plain sampling of the same law, without count
   columns, over the default. Images: models on ``skimage.data.lfw_subset``, truth by enumeration
   (17 superpixels) or from a long run; images whose score hardly changes are left out. Scores made
   to be hard, under both laws.
3. Coverage of the jackknife intervals at nominal .95.
4. Law of texts: gap at the instance, and change of the score when five words are removed, or kept.

Run ``python benchmarks/binary_designs.py [--quick] [--news FILE]``; FILE holds one JSON object a
line, with ``text``, ``label``, and ``split``.
"""

import argparse
import warnings
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, islice
from pathlib import Path
from typing import Any

import numpy as np
from binary_workloads import (
    Case,
    Masks,
    News,
    default_rows,
    explain,
    hard_cases,
    image_case,
    lime,
    ours,
    plain,
)
from workloads import once, verdict

from mlflow_lime.core.arrays import orthogonal_runs
from mlflow_lime.core.masks import enumerate_masks
from mlflow_lime.core.options import Sampling

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data"
NEWS = FOLDER / "newsgroups_atheism_christian" / "20news_atheism_christian.jsonl.gz"
TOP = 5


# --------------------------------------------------------------------------------- measuring


def stability(weights: Any) -> tuple[float, float]:
    """Return relative standard deviation and top-5 overlap of weights of several seeds."""
    largest = np.abs(weights.mean(axis=0)).max()
    # A score that never changes has weights of exactly zero.
    spread = np.sqrt(weights.var(axis=0, ddof=1).mean()) / largest if largest > 0 else 0.0
    tops = [set(np.argsort(-np.abs(one))[:TOP].tolist()) for one in weights]
    overlap = [len(a & b) / len(a | b) for a, b in combinations(tops, 2)]
    return float(spread), float(np.mean(overlap))


def truth(case: Case) -> Any:
    """Return the weights under the default law: of all masks, or of a long run."""
    n_parts = case.n_parts
    if case.law == "bernoulli" and case.name.startswith("parity"):
        return np.zeros(n_parts)
    if case.law == "bernoulli" and n_parts <= 17:
        masks = enumerate_masks(n_parts)
        return np.array(2.0 * ((2.0 * masks - 1.0).T @ case.scores(masks)) / len(masks))
    if case.text or case.law != "bernoulli":
        return ours(case, 32_768, 4).mean(axis=0)
    return ours(case, 4 * max(4096, orthogonal_runs(n_parts)), 6).mean(axis=0)


def gain(case: Case, rows: int, n_seeds: int, true: Any) -> tuple[float, float]:
    """Return how much smaller the squared error is than plain sampling's, and its error."""
    law, width = Masks(case).default_law()
    mine = ((ours(case, rows, n_seeds) - true) ** 2).sum(axis=1)
    theirs = ((plain(case, rows, n_seeds, law, width) - true) ** 2).sum(axis=1)
    if mine.mean() < 1e-18 * (true**2).sum():
        return np.inf, 0.0
    value = theirs.mean() / mine.mean()
    noise = np.hypot(*(np.std(e, ddof=1) / e.mean() / np.sqrt(n_seeds) for e in (mine, theirs)))
    return float(value), float(value * noise)


def covered(case: Case, rows: int | None, n_seeds: int, true: Any) -> list[float]:
    """Return for each seed the share of the ten largest weights that intervals hold."""
    top = np.argsort(-np.abs(true))[:10]
    sampling, shares = Sampling() if rows is None else once(rows), []
    for seed in range(n_seeds):
        found = explain(case, replace(sampling, seed=seed)).labels[0]
        # Weights that are exact have intervals as narrow as their rounding.
        slack = 1e-9 * found.output_std
        inside = (found.low <= true + slack) & (true - slack <= found.high)
        shares.append(float(inside[top].mean()))
    return shares


def line(*cells: Any) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def head(title: str, *cells: str) -> None:
    print(f"\n{title}\n")
    line(*cells)
    line(*["---"] * len(cells))


MODELS = ("forest", "mlp", "mlp scaled", "cnn", "cnn sharp")


def image_cases(quick: bool) -> Iterator[tuple[str, int, list[Case]]]:
    for kind in ("forest", "mlp scaled") if quick else MODELS:
        for n_parts in (17, 45):
            every = (image_case(i, n_parts, kind) for i in range(50))
            varied = (case for case in every if not is_flat(case))
            yield kind, n_parts, list(islice(varied, 2 if quick else 4))


def is_flat(case: Case) -> bool:
    """Return whether the score hardly changes, whatever is removed."""
    masks = np.random.default_rng(0).integers(0, 2, (512, case.n_parts), dtype=np.uint8)
    return bool(case.scores(masks).std() < 0.02)


def image_stability(quick: bool) -> None:
    head(
        "Images: stability (relative sd, top-5 overlap), mean over images",
        *("model", "parts", "ours 256", "ours 1024", "lime 1000", "target: 256 as lime 1000"),
    )
    n_seeds = 8 if quick else 20
    for kind, n_parts, cases in image_cases(quick):
        rows = {
            "256": [stability(ours(case, 256, n_seeds)) for case in cases],
            "1024": [stability(ours(case, 1024, n_seeds)) for case in cases],
            "lime": [stability(lime(case, 1000, n_seeds)) for case in cases],
        }
        means = {name: np.mean(found, axis=0) for name, found in rows.items()}
        cells = [f"{sd:.3f}, {overlap:.2f}" for sd, overlap in means.values()]
        line(kind, n_parts, *cells, verdict(means["256"][0] <= means["lime"][0]))


def image_gain(quick: bool) -> None:
    head(
        "Images: squared error of plain sampling over the default's, and coverage",
        *("model", "parts", "rows 256", "rows 1024", "target", "", "coverage 256 / 1024"),
    )
    n_seeds = 12 if quick else 40
    for kind, n_parts, cases in image_cases(quick):
        truths = [truth(case) for case in cases]
        pairs = list(zip(cases, truths, strict=True))
        found = {rows: [gain(c, rows, n_seeds, t) for c, t in pairs] for rows in (256, 1024)}
        cells = [", ".join(f"{v:.3g}" for v, _ in found[rows]) for rows in found]
        share = [np.mean([covered(c, rows, n_seeds, t) for c, t in pairs]) for rows in found]
        least = 5 if kind.startswith("cnn") else 20
        middle = float(np.median([v for v, _ in found[1024]]))
        line(
            *(kind, n_parts, *cells, f">= {least} (median {middle:.3g})"),
            *(verdict(middle >= least), " / ".join(f"{s:.3f}" for s in share)),
        )


def hard_gain(quick: bool) -> None:
    head(
        "Hard scores: squared error of plain sampling over the default's (below 1 is a loss)",
        *("law", "parts", "rows", "scores", "ratio", "+-", "", "coverage"),
    )
    sizes = ((17, 256), (45, 256), (45, 1024), (100, 1024))
    n_seeds = 16 if quick else 40
    for law in ("bernoulli", "local"):
        for n_parts, rows in sizes[:2] if quick else sizes:
            for case in hard_cases(n_parts, law=law):
                true = truth(case)
                value, noise = gain(case, rows, n_seeds, true)
                share = np.mean(covered(case, rows, n_seeds, true))
                loses = value + 2 * noise < 1
                cells = (f"{value:.3g}", f"{noise:.2g}", "loses" if loses else "")
                line(law, n_parts, rows, case.name, *cells, f"{share:.3f}")


def text_tables(news: News, quick: bool) -> None:
    head(
        "Texts: stability (relative sd, top-5 overlap), gain over plain sampling, coverage",
        *("case", "words", "law", "rows", "ours", "lime 5000", "target", "gain", "coverage"),
    )
    n_seeds, n_lime = (6, 4) if quick else (16, 8)
    for number in news.numbers((0.02, 0.5) if quick else (0.02, 0.12, 0.3, 0.5, 0.7)):
        for kind in ("logistic", "forest"):
            case = news.case(number, kind)
            theirs = stability(lime(case, 5000, n_lime))
            for law, rows in (("bernoulli", default_rows(case)), ("local", 2000)):
                case = replace(case, law=law)
                mine, true = stability(ours(case, rows, n_seeds)), truth(case)
                value, noise = gain(case, rows, n_seeds, true)
                share = np.mean(covered(case, rows, n_seeds, true))
                line(
                    *(case.name, case.n_parts, law, rows, f"{mine[0]:.4f}, {mine[1]:.2f}"),
                    *(f"{theirs[0]:.4f}, {theirs[1]:.2f}", verdict(mine[0] <= theirs[0])),
                    *(f"{value:.2f} +- {noise:.2f}", f"{share:.3f}"),
                )


def text_laws(news: News, quick: bool) -> None:
    head(
        "Texts: measures that depend on no law, by the law of the masks",
        *("model", "law", "gap", "five removed", "five kept", "five at random removed"),
    )
    sizes = np.linspace(0.1, 0.8, 4 if quick else 12)
    for kind in ("logistic", "forest"):
        cases = [news.case(number, kind) for number in news.numbers(sizes)]
        for name in ("local", "uniform_count", "bernoulli"):
            found = np.mean([faithful(case, name) for case in cases], axis=0)
            line(kind, name, *(f"{value:.3f}" for value in found))


def faithful(case: Case, law: str) -> tuple[float, float, float, float]:
    """Return the gap, and the drop of the predicted class's score by removing or keeping words."""
    result = explain(case, once(4096, law=law)).labels[0]
    own = float(case.scores(np.ones((1, case.n_parts), dtype=np.uint8))[0])
    sign = 1.0 if own > 0.5 else -1.0
    rng = np.random.default_rng(0)
    order = np.argsort(-sign * result.weights)[:TOP]

    def drop(parts: Any, *, keep: bool) -> float:
        mask = np.full((1, case.n_parts), 0 if keep else 1, dtype=np.uint8)
        mask[0, parts] = 1 if keep else 0
        return sign * (own - float(case.scores(mask)[0]))

    chance = [drop(rng.permutation(case.n_parts)[:TOP], keep=False) for _ in range(10)]
    gap = abs(result.surrogate_prediction - own)
    return gap, drop(order, keep=False), drop(order, keep=True), float(np.mean(chance))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer models, sizes, and seeds")
    parser.add_argument("--news", type=Path, default=NEWS, help="texts, JSON lines, gzipped")
    parser.add_argument("--only", choices=("images", "hard", "texts"), help="one of the tables")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.only in (None, "images"):
        image_stability(options.quick)
        image_gain(options.quick)
    if options.only in (None, "hard"):
        hard_gain(options.quick)
    if options.only in (None, "texts") and not options.news.exists():
        print(f"\nTexts: left out, there is no {options.news}")
    elif options.only in (None, "texts"):
        news = News(options.news)
        text_tables(news, options.quick)
        text_laws(news, options.quick)


if __name__ == "__main__":
    main()
