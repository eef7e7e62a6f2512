"""Explaining what is missing over many registered models, and comparing each with the one before.

A version is a task for an engine; what comes back is one line of JSON about it.
"""

import hashlib
import json
import pickle
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, Literal, Self

from mlflow import MlflowClient

from mlflow_lime import names
from mlflow_lime.config import Config
from mlflow_lime.engine.work import Answer, Task
from mlflow_lime.errors import (
    ConfigError,
    MlflowLimeError,
    NoEarlierVersionError,
    NotComparableError,
    did_you_mean,
)
from mlflow_lime.tracking.comparison import compare_versions
from mlflow_lime.tracking.connection import choose_store, chosen_store
from mlflow_lime.tracking.pinned import read_pin
from mlflow_lime.tracking.registry import ListedModel, list_models, versions_named
from mlflow_lime.tracking.review import review_version
from mlflow_lime.tracking.review_runs import find_run, identity_of
from mlflow_lime.tracking.versions import resolve_model

__all__ = [
    "Backfilling",
    "Candidate",
    "Deed",
    "Said",
    "backfilling",
    "find_candidates",
    "usual_seconds",
    "version_rule",
]

_BEING_WRITTEN = ", being written"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version that a backfill looks at.

    Attributes
    ----------
    name, version : str
    pinned : bool
        Whether the model has a reference set.
    first : bool
        Whether no version of the model is older.
    run_id : str or None
        Its review, where it is explained in this way already.
    compared : bool
        Whether that review was compared with a baseline.
    seconds : float or None
        What that review took.
    problem : str
        Why it cannot be explained; mostly empty.
    """

    name: str
    version: str
    pinned: bool
    first: bool = False
    run_id: str | None = None
    compared: bool = False
    seconds: float | None = None
    problem: str = ""

    @property
    def uri(self) -> str:
        """The version as a URI."""
        return f"models:/{self.name}/{self.version}"


def version_rule(text: str) -> tuple[str, int]:
    """Return which versions are wanted, and how many.

    Raises
    ------
    ConfigError
        If it is none of ``all``, ``aliases``, and ``latest:<number>``.

    Examples
    --------
    >>> version_rule("latest:5"), version_rule("all")
    (('latest', 5), ('all', 0))
    """
    kind, _, count = text.partition(":")
    if kind in ("all", "aliases") and not count:
        return kind, 0
    if kind == "latest" and (not count or (count.isdecimal() and int(count))):
        return kind, int(count or 1)
    hint = did_you_mean(kind, ("all", "aliases", "latest"))
    msg = f"--versions must be all, aliases, or latest:<number> as latest:5, got {text!r}.{hint}"
    raise ConfigError(msg)


def find_candidates(
    client: MlflowClient, patterns: Sequence[str], versions: str, config: Config
) -> Iterator[Candidate]:
    """Yield the versions that a backfill looks at, by model, oldest first.

    Parameters
    ----------
    client : MlflowClient
    patterns : sequence of str
        Shell patterns of model names.
    versions : str
        See `version_rule`.
    config : Config
        How they are to be explained. Models that its `models` leaves out are left out.

    Raises
    ------
    TrackingServerError
        If the store cannot be reached.
    """
    rule, count = version_rule(versions)
    for page in list_models(client):
        for model in page:
            named = any(model.name == p or fnmatchcase(model.name, p) for p in patterns)
            if named and config.matches(model.name):
                found = _versions(client, model.name)
                for version in _chosen(found, model, rule, count):
                    candidate = _candidate(client, model.name, version, config)
                    yield replace(candidate, first=version == found[0])


def _versions(client: MlflowClient, name: str) -> list[str]:
    listed = [item for page in versions_named(client, name) for item in page if item.ready]
    return sorted((item.version for item in listed), key=int)


def _chosen(found: list[str], model: ListedModel, rule: str, count: int) -> list[str]:
    if rule == "aliases":
        return [version for version in found if version in set(model.aliases.values())]
    return found[-count:] if rule == "latest" else found


def _candidate(client: MlflowClient, name: str, version: str, config: Config) -> Candidate:
    try:
        ref = resolve_model(f"models:/{name}/{version}", client)
        pin = read_pin(client, ref)
        if pin is None:
            return Candidate(name, version, pinned=False)
        run = find_run(client, ref, identity_of(ref, config, pin[0]))
    except MlflowLimeError as error:
        return Candidate(name, version, pinned=False, problem=str(error))
    if run is None or run.data.tags.get(names.TAG_STATUS) != "completed":
        return Candidate(name, version, pinned=True)
    compared = run.data.tags.get(names.TAG_COMPARED, _BEING_WRITTEN)
    return Candidate(
        name,
        version,
        pinned=True,
        run_id=str(run.info.run_id),
        compared=_BEING_WRITTEN not in compared,
        seconds=run.data.metrics.get(f"{names.PREFIX}seconds"),
    )


def usual_seconds(candidates: Iterable[Candidate]) -> float | None:
    """Return the median seconds of those that are explained already; None without any."""
    known = [item.seconds for item in candidates if item.seconds is not None]
    return statistics.median(known) if known else None


# What the engine does


@dataclass(frozen=True, slots=True)
class Said:
    """What came of a version.

    Attributes
    ----------
    name, version : str
    outcome : {"explained", "repeated", "compared", "alone", "not compared", "failed"}
        Explained now; explained before; compared; without a version to compare it with; with one
        that was not explained in the same way; failed.
    text : str
        What there is to say, or why it failed.
    run_id : str
    seconds : float
    """

    name: str
    version: str
    outcome: str
    text: str = ""
    run_id: str = ""
    seconds: float = 0.0

    def line(self) -> bytes:
        """Return it as one line."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def read(cls, line: bytes) -> Self:
        """Read what `line` gave."""
        return cls(**json.loads(line))


