"""The scoring function: any MLflow model as one call from rows to an array of scores.

Which way leads to scores is decided once, from what the model says about itself; only where it
says nothing is it asked for two rows. In this order: the user's own function, a pyfunc that gives
probabilities already, the fitted model's `predict_proba`, a PythonModel's, a regression's values,
and labels as zeros and ones.
"""

import inspect
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models.signature import ModelSignature
from mlflow.pyfunc import PyFuncModel
from numpy.typing import NDArray

from mlflow_lime.core.predict import as_scores
from mlflow_lime.errors import (
    ConfigError,
    MlflowLimeError,
    ModelError,
    ModelOutputError,
    did_you_mean,
    shorten,
)
from mlflow_lime.tracking.casting import InputCaster
from mlflow_lime.tracking.connection import quiet_autologging
from mlflow_lime.tracking.hooks import import_function, wants_model
from mlflow_lime.tracking.outputs import (
    are_labels,
    are_probabilities,
    column_names,
    flat,
    n_rows_of,
    one_hot,
    unwrapped,
    value_names,
)
from mlflow_lime.tracking.raw_models import (
    LABELS_NOTE,
    feature_names,
    raw_scorer,
    reads_frames,
)
from mlflow_lime.tracking.versions import resolve_model

__all__ = ["ScoringFunction", "import_function", "load_pyfunc", "load_scoring_function"]

TASKS = ("auto", "classification", "regression")
PROBE_ROWS = 2
"""Rows that a model is asked for while we find out what it returns."""

_PROBABILITY_PARAMS = ("proba", "predict_proba", "return_proba", "probabilities")


@dataclass(frozen=True, slots=True, eq=False)
class ScoringFunction:
    """A model as a function from rows to scores.

    Attributes
    ----------
    mode : {"classification", "regression"}
        What the model does.
    class_names : tuple of str
        Name of each column of the scores; ``("value",)`` for a regression.
    how : str
        One line that says which way leads to the scores.
    notes : tuple of str
        Warnings for the summary.
    caster : InputCaster
        Names, order, and types of the inputs.
    call : callable
        Cast inputs to whatever the model returns.
    classes : tuple or None
        The model's own class values, where it gives labels.
    labels : bool or None
        Whether it gives labels; None where each output is looked at.
    signature : ModelSignature or None
        Signature that the model was logged with.
    """

    mode: str
    class_names: tuple[str, ...]
    how: str
    caster: InputCaster = field(repr=False)
    call: Callable[[Any], Any] = field(repr=False)
    notes: tuple[str, ...] = ()
    classes: tuple[Any, ...] | None = field(default=None, repr=False)
    labels: bool | None = field(default=None, repr=False)
    signature: ModelSignature | None = field(default=None, repr=False)

    @property
    def columns(self) -> tuple[str, ...] | None:
        """Return the input columns in the model's order, or None where it names none."""
        return self.caster.columns

    @property
    def dtypes(self) -> dict[str, str]:
        """Return the type that each column is cast to."""
        return {name: str(kind) for name, kind in self.caster.types.items() if kind is not None}

    def __call__(self, inputs: Any) -> NDArray[np.float64]:
        """Return the scores of some rows; the same as `score`."""
        return self.score(inputs)

    def score(self, inputs: Any) -> NDArray[np.float64]:
        """Return the scores of some rows.

        Parameters
        ----------
        inputs : DataFrame, ndarray, or list, length n_rows
            Rows, with or without the model's column order and types.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_outputs)
            Probabilities by class, or values.

        Raises
        ------
        DataError
            If the rows lack a column, or hold what its type cannot.
        ModelError
            If the model raises.
        ModelOutputError
            If it returns another number of rows or columns, NaN, or an unknown label.
        """
        raw = _ask(self.call, self.caster(inputs), len(inputs), self.how)
        scores = self._scores(raw, len(inputs))
        if scores.shape[1] != len(self.class_names):
            msg = (
                f"the model returned {scores.shape[1]} outputs, expected "
                f"{len(self.class_names)}: {shorten(self.class_names)}; check class_names"
            )
            raise ModelOutputError(msg)
        return scores

    def check(self, frame: pd.DataFrame) -> tuple[str, ...]:
        """Try the columns of some data without calling the model, and return remarks.

        Raises
        ------
        DataError
            If a column is missing, or holds what its type cannot.
        """
        return self.caster.check(frame)

    def describe(self) -> dict[str, Any]:
        """Return plain JSON values for the recipe of an explanation."""
        return {
            "how": self.how,
            "mode": self.mode,
            "class_names": list(self.class_names),
            "columns": None if self.columns is None else list(self.columns),
            "dtypes": self.dtypes,
            "notes": list(self.notes),
        }

    def _scores(self, raw: Any, n_rows: int) -> NDArray[np.float64]:
        output = unwrapped(raw)
        if self.mode == "classification" and self.labels is not False:
            array = flat(output)
            if array is not None and (self.labels or are_labels(array)):
                if len(array) != n_rows:
                    as_scores(np.zeros(len(array)), n_rows, mode="regression")
                return one_hot(array, self.classes, self.class_names)
        return as_scores(output, n_rows, mode=self.mode)


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """What is known so far of how a model will be asked."""

    call: Callable[[Any], Any]
    how: str
    raw: Any = None
    strict: bool = False
    mode: str | None = None
    classes: tuple[Any, ...] | None = None
    labels: bool | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """A model as it was given, opened."""

    model: Any
    pyfunc: PyFuncModel | None = None
    signature: ModelSignature | None = None
    example: Any = None


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
        source = _open(model, hook)
        plan = _plan(source, hook, task)
        rows = _probe_rows(sample, source.example)
        return _settle(plan, source, rows, task, names, trusted=sample is not None)


