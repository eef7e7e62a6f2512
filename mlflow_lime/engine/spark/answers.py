"""Doing a task in a worker process of Spark's."""

import pickle
from collections.abc import Callable

from mlflow_lime.engine.opened import open_once
from mlflow_lime.engine.work import Failure, Result, Task

__all__ = ["answered"]


def answered(
    name: str, shared: Callable[[], bytes], folder: str, pickled: bytes
) -> tuple[float, bytes, str, str]:
    """Return seconds, results in lines, and the kind and text of an error; both are often empty.

    Errors are told rather than raised: Spark would try the task again, in vain, and show a
    traceback of the Java machine.
    """
    try:
        answer = open_once(name, shared, folder)
        task: Task = pickle.loads(pickled)
        result = Result.of(answer, task)
    except Exception as error:
        failure = Failure.of(error)
        return 0.0, b"", failure.kind, failure.text
    return result.seconds, b"\n".join(result.lines), "", ""
