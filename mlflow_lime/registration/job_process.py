"""What happens inside the process of its own that each job gets."""

import contextlib
import faulthandler
import json
import multiprocessing
import os
import re
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mlflow_lime.errors import (
    ConfigError,
    MlflowLimeError,
    NotAllowedError,
    ReviewInProgressError,
    TrackingServerError,
    VersionNotFoundError,
    shorten,
)
from mlflow_lime.registration.job import Outcome, Settled
from mlflow_lime.registration.plans import Plan
from mlflow_lime.registration.secrets import FILE_VARIABLE, SECRET_VARIABLE

__all__ = ["Assignment", "explain", "hard_limit", "out_of_memory", "read_answer", "serve_job"]

_ON_KILL = 30.0
"""Seconds after the time limit when the operating system ends the process, if nobody else has."""
_NICENESS = 5
_UNTOUCHED = 256 << 20
_LONGEST_REASON = 4000
_RUN_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_DIGEST = re.compile(r"[0-9a-f]{1,64}")


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a job's process is told.

    Attributes
    ----------
    name, version : str
    by_us : bool
        Whether this user has registered it, and not just anybody.
    plan_text, plan_folder : str
        See `Plan.read`.
    tracking_uri, registry_uri : str
        The MLflow store, with credentials if it has any: never written anywhere.
    max_seconds : float
    max_memory : int
        Bytes.
    log : str
        File for what the model prints.
    """

    name: str
    version: str
    by_us: bool
    plan_text: str
    plan_folder: str
    tracking_uri: str
    registry_uri: str
    max_seconds: float
    max_memory: int
    log: str


def serve_job(assignment: Assignment, answer: Connection) -> None:
    """Do a job, and send what came of it as JSON.

    Runs in a new process. It ends by itself when its time is over, and when the process that
    started it dies.
    """
    _keep_within(assignment)
    _end_with_parent()
    settled = explain(assignment)
    answer.send_bytes(json.dumps(asdict(settled)).encode())
    answer.close()


def _keep_within(assignment: Assignment) -> None:
    """Limit the process, and what it says."""
    for variable in (SECRET_VARIABLE, FILE_VARIABLE):  # none of the model's business
        os.environ.pop(variable, None)
    with contextlib.suppress(OSError):
        os.setsid()
    with contextlib.suppress(OSError, AttributeError):
        os.nice(_NICENESS)
    if hasattr(signal, "setitimer"):
        # Ends the process without asking Python, which a model may keep busy.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, assignment.max_seconds + _ON_KILL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _limit_memory(assignment.max_memory)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    log = os.open(assignment.log, flags, 0o600)
    _flush()
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    faulthandler.enable(file=2)
    # A progress bar would else leave a semaphore behind in each job that is ended.
    tqdm.set_lock(threading.RLock())


def _limit_memory(most: int) -> None:
    try:
        import resource
    except ImportError:  # not on Windows, where the worker watches alone
        return
    with contextlib.suppress(OSError, ValueError):
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = hard_limit(most)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def hard_limit(most: int) -> int:
    """Return the bytes that the operating system gives a job: some more than what it may occupy.

    Memory that was reserved and is never touched counts here.
    """
    return most + most // 4 + _UNTOUCHED


def _end_with_parent() -> None:
    """End this process and all that it started as soon as the worker is gone."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        if hasattr(os, "killpg"):
            os.killpg(os.getpgrp(), signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def explain(assignment: Assignment) -> Settled:
    """Explain a version as its plan says, and return what came of it; never raises."""
    try:
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        return _explain(assignment)
    except ReviewInProgressError as error:
        return Settled(Outcome.BUSY, str(error))
    except (ConfigError, NotAllowedError) as error:
        return Settled(Outcome.REFUSED, str(error))
    except (TrackingServerError, VersionNotFoundError) as error:
        return Settled(_kind_of(assignment), str(error))
    except MlflowLimeError as error:
        return Settled(Outcome.FAILED, str(error))
    except KeyboardInterrupt:
        return Settled(Outcome.INTERRUPTED)
    except MemoryError:
        return Settled(Outcome.FAILED, out_of_memory(assignment.max_memory))
    except SystemExit as error:
        reason = f"the model ended the interpreter: SystemExit({shorten(error.code, 40)})"
        return Settled(Outcome.FAILED, reason)
    except BaseException as error:
        return Settled(Outcome.FAILED, f"{type(error).__name__}; see {assignment.log}")


def out_of_memory(most: int) -> str:
    """Return the reason of a job that needed more memory than it may have."""
    return (
        f"it needed more than {most / 2**20:,.0f} MiB; raise registration.max_memory, or lower"
        " prediction.block_bytes"
    )


def _explain(assignment: Assignment) -> Settled:
    from mlflow_lime.tracking.connection import choose_store
    from mlflow_lime.tracking.registered import explain_registered

    choose_store(assignment.tracking_uri, assignment.registry_uri)
    config = Plan.read(assignment.plan_text, assignment.plan_folder).config
    if Path(assignment.plan_folder).is_dir():
        os.chdir(assignment.plan_folder)  # functions of the user's own may stand there
    review = explain_registered(assignment.name, assignment.version, config, by_us=assignment.by_us)
    return Settled(
        Outcome.REPEATED if review.repeated else Outcome.EXPLAINED,
        run_id=review.run_id,
        reference_digest=review.reference_digest,
    )


def _kind_of(assignment: Assignment) -> Outcome:
    """Tell a store that does not answer, and a version that is gone, from other failures."""
    from mlflow_lime.tracking.registered import Presence, look_for

    presence = look_for(assignment.name, assignment.version)
    if presence is Presence.THERE:
        return Outcome.FAILED
    return Outcome.GONE if presence is Presence.MISSING else Outcome.UNREACHABLE


def read_answer(text: bytes) -> Settled:
    """Return what `serve_job` has sent.

    Raises
    ------
    ValueError
        If it is anything else: the model's code runs in the process that sends it.
    """
    fields: Mapping[str, Any] = json.loads(text)
    if not isinstance(fields, dict) or set(fields) != set(Settled.__dataclass_fields__):
        raise ValueError("unexpected answer")
    outcome = Outcome(fields["outcome"])
    run_id, digest = fields["run_id"], str(fields["reference_digest"])
    done = outcome in (Outcome.EXPLAINED, Outcome.REPEATED)
    if run_id is None if done else run_id is not None:
        raise ValueError("unexpected answer")
    if done and not (_RUN_ID.fullmatch(str(run_id)) and _DIGEST.fullmatch(digest)):
        raise ValueError("unexpected answer")
    return Settled(outcome, str(fields["reason"])[:_LONGEST_REASON], run_id, digest)
