"""Which way leads from a model to its scores, from what the model says about itself.

In this order: the user's own function, a pyfunc that gives probabilities already, the fitted
model's `predict_proba`, a PythonModel's, a regression's values, and labels as zeros and ones.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PyFuncModel

from mlflow_lime.tracking.hooks import wants_model
from mlflow_lime.tracking.model_source import ModelSource
from mlflow_lime.tracking.proven_call import ProvenCall
from mlflow_lime.tracking.raw_models import LABELS_NOTE, raw_scorer

__all__ = ["ScoringPlan", "plan_scoring"]

_PROBABILITY_PARAMS = ("proba", "predict_proba", "return_proba", "probabilities")


@dataclass(frozen=True, slots=True, eq=False)
class ScoringPlan:
    """What is known so far of how a model will be asked.

    `own` says that a function of the user's gives the scores, which are taken as they are.
    """

    call: Callable[[Any], Any]
    how: str
    raw: Any = None
    strict: bool = False
    mode: str | None = None
    classes: tuple[Any, ...] | None = None
    labels: bool | None = None
    notes: tuple[str, ...] = ()
    own: bool = False


def plan_scoring(source: ModelSource, hook: Callable[..., Any] | None, task: str) -> ScoringPlan:
    """Return how a model will be asked, without asking it."""
    if hook is not None:
        return _plan_hook(source, hook)
    if source.pyfunc is not None:
        return _plan_pyfunc(source.pyfunc, task)
    model = source.model
    if hasattr(model, "predict") and (plan := _plan_raw(model, task, strict=False)):
        return plan
    if hasattr(model, "predict") and not callable(model):
        return ScoringPlan(model.predict, f"predict of {type(model).__name__}", raw=model)
    return _plan_callable(model)


def _plan_hook(source: ModelSource, hook: Callable[..., Any]) -> ScoringPlan:
    how = f"{getattr(hook, '__module__', '')}:{getattr(hook, '__qualname__', type(hook).__name__)}"
    if not wants_model(hook):
        return ScoringPlan(hook, how, own=True)
    return ScoringPlan(
        lambda inputs: hook(inputs, model=source.model), f"{how} with the model", own=True
    )


def _plan_callable(function: Callable[..., Any]) -> ScoringPlan:
    name = getattr(function, "__qualname__", type(function).__name__)
    owner = getattr(function, "__self__", None)
    classes = getattr(owner, "classes_", None)
    if getattr(function, "__name__", "") == "predict_proba" and isinstance(classes, np.ndarray):
        return ScoringPlan(
            function, name, owner, mode="classification", classes=tuple(classes.tolist())
        )
    return ScoringPlan(function, name, raw=owner, own=True)


def _plan_pyfunc(model: PyFuncModel, task: str) -> ScoringPlan:
    raw = _raw_model(model)
    predict_fn = model.metadata.flavors.get("python_function", {}).get("predict_fn", "predict")
    if predict_fn == "predict_proba":
        classes = getattr(raw, "classes_", None)
        known = tuple(classes.tolist()) if isinstance(classes, np.ndarray) else None
        how = "pyfunc logged with pyfunc_predict_fn='predict_proba'"
        direct = getattr(raw, "predict_proba", None)
        call = ProvenCall(model.predict, direct) if callable(direct) else model.predict
        return ScoringPlan(
            call, how, raw, strict=True, mode="classification", classes=known, labels=False
        )
    python_model = _python_model(model)
    if python_model is not None:
        return _plan_python_model(model, python_model)
    if raw is not None and (plan := _plan_raw(raw, task, strict=False)):
        return plan
    return ScoringPlan(model.predict, "pyfunc predict", strict=True)


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


def _plan_python_model(model: PyFuncModel, python_model: Any) -> ScoringPlan:
    name = type(python_model).__name__
    classes = getattr(python_model, "classes_", None)
    known = None if classes is None else tuple(np.asarray(classes).tolist())
    if callable(getattr(python_model, "predict_proba", None)):
        call = _without_context(python_model.predict_proba)
        how = f"predict_proba of the PythonModel {name}"
        return ScoringPlan(call, how, mode="classification", classes=known, labels=False)
    params = _probability_params(model)
    if params:
        how = f"PythonModel {name} with params {params}"
        return ScoringPlan(
            lambda inputs: model.predict(inputs, params=params),
            how,
            strict=True,
            mode="classification",
            classes=known,
        )
    return ScoringPlan(
        model.predict, f"predict of the PythonModel {name}", strict=True, classes=known
    )


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


def _plan_raw(raw: Any, task: str, *, strict: bool) -> ScoringPlan | None:
    scorer = raw_scorer(raw)
    if scorer is None:
        return None
    if task == "regression" and scorer.mode == "classification":
        return None
    return ScoringPlan(
        call=scorer.call,
        how=scorer.how,
        raw=raw,
        strict=strict,
        mode=task if task != "auto" else scorer.mode,
        classes=scorer.classes,
        labels=scorer.labels if scorer.mode == "classification" else None,
        notes=(LABELS_NOTE,) if scorer.labels else (),
    )
