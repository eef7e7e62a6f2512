"""Time at equal rows for texts and images: total over predict, and ``lime`` over ours.

Total over predict: CPU of the whole explanation, everything included, over that of the model
within it. For the sparse path it is over the model's time on the strings instead. Texts are
explained in one call, of those of one length two by ``lime``; milliseconds are those of one. Every
repeat runs all of them in turn; ratios are medians over repeats, with their quartiles.

Run ``OMP_NUM_THREADS=1 python benchmarks/contents_speed.py [--quick] [--only images]``.
"""

import argparse
import contextlib
import io
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from contents_workloads import (
    astronaut,
    machine,
    newsgroups,
    small_cnn,
    synthetic_texts,
    table,
    text_model,
)
from workloads import once, verdict

from mlflow_lime.explainers import ImageExplainer, TextExplainer

N_ROWS, N_TEXTS, N_LIME, WARM = 5000, 20, 2, 3
HEAD = ["case", "clock", "ours ms", "predict ms", "total / predict", "target", "lime / ours", ""]


class Timed:
    """A predict function that adds up its CPU and wall seconds."""

    def __init__(self, predict: Callable[[Any], Any]) -> None:
        self.predict = predict
        self.spent = np.zeros(2)

    def __call__(self, inputs: Any) -> Any:
        """Return what the function does."""
        started = clocks()
        found = self.predict(inputs)
        self.spent += clocks() - started
        return found


def clocks() -> Any:
    return np.array([time.process_time(), time.perf_counter()])


def measured(work: Callable[[], Any], inside: Timed | None = None) -> Any:
    """Return seconds of a piece of work and, of these, inside the model, shape (2, 2)."""
    if inside is not None:
        inside.spent[:] = 0.0
    started = clocks()
    work()
    total = clocks() - started
    return np.array([total, np.zeros(2) if inside is None else inside.spent])


def ratio(above: Any, below: Any) -> tuple[float, str]:
    values = np.divide(above, below)
    low, middle, high = np.percentile(values, [25, 50, 75])
    return float(middle), f"{middle:.2f} ({low:.2f} to {high:.2f})"


def compared(
    name: str, ours: Any, predict: Any, lime: Any, *, most: float | None, least: float
) -> list[list[str]]:
    """Return two lines of the table, from seconds of shape (n_repeats, 2)."""
    lines = []
    for clock, i in (("CPU", 0), ("wall", 1)):
        total, total_text = ratio(ours[:, i], predict[:, i])
        gain, gain_text = ratio(lime[:, i], ours[:, i])
        target = "" if most is None else f"<= {most:g} {verdict(total <= most)}"
        ms = [f"{1e3 * np.median(seconds[:, i]):.0f}" for seconds in (ours, predict)]
        asked = f">= {least:g} {verdict(gain >= least)}"
        lines.append([name, clock, *ms, total_text, target, gain_text, asked])
        if clock == "wall":
            lines[-1][5] = lines[-1][7] = ""
    return lines


def text_case(
    name: str, model: Any, texts: list[str], repeats: int, n_lime: int
) -> list[list[str]]:
    from lime.lime_text import LimeTextExplainer

    timed = Timed(model.predict_proba)
    strings = TextExplainer(timed, sampling=once(N_ROWS))
    sparse = TextExplainer(model.predict_proba, sampling=once(N_ROWS))

    def reference() -> None:
        explainer = LimeTextExplainer(random_state=0)
        for text in texts[:n_lime]:
            explainer.explain_instance(
                text, model.predict_proba, num_features=10, num_samples=N_ROWS
            )

    for explainer in (strings, sparse):  # so that the best size of a call is known
        for _ in range(WARM):
            explainer.explain(texts)
    seen = [
        (
            measured(lambda: strings.explain(texts), timed),
            measured(lambda: sparse.explain(texts))[0],
            measured(reference)[0],
        )
        for _ in range(repeats)
    ]
    ours, within = (np.array([one[0][i] for one in seen]) for i in (0, 1))
    rows, lime = (np.array([one[i] for one in seen]) for i in (1, 2))
    ours, within, rows = (seconds / len(texts) for seconds in (ours, within, rows))
    lime /= n_lime
    return [
        *compared(f"{name}, strings", ours, within, lime, most=1.1, least=1.6),
        *compared(f"{name}, sparse", rows, within, lime, most=0.15, least=8.0),
    ]


def written(repeats: int, lengths: tuple[int, ...]) -> list[list[str]]:
    """Return the lines of made-up texts, all of one length."""
    rows = []
    for n_words in lengths:
        texts, labels = synthetic_texts(n_words, 200)
        model = text_model("logistic", texts, labels)
        rows += text_case(f"logistic, {n_words} words", model, texts[:N_TEXTS], repeats, N_LIME)
    return rows


def posted(repeats: int) -> list[list[str]]:
    """Return the lines of posts to newsgroups, whose lengths differ."""
    posts = newsgroups()
    if posts is None:
        print("newsgroups: the folder is absent, skipped")
        return []
    train, (unseen, _) = posts
    some = unseen[:: len(unseen) // 4][:4]
    rows = []
    for kind in ("logistic", "forest"):
        model = text_model(kind, *train)
        rows += text_case(f"{kind}, newsgroups", model, some, repeats, len(some))
    return rows


def image_case(size: int, repeats: int, *, floats: bool) -> list[list[str]]:
    from lime.lime_image import LimeImageExplainer

    predict, image = Timed(small_cnn()), astronaut(size, floats=floats)
    explainer = ImageExplainer(predict, sampling=once(N_ROWS))
    given = ImageExplainer(
        predict,
        segments=explainer.domain.pin(explainer.domain.subjects(image[None])[0]),
        sampling=once(N_ROWS),
    )
    labels = given.domain.pin(given.domain.subjects(image[None])[0])

    def reference(segment: Callable[[Any], Any] | None = None) -> None:
        with contextlib.redirect_stderr(io.StringIO()):
            LimeImageExplainer(random_state=0).explain_instance(
                image, predict, num_samples=N_ROWS, top_labels=1, segmentation_fn=segment
            )

    for _ in range(WARM):
        explainer.explain(image[None])
        given.explain(image[None])
    seen = [
        (
            measured(lambda: explainer.explain(image[None]), predict),
            measured(reference)[0],
            measured(lambda: given.explain(image[None]), predict),
            measured(lambda: reference(lambda _: labels))[0],
        )
        for _ in range(repeats)
    ]
    name = f"CNN, {size} px, {'float32' if floats else 'uint8'}"
    lines = []
    for ours, lime, kind in ((0, 1, ""), (2, 3, ", equal segments")):
        total, within = (np.array([one[ours][i] for one in seen]) for i in (0, 1))
        other = np.array([one[lime] for one in seen])
        most = 1.08 if not kind else None
        lines += compared(name + kind, total, within, other, most=most, least=2.0)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats and cases")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", choices=["texts", "posts", "images"])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    repeats = 3 if options.quick else options.repeats
    print(machine())
    print(f"{N_ROWS} rows a text or an image, {N_TEXTS} texts, {repeats} interleaved repeats")
    if options.only in (None, "texts"):
        table(HEAD, written(repeats, (30, 100) if options.quick else (12, 30, 100, 300)))
    if options.only in (None, "posts"):
        table(HEAD, posted(repeats))
    if options.only in (None, "images"):
        sizes = (96,) if options.quick else (96, 224)
        cases = [(size, floats) for size in sizes for floats in (False, True)]
        table(
            HEAD,
            [row for size, floats in cases for row in image_case(size, repeats, floats=floats)],
        )


if __name__ == "__main__":
    main()
