"""Explanations that a review logged, read back."""

from mlflow import MlflowClient
from mlflow.entities import Run

from mlflow_lime import names
from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.tracking.connection import impatient, translate_errors
from mlflow_lime.tracking.logged_files import LoggedFiles
from mlflow_lime.tracking.review_runs import latest_run

__all__ = ["load_explanations", "load_outcomes"]


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
    client = client or MlflowClient()
    run_id = latest_run(model_uri, client)
    with impatient(), translate_errors(f"run {run_id!r}"):
        run = client.get_run(run_id)
    return load_outcomes(run, client)[0]


def load_outcomes(
    run: Run, client: MlflowClient
) -> tuple[list[Explanation], list[FailedExplanation]]:
    """Return what a run logged of its instances: explanations and failures.

    Raises
    ------
    MlflowLimeError
        If the file is gone, or cannot be read.
    """
    from mlflow_lime.report.jsonlines import read_explanations_json

    return read_explanations_json(LoggedFiles(run, client).existing(names.EXPLANATIONS_JSON))
