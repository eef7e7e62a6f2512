"""Where files of our own lie: journals, queues, and locks."""

import os
from pathlib import Path

__all__ = ["home_folder"]


def home_folder() -> Path:
    """Return the folder of our files: ``$MLFLOW_LIME_HOME``, or one in the user's cache.

    Examples
    --------
    >>> home_folder().is_absolute() or "MLFLOW_LIME_HOME" in os.environ
    True
    """
    configured = os.environ.get("MLFLOW_LIME_HOME")
    if configured:
        return Path(configured)
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "mlflow-lime"
