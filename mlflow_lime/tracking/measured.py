"""Where the metrics of a version come from, and which value counts where there are several.

Metrics of ours (``lime/...``) come from the review run alone: other runs may hold those of other
configurations. All others come from what is linked to the LoggedModel, which are the metrics of the
run that trained it and of every ``mlflow.models.evaluate`` of it, and from its source run. The
newest value counts first. A value says on which data it was measured where MLflow knows, so that
the change of a metric is taken on the same data.
"""

from collections.abc import Callable, Collection, Iterator
from functools import cache

from mlflow import MlflowClient
from mlflow.entities import Metric, Run
from mlflow.exceptions import MlflowException

from mlflow_lime import names
from mlflow_lime.gate.measured import Value
from mlflow_lime.tracking.connection import impatient, is_missing, translate_errors
from mlflow_lime.tracking.versions import ModelVersionRef

__all__ = ["how_to_log", "metrics_of", "review_metrics"]

_MOST = 20
"""Values of a metric that are looked at, newest first."""

Found = dict[str, tuple[Value, ...]]


def review_metrics(run: Run) -> Found:
    """Return our metrics of a review run, measured on its reference set.

    What compares the version with others, or was found by checks, is left out: it may stem from an
    earlier comparison, or from checks with other options.
    """
    digest = run.data.tags.get(names.TAG_IDENTITY, "").rpartition("/")[2]
    passing = (f"{names.PREFIX}drift_", f"{names.PREFIX}findings")
    return {
        name: (Value(value, f"review run {run.info.run_id}", digest),)
        for name, value in run.data.metrics.items()
        if name.startswith(names.PREFIX) and not name.startswith(passing)
    }


def metrics_of(ref: ModelVersionRef, wanted: Collection[str], client: MlflowClient) -> Found:
    """Return the metrics of a version that others logged, by name, newest first.

    Parameters
    ----------
    ref : ModelVersionRef
    wanted : collection of str
        Metrics whose runs are looked at: values of deleted runs do not count. The other names are
        there as well, for messages.
    client : MlflowClient

    Raises
    ------
    TrackingServerError
        If the store cannot be reached.
    """
    with impatient(), translate_errors(f"the metrics of {ref.label}"):
        run_of = cache(lambda run_id: _active_run(run_id, client))
        points = [*_linked(ref, client), *_of_source_run(ref, wanted, client)]
        points = [point for point in points if not point.key.startswith(names.PREFIX)]
        points.sort(key=lambda point: (point.timestamp, point.step), reverse=True)
        return {
            name: tuple(_values([p for p in points if p.key == name], ref, run_of, name in wanted))
            for name in sorted({point.key for point in points})
        }


def how_to_log(ref: ModelVersionRef) -> str:
    """Return how to log a metric of a version so that it is found."""
    uri = f"models:/{ref.model_id}" if ref.model_id else ref.uri
    return (
        f'Log it, such as with mlflow.models.evaluate("{uri}", data, targets=...,'
        ' model_type="classifier"), or on the run that logged the model.'
    )


def _values(
    points: list[Metric], ref: ModelVersionRef, run_of: Callable[[str], Run | None], look: bool
) -> Iterator[Value]:
    seen: set[tuple[str, int, float]] = set()
    for point in points[:_MOST]:
        run_id = str(point.run_id)
        known = (run_id, point.timestamp, point.value)
        if known in seen or (look and run_of(run_id) is None):
            continue
        seen.add(known)
        kind = "source run" if run_id == ref.run_id else "run"
        data = f", data set {point.dataset_name!r}" if point.dataset_name else ""
        yield Value(point.value, f"{kind} {run_id}{data}", point.dataset_digest or "")


def _active_run(run_id: str, client: MlflowClient) -> Run | None:
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if not is_missing(error):
            raise
        return None
    return run if run.info.lifecycle_stage == "active" else None


def _linked(ref: ModelVersionRef, client: MlflowClient) -> list[Metric]:
    """Return what is linked to the LoggedModel; nothing where the store has none."""
    if ref.model_id is None:
        return []
    try:
        return list(client.get_logged_model(ref.model_id).metrics or [])
    except MlflowException as error:
        if not is_missing(error):
            raise
        return []


def _of_source_run(
    ref: ModelVersionRef, wanted: Collection[str], client: MlflowClient
) -> Iterator[Metric]:
    """Yield the newest values of the source run, unless it logged other models as well."""
    if ref.run_id is None or not ref.run_active:
        return
    run = client.get_run(ref.run_id)
    if run.outputs is not None and len({m.model_id for m in run.outputs.model_outputs}) > 1:
        return
    for name, value in run.data.metrics.items():
        point = Metric(name, value, run.info.start_time, 0, run_id=ref.run_id)
        if name in wanted:
            history = client.get_metric_history(ref.run_id, name)
            last = max(history, key=lambda item: (item.timestamp, item.step), default=point)
            point = Metric(name, last.value, last.timestamp, last.step, run_id=ref.run_id)
        yield point
