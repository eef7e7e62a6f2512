"""The durable list of versions that were seen, and of jobs: what is to explain, and what became.

One SQLite file for one MLflow store, shared by every process on a machine. Each method is one
transaction, so that a kill at any moment leaves nothing half done.
"""

import math
import os
import sqlite3
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mlflow_lime.errors import ConfigError, shorten
from mlflow_lime.registration.job import OWN_ORIGINS, Job, Offer, Settled, State, after_attempt

__all__ = ["MOST_LOSSES", "Ledger"]

MOST_LOSSES = 20
"""How often a worker may die over a job before the job is parked."""
_MANY_DEFERRALS = 8
"""So many tries while the store does not answer take nine minutes."""
_CLOSING = 5.0
"""Seconds that closing waits for transactions of other threads."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS versions (
    name TEXT NOT NULL, version TEXT NOT NULL, created INTEGER, seen REAL NOT NULL,
    PRIMARY KEY (name, version)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL, version TEXT NOT NULL,
    config_digest TEXT NOT NULL, reference_digest TEXT NOT NULL,
    config TEXT NOT NULL, folder TEXT NOT NULL,
    origin TEXT NOT NULL, urgent INTEGER NOT NULL, state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, deferrals INTEGER NOT NULL DEFAULT 0,
    losses INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL, worker TEXT, reason TEXT, run_id TEXT,
    added REAL NOT NULL, changed REAL NOT NULL,
    UNIQUE (name, version, config_digest, reference_digest));
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, due);
CREATE TABLE IF NOT EXISTS deliveries (id TEXT PRIMARY KEY, seen REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS deliveries_by_time ON deliveries (seen);
"""


_COLUMNS = ", ".join(Job.__dataclass_fields__)


