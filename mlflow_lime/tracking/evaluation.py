"""Explaining a model inside `mlflow.models.evaluate`."""

import logging
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models.evaluation.artifacts import ParquetEvaluationArtifact
from mlflow.models.evaluation.base import EvaluationResult

from mlflow_lime import names
from mlflow_lime.config import Config, load_config, parse_config
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.core.layout import Layout
from mlflow_lime.errors import DataError, ModelError
from mlflow_lime.journal import Journal
from mlflow_lime.report.items import Item, Metric
from mlflow_lime.report.tables import explanations_frame
from mlflow_lime.tracking.answers import Answers
from mlflow_lime.tracking.columns import with_backgrounds
from mlflow_lime.tracking.connection import quiet_autologging
from mlflow_lime.tracking.data import LoadedData, load_background
from mlflow_lime.tracking.evaluator import CONFIG_VARIABLE
from mlflow_lime.tracking.explaining import Explaining, is_large
from mlflow_lime.tracking.log import Destination, write_items
from mlflow_lime.tracking.pinning import pin_reference
from mlflow_lime.tracking.questions import Questions, load_scorer
from mlflow_lime.tracking.reporting import write_report
from mlflow_lime.tracking.review import show_progress
from mlflow_lime.tracking.reviewed import Reviewed
from mlflow_lime.tracking.scoring_function import ScoringFunction
from mlflow_lime.tracking.versions import ModelVersionRef

__all__ = ["evaluate_model", "evaluation_config", "record_failure"]

_logger = logging.getLogger(__name__)

_TASKS = {"classifier": "classification", "regressor": "regression"}
_TARGET = "true label"


def evaluation_config(chosen: Mapping[str, Any]) -> Config:
    """Return the configuration of an evaluation: our section, or the file of the environment."""
    if chosen:
        return parse_config(chosen)
    return load_config(os.environ[CONFIG_VARIABLE])


def evaluate_model(
    chosen: Mapping[str, Any],
    *,
    model: Any,
    model_type: str | None,
    dataset: Any,
    run_id: str,
    model_id: str | None,
) -> EvaluationResult:
    """Explain instances of the evaluated data, and log the result to the evaluation's run.

    Parameters
    ----------
    chosen : mapping
        Our section of ``evaluator_config``.
    model : object
        What MLflow evaluates.
    model_type : str or None
        ``"classifier"`` and ``"regressor"`` say what the model does.
    dataset : mlflow.data.evaluation_dataset.EvaluationDataset
    run_id : str
    model_id : str or None
        LoggedModel that MLflow itself links its metrics to; it then logs ours as well.

    Raises
    ------
    MlflowLimeError
        If the configuration, the data, or the model cannot be used.
    """
    started = time.perf_counter()
    config = evaluation_config(chosen)
    if model is None:
        msg = (
            "static predictions cannot be explained: LIME asks the model about changed inputs; "
            "pass the model or its URI to mlflow.models.evaluate"
        )
        raise ModelError(msg)
    if config.task == "auto" and model_type in _TASKS:
        config = config.model_copy(update={"task": _TASKS[model_type]})
    progress = show_progress(config)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        with quiet_autologging(), Journal(Path(folder) / "evaluation.jsonl") as journal:
            notes: list[str] = []
            config = _here(config, notes)
            questions = _questions(config, model, dataset, notes)
            explaining = Explaining(questions, config, journal, progress=progress)
            answers = Answers.of(questions, explaining.outcomes())
            answers.require_some()
            answers = answers.measured(config, progress=progress)
        seconds = time.perf_counter() - started
        items = answers.items(config, title=dataset.name, seconds=seconds, notes=notes)
        shown = answers.explanations if answers.shown is None else answers.shown.explanations
        result = _log(items, shown, dataset, run_id, model, model_id)
    _write_page(run_id, config)
    return result


def _here(config: Config, notes: list[str]) -> Config:
    """Return a configuration that explains in this process, where the evaluated model lives."""
    if config.engine.kind == "local":
        return config
    notes.append("an evaluation explains in its own process, so engine.kind is not used")
    local = config.engine.model_copy(update={"kind": "local", "spark": {}})
    return config.model_copy(update={"engine": local})


