"""Work for the tests of engines, importable in worker processes."""

import contextlib
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from mlflow_lime.engine.cutting import Cutter


@dataclass(frozen=True)
class Numbers:
    """A task: a few numbers."""

    values: tuple

    @property
    def size(self):
        return len(self.values)

    def split(self):
        return [Numbers((value,)) for value in self.values]

    def lost(self, reason):
        return [f"{value} lost: {reason}".encode() for value in self.values]


def die():
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Squares:
    """Squares numbers; dies, fails, or waits where it is told to."""

    notes: str = ""
    deadly: tuple = ()
    once: tuple = ()
    refused: tuple = ()
    seconds: float = 0.0
    unopenable: bool = False
    stillborn: bool = False
    talkative: bool = False
    orphan: bool = False

    @property
    def name(self):
        return repr(self)

    def open(self):
        if self.stillborn:
            die()
        if self.unopenable:
            raise OSError("the shop is shut")
        if self.notes:
            Path(self.notes, f"opened-{os.getpid()}-{time.monotonic_ns()}").touch()
        if self.talkative:
            sys.stdout.write("a model says hello\n")
            sys.stdout.flush()
        return self.answer

    def answer(self, task):
        found = []
        if self.orphan and self.first("orphan"):
            if os.fork() == 0:
                time.sleep(30)
                os._exit(0)
            die()
        for value in task.values:
            time.sleep(self.seconds)
            if value in self.deadly:
                die()
            if value in self.once and self.first(value):
                die()
            if value in self.refused:
                raise ValueError(f"{value} is refused")
            found.append(f"{value} {value * value}".encode())
        return found

    def first(self, value):
        try:
            Path(self.notes, f"once-{value}").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def squares(values):
    return sorted(f"{value} {value * value}".encode() for value in values)


def done(engine, work, n=23, fixed=4):
    """Return the results of an engine, sorted."""
    cutter = Cutter(range(n), lambda rows: Numbers(tuple(rows)), engine.workers, fixed)
    return sorted(line for result in engine.run(work, iter(cutter)) for line in result.lines)


def processes_with(word, pid=None):
    """Return the processes below one whose command line holds a word."""
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it may be gone by now
            if any(word in part for part in child.cmdline()):
                found.append(child)
    return found
