"""Probabilities from fitted models themselves, where the pyfunc gives only labels.

Whatever has `predict_proba` and `classes_` is used as it is: scikit-learn, its pipelines, and the
scikit-learn interfaces of XGBoost, LightGBM, and CatBoost. The boosters of XGBoost and LightGBM
say in their objective what their numbers mean.
"""

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, softmax

from mlflow_lime.errors import DataError, ModelError

__all__ = ["RawScorer", "feature_names", "raw_scorer", "reads_frames"]

LABELS_NOTE = (
    "the model gives only labels, so each class is explained as 0 or 1; probabilities make better "
    "explanations: calibrate the model, or give `predict: module:function`"
)


@dataclass(frozen=True, slots=True)
class RawScorer:
    """How a fitted model is asked.

    Attributes
    ----------
    call : callable
        Inputs to scores, labels, or values.
    mode : {"classification", "regression"}
        What the model does.
    how : str
        The same in words.
    classes : tuple or None
        The model's own class values, in the order of its columns.
    labels : bool
        Whether it gives labels instead of probabilities.
    """

    call: Callable[[Any], Any]
    mode: str
    how: str
    classes: tuple[Any, ...] | None = None
    labels: bool = False


def raw_scorer(raw: Any) -> RawScorer | None:
    """Return how to ask a fitted model, or None where it does not say what it is.

    Raises
    ------
    ModelError
        If it predicts several targets at once.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> tree = DecisionTreeClassifier().fit([[0.0], [1.0]], ["no", "yes"])
    >>> scorer = raw_scorer(tree)
    >>> scorer.mode, scorer.classes, scorer.how
    ('classification', ('no', 'yes'), 'predict_proba of DecisionTreeClassifier')
    """
    if _is_booster(raw, "xgboost"):
        return _xgboost_booster(raw)
    if _is_booster(raw, "lightgbm"):
        return _lightgbm_booster(raw)
    from sklearn.base import is_classifier, is_regressor

    name = type(raw).__name__
    classes = _classes(raw)
    if classes is not None and hasattr(raw, "predict_proba"):
        call = _prepared(raw, raw.predict_proba)
        return RawScorer(call, "classification", f"predict_proba of {name}", classes)
    if _says(is_classifier, raw) and hasattr(raw, "predict"):
        call = _prepared(raw, raw.predict)
        return RawScorer(call, "classification", f"labels of {name}", classes, labels=True)
    if _says(is_regressor, raw):
        return RawScorer(_prepared(raw, raw.predict), "regression", f"predict of {name}")
    return None


def feature_names(raw: Any) -> tuple[str, ...] | None:
    """Return the columns that a fitted model saw, or None where it saw an array."""
    if _is_booster(raw, "xgboost"):
        return tuple(raw.feature_names) if raw.feature_names else None
    if _is_booster(raw, "lightgbm"):
        return _unless_numbered(raw.feature_name())
    # scikit-learn's name for them, CatBoost's, and LightGBM's before it took scikit-learn's.
    for attribute in ("feature_names_in_", "feature_names_", "feature_name_"):
        names = getattr(raw, attribute, None)
        if names is not None:
            return _unless_numbered([str(name) for name in names])
    return None


def reads_frames(raw: Any) -> bool:
    """Return whether a model may be given a data frame: False if it was fitted on an array."""
    return not hasattr(raw, "n_features_in_") or feature_names(raw) is not None


def _unless_numbered(names: Sequence[str]) -> tuple[str, ...] | None:
    """Drop the names that LightGBM makes up for the columns of an array."""
    made_up = all(name == f"Column_{i}" for i, name in enumerate(names))
    return None if made_up else tuple(names)


def _is_booster(raw: Any, package: str) -> bool:
    kind = type(raw)
    return kind.__name__ == "Booster" and kind.__module__.split(".")[0] == package


def _says(question: Callable[[Any], bool], raw: Any) -> bool:
    # Objects without scikit-learn's tags warn or raise, by version; they are neither.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return bool(question(raw))
        except (AttributeError, TypeError, NotImplementedError):
            return False


