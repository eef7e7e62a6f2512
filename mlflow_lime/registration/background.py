"""Versions on their way from the thread that registers them into a durable queue."""

import atexit
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from mlflow_lime.errors import shorten
from mlflow_lime.tracking.registration_hook import Registration

if TYPE_CHECKING:
    from mlflow_lime.registration.lane import Lane
    from mlflow_lime.registration.plans import Plan

__all__ = ["Background", "Notices"]

_TENDING = 2.0
"""Seconds between two looks at what became of the versions of this process."""
_LOOK = 0.3
"""Seconds between two looks while a script waits at its end."""
_LONGEST_PAUSE = 5.0
"""Seconds until the next attempt for which a script does not wait any more."""
_FORK = 10.0
"""Seconds that a fork waits until no version is on its way into a queue."""
_HANDOVER = 40.0
"""Seconds that a script waits at its end until its versions are in the queue; beyond SQLite's."""
_MOST_REASONS = 1000

_LOGGER = logging.getLogger("mlflow_lime")

Choose = Callable[[str], "Plan | None"]
"""Returns how a registered model is explained, by its name; may raise `ConfigError`."""


class Notices:
    """Warnings, each reason once.

    Examples
    --------
    >>> notices = Notices()
    >>> notices.reasons
    []
    """

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self._lock = threading.Lock()

    def warn(self, text: str, *, about: str = "") -> None:
        """Log a warning, unless the same reason was given before.

        Parameters
        ----------
        text : str
            What is the matter, and the cure.
        about : str, optional
            The version, as ``name/version``: another version makes no other reason of it.
        """
        reason = text.replace(about, "VERSION") if about else text
        with self._lock:
            if reason in self.reasons or len(self.reasons) >= _MOST_REASONS:
                return
            self.reasons.append(reason)
        _LOGGER.warning("mlflow-lime: %s", text)


Item = tuple[Registration, Choose, Notices]
"""A version, what chooses its plan, and where a failure is told."""