class Ledger:
    """The list of jobs of one store.

    Parameters
    ----------
    path : Path
        The SQLite file; made, for the user alone, where it is missing.
    store : str
        The MLflow store, without credentials: a file serves one store.

    Raises
    ------
    ConfigError
        If the file cannot be opened, belongs to another store, or other users can write to it.

    Examples
    --------
    >>> import tempfile
    >>> from mlflow_lime.config import Config
    >>> from mlflow_lime.registration.job import Outcome
    >>> from mlflow_lime.registration.plans import Plan
    >>> folder = tempfile.TemporaryDirectory()
    >>> ledger = Ledger(Path(folder.name) / "queue.db", "http://localhost:5000")
    >>> plan = Plan(Config())
    >>> ledger.offer([Offer("credit", "7", plan)])
    [1]
    >>> ledger.offer([Offer("credit", "7", plan)])
    []
    >>> job = ledger.claim(1, "worker-1")
    >>> ledger.settle(job, Settled(Outcome.EXPLAINED, run_id="1f2e", reference_digest="a1b2"))
    >>> [(job.label, job.state.value) for job in ledger.jobs()]
    [('credit/7', 'done')]
    >>> ledger.close(); folder.cleanup()
    """

    def __init__(self, path: Path, store: str) -> None:
        self.path = path
        self.store = store
        self._local = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._idle = threading.Condition()
        self._active = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)
            _check_permissions(path)
            opened = path.stat()
            self._file = opened.st_dev, opened.st_ino
            with self._transaction() as db:
                found = db.execute("SELECT value FROM meta WHERE key = 'store'").fetchone()
                if found is None:
                    db.execute("INSERT INTO meta VALUES ('store', ?)", (store,))
        except (OSError, sqlite3.Error) as error:
            msg = (
                f"the queue {path} cannot be opened: {error}; name another file with --queue, or "
                "set MLFLOW_LIME_HOME to a folder that can be written"
            )
            raise ConfigError(msg) from error
        if found is not None and found[0] != store:
            msg = (
                f"the queue {path} belongs to the MLflow store {found[0]}, not to {store}; name "
                "another file with --queue, or set MLFLOW_TRACKING_URI to that store"
            )
            raise ConfigError(msg)

    # What was seen

    def unseen(
        self, versions: Iterable[tuple[str, str, int | None]]
    ) -> list[tuple[str, str, int | None]]:
        """Return those of ``(name, version, created)`` that nobody has seen, in their order."""
        with self._transaction() as db:
            return [item for item in versions if not _is_known(db, *item)]

    def mark_seen(self, versions: Iterable[tuple[str, str, int | None]]) -> None:
        """Note versions that need no job."""
        with self._transaction() as db:
            for name, version, created in versions:
                _note(db, name, version, created)

    # Jobs come in

    def offer(self, offers: Iterable[Offer]) -> list[int]:
        """Note versions as seen, and return the ids of the jobs that are new.

        A version with the same configuration and reference set, or one of the two without any,
        is one job, whoever offers it and however often.
        """
        with self._transaction() as db:
            added = [_insert(db, offer) for offer in offers]
        return [job for job in added if job is not None]

    def accept(
        self, delivery: str, offers: Iterable[Offer], *, keep_seconds: float
    ) -> list[int] | None:
        """Take a webhook's delivery, once.

        Parameters
        ----------
        delivery : str
            Id of the delivery.
        offers : iterable of Offer
        keep_seconds : float
            How long the id is remembered.

        Returns
        -------
        list of int or None
            Ids of the new jobs, which may be none; None if the delivery came before.
        """
        now = time.time()
        with self._transaction() as db:
            db.execute("DELETE FROM deliveries WHERE seen < ?", (now - keep_seconds,))
            if db.execute("SELECT 1 FROM deliveries WHERE id = ?", (delivery,)).fetchone():
                return None
            db.execute("INSERT INTO deliveries VALUES (?, ?)", (delivery, now))
            added = [_insert(db, offer) for offer in offers]
        return [job for job in added if job is not None]

    # Jobs are worked at

    def claim(self, job_id: int, worker: str) -> Job | None:
        """Take a job that waits and is due; None where there is no such job any more."""
        with self._transaction() as db:
            changed = db.execute(
                "UPDATE jobs SET state = ?, worker = ?, changed = ? "
                "WHERE id = ? AND state = ? AND due <= ?",
                (State.RUNNING, worker, time.time(), job_id, State.WAITING, time.time()),
            )
            return _job(db, job_id) if changed.rowcount else None

    def settle(self, job: Job, settled: Settled) -> None:
        """Note what came of an attempt; nothing where the job was taken from the worker."""
        state, changes = after_attempt(job, settled)
        values = {"state": state, "worker": None, "changed": time.time(), **changes}
        assignments = ", ".join(f"{key} = :{key}" for key in values)
        with self._transaction() as db:
            # Another job may have come to the same reference set meanwhile; this one is later.
            db.execute(
                f"UPDATE OR REPLACE jobs SET {assignments} "
                "WHERE id = :id AND state = :running AND worker = :mine",
                {**values, "id": job.id, "running": State.RUNNING, "mine": job.worker},
            )

    def give_back(self, worker: str, *, keep: Collection[int] = ()) -> list[int]:
        """Return the jobs of a worker that died to the queue, and their ids.

        A job over which workers died `MOST_LOSSES` times is parked.

        Parameters
        ----------
        worker : str
        keep : collection of int, optional
            Ids of jobs that it works at after all.
        """
        reason = f"the worker died {MOST_LOSSES} times over it; see its memory and its logs"
        with self._transaction() as db:
            rows = db.execute(
                "SELECT id, losses FROM jobs WHERE state = ? AND worker = ?",
                (State.RUNNING, worker),
            ).fetchall()
            rows = [row for row in rows if row[0] not in keep]
            for job_id, losses in rows:
                parked = losses + 1 >= MOST_LOSSES
                db.execute(
                    "UPDATE jobs SET state = ?, losses = losses + 1, worker = NULL, due = ?, "
                    "changed = ?, reason = CASE WHEN ? THEN ? ELSE reason END WHERE id = ?",
                    (
                        State.PARKED if parked else State.WAITING,
                        time.time(),
                        time.time(),
                        parked,
                        reason,
                        job_id,
                    ),
                )
        return [job_id for job_id, losses in rows if losses + 1 < MOST_LOSSES]

    # What a person asks

    def jobs(self, states: Sequence[State] = tuple(State)) -> list[Job]:
        """Return the jobs in some states, oldest first."""
        marks = ", ".join("?" * len(states))
        with self._transaction() as db:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM jobs WHERE state IN ({marks}) ORDER BY id", tuple(states)
            )
            return [_from_row(row) for row in rows]

    def find(self, job_ids: Iterable[int]) -> list[Job]:
        """Return the jobs of some ids, in their order, but for those that are not there."""
        with self._transaction() as db:
            found = [_job(db, job_id) for job_id in job_ids]
        return [job for job in found if job is not None]

    def next_due(self, most: int) -> list[Job]:
        """Return waiting jobs that are due, urgent ones first, then the oldest."""
        with self._transaction() as db:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM jobs WHERE state = ? AND due <= ? "
                "ORDER BY urgent DESC, id LIMIT ?",
                (State.WAITING, time.time(), most),
            )
            return [_from_row(row) for row in rows]

    def is_idle(self, *, by: float | None = None) -> bool:
        """Return whether no job runs, and none waits that is due by a time; None for any time."""
        with self._transaction() as db:
            found = db.execute(
                "SELECT 1 FROM jobs WHERE state = ? OR (state = ? AND due <= ?) LIMIT 1",
                (State.RUNNING, State.WAITING, math.inf if by is None else by),
            ).fetchone()
        return found is None

    def only_waits_for_store(self) -> bool:
        """Return whether all that is left waits for a store that has not answered for minutes."""
        with self._transaction() as db:
            left = db.execute(
                "SELECT state, deferrals FROM jobs WHERE state IN (?, ?)",
                (State.WAITING, State.RUNNING),
            ).fetchall()
        return bool(left) and all(
            state == State.WAITING and deferrals >= _MANY_DEFERRALS for state, deferrals in left
        )

    def counts(self) -> dict[State, int]:
        """Return how many jobs are in each state."""
        with self._transaction() as db:
            found = dict(db.execute("SELECT state, COUNT(*) FROM jobs GROUP BY state").fetchall())
        return {state: int(found.get(state, 0)) for state in State}

    def retry(self, job_ids: Iterable[int]) -> list[int]:
        """Let parked, dropped, or waiting jobs run now, with all their attempts again."""
        with self._transaction() as db:
            return [
                job_id
                for job_id in job_ids
                if db.execute(
                    "UPDATE jobs SET state = ?, due = ?, changed = ?, attempts = 0, losses = 0, "
                    "deferrals = 0 WHERE id = ? AND state IN (?, ?, ?)",
                    (
                        State.WAITING,
                        time.time(),
                        time.time(),
                        job_id,
                        State.PARKED,
                        State.DROPPED,
                        State.WAITING,
                    ),
                ).rowcount
            ]

    def drop(self, job_ids: Iterable[int], reason: str) -> list[int]:
        """Take jobs that do not run off the queue; their versions stay known."""
        with self._transaction() as db:
            return [
                job_id
                for job_id in job_ids
                if db.execute(
                    "UPDATE jobs SET state = ?, reason = ?, changed = ? "
                    "WHERE id = ? AND state IN (?, ?)",
                    (State.DROPPED, reason, time.time(), job_id, State.WAITING, State.PARKED),
                ).rowcount
            ]

    # The file

    def probe(self) -> dict[State, int]:
        """Write to the file, and return how many jobs are in each state.

        Raises
        ------
        OSError, sqlite3.Error
            If the file cannot be written, or is not the one any more that was opened.
        """
        found = self.path.stat()
        if (found.st_dev, found.st_ino) != self._file:
            raise OSError(f"{self.path} is another file than the one that was opened")
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES ('probe', ?)", (str(time.time()),))
        return self.counts()

    def close(self) -> None:
        """Wait for the transactions of all threads, and close their connections."""
        with self._idle:
            self._idle.wait_for(lambda: not self._active, timeout=_CLOSING)
            if self._active:
                return  # closing a connection in use would end the interpreter
            for connection in self._all:
                connection.close()
            self._all.clear()
            self._local = threading.local()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._idle:
            self._active += 1
        try:
            with self._begun() as db:
                yield db
        finally:
            with self._idle:
                self._active -= 1
                self._idle.notify_all()

    @contextmanager
    def _begun(self) -> Iterator[sqlite3.Connection]:
        db = getattr(self._local, "connection", None)
        if db is None:
            db = self._local.connection = self._connect()
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
        except BaseException:
            if db.in_transaction:  # SQLite has ended it where the disk is full
                db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(_SCHEMA)
        with self._idle:
            self._all.append(db)
        return db


