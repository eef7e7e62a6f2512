"""Faithfulness: what the model itself says when the heaviest parts go, or come alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.blocks import MaskBlock
from mlflow_lime.core.domain import Draw, Subject
from mlflow_lime.core.explain import Explainer
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.core.masks import mask_block
from mlflow_lime.core.pool import Answer, predict_draws
from mlflow_lime.core.seeds import FAITHFULNESS, instance_seed
from mlflow_lime.errors import MlflowLimeError

__all__ = ["FAITHFULNESS_VALUES", "Probe", "faithfulness", "probe", "rows_needed"]

FloatArray = NDArray[np.float64]

FAITHFULNESS_VALUES: Final = (
    "comprehensiveness",
    "comprehensiveness_random",
    "sufficiency",
    "sufficiency_random",
    "deletion_auc",
    "deletion_auc_random",
    "insertion_auc",
    "insertion_auc_random",
)
"""What `faithfulness` returns of an instance."""

_CELLS: Final = 2**26
"""Masks of so many cells (rows times parts) are held at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """The questions about one instance: orders of its parts, and how many are taken.

    Attributes
    ----------
    sign : float
        1 where the parts together raise the label's output, -1 where they lower it.
    k : int
        Parts of comprehensiveness and sufficiency.
    curve : ndarray of intp, shape (n_points,)
        Numbers of parts at the points of the curves, ascending, from 0 to all.
    counts : ndarray of intp, shape (n_counts,)
        Numbers of parts that are looked at: those of the curve, and `k`.
    orders : ndarray of intp, shape (1 + n_draws, n_active)
        The parts by weight in the direction of `sign`, heaviest first; then random orders.
    n_levels : int
        Draws of background values; 1 where absence is fixed.
    block : MaskBlock
        First every part absent, a row a draw; then, for the counts between none and all, the
        heaviest parts (deleted or kept alone, count, draw), and the random ones (order, deleted or
        kept alone, count).
    """

    sign: float
    k: int
    curve: NDArray[np.intp]
    counts: NDArray[np.intp]
    orders: NDArray[np.intp]
    n_levels: int
    block: MaskBlock


def probe(explanation: Explanation, subject: Subject, *, top: int, draws: int, steps: int) -> Probe:
    """Return the questions about one instance.

    Parameters
    ----------
    explanation : Explanation
        Its first explained label counts.
    subject : Subject
        The same instance.
    top, draws, steps : int
        As in `faithfulness`.
    """
    d = subject.n_active
    weights = explanation.labels[0].weights[subject.active]
    sign = -1.0 if weights.sum() < 0 else 1.0
    seed = instance_seed(explanation.seed, subject.digest, FAITHFULNESS)
    rng = np.random.Generator(np.random.PCG64(seed))
    heaviest = np.argsort(-sign * weights, kind="stable")
    orders = np.vstack([heaviest, *(rng.permutation(d) for _ in range(draws))])
    k, curve, counts = _counts(d, top, steps)
    drawn = _levels(subject, draws, seed)
    masks, levels = _rows(orders, counts[1:-1], drawn)
    block = MaskBlock(masks, levels, np.ones(len(masks)))
    return Probe(sign, k, curve, counts, orders, len(drawn), block)


