"""One durable queue as a process that registers versions sees it."""

import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_lime.errors import MlflowLimeError, shorten
from mlflow_lime.registration.job import Job, Offer, State
from mlflow_lime.registration.own_worker import OwnWorker
from mlflow_lime.registration.plans import Plan
from mlflow_lime.registration.queue import JobQueue, queue_path
from mlflow_lime.tracking.registration_hook import Registration

if TYPE_CHECKING:
    from mlflow_lime.registration.background import Item, Notices

__all__ = ["Lane", "offer"]

Key = tuple[str, str, str]
Lanes = dict[tuple[str, str], "Lane"]

_MOST_STARTS = 3
"""How often a worker is started while nothing changes in the queue."""


class Lane:
    """A queue, the versions that this process has put into it, and its worker.

    Parameters
    ----------
    path : Path
        The queue.
    registration : Registration
        A version of its store.
    served : bool
        Whether somebody else works at it, so that no worker is started and nothing is waited for.
    notices : Notices
        Where failures are told.

    Attributes
    ----------
    mine : dict
        The plans of versions that are not explained yet, by name, version, and digest.
    explained : list of str
        The versions that were, as ``name/version``.
    broken : bool
        Whether its worker ends again and again without doing anything.
    pause : float
        Seconds for which none of the versions that are left will be tried.

    Raises
    ------
    ConfigError
        If the queue cannot be used; see `Ledger`.
    """

    def __init__(
        self, path: Path, registration: Registration, *, served: bool, notices: "Notices"
    ) -> None:
        self.path = path
        self.queue = JobQueue(path, registration.store)
        self.mine: dict[Key, Plan] = {}
        self.explained: list[str] = []
        self.broken = False
        self.pause = 0.0
        self._ids: dict[Key, int] = {}
        self._notices = notices
        self._worker = None if served else OwnWorker(path, *registration.located())
        self._starts = 0
        self._last: object = None

    def offer(self, offers: Sequence[Offer]) -> None:
        """Put versions into the queue, and see that somebody works at it."""
        self.queue.offer(offers)
        if self._worker is None:
            return
        for offered in offers:
            self.mine[offered.name, offered.version, offered.plan.digest] = offered.plan
        self.broken, self._starts = False, 0
        if not self._worker.alive():
            self.tend()

    def tend(self) -> None:
        """Note what was finished, and start the worker where it has ended too early."""
        if self._worker is None or not self.mine:
            return
        try:
            left = self._unfinished()
            self._note_finished({_key(job) for job in left})
            self._tell_of_failures(left)
            if left and not self.broken and not self._worker.alive():
                self._restart(self._worker, left)
        except MlflowLimeError as error:
            self._give_up(str(error))
        except (OSError, sqlite3.Error) as error:
            self._give_up(f"the queue {self.path} cannot be read: {error}")

    def labels(self) -> list[str]:
        """Return the versions that are not explained yet."""
        return [f"{name}/{version}" for name, version, _ in self.mine]

    def wait_seconds(self) -> float:
        """Return how long a script waits for them at its end."""
        return max(plan.config.registration.wait_seconds for plan in self.mine.values())

    def outlook(self) -> str:
        """Return what will become of them when this process ends, as the end of a sentence."""
        see = f"see `mlflow-lime queue list --queue {self.path}`"
        if self.pause > 1:
            return f"will be tried again in {self.pause:.0f} s, in the background; {see}"
        if self._worker is not None and self._worker.alive():
            return f"will be explained in process {self._worker.pid}; {see}"
        return f"wait in the queue for `mlflow-lime worker --queue {self.path}`; {see}"

    def rest(self) -> None:
        """Close the file until it is needed again."""
        self.queue.close()

    def close(self) -> None:
        """Close the file; the worker goes on."""
        if self._worker is not None:
            self._worker.leave()
        self.rest()

    def _unfinished(self) -> list[Job]:
        jobs = self.queue.ledger.jobs([State.WAITING, State.RUNNING])
        left = [job for job in jobs if _key(job) in self.mine]
        self._ids.update((_key(job), job.id) for job in left)
        return left

    def _note_finished(self, left: set[Key]) -> None:
        finished = {key for key in self.mine if key not in left}
        if not finished:
            return
        known = [self._ids[key] for key in finished if key in self._ids]
        ledger = self.queue.ledger
        jobs = ledger.find(known) if len(known) == len(finished) else ledger.jobs()
        for job in jobs:
            if _key(job) in finished:
                self._note(job)
        for key in finished:
            self.mine.pop(key)
            self._ids.pop(key, None)

    def _tell_of_failures(self, left: list[Job]) -> None:
        """Say why versions are not explained yet, and note how long they will not be tried."""
        now = time.time()
        for job in left:
            if job.attempts and job.reason and job.state is State.WAITING:
                self._notices.warn(
                    f"{job.label} was registered, but could not be explained yet: "
                    f"{job.reason.rstrip('.')}; it is tried again in the background",
                    about=job.label,
                )
        pauses = [job.due - now if job.state is State.WAITING else 0.0 for job in left]
        self.pause = min(pauses, default=0.0)

    def _note(self, job: Job) -> None:
        if job.state is State.DONE:
            self.explained.append(job.label)
        elif job.state is State.PARKED:
            reason = (job.reason or "no reason is known").rstrip(".")
            self._notices.warn(
                f"{job.label} was registered, but could not be explained: {reason}; "
                f"`mlflow-lime queue retry --queue {self.path}` tries again",
                about=job.label,
            )

    def _restart(self, worker: OwnWorker, left: list[Job]) -> None:
        now = time.time()
        if all(job.state is State.WAITING and job.due > now for job in left):
            return
        progress = [(job.id, job.state, job.attempts, job.deferrals, job.losses) for job in left]
        self._starts = self._starts + 1 if progress == self._last else 1
        self._last = progress
        if self._starts > _MOST_STARTS:
            self._give_up(
                f"the process that explains versions ends without explaining them; see "
                f"{worker.log}; they wait in the queue: mlflow-lime worker --queue {self.path}"
            )
        else:
            worker.ensure()

    def _give_up(self, text: str) -> None:
        self.broken = True
        self._notices.warn(text)


