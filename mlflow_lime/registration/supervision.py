"""Run each job in a process of its own, and end it where it takes too long or too much memory."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil

from mlflow_lime.registration.job import Outcome, Settled
from mlflow_lime.registration.job_process import (
    Assignment,
    hard_limit,
    out_of_memory,
    read_answer,
    serve_job,
)

__all__ = ["Supervisor"]

_LOOK = 0.2
"""Seconds between two looks at a job's memory."""
_PATIENCE = 10.0
"""Seconds that a job has to end after it was asked to."""
_GOODBYE = 2.0
"""Seconds that a job has to end after its answer."""
_LONGEST_ANSWER = 1 << 20
_LONGEST_LOG = 8 << 20

_PRELOADED = ("mlflow_lime.tracking.registered", "mlflow_lime.report.figures")
"""What every job needs, imported once in the process that all jobs are forked from."""


class Supervisor:
    """Starts the processes of jobs from one that has imported everything already.

    Examples
    --------
    >>> Supervisor().stopping
    False
    """

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._context = _context()

    @property
    def stopping(self) -> bool:
        """Whether the jobs that run were asked to end."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Ask the jobs that run to end soon; what they have finished is kept."""
        self._stop.set()

    def run(self, assignment: Assignment) -> Settled:
        """Do a job in a process of its own, and return what came of it; never raises for it.

        Parameters
        ----------
        assignment : Assignment
        """
        receiver, sender = self._context.Pipe(duplex=False)
        process = self._context.Process(  # type: ignore[attr-defined]
            target=serve_job, args=(assignment, sender), name=f"job {assignment.name}"
        )
        try:
            process.start()
            sender.close()
            settled = self._watch(process, receiver, assignment)
        finally:
            receiver.close()
            _end(process)
        if settled.outcome in (Outcome.EXPLAINED, Outcome.REPEATED):
            Path(assignment.log).unlink(missing_ok=True)
        return settled

    def _watch(self, process: BaseProcess, receiver: Connection, assignment: Assignment) -> Settled:
        started = time.monotonic()
        asked: float | None = None
        while True:
            if receiver.poll(_LOOK):
                settled = _received(process, receiver, assignment)
                process.join(_GOODBYE)  # ended later, where threads of the model go on
                return settled
            now = time.monotonic()
            if now - started > assignment.max_seconds:
                reason = (
                    f"it took longer than {assignment.max_seconds:g} seconds; raise "
                    "registration.max_seconds, or explain fewer instances or rows"
                )
                return Settled(Outcome.FAILED, reason)
            if _is_too_large(process, assignment.max_memory):
                return Settled(Outcome.FAILED, out_of_memory(assignment.max_memory))
            _trim(Path(assignment.log))
            if self._stop.is_set() and asked is None:
                asked = now
                with contextlib.suppress(OSError, TypeError):
                    os.kill(process.pid, signal.SIGINT)  # type: ignore[arg-type]
            if asked is not None and now - asked > _PATIENCE:
                return Settled(Outcome.INTERRUPTED)


def _context() -> BaseContext:
    """Return how processes start: forked from a clean process, where the system can do that."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOADED))
    return context


def _received(process: BaseProcess, receiver: Connection, assignment: Assignment) -> Settled:
    """Return what the process has sent, or why it sent nothing."""
    try:
        return read_answer(receiver.recv_bytes(_LONGEST_ANSWER))
    except (EOFError, OSError, ValueError):
        process.join(_PATIENCE)
        return Settled(Outcome.FAILED, _death(process.exitcode, assignment))


def _death(code: int | None, assignment: Assignment) -> str:
    if code is not None and code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        hint = ""
        if name in ("SIGKILL", "SIGABRT", "SIGSEGV", "SIGBUS"):
            hint = f", perhaps for more than {assignment.max_memory / 2**20:,.0f} MiB of memory"
        return f"its process was ended by {name}{hint}; see {assignment.log}"
    return f"the model ended the interpreter with exit code {code}; see {assignment.log}"


def _is_too_large(process: BaseProcess, most: int) -> bool:
    """Return whether a process and its children occupy too much memory."""
    try:
        root = psutil.Process(process.pid)
        family = [root, *root.children(recursive=True)]
        # Where the operating system gives no more, a program may hang as well as raise.
        if getattr(root.memory_info(), "data", 0) > 0.95 * hard_limit(most):
            return True
    except psutil.Error:
        return False
    total = 0
    for member in family:
        with contextlib.suppress(psutil.Error):
            total += member.memory_info().rss
    return total > most


def _trim(log: Path) -> None:
    """Keep a model that prints without end from filling the disk."""
    with contextlib.suppress(OSError):
        if log.stat().st_size > _LONGEST_LOG:
            os.truncate(log, 0)


def _end(process: BaseProcess) -> None:
    """End a process, and whatever it has started."""
    pid = process.pid
    if pid is None:
        return
    if hasattr(os, "killpg"):
        with contextlib.suppress(OSError):  # there is no such group before it has begun
            os.killpg(pid, signal.SIGKILL)
    process.kill()
    process.join(_PATIENCE)