class Background:
    """Hands versions to durable queues in a thread of its own, and waits for them at exit.

    A process that is forked has nothing of what its parent has put in; it hands over what it
    registers itself, and does not wait.

    Examples
    --------
    >>> Background().finish()
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forked = False
        self._left_behind: list[object] = []
        self._rests = False
        self._clear()
        self._registered = False
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._before_fork,
                after_in_parent=self._after_fork_in_parent,
                after_in_child=self._after_fork_in_child,
            )

    def _clear(self) -> None:
        self._delivering = threading.Lock()
        self._inbox: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._thread: threading.Thread | None = None

    def _before_fork(self) -> None:
        """Close the queues: SQLite takes what its parent has open, or locked, for its own."""
        self._lock.acquire()
        self._rests = self._delivering.acquire(timeout=_FORK)
        if self._rests:
            for lane in self._lanes.values():
                lane.rest()

    def _after_fork_in_parent(self) -> None:
        if self._rests:
            self._delivering.release()
        self._lock.release()

    def _after_fork_in_child(self) -> None:
        # Never closed here: closing a database that was opened before the fork breaks its locks.
        self._left_behind += [self._inbox, self._lanes, self._thread]
        self._forked = True
        self._clear()
        self._lock.release()

    # In the thread that registers

    def put(self, registration: Registration, choose: Choose, notices: Notices) -> None:
        """Take a version, within microseconds; never raises for what comes of it.

        Parameters
        ----------
        registration : Registration
        choose : callable
            Returns the plan for the model of that name, or None.
        notices : Notices
            Where a failure is told.
        """
        self._inbox.put((registration, choose, notices))
        with self._lock:
            if not self._registered:
                self._registered = True
                _at_exit(self.finish)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._deliver, daemon=True, name="mlflow-lime autolog"
                )
                with suppress(RuntimeError):  # the interpreter ends: `finish` delivers it
                    self._thread.start()

    # In the thread that delivers

    def _deliver(self) -> None:
        while True:
            tending = any(lane.mine for lane in self._lanes.values())
            try:
                item = self._inbox.get(timeout=_TENDING if tending else None)
            except queue.Empty:
                self._tend()
                continue
            if item is None:
                return
            self._offer(item)

    def _offer(self, item: Item) -> None:
        """Put a version, and all that wait behind it, into their queues."""
        items = [item]
        with suppress(queue.Empty):
            while (another := self._inbox.get_nowait()) is not None:
                items.append(another)
            self._inbox.put(None)  # the end, which the caller must see
        try:
            from mlflow_lime.registration.lane import offer

            with self._delivering:
                offer(items, self._lanes)
        except Exception as error:
            for registration, _, notices in items:
                label = registration.label
                reason = f"{type(error).__name__}: {shorten(str(error), 200)}"
                notices.warn(
                    f"{label} was registered, but will not be explained: {reason}", about=label
                )

    def _tend(self) -> "list[Lane]":
        """Look after the versions of this process, and return the queues that have some left."""
        with self._delivering:
            for lane in self._lanes.values():
                lane.tend()
            return [lane for lane in self._lanes.values() if lane.mine and not lane.broken]

    # At the end of the process

    def finish(self) -> None:
        """Hand everything over, wait for it within `registration.wait_seconds`, and close."""
        try:
            if self._hand_over() and not self._forked:
                self._wait()
        except KeyboardInterrupt:
            _say("stopped before all versions were in the queue; `mlflow-lime watch` finds them")
        except Exception as error:
            _LOGGER.warning(
                "mlflow-lime: cannot wait for explanations: %s", shorten(str(error), 200)
            )

    def _hand_over(self) -> bool:
        """Return whether all versions are in a queue."""
        thread = self._thread
        if thread is not None and thread.is_alive():
            self._inbox.put(None)
            thread.join(_HANDOVER)
            if thread.is_alive():
                _say("the queue does not answer; `mlflow-lime watch` finds the versions")
                return False
        with suppress(queue.Empty):
            while True:
                item = self._inbox.get_nowait()
                if item is not None:
                    self._offer(item)
        return True

    def _wait(self) -> None:
        lanes = self._tend()
        waiting = [label for lane in lanes for label in lane.labels()]
        explained: list[str] = []
        try:
            if waiting:
                seconds = max(lane.wait_seconds() for lane in lanes)
                explained = self._watch(waiting, seconds)
        except KeyboardInterrupt:
            pass
        lanes = [lane for lane in lanes if lane.mine and not lane.broken]
        if explained:
            _say(f"explained {_some(explained)}")
        for lane in lanes:
            _say(f"{_some(lane.labels())} {lane.outlook()}")
        for lane in self._lanes.values():
            lane.close()
        self._lanes.clear()

    def _watch(self, waiting: Sequence[str], seconds: float) -> list[str]:
        """Wait, and return what was explained meanwhile."""
        before = {id(lane): len(lane.explained) for lane in self._lanes.values()}
        if seconds > 0:
            count = "1 version" if len(waiting) == 1 else f"{len(waiting)} versions"
            _say(f"explaining {count} ({_some(waiting)}); Ctrl-C leaves it to the background")
        deadline = time.monotonic() + seconds
        with suppress(KeyboardInterrupt):
            while (left := self._tend()) and time.monotonic() < deadline:
                if min(lane.pause for lane in left) > _LONGEST_PAUSE:
                    break
                time.sleep(_LOOK)
        return [
            label for lane in self._lanes.values() for label in lane.explained[before[id(lane)] :]
        ]


def _at_exit(finish: Callable[[], None]) -> None:
    # Newer versions of Python start neither threads nor processes any more when atexit calls us.
    early = getattr(threading, "_register_atexit", None)
    if early is not None:
        with suppress(RuntimeError):
            early(finish)
    # Once more, for what other threads register after the main one has ended.
    atexit.register(finish)


def _some(labels: Sequence[str], most: int = 5) -> str:
    """Return the first labels, and how many there are besides."""
    more = len(labels) - most
    return ", ".join(labels[:most]) + (f", and {more} more" if more > 0 else "")


def _say(text: str) -> None:
    """Tell a person; a program without a terminal, or with a closed one, hears nothing."""
    with suppress(AttributeError, OSError, ValueError):
        sys.stderr.write(f"mlflow-lime: {text}\n")
        sys.stderr.flush()
