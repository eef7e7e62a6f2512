"""Work that is none, to measure what a task costs by itself; importable on workers."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Empty:
    """A task without work."""

    number: int
    size: int = 1

    def split(self) -> list["Empty"]:
        """Return the task itself."""
        return [self]

    def lost(self, reason: str) -> list[bytes]:
        """Return why it was lost."""
        return [reason.encode()]


@dataclass(frozen=True)
class Nothing:
    """Work that is none."""

    name: str = "nothing"

    def open(self) -> Callable[[object], list[bytes]]:
        """Return a function that does nothing."""
        return done


def done(task: object) -> list[bytes]:
    """Do nothing."""
    return [b"done"]
