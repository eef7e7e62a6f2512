"""Explanations that a review logged, read back."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from mlflow_lime import names
from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.tracking.connection import impatient, translate_errors
from mlflow_lime.tracking.logged_files import LoggedFiles
from mlflow_lime.tracking.review_runs import latest_run

__all__ = ["Outcomes", "load_explanations", "load_outcomes", "load_shown"]

Outcomes = tuple[Sequence[Explanation], Sequence[FailedExplanation]]
"""Explanations and failures, in the order of the reference set."""


def load_explanations(
    model_uri: str, *, client: MlflowClient | None = None
) -> Sequence[Explanation]:
    """Return the logged explanations of a version, or of a review run.

    Parameters
    ----------
    model_uri : str
        A model version, whose latest completed review is read, or ``runs:/<review run>``.
    client : MlflowClient, optional

    Returns
    -------
    sequence of Explanation
        A list; of a large reference set (`outputs.max_instances`) a sequence that reads them
        from a temporary file when they are looked at.

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


def load_outcomes(run: Run, client: MlflowClient) -> Outcomes:
    """Return what a run logged of its instances: explanations and failures.

    Returns
    -------
    tuple of (sequence of Explanation, sequence of FailedExplanation)
        Lists; of a large set, explanations that are read when they are looked at.

    Raises
    ------
    MlflowLimeError
        If the file is gone, or cannot be read.
    """
    from mlflow_lime.report.jsonlines import read_explanations_json, sample_note

    files = LoggedFiles(run, client)
    text = files.existing(names.EXPLANATIONS_JSON)
    return _load_whole(files) if sample_note(text) else read_explanations_json(text)


def load_shown(run: Run, client: MlflowClient) -> tuple[Outcomes, str]:
    """Return the outcomes that are shown one by one, and which of a large set these are.

    Returns
    -------
    outcomes : tuple of (list of Explanation, list of FailedExplanation)
    sample : str
        A sentence; empty where they are all.

    Raises
    ------
    MlflowLimeError
        If the file is gone, or cannot be read.
    """
    from mlflow_lime.report.jsonlines import read_explanations_json, sample_note

    text = LoggedFiles(run, client).existing(names.EXPLANATIONS_JSON)
    return read_explanations_json(text), sample_note(text)


def _load_whole(files: LoggedFiles) -> Outcomes:
    """Return the outcomes of a large set; a copy of the file lasts as long as they do."""
    from mlflow_lime.report.whole import read_whole

    folder = Path(tempfile.mkdtemp(prefix="mlflow-lime-"))
    try:
        found = read_whole(files.fetched(names.EXPLANATIONS_WHOLE, folder), remove=folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return found.explanations, found.failed
