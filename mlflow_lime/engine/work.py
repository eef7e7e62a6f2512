"""What an engine is given: work that can be opened anywhere, and tasks that it is done on."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol, Self

from mlflow_lime import errors
from mlflow_lime.errors import MlflowLimeError, ModelError

__all__ = ["Answer", "Engine", "Failure", "Result", "Task", "Work"]


class Task(Protocol):
    """A few units of the work, such as instances; can be pickled."""

    @property
    def size(self) -> int:
        """Number of units."""
        ...

    def split(self) -> "Sequence[Task]":
        """Return the units one by one."""
        ...

    def lost(self, reason: str) -> list[bytes]:
        """Return the results of units for which no worker lives long enough."""
        ...


Answer = Callable[[Task], list[bytes]]
"""From a task to its results, one for a unit."""


class Work(Protocol):
    """What is done on every task; can be pickled."""

    @property
    def name(self) -> str:
        """Hash of what is done: workers open the same work once."""
        ...

    def open(self) -> Answer:
        """Make everything ready that tasks share, once in each worker."""
        ...


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a task.

    Attributes
    ----------
    size : int
        Units of the task.
    lines : list of bytes
        Its results.
    seconds : float
        Wall time that the worker took.
    """

    size: int
    lines: list[bytes]
    seconds: float

    @classmethod
    def of(cls, answer: Answer, task: Task) -> Self:
        """Do a task, and return its result."""
        started = perf_counter()
        lines = answer(task)
        return cls(task.size, lines, perf_counter() - started)


@dataclass(frozen=True, slots=True)
class Failure:
    """An error on its way from a worker.

    Attributes
    ----------
    kind : str
        Name of the error's class.
    text : str
        Its message.
    """

    kind: str
    text: str

    @classmethod
    def of(cls, error: BaseException) -> Self:
        """Return what is sent of an error."""
        if isinstance(error, MlflowLimeError):
            return cls(type(error).__name__, str(error))
        return cls(type(error).__name__, str(error)[:1000])

    def error(self) -> MlflowLimeError:
        """Return the error, as it would have been raised here.

        Examples
        --------
        >>> Failure("DataError", "a column is missing").error()
        DataError('a column is missing')
        >>> Failure("OSError", "no space left").error()
        ModelError('a worker failed with OSError: no space left')
        """
        known = getattr(errors, self.kind, None)
        if isinstance(known, type) and issubclass(known, MlflowLimeError):
            return known(self.text)
        return ModelError(f"a worker failed with {self.kind}: {self.text}")


class Engine(Protocol):
    """A place where work is done."""

    @property
    def workers(self) -> int:
        """Tasks that are worked at, at the same time."""
        ...

    def close(self) -> None:
        """Give back what was started for it; nothing that the user had started."""
        ...

    def run(self, work: Work, tasks: Iterator[Task]) -> Generator[Result]:
        """Do the work on every task, and yield each result as it comes, in any order.

        Tasks are taken as workers become free, so that few are in memory. Closing the iterator
        stops what still runs.

        Raises
        ------
        MlflowLimeError
            If the work cannot be opened, or a task raises.
        """
        ...