def _classes(raw: Any) -> tuple[Any, ...] | None:
    classes = getattr(raw, "classes_", None)
    if classes is None:
        return None
    if isinstance(classes, list) and classes and isinstance(classes[0], np.ndarray):
        msg = (
            f"{type(raw).__name__} predicts {len(classes)} targets at once; explain one of them: "
            "give `predict: module:function` that returns its probabilities"
        )
        raise ModelError(msg)
    return tuple(np.asarray(classes).tolist())


def _prepared(raw: Any, method: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a method that is given the pandas categories which a boosted model wants."""
    package = type(raw).__module__.split(".")[0]
    if package == "lightgbm":
        lists = getattr(getattr(raw, "booster_", None), "pandas_categorical", None)
        return lambda inputs: method(_lightgbm_categories(inputs, lists))
    if package == "xgboost" and hasattr(raw, "get_booster"):
        booster = raw.get_booster()
        return lambda inputs: method(_xgboost_categories(inputs, booster))
    return method


def _text_columns(frame: pd.DataFrame) -> list[Any]:
    return [
        name
        for name, dtype in frame.dtypes.items()
        if isinstance(dtype, (np.dtypes.ObjectDType, pd.StringDtype))
    ]


def _lightgbm_categories(inputs: Any, lists: list[list[Any]] | None) -> Any:
    """Turn text columns into the categories of the training data, which LightGBM keeps."""
    if not lists or not isinstance(inputs, pd.DataFrame):
        return inputs
    wanted = [
        name
        for name, dtype in inputs.dtypes.items()
        if isinstance(dtype, (np.dtypes.ObjectDType, pd.StringDtype, pd.CategoricalDtype))
    ]
    if len(wanted) != len(lists):
        return inputs
    kinds = {name: pd.CategoricalDtype(kept) for name, kept in zip(wanted, lists, strict=True)}
    return inputs.astype({name: kinds[name] for name in _text_columns(inputs)})


def _xgboost_categories(inputs: Any, booster: Any) -> Any:
    if not isinstance(inputs, pd.DataFrame):
        return inputs
    texts = _text_columns(inputs)
    if not texts:
        return inputs
    if not hasattr(booster, "get_categories"):
        msg = (
            f"the model reads {texts} as categories, and this version of xgboost does not keep "
            "their order; give data in which they are pandas categories as in training, or "
            "install xgboost>=3.1"
        )
        raise DataError(msg)
    return inputs.astype(dict.fromkeys(texts, "category"))


def _xgboost_booster(booster: Any) -> RawScorer:
    objective = json.loads(booster.save_config())["learner"]["objective"]["name"]
    how = f"xgboost Booster, {objective}"

    def predict(inputs: Any, *, margin: bool = False) -> NDArray[Any]:
        from xgboost import DMatrix

        data = DMatrix(_xgboost_categories(inputs, booster), enable_categorical=True)
        return np.asarray(booster.predict(data, output_margin=margin))

    if objective == "multi:softmax":
        return RawScorer(
            lambda inputs: softmax(predict(inputs, margin=True), axis=1), "classification", how
        )
    if objective == "binary:logitraw":
        return RawScorer(
            lambda inputs: expit(predict(inputs, margin=True)), "classification", how, (0, 1)
        )
    if objective.startswith("binary:"):
        return RawScorer(predict, "classification", how, (0, 1))
    mode = "classification" if objective.startswith("multi:") else "regression"
    return RawScorer(predict, mode, how)


def _lightgbm_booster(booster: Any) -> RawScorer:
    header = booster.model_to_string(num_iteration=1).splitlines()
    found = [line.partition("=")[2] for line in header if line.startswith("objective=")]
    objective = found[0].split()[0] if found and found[0] else "custom"
    lists = booster.pandas_categorical

    def predict(inputs: Any) -> NDArray[Any]:
        return np.asarray(booster.predict(_lightgbm_categories(inputs, lists)))

    binary, several = objective == "binary", objective in {"multiclass", "multiclassova"}
    return RawScorer(
        predict,
        "classification" if binary or several else "regression",
        f"lightgbm Booster, {objective}",
        (0, 1) if binary else None,
    )
