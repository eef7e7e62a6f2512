"""The Spark session: the one that is active, or one that is started."""

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlflow_lime.engine.limits import THREAD_VARIABLES
from mlflow_lime.errors import ConfigError, shorten

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["open_session", "slots_of"]

FAILURES = 4
"""Workers that may die on a task before Spark gives the job up; local sessions allow one."""

_ON_THIS_MACHINE = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    # Java shares the cores with the workers, and its compiler would take more of them than we do.
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}


def open_session(
    settings: Mapping[str, str], workers: int | None = None
) -> "tuple[SparkSession, bool]":
    """Return a Spark session, and whether it was started here.

    Parameters
    ----------
    settings : mapping of str to str
        Spark's own settings, such as ``spark.master``, for a session that is started.
    workers : int, optional
        Cores of a session that is started on this machine.

    Raises
    ------
    ConfigError
        If pyspark or Java is missing, or the session does not start.
    """
    try:
        from pyspark import SparkContext
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError as error:
        msg = (
            f"engine.kind is 'spark', but {error.name or 'pyspark'} is not installed; "
            "pip install 'mlflow-lime[spark]', or set engine.kind: local"
        )
        raise ConfigError(msg) from error
    active = SparkSession.getActiveSession()
    if active is None and SparkContext._active_spark_context is not None:
        active = SparkSession.builder.getOrCreate()  # another thread's; nothing is set on it
    if active is not None:
        return active, False
    given = {str(key): str(value) for key, value in settings.items()}
    remote = "SPARK_REMOTE" in os.environ or "spark.remote" in given
    if not remote:
        # Workers on this machine would otherwise be whatever "python3" is there.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        os.environ.setdefault("PYSPARK_DRIVER_PYTHON", os.environ["PYSPARK_PYTHON"])
        given = _usual(given, workers) | given
    builder: Any = SparkSession.builder.appName("mlflow-lime")
    for key, value in given.items():
        builder = builder.config(key, value)
    try:
        return builder.getOrCreate(), True
    except (PySparkException, RuntimeError, OSError) as error:
        # Java's reason was printed already; pyspark's text says little more than that it failed.
        msg = (
            f"Spark could not be started ({type(error).__name__}: {shorten(str(error), 200)}); it "
            "needs Java 17 or later (set JAVA_HOME), and a spark.master that can be reached"
        )
        raise ConfigError(msg) from error


def _usual(given: Mapping[str, str], workers: int | None) -> dict[str, str]:
    """Return our settings of a session, which those of the user and of his cluster go before."""
    usual = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.python.worker.faulthandler.enabled": "true",
        **{f"spark.executorEnv.{key}": value for key, value in THREAD_VARIABLES.items()},
    }
    master = given.get("spark.master") or os.environ.get("MASTER")
    if master is None and "SPARK_CONF_DIR" not in os.environ:
        master = usual["spark.master"] = f"local[{workers or '*'},{FAILURES}]"
    if str(master).startswith("local"):
        usual |= _ON_THIS_MACHINE
    return usual


def slots_of(session: "SparkSession") -> int:
    """Return the tasks that a session runs at the same time, as far as it tells."""
    try:
        return max(1, int(session.sparkContext.defaultParallelism))
    except Exception:
        # A remote session has no context; this is what it shares out at once by default.
        return _remote_slots(session)


def _remote_slots(session: "SparkSession") -> int:
    found = session.conf.get("spark.sql.leafNodeDefaultParallelism", None)
    return max(1, int(found)) if found and str(found).isdigit() else 8
