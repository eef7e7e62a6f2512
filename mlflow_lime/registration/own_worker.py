"""The process that explains what `autolog` has put into a queue of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
from filelock import FileLock

from mlflow_lime.errors import ConfigError
from mlflow_lime.registration.secrets import FILE_VARIABLE, SECRET_VARIABLE

__all__ = ["OwnWorker", "step_back", "step_up", "worker_command", "worker_environment"]

_LONGEST_LOG = 1 << 20
"""Bytes of an old log beyond which a new worker begins it anew."""

_NOT_FOR_WORKERS = (
    "MLFLOW_RUN_ID",
    "MLFLOW_ACTIVE_MODEL_ID",
    "_MLFLOW_ACTIVE_MODEL_ID",
    SECRET_VARIABLE,
    FILE_VARIABLE,
)


def worker_command(path: Path) -> list[str]:
    """Return the command that explains everything in a queue, and ends.

    Examples
    --------
    >>> worker_command(Path("/tmp/queue.db"))[1:]
    ['-P', '-m', 'mlflow_lime', 'worker', '--until-empty', '--queue', '/tmp/queue.db']
    """
    # -P: as in the user's script, the current folder is searched only where sys.path names it.
    options = ["worker", "--until-empty", "--queue", str(path)]
    return [sys.executable, "-P", "-m", "mlflow_lime", *options]


def worker_environment(tracking_uri: str, registry_uri: str) -> dict[str, str]:
    """Return the environment of a worker: the store, and the modules that the user can import.

    The user's run and experiment are left out, so that nothing is written into them.

    Parameters
    ----------
    tracking_uri, registry_uri : str
        The store, right in every folder.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _NOT_FOR_WORKERS and not name.startswith("MLFLOW_EXPERIMENT_")
    }
    return {
        **kept,
        "MLFLOW_TRACKING_URI": tracking_uri,
        "MLFLOW_REGISTRY_URI": registry_uri,
        "MLFLOW_LIME_DISABLE": "1",
        "PYTHONPATH": os.pathsep.join(_search_path()),
    }


def _search_path() -> list[str]:
    folders = [os.path.abspath(entry) for entry in sys.path if isinstance(entry, str)]
    return [folder for folder in dict.fromkeys(folders) if os.pathsep not in folder]


class OwnWorker:
    """The worker of one queue: at most one at a time, whichever process has started it.

    It is no child that ends with us, and it ends by itself when the queue is empty.

    Parameters
    ----------
    path : Path
        The queue.
    tracking_uri, registry_uri : str
        The store, right in every folder.
    """

    def __init__(self, path: Path, tracking_uri: str, registry_uri: str) -> None:
        self.path = path
        self.log = path.with_name(f"{path.name}.worker.log")
        self.pid: int | None = None
        self._store = (tracking_uri, registry_uri)
        self._note = _note_of(path)
        self._lock = FileLock(path.with_name(f"{path.name}.worker.lock"), mode=0o600)
        self._child: subprocess.Popen[bytes] | None = None

    def ensure(self) -> bool:
        """Start the worker, and return True; or return False where one is running.

        Raises
        ------
        ConfigError
            If no process can be started.
        """
        if self.alive():
            return False
        try:
            with self._lock.acquire(timeout=10):
                if self.alive():
                    return False
                self._start()
        except (OSError, RuntimeError, ValueError) as error:
            msg = (
                f"no process can be started to explain versions: {error}; they wait in the queue, "
                f"run `mlflow-lime worker --queue {self.path}`"
            )
            raise ConfigError(msg) from error
        return True

    def alive(self) -> bool:
        """Return whether a worker is running, which may be one that another process started."""
        # By the note alone: a worker takes it away before it looks for work for the last time.
        if self._child is not None:
            self._child.poll()
        self.pid = _running(self._note)
        return self.pid is not None

    def leave(self) -> None:
        """Let the worker go on when this process ends."""
        if self._child is not None and self._child.poll() is None:
            self._child.returncode = 0  # else Python warns about a process that goes on

    def _start(self) -> None:
        if not sys.executable:
            raise RuntimeError("this program has no Python interpreter of its own")
        command = worker_command(self.path)
        with open(_descriptor(self.log), "ab") as log:
            self._child = _spawn(command, worker_environment(*self._store), log.fileno())
        self.pid = self._child.pid
        _write_note(self._note, self.pid)


def step_back(path: Path) -> None:
    """Take the note away that this process works at a queue, if it is ours.

    Parameters
    ----------
    path : Path
        The queue.
    """
    note = _note_of(path)
    if _running(note) == os.getpid():
        note.unlink(missing_ok=True)


def step_up(path: Path) -> None:
    """Note that this process works at a queue, if no other does."""
    note = _note_of(path)
    if _running(note) is None:
        _write_note(note, os.getpid())


def _note_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.worker")


def _write_note(note: Path, pid: int) -> None:
    entry = [pid, psutil.Process(pid).create_time()]
    note.write_text(json.dumps(entry), encoding="utf-8")


def _spawn(command: Sequence[str], env: dict[str, str], log: int) -> subprocess.Popen[bytes]:
    """Start a process that signals to ours do not reach, nor the end of the terminal."""
    return subprocess.Popen(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        creationflags=getattr(subprocess, "DETACHED_PROCESS", 0),
    )


def _descriptor(log: Path) -> int:
    """Open a log for the user alone."""
    try:
        grown = log.stat().st_size > _LONGEST_LOG
    except OSError:
        grown = False
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if grown else 0)
    return os.open(log, flags, 0o600)


def _running(note: Path) -> int | None:
    """Return the id of the process that a note names, if that very process is running."""
    try:
        pid, created = json.loads(note.read_text(encoding="utf-8"))
        process = psutil.Process(int(pid))
        same = abs(process.create_time() - float(created)) < 1.0
        return process.pid if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, TypeError, psutil.Error):
        return None
