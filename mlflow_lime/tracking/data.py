"""Rows to explain, and the background that absent parts are drawn from.

Data comes from a file, an artifact, a run's logged dataset, the model's input example, or an
artifact that `mlflow_lime.log_background` wrote. No source is read without a bound: of a larger
one, a sample of rows is kept that depends on the seed and on nothing else.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import DatasetInput
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from mlflow_lime.errors import DataError, MlflowLimeError, did_you_mean, shorten
from mlflow_lime.tracking.array_data import array_file_rows, dense_cells, frame_of_array
from mlflow_lime.tracking.background_log import ARRAYS_FILE, ROWS_FILE, STATISTICS_FILE
from mlflow_lime.tracking.connection import impatient, translate_errors
from mlflow_lime.tracking.sampled_rows import choose_rows, csv_rows, parquet_rows
from mlflow_lime.tracking.trusted_data import check_dataset
from mlflow_lime.tracking.versions import ModelVersionRef

if TYPE_CHECKING:
    from mlflow_lime.core.tabular.background import Background

__all__ = ["LoadedData", "load_background", "load_data"]

MAX_ROWS = 100_000
"""Rows that are kept of a source of data."""

_CSV = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
_PARQUET = (".parquet", ".pq")
_ARRAYS = (".npz", ".npy")
_TRAINING = {"train", "training"}
_HELP = (
    "a CSV, Parquet, .npz or .npy path, an artifact URI such as 'runs:/<run id>/data.parquet', "
    "'background', 'run', 'run:<dataset>', 'input_example', or 'auto'"
)


@dataclass(frozen=True, slots=True, eq=False)
class LoadedData:
    """Rows, or statistics that stand in for them, and where they came from.

    Attributes
    ----------
    origin : str
        The source in words, for the recipe.
    frame : DataFrame or None
        The rows. Their index keeps the row numbers of the source where rows were left out.
    statistics : Background or None
        Saved statistics of a background whose rows were not kept.
    rows_total : int
        Rows of the source.
    notes : tuple of str
        Remarks for the summary.
    bare : bool
        Whether the rows came as one array of images, so that the model reads such arrays.
    folder : Path or None
        Folder that relative paths in the rows count from; the current one where it is None.
    """

    origin: str
    frame: pd.DataFrame | None = field(default=None, repr=False)
    statistics: "Background | None" = field(default=None, repr=False)
    rows_total: int = 0
    notes: tuple[str, ...] = ()
    bare: bool = False
    folder: Path | None = None

    def rows(self) -> pd.DataFrame:
        """Return the rows.

        Raises
        ------
        DataError
            If there are none.
        """
        if self.frame is None:
            msg = f"{self.origin} holds no rows to explain; set `data.source`"
            raise DataError(msg)
        return self.frame

    @property
    def sampled(self) -> bool:
        """Return whether rows of the source were left out."""
        return self.frame is not None and len(self.frame) < self.rows_total


def load_data(
    source: str | Path | pd.DataFrame = "auto",
    *,
    ref: ModelVersionRef | None = None,
    client: MlflowClient | None = None,
    max_rows: int = MAX_ROWS,
    seed: int = 0,
) -> LoadedData:
    """Load rows.

    Parameters
    ----------
    source : str, Path, or DataFrame
        A CSV or Parquet path; an artifact URI; ``background`` (what `log_background` wrote),
        ``run`` or ``run:name`` (a dataset logged on the model's run), ``input_example`` (the
        model's); or ``auto``, the first of these three that there is.
    ref : ModelVersionRef, optional
        The model that ``background``, ``dataset``, ``example``, and ``auto`` belong to.
    client : MlflowClient, optional
        Client of the store.
    max_rows : int
        Rows to keep at most, chosen evenly at random.
    seed : int
        Seed of that choice.

    Raises
    ------
    DataError
        If the source does not exist, cannot be read, or holds no rows.
    TrackingServerError
        If the store cannot be reached.

    Examples
    --------
    >>> import pandas as pd
    >>> load_data(pd.DataFrame({"age": range(9)}), max_rows=3).frame.index.tolist()
    [1, 2, 3]
    """
    loaded = _load(source, ref, client, max_rows, seed, statistics=False)
    if loaded.frame is None or loaded.frame.empty:
        msg = f"{loaded.origin} holds no rows; give another source: {_HELP}"
        raise DataError(msg)
    return loaded


def load_background(
    source: str | Path | pd.DataFrame = "auto",
    *,
    ref: ModelVersionRef | None = None,
    client: MlflowClient | None = None,
    max_rows: int = MAX_ROWS,
    seed: int = 0,
) -> LoadedData:
    """Load a background: rows as `load_data` does, or saved statistics.

    Parameters
    ----------
    source, ref, client, max_rows, seed
        As in `load_data`. A path or URI that ends in ``.json`` holds statistics.

    Raises
    ------
    DataError
        If the source does not exist, cannot be read, or holds nothing.
    TrackingServerError
        If the store cannot be reached.
    """
    loaded = _load(source, ref, client, max_rows, seed, statistics=True)
    if loaded.statistics is None and (loaded.frame is None or loaded.frame.empty):
        msg = f"{loaded.origin} holds no rows; give another source: {_HELP}"
        raise DataError(msg)
    return loaded


def _load(
    source: str | Path | pd.DataFrame,
    ref: ModelVersionRef | None,
    client: MlflowClient | None,
    max_rows: int,
    seed: int,
    *,
    statistics: bool,
) -> LoadedData:
    if max_rows < 1:
        msg = f"max_rows must be at least 1, got {max_rows}"
        raise DataError(msg)
    reader = _Reader(ref, client, max_rows, seed, statistics)
    if isinstance(source, pd.DataFrame):
        return reader.frame(source, "a data frame")
    text = str(source).strip()
    if text == "auto":
        return reader.auto()
    if text in ("background", "input_example"):
        return reader.background() if text == "background" else reader.example()
    if text == "run" or text.startswith("run:"):
        return reader.dataset(text.partition(":")[2] or None)
    if "://" in text or text.startswith(("runs:/", "models:/", "mlflow-artifacts:/")):
        return reader.artifact(text)
    return reader.path(Path(text).expanduser(), text)


@dataclass(frozen=True, slots=True)
class _Reader:
    """One request for data: how many rows, of which model, and whether statistics will do."""

    ref: ModelVersionRef | None
    given: MlflowClient | None
    max_rows: int
    seed: int
    statistics: bool

    @property
    def client(self) -> MlflowClient:
        """Return the client, made only when it is asked for: it creates a missing database."""
        return self.given or MlflowClient()

    def auto(self) -> LoadedData:
        """Return the first source that there is, and what was wrong with those before it."""
        self._need("auto")
        reasons: list[str] = []
        for read in (self.background, self.dataset, self.example):
            try:
                return read()
            except DataError as error:
                reasons.append(str(error))
        label = self.ref.label if self.ref else ""
        msg = (
            f"no data was found for {label}: {'; '.join(reasons)}. Give a path, or keep some "
            "beside the model with mlflow_lime.log_background(X)"
        )
        raise DataError(msg)

    def frame(self, frame: pd.DataFrame, origin: str) -> LoadedData:
        chosen = frame.iloc[choose_rows(len(frame), self.max_rows, self.seed)]
        return self._loaded(chosen, origin, len(frame))

    def background(self) -> LoadedData:
        """Return what `log_background` wrote for the LoggedModel or, next, for its run."""
        ref = self._need("background")
        wanted = [ROWS_FILE, ARRAYS_FILE, *([STATISTICS_FILE] if self.statistics else [])]
        for place in self._places(ref):
            found = self._list(place)
            for name in wanted:
                if name in found:
                    return self.artifact(f"{place}/{name}")
            if STATISTICS_FILE in found:
                msg = f"{ref.label} keeps only statistics of its background, and no rows"
                raise DataError(msg)
        msg = f"no background was logged for {ref.label} (mlflow_lime.log_background)"
        raise DataError(msg)

    def _places(self, ref: ModelVersionRef) -> Iterator[str]:
        if ref.model_id is not None:
            yield f"models:/{ref.model_id}"
        if ref.run_id is not None:
            yield f"runs:/{ref.run_id}"

    def _list(self, place: str) -> set[str]:
        kind, _, name = place.partition(":/")
        try:
            with impatient():
                if kind == "models":
                    found = self.client.list_logged_model_artifacts(name, "lime")
                else:
                    found = self.client.list_artifacts(name, "lime")
        except (MlflowException, OSError):
            return set()  # nothing can be listed in a deleted run
        return {entry.path for entry in found}

    def dataset(self, name: str | None = None) -> LoadedData:
        """Return a dataset of the model's run: the named one, or the one it was trained on."""
        ref = self._need("run")
        if ref.run_id is None:
            msg = f"{ref.label} has no run whose datasets could be read"
            raise DataError(msg)
        with impatient(), translate_errors(f"run {ref.run_id!r}"):
            run = self.client.get_run(ref.run_id)
        inputs = run.inputs
        logged = inputs.dataset_inputs if inputs is not None else []
        chosen = _pick_dataset(logged, name, ref)
        origin = f"dataset {chosen.dataset.name!r} of run {ref.run_id}"
        check_dataset(chosen.dataset, run.info.artifact_uri, origin)
        try:
            content = mlflow.data.get_source(chosen.dataset).load()
        except NotImplementedError:
            msg = (
                f"{origin} keeps no data, only a schema and a digest; log it with "
                "mlflow.data.from_pandas(df, source=path), or use mlflow_lime.log_background(X)"
            )
            raise DataError(msg) from None
        except Exception as error:
            msg = f"{origin} cannot be loaded: {_brief(error)}; is its source still there?"
            raise DataError(msg) from error
        return self._content(content, origin)

    def _content(self, content: Any, origin: str) -> LoadedData:
        for method in ("to_pandas", "toPandas"):
            if hasattr(content, method):
                content = getattr(content, method)()
        if isinstance(content, pd.DataFrame):
            return self.frame(content, origin)
        if isinstance(content, np.ndarray):
            frame, bare = frame_of_array(content)
            return replace(self.frame(frame, origin), bare=bare)
        if isinstance(content, (str, Path)):
            return self.path(Path(content), origin)
        msg = f"{origin} loads as {type(content).__name__}, expected a table; give a path instead"
        raise DataError(msg)

    def example(self) -> LoadedData:
        """Return the model's input example, which seldom has more than a few rows."""
        ref = self._need("input_example")
        origin = f"input example of {ref.label}"
        try:
            local = mlflow.artifacts.download_artifacts(artifact_uri=ref.uri)
            model = Model.load(local)
            content = model.load_input_example(local)
        except Exception as error:
            msg = f"{origin} cannot be read: {_brief(error)}"
            raise DataError(msg) from error
        if content is None:
            msg = f"{ref.label} has no input example; log the model with input_example=X.head()"
            raise DataError(msg)
        frame, bare = _as_frame(content, model, origin)
        loaded = self.frame(frame, origin)
        note = (
            f"the {origin} has only {loaded.rows_total} rows, few to explain and to draw absent "
            "values from; keep more beside the model with mlflow_lime.log_background(X_train), or "
            "name a file as data.source"
        )
        return replace(loaded, notes=(*loaded.notes, note), bare=bare)

    def artifact(self, uri: str) -> LoadedData:
        """Return a file that MLflow can download."""
        try:
            with tempfile.TemporaryDirectory() as folder:
                local = mlflow.artifacts.download_artifacts(
                    artifact_uri=self._plain_uri(uri), dst_path=folder
                )
                # Relative paths in it do not count from the folder of the download.
                return replace(self.path(Path(local), uri), folder=None)
        except MlflowLimeError:
            raise
        except Exception as error:
            msg = f"{uri} cannot be downloaded: {_brief(error)}; check that the artifact exists"
            raise DataError(msg) from error

    def _plain_uri(self, uri: str) -> str:
        """Return where a file of a LoggedModel lies, which MLflow cannot address directly."""
        if not uri.startswith("models:/m-"):
            return uri
        model_id, _, path = uri.removeprefix("models:/").partition("/")
        location = self.client.get_logged_model(model_id).artifact_location
        return f"{location}/{path}"

    def path(self, path: Path, origin: str) -> LoadedData:
        """Return the rows, or the statistics, of a local file."""
        if not path.exists():
            folder = path.parent
            names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
            hint = did_you_mean(path.name, names)
            msg = f"{origin} does not exist (in {Path.cwd()}).{hint} Expected {_HELP}"
            raise DataError(msg)
        name = path.name.lower()
        if name.endswith(".json") and self.statistics:
            return self._statistics(path, origin)
        with _reading(origin):
            if name.endswith(_CSV):
                separator = "\t" if ".tsv" in name else ","
                frame, total = csv_rows(path, separator, self.max_rows, self.seed)
                return replace(self._loaded(frame, origin, total), folder=path.parent.resolve())
            if name.endswith(_ARRAYS):
                frame, total, bare = array_file_rows(path, self.max_rows, self.seed)
                return replace(self._loaded(frame, origin, total), bare=bare)
            if name.endswith(_PARQUET) or path.is_dir():
                frame, total = parquet_rows(path, self.max_rows, self.seed)
                return replace(self._loaded(frame, origin, total), folder=path.parent.resolve())
        msg = (
            f"{origin} ends in {path.suffix!r}; expected one of "
            f"{', '.join(_CSV + _PARQUET + _ARRAYS)}; save it as Parquet or CSV"
        )
        raise DataError(msg)

    def _statistics(self, path: Path, origin: str) -> LoadedData:
        from mlflow_lime.core.tabular.background import Background

        with _reading(origin):
            content = json.loads(path.read_text(encoding="utf-8"))
            return LoadedData(origin, statistics=Background.from_dict(content))

    def _loaded(self, frame: pd.DataFrame, origin: str, total: int) -> LoadedData:
        if frame.shape[0] == 0 or frame.shape[1] == 0:
            msg = f"{origin} is empty: {total} rows, {frame.shape[1]} columns; give data with rows"
            raise DataError(msg)
        note = f"{len(frame)} of {total} rows of {origin} are used (max_rows, seed {self.seed})"
        notes = (note,) if len(frame) < total else ()
        return LoadedData(origin, dense_cells(frame), None, total, notes)

    def _need(self, source: str) -> ModelVersionRef:
        if self.ref is None:
            msg = f"data source {source!r} needs a model from MLflow; give a path or a data frame"
            raise DataError(msg)
        return self.ref


@contextmanager
def _reading(origin: str) -> Iterator[None]:
    """Name the source in whatever goes wrong while it is read."""
    try:
        yield
    except MlflowLimeError:
        raise
    except pd.errors.EmptyDataError as error:
        msg = f"{origin} is empty: it has no header; give data with a header and rows"
        raise DataError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{origin} is not UTF-8 text; save it as UTF-8, or as Parquet"
        raise DataError(msg) from error
    except Exception as error:
        # The message of a parser names lines and counts; those of other errors may hold values.
        known = isinstance(error, pd.errors.ParserError)
        what = _brief(error) if known else type(error).__name__
        msg = f"{origin} cannot be read: {what}; check that it is a valid file of its type"
        raise DataError(msg) from error


def _brief(error: Exception) -> str:
    text = (str(error).strip() or "no message").splitlines()[0]
    return f"{type(error).__name__}: {shorten(text, 200)}"


def _pick_dataset(
    logged: list[DatasetInput], name: str | None, ref: ModelVersionRef
) -> DatasetInput:
    if not logged:
        msg = f"run {ref.run_id} of {ref.label} logged no dataset (mlflow.log_input)"
        raise DataError(msg)
    if name is not None:
        for item in logged:
            if item.dataset.name == name:
                return item
        known = [item.dataset.name for item in logged]
        msg = (
            f"run {ref.run_id} logged no dataset {name!r}; it has {shorten(known)}."
            f"{did_you_mean(name, known)}"
        )
        raise DataError(msg)
    for item in logged:
        if any(tag.key == "mlflow.data.context" and tag.value in _TRAINING for tag in item.tags):
            return item
    return logged[0]


def _as_frame(content: Any, model: Model, origin: str) -> tuple[pd.DataFrame, bool]:
    """Return an input example as a frame, and whether it is an array of images."""
    if isinstance(content, pd.DataFrame):
        return content, False
    if isinstance(content, Mapping):
        content = {key: np.atleast_1d(value) for key, value in content.items()}
        if len({len(value) for value in content.values()}) == 1:
            return pd.DataFrame(content), False
    schema = model.get_input_schema()
    names = list(schema.input_names()) if schema is not None and schema.has_input_names() else None
    array = np.asarray(content.toarray() if hasattr(content, "toarray") else content)
    if array.ndim > 2:
        return frame_of_array(array)
    if array.ndim == 1 and array.dtype.kind in "OUS":
        if names is None:
            return frame_of_array(array)
        array = array[:, None]
    if array.ndim != 2 or (names is not None and len(names) != array.shape[1]):
        msg = f"{origin} is no table: shape {array.shape}; give a path instead"
        raise DataError(msg)
    return pd.DataFrame(array, columns=names or [f"x{i}" for i in range(array.shape[1])]), False
