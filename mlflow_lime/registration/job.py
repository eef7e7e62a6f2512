"""What a job is, how it is offered, and where it stands after each attempt."""

import time
from dataclasses import dataclass
from enum import StrEnum

from mlflow_lime.registration.plans import Plan

__all__ = ["OWN_ORIGINS", "Job", "Offer", "Outcome", "Settled", "State", "after_attempt"]

OWN_ORIGINS = ("autolog", "person")
"""Origins of versions that this user has registered, and not just anybody."""
LONGEST_PAUSE = 300.0
"""Seconds between two tries while the store does not answer."""
GROWTH = 4.0
"""How much longer each pause between two attempts is than the one before."""


class State(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    PARKED = "parked"
    DROPPED = "dropped"


class Outcome(StrEnum):
    """What came of one attempt at a job."""

    EXPLAINED = "explained"
    REPEATED = "repeated"
    """It was explained before."""
    GONE = "gone"
    """The version does not exist any more."""
    REFUSED = "refused"
    """It will fail in the same way until a person changes something."""
    FAILED = "failed"
    BUSY = "busy"
    """Another process explains the same version, or picks its reference set."""
    UNREACHABLE = "unreachable"
    """The store does not answer."""
    INTERRUPTED = "interrupted"
    """The worker was asked to stop."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A version that somebody saw, and how it is to be explained.

    Attributes
    ----------
    name, version : str
        The registered model and the number of the version.
    plan : Plan
        How it is to be explained.
    created : int or None
        When the version was created, in milliseconds, where that is known: it tells a version
        from another of the same number in a model that was deleted and made again.
    reference_digest : str
        The reference set that its model pins; empty where there is none yet or nobody looked.
    origin : str
        Who saw it: ``autolog``, ``watch``, ``webhook``, or ``person``.
    urgent : bool
        Whether it comes before the versions that are there since long.
    """

    name: str
    version: str
    plan: Plan
    created: int | None = None
    reference_digest: str = ""
    origin: str = "person"
    urgent: bool = True


@dataclass(frozen=True, slots=True)
class Settled:
    """What is known after an attempt.

    Attributes
    ----------
    outcome : Outcome
    reason : str
        Why it did not work; empty where it did.
    run_id : str or None
        The review run.
    reference_digest : str
        The reference set that was used; empty where none was.
    """

    outcome: Outcome
    reason: str = ""
    run_id: str | None = None
    reference_digest: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """One version to explain with one configuration on one reference set.

    Attributes
    ----------
    id : int
    name, version, config_digest, reference_digest : str
        What identifies it; the last is empty until the job has run, or was told.
    config : str
        The whole configuration as JSON.
    folder : str
        What relative paths in it are counted from.
    origin : str
    urgent : bool
    state : State
    attempts : int
        Attempts that failed.
    deferrals : int
        How often in a row the store did not answer.
    losses : int
        How often a worker died over it.
    due : float
        Seconds since the epoch before which it is not tried.
    worker : str or None
        The worker that has it.
    reason : str or None
        What the last attempt failed of.
    run_id : str or None
        The review run.
    added, changed : float
        Seconds since the epoch.
    """

    id: int
    name: str
    version: str
    config_digest: str
    reference_digest: str
    config: str
    folder: str
    origin: str
    urgent: bool
    state: State
    attempts: int
    deferrals: int
    losses: int
    due: float
    worker: str | None
    reason: str | None
    run_id: str | None
    added: float
    changed: float

    @property
    def label(self) -> str:
        """Return ``name/version``."""
        return f"{self.name}/{self.version}"

    def plan(self) -> Plan:
        """Return how the version is to be explained."""
        return Plan.read(self.config, self.folder)


def after_attempt(job: Job, settled: Settled) -> tuple[State, dict[str, object]]:
    """Return the state of a job after an attempt, and the columns that change with it."""
    now, reason = time.time(), settled.reason[:4000] or None
    outcome = settled.outcome
    if outcome in (Outcome.EXPLAINED, Outcome.REPEATED):
        digest = settled.reference_digest or job.reference_digest
        return State.DONE, {
            "run_id": settled.run_id,
            "reference_digest": digest,
            "reason": "it was explained before" if outcome is Outcome.REPEATED else None,
            "deferrals": 0,
        }
    if outcome is Outcome.GONE:
        return State.DROPPED, {"reason": reason}
    if outcome is Outcome.REFUSED:
        return State.PARKED, {"reason": reason}
    if outcome is Outcome.BUSY:
        return State.WAITING, {"due": now + 2.0, "reason": reason}
    if outcome is Outcome.UNREACHABLE:
        pause = min(LONGEST_PAUSE, 2.0 * 2.0 ** min(job.deferrals, 20))
        return State.WAITING, {
            "due": now + pause,
            "reason": reason,
            "deferrals": job.deferrals + 1,
        }
    if outcome is Outcome.INTERRUPTED:
        return State.WAITING, {"due": now}
    limits = job.plan().config.registration
    attempts = job.attempts + 1
    pause = limits.retry_seconds * GROWTH ** min(attempts - 1, 20)
    return State.WAITING if attempts < limits.attempts else State.PARKED, {
        "attempts": attempts,
        "reason": reason,
        "due": now + pause,
        "deferrals": 0,
    }
