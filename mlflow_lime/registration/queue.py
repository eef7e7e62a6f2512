"""Jobs on their way to workers: the ledger says what is to do, huey says who does it when."""

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from huey import Huey
from huey.registry import Message
from huey.serializer import Serializer
from huey.storage import SqliteStorage

from mlflow_lime.home import home_folder
from mlflow_lime.registration.job import Job, Offer
from mlflow_lime.registration.ledger import Ledger

__all__ = ["JobQueue", "queue_path"]

_URGENT, _BACKLOG = 10, 0
_TOLD = 100
"""Jobs that workers are told of at once; each is a write to the disk."""


def queue_path(store: str, chosen: str | os.PathLike[str] | None = None) -> Path:
    """Return the file of a store's queue.

    Parameters
    ----------
    store : str
        The MLflow store, without credentials.
    chosen : path, optional
        The file that a person named; else ``$MLFLOW_LIME_QUEUE``, else a file of the store's own
        below ``$MLFLOW_LIME_HOME``.
    """
    named = chosen or os.environ.get("MLFLOW_LIME_QUEUE")
    if named:
        return Path(named).expanduser().absolute()
    digest = hashlib.sha256(store.encode()).hexdigest()[:12]
    return home_folder() / "queues" / f"{digest}.db"


class JobQueue:
    """The queue of one MLflow store.

    Parameters
    ----------
    path : Path
        See `queue_path`.
    store : str
        The MLflow store, without credentials.

    Raises
    ------
    ConfigError
        If the file cannot be used; see `Ledger`.
    """

    def __init__(self, path: Path, store: str) -> None:
        self.ledger = Ledger(path, store)
        self._work: Callable[[int], None] | None = None
        self.huey = Huey(
            "mlflow-lime",
            storage_class=_Storage,
            filename=str(path),
            results=False,
            serializer=_JsonSerializer(),
            timeout=30,
        )

        self._explain = self.huey.task(name="explain")(self._run)

    def work_with(self, run: Callable[[int], None]) -> None:
        """Say what a worker of this process does with the id of a job."""
        self._work = run

    def _run(self, job_id: int) -> None:
        if self._work is not None:
            self._work(job_id)

    def offer(self, offers: Iterable[Offer]) -> int:
        """Queue versions, each once, and return how many were new."""
        return self._announce(self.ledger.offer(offers))

    def accept(self, delivery: str, offers: Iterable[Offer], *, keep_seconds: float) -> int | None:
        """Queue the versions of a webhook's delivery, and return how many were new.

        None if the delivery came before; see `Ledger.accept`.
        """
        added = self.ledger.accept(delivery, offers, keep_seconds=keep_seconds)
        return None if added is None else self._announce(added)

    def retry(self, job_ids: Iterable[int]) -> int:
        """Let parked, dropped, or waiting jobs run now, and return how many did not run yet."""
        return self._announce(self.ledger.retry(job_ids))

    def announce(self, jobs: Iterable[Job]) -> None:
        """Tell the workers about jobs that wait, each when it is due."""
        for job in jobs:
            priority = _URGENT if job.urgent else _BACKLOG
            delay = max(0.0, job.due - time.time())
            self._explain.schedule(args=(job.id,), delay=delay, priority=priority)

    def _announce(self, job_ids: list[int]) -> int:
        self.announce(self.ledger.find(job_ids[:_TOLD]))
        return len(job_ids)

    def announce_forgotten(self) -> int:
        """Announce the next jobs of which no worker was told, and return how many.

        Workers are told of some hundred jobs at most. A kill between two writes can leave more.
        """
        due = self.ledger.next_due(_TOLD)
        if not due:
            return 0
        told = {int(task.args[0]) for task in self.huey.pending()}
        forgotten = [job for job in due if job.id not in told]
        self.announce(forgotten)
        return len(forgotten)

    def close(self) -> None:
        """Close the file."""
        self.huey.storage.close()
        self.ledger.close()


class _Storage(SqliteStorage):  # type: ignore[misc]
    """Announcements that wait for no disk: the ledger knows what a power cut loses of them."""

    def _create_connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection = super()._create_connection()
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection


class _JsonSerializer(Serializer):  # type: ignore[misc]
    """Messages as JSON: nothing in the file is ever unpickled."""

    def _serialize(self, data: Message) -> bytes:
        eta = None if data.eta is None else data.eta.isoformat()
        return json.dumps([data.id, data.name, eta, data.priority, *data.args]).encode()

    def _deserialize(self, data: bytes) -> Message:
        task_id, name, eta, priority, *arguments = json.loads(data)
        return Message(
            id=task_id,
            name=name,
            eta=None if eta is None else datetime.fromisoformat(eta),
            priority=priority,
            args=tuple(arguments),
            kwargs={},
        )
