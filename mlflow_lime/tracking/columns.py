"""Which columns of some data the model reads, and what they hold."""

from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlflow_lime.config import Config
from mlflow_lime.configured import plan_columns, plan_sequences
from mlflow_lime.core.image.recognise import image_kind
from mlflow_lime.core.layout import Layout, SequenceColumns
from mlflow_lime.core.sequence.absent import SequenceBackground
from mlflow_lime.core.sequence.form import Series, read_series
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.core.tabular.columns import with_columns
from mlflow_lime.errors import DataError, did_you_mean, shorten
from mlflow_lime.tracking.data import LoadedData
from mlflow_lime.tracking.scoring_function import ScoringFunction

__all__ = [
    "describe_background",
    "feature_frame",
    "few_rows",
    "layout_of",
    "refuse_unknown_columns",
    "with_absolute_paths",
    "with_backgrounds",
]


def feature_frame(
    frame: pd.DataFrame, config: Config, scorer: ScoringFunction | None
) -> pd.DataFrame:
    """Return the columns that the model reads, in its order.

    Raises
    ------
    DataError
        If a configured column, or one that the model reads, is not in the data.
    """
    named = [name for name in (config.data.target, config.data.id) if name is not None]
    given = {"target": [config.data.target], "id": [config.data.id], "drop": config.data.drop}
    for key, names in given.items():
        for name in names:
            if name is not None and name not in frame.columns:
                hint = did_you_mean(name, frame.columns)
                msg = f"data.{key} names column {name!r}, which is not in the data.{hint}"
                raise DataError(msg)
    columns = None if scorer is None else scorer.columns
    if columns is None:
        return frame.drop(columns=[*named, *config.data.drop])
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        hint = did_you_mean(missing[0], frame.columns)
        msg = (
            f"the data lacks {len(missing)} of {len(columns)} columns that the model reads: "
            f"{shorten(missing)}.{hint}"
        )
        raise DataError(msg)
    return frame.loc[:, list(columns)]


def refuse_unknown_columns(
    frame: pd.DataFrame, config: Config, scorer: ScoringFunction, *, bare: bool = False
) -> None:
    """Refuse data with columns of which nobody said what they are.

    Parameters
    ----------
    frame : DataFrame
    config : Config
    scorer : ScoringFunction
    bare : bool, default False
        Whether the data came as an array of images, which are its first column.

    Raises
    ------
    DataError
        If the model does not read a column, and the configuration does not name it.
    """
    data = config.data
    read = scorer.columns or (frame.columns[:1] if bare else frame.columns)
    known = {*read, data.target, data.id, *data.drop}
    extra = [name for name in frame.columns if name not in known]
    if extra:
        msg = (
            f"the data has columns that the model does not read: {shorten(extra)}; "
            "name the true label as data.target and the id as data.id, and list the rest under "
            "data.drop"
        )
        raise DataError(msg)


def few_rows(features: pd.DataFrame, config: Config, data: LoadedData) -> Any:
    """Return two rows to try as the model reads them.

    Images are an array where the data came as one, and their paths count from the data's folder.
    """
    rows = features.head(2)
    if data.bare:
        return np.stack([np.asarray(cell) for cell in rows.iloc[:, 0]])
    if config.image.columns == "none":
        return rows
    paths = [name for name in rows.columns if image_kind(rows[name].tolist()) == "path"]
    return with_columns(rows, {name: _absolute(rows[name], data.folder) for name in paths})


def layout_of(
    features: pd.DataFrame, config: Config, scorer: ScoringFunction, *, bare: bool
) -> Layout:
    """Return what the columns hold, without a background.

    Parameters
    ----------
    features : DataFrame
        Columns that the model reads.
    config : Config
    scorer : ScoringFunction
    bare : bool
        Whether the data came as an array of images.
    """
    sequences = plan_sequences(features, config)
    taken = {column for item in sequences for column in item.columns}
    rest = features[[column for column in features.columns if column not in taken]]
    texts, images = plan_columns(rest, config, bare=bare and not sequences)
    whole = len(taken) == features.shape[1] and len(sequences) == 1 and sequences[0].flat
    if whole and scorer.reads_arrays:
        form = replace(sequences[0].form, as_arrays=True, axes=config.sequence.axes)
        sequences = (replace(sequences[0], form=form),)
    kinds = [*(item.form.kind for item in images), *(item.form.kind for item in sequences)]
    alone = features.shape[1] == 1 and kinds == ["array"]
    return Layout(
        columns=tuple(features.columns),
        texts=texts,
        images=images,
        sequences=sequences,
        dtypes={name: str(features[name].dtype) for name in texts},
        bare=(alone and (bare or scorer.reads_arrays)) or (whole and scorer.reads_arrays),
    )


