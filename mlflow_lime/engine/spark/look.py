"""A look at Spark's workers before they are given work: what they run, and what they lack."""

import logging
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from mlflow_lime.engine.spark.session import slots_of
from mlflow_lime.engine.spark.workers import LOOK_SCHEMA, looking
from mlflow_lime.errors import ConfigError, shorten

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["check_workers"]

_NEEDED = ("mlflow-lime", "mlflow", "numpy", "scipy", "pandas", "scikit-learn", "scikit-image")
"""Packages without which no instance is explained."""
_TASKS = 64
"""Workers that are looked at, at most."""

_logger = logging.getLogger(__name__)


def check_workers(session: "SparkSession") -> None:
    """Refuse workers that cannot explain anything, and warn of those that may explain otherwise.

    Raises
    ------
    ConfigError
        If workers run another version of Python than the driver, or lack a package.
    """
    tasks = min(_TASKS, slots_of(session))
    look = looking(_NEEDED)
    try:
        rows = session.range(0, tasks, 1, tasks).mapInPandas(look, LOOK_SCHEMA).collect()
    except Exception as error:
        raise _refused(error) from error
    seen = {(row.host, row.package, row.found) for row in rows}
    missing = sorted({(package, host) for host, package, found in seen if not found})
    if missing:
        package, host = missing[0]
        names = sorted({name for name, _ in missing})
        msg = (
            f"Spark's workers lack {', '.join(names)} (seen on {host}); install there what is "
            f"installed here: pip install '{package}=={_installed(package)}'"
        )
        raise ConfigError(msg)
    other = [item for item in seen if item[2] != _installed(item[1])]
    for host, package, found in sorted(other):
        here = _installed(package)
        text = f"{host} has {package} {found}, this machine has {here}"
        if package == "mlflow-lime":
            msg = f"Spark's workers run another version: {text}; install the same on both"
            raise ConfigError(msg)
        _logger.warning("%s: explanations may differ in their last digits", text)


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # such as mlflow, where mlflow-skinny is installed
        return ""


def _refused(error: Exception) -> ConfigError:
    """Return what to do about workers that cannot even look at themselves."""
    text = str(error)
    if "PYTHON_VERSION_MISMATCH" in text or "different minor version" in text:
        return ConfigError(
            "Spark's workers run another version of Python than this process; set PYSPARK_PYTHON "
            "to the same version, on every machine and before Spark starts"
        )
    for package in ("pandas", "pyarrow", "pyspark"):
        absent = "PACKAGE_NOT_INSTALLED" in text and f"{package} >=" in text.lower()
        if absent or f"No module named '{package}'" in text:
            return ConfigError(
                f"Spark's workers lack {package}; install there what is installed here: "
                f"pip install '{package}=={_installed(package)}'"
            )
    if "Cannot run program" in text:
        return ConfigError(
            "Spark's workers cannot start Python; set PYSPARK_PYTHON to an interpreter that exists "
            "on every machine"
        )
    return ConfigError(f"Spark's workers cannot run Python code: {shorten(text, 400)}")
