"""What a configuration describes: what columns hold, domains, explainers. No MLflow needed."""

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlflow_lime.config import Config
from mlflow_lime.core.domain import Domain
from mlflow_lime.core.explain import Explainer
from mlflow_lime.core.image.cells import ImageForm
from mlflow_lime.core.image.masked import MaskedImage
from mlflow_lime.core.image.pins import labels_from_json
from mlflow_lime.core.image.recognise import image_kind
from mlflow_lime.core.joint import Child, JointDomain
from mlflow_lime.core.kernel import Kernel
from mlflow_lime.core.layout import ImageColumns, Layout, SequenceColumns
from mlflow_lime.core.options import Budget, Fitting, Pooling, Sampling
from mlflow_lime.core.predict import Predict
from mlflow_lime.core.sequence.form import SequenceForm, feature_names
from mlflow_lime.core.sequence.masked import MaskedSequence
from mlflow_lime.core.sequence.order import ORDERS, matching, place_columns
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.core.text.masked import MaskedText
from mlflow_lime.core.text.vectorised import TextPipeline
from mlflow_lime.errors import ConfigError, DataError, did_you_mean
from mlflow_lime.explainers import table_domain

__all__ = [
    "code_references",
    "domain_from_config",
    "explainer_from_config",
    "plan_columns",
    "plan_sequences",
    "text_columns",
]

TEXT_WORDS = 5
"""Words of the median value from which a column counts as text, where there are others."""
DISTINCT = 0.8
"""Share of distinct values from which it does."""

Pins = Mapping[str, Mapping[str, Any]]
"""Part definitions that were pinned, by column and digest of its content."""


def plan_columns(
    features: pd.DataFrame, config: Config, *, bare: bool = False
) -> tuple[tuple[Hashable, ...], tuple[ImageColumns, ...]]:
    """Return which columns hold texts, and which hold images.

    Parameters
    ----------
    features : DataFrame
        Instances, with the columns that the model reads.
    config : Config
        What was configured; for ``auto`` the values decide.
    bare : bool
        Whether the data came as one array of images.

    Raises
    ------
    ConfigError
        If a configured column does not exist, or is both a text and an image.
    """
    images = _image_columns(features, config, bare=bare)
    used = {column for image in images for column in image.columns}
    wish = config.text.columns
    if isinstance(wish, tuple):
        _require_columns("text.columns", wish, features, used)
        return wish, images
    if wish == "none":
        return (), images
    rest = features[[column for column in features.columns if column not in used]]
    return text_columns(rest), images


def plan_sequences(features: pd.DataFrame, config: Config) -> tuple[SequenceColumns, ...]:
    """Return which columns hold sequences: only such as the configuration describes.

    Parameters
    ----------
    features : DataFrame
        Instances, with the columns that the model reads.
    config : Config

    Raises
    ------
    ConfigError
        If a configured column does not exist, is a text or an image too, or the columns are no
        whole sequence.
    """
    chosen = config.sequence
    described = chosen.shape is not None or chosen.order not in ORDERS
    if chosen.columns == "none" or (chosen.columns == "auto" and not described):
        return ()
    columns = _sequence_columns(features, config)
    taken = {str(column) for column in columns}
    for key, other in (
        ("text.columns", config.text.columns),
        ("image.columns", config.image.columns),
    ):
        both = sorted(taken & set(other)) if isinstance(other, tuple) else []
        if both:
            msg = (
                f"{key} names column {both[0]!r}, which holds a sequence; name it in one place only"
            )
            raise ConfigError(msg)
    shape = None if chosen.shape is None else (chosen.shape[0], chosen.shape[1])
    try:
        if all(_holds_arrays(features[column]) for column in columns):
            names = () if chosen.features is None else tuple(chosen.features)
            if shape is not None:
                names = feature_names(names or None, shape[1])
            form = SequenceForm("array", chosen.axes, shape, features=names)
            alone = features.shape[1] == 1
            return tuple(
                SequenceColumns("series" if alone else str(column), (column,), form)
                for column in columns
            )
        form = place_columns(columns, order=chosen.order, shape=shape, features=chosen.features)
    except DataError as error:
        raise ConfigError(str(error)) from error
    places = dict(zip(columns, form.places, strict=True))
    ordered = tuple(column for column in features.columns if column in places)
    form = replace(form, places=tuple(places[column] for column in ordered))
    return (SequenceColumns("series", ordered, form),)


