"""Explanations that a review logged, read back."""

import mlflow
from mlflow import MlflowClient

from mlflow_lime import names
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.tracking.connection import quiet_downloads, translate_errors
from mlflow_lime.tracking.review_runs import latest_run

__all__ = ["load_explanations"]


def load_explanations(model_uri: str, *, client: MlflowClient | None = None) -> list[Explanation]:
    """Return the logged explanations of a version, or of a review run.

    Parameters
    ----------
    model_uri : str
        A model version, whose latest completed review is read, or ``runs:/<review run>``.
    client : MlflowClient, optional

    Raises
    ------
    MlflowLimeError
        If there is no such version, or it was not explained.
    """
    from mlflow_lime.report.jsonlines import read_explanations_json

    client = client or MlflowClient()
    run_id = latest_run(model_uri, client)
    with quiet_downloads(), translate_errors(f"the explanations in run {run_id!r}"):
        text = mlflow.artifacts.load_text(f"runs:/{run_id}/{names.EXPLANATIONS_JSON}")
    explanations, _ = read_explanations_json(text)
    return explanations
