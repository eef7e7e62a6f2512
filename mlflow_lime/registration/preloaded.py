"""What every job needs, imported once in the process that all jobs are forked from."""

import threading
import warnings

from tqdm import tqdm

# A progress bar would else leave a semaphore behind in each job that is ended.
tqdm.set_lock(threading.RLock())
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow's own, about type hints and deprecations
    import mlflow_lime.report.figures
    import mlflow_lime.tracking.registered  # noqa: F401

__all__: list[str] = []
