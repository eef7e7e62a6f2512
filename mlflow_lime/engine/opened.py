"""What a worker process has opened, so that each work is opened once."""

import gc
import os
import pickle
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from mlflow_lime.engine.limits import THREAD_VARIABLES, one_thread
from mlflow_lime.engine.work import Answer, Work

__all__ = ["open_once"]

_OPENED: dict[str, Answer] = {}
_LIMITED = ExitStack()


def open_once(name: str, read: Callable[[], bytes], folder: str | None = None) -> Answer:
    """Return the opened work, which stays open as long as the process lives.

    Parameters
    ----------
    name : str
        Hash of the work. One work is kept: a model may be large.
    read : callable
        Returns the pickled work; called only where it is not open yet.
    folder : str, optional
        Where the driver works; relative paths hold there, if it is on this machine.
    """
    if name not in _OPENED:
        _OPENED.clear()
        _LIMITED.close()
        os.environ.update(THREAD_VARIABLES)
        if folder is not None and Path(folder).is_dir():
            os.chdir(folder)
        work: Work = pickle.loads(read())
        answer = work.open()
        # After the libraries of the model are loaded, or they would not be found.
        _LIMITED.enter_context(one_thread())
        # Spark collects garbage after each task, which takes long where much is imported.
        gc.collect()
        gc.freeze()
        _OPENED[name] = answer
    return _OPENED[name]