def offer(items: "Sequence[Item]", lanes: Lanes) -> None:
    """Put versions into the queues that their plans name; what fails is told, and left out.

    Parameters
    ----------
    items : sequence
        Each a registration, what chooses its plan, and where a failure is told.
    lanes : dict
        The queues that are open, which grows.
    """
    found: dict[tuple[str, str], list[Offer]] = {}
    for registration, choose, notices in items:
        try:
            plan = choose(registration.name)
            if plan is not None:
                key = _lane(registration, plan, notices, lanes)
                found.setdefault(key, []).append(_offer(registration, plan))
        except Exception as error:
            _refuse(registration.label, notices, error)
    for key, offers in found.items():
        try:
            lanes[key].offer(offers)
        except Exception as error:
            lanes.pop(key).close()  # opened anew for the next version
            _refuse(f"{offers[0].name}/{offers[0].version}", items[0][2], error)


def _lane(
    registration: Registration, plan: Plan, notices: "Notices", lanes: Lanes
) -> tuple[str, str]:
    """Open the queue of a version where it is not open yet, and return its key."""
    config = plan.config
    named = config.registration.queue
    chosen = None if named is None else config.locate(named)
    path = queue_path(registration.store, chosen)
    key = (str(path), registration.store)
    if key not in lanes:
        served = bool(chosen or os.environ.get("MLFLOW_LIME_QUEUE"))
        lanes[key] = Lane(path, registration, served=served, notices=notices)
    return key


def _offer(registration: Registration, plan: Plan) -> Offer:
    return Offer(
        registration.name,
        registration.version,
        plan,
        created=registration.created,
        origin="autolog",
    )


def _refuse(label: str, notices: "Notices", error: Exception) -> None:
    reason = str(error) if isinstance(error, MlflowLimeError) else shorten(str(error), 200)
    notices.warn(f"{label} was registered, but will not be explained: {reason}", about=label)


def _key(job: Job) -> Key:
    return job.name, job.version, job.config_digest
