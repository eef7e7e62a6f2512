"""Work in processes of this machine, which outlives any of them."""

import os
import pickle
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from mlflow_lime.engine.attempts import Attempt, Attempts
from mlflow_lime.engine.framed import receive, send
from mlflow_lime.engine.limits import THREAD_VARIABLES
from mlflow_lime.engine.work import Failure, Result, Task, Work
from mlflow_lime.errors import ModelError

__all__ = ["Processes"]

AHEAD = 2
"""Tasks that a worker is given at a time: one to work at, one to go on with."""
STILLBORN = 3
"""Workers that may die before they are ready, one after the other."""
_PATIENCE = 5.0
"""Seconds that a worker gets to end by itself."""

_Message = tuple["_Worker", Any]


@dataclass(slots=True, eq=False)
class _Worker:
    """One process, and what it was given."""

    process: "subprocess.Popen[bytes]"
    given: deque[Attempt] = field(default_factory=deque)
    ready: bool = False

    def give(self, message: object) -> None:
        """Send something; where the process is gone, its end is told by its pipe."""
        if self.process.stdin is not None:
            with suppress(OSError, ValueError):
                send(self.process.stdin, message)

    def give_task(self, attempt: Attempt) -> None:
        """Send a task."""
        self.given.append(attempt)
        self.give(attempt.task)

    def end(self) -> str:
        """Wait for the process, and return how it ended."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_PATIENCE)
        code = self.process.poll()
        if code is None:
            self.process.kill()
            self.process.wait()
            return "it closed its pipe"
        if code >= 0:
            return f"it ended with exit code {code}"
        return f"it was killed by signal {-code}" + (
            ", as by the system where memory runs out" if code == -9 else ""
        )


@dataclass(frozen=True, slots=True)
class Processes:
    """An engine of processes; a task whose worker dies is done by another.

    Attributes
    ----------
    workers : int
        Number of processes, each with one thread for the model.
    """

    workers: int

    def close(self) -> None:
        """Nothing outlives a job."""

    def run(self, work: Work, tasks: Iterator[Task]) -> Generator[Result]:
        """Do the work on every task; see `Engine.run`."""
        yield from _Crew(self.workers, work, Attempts(tasks)).results()


@dataclass(slots=True, eq=False)
class _Crew:
    """The workers of one job."""

    size: int
    work: Work
    attempts: Attempts
    members: set[_Worker] = field(default_factory=set)
    leaving: list[_Worker] = field(default_factory=list)
    inbox: "queue.SimpleQueue[_Message]" = field(default_factory=queue.SimpleQueue)
    stillborn: int = 0

    def results(self) -> Iterator[Result]:
        try:
            while True:
                self._share_out()
                if not self.members:
                    return
                result = self._next_result()
                if result is not None:
                    yield result
        finally:
            self._dismiss()

    def _share_out(self) -> None:
        """Keep workers busy, with as many of them as there is work for."""
        ready = [worker for worker in self.members if worker.ready]
        for worker in ready:
            while len(worker.given) < AHEAD and (attempt := self.attempts.take()) is not None:
                worker.give_task(attempt)
        while len(self.members) < self.size and (attempt := self.attempts.take()) is not None:
            self._start().give_task(attempt)
        for worker in ready:
            if not worker.given:
                self.members.discard(worker)
                self.leaving.append(worker)
                worker.give(None)
                self._forget(worker)

    def _next_result(self) -> Result | None:
        try:
            worker, message = self.inbox.get(timeout=_PATIENCE)
        except queue.Empty:
            # A child of a dead worker may keep its pipe, so that its end is never told.
            dead = next((one for one in self.members if one.process.poll() is not None), None)
            return None if dead is None else self._bury(dead)
        if worker not in self.members:
            return None
        if isinstance(message, Failure):
            raise message.error()
        if isinstance(message, Result):
            worker.given.popleft()
            return message
        if isinstance(message, EOFError):
            return self._bury(worker)
        worker.ready = True
        self.stillborn = 0
        return None

    def _bury(self, worker: _Worker) -> Result | None:
        """Give the tasks of a dead worker to others; the first one may have killed it."""
        self.members.discard(worker)
        how = worker.end()
        self._forget(worker)
        if not worker.ready:
            self.stillborn += 1
            if self.stillborn >= STILLBORN:
                msg = (
                    f"{STILLBORN} worker processes died before the model was loaded; the last: "
                    f"{how}. Set engine.workers lower, or engine.mode: threads"
                )
                raise ModelError(msg)
        result = None
        for place, attempt in enumerate(worker.given):
            if place == 0 and worker.ready:
                reason = f"the worker process that explained it died: {how}"
                result = self.attempts.died(attempt, reason)
            else:
                self.attempts.again(attempt)
        return result

    def _start(self) -> _Worker:
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "mlflow_lime.engine.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **THREAD_VARIABLES},
            )
        except OSError as error:
            msg = f"no worker process could be started: {error}; set engine.mode: threads"
            raise ModelError(msg) from error
        worker = _Worker(process)
        self.members.add(worker)
        worker.give((self.work.name, pickle.dumps(self.work), list(sys.path)))
        threading.Thread(target=_listen, args=(worker, self.inbox), daemon=True).start()
        return worker

    def _forget(self, worker: _Worker) -> None:
        if worker.process.stdin is not None:
            with suppress(OSError):
                worker.process.stdin.close()

    def _dismiss(self) -> None:
        """End every worker that is left."""
        for worker in self.members:
            worker.process.kill()
            self._forget(worker)
        for worker in (*self.members, *self.leaving):
            try:
                worker.process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:  # a model's own threads may keep it
                worker.process.kill()
                worker.process.wait()
        self.members.clear()


def _listen(worker: _Worker, inbox: "queue.SimpleQueue[_Message]") -> None:
    """Pass on what a worker sends, and at last that it is gone."""
    stream = worker.process.stdout
    if stream is None:
        return
    with stream:
        while True:
            try:
                message = receive(stream)
            except Exception:  # whatever it is: nobody else would tell that this worker is lost
                inbox.put((worker, EOFError()))
                return
            inbox.put((worker, message))
