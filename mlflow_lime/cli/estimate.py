"""How many rows a model will be asked for, and how long that takes, from two small calls."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlflow_lime.core.domain import Draw, Subject
from mlflow_lime.core.explain import Explainer
from mlflow_lime.core.masks import mask_block

__all__ = ["Estimate", "estimate"]

PROBE_ROWS = 256
"""Rows of the larger of the two calls."""
PATIENCE = 5.0
"""Seconds that the larger call may take; a slow model is asked for fewer rows."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What explaining a reference set will take.

    Attributes
    ----------
    designs : tuple of str
        Mask designs, the most frequent first.
    rows : tuple of (int, int)
        Model rows: with the first round alone, and with every round.
    seconds : tuple of (float, float)
        Seconds inside the model for as many rows.
    """

    designs: tuple[str, ...]
    rows: tuple[int, int]
    seconds: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds of a call of the model, and of each of its rows; rows of a call."""

    call: float
    row: float
    call_rows: int

    def seconds(self, rows: int) -> float:
        return rows * self.row + max(1, -(-rows // self.call_rows)) * self.call


def estimate(explainer: Explainer, subjects: Sequence[Subject]) -> Estimate:
    """Foretell rows and seconds of explaining some instances.

    Parameters
    ----------
    explainer : Explainer
    subjects : sequence of Subject
        Instances, at least one.

    Raises
    ------
    ModelError
        If the model fails on perturbed rows.
    """
    moving = [subject for subject in subjects if subject.n_active > 0]
    pace = _pace(explainer, moving[0]) if moving else Pace(0.0, 0.0, 1)
    plans = [explainer.plan(subject) for subject in moving]
    if explainer.domain.shared:
        plans = plans[:1]
    designs = [design for design, _, _ in plans]
    first = len(subjects) + sum(rows for _, rows, _ in plans)
    most = len(subjects) + sum(rows for _, _, rows in plans)
    if explainer.budget.rows is not None:
        most = max(first, min(most, explainer.budget.rows))
    seconds = (pace.seconds(first), pace.seconds(most))
    limit = explainer.budget.seconds
    if limit is not None:
        seconds = (min(seconds[0], limit), min(seconds[1], limit))
    order = sorted(dict.fromkeys(designs), key=lambda design: -designs.count(design))
    return Estimate(tuple(order), (first, most), seconds)


def _pace(explainer: Explainer, subject: Subject) -> Pace:
    """Time a small and a larger call with perturbed rows of one instance."""
    few = 2
    room = max(2 * few, explainer.pooling.block_bytes // explainer.domain.row_bytes(subject))
    _seconds(explainer, subject, few)  # the first call of a model is slower than the rest
    small = _seconds(explainer, subject, few)
    many = int(np.clip(PATIENCE / (max(small, 1e-9) / few), 2 * few, min(PROBE_ROWS, room)))
    large = _seconds(explainer, subject, many)
    row = max(large - small, 0.0) / (many - few)
    return Pace(max(small - few * row, 0.0), row, min(explainer.domain.call_rows[0], room))


def _seconds(explainer: Explainer, subject: Subject, n_rows: int) -> float:
    inputs = _perturbed(explainer, subject, n_rows)
    started = time.perf_counter()
    explainer.predictor(inputs, n_rows)
    return time.perf_counter() - started


def _perturbed(explainer: Explainer, subject: Subject, n_rows: int) -> Any:
    block = mask_block(
        "iid",
        law="uniform_count",
        n_parts=subject.n_active if explainer.domain.masked else 0,
        n_draws=subject.n_draws,
        n_rows=n_rows,
        seed=np.random.SeedSequence(0),
        replicate=0,
        round_=0,
    )
    draw: Draw = (subject, block)
    return explainer.domain.perturb([draw])
