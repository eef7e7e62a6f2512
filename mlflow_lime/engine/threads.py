"""Work in threads of this process: nothing is started, and the model need not be picklable."""

from collections.abc import Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import local

from mlflow_lime.engine.work import Result, Task, Work

__all__ = ["Threads"]


@dataclass(frozen=True, slots=True)
class Threads:
    """An engine of threads.

    Attributes
    ----------
    workers : int
        Number of threads; with one, everything happens in the caller's own.
    """

    workers: int

    def close(self) -> None:
        """Nothing outlives a job."""

    def run(self, work: Work, tasks: Iterator[Task]) -> Generator[Result]:
        """Do the work on every task; see `Engine.run`."""
        if self.workers == 1:
            answer = work.open()
            for task in tasks:
                yield Result.of(answer, task)
            return
        yield from self._pooled(work, tasks)

    def _pooled(self, work: Work, tasks: Iterator[Task]) -> Iterator[Result]:
        own = local()

        def do(task: Task) -> Result:
            if not hasattr(own, "answer"):
                own.answer = work.open()
            return Result.of(own.answer, task)

        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="mlflow-lime")
        running: set[Future[Result]] = set()
        try:
            while True:
                while len(running) <= self.workers and (task := next(tasks, None)) is not None:
                    running.add(pool.submit(do, task))
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            # A thread cannot be stopped: what it works at is awaited, the rest is dropped.
            pool.shutdown(wait=True, cancel_futures=True)