def _check_permissions(path: Path) -> None:
    """Refuse files that others can write to: what stands in them decides which code is loaded."""
    if os.name != "posix":
        return
    beside = [path.with_name(f"{path.name}{end}") for end in ("-wal", "-shm", "-journal")]
    for file in (path, *(file for file in beside if file.exists())):
        found = file.lstat()
        if found.st_mode & 0o022 or found.st_uid not in (os.geteuid(), 0) or file.is_symlink():
            _refuse(f"the queue's file {file}", f"chmod 600 {shorten(str(file))}")
    folder = path.parent.stat()
    sticky = folder.st_mode & 0o1000
    if (folder.st_mode & 0o022 and not sticky) or folder.st_uid not in (os.geteuid(), 0):
        _refuse(f"the queue's folder {path.parent}", f"chmod 700 {shorten(str(path.parent))}")


def _refuse(what: str, cure: str) -> None:
    msg = (
        f"{what} can be written by other users, and what stands in it decides which code is "
        f"loaded; take it for yourself (chown, {cure})"
    )
    raise ConfigError(msg)


def _is_known(db: sqlite3.Connection, name: str, version: str, created: int | None) -> bool:
    row = db.execute(
        "SELECT created FROM versions WHERE name = ? AND version = ?", (name, version)
    ).fetchone()
    return row is not None and (created is None or row[0] is None or row[0] == created)