def _counts(n_parts: int, top: int, steps: int) -> tuple[int, NDArray[np.intp], NDArray[np.intp]]:
    """Return the k, the numbers of parts of the curves, and both together."""
    k = min(top, (n_parts + 1) // 2)
    curve = np.unique(np.rint(np.linspace(0, n_parts, steps)).astype(np.intp))
    return k, curve, np.union1d(curve, [k])


def rows_needed(subject: Subject, *, top: int, draws: int, steps: int) -> int:
    """Return the rows that `faithfulness` asks for of an instance, before repeats are left out."""
    if subject.n_active == 0:
        return 0
    inner = len(_counts(subject.n_active, top, steps)[2]) - 2
    levels = draws if subject.n_draws else 1
    return levels + 2 * inner * (levels + draws)


def _levels(subject: Subject, draws: int, seed: np.random.SeedSequence) -> NDArray[np.uint16]:
    """Return background levels, one row a draw; a single empty row where absence is fixed."""
    if subject.n_draws == 0:
        return np.empty((1, 0), dtype=np.uint16)
    return mask_block(
        "stratified",
        law="uniform_count",
        n_parts=0,
        n_draws=subject.n_draws,
        n_rows=draws,
        seed=seed,
    ).levels


def _rows(
    orders: NDArray[np.intp], counts: NDArray[np.intp], levels: NDArray[np.uint16]
) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Return masks and levels: the heaviest order under every level, each random one under its own.

    So a random order meets the same background values as the heaviest parts do, and their
    difference is that of the orders alone.
    """
    n_draws, n_parts = len(levels), orders.shape[1]
    rank = np.argsort(orders, axis=1)
    taken = (rank[:, None, :] < counts[:, None]).astype(np.uint8)  # (order, count, part)
    both = np.stack([1 - taken, taken], axis=1)
    absent = np.zeros((n_draws, n_parts), dtype=np.uint8)
    heaviest = np.repeat(both[0].reshape(-1, n_parts), n_draws, axis=0)
    masks = np.concatenate([absent, heaviest, both[1:].reshape(-1, n_parts)])
    every = np.tile(np.arange(n_draws), 1 + 2 * len(counts))
    own = np.resize(np.arange(n_draws), len(orders) - 1)
    return masks, levels[np.concatenate([every, np.repeat(own, 2 * len(counts))])]


def faithfulness(
    explainer: Explainer,
    pairs: Sequence[tuple[Explanation, Subject]],
    *,
    top: int = 5,
    draws: int = 4,
    steps: int = 8,
) -> dict[str, dict[str, float]]:
    """Return how the model's output follows the weights, for each instance.

    Absent parts are absent as in the explanation: they take background values, or are removed.
    Parts go in the order of their signed weight, in the direction in which all parts together move
    the label's output. Where they raise it, the parts that speak for the label go first, as in the
    papers; where they lower it (a binary model that says no), those that speak against it, and the
    output counts negatively, which for a binary model is the same question about the other class.
    Every value is set beside its mean over random orders with the same background values.

    Parameters
    ----------
    explainer : Explainer
        What explained the instances; its pool is asked, in calls over many instances.
    pairs : sequence of (Explanation, Subject)
    top : int
        The k of comprehensiveness and sufficiency; at most half of the parts, rounded up.
    draws : int
        Rows over which an answer is averaged where background values are random, and number of
        random orders.
    steps : int
        Points of the curves, at most, from none to all parts.

    Returns
    -------
    dict of str to dict of str to float
        By key of the instance; the names are `FAITHFULNESS_VALUES`. With f the first label's
        output, in its units: comprehensiveness ``f(x) - f(x without the top k)``, higher is
        better; sufficiency ``f(x) - f(the top k alone)``, lower is better; areas under the curves
        of the output over the share of parts deleted (lower is better) or inserted (higher is
        better), by trapezia. The curves are those of a probability; for a regression, those of
        the distance from the value with every part absent. Instances that the model refuses are
        left out, and all of them where rows are not made from masks.

    References
    ----------
    DeYoung et al., "ERASER: a benchmark to evaluate rationalized NLP models", ACL 2020, section
    4.2. Petsiuk, Das, Saenko, "RISE: randomized input sampling for explanation of black-box
    models", BMVC 2018, section 3.
    """
    if not explainer.domain.masked:
        return {}
    found: dict[str, dict[str, float]] = {}
    for chunk in _chunks(explainer, pairs, top=top, draws=draws, steps=steps):
        asked: list[Draw] = [(subject, question.block) for _, subject, question in chunk]
        answers = predict_draws(explainer.pool, explainer.domain, asked)
        for (explanation, _, question), answer in zip(chunk, answers, strict=True):
            if not isinstance(answer, MlflowLimeError):
                found[explanation.key] = _values(explanation, question, answer)
    return found


def _chunks(
    explainer: Explainer, pairs: Sequence[tuple[Explanation, Subject]], **options: int
) -> Iterator[list[tuple[Explanation, Subject, Probe]]]:
    """Yield instances with their questions, as many at once as memory bears."""
    chunk: list[tuple[Explanation, Subject, Probe]] = []
    cells = 0
    for explanation, subject in pairs:
        if subject.n_active == 0:
            continue
        question = probe(explanation, subject, **options)
        if chunk and cells + question.block.masks.size > _CELLS:
            yield chunk
            chunk, cells = [], 0
        chunk.append((explanation, subject, question))
        cells += question.block.masks.size
    if chunk:
        yield chunk


def _values(explanation: Explanation, question: Probe, answer: Answer) -> dict[str, float]:
    """Return the values of an instance from the scores of its rows."""
    label = explanation.labels[0]
    absent, heaviest, random = _curves(question, answer.scores[:, label.index], label.prediction)
    at_k = int(np.searchsorted(question.counts, question.k))
    places = np.searchsorted(question.counts, question.curve)
    share = question.curve / question.curve[-1]
    classifies = explanation.mode == "classification"
    floor = (0.0 if question.sign > 0 else 1.0) if classifies else absent
    values: dict[str, float] = {}
    for suffix, (deleted, kept) in (("", heaviest), ("_random", random)):
        values[f"comprehensiveness{suffix}"] = question.sign * (label.prediction - deleted[at_k])
        values[f"sufficiency{suffix}"] = question.sign * (label.prediction - kept[at_k])
        for name, curve in (("deletion", deleted), ("insertion", kept)):
            height = question.sign * (curve[places] - floor)
            values[f"{name}_auc{suffix}"] = _area(share, height)
    return {name: float(values[name]) for name in FAITHFULNESS_VALUES}


def _curves(
    question: Probe, scores: FloatArray, at_instance: float
) -> tuple[float, FloatArray, FloatArray]:
    """Return the output with every part absent, and both curves by weight and at random.

    Returns
    -------
    absent : float
    heaviest, random : ndarray of float64, shape (2, n_counts)
        The output with so many parts deleted, and with these alone.
    """
    n_inner, n_random = len(question.counts) - 2, len(question.orders) - 1
    first = question.n_levels
    split = len(scores) - n_random * 2 * n_inner
    absent = float(scores[:first].mean())
    curves = []
    for inner in (
        scores[first:split].reshape(2, n_inner, first).mean(axis=2),
        scores[split:].reshape(n_random, 2, n_inner).mean(axis=0),
    ):
        ends = np.array([[at_instance, absent], [absent, at_instance]])
        curves.append(np.hstack([ends[:, :1], inner, ends[:, 1:]]))
    return absent, curves[0], curves[1]


def _area(places: FloatArray, heights: FloatArray) -> float:
    """Return the area under straight lines between points."""
    return float(np.sum(np.diff(places) * (heights[1:] + heights[:-1]) / 2.0))
