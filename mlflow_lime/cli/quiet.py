"""Keep what other libraries say off the terminal while a command runs."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet"]

_ENVIRONMENT = {
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Read once, when mlflow is imported.
    "MLFLOW_LOGGING_LEVEL": "ERROR",
}
_LOGGERS = {
    "mlflow": logging.ERROR,
    "urllib3": logging.ERROR,
    # Show tracebacks where Ctrl-C comes in the middle of a query; what fails raises as well.
    "sqlalchemy.pool": logging.CRITICAL,
    "mlflow.store.db.utils": logging.CRITICAL,
}
"""Loggers, and what they may say."""


@contextmanager
def quiet() -> Iterator[None]:
    """Silence INFO of every logger, mlflow's warnings, Python's warnings and download bars.

    A setting that the user has made stays: the environment variables, and Python's ``-W``. The
    process is left as it was found.

    Examples
    --------
    >>> import warnings
    >>> with quiet():
    ...     warnings.warn("nobody sees this")
    """
    added = {name: value for name, value in _ENVIRONMENT.items() if name not in os.environ}
    os.environ.update(added)
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels, disabled = [logger.level for logger in loggers], logging.root.manager.disable
    # Alembic's INFO on a fresh store: MLflow sets its level anew for every migration.
    logging.disable(max(logging.INFO, disabled))
    if "MLFLOW_LOGGING_LEVEL" in added:
        for logger, least in zip(loggers, _LOGGERS.values(), strict=True):
            logger.setLevel(least)
    try:
        with warnings.catch_warnings():
            if not sys.warnoptions:
                warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        logging.disable(disabled)
        for name in added:
            os.environ.pop(name, None)
