"""A saved view of an experiment's runs: how good each is, against how well it was explained.

MLflow does not document how its pages save views. This is how those of 3.17 do it; others may not
list the view, and show their usual charts then.
"""

import hashlib
import json
import time
from typing import Any

from mlflow import MlflowClient

from mlflow_lime import names
from mlflow_lime.tracking.connection import impatient, translate_errors
from mlflow_lime.tracking.ui_links import view_link

__all__ = ["save_view"]

_TAG = "mlflow.sharedViewState."
_NAME = "LIME: quality against fidelity"
_RUNS = 100


def save_view(
    client: MlflowClient,
    experiment_id: str,
    quality: str = "accuracy",
    *,
    fidelity: str = f"{names.PREFIX}fidelity_r2",
) -> str:
    """Add a view to an experiment that opens with a scatter plot of two metrics.

    A view that is there already stays as it is, also where a person has changed it.

    Parameters
    ----------
    client : MlflowClient
    experiment_id : str
    quality : str
        Metric of the upright axis: how good the models are.
    fidelity : str
        Metric of the level axis: how well they were explained.

    Returns
    -------
    str
        The link to the view, relative to the server.

    Raises
    ------
    TrackingServerError
        If the store cannot be reached.
    """
    view_id = hashlib.sha256(json.dumps([experiment_id, quality, fidelity]).encode()).hexdigest()
    view_id = view_id[:32]
    key = f"{_TAG}{view_id}"
    with impatient(), translate_errors(f"the views of experiment {experiment_id!r}"):
        if key not in client.get_experiment(experiment_id).tags:
            client.set_experiment_tag(experiment_id, key, _envelope(_state(quality, fidelity)))
    return view_link(experiment_id, view_id)


def _envelope(state: dict[str, Any]) -> str:
    now = int(time.time() * 1000)
    view = {"name": _NAME, "createdAt": now, "updatedAt": now, "state": json.dumps(state)}
    return json.dumps(view)


def _state(quality: str, fidelity: str) -> dict[str, Any]:
    """Return a view with one chart in a section of its own, on top; MLflow adds the others."""
    chart = {
        "uuid": "lime-scatter",
        "type": "SCATTER",
        "runsCountToCompare": _RUNS,
        "deleted": False,
        "isGenerated": False,
        "metricSectionId": "lime-section",
        "xaxis": {"key": fidelity, "type": "METRIC"},
        "yaxis": {"key": quality, "type": "METRIC"},
    }
    section = {
        "uuid": "lime-section",
        "name": _NAME,
        "display": True,
        "isReordered": True,
        "deleted": False,
        "isGenerated": False,
    }
    return {
        "compareRunCharts": [chart],
        "compareRunSections": [section],
        "isAccordionReordered": True,
    }