def _sequence_columns(features: pd.DataFrame, config: Config) -> list[Hashable]:
    """Return the columns that the configuration describes, in the order of the data."""
    chosen = config.sequence
    if isinstance(chosen.columns, tuple):
        _require_columns("sequence.columns", chosen.columns, features, set())
        wanted = set(chosen.columns)
        if chosen.order in ("time", "features"):
            return [*chosen.columns]
        return [column for column in features.columns if str(column) in wanted]
    if chosen.order not in ORDERS:
        found = matching(list(features.columns), chosen.order)
        if not found:
            msg = f"sequence.order {chosen.order!r} matches no column of the data; correct it"
            raise ConfigError(msg)
        return found
    elsewhere = (config.text.columns, config.image.columns)
    named = {name for key in elsewhere if isinstance(key, tuple) for name in key}
    free: list[Hashable] = [column for column in features.columns if str(column) not in named]
    arrays = [column for column in free if _holds_arrays(features[column])]
    shape = (chosen.shape or ())[:: 1 if chosen.axes == "time_first" else -1]
    fitting = [column for column in arrays if shape in _shapes(features[column])]
    return fitting or arrays or free


def _shapes(series: "pd.Series[Any]") -> list[tuple[int, ...]]:
    """Return the shapes of the first arrays of a column."""
    return [cell.shape for cell in series.head(50) if isinstance(cell, np.ndarray)]


def _holds_arrays(series: "pd.Series[Any]") -> bool:
    """Return whether the cells of a column are arrays or lists."""
    return series.dtype == object and any(
        isinstance(cell, (np.ndarray, list, tuple)) for cell in series.head(50)
    )


def text_columns(frame: pd.DataFrame) -> tuple[Hashable, ...]:
    """Return the columns that count as text: of several words that hardly ever repeat."""
    alone = frame.shape[1] == 1
    return tuple(column for column in frame.columns if _is_text(frame[column], alone=alone))


def _require_columns(
    key: str, names: Sequence[str], features: pd.DataFrame, used: set[Hashable]
) -> None:
    for name in names:
        if name not in features.columns:
            hint = did_you_mean(name, features.columns)
            msg = f"{key} names column {name!r}, which is not among those of the model.{hint}"
            raise ConfigError(msg)
        if name in used:
            msg = f"{key} names column {name!r}, which holds images; name it in one place only"
            raise ConfigError(msg)


def _is_text(series: "pd.Series[Any]", *, alone: bool) -> bool:
    if not isinstance(series.dtype, pd.StringDtype) and series.dtype != object:
        return False
    known = series.dropna()
    if len(known) == 0 or not all(isinstance(value, str) for value in known):
        return False
    words = float(np.median([len(value.split()) for value in known]))
    if alone:
        return words >= 2 or known.nunique() > 0.5 * len(known)
    return words >= TEXT_WORDS and known.nunique() >= DISTINCT * len(known)


