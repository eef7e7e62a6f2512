"""Explainers from data and a predict function, or from a configuration; no MLflow needed."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import Lasso
from sklearn.tree import DecisionTreeRegressor

from mlflow_lime.config import Config
from mlflow_lime.core.domain import Domain
from mlflow_lime.core.explain import Explainer
from mlflow_lime.core.kernel import Kernel
from mlflow_lime.core.options import Budget, Fitting, Pooling, Sampling
from mlflow_lime.core.predict import Predict
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.core.tabular.bins import BinnedTable
from mlflow_lime.core.tabular.masked import MaskedTable
from mlflow_lime.core.tabular.standardised import StandardisedTable
from mlflow_lime.errors import DataError, did_you_mean

__all__ = ["REPRESENTATIONS", "TabularExplainer", "explainer_from_config", "table_domain"]

REPRESENTATIONS: dict[str, Callable[..., Domain]] = {
    "mask": MaskedTable,
    "bins": BinnedTable,
    "standardised": StandardisedTable,
}
"""Ways to take a table apart."""


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
    sampling, fitting, budget, pooling : optional
        How much to sample, what to fit, when to stop, how to call the model.
    **table
        ``groups``, ``categorical``, ``target`` for the background (see `Background.from_frame`);
        ``representation``, ``bins``, ``around``, ``draws`` for the domain (see `table_domain`).

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
        sampling: Sampling | None = None,
        fitting: Fitting | None = None,
        budget: Budget | None = None,
        pooling: Pooling | None = None,
        **table: Any,
    ) -> None:
        describe = {k: table.pop(k) for k in ("groups", "categorical", "target") if k in table}
        if isinstance(data, np.ndarray):
            table.setdefault("as_array", True)
            data = pd.DataFrame(data, columns=[f"x{i}" for i in range(data.shape[1])])
        if not isinstance(data, Background):
            data = Background.from_frame(data, **describe)
        super().__init__(
            domain=table_domain(data, **table),
            predict=predict,
            mode=mode,
            class_names=class_names,
            sampling=sampling or Sampling(),
            fitting=fitting or Fitting(),
            budget=budget or Budget(),
            pooling=pooling or Pooling(),
        )


def explainer_from_config(
    config: Config,
    background: Background,
    predict: Predict,
    *,
    mode: str,
    class_names: Sequence[str],
    regressor: Callable[[], Any] | None = None,
) -> Explainer:
    """Return the explainer that a configuration describes.

    Parameters
    ----------
    config : Config
    background : Background
    predict : callable
        From frames to scores.
    mode : {"classification", "regression"}
    class_names : sequence of str
    regressor : callable, optional
        What ``surrogate.kind: module:function`` names, imported.
    """
    table = config.tabular
    options: dict[str, Any] = {"draws": table.sampling}
    if table.representation == "bins":
        options["bins"] = table.bins
    if table.representation == "standardised":
        options["around"] = table.around
    return Explainer(
        domain=table_domain(background, table.representation, **options),
        predict=predict,
        mode=mode,
        class_names=class_names,
        sampling=_sampling(config),
        fitting=_fitting(config, regressor),
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
    )


def _tree() -> DecisionTreeRegressor:
    return DecisionTreeRegressor(max_depth=4, random_state=0)


class _Lasso:
    """Makes lasso regressors of one penalty; a class, so that it can be pickled."""

    def __init__(self, penalty: float) -> None:
        self.penalty = penalty
        self.__qualname__ = "Lasso"  # what the recipe calls it

    def __call__(self) -> Lasso:
        return Lasso(alpha=max(self.penalty, 1e-12))
