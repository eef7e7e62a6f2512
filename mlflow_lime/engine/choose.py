"""The engine that a job gets."""

from collections.abc import Mapping

from mlflow_lime.engine.limits import usable_cores
from mlflow_lime.engine.processes import Processes
from mlflow_lime.engine.threads import Threads
from mlflow_lime.engine.work import Engine

__all__ = ["choose_engine", "local_workers"]


def local_workers(wish: int | None, n_units: int) -> int:
    """Return how many workers a job of so many units gets on this machine.

    Parameters
    ----------
    wish : int or None
        As configured; None leaves a core free where there are more than two.
    n_units : int

    Examples
    --------
    >>> local_workers(8, 3)
    3
    """
    cores = usable_cores()
    most = wish if wish is not None else cores - 1 if cores > 2 else cores
    return max(1, min(most, n_units))


def choose_engine(
    kind: str,
    mode: str,
    *,
    workers: int | None,
    n_units: int,
    large: bool,
    settings: Mapping[str, str] | None = None,
) -> Engine:
    """Return the engine for a job.

    Parameters
    ----------
    kind : {"local", "spark"}
    mode : {"auto", "threads", "processes"}
        Of local workers.
    workers : int or None
        As configured.
    n_units : int
        Units of the job.
    large : bool
        Whether the job is worth the start of processes.
    settings : mapping of str to str, optional
        Of a Spark session that is started.
    """
    if kind == "spark":
        from mlflow_lime.engine.spark.engine import Spark

        return Spark(settings or {}, workers)
    n_workers = local_workers(workers, n_units)
    if mode == "processes" or (mode == "auto" and large and n_workers > 1):
        return Processes(n_workers)
    # Threads share one interpreter, which most models keep busy: two are slower than one.
    return Threads(n_workers if mode == "threads" else 1)