def _image_columns(
    features: pd.DataFrame, config: Config, *, bare: bool
) -> tuple[ImageColumns, ...]:
    wish, shape, channels = config.image.columns, config.image.shape, config.image.channels
    if wish == "none":
        return ()
    if shape is not None:
        chosen = tuple(features.columns) if wish == "auto" else tuple(wish)
        if wish != "auto":
            _require_columns("image.columns", wish, features, set())
        if len(chosen) != int(np.prod(shape)):
            msg = (
                f"image.shape {list(shape)} has {int(np.prod(shape))} pixels, but there are "
                f"{len(chosen)} columns; name the columns of the pixels as image.columns, or "
                "correct the shape"
            )
            raise ConfigError(msg)
        return (ImageColumns("image", chosen, ImageForm("flat", shape=shape, channels=channels)),)
    if wish != "auto":
        _require_columns("image.columns", wish, features, set())
    found = []
    for column in features.columns if wish == "auto" else wish:
        kind = image_kind(features[column].tolist())
        if kind is None and wish != "auto":
            msg = (
                f"image.columns names column {column!r}, which holds no images: expected arrays, "
                "the bytes or base64 text of image files, or their paths"
            )
            raise DataError(msg)
        if kind is not None:
            found.append(ImageColumns(str(column), (column,), ImageForm(kind, channels=channels)))
    if bare and len(found) != 1:
        msg = "the data is an array, but no array of images; set image.shape, or give a table"
        raise DataError(msg)
    return tuple(found)


def code_references(config: Config) -> dict[str, str]:
    """Return the references to code, ``module:function``, that explaining needs, by their keys."""
    values = {
        "surrogate.kind": config.surrogate.kind,
        "text.parts": config.text.parts,
        "image.segments": config.image.segments,
    }
    return {key: value for key, value in values.items() if ":" in value}


def domain_from_config(
    config: Config,
    layout: Layout,
    *,
    pins: Pins | None = None,
    cuts: Mapping[str, Mapping[str, Any]] | None = None,
    code: Mapping[str, Any] | None = None,
    pipeline: TextPipeline | None = None,
    why: str = "",
) -> Domain:
    """Return the domain that a configuration describes.

    Parameters
    ----------
    config : Config
    layout : Layout
        What the columns hold.
    pins : mapping of str to mapping of str to object, optional
        Part definitions that were pinned, by column and digest of its content.
    cuts : mapping of str to mapping of str to JSON values, optional
        How these were found, by column.
    code : mapping of str to callable, optional
        What the references of `code_references` name, imported.
    pipeline : TextPipeline, optional
        The model, where its vectoriser can be kept out of the loop.
    why : str
        Why there is no such pipeline, for the recipe.
    """
    pins, cuts, code = pins or {}, cuts or {}, code or {}
    children: list[Child] = []
    if layout.background is not None:
        table = _table_domain(config, layout.background, mixed=not layout.is_table)
        if layout.is_table:
            return table
        children.append(Child("", layout.tabular, table))
    if len(layout.columns) > 1:
        pipeline, why = None, "the text is one of several columns"
    if not config.text.sparse:
        pipeline, why = None, "switched off: text.sparse is false"
    for column in layout.texts:
        text = MaskedText(
            code.get(config.text.parts, config.text.parts),
            mask=config.text.mask,
            pinned=pins.get(str(column)),
            pinned_as=cuts.get(str(column)),
            pipeline=pipeline,
            why=why,
        )
        children.append(Child(str(column), (column,), text))
    for image in layout.images:
        pictures = MaskedImage(
            image.form,
            segments=code.get(config.image.segments, config.image.segments),
            n_segments=config.image.count,
            absent=_absent(config),
            pinned={k: labels_from_json(v) for k, v in pins.get(image.name, {}).items()},
            pinned_as=cuts.get(image.name),
        )
        children.append(Child(image.name, image.columns, pictures))
    for item in layout.sequences:
        series = _sequence_domain(config, item, pins, cuts)
        # A feature as a whole has the name of its columns, a window of it never has.
        self_named = item.flat and series.pinned_as["series_parts"] != "features"
        children.append(Child(item.name, item.columns, series, self_named))
    return JointDomain(children, layout.columns, dtypes=layout.dtypes, bare=layout.bare)


def _sequence_domain(
    config: Config,
    item: SequenceColumns,
    pins: Pins,
    cuts: Mapping[str, Mapping[str, Any]],
) -> MaskedSequence:
    chosen = config.sequence
    return MaskedSequence(
        item.form,
        parts=chosen.parts,
        windows=chosen.windows,
        count=chosen.count,
        length=chosen.length,
        absent=chosen.absent,
        background=item.background,
        pinned={k: labels_from_json(v) for k, v in pins.get(item.name, {}).items()},
        pinned_as=cuts.get(item.name),
    )


