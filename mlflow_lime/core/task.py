"""An instance on its way through a job, and how it can end without an explanation."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.domain import Subject
from mlflow_lime.core.drawn import Drawn
from mlflow_lime.core.explanation import FailedExplanation
from mlflow_lime.core.sample import Sample
from mlflow_lime.errors import MlflowLimeError

__all__ = ["Task", "by_design", "failure", "nothing_varies", "out_of_time"]

FloatArray = NDArray[np.float64]


@dataclass(slots=True, eq=False)
class Task:
    """An instance on its way: what was predicted so far, and what comes next.

    Attributes
    ----------
    subject : Subject
    scores : ndarray of float64, shape (n_outputs,)
        The model's outputs at the instance.
    outputs : list of int
        Those of them that are fitted.
    labels : list of (int, int, str)
        Fitted output, column among the model's outputs, and name of each explained label.
    exact : bool
        Whether all masks are asked for.
    sample : Sample
        What was predicted so far.
    drawn : Drawn
        The design that it takes.
    round : int
        The round that comes next.
    rows_predicted : int
        Rows that the model was asked for.
    """

    subject: Subject
    scores: FloatArray
    outputs: list[int]
    labels: list[tuple[int, int, str]]
    exact: bool
    sample: Sample
    drawn: Drawn
    round: int = 0
    rows_predicted: int = 0


def by_design(tasks: Sequence[Task]) -> deque[Task]:
    """Return a queue in which those that take the same design follow each other."""
    groups: dict[int, list[Task]] = {}
    for task in tasks:
        groups.setdefault(id(task.drawn), []).append(task)
    return deque(task for group in groups.values() for task in group)


def failure(subject: Subject, error: MlflowLimeError) -> FailedExplanation:
    """Return that an instance has no explanation, because of an error."""
    return FailedExplanation(key=subject.key, reason=str(error), kind=type(error).__name__)


def nothing_varies(subject: Subject) -> FailedExplanation:
    """Return that an instance has no part that could be absent."""
    return FailedExplanation(
        key=subject.key,
        reason="no part of this instance can be varied: " + "; ".join(subject.notes[:3]),
        kind="DataError",
    )


def out_of_time(subject: Subject, seconds: float | None) -> FailedExplanation:
    """Return that there was no time for an instance."""
    return FailedExplanation(
        key=subject.key,
        reason=f"the time budget of {seconds} seconds was spent before this "
        "instance was explained; raise it or explain fewer instances",
        kind="BudgetSpent",
    )
