"""What an output for two rows says about a model: mode, names of the outputs, and remarks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.predict import as_scores
from mlflow_lime.errors import ConfigError, ModelError, ModelOutputError, shorten
from mlflow_lime.tracking.outputs import (
    are_labels,
    are_probabilities,
    column_names,
    flat,
    n_rows_of,
    unwrapped,
    value_names,
)
from mlflow_lime.tracking.raw_models import LABELS_NOTE
from mlflow_lime.tracking.scoring_plan import ScoringPlan

__all__ = ["LOGITS_NOTE", "are_logits", "judge_output", "remarks_on"]

LOGITS_NOTE = (
    "the model returns logits (some are below 0 or above 1), which are turned into probabilities "
    "by softmax, or by the sigmoid where there is one; to explain something else give "
    "`predict: module:function`"
)


def are_logits(raw: Any, mode: str | None, plan: ScoringPlan) -> bool:
    """Return whether a classifier's output for two rows is of numbers below 0 or above 1.

    Labels are none, and what the user's own function or a `predict_proba` gives is left alone.
    Numbers between 0 and 1 are none either, whatever they sum to: they may be probabilities of
    labels that do not exclude each other.
    """
    if raw is None or mode != "classification" or plan.own or plan.labels is not None:
        return False
    output = unwrapped(raw)
    values = flat(output)
    if values is not None and are_labels(values):
        return False
    scores = as_scores(output, n_rows_of(output), mode="regression")
    if scores.shape[1] == 1 and (scores >= 0).all() and (scores % 1 == 0).all():
        return False  # the numbers of the classes, as floats
    return bool(((scores < 0) | (scores > 1)).any()) and not are_probabilities(scores)


def judge_output(
    raw: Any, mode: str | None, names: tuple[str, ...] | None, plan: ScoringPlan
) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return mode, names, and notes from what the model returned for two rows."""
    if raw is None:
        if mode == "regression":
            return mode, ("value",), ()
        msg = (
            f"{plan.how} does not say what it returns, and there are no rows to try; give sample "
            "rows, or log the model with an input example, or set task and class_names"
        )
        raise ModelError(msg)
    output = unwrapped(raw)
    if mode == "regression":
        return mode, value_names(output), ()
    values = flat(output)
    if values is not None and (plan.labels or are_labels(values)):
        return _judge_labels(values, mode, names, plan)
    scores = as_scores(output, n_rows_of(output), mode="regression")
    if scores.shape[1] > 1:
        return _judge_columns(scores, output, mode, names)
    if mode == "classification" or (names is not None and len(names) == 2):
        as_scores(output, len(scores), mode="classification")
        return "classification", names or ("0", "1"), ()
    between = bool(((scores >= 0) & (scores <= 1)).all())
    hint = "the model gives one number between 0 and 1; if it is a probability, set task"
    return "regression", ("value",), (f"{hint}: classification",) if between else ()


def _judge_labels(
    labels: NDArray[Any], mode: str | None, names: tuple[str, ...] | None, plan: ScoringPlan
) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    if names is None and plan.classes is not None:
        names = tuple(str(value) for value in plan.classes)
    if names is None and labels.dtype.kind == "b":
        names = ("False", "True")
    if names is None:
        numbers = labels.dtype.kind in "iu"
        what = "whole numbers" if numbers else "labels"
        cure = " or set task: regression if they are quantities" if numbers and not mode else ""
        msg = (
            f"{plan.how} returned {what}, and the classes are not known; give class_names{cure}, "
            "or better, probabilities by `predict: module:function`"
        )
        raise ModelOutputError(msg)
    return "classification", names, (LABELS_NOTE,)


def _judge_columns(
    scores: NDArray[np.float64], output: Any, mode: str | None, names: tuple[str, ...] | None
) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    if names is not None and len(names) != scores.shape[1]:
        msg = (
            f"class_names lists {len(names)} names {shorten(names)}, but the model returned "
            f"{scores.shape[1]} outputs"
        )
        raise ConfigError(msg)
    found = names or column_names(output) or tuple(str(i) for i in range(scores.shape[1]))
    if are_probabilities(scores):
        return "classification", found, ()
    if mode is None and names is None:
        msg = (
            f"the model returned {scores.shape[1]} numbers per row that are no probabilities; set "
            "task to classification or regression, or give `predict: module:function`"
        )
        raise ModelOutputError(msg)
    note = "the outputs are no probabilities (they do not sum to 1), and are explained as they are"
    return "classification", found, (note,)


def remarks_on(raw: Any, mode: str, plan: ScoringPlan, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return notes on an output whose mode and names were known before."""
    if raw is None:
        return ()
    output = unwrapped(raw)
    values = flat(output)
    if mode != "classification":
        return ()
    if plan.labels is None and values is not None and are_labels(values):
        return (LABELS_NOTE,)
    if not plan.labels:
        scores = as_scores(output, n_rows_of(output), mode=mode)
        if scores.shape[1] != len(names):
            msg = (
                f"class_names lists {len(names)} names {shorten(names)}, but the model returned "
                f"{scores.shape[1]} outputs"
            )
            raise ConfigError(msg)
        if not are_probabilities(scores):
            return _judge_columns(scores, output, mode, names)[2]
    return ()