def _note(db: sqlite3.Connection, name: str, version: str, created: int | None) -> None:
    if not _is_known(db, name, version, created):
        # New, or made again: what is known of the old one of that number means nothing, and
        # nothing that becomes of a job that runs.
        db.execute("DELETE FROM jobs WHERE name = ? AND version = ?", (name, version))
    db.execute(
        "INSERT INTO versions VALUES (?, ?, ?, ?) ON CONFLICT (name, version) "
        "DO UPDATE SET created = COALESCE(excluded.created, created)",
        (name, version, created, time.time()),
    )


def _insert(db: sqlite3.Connection, offer: Offer) -> int | None:
    """Return the id of the new job, or None where there is one already."""
    _note(db, offer.name, offer.version, offer.created)
    digest = offer.plan.digest
    same = db.execute(
        "SELECT id FROM jobs WHERE name = ? AND version = ? AND config_digest = ? "
        "AND (reference_digest IN ('', ?) OR ? = '')",
        (offer.name, offer.version, digest, offer.reference_digest, offer.reference_digest),
    ).fetchone()
    if same:
        if offer.origin in OWN_ORIGINS:  # whoever else has seen it, it is this user's own
            db.execute(
                "UPDATE jobs SET origin = ? WHERE id = ? AND state = ?",
                (offer.origin, same[0], State.WAITING),
            )
        return None
    now = time.time()
    cursor = db.execute(
        "INSERT INTO jobs (name, version, config_digest, reference_digest, config, folder, origin, "
        "urgent, state, due, added, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            offer.name,
            offer.version,
            digest,
            offer.reference_digest,
            offer.plan.text,
            offer.plan.folder,
            offer.origin,
            offer.urgent,
            State.WAITING,
            now,
            now,
            now,
        ),
    )
    return cursor.lastrowid


def _job(db: sqlite3.Connection, job_id: int) -> Job | None:
    row = db.execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (job_id,)).fetchone()
    return None if row is None else _from_row(row)


def _from_row(row: Sequence[object]) -> Job:
    values = dict(zip(Job.__dataclass_fields__, row, strict=True))
    values["state"] = State(str(values["state"]))
    values["urgent"] = bool(values["urgent"])
    return Job(**values)  # type: ignore[arg-type]
