"""A worker process: ``python -m mlflow_lime.engine.worker``, spoken to over its pipes.

It is a program of its own rather than a copy of the caller's: the caller's main module, which may
be a script without a guard, is not run a second time.
"""

import os
import pickle
import queue
import signal
import sys
import threading
from typing import IO, Any

from mlflow_lime.engine.framed import read, receive, send
from mlflow_lime.engine.opened import open_once
from mlflow_lime.engine.work import Answer, Failure, Result

__all__ = ["main"]


def main() -> None:
    """Open the work that comes first, then answer tasks until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's business
    incoming, outgoing = _own_pipes()
    name, pickled, paths = receive(incoming)
    sys.path[:] = [*sys.path, *(path for path in paths if path not in sys.path)]
    tasks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read_ahead, args=(incoming, tasks), daemon=True).start()
    try:
        answer = open_once(name, lambda: pickled)
    except Exception as error:
        send(outgoing, Failure.of(error))
        return
    send(outgoing, None)
    while (task := pickle.loads(tasks.get())) is not None:
        send(outgoing, _answered(answer, task))


def _own_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Return the pipes to the caller; what a model prints goes to the standard error."""
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return incoming, outgoing


def _read_ahead(incoming: IO[bytes], tasks: "queue.SimpleQueue[bytes]") -> None:
    """Take tasks in while another is worked at, and end at once where the caller is gone.

    They are not unpickled here: that imports modules, which may be half imported elsewhere.
    """
    while True:
        try:
            tasks.put(read(incoming))
        except EOFError:
            os._exit(1)


def _answered(answer: Answer, task: Any) -> Result | Failure:
    try:
        return Result.of(answer, task)
    except Exception as error:
        return Failure.of(error)


if __name__ == "__main__":
    main()
