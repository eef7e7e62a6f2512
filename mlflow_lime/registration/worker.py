"""Workers: threads that take jobs off the queue and give each a process of its own."""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout
from huey.consumer import Consumer

from mlflow_lime.errors import MlflowLimeError
from mlflow_lime.registration.job import OWN_ORIGINS, Job, Outcome, Settled, State
from mlflow_lime.registration.job_process import Assignment
from mlflow_lime.registration.queue import JobQueue
from mlflow_lime.registration.supervision import Supervisor

__all__ = ["Workers"]

_OLD_LOCK = 86_400.0
"""Seconds after which the file of a worker that died is removed; never one that just begins."""
_OLD_LOG = 30 * 86_400.0
"""Seconds for which the log of a job that failed is kept."""
_TENDING = 2.0
"""Seconds between two looks for jobs of workers that died."""

Report = Callable[[Job, Settled], None]


class Workers:
    """Work at the jobs of a queue until it is told to stop.

    Any number of processes may do so at the same time. The jobs of one that is killed go back to
    the queue within seconds: each process holds a lock on a file, which the operating system
    releases when it ends.

    Parameters
    ----------
    queue : JobQueue
    count : int
        Jobs at a time; 0 for none.
    tracking_uri, registry_uri : str
        The MLflow store of the queue, with credentials if it has any.
    report : callable, optional
        Is told about each attempt: the job as it was taken, and what came of it. Called from the
        threads of the workers.
    parked : callable, optional
        Is told name, version, and reason of each job that is parked.
    """

    def __init__(
        self,
        queue: JobQueue,
        count: int,
        *,
        tracking_uri: str,
        registry_uri: str,
        report: Report | None = None,
        parked: Callable[[str, str, str], None] | None = None,
    ) -> None:
        self.queue = queue
        self.count = count
        self.name = uuid.uuid4().hex
        self._store = (tracking_uri, registry_uri)
        self._report = report
        self._parked = parked
        self._supervisor = Supervisor()
        self._consumer = _Consumer(
            queue.huey,
            workers=count,
            worker_type="thread",
            periodic=False,
            max_delay=1.0,
            scheduler_interval=1,
        )
        self._folder = queue.ledger.path.with_name(f"{queue.ledger.path.name}.workers")
        self._logs = self._folder.with_suffix(".logs")
        self._alive = self._lock(self.name)
        self._active: dict[int, int] = {}
        self._ended = threading.Event()
        self._tending = threading.Thread(target=self._tend, daemon=True, name="mlflow-lime tending")

    def start(self) -> Self:
        """Begin to work, in threads of this process."""
        if not self.count:
            return self
        logging.getLogger("huey").setLevel(logging.CRITICAL)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._alive.acquire()
        self._clean()
        self.queue.work_with(self._work)
        self._consumer.start()
        self._tending.start()
        return self

    def stop(self) -> None:
        """Take no more jobs, end those that run, and give them back; takes seconds."""
        if not self.count or self._ended.is_set():
            return
        self._ended.set()
        self._supervisor.stop()
        self._consumer.stop(graceful=True)
        self._tending.join()
        self.queue.ledger.give_back(self.name)
        self._alive.release()
        self._lock_file(self.name).unlink(missing_ok=True)

    def idle(self, *, retries: bool = True) -> bool:
        """Return whether nothing is left to do, by any worker.

        Parameters
        ----------
        retries : bool
            Whether jobs that wait for another attempt count as left to do.
        """
        return self.queue.ledger.is_idle(by=None if retries else time.time() + _TENDING)

    @property
    def healthy(self) -> bool:
        """Whether the threads that do the work live."""
        return not self.count or (self._tending.is_alive() and not self._ended.is_set())

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # One job

    def _work(self, job_id: int) -> None:
        if self._ended.is_set():
            return  # the job waits, and whoever works next is told
        # By thread: a job may be announced twice, and only one of two threads gets it.
        self._active[threading.get_ident()] = job_id
        try:
            job = self.queue.ledger.claim(job_id, self.name)
            if job is not None:
                self._settle(job, self._attempt(job))
        finally:
            self._active.pop(threading.get_ident(), None)

    def _attempt(self, job: Job) -> Settled:
        try:
            settled = self._supervisor.run(self._assignment(job))
        except MlflowLimeError as error:
            return Settled(Outcome.REFUSED, str(error))
        except Exception as error:
            settled = Settled(Outcome.FAILED, f"its process cannot start: {type(error).__name__}")
        if self._supervisor.stopping and settled.outcome is Outcome.FAILED:
            return Settled(Outcome.INTERRUPTED)
        return settled

    def _settle(self, job: Job, settled: Settled) -> None:
        self.queue.ledger.settle(job, settled)
        (after,) = self.queue.ledger.find([job.id]) or (job,)
        if after.state is State.WAITING:
            self.queue.announce([after])
        if self._report is not None:
            self._report(after, settled)
        if after.state is State.PARKED and self._parked is not None and _may_tag(job):
            self._parked(job.name, job.version, after.reason or "")

    def _assignment(self, job: Job) -> Assignment:
        limits = job.plan().config.registration
        self._logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Assignment(
            name=job.name,
            version=job.version,
            by_us=job.origin in OWN_ORIGINS,
            plan_text=job.config,
            plan_folder=job.folder,
            tracking_uri=self._store[0],
            registry_uri=self._store[1],
            max_seconds=limits.max_seconds,
            max_memory=limits.max_memory,
            log=str(self._logs / f"{job.id}.log"),
        )

    # Workers that died

    def _clean(self) -> None:
        """Remove what workers that were killed, and jobs that failed, have left long ago."""
        now = time.time()
        for lock in self._folder.glob("*.lock"):
            with suppress(OSError):
                if now - lock.stat().st_mtime > _OLD_LOCK and self._is_dead(lock.stem):
                    lock.unlink()
        for log in self._logs.glob("*.log"):
            with suppress(OSError):
                if now - log.stat().st_mtime > _OLD_LOG:
                    log.unlink()

    def _tend(self) -> None:
        while True:
            try:
                self._look_after()
            except Exception:  # such as a full disk; the next look may work
                logging.getLogger(__name__).warning("the queue cannot be tended", exc_info=True)
            if self._ended.wait(_TENDING):
                return

    def _look_after(self) -> None:
        """Give the jobs of dead workers back, and announce what nobody was told of."""
        running = self.queue.ledger.jobs([State.RUNNING])
        for worker in {job.worker for job in running if job.worker not in (None, self.name)}:
            if self._is_dead(str(worker)):
                self.queue.ledger.give_back(str(worker))
                self._lock_file(str(worker)).unlink(missing_ok=True)
        # What a full disk or the like has kept us from settling.
        self.queue.ledger.give_back(self.name, keep=frozenset(self._active.values()))
        self.queue.announce_forgotten()
        self._consumer.check_worker_health()

    def _is_dead(self, worker: str) -> bool:
        lock = self._lock(worker)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        lock.release()
        return True

    def _lock(self, worker: str) -> FileLock:
        return FileLock(self._lock_file(worker), mode=0o600, thread_local=False)

    def _lock_file(self, worker: str) -> Path:
        return self._folder / f"{worker}.lock"


def _may_tag(job: Job) -> bool:
    try:
        return job.plan().config.outputs.version_tags
    except MlflowLimeError:
        return True


class _Consumer(Consumer):  # type: ignore[misc]
    """Huey's threads, without its way of handling signals: that is up to the command."""

    def _set_signal_handlers(self) -> None:
        return None