def _open(model: Any, hook: Callable[..., Any] | None) -> _Source:
    if isinstance(model, (str, Path)):
        if hook is not None and not wants_model(hook):
            return _Source(None, signature=_signature_of(str(model)))
        model = load_pyfunc(model)
    if isinstance(model, PyFuncModel):
        signature = model.metadata.signature
        return _Source(model, pyfunc=model, signature=signature, example=_example(model))
    if hook is None and not callable(model) and not hasattr(model, "predict"):
        msg = (
            f"expected a model URI, a loaded model, or a function, got {type(model).__name__}; "
            "give for example 'models:/name/1'"
        )
        raise ModelError(msg)
    return _Source(model, signature=getattr(model, "signature", None))


def _example(model: PyFuncModel) -> Any:
    try:
        return model.input_example
    except Exception:  # an example that cannot be read is no reason to refuse the model
        return None


def _signature_of(uri: str) -> ModelSignature | None:
    ref = resolve_model(uri)
    return ref.signature


def load_pyfunc(uri: str | Path) -> PyFuncModel:
    """Load a model as a pyfunc, with errors that say how to mend them.

    Raises
    ------
    VersionNotFoundError, TrackingServerError
        If the URI names nothing, or its store cannot be reached.
    ModelError
        If the files are there, but cannot be loaded.
    """
    ref = resolve_model(uri)
    try:
        model: PyFuncModel = mlflow.pyfunc.load_model(ref.uri)
        return model
    except ModuleNotFoundError as error:
        msg = (
            f"{ref.label} needs the package {error.name!r}, which is not installed here; install "
            f"what mlflow.pyfunc.get_model_dependencies({ref.uri!r}) lists"
        )
        raise ModelError(msg) from error
    except MlflowException as error:
        raise ModelError(_load_failed(ref.label, error)) from error
    except Exception as error:
        raise ModelError(_load_failed(ref.label, error)) from error


def _load_failed(label: str, error: Exception) -> str:
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    cure = "load it once with mlflow.pyfunc.load_model in this environment to see the whole error"
    if "pickle" in text.lower() and "MLFLOW_ALLOW_PICKLE" in str(error):
        cure = "set MLFLOW_ALLOW_PICKLE_DESERIALIZATION=true if you trust who logged it"
    elif "trusted" in text.lower():
        cure = "log it again with skops_trusted_types, or with serialization_format='cloudpickle'"
    elif "flavor" in text.lower():
        cure = "log it with a flavor that has a pyfunc, or give `predict: module:function`"
    return f"{label} cannot be loaded: {type(error).__name__}: {shorten(text, 240)}; {cure}"