def _log(
    items: list[Item],
    explanations: Sequence[Explanation],
    dataset: Any,
    run_id: str,
    model: Any,
    model_id: str | None,
) -> EvaluationResult:
    client = MlflowClient()
    to = Destination(
        run_id=run_id,
        timestamp=int(time.time() * 1000),
        model_id=model_id or getattr(model, "model_id", None),
        dataset_name=dataset.name,
        dataset_digest=dataset.digest,
    )
    metrics = {item.name: item.value for item in items if isinstance(item, Metric)}
    # Where MLflow knows the model it logs what we return, and logs nothing otherwise.
    kept = [item for item in items if not (model_id and isinstance(item, Metric))]
    write_items(client, kept, to)
    client.set_tag(run_id, names.TAG_STATUS, "completed")
    uri = f"{client.get_run(run_id).info.artifact_uri}/{names.EXPLANATIONS_PARQUET}"
    artifact = ParquetEvaluationArtifact(uri=uri, content=explanations_frame(explanations))
    return EvaluationResult(
        metrics=metrics, artifacts={"lime_explanations": artifact}, run_id=run_id
    )


def _write_page(run_id: str, config: Config) -> None:
    """Write the page of an evaluation; what cannot be done is logged as a warning."""
    client = MlflowClient()
    run = client.get_run(run_id)
    reviewed = Reviewed(ModelVersionRef(uri=f"runs:/{run_id}"), run)
    for note in write_report(reviewed, config, client):
        _logger.warning("%s", note)


def _questions(config: Config, model: Any, dataset: Any, notes: list[str]) -> Questions:
    """Pin instances of the evaluated data; what is to be said of the choice goes to `notes`."""
    features = _features(dataset)
    scorer = load_scorer(model, config, features.head(2))
    features = _renamed(features, scorer)
    frame = features
    data = config.data.model_copy(update={"target": None})
    if dataset.labels_data is not None:
        frame = features.assign(**{_TARGET: np.asarray(dataset.labels_data)})
        data = data.model_copy(update={"target": _TARGET})
    config = config.model_copy(update={"data": data})
    reference = pin_reference(
        frame,
        features,
        config,
        scorer,
        lambda layout: _complete(config, frame, scorer, layout),
        client=MlflowClient(),
        progress=show_progress(config),
        notes=notes,
    )
    return Questions.on(reference, scorer, config, large=is_large(len(reference), config))


def _features(dataset: Any) -> pd.DataFrame:
    features = dataset.features_data
    if isinstance(features, pd.DataFrame):
        return features.reset_index(drop=True)
    array = np.asarray(features)
    if array.ndim != 2:
        msg = f"the evaluated data has shape {array.shape}, expected a table (rows, columns)"
        raise DataError(msg)
    return pd.DataFrame(array, columns=[str(name) for name in dataset.feature_names])


def _renamed(features: pd.DataFrame, scorer: ScoringFunction) -> pd.DataFrame:
    """Return the columns under the model's names, where the data came without names."""
    columns = scorer.columns
    if columns is None or set(columns) <= set(features.columns):
        return features
    if len(columns) == features.shape[1]:
        return features.set_axis(list(columns), axis=1)
    return features


def _complete(
    config: Config, frame: pd.DataFrame, scorer: ScoringFunction, layout: Layout
) -> Layout:
    source = config.locate(config.background.source)
    origin: str | pd.DataFrame = frame if source == "auto" else source
    loaded: LoadedData = load_background(
        origin, max_rows=config.background.max_rows, seed=config.seed
    )
    return with_backgrounds(layout, loaded, config, scorer)


def record_failure(run_id: str, error: Exception) -> None:
    """Say on the evaluation's run why there are no explanations; never raises."""
    try:
        client = MlflowClient()
        client.set_tag(run_id, names.TAG_STATUS, "failed")
        client.set_tag(run_id, names.TAG_REASON, str(error)[:4000])
    except MlflowException:
        return
