"""The files that a run holds of a review, read back as text."""

import tempfile
from functools import cached_property
from pathlib import Path, PurePosixPath

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run

from mlflow_lime import names
from mlflow_lime.tracking.connection import impatient, quiet_downloads, translate_errors

__all__ = ["LoggedFiles"]

_FOLDER = names.EXPLANATIONS_JSON.partition("/")[0]


class LoggedFiles:
    """The files of a review below ``lime/``, listed once and read when they are asked for.

    They are addressed by their place: asked by the run, MLflow looks the run up for each file.

    Parameters
    ----------
    run : Run
        A run that holds explanations.
    client : MlflowClient

    Raises
    ------
    MlflowLimeError
        If the store cannot be reached.
    """

    def __init__(self, run: Run, client: MlflowClient) -> None:
        self._run = run
        self._client = client

    @cached_property
    def _paths(self) -> set[str]:
        place = f"{self._run.info.artifact_uri}/{_FOLDER}"
        with impatient(), translate_errors(f"the artifacts of run {self._run.info.run_id!r}"):
            found = mlflow.artifacts.list_artifacts(
                artifact_uri=place, tracking_uri=self._client.tracking_uri
            )
        return {f"{_FOLDER}/{PurePosixPath(item.path).name}" for item in found}

    def text(self, path: str) -> str | None:
        """Return the text of a file; None where it was not logged.

        Raises
        ------
        MlflowLimeError
            If it cannot be read.
        """
        return self.existing(path) if path in self._paths else None

    def existing(self, path: str) -> str:
        """Return the text of a file that there must be.

        Raises
        ------
        MlflowLimeError
            If it cannot be read, or is not there.
        """
        with tempfile.TemporaryDirectory() as folder:
            return self.fetched(path, Path(folder)).read_text(encoding="utf-8")

    def fetched(self, path: str, folder: Path) -> Path:
        """Copy a file that there must be into a folder, and return where it is.

        Raises
        ------
        MlflowLimeError
            If it cannot be read, or is not there.
        """
        info = self._run.info
        with quiet_downloads(), translate_errors(f"{path} of run {info.run_id!r}"):
            found = mlflow.artifacts.download_artifacts(
                artifact_uri=f"{info.artifact_uri}/{path}",
                dst_path=str(folder),
                tracking_uri=self._client.tracking_uri,
            )
        return Path(found)