def _plan(source: _Source, hook: Callable[..., Any] | None, task: str) -> _Plan:
    if hook is not None:
        return _plan_hook(source, hook)
    if source.pyfunc is not None:
        return _plan_pyfunc(source.pyfunc, task)
    model = source.model
    if hasattr(model, "predict") and (plan := _plan_raw(model, task, strict=False)):
        return plan
    if hasattr(model, "predict") and not callable(model):
        return _Plan(model.predict, f"predict of {type(model).__name__}", raw=model)
    return _plan_callable(model)


def _plan_hook(source: _Source, hook: Callable[..., Any]) -> _Plan:
    how = f"{getattr(hook, '__module__', '')}:{getattr(hook, '__qualname__', type(hook).__name__)}"
    if not wants_model(hook):
        return _Plan(hook, how)
    return _Plan(lambda inputs: hook(inputs, model=source.model), f"{how} with the model")


def _plan_callable(function: Callable[..., Any]) -> _Plan:
    name = getattr(function, "__qualname__", type(function).__name__)
    owner = getattr(function, "__self__", None)
    classes = getattr(owner, "classes_", None)
    if getattr(function, "__name__", "") == "predict_proba" and isinstance(classes, np.ndarray):
        return _Plan(function, name, owner, mode="classification", classes=tuple(classes.tolist()))
    return _Plan(function, name, raw=owner)


def _plan_pyfunc(model: PyFuncModel, task: str) -> _Plan:
    raw = _raw_model(model)
    predict_fn = model.metadata.flavors.get("python_function", {}).get("predict_fn", "predict")
    if predict_fn == "predict_proba":
        classes = getattr(raw, "classes_", None)
        known = tuple(classes.tolist()) if isinstance(classes, np.ndarray) else None
        how = "pyfunc logged with pyfunc_predict_fn='predict_proba'"
        return _Plan(
            model.predict, how, raw, strict=True, mode="classification", classes=known, labels=False
        )
    python_model = _python_model(model)
    if python_model is not None:
        return _plan_python_model(model, python_model)
    if raw is not None and (plan := _plan_raw(raw, task, strict=False)):
        return plan
    return _Plan(model.predict, "pyfunc predict", strict=True)


def _raw_model(model: PyFuncModel) -> Any:
    try:
        return model.get_raw_model()
    except NotImplementedError:
        return None


def _python_model(model: PyFuncModel) -> Any:
    try:
        return model.unwrap_python_model()
    except MlflowException:
        return None


def _plan_python_model(model: PyFuncModel, python_model: Any) -> _Plan:
    name = type(python_model).__name__
    classes = getattr(python_model, "classes_", None)
    known = None if classes is None else tuple(np.asarray(classes).tolist())
    if callable(getattr(python_model, "predict_proba", None)):
        call = _without_context(python_model.predict_proba)
        how = f"predict_proba of the PythonModel {name}"
        return _Plan(call, how, mode="classification", classes=known, labels=False)
    params = _probability_params(model)
    if params:
        how = f"PythonModel {name} with params {params}"
        return _Plan(
            lambda inputs: model.predict(inputs, params=params),
            how,
            strict=True,
            mode="classification",
            classes=known,
        )
    return _Plan(model.predict, f"predict of the PythonModel {name}", strict=True, classes=known)


def _without_context(method: Callable[..., Any]) -> Callable[[Any], Any]:
    """Return a method that is given the rows only, whether or not it asks for a context."""
    wanted = list(inspect.signature(method).parameters)
    if wanted and wanted[0] == "context":
        return lambda inputs: method(None, inputs)
    return method


def _probability_params(model: PyFuncModel) -> dict[str, Any]:
    """Return the inference parameter that makes a model give probabilities, if it has one."""
    schema = model.metadata.get_params_schema()
    for spec in schema.params if schema is not None else []:
        if spec.name in _PROBABILITY_PARAMS and spec.dtype.name == "boolean":
            return {spec.name: True}
        if spec.name == "predict_method" and spec.dtype.name == "string":
            return {spec.name: "predict_proba"}
    return {}