def with_absolute_paths(frame: pd.DataFrame, layout: Layout, folder: Path | None) -> pd.DataFrame:
    """Return instances whose image paths count from a folder."""
    changed = {
        image.columns[0]: _absolute(frame[image.columns[0]], folder)
        for image in layout.images
        if image.form.kind == "path"
    }
    return with_columns(frame, changed)


def _absolute(cells: "pd.Series[Any]", folder: Path | None) -> list[Any]:
    return [str((folder or Path.cwd()) / cell) if isinstance(cell, str) else cell for cell in cells]


def describe_background(
    loaded: LoadedData,
    config: Config,
    scorer: ScoringFunction | None,
    columns: Sequence[Hashable] | None = None,
) -> Background:
    """Return the background of loaded rows, or the statistics that were saved in their place.

    Parameters
    ----------
    loaded : LoadedData
    config : Config
    scorer : ScoringFunction, optional
        The model, for the columns that it reads.
    columns : sequence of Hashable, optional
        Only these columns, where others hold texts or images.
    """
    if loaded.statistics is not None:
        _require_statistics(loaded, columns)
        return loaded.statistics
    frame = loaded.rows()
    target = config.data.target
    if columns is None:
        features = feature_frame(frame, replace_missing_columns(config, frame), scorer)
    else:
        missing = [name for name in columns if name not in frame.columns]
        if missing:
            hint = did_you_mean(str(missing[0]), frame.columns)
            msg = f"the background lacks columns that the model reads: {shorten(missing)}.{hint}"
            raise DataError(msg)
        features = frame[list(columns)]
    table = config.tabular
    return Background.from_frame(
        features,
        groups=table.groups,
        categorical=table.categorical,
        target=frame[target] if target in frame.columns else None,
    )


def with_backgrounds(
    layout: Layout, loaded: LoadedData, config: Config, scorer: ScoringFunction | None
) -> Layout:
    """Return a layout with what absent values of its tables and sequences become.

    Parameters
    ----------
    layout : Layout
    loaded : LoadedData
        Rows, or statistics that were saved in their place.
    config : Config
    scorer : ScoringFunction, optional
        The model, for the columns that it reads.
    """
    if layout.tabular:
        columns = None if layout.is_table else layout.tabular
        layout = replace(layout, background=describe_background(loaded, config, scorer, columns))
    known = tuple(_with_series(item, loaded, config) for item in layout.sequences)
    return replace(layout, sequences=known)


def _with_series(item: SequenceColumns, loaded: LoadedData, config: Config) -> SequenceColumns:
    drawn = config.sequence.absent == "background"
    if loaded.frame is None:
        if not drawn:
            return item
        msg = (
            f"{loaded.origin} holds only statistics, but sequence.absent: background draws from "
            "series; name series as background.source, or set absent to mean or interpolate"
        )
        raise DataError(msg)
    frame = loaded.frame
    if loaded.bare and not item.flat:
        frame = frame.iloc[:, :1].set_axis(list(item.columns), axis="columns")
    missing = [name for name in item.columns if name not in frame.columns]
    if missing:
        hint = did_you_mean(str(missing[0]), frame.columns)
        msg = f"the background lacks columns of the sequence: {shorten(missing)}.{hint}"
        raise DataError(msg)
    read = read_series(item.cells(frame), item.form)
    found = [one.values for one in read if isinstance(one, Series)]
    if not found:
        return item
    return replace(item, background=SequenceBackground.of(found, drawn=drawn))


def _require_statistics(loaded: LoadedData, columns: Sequence[Hashable] | None) -> None:
    known = loaded.statistics.columns if loaded.statistics is not None else ()
    if columns is not None and tuple(known) != tuple(columns):
        msg = (
            f"the statistics of {loaded.origin} describe the columns {shorten(list(known))}, but "
            f"the tabular columns are {shorten(list(columns))}; write them again with "
            "mlflow_lime.log_background"
        )
        raise DataError(msg)


def replace_missing_columns(config: Config, frame: pd.DataFrame) -> Config:
    """Return the configuration without target, id, and dropped columns that a frame lacks.

    Background data need not have them.
    """
    data = config.data
    known: Sequence[Any] = list(frame.columns)
    update = {
        "target": data.target if data.target in known else None,
        "id": data.id if data.id in known else None,
        "drop": tuple(name for name in data.drop if name in known),
    }
    return config.model_copy(update={"data": data.model_copy(update=update)})