def _absent(config: Config) -> Any:
    chosen = config.image.absent
    if isinstance(chosen, str) and re.search(r"\.\w+$", chosen):
        return Path(config.locate(chosen))
    return list(chosen) if isinstance(chosen, tuple) else chosen


def _table_domain(config: Config, background: Background, *, mixed: bool) -> Domain:
    table = config.tabular
    if mixed and table.representation != "mask":
        msg = (
            f"tabular.representation is {table.representation!r}, but the data has texts, images "
            "or sequences beside its tabular columns, which needs 'mask'"
        )
        raise ConfigError(msg)
    options: dict[str, Any] = {"draws": table.sampling}
    if table.representation == "bins":
        options["bins"] = table.bins
    if table.representation == "standardised":
        options["around"] = table.around
    return table_domain(background, table.representation, **options)


def explainer_from_config(
    config: Config,
    domain: Domain,
    predict: Predict,
    *,
    mode: str,
    class_names: Sequence[str],
    code: Mapping[str, Any] | None = None,
) -> Explainer:
    """Return the explainer that a configuration describes.

    Parameters
    ----------
    config : Config
    domain : Domain
        As `domain_from_config` makes it.
    predict : callable
        From the domain's inputs to scores.
    mode : {"classification", "regression"}
    class_names : sequence of str
    code : mapping of str to callable, optional
        What the references of `code_references` name, imported.
    """
    return Explainer(
        domain=domain,
        predict=predict,
        mode=mode,
        class_names=class_names,
        sampling=_sampling(config),
        fitting=_fitting(config, (code or {}).get(config.surrogate.kind)),
        budget=Budget(
            rows=config.sampling.max_total_rows,
            calls=config.sampling.max_calls,
            seconds=config.sampling.max_seconds,
        ),
        pooling=Pooling(
            block_rows=_unless_auto(config.prediction.block_rows),
            block_bytes=config.prediction.block_bytes,
            deduplicate=config.prediction.deduplicate,
        ),
    )


def _unless_auto(value: Any) -> Any:
    return None if value == "auto" else value


def _sampling(config: Config) -> Sampling:
    chosen = config.sampling
    return Sampling(
        design=chosen.design,
        law=chosen.law,
        rows=_unless_auto(chosen.rows),
        replicates=chosen.replicates,
        max_rows=_unless_auto(chosen.max_rows),
        precision=chosen.precision,
        kernel=_kernel(config),
        seed=config.seed,
    )


def _kernel(config: Config) -> Kernel | None:
    chosen = config.kernel
    if chosen.kind == "none":
        return Kernel()
    width, distance = _unless_auto(chosen.width), _unless_auto(chosen.distance)
    if chosen.kind == "auto" and width is None and distance is None:
        return None
    distance = distance or "cosine"
    return Kernel(width=width or (0.25 if distance == "cosine" else 2.0), distance=distance)


def _fitting(config: Config, regressor: Callable[[], Any] | None) -> Fitting:
    chosen = config.surrogate
    if chosen.kind == "tree":
        regressor = _tree
    elif chosen.kind == "lasso":
        regressor = _Lasso(chosen.penalty)
    return Fitting(
        select=chosen.select,
        parts=chosen.parts or 10,
        penalty=chosen.penalty,
        confidence=chosen.confidence,
        regressor=regressor,
        permuted=config.metrics.permuted,
    )


def _tree() -> Any:
    from sklearn.tree import DecisionTreeRegressor

    return DecisionTreeRegressor(max_depth=4, random_state=0)


class _Lasso:
    """Makes lasso regressors of one penalty; a class, so that it can be pickled."""

    def __init__(self, penalty: float) -> None:
        self.penalty = penalty
        self.__qualname__ = "Lasso"  # what the recipe calls it

    def __call__(self) -> Any:
        from sklearn.linear_model import Lasso

        return Lasso(alpha=max(self.penalty, 1e-12))
