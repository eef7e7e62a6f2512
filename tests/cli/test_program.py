"""A program of its own starts and ends without delay, whatever other libraries leave behind."""

import gc
import subprocess
import sys
import threading
import time

import click
import pytest

from mlflow_lime.cli.program import Program

COMMAND = """
import atexit, sys, threading
import click
from mlflow_lime.cli import program
from mlflow_lime.cli.session import Command

program._PATIENCE = {patience}
group = program.Program()

@group.command(cls=Command)
@click.argument("seconds", type=float)
def linger(seconds):
    threading.Thread(target=threading.Event().wait, args=[seconds]).start()
    atexit.register(print, "tidied")
    print("half a line", end=" ")
    {end}

sys.argv = ["lime", "linger", "{seconds}"]
group()
"""


def run(end, *, seconds, patience):
    """Run a command that leaves a thread behind; return code, output, and how long it took."""
    code = COMMAND.format(end=end, seconds=seconds, patience=patience)
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    return done, time.monotonic() - started


def test_a_thread_that_nobody_ends_does_not_hold_a_stopped_command():
    done, took = run("raise KeyboardInterrupt", seconds=3600, patience=0.5)
    assert done.returncode == 130
    assert done.stdout == "half a line "
    assert done.stderr == "\nStopped.\n"
    assert 0.5 < took < 30


def test_a_stopped_command_ends_as_usual_where_its_threads_end():
    done, took = run("raise KeyboardInterrupt", seconds=0.2, patience=40)
    assert done.returncode == 130
    assert done.stdout == "half a line tidied\n"
    assert took < 30


def test_a_command_that_was_not_stopped_waits_for_its_threads():
    done, took = run("pass", seconds=1.5, patience=0.1)
    assert done.returncode == 0
    assert done.stdout == "half a line tidied\n"
    assert took > 1.5


def test_a_program_does_not_look_through_its_objects_before_it_ends():
    end = (
        'atexit.register(lambda: print("left alone", __import__("gc").get_freeze_count() > 10_000))'
    )
    done, _ = run(end, seconds=0, patience=40)
    assert done.stdout == "half a line left alone True\ntidied\n"


def test_a_command_inside_another_program_changes_nothing_there(monkeypatch):
    monkeypatch.setattr("mlflow_lime.cli.program._PATIENCE", 0.0)
    group = Program()

    @group.command()
    @click.pass_context
    def stop(ctx):
        ctx.exit(130)

    before = threading.active_count(), gc.get_threshold(), gc.get_freeze_count()
    with pytest.raises(SystemExit) as end:
        group.main(["stop"])
    assert end.value.code == 130
    assert (threading.active_count(), gc.get_threshold(), gc.get_freeze_count()) == before
    time.sleep(0.2)  # in which this process would have ended
