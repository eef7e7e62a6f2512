"""Look now and then for versions that no webhook told of."""

import logging
import threading
from collections.abc import Callable

from mlflow_lime.errors import shorten
from mlflow_lime.registration.exposition import Counter

__all__ = ["Sweeper"]

SOONEST = 5.0
"""Seconds after which a sweep that failed is tried again; each next pause is twice as long."""

_LOG = logging.getLogger(__name__)


class Sweeper:
    """A thread that sweeps when it starts, and then every so many seconds.

    Parameters
    ----------
    sweep : callable
        Looks once, and returns how many versions were new.
    seconds : float
        Pause between two sweeps; 0 for one sweep that worked, and no more.

    Examples
    --------
    >>> sweeper = Sweeper(lambda: 3, 0)
    >>> sweeper.start(); sweeper.join(5); sweeper.found.value()
    3
    """

    def __init__(self, sweep: Callable[[], int], seconds: float) -> None:
        self.seconds = seconds
        self.sweeps = Counter("mlflow_lime_sweeps_total", "Sweeps.", ["result"])
        self.found = Counter("mlflow_lime_sweep_versions_total", "Versions found by sweeps.")
        self._sweep = sweep
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="mlflow-lime sweeper")

    def start(self) -> None:
        """Begin, and return at once."""
        self._thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """Sweep no more, and wait a while for a sweep that is under way."""
        self._stop.set()
        self.join(seconds)

    @property
    def sweeping(self) -> bool:
        """Whether its thread lives, so that the queue must not be closed."""
        return self._thread.is_alive()

    def join(self, seconds: float) -> None:
        """Wait for the end of the thread."""
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        failures = 0
        while True:
            failures = 0 if self._once() else failures + 1
            if not failures and not self.seconds:
                return
            regular = self.seconds or 300.0
            pause = min(regular, SOONEST * 2.0 ** min(failures - 1, 20)) if failures else regular
            if self._stop.wait(pause):
                return

    def _once(self) -> bool:
        try:
            found = self._sweep()
        except Exception as error:  # such as a store that is down; the next one may work
            self.sweeps.add("failed")
            _LOG.warning("the sweep failed, and is tried again: %s", shorten(str(error), 300))
            return False
        self.sweeps.add("done")
        self.found.add(amount=found)
        return True