@dataclass(frozen=True, slots=True)
class Deed:
    """A version as a task.

    Attributes
    ----------
    name, version : str
    """

    name: str
    version: str

    @property
    def size(self) -> int:
        """One version."""
        return 1

    def split(self) -> list[Self]:
        """Return the version itself."""
        return [self]

    def lost(self, reason: str) -> list[bytes]:
        """Return what is said of a version that no worker survives."""
        return [Said(self.name, self.version, "failed", reason).line()]


@dataclass(frozen=True)
class Backfilling:
    """Explaining versions, or comparing them with those before.

    Attributes
    ----------
    action : {"explain", "compare"}
    tracking_uri, registry_uri : str
        The MLflow store. They may hold credentials, and go nowhere but to the workers.
    config : Config
    """

    action: Literal["explain", "compare"]
    tracking_uri: str
    registry_uri: str
    config: Config

    @cached_property
    def name(self) -> str:
        """Hash of all this."""
        return hashlib.sha256(pickle.dumps([self.action, self.config])).hexdigest()

    def open(self) -> Answer:
        """Choose the store."""
        choose_store(self.tracking_uri, self.registry_uri)
        return self._answer

    def _answer(self, task: Task) -> list[bytes]:
        """Return one line about a version; a version that fails stops no other."""
        if not isinstance(task, Deed):
            msg = f"expected a version, got {type(task).__name__}"
            raise TypeError(msg)
        started = time.perf_counter()
        do = _explained if self.action == "explain" else _compared
        try:
            facts = do(f"models:/{task.name}/{task.version}", self.config)
        except NoEarlierVersionError:
            facts = {"outcome": "alone"}
        except NotComparableError as error:
            facts = {"outcome": "not compared", "text": str(error)}
        except MlflowLimeError as error:
            facts = {"outcome": "failed", "text": str(error)}
        except Exception as error:
            # A model's code runs here, and may raise anything.
            text = f"unexpected {type(error).__name__}: {error}"[:500]
            facts = {"outcome": "failed", "text": text}
        seconds = time.perf_counter() - started
        return [Said(task.name, task.version, seconds=seconds, **facts).line()]


def backfilling(action: Literal["explain", "compare"], config: Config) -> Backfilling:
    """Return the work of explaining or comparing versions of the store that is chosen now."""
    tracking_uri, registry_uri = chosen_store()
    return Backfilling(action, tracking_uri, registry_uri, config)


def _explained(uri: str, config: Config) -> dict[str, Any]:
    review = review_version(uri, config)
    text = f"{len(review.failed)} instances failed" if review.failed else ""
    outcome = "repeated" if review.repeated else "explained"
    return {"outcome": outcome, "text": text, "run_id": review.run_id}


def _compared(uri: str, config: Config) -> dict[str, Any]:
    chosen = config.compare.model_copy(update={"reexplain": False})
    found = compare_versions(uri, None, config.model_copy(update={"compare": chosen}))
    if found.candidate_run == found.baseline_run:
        return {"outcome": "alone"}
    drift = found.drift
    alarm = "reasons changed" if drift.alarm else "no change beyond noise"
    text = f"against {found.baseline.label}: {alarm} (p = {drift.p_value:.2g})"
    return {"outcome": "compared", "text": text, "run_id": found.candidate_run}
