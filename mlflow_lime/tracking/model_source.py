"""A model as it was given, opened: by URI or folder, loaded already, fitted, or a function."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.models.signature import ModelSignature
from mlflow.pyfunc import PyFuncModel

from mlflow_lime.errors import ModelError, shorten
from mlflow_lime.tracking.hooks import wants_model
from mlflow_lime.tracking.versions import resolve_model

__all__ = ["ModelSource", "load_pyfunc", "open_source"]


@dataclass(frozen=True, slots=True, eq=False)
class ModelSource:
    """A model as it was given, opened."""

    model: Any
    pyfunc: PyFuncModel | None = None
    signature: ModelSignature | None = None
    example: Any = None


def open_source(model: Any, hook: Callable[..., Any] | None) -> ModelSource:
    """Open a model, or only read its signature where the user's function does not need it.

    Raises
    ------
    VersionNotFoundError, TrackingServerError
        If a URI names nothing, or its store cannot be reached.
    ModelError
        If it cannot be loaded, or is no model.
    """
    if isinstance(model, (str, Path)):
        if hook is not None and not wants_model(hook):
            return ModelSource(None, signature=_signature_of(str(model)))
        model = load_pyfunc(model)
    if isinstance(model, PyFuncModel):
        signature = model.metadata.signature
        return ModelSource(model, pyfunc=model, signature=signature, example=_example(model))
    if hook is None and not callable(model) and not hasattr(model, "predict"):
        msg = (
            f"expected a model URI, a loaded model, or a function, got {type(model).__name__}; "
            "give for example 'models:/name/1'"
        )
        raise ModelError(msg)
    return ModelSource(model, signature=getattr(model, "signature", None))


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
    except (Exception, SystemExit) as error:  # code of the model may end the interpreter
        raise ModelError(_load_failed(ref.label, error)) from error


def _load_failed(label: str, error: BaseException) -> str:
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    cure = "load it once with mlflow.pyfunc.load_model in this environment to see the whole error"
    if "pickle" in text.lower() and "MLFLOW_ALLOW_PICKLE" in str(error):
        cure = "set MLFLOW_ALLOW_PICKLE_DESERIALIZATION=true if you trust who logged it"
    elif "trusted" in text.lower():
        cure = "log it again with skops_trusted_types, or with serialization_format='cloudpickle'"
    elif "flavor" in text.lower():
        cure = "log it with a flavor that has a pyfunc, or give `predict: module:function`"
    return f"{label} cannot be loaded: {type(error).__name__}: {shorten(text, 240)}; {cure}"
