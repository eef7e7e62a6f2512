"""Keep background data beside a model, for every later explanation of it."""

import json
import tempfile
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
from mlflow import MlflowClient
from numpy.typing import NDArray

from mlflow_lime.errors import DataError, shorten
from mlflow_lime.tracking.array_data import frame_of_array, listed_cells, write_arrays
from mlflow_lime.tracking.connection import translate_errors
from mlflow_lime.tracking.sampled_rows import choose_rows
from mlflow_lime.tracking.versions import resolve_model

__all__ = ["ARRAYS_FILE", "ROWS_FILE", "STATISTICS_FILE", "log_background"]

BACKGROUND_ROWS = 5_000
"""Rows that `log_background` writes."""

ROWS_FILE = "lime/background.parquet"
ARRAYS_FILE = "lime/background.npz"
STATISTICS_FILE = "lime/background.json"


def log_background(
    data: Any,
    *,
    run_id: str | None = None,
    model_id: str | None = None,
    version: str | None = None,
    statistics_only: bool = False,
    max_rows: int = BACKGROUND_ROWS,
    seed: int = 0,
    client: MlflowClient | None = None,
) -> str:
    """Keep background data beside a model, for every later explanation of it.

    Parameters
    ----------
    data : DataFrame of shape (n_rows, n_columns), sequence of str, or ndarray
        Usually the training data, with the columns that the model reads; texts; images, shape
        (n, height, width) or (n, height, width, channels) in any order; or sequences, shape
        (n, time, features).
    run_id, model_id, version : str, optional
        Where to keep it: a run, a LoggedModel, or a version such as ``models:/credit/7``, which
        stands for its LoggedModel. By default the active run.
    statistics_only : bool
        Whether to write statistics of the columns instead of rows. They hold values and
        frequencies column by column, and no row. Columns of text have no statistics and are left
        out.
    max_rows : int
        Rows to write at most, chosen evenly at random.
    seed : int
        Seed of that choice.
    client : MlflowClient, optional
        Client of the store.

    Returns
    -------
    str
        The artifact that was written, as ``runs:/...`` or ``models:/...``.

    Raises
    ------
    DataError
        If the data is empty or cannot be written, or if it is not said where to keep it.
    VersionNotFoundError, TrackingServerError
        If that place does not exist, or cannot be reached.
    """
    data = _readable(data)
    client = client or MlflowClient()
    run_id, model_id = _place(run_id, model_id, version, client)
    with tempfile.TemporaryDirectory() as folder:
        path = _write(data, Path(folder), max_rows, seed, statistics_only=statistics_only)
        with translate_errors(f"the artifacts of {model_id or run_id}"):
            if model_id is not None:
                client.log_model_artifacts(model_id, folder)
                return f"models:/{model_id}/{path}"
            client.log_artifacts(str(run_id), folder)
    return f"runs:/{run_id}/{path}"


def _readable(data: Any) -> pd.DataFrame | NDArray[Any]:
    """Return the data as a frame, or as an array of images."""
    if isinstance(data, (list, tuple)) and data and all(isinstance(text, str) for text in data):
        data = pd.Series(data, name="text", dtype=object)
    if isinstance(data, pd.Series):
        data = data.to_frame(data.name if data.name is not None else "text")
    if isinstance(data, np.ndarray) and data.size and data.dtype.kind in "biuf":
        if data.ndim > 2:
            return data
        return frame_of_array(data)[0]
    if not isinstance(data, pd.DataFrame) or data.empty:
        empty = isinstance(data, (pd.DataFrame, list, np.ndarray))
        what = "is empty" if empty and len(data) == 0 else f"is {type(data).__name__}"
        msg = (
            f"background data {what}; give a data frame with at least one row and one column, a "
            "list of texts, or an array of images"
        )
        raise DataError(msg)
    return data


def _place(
    run_id: str | None, model_id: str | None, version: str | None, client: MlflowClient
) -> tuple[str | None, str | None]:
    given = [name for name in (run_id, model_id, version) if name is not None]
    if len(given) > 1:
        msg = f"give one of run_id, model_id, and version, got {len(given)}"
        raise DataError(msg)
    if version is not None:
        uri = version if ":/" in version else f"models:/{version}"
        ref = resolve_model(uri, client)
        if ref.model_id is None and not ref.run_active:
            msg = f"{ref.label} has neither a LoggedModel nor a run that artifacts can go to"
            raise DataError(msg)
        return ref.run_id, ref.model_id
    if not given:
        active = mlflow.active_run()
        if active is None:
            msg = "no run is active; give run_id, model_id, or version"
            raise DataError(msg)
        run_id = active.info.run_id
    return run_id, model_id


def _write(
    data: pd.DataFrame | NDArray[Any],
    folder: Path,
    max_rows: int,
    seed: int,
    *,
    statistics_only: bool,
) -> str:
    """Write rows or statistics below a folder, and return the path inside it."""
    name = STATISTICS_FILE if statistics_only else ROWS_FILE
    if not isinstance(data, pd.DataFrame):
        if statistics_only:
            msg = "arrays have no statistics that could replace them; leave statistics_only out"
            raise DataError(msg)
        path = folder / ARRAYS_FILE
        path.parent.mkdir()
        write_arrays(path, data, max_rows, seed)
        return ARRAYS_FILE
    path = folder / name
    path.parent.mkdir()
    if statistics_only:
        from mlflow_lime.configured import text_columns
        from mlflow_lime.core.tabular.background import Background

        tabular = data.drop(columns=list(text_columns(data)))
        if tabular.empty:
            msg = "texts have no statistics that could replace them; leave statistics_only out"
            raise DataError(msg)
        statistics = Background.from_frame(tabular).to_dict()
        path.write_text(json.dumps(statistics, ensure_ascii=False), encoding="utf-8")
        return name
    rows = listed_cells(data.iloc[choose_rows(len(data), max_rows, seed)])
    try:
        rows.to_parquet(path)
    except (pa.ArrowException, TypeError, ValueError) as error:
        bad = [str(column) for column in data.columns if _is_mixed(data[column])]
        named = f"columns of mixed types: {shorten(bad)}; " if bad else ""
        msg = (
            f"the background cannot be written as Parquet ({type(error).__name__}): {named}"
            "give each column one type, or use statistics_only=True"
        )
        raise DataError(msg) from None
    return name


def _is_mixed(series: "pd.Series[Any]") -> bool:
    return series.dtype == object and series.dropna().map(type).nunique() > 1
