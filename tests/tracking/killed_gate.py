"""Gates a version again and again, and is killed before each write to the store in turn.

Every attempt is a process of its own, forked before any store was opened. For each, one line says
how it ended: the signal that killed it, or 0.
"""

import os
import signal
import sys

# What an attempt needs is imported once, before it forks.
import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
from mlflow import MlflowClient

import mlflow_lime.tracking.comparison
import mlflow_lime.tracking.review  # noqa: F401
from mlflow_lime.config import load_config
from mlflow_lime.tracking.gating import gate_version

WRITES = (
    "delete_registered_model_alias",
    "log_artifacts",
    "log_batch",
    "set_model_version_tag",
    "set_registered_model_alias",
    "set_registered_model_tag",
    "set_tag",
)


def kill_before(write: int) -> None:
    """Let this process be killed before a write, counted from 1."""
    left = [write]

    def killing(ours):
        def method(*args, **options):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return ours(*args, **options)

        return method

    for name in WRITES:
        setattr(MlflowClient, name, killing(getattr(MlflowClient, name)))


def attempt(write: int, uri: str, config: str) -> int:
    """Return the signal that ended an attempt."""
    child = os.fork()
    if child == 0:
        kill_before(write)
        gated = gate_version(uri, load_config(config), against="1", promote="champion")
        os._exit(0 if gated.promoted else 99)
    return os.waitpid(child, 0)[1]


if __name__ == "__main__":
    _, uri, config = sys.argv
    for line in sys.stdin:
        sys.stdout.write(f"{attempt(int(line), uri, config)}\n")
        sys.stdout.flush()
