"""The group of commands as a program, which ends once it was stopped."""

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


class Program(click.Group):
    """A group whose process ends within seconds once a command was stopped by Ctrl-C.

    Python waits for every thread before it ends. A thread that was about to be listed by its pool
    when the interrupt came is told by nobody that all is over, and waits for work for ever.
    """

    def main(self, args: Any = None, *rest: Any, **options: Any) -> Any:
        """Run the commands; without `args` those of the process, which is then their own."""
        try:
            return super().main(args, *rest, **options)
        except SystemExit as end:
            if args is None and end.code == _STOPPED:
                threading.Thread(target=_end_late, daemon=True).start()
            raise


def _end_late() -> None:
    """End the process if it is still here after a while; its work is over, its files closed."""
    time.sleep(_PATIENCE)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(_STOPPED)
