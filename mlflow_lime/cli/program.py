"""The group of commands as a program: it starts and ends without delay."""

import gc
import os
import sys
import threading
import time
from typing import Any, Final

import click

__all__ = ["Program"]

_STOPPED: Final = 130
_PATIENCE: Final = 5.0
"""Seconds that Python may take to end after Ctrl-C."""

_FRESH: Final = 10_000
"""New objects after which Python looks for garbage among them. Imports make hundreds of thousands,
and no garbage: with Python's own 700, looking takes half a second of an ``explain``."""


class Program(click.Group):
    """A group that, where it is a process of its own, spares it Python's delays.

    After Ctrl-C Python waits for every thread before it ends. A thread that was about to be listed
    by its pool when the interrupt came is told by nobody that all is over, and waits for work for
    ever: so a command that was stopped ends within seconds in any case. And before it ends Python
    looks through all that is left, up to a second long, for garbage that goes with the process
    anyway.
    """

    def main(self, args: Any = None, *rest: Any, **options: Any) -> Any:
        """Run a command; without `args` that of the process, which is then the program's own."""
        if args is not None:
            return super().main(args, *rest, **options)
        gc.set_threshold(_FRESH, *gc.get_threshold()[1:])
        try:
            return super().main(None, *rest, **options)
        except SystemExit as end:
            if end.code == _STOPPED:
                threading.Thread(target=_end_late, daemon=True).start()
            raise
        finally:
            gc.freeze()


def _end_late() -> None:
    """End the process if it is still here after a while; its work is over, its files closed."""
    time.sleep(_PATIENCE)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(_STOPPED)
