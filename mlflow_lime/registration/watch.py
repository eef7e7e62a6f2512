"""Find the versions that a registry holds and nobody has seen, by asking it again and again."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from itertools import islice
from typing import TYPE_CHECKING, Any

from mlflow_lime.errors import TrackingServerError
from mlflow_lime.registration.job import Offer
from mlflow_lime.registration.plans import Plan, Plans
from mlflow_lime.registration.queue import JobQueue

if TYPE_CHECKING:
    from mlflow_lime.tracking.registry import ListedModel, ListedVersion

__all__ = ["LONGEST_PAUSE", "Watcher"]

LONGEST_PAUSE = 60.0
"""Seconds between two tries while the store does not answer."""

_PAGE = 100
_TOGETHER = 500
"""Versions that are queued in one transaction."""
_MOST_KNOWN = 10_000
_SHOWN = 5
"""Versions that are named in a message."""

Key = tuple[str, str, int | None]


class Watcher:
    """Queue every version that the plans name, once, whoever registered it.

    What was seen stands in the queue's ledger by name, number and time of creation, so that equal
    or wrong times, restarts, and models that are made again lose nothing and repeat nothing.

    Parameters
    ----------
    client : MlflowClient
    plans : Plans
    queue : JobQueue
    since : int, optional
        Milliseconds since the epoch. Of what is there when a pattern is watched for the first
        time, versions that are older are noted as seen and not explained.
    say : callable, optional
        Is told, in a sentence, what a person should know.
    """

    def __init__(
        self,
        client: Any,
        plans: Plans,
        queue: JobQueue,
        *,
        since: int | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self._client = client
        self._plans = plans
        self._queue = queue
        self._since = since
        self._say = say or (lambda text: None)
        self._models: dict[str, ListedModel | None] = {}
        self._reached: int | None = None
        self._one_by_one = False
        waiting = [bool(plan.config.registration.aliases) for plan in plans.plans]
        self._by_alias, self._by_version = any(waiting), not all(waiting)
        self._aliased: dict[Key, None] = {}
        self._shown: list[str] = []

    # What is new

    def poll(self) -> int:
        """Look at the newest versions, and return how many jobs are new.

        One request where nothing is new, and one more for each model or page of models where a
        plan waits for aliases.

        Raises
        ------
        TrackingServerError
            If the store cannot be reached. What was found by then may be queued already; call
            `sweep` next.
        """
        if self._one_by_one:
            return self.sweep()
        self._begin()
        found = list(self._newest()) if self._by_version else []
        # The oldest first: after a failure in between, what is left is still the newest.
        added = self._queue_all(reversed(found), frozenset())
        if self._by_alias:
            added += self._look_at_aliases(frozenset())
        self._tell(added)
        return added

    def sweep(self) -> int:
        """Look at every version that the plans name, and return how many jobs are new.

        Finds what polls cannot see: versions from a server whose clock runs behind, and whatever
        a webhook or a restart has lost.

        Raises
        ------
        TrackingServerError
            If the store cannot be reached; call it again.
        """
        self._begin()
        fresh = self._fresh_patterns()
        added = 0
        if self._by_version:
            self._remember_newest()
            added += self._queue_all(self._everything(), fresh)
        if self._by_alias:
            added += self._look_at_aliases(fresh)
        self._queue.ledger.mark_seen(_mark(pattern) for pattern in fresh)
        self._tell(added)
        return added

    def run(self, stop: threading.Event, interval: float, sweep_every: float) -> None:
        """Sweep, then poll and sweep again, until `stop` is set.

        While the store does not answer, that is said once, and it is asked ever less often, up
        to `LONGEST_PAUSE`; the first thing after that is a sweep.

        Parameters
        ----------
        stop : threading.Event
        interval : float
            Seconds between two polls.
        sweep_every : float
            Seconds between two sweeps.
        """
        swept: float | None = None
        failures = 0
        while not stop.is_set():
            try:
                if swept is None or time.monotonic() - swept >= sweep_every:
                    self.sweep()
                    swept = time.monotonic()
                else:
                    self.poll()
                if failures:
                    self._say("The store answers again.")
                failures = 0
                pause = interval
            except Exception as error:  # the next try may work, and nobody else would try
                swept, failures = None, failures + 1
                if failures == 1:
                    self._say(f"{_sentence(error)}\nTrying again until it works.")
                pause = min(LONGEST_PAUSE, max(0.5, min(interval, 1.0)) * 2.0 ** min(failures, 7))
            stop.wait(pause)

    def _begin(self) -> None:
        self._models.clear()
        self._shown.clear()

    def _tell(self, added: int) -> None:
        if added:
            shown = ", ".join(self._shown)
            more = f" and {added - len(self._shown):,} more" if added > len(self._shown) else ""
            self._say(f"{added:,} to explain: {shown}{more}")

    # Versions

    def _newest(self) -> "Iterator[ListedVersion]":
        """Yield unseen versions that a plan names, newest first, and stop at what is known."""
        from mlflow_lime.tracking.registry import SearchRefusedError, newest_versions

        reached, first = self._reached, True
        try:
            for page in newest_versions(self._client, page=_PAGE):
                if first and page and page[0].created is not None:
                    self._reached = max(page[0].created, reached or 0)
                first = False
                unseen = self._unseen(page)
                yield from unseen
                if not unseen and _is_before(page, reached):
                    return
        except SearchRefusedError:
            self._one_by_one = True
            yield from (version for page in self._pages() for version in self._unseen(page))

    def _remember_newest(self) -> None:
        """Note how far the registry has come, so that the next poll knows where to stop."""
        from mlflow_lime.tracking.registry import SearchRefusedError, newest_versions

        try:
            page = next(newest_versions(self._client, page=1), [])
        except SearchRefusedError:
            self._one_by_one = True
            return
        if page and page[0].created is not None:
            self._reached = page[0].created

    def _everything(self) -> "Iterator[ListedVersion]":
        for page in self._pages():
            yield from self._unseen(page)

    def _pages(self) -> "Iterator[list[ListedVersion]]":
        """Yield the versions of all models that the plans name, oldest first within a model."""
        from mlflow_lime.tracking.registry import all_versions, is_literal, versions_named

        if all(is_literal(pattern) for pattern in self._plans.patterns):
            for name in filter(self._whole_plan, self._plans.patterns):
                yield from versions_named(self._client, name)
        elif self._one_by_one:
            for model in self._listed_models():
                yield from versions_named(self._client, model.name)
        else:
            for models in self._model_pages():
                for model in models:
                    self._models[model.name] = model
            yield from all_versions(self._client)

    def _unseen(self, page: "list[ListedVersion]") -> "list[ListedVersion]":
        """Return the versions of a page that are to be explained and that nobody has seen."""
        named = {v.key: v for v in page if v.ready and self._whole_plan(v.name) is not None}
        return [named[key] for key in self._queue.ledger.unseen(named)]

    def _whole_plan(self, name: str) -> Plan | None:
        """Return the plan of a model, unless it waits for aliases."""
        plan = self._plans.of(name)
        return None if plan is None or plan.config.registration.aliases else plan

    # Aliases

    def _look_at_aliases(self, fresh: frozenset[str]) -> int:
        """Queue the versions that one of the configured aliases points to."""
        added = 0
        for model in self._aliased_models():
            found = list(self._pointed_to(model))
            added += self._queue_all((v for v in found if v.ready), fresh)
            for version in found:
                if version.ready:
                    self._aliased[(model.name, version.version, model.created)] = None
        for key in list(islice(self._aliased, max(0, len(self._aliased) - _MOST_KNOWN))):
            del self._aliased[key]
        return added

    def _aliased_models(self) -> "Iterator[ListedModel]":
        from mlflow_lime.tracking.registry import is_literal, read_model

        waiting = [p.config for p in self._plans.plans if p.config.registration.aliases]
        patterns = Plans(Plan(config) for config in waiting).patterns
        literal = all(is_literal(pattern) for pattern in patterns)
        named = (read_model(self._client, name) for name in patterns)
        for model in named if literal else self._listed_models():
            if model is None:
                continue
            plan = self._plans.of(model.name)
            if plan is not None and plan.config.registration.aliases:
                yield model

    def _pointed_to(self, model: "ListedModel") -> "Iterator[ListedVersion]":
        from mlflow_lime.tracking.registry import read_version

        plan = self._plans.of(model.name)
        wanted = () if plan is None else plan.config.registration.aliases
        numbers = dict.fromkeys(model.aliases[a] for a in wanted if a in model.aliases)
        for number in numbers:
            if (model.name, number, model.created) in self._aliased:
                continue
            version = read_version(self._client, model.name, number)
            if version is not None:
                self._models[model.name] = model
                yield version

    # Models

    def _listed_models(self) -> "Iterator[ListedModel]":
        """Yield all registered models that a plan names, with their aliases."""
        from mlflow_lime.tracking.registry import read_model

        for page in self._model_pages():
            for model in page:
                # Unity Catalog lists names only.
                whole = read_model(self._client, model.name) if self._one_by_one else model
                if whole is not None:
                    yield whole

    def _model_pages(self) -> "Iterator[list[ListedModel]]":
        from mlflow_lime.tracking.registry import list_models

        for page in list_models(self._client):
            yield [model for model in page if self._plans.of(model.name) is not None]

    def _pin(self, name: str) -> str:
        """Return the digest of the reference set that a model pins now."""
        from mlflow_lime.tracking.registry import read_model

        if name not in self._models:
            self._models[name] = read_model(self._client, name)
        model = self._models[name]
        return "" if model is None else model.reference_digest

    # Into the queue

    def _queue_all(self, versions: "Iterable[ListedVersion]", fresh: frozenset[str]) -> int:
        added, rest = 0, iter(versions)
        while chunk := list(islice(rest, _TOGETHER)):
            unseen = set(self._queue.ledger.unseen(version.key for version in chunk))
            chunk = [version for version in chunk if version.key in unseen]
            old = {v.key for v in chunk if self._is_too_old(v, fresh)}
            self._queue.ledger.mark_seen(key for key in unseen if key in old)
            wanted = [version for version in chunk if version.key not in old]
            added += self._queue.offer([self._offer(version, fresh) for version in wanted])
            room = max(0, _SHOWN - len(self._shown))
            self._shown.extend(f"{v.name}/{v.version}" for v in wanted[:room])
        return added

    def _offer(self, version: "ListedVersion", fresh: frozenset[str]) -> Offer:
        plan = self._plans.of(version.name)
        if plan is None:  # every version that comes here was found through its plan
            msg = f"no plan names {version.name!r}"
            raise LookupError(msg)
        return Offer(
            version.name,
            version.version,
            plan,
            created=version.created,
            reference_digest=self._pin(version.name),
            origin="watch",
            urgent=not self._is_backlog(version.name, fresh),
        )

    def _is_too_old(self, version: "ListedVersion", fresh: frozenset[str]) -> bool:
        if self._since is None or not self._is_backlog(version.name, fresh):
            return False
        return version.created is None or version.created < self._since

    def _is_backlog(self, name: str, fresh: frozenset[str]) -> bool:
        """Return whether a model is watched for the first time."""
        naming = [p for p in self._plans.patterns if fnmatchcase(name, p)]
        return bool(fresh) and all(pattern in fresh for pattern in naming)

    def _fresh_patterns(self) -> frozenset[str]:
        """Return the patterns with which this queue was never swept to the end."""
        marks = self._queue.ledger.unseen(_mark(pattern) for pattern in self._plans.patterns)
        return frozenset(pattern for _, pattern, _ in marks)


def _mark(pattern: str) -> Key:
    """Return what notes in the ledger that a pattern was swept: no model has an empty name."""
    return "", pattern, None


def _is_before(page: "list[ListedVersion]", reached: int | None) -> bool:
    """Return whether a page, newest first, goes back to what was there at an earlier look."""
    oldest = page[-1].created if page else None
    return reached is None or oldest is None or oldest <= reached


def _sentence(error: Exception) -> str:
    if isinstance(error, TrackingServerError):
        return str(error)
    text = (str(error).strip() or "no message").splitlines()[0][:300]
    return f"unexpected {type(error).__name__}: {text}"