def _plan_raw(raw: Any, task: str, *, strict: bool) -> _Plan | None:
    scorer = raw_scorer(raw)
    if scorer is None:
        return None
    if task == "regression" and scorer.mode == "classification":
        return None
    return _Plan(
        call=scorer.call,
        how=scorer.how,
        raw=raw,
        strict=strict,
        mode=task if task != "auto" else scorer.mode,
        classes=scorer.classes,
        labels=scorer.labels if scorer.mode == "classification" else None,
        notes=(LABELS_NOTE,) if scorer.labels else (),
    )


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
    plan: _Plan,
    source: _Source,
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
    if known is None or mode is None:
        mode, known, notes = _judge(output, mode, names, plan)
    else:
        notes = _remarks(output, mode, plan, known)
    return ScoringFunction(
        mode=mode,
        class_names=known,
        how=plan.how,
        caster=caster,
        call=plan.call,
        notes=plan.notes + notes,
        classes=plan.classes,
        labels=plan.labels,
        signature=source.signature,
    )


def _caster(plan: _Plan, source: _Source, rows: Any) -> InputCaster:
    as_array = plan.raw is not None and not plan.strict and not reads_frames(plan.raw)
    return InputCaster.build(
        source.signature,
        features=None if plan.raw is None else feature_names(plan.raw),
        sample=rows if isinstance(rows, pd.DataFrame) else None,
        strict=plan.strict,
        form="array" if as_array else "frame",
    )


def _known_names(
    plan: _Plan, mode: str | None, names: tuple[str, ...] | None
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
    plan: _Plan, caster: InputCaster, rows: Any, *, needed: bool, trusted: bool
) -> tuple[InputCaster, Any]:
    """Return what the model gives for two rows, and the form of inputs that it reads."""
    try:
        output = _ask_leniently(plan, caster, rows)
        if n_rows_of(output) == len(rows):
            return caster, output
        listed = replace(caster, form="list")
        if _one_text_column(rows) and not plan.strict:
            output = _ask(plan.call, listed(rows), len(rows), plan.how)
            if n_rows_of(output) == len(rows):
                return listed, output
        as_scores(np.zeros(n_rows_of(output)), len(rows), mode="regression")
    except MlflowLimeError as error:
        # One instance on which the model fails is no reason to refuse the others.
        failed_there = isinstance(error, ModelError) and not isinstance(error, ModelOutputError)
        if needed or (trusted and not failed_there):
            raise
    return caster, None


def _ask_leniently(plan: _Plan, caster: InputCaster, rows: Any) -> Any:
    """Ask for both rows, and where the model refuses one of them, for the other one twice."""
    try:
        return _ask(plan.call, caster(rows), len(rows), plan.how)
    except ModelError:
        for pick in range(PROBE_ROWS):
            try:
                return _ask(plan.call, caster(_pick(rows, [pick] * 2)), len(rows), plan.how)
            except ModelError:
                continue
        raise


def _one_text_column(rows: Any) -> bool:
    if not isinstance(rows, pd.DataFrame) or rows.shape[1] != 1:
        return False
    return all(isinstance(value, str) for value in rows.iloc[:, 0])


def _judge(
    raw: Any, mode: str | None, names: tuple[str, ...] | None, plan: _Plan
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
    labels: NDArray[Any], mode: str | None, names: tuple[str, ...] | None, plan: _Plan
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


def _remarks(raw: Any, mode: str, plan: _Plan, names: tuple[str, ...]) -> tuple[str, ...]:
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


def _ask(call: Callable[[Any], Any], inputs: Any, n_rows: int, how: str) -> Any:
    """Call the model; its own message stays out of ours, because it may hold a row's values."""
    try:
        return call(inputs)
    except MlflowLimeError:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}, {frames[-1].name}"
        msg = (
            f"the model raised {type(error).__name__} on {n_rows} rows ({how}; {place}). Its "
            "message may hold data and is left out; it stands in this error's __context__"
        )
        raise ModelError(msg) from None
