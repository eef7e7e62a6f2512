"""Real servers on loopback: MLflow's tracking server, with or without passwords, and PostgreSQL."""

import base64
import os
import pwd
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

__all__ = ["MlflowServer", "Postgres", "free_port"]

PATIENCE = 120.0
"""Seconds that a server may take to start on a busy machine."""


def free_port() -> int:
    """Return a port of loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class MlflowServer:
    """``mlflow server`` in a process group of its own, which can be stopped and started again."""

    def __init__(
        self,
        folder: Path,
        backend: str | None = None,
        *,
        passwords: bool = False,
        settings: Mapping[str, str] | None = None,
        workers: int = 1,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.backend = backend or f"sqlite:///{folder / 'server.db'}"
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.passwords = passwords
        self.settings = dict(settings or {})
        self.workers = workers
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def user(self) -> dict[str, str]:
        """Return what a client needs in its environment to be let in."""
        if not self.passwords:
            return {}
        return {
            "MLFLOW_TRACKING_USERNAME": "admin",
            "MLFLOW_TRACKING_PASSWORD": "a-long-password-1",
        }

    def start(self) -> "MlflowServer":
        """Start it, and wait until it answers."""
        command = [
            *(sys.executable, "-m", "mlflow", "server"),
            *("--backend-store-uri", self.backend, "--host", "127.0.0.1"),
            *("--port", str(self.port), "--workers", str(self.workers)),
            *("--artifacts-destination", str(self.folder / "artifacts")),
        ]
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
        environment = {
            **inherited,
            "OMP_NUM_THREADS": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            **self.settings,
        }
        if self.passwords:
            command += ["--app-name", "basic-auth"]
            environment |= self._prepare_passwords()
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        self._wait()
        if self.passwords:
            self._hash_quickly()
        return self

    def _hash_quickly(self) -> None:
        """Store the password under a cheap hash: the server checks it again for each request."""
        from werkzeug.security import generate_password_hash

        cheap = generate_password_hash(self.user["MLFLOW_TRACKING_PASSWORD"], "pbkdf2:sha256:1000")
        with closing(sqlite3.connect(self.folder / "users.db")) as users, users:
            changed = users.execute("UPDATE users SET password_hash = ?", (cheap,))
            if changed.rowcount != 1:
                raise RuntimeError(f"expected one user in users.db, got {changed.rowcount}")

    def _prepare_passwords(self) -> dict[str, str]:
        path = self.folder / "auth.ini"
        path.write_text(
            "[mlflow]\ndefault_permission = READ\n"
            f"database_uri = sqlite:///{self.folder / 'users.db'}\n"
            "admin_username = admin\nadmin_password = a-long-password-1\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        )
        return {
            "MLFLOW_AUTH_CONFIG_PATH": str(path),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "only-for-a-test-on-loopback",
        }

    def _wait(self) -> None:
        until = time.monotonic() + PATIENCE
        request = urllib.request.Request(f"{self.uri}/health")
        if self.passwords:
            word = base64.b64encode(b"admin:a-long-password-1").decode()
            request.add_header("Authorization", f"Basic {word}")
        while True:
            try:
                with urllib.request.urlopen(request, timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                ended = self.process is None or self.process.poll() is not None
                if ended or time.monotonic() > until:
                    log = (self.folder / "server.log").read_text()[-3000:]
                    raise RuntimeError(f"the server did not start:\n{log}") from None
                time.sleep(0.2)

    def stop(self) -> None:
        """Stop it, and whatever it has started."""
        if self.process is None:
            return
        for sign, seconds in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
            try:
                os.killpg(self.process.pid, sign)
                self.process.wait(seconds)
                break
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        self.process.wait()
        self.process = None

    def __enter__(self) -> "MlflowServer":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class Postgres:
    """A PostgreSQL server of its own, in a folder of its own, without passwords, on loopback."""

    BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))

    def __init__(self) -> None:
        # Not among pytest's folders, which are for one user alone.
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self.port = free_port()

    @classmethod
    def is_there(cls) -> bool:
        """Whether this machine has a server and a driver for it."""
        try:
            import psycopg2  # noqa: F401
        except ImportError:
            return False
        return bool(cls.BINARIES)

    @property
    def uri(self) -> str:
        return f"postgresql+psycopg2://mlflow@127.0.0.1:{self.port}/postgres"

    def start(self) -> "Postgres":
        """Make the database, and start it; it never runs as root."""
        data = self.folder
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(data, account.pw_uid, account.pw_gid)
        self._run("initdb", "-D", str(data), "-U", "mlflow", "--auth=trust", "--no-sync")
        options = f"-p {self.port} -k {data} -c listen_addresses=127.0.0.1 -c fsync=off"
        log = str(data / "server.log")
        self._run("pg_ctl", "-D", str(data), "-l", log, "-w", "-o", options, "start")
        return self

    def stop(self) -> None:
        # It says no where the server has ended already; there is nothing left to stop then.
        with suppress(subprocess.CalledProcessError):
            self._run("pg_ctl", "-D", str(self.folder), "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        who = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        subprocess.run(
            [str(self.BINARIES[-1] / program), *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            cwd="/",
            timeout=PATIENCE,
            **who,
        )

    def __enter__(self) -> "Postgres":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
