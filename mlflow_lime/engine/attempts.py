"""Tasks whose worker died: tried again, then one unit at a time, then given up."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from mlflow_lime.engine.work import Result, Task

__all__ = ["Attempt", "Attempts"]

MOST = 2
"""Workers that may die on a task before it is split, or given up."""


@dataclass(slots=True, eq=False)
class Attempt:
    """A task, and how many workers have died on it."""

    task: Task
    deaths: int = 0


@dataclass(slots=True, eq=False)
class Attempts:
    """What is still to be done: tasks that are to be tried again come first.

    Attributes
    ----------
    tasks : iterator of Task
        Those that nobody has tried yet.
    """

    tasks: Iterator[Task]
    _again: deque[Attempt] = field(init=False, default_factory=deque)

    def take(self) -> Attempt | None:
        """Return what is to be done next; None if nothing is left."""
        if self._again:
            return self._again.popleft()
        task = next(self.tasks, None)
        return None if task is None else Attempt(task)

    def again(self, attempt: Attempt) -> None:
        """Put a task back that nobody has begun."""
        self._again.append(attempt)

    def died(self, attempt: Attempt, reason: str) -> Result | None:
        """Take note that a worker died; return what is left to say of a task that is given up."""
        attempt.deaths += 1
        if attempt.deaths < MOST:
            self.again(attempt)
            return None
        if attempt.task.size > 1:
            self._again.extend(Attempt(task, deaths=1) for task in attempt.task.split())
            return None
        return Result(attempt.task.size, attempt.task.lost(reason), 0.0)
