"""The one place that writes results to MLflow; writing the same twice changes nothing."""

import io
import json
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mlflow import MlflowClient
from mlflow.entities import Metric as MetricPoint
from mlflow.exceptions import MlflowException

from mlflow_lime.report.items import (
    File,
    Item,
    Metric,
    Picture,
    Table,
    VersionTag,
    WrittenFile,
)
from mlflow_lime.tracking.versions import ModelVersionRef

__all__ = ["Destination", "tag_version", "write_items"]

_TABLES_TAG = "mlflow.loggedArtifacts"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where results go.

    Attributes
    ----------
    run_id : str
    timestamp : int
        Milliseconds; the same for a repeat, so that a metric is not logged twice.
    model_id : str or None
        LoggedModel that metrics are linked to.
    dataset_name, dataset_digest : str or None
        Dataset that metrics are linked to.
    """

    run_id: str
    timestamp: int
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


def write_items(
    client: MlflowClient, items: Iterable[Item], to: Destination, *, folder: str = ""
) -> dict[str, float]:
    """Write metrics, tables, and files to a run.

    Parameters
    ----------
    client : MlflowClient
    items : iterable of Item
        Version tags are left to `tag_version`.
    to : Destination
    folder : str
        Artifact folder that all files go below.

    Returns
    -------
    dict of str to float
        The metrics as they stand in the run; where an earlier attempt logged one, its value.
    """
    metrics: dict[str, float] = {}
    pictures: list[Picture] = []
    tables: list[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / folder
        for item in items:
            if isinstance(item, Metric):
                metrics[item.name] = item.value
            elif isinstance(item, File):
                _place(root / item.path).write_bytes(item.content)
            elif isinstance(item, WrittenFile):
                item.write(_place(root / item.path))
            elif isinstance(item, Table):
                text = item.frame.to_json(orient="split", index=False, double_precision=15)
                _place(root / item.path).write_bytes(text.encode())
                tables.append(str(PurePosixPath(folder, item.path)))
            elif isinstance(item, Picture):
                pictures.append(item)
        if any(Path(temporary).iterdir()):
            client.log_artifacts(to.run_id, temporary)
    _log_pictures(client, pictures, to)
    _list_tables(client, to.run_id, tables)
    return _log_metrics(client, metrics, to)


def _log_pictures(client: MlflowClient, pictures: Sequence[Picture], to: Destination) -> None:
    """Put pictures into MLflow's image grid, but for those that an earlier attempt put there."""
    if not pictures:
        return
    from PIL import Image

    before = [PurePosixPath(file.path).name for file in client.list_artifacts(to.run_id, "images")]
    for picture in pictures:
        # MLflow's signs between the words differ by version; the small copy is written last.
        words = [re.escape(word) for word in (*picture.key.split("/"), "step", str(picture.step))]
        logged = re.compile(rf"{'.'.join(words)}\W.*\.webp")
        if not any(logged.fullmatch(name) for name in before):
            with Image.open(io.BytesIO(picture.png)) as image:
                client.log_image(
                    to.run_id,
                    image.convert("RGB"),
                    key=picture.key,
                    step=picture.step,
                    timestamp=to.timestamp,
                    synchronous=True,
                )


def _place(path: Path) -> Path:
    """Return a path whose folder is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _list_tables(client: MlflowClient, run_id: str, paths: Sequence[str]) -> None:
    """Tell MLflow's table view about the tables, after those that the run already lists."""
    if not paths:
        return
    listed = client.get_run(run_id).data.tags.get(_TABLES_TAG)
    entries = json.loads(listed) if listed else []
    known = {entry.get("path") for entry in entries}
    new = [{"path": path, "type": "table"} for path in paths if path not in known]
    if new:
        client.set_tag(run_id, _TABLES_TAG, json.dumps(entries + new))


def _log_metrics(
    client: MlflowClient, metrics: dict[str, float], to: Destination
) -> dict[str, float]:
    """Log what no earlier attempt has logged, and return what is logged then."""
    before = _logged_before(client, metrics, to)
    lacking = _lacking(client, before, to) if before else set()
    values = {**metrics, **before}
    points = [
        MetricPoint(
            key=name,
            value=value,
            timestamp=to.timestamp,
            step=0,
            model_id=to.model_id,
            dataset_name=to.dataset_name,
            dataset_digest=to.dataset_digest,
            run_id=to.run_id,
        )
        for name, value in values.items()
        if name not in before or name in lacking
    ]
    if points:
        client.log_batch(to.run_id, metrics=points)
    return values


def _logged_before(
    client: MlflowClient, metrics: Iterable[str], to: Destination
) -> dict[str, float]:
    """Return the values that an earlier attempt at the same review has logged."""
    there = client.get_run(to.run_id).data.metrics  # one request, and most often there is none
    return {
        name: point.value
        for name in metrics
        if name in there
        for point in client.get_metric_history(to.run_id, name)
        if point.timestamp == to.timestamp
    }


def _lacking(client: MlflowClient, before: Iterable[str], to: Destination) -> set[str]:
    """Return the metrics that did not reach the LoggedModel, which MLflow writes after the run."""
    if to.model_id is None:
        return set()
    try:
        points = client.get_logged_model(to.model_id).metrics or []
    except MlflowException:
        return set()  # it is gone, or the store knows no LoggedModels
    linked = {p.key for p in points if (p.run_id, p.timestamp) == (to.run_id, to.timestamp)}
    return set(before) - linked


def tag_version(client: MlflowClient, ref: ModelVersionRef, items: Iterable[Item]) -> None:
    """Put version tags on a registered version; nothing where there is none."""
    if ref.name is None or ref.version is None:
        return
    for item in items:
        if isinstance(item, VersionTag):
            client.set_model_version_tag(ref.name, ref.version, item.key, item.value)
