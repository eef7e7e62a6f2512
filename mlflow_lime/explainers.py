"""Explainers from data and a predict function; no MLflow needed."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mlflow_lime.core.domain import Domain
from mlflow_lime.core.explain import Explainer, Outcome
from mlflow_lime.core.image.cells import ImageForm
from mlflow_lime.core.image.masked import MaskedImage
from mlflow_lime.core.joint import Child, JointDomain
from mlflow_lime.core.predict import Predict
from mlflow_lime.core.sequence.absent import SequenceBackground
from mlflow_lime.core.sequence.form import SequenceForm, Series, read_series
from mlflow_lime.core.sequence.masked import MaskedSequence
from mlflow_lime.core.sequence.order import place_columns
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.core.tabular.bins import BinnedTable
from mlflow_lime.core.tabular.masked import MaskedTable
from mlflow_lime.core.tabular.standardised import StandardisedTable
from mlflow_lime.core.tabular.table import require_columns
from mlflow_lime.core.text.masked import MaskedText
from mlflow_lime.core.text.vectorised import TextPipeline
from mlflow_lime.errors import DataError, did_you_mean

__all__ = [
    "REPRESENTATIONS",
    "ImageExplainer",
    "SequenceExplainer",
    "TabularExplainer",
    "TextExplainer",
    "table_domain",
]

REPRESENTATIONS: dict[str, Callable[..., Domain]] = {
    "mask": MaskedTable,
    "bins": BinnedTable,
    "standardised": StandardisedTable,
}
"""Ways to take a table apart."""

SHARED = ("sampling", "fitting", "budget", "pooling")
"""Options of every explainer."""


def table_domain(background: Background, representation: str = "mask", **options: Any) -> Domain:
    """Return the domain of a table.

    Parameters
    ----------
    background : Background
    representation : {"mask", "bins", "standardised"}
    **options
        ``draws`` (independent or copula), ``as_array``; ``bins`` for bins; ``around`` for
        standardised.

    Raises
    ------
    DataError
        If the representation is unknown, or an option does not belong to it.
    """
    if representation not in REPRESENTATIONS:
        hint = did_you_mean(representation, REPRESENTATIONS)
        msg = f"representation must be one of {tuple(REPRESENTATIONS)}, got {representation!r}."
        raise DataError(msg + hint)
    if "draws" in options:
        options["sampling"] = options.pop("draws")
    try:
        return REPRESENTATIONS[representation](background, **options)
    except TypeError as error:
        msg = (
            f"representation {representation!r} does not take these options: {error}; how much is "
            "sampled goes into sampling=Sampling(rows=...)"
        )
        raise DataError(msg) from error


class TabularExplainer(Explainer):
    """Explains the rows of a table with any predict function.

    Parameters
    ----------
    data : DataFrame, ndarray of shape (n_rows, n_columns), or Background
        What absent values are drawn from, usually the training data. With an array, the model
        is given arrays.
    predict : callable
        From a frame (or array) of rows to probabilities, shape (n, n_classes), or values,
        shape (n,).
    mode : {"classification", "regression"}
        What the model does.
    class_names : sequence of str, optional
        Names of the model's outputs.
    **options
        ``sampling``, ``fitting``, ``budget``, ``pooling``: how much to sample, what to fit, when to
        stop, how to call the model (see `mlflow_lime.core.options`);
        ``groups``, ``categorical``, ``target`` for the background (see `Background.from_frame`);
        ``representation``, ``bins``, ``around``, ``draws`` for the domain (see `table_domain`);
        ``texts``, names of columns that are explained word by word beside the others.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> data = pd.DataFrame({"age": [20, 30, 40, 50], "job": ["cook", "nurse", "cook", "nurse"]})
    >>> def predict(frame):
    ...     return frame["age"] / 100 + (frame["job"] == "nurse") * 0.1
    >>> explainer = TabularExplainer(data, predict, mode="regression")
    >>> (explanation,) = explainer.explain(data.iloc[[3]])
    >>> [(part, round(weight, 2)) for part, weight in explanation.as_list()]
    [('age = 50', 0.15), ('job = nurse', 0.05)]
    """

    def __init__(
        self,
        data: Any,
        predict: Predict,
        *,
        mode: str = "classification",
        class_names: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        shared = _taken(options, SHARED)
        describe = _taken(options, ("groups", "categorical", "target"))
        if isinstance(data, np.ndarray):
            options.setdefault("as_array", True)
            data = pd.DataFrame(data, columns=[f"x{i}" for i in range(data.shape[1])])
        domain = _tabular_domain(data, describe, **options)
        super().__init__(domain, predict, mode, class_names, **shared)


def _taken(options: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """Take those of the options that have a value out, and return them."""
    found = {key: options.pop(key, None) for key in keys}
    return {key: value for key, value in found.items() if value is not None}


def _tabular_domain(
    data: Any, describe: dict[str, Any], *, texts: Sequence[str] = (), **table: Any
) -> Domain:
    """Return the domain of a table, some of whose columns may be texts."""
    if isinstance(data, Background):
        background, columns, dtypes = data, (*data.columns, *texts), {}
    else:
        missing = [name for name in texts if name not in data.columns]
        if missing:
            hint = did_you_mean(missing[0], data.columns)
            msg = f"texts names column {missing[0]!r}, which is not in the data.{hint}"
            raise DataError(msg)
        columns, dtypes = tuple(data.columns), {name: data[name].dtype for name in texts}
        if len(texts) == len(columns):
            msg = "all columns are texts; for a single one use TextExplainer"
            raise DataError(msg)
        background = Background.from_frame(data.drop(columns=list(texts)), **describe)
    domain = table_domain(background, **table)
    if not texts:
        return domain
    if not isinstance(domain, MaskedTable):
        msg = "texts beside other columns need representation='mask'"
        raise DataError(msg)
    children = [Child("", background.columns, domain)]
    children += [Child(name, (name,), MaskedText()) for name in texts]
    return JointDomain(children, columns, dtypes=dtypes)


class TextExplainer(Explainer):
    """Explains texts with any predict function.

    Parameters
    ----------
    predict : callable
        From a list of n texts to probabilities, shape (n, n_classes), or values, shape (n,). Where
        it is the method of a scikit-learn pipeline that starts with a vectoriser, the texts are
        vectorised once and perturbed as a sparse matrix, if that is exactly the same.
    parts : {"words", "positions", "sentences", "characters"} or callable
        What a part is: a distinct word, one occurrence of a word, ...; or a function from a text to
        its tokens or to their (start, end) offsets.
    mask : str, optional
        What takes the place of an absent part; by default it is removed.
    mode : {"classification", "regression"}
        What the model does.
    class_names : sequence of str, optional
        Names of the model's outputs.
    **options
        ``sampling``, ``fitting``, ``budget``, ``pooling``, as in `TabularExplainer`.

    Examples
    --------
    >>> def predict(texts):
    ...     return [text.count("good") * 0.5 - text.count("not") * 0.25 for text in texts]
    >>> explainer = TextExplainer(predict, mode="regression")
    >>> (explanation,) = explainer.explain(["not so good"])
    >>> [(part, round(weight, 2)) for part, weight in explanation.as_list()]
    [('good', 0.5), ('not', -0.25), ('so', 0.0)]
    """

    def __init__(
        self,
        predict: Predict,
        *,
        parts: Any = "words",
        mask: str | None = None,
        mode: str = "classification",
        class_names: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        owner, method = getattr(predict, "__self__", None), getattr(predict, "__name__", "")
        pipeline, why = TextPipeline.of(owner, method)
        domain = MaskedText(parts, mask=mask, pipeline=pipeline, why=why)
        super().__init__(domain, pipeline or predict, mode, class_names, **options)


class ImageExplainer(Explainer):
    """Explains images with any predict function.

    Parameters
    ----------
    predict : callable
        From an array of n images, of the shape and dtype that they come in, to probabilities, shape
        (n, n_classes), or values, shape (n,).
    mode : {"classification", "regression"}
        What the model does.
    class_names : sequence of str, optional
        Names of the model's outputs.
    **options
        ``sampling``, ``fitting``, ``budget``, ``pooling``, as in `TabularExplainer`;
        ``shape``, for pixels that stand in a row, and ``channels`` (auto, first, last, none);
        ``segments`` (slic, quickshift, felzenszwalb, grid, a function from an image to labels, or
        labels of shape (height, width)) and ``n_segments``; ``absent``, what takes the place of an
        absent superpixel (mean, blur, segment_mean, a colour, or a background image).

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((4, 4), dtype=np.uint8)
    >>> image[:2, :2] = 200
    >>> def predict(images):
    ...     return images[:, :2, :2].mean(axis=(1, 2)) / 200
    >>> quarters = np.repeat(np.repeat([[0, 1], [2, 3]], 2, axis=0), 2, axis=1)
    >>> explainer = ImageExplainer(predict, mode="regression", segments=quarters, absent=100)
    >>> (explanation,) = explainer.explain(image[None])
    >>> explanation.as_list()[0][0].partition(" (")[0], round(explanation.as_list()[0][1], 2)
    ('segment 0', 0.5)
    """

    def __init__(
        self,
        predict: Predict,
        *,
        mode: str = "classification",
        class_names: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        shared = _taken(options, SHARED)
        shape, channels = options.pop("shape", None), options.pop("channels", "auto")
        form = ImageForm("array" if shape is None else "flat", shape=shape, channels=channels)
        super().__init__(MaskedImage(form, **options), predict, mode, class_names, **shared)


class SequenceExplainer(Explainer):
    """Explains sequences with any predict function.

    Parameters
    ----------
    predict : callable
        From an array of n sequences, shape (n, time, features), to probabilities, shape
        (n, n_classes), or values, shape (n,); from a data frame where `columns` are given.
    mode : {"classification", "regression"}
        What the model does.
    class_names : sequence of str, optional
        Names of the model's outputs.
    **options
        ``sampling``, ``fitting``, ``budget``, ``pooling``, as in `TabularExplainer`;
        ``features``, names of the features; ``axes`` (time_first, features_first);
        ``columns``, for values that stand in the columns of a wide frame, with ``order`` (auto,
        time, features, or a regular expression) and ``shape`` (see
        `mlflow_lime.core.sequence.order.place_columns`);
        ``parts`` (windows, features, cells), ``windows`` (fixed, change_points), ``count`` and
        ``length`` of the windows; ``absent`` (mean, interpolate, background) and ``background``,
        other sequences in the form of the instances.

    Examples
    --------
    >>> import numpy as np
    >>> series = np.zeros((1, 6, 1))
    >>> series[0, 2:4] = 9.0
    >>> def predict(arrays):
    ...     return arrays[:, 2:4, 0].mean(axis=1)
    >>> explainer = SequenceExplainer(predict, mode="regression", features=["load"], length=2)
    >>> (explanation,) = explainer.explain(series)
    >>> [(part, round(weight, 2)) for part, weight in explanation.as_list()]
    [('steps 2 to 3', 6.0), ('steps 0 to 1', 0.0), ('steps 4 to 5', 0.0)]
    """

    def __init__(
        self,
        predict: Predict,
        *,
        mode: str = "classification",
        class_names: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        shared = _taken(options, SHARED)
        columns = options.get("columns")
        form = _sequence_form(**_taken(options, ("axes", "columns", "features", "order", "shape")))
        background = options.pop("background", None)
        if background is not None and not isinstance(background, SequenceBackground):
            found = read_series(background, form)
            known = [one.values for one in found if isinstance(one, Series)]
            background = SequenceBackground.of(known, drawn=options.get("absent") == "background")
        domain = MaskedSequence(form, background=background, **options)
        super().__init__(domain, predict, mode, class_names, **shared)
        self._columns = columns

    def explain(self, instances: Any, **options: Any) -> list[Outcome]:
        """Explain instances; of a frame, the columns of the sequence, by their names.

        See `mlflow_lime.core.explain.Explainer.explain` for the options.
        """
        if self._columns is not None and isinstance(instances, pd.DataFrame):
            require_columns(instances, self._columns)
            instances = instances[list(self._columns)]
        return super().explain(instances, **options)


def _sequence_form(
    *,
    axes: str = "time_first",
    columns: Sequence[Any] | None = None,
    features: Sequence[str] = (),
    order: str = "auto",
    shape: tuple[int, int] | None = None,
) -> SequenceForm:
    """Return the form of sequences in arrays, or in the columns of a frame."""
    if columns is None:
        return SequenceForm("array", axes, shape, features=tuple(features))
    return place_columns(columns, order=order, shape=shape, features=features or None)
