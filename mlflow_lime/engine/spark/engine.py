"""Work on Spark, in jobs of a few tasks each: what is finished comes back as it is finished."""

import os
import pickle
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mlflow_lime.engine.attempts import Attempt, Attempts
from mlflow_lime.engine.spark.look import check_workers
from mlflow_lime.engine.spark.session import open_session, slots_of
from mlflow_lime.engine.spark.workers import answer_schema, answering
from mlflow_lime.engine.work import Failure, Result, Task, Work
from mlflow_lime.errors import ModelError, shorten

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["Spark"]

_Answers = Future[list[dict[str, Any]]]

_JOBS = 4
"""Jobs that share the slots: while one waits for its slowest task, others go on."""


@dataclass(slots=True, eq=False)
class Spark:
    """An engine that does its tasks on Spark.

    Attributes
    ----------
    settings : mapping of str to str
        Spark's settings, for a session that is started here.
    cores : int or None
        Cores of such a session on this machine.
    session : SparkSession or None
        The session, once it is open.
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    cores: int | None = None
    session: "SparkSession | None" = field(init=False, default=None)
    _started: bool = field(init=False, default=False)

    @property
    def workers(self) -> int:
        """Tasks that run at the same time."""
        return slots_of(self._open())

    def run(self, work: Work, tasks: Iterator[Task]) -> Generator[Result]:
        """Do the work on every task; see `Engine.run`."""
        session = self._open()
        check_workers(session)
        job = _Job(session, work, Attempts(tasks))
        yield from job.results()

    def close(self) -> None:
        """End the session, if it was started here."""
        if self.session is not None and self._started:
            self.session.stop()
        self.session = None

    def _open(self) -> "SparkSession":
        if self.session is None:
            self.session, self._started = open_session(self.settings, self.cores)
        return self.session


@dataclass(slots=True, eq=False)
class _Job:
    """One work on its way through many small jobs of Spark's."""

    session: "SparkSession"
    work: Work
    attempts: Attempts
    tag: str = field(default_factory=lambda: f"mlflow-lime-{uuid.uuid4().hex}")

    def results(self) -> Iterator[Result]:
        slots = slots_of(self.session)
        most = max(1, slots // _JOBS)  # tasks of a job
        running: dict[_Answers, list[Attempt]] = {}
        shared = _shared(self.session, pickle.dumps(self.work))
        do = answering(self.work.name, shared.read, os.getcwd())
        pool = ThreadPoolExecutor(_JOBS * 2, thread_name_prefix="mlflow-lime-spark")
        try:
            while True:
                # A few more than there are slots, so that none waits for the driver.
                while sum(map(len, running.values())) < slots + most:
                    attempts = self._take(most)
                    if not attempts:
                        break
                    running[pool.submit(self._ask, attempts, do)] = attempts
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield from self._results_of(future, running.pop(future))
        finally:
            self._cancel(running)
            pool.shutdown(wait=not running, cancel_futures=True)
            shared.drop()

    def _take(self, most: int) -> list[Attempt]:
        taken: list[Attempt] = []
        while len(taken) < most and (attempt := self.attempts.take()) is not None:
            taken.append(attempt)
            if attempt.deaths:  # alone, so that no other task dies with it
                break
        return taken

    def _ask(self, attempts: list[Attempt], do: Callable[..., Any]) -> list[dict[str, Any]]:
        self.session.addTag(self.tag)
        numbers = pa.array(range(len(attempts)), pa.int32())
        tasks = pa.array([pickle.dumps(attempt.task) for attempt in attempts], pa.binary())
        # A table of no more rows than there are slots becomes a partition for each row.
        table = pa.table({"number": numbers, "task": tasks})
        frame: DataFrame = self.session.createDataFrame(table)
        # As rows of Python's, results would be copied and pickled several times on their way.
        answers: pa.Table = frame.mapInPandas(do, answer_schema()).toArrow()
        rows: list[dict[str, Any]] = answers.to_pylist()
        return rows

    def _results_of(self, future: _Answers, attempts: list[Attempt]) -> Iterator[Result]:
        try:
            rows = future.result()
        except Exception as error:
            yield from self._given_up(error, attempts)
            return
        for row in rows:
            if row["kind"]:
                raise Failure(row["kind"], row["text"]).error()
            task = attempts[row["number"]].task
            yield Result(task.size, row["lines"].split(b"\n"), row["seconds"])

    def _given_up(self, error: Exception, attempts: list[Attempt]) -> Iterator[Result]:
        """Try the tasks of a job again whose workers died as often as Spark allows."""
        text = str(error)
        if not any(sign in text for sign in _DEATHS):
            msg = f"Spark gave the job up with {type(error).__name__}: {shorten(text, 400)}"
            raise ModelError(msg) from error
        reason = "the Spark worker that explained it died as often as Spark allows"
        for attempt in attempts:  # any of them may have been the reason
            result = self.attempts.died(attempt, reason)
            if result is not None:
                yield result

    def _cancel(self, running: Mapping[_Answers, Any]) -> None:
        for future in running:
            future.cancel()
        if running:
            with suppress(Exception):
                self.session.interruptTag(self.tag)


_DEATHS = (
    "Python worker exited unexpectedly",
    "ExecutorLostFailure",
    "Python worker failed to connect back",
)
"""What Spark says where a process is gone, and not where code has raised."""


@dataclass(frozen=True, slots=True)
class _Broadcast:
    """The pickled work, sent to each machine once."""

    value: Any

    def read(self) -> bytes:
        return bytes(self.value.value)

    def drop(self) -> None:
        with suppress(Exception):
            self.value.unpersist()


@dataclass(frozen=True, slots=True)
class _Copied:
    """The pickled work, sent with every job: a remote session cannot broadcast."""

    value: bytes

    def read(self) -> bytes:
        return self.value

    def drop(self) -> None:
        """Leave nothing behind."""


def _shared(session: "SparkSession", pickled: bytes) -> _Broadcast | _Copied:
    try:
        return _Broadcast(session.sparkContext.broadcast(pickled))
    except Exception:
        return _Copied(pickled)
