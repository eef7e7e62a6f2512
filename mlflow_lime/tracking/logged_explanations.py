"""Explanations that a review logged, read back."""

import tempfile
from pathlib import Path

import mlflow
from mlflow import MlflowClient

from mlflow_lime import names
from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.tracking.connection import quiet_downloads, translate_errors
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
    return load_outcomes(latest_run(model_uri, client), client)[0]


def load_outcomes(
    run_id: str, client: MlflowClient
) -> tuple[list[Explanation], list[FailedExplanation]]:
    """Return what a run logged of its instances: explanations and failures.

    Raises
    ------
    MlflowLimeError
        If the run or the file is gone, or the file cannot be read.
    """
    from mlflow_lime.report.jsonlines import read_explanations_json

    what = f"the explanations in run {run_id!r}"
    with tempfile.TemporaryDirectory() as folder:
        with quiet_downloads(), translate_errors(what):
            path = mlflow.artifacts.download_artifacts(
                run_id=run_id,
                artifact_path=names.EXPLANATIONS_JSON,
                dst_path=folder,
                tracking_uri=client.tracking_uri,
            )
        return read_explanations_json(Path(path).read_text(encoding="utf-8"))
