"""Blocks of perturbed rows of many instances, predicted together."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.domain import Domain, Draw
from mlflow_lime.core.options import Pooling
from mlflow_lime.core.predict import Predictor, take_rows
from mlflow_lime.errors import MlflowLimeError

__all__ = ["SIZES", "Answer", "BlockSize", "Pool", "predict_draws"]

SIZES = (4096, 16384, 1024)
"""Rows of a call that are tried, in this order, unless the domain knows better."""

TRIALS = 2
"""Calls of each size before the fastest is kept."""

LARGEST = 65536
"""Rows of a call beyond which none is tried."""

LONGEST = 1.0
"""Seconds that a call of more rows than the usual sizes may be expected to take."""


@dataclass(slots=True)
class BlockSize:
    """Finds the number of rows a call at which all is fastest, from the calls themselves.

    Where calls of eight images keep a network quickest, those of sixteen may still be the better
    ones, since perturbing has a price of its own a call.

    Attributes
    ----------
    fixed : int or None
        Configured rows of a call.
    sizes : tuple of int
        Rows of a call that are tried first, in this order, where none is configured.
    pace : dict of int to float
        Best seconds a row seen at each size.
    trials : dict of int to int
        Calls of each size; two are made before sizes are compared, because one may be unlucky.
    warm : bool
        Whether there was a call before.
    """

    fixed: int | None
    sizes: tuple[int, ...] = SIZES
    pace: dict[int, float] = field(default_factory=dict)
    trials: Counter[int] = field(default_factory=Counter)
    warm: bool = False

    def rows(self, most: int) -> int:
        """Return the rows of the next call, of which there is room for `most`."""
        if self.fixed is not None:
            return min(self.fixed, most)
        fitting = [size for size in self.sizes if size <= most]
        for size in fitting:
            if self.trials[size] < TRIALS:
                return size
        known = {size: pace for size, pace in self.pace.items() if size <= most}
        if not known:
            return most
        best = min(known, key=known.__getitem__)
        # While the largest is the fastest, a much larger one may be faster still.
        steps = (4 * best, 2 * best) if best == max(known) else (2 * best,)
        for size in steps:
            bounded = size <= min(most, LARGEST) and known[best] * size <= LONGEST
            if bounded and self.trials[size] < TRIALS:
                return size
        return best // 2 if best > 1 and self.trials[best // 2] < TRIALS else best

    def record(self, size: int, n_rows: int, seconds: float) -> None:
        """Take note of a call.

        Parameters
        ----------
        size : int
            What `rows` returned.
        n_rows : int
            Rows of the call; where it has less than half of them, it does not count.
        seconds : float
            From masks to scores. The first call, which warms up, does not count.
        """
        if not self.warm:
            self.warm = True
        elif 2 * n_rows >= size:
            self.trials[size] += 1
            pace = seconds / n_rows
            self.pace[size] = min(pace, self.pace.get(size, pace))


@dataclass(slots=True)
class Pool:
    """The model's side of a job: how many rows a call, and the calls themselves."""

    predictor: Predictor
    pooling: Pooling
    sizes: tuple[int, ...] = SIZES
    size: BlockSize = field(init=False)

    def __post_init__(self) -> None:
        self.size = BlockSize(self.pooling.block_rows, self.sizes)

    def target(self, row_bytes: int) -> int:
        """Return the rows of the next call, within the byte budget."""
        return self.size.rows(max(1, self.pooling.block_bytes // max(row_bytes, 1)))


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Scores of one block.

    Attributes
    ----------
    scores : ndarray of float64, shape (n_rows, n_outputs)
    n_predicted : int
        Rows that the model was asked for.
    """

    scores: NDArray[np.float64]
    n_predicted: int


def predict_draws(
    pool: Pool, domain: Domain, draws: Sequence[Draw]
) -> list[Answer | MlflowLimeError]:
    """Return the scores of each block, or why the model failed on it.

    Parameters
    ----------
    pool : Pool
    domain : Domain
    draws : sequence of (Subject, MaskBlock)
        Blocks of one or many instances.

    Returns
    -------
    list of Answer or MlflowLimeError
        One for each draw. Where a call fails, its instances are asked for one by one, so that only
        those that the model refuses are lost.
    """
    answers: list[list[Answer]] = [[] for _ in draws]
    failed: dict[int, MlflowLimeError] = {}
    limit = pool.target(max(domain.row_bytes(subject) for subject, _ in draws))
    for pieces in _pack(draws, limit):
        live = [piece for piece in pieces if piece[0] not in failed]
        if not live:
            continue
        try:
            found = _predict(pool, domain, [piece[1] for piece in live], limit)
            for (place, _), answer in zip(live, found, strict=True):
                answers[place].append(answer)
        except MlflowLimeError:
            for place, draw in live:
                try:
                    answers[place].extend(_predict(pool, domain, [draw], limit))
                except MlflowLimeError as error:
                    failed[place] = error
    return [failed[i] if i in failed else _together(parts) for i, parts in enumerate(answers)]


def _pack(draws: Sequence[Draw], limit: int) -> list[list[tuple[int, Draw]]]:
    """Cut the blocks into even calls of at most `limit` rows, keeping their order."""
    n_rows = sum(len(block.weights) for _, block in draws)
    limit = -(-n_rows // max(1, -(-n_rows // limit)))
    calls: list[list[tuple[int, Draw]]] = [[]]
    room = limit
    for place, (subject, block) in enumerate(draws):
        start, n_rows = 0, len(block.weights)
        while start < n_rows:
            if room == 0:
                calls.append([])
                room = limit
            stop = min(n_rows, start + room)
            piece = block if stop - start == n_rows else block.part(start, stop)
            calls[-1].append((place, (subject, piece)))
            room -= stop - start
            start = stop
    return calls


def _predict(pool: Pool, domain: Domain, draws: Sequence[Draw], limit: int) -> list[Answer]:
    started = time.perf_counter()
    sizes = [len(block.weights) for _, block in draws]
    n_rows = sum(sizes)
    inputs = domain.perturb(draws)
    fingerprints = domain.fingerprints(draws) if pool.pooling.deduplicate else None
    first = inverse = None
    if fingerprints is not None:
        _, first, inverse = np.unique(fingerprints, return_index=True, return_inverse=True)
        if len(first) == n_rows:
            first = None
    if first is None or inverse is None:
        scores = pool.predictor(inputs, n_rows)
    else:
        scores = pool.predictor(take_rows(inputs, first), len(first))[inverse.reshape(-1)]
    pool.size.record(limit, n_rows, time.perf_counter() - started)
    answers, start = [], 0
    for size in sizes:
        stop = start + size
        own = size if first is None else int(((first >= start) & (first < stop)).sum())
        answers.append(Answer(scores[start:stop], own))
        start = stop
    return answers


def _together(parts: Sequence[Answer]) -> Answer:
    if len(parts) == 1:
        return parts[0]
    return Answer(
        np.concatenate([part.scores for part in parts]), sum(part.n_predicted for part in parts)
    )
