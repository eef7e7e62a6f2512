"""Any MLflow model as a scoring function: one call from rows to an array of scores.

Which way leads to scores is decided once, from what the model says about itself; only where it
says nothing is it asked for two rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from mlflow_lime.core.predict import as_scores
from mlflow_lime.errors import (
    ConfigError,
    DataError,
    MlflowLimeError,
    ModelError,
    ModelOutputError,
    did_you_mean,
    shorten,
)
from mlflow_lime.tracking.casting import InputCaster
from mlflow_lime.tracking.connection import quiet_autologging
from mlflow_lime.tracking.hooks import import_function
from mlflow_lime.tracking.judged_output import (
    LOGITS_NOTE,
    are_logits,
    judge_output,
    remarks_on,
)
from mlflow_lime.tracking.model_source import ModelSource, open_source
from mlflow_lime.tracking.outputs import as_probabilities, column_names, n_rows_of, unwrapped
from mlflow_lime.tracking.raw_models import feature_names, reads_frames
from mlflow_lime.tracking.scoring_function import ScoringFunction, ask_model
from mlflow_lime.tracking.scoring_plan import ScoringPlan, plan_scoring

__all__ = ["load_scoring_function"]

TASKS = ("auto", "classification", "regression")
PROBE_ROWS = 2
"""Rows that a model is asked for while we find out what it returns."""


def load_scoring_function(
    model: Any,
    *,
    predict: str | Callable[..., Any] | None = None,
    task: str = "auto",
    sample: Any = None,
    class_names: Sequence[Any] | None = None,
) -> ScoringFunction:
    """Find the way from rows to scores for a model.

    Parameters
    ----------
    model : str, Path, PyFuncModel, callable, or fitted estimator
        A model URI or folder, a loaded model, or a function of a data frame.
    predict : str or callable, optional
        The user's own function, by name as ``module:function``. It is given a data frame, and
        the loaded pyfunc too if it has a parameter called ``model``.
    task : {"auto", "classification", "regression"}
        What the model does, where it does not say so itself.
    sample : DataFrame, ndarray, or list, optional
        Rows of the data. At most two are sent to the model.
    class_names : sequence, optional
        Names of the classes, in the order of the model's outputs.

    Raises
    ------
    ConfigError
        If `task`, `predict`, or the number of `class_names` is wrong.
    VersionNotFoundError, TrackingServerError
        If the URI names nothing, or its store cannot be reached.
    ModelError
        If the model cannot be loaded, or does not say what it returns.
    ModelOutputError
        If what it returns cannot be explained.

    Examples
    --------
    >>> import pandas as pd
    >>> def approve(frame):
    ...     return (frame["income"] > 30).map({True: 0.9, False: 0.2})
    >>> rows = pd.DataFrame({"income": [10, 50]})
    >>> score = load_scoring_function(
    ...     approve, task="classification", sample=rows, class_names=["no", "yes"]
    ... )
    >>> score(rows)
    array([[0.8, 0.2],
           [0.1, 0.9]])
    """
    if task not in TASKS:
        msg = f"task must be one of {list(TASKS)}, got {task!r}.{did_you_mean(task, TASKS)}"
        raise ConfigError(msg)
    names = None if class_names is None else tuple(str(name) for name in class_names)
    with quiet_autologging():
        hook = None if predict is None else import_function(predict)
        source = open_source(model, hook)
        plan = plan_scoring(source, hook, task)
        rows = _probe_rows(sample, source.example)
        return _settle(plan, source, rows, task, names, trusted=sample is not None)


def _probe_rows(sample: Any, example: Any) -> Any:
    """Return the rows to try: never one alone, which would hide a transposed answer."""
    rows = sample if sample is not None else example
    if not isinstance(rows, (pd.DataFrame, np.ndarray, list)) or len(rows) == 0:
        return None
    if isinstance(rows, np.ndarray) and rows.ndim == 0:
        return None
    return _pick(rows, [0, 1 if len(rows) > 1 else 0])


def _pick(rows: Any, picks: list[int]) -> Any:
    if isinstance(rows, pd.DataFrame):
        return rows.iloc[picks]
    return rows[picks] if isinstance(rows, np.ndarray) else [rows[i] for i in picks]


def _settle(
    plan: ScoringPlan,
    source: ModelSource,
    rows: Any,
    task: str,
    names: tuple[str, ...] | None,
    *,
    trusted: bool,
) -> ScoringFunction:
    """Ask the model for two rows where that is needed, and put the function together."""
    caster = _caster(plan, source, rows)
    mode = plan.mode or (None if task == "auto" else task)
    known = _known_names(plan, mode, names)
    output: Any = None
    if rows is not None:
        caster, output = _try(plan, caster, rows, needed=known is None, trusted=trusted)
    logits = are_logits(output, mode, plan)
    if logits:
        output = _likely(output)
    if known is None or mode is None:
        mode, known, notes = judge_output(output, mode, names, plan)
    else:
        notes = remarks_on(output, mode, plan, known)
    return ScoringFunction(
        mode=mode,
        class_names=known,
        how=plan.how,
        caster=caster,
        call=plan.call,
        notes=plan.notes + ((LOGITS_NOTE,) if logits else ()) + notes,
        classes=plan.classes,
        labels=False if logits else plan.labels,
        logits=logits,
        signature=source.signature,
        model=source.model,
    )


def _likely(output: Any) -> Any:
    """Return the probabilities of a few rows of logits, under the names that they came with."""
    scores = as_scores(unwrapped(output), n_rows_of(output), mode="regression")
    names = column_names(unwrapped(output)) if scores.shape[1] > 1 else None
    return pd.DataFrame(as_probabilities(scores), columns=None if names is None else list(names))


def _caster(plan: ScoringPlan, source: ModelSource, rows: Any) -> InputCaster:
    as_array = plan.raw is not None and not plan.strict and not reads_frames(plan.raw)
    return InputCaster.build(
        source.signature,
        features=None if plan.raw is None else feature_names(plan.raw),
        sample=rows if isinstance(rows, pd.DataFrame) else None,
        strict=plan.strict,
        form="array" if as_array else "frame",
    )


def _known_names(
    plan: ScoringPlan, mode: str | None, names: tuple[str, ...] | None
) -> tuple[str, ...] | None:
    """Return the names of the outputs, where they are known without a call."""
    if mode == "regression" and plan.mode == "regression":
        return ("value",)
    if mode != "classification":
        return None
    if plan.classes is None:
        return names
    if names is None:
        return tuple(str(value) for value in plan.classes)
    if len(names) != len(plan.classes):
        msg = (
            f"class_names lists {len(names)} names {shorten(names)}, but the model has "
            f"{len(plan.classes)} classes {shorten(plan.classes)}"
        )
        raise ConfigError(msg)
    return names


def _try(
    plan: ScoringPlan, caster: InputCaster, rows: Any, *, needed: bool, trusted: bool
) -> tuple[InputCaster, Any]:
    """Return what the model gives for two rows, and the form of inputs that it reads."""
    try:
        output = _ask_leniently(plan, caster, rows)
        if n_rows_of(output) == len(rows):
            return caster, output
        listed = replace(caster, form="list")
        if _one_text_column(rows) and not plan.strict:
            output = ask_model(plan.call, listed(rows), len(rows), plan.how)
            if n_rows_of(output) == len(rows):
                return listed, output
        as_scores(np.zeros(n_rows_of(output)), len(rows), mode="regression")
    except MlflowLimeError as error:
        # One instance on which the model fails is no reason to refuse the others.
        failed_there = isinstance(error, ModelError) and not isinstance(error, ModelOutputError)
        if needed or (trusted and not failed_there):
            raise
    return caster, None


def _ask_leniently(plan: ScoringPlan, caster: InputCaster, rows: Any) -> Any:
    """Ask for both rows, and where one of them is refused, for the other one twice."""
    try:
        return ask_model(plan.call, caster(rows), len(rows), plan.how)
    except (DataError, ModelError):
        for pick in range(PROBE_ROWS):
            try:
                return ask_model(plan.call, caster(_pick(rows, [pick] * 2)), len(rows), plan.how)
            except (DataError, ModelError):
                continue
        raise


def _one_text_column(rows: Any) -> bool:
    if not isinstance(rows, pd.DataFrame) or rows.shape[1] != 1:
        return False
    return all(isinstance(value, str) for value in rows.iloc[:, 0])
