"""Run each job in a process of its own, and end it where it takes too long or too much memory."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
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

_PRELOADED = (
    "mlflow_lime.registration.job_process",
    "mlflow_lime.tracking.registered",
    "mlflow_lime.report.figures",
)
"""What every job needs, imported once in the process that all jobs are forked from.

So an upgrade of the package meanwhile mixes nothing.
"""


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
        family = _Family(process)
        try:
            with _sigint_blocked():
                process.start()
            sender.close()
            settled = self._watch(process, receiver, assignment, family)
        finally:
            family.end()
            receiver.close()
        if settled.outcome in (Outcome.EXPLAINED, Outcome.REPEATED):
            Path(assignment.log).unlink(missing_ok=True)
        return settled

    def _watch(
        self,
        process: BaseProcess,
        receiver: Connection,
        assignment: Assignment,
        family: "_Family",
    ) -> Settled:
        started = time.monotonic()
        asked: float | None = None
        answer = _Answer(receiver)
        while True:
            # Whichever comes first: the process may die while something else keeps the pipe open.
            over = answer.wait(_LOOK) or not (process.is_alive() or answer.wait(_LOOK))
            family.look()
            if over:
                return _received(process, answer, assignment)
            now = time.monotonic()
            if now - started > assignment.max_seconds:
                reason = (
                    f"it took longer than {assignment.max_seconds:g} seconds; raise "
                    "registration.max_seconds, or explain fewer instances or rows"
                )
                return Settled(Outcome.FAILED, reason)
            if family.is_too_large(assignment.max_memory):
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


class _Answer:
    """What comes out of a pipe, read in a thread: a half-written answer never ends."""

    def __init__(self, receiver: Connection) -> None:
        self.text: bytes | None = None
        self._receiver = receiver
        self._over = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            self.text = self._receiver.recv_bytes(_LONGEST_ANSWER)
        self._over.set()

    def wait(self, seconds: float) -> bool:
        """Return whether the answer, or the end of the pipe, has come."""
        return self._over.wait(seconds)


def _received(process: BaseProcess, answer: _Answer, assignment: Assignment) -> Settled:
    """Return what the process has sent, or why it sent nothing."""
    # What goes on after the answer, such as threads of the model, is ended then.
    process.join(_GOODBYE if answer.text is not None else _PATIENCE)
    if answer.text is None:
        return Settled(Outcome.FAILED, _death(process.exitcode, assignment))
    try:
        return read_answer(answer.text)
    except (ValueError, KeyError, TypeError):
        reason = f"its process sent something else than an answer; see {assignment.log}"
        return Settled(Outcome.FAILED, reason)


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


class _Family:
    """A job's process, and all that it has started, also in sessions of their own."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process
        self._known: dict[int, psutil.Process] = {}

    def look(self) -> None:
        """Note which processes there are: their parent is not known any more once it has ended."""
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(self._process.pid)
            self._known = {p.pid: p for p in (root, *root.children(recursive=True))} | {
                pid: known for pid, known in self._known.items() if known.is_running()
            }

    def is_too_large(self, most: int) -> bool:
        """Return whether they occupy too many bytes of memory."""
        total = 0
        for pid, member in self._known.items():
            with contextlib.suppress(psutil.Error):
                memory = member.memory_info()
                total += memory.rss
                # Where the operating system gives no more, a program may hang as well as raise.
                reserved = getattr(memory, "data", 0) if pid == self._process.pid else 0
                if reserved > 0.95 * hard_limit(most):
                    return True
        return total > most

    def end(self) -> None:
        """End them."""
        pid = self._process.pid
        if pid is None:
            return
        self.look()
        if hasattr(os, "killpg"):
            with contextlib.suppress(OSError):  # there is no such group before it has begun
                os.killpg(pid, signal.SIGKILL)
        self._process.kill()
        for member in self._known.values():
            with contextlib.suppress(psutil.Error):
                member.kill()
        self._process.join(_PATIENCE)


@contextlib.contextmanager
def _sigint_blocked() -> Iterator[None]:
    """Keep a Ctrl-C at the terminal, which reaches all processes there, from those that start."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _trim(log: Path) -> None:
    """Keep a model that prints without end from filling the disk."""
    with contextlib.suppress(OSError):
        if log.stat().st_size > _LONGEST_LOG:
            os.truncate(log, 0)
