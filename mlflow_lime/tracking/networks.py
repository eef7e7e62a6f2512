"""The neural network of a model, where it has one that can be looked into."""

from importlib.util import find_spec
from typing import Any, Final

from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PyFuncModel

from mlflow_lime.config import Config
from mlflow_lime.deep.network import Network
from mlflow_lime.errors import ConfigError, MlflowLimeError, ModelError, shorten
from mlflow_lime.tracking.hooks import import_function

__all__ = ["NotApplicableError", "find_network"]

PACKAGES: Final = ("torch", "captum")
"""What the extra ``deep`` installs."""

_OTHERS: Final = {
    "keras": "a Keras model",
    "tensorflow": "a TensorFlow model",
    "onnx": "an ONNX model",
    "transformers": "a transformers pipeline",
    "sentence_transformers": "a sentence-transformers model",
}


class NotApplicableError(ModelError):
    """The methods do not apply to a model.

    Attributes
    ----------
    network : bool
        Whether it is, or may be, a neural network, so that a person would expect them.
    """

    def __init__(self, message: str, *, network: bool) -> None:
        super().__init__(message)
        self.network = network


def find_network(model: Any, config: Config, rows: Any) -> Network:
    """Return the network of a model.

    Parameters
    ----------
    model : object
        As `ScoringFunction.model` holds it.
    config : Config
        Its ``deep.network`` names a function from the model to the network, where that is needed.
    rows : DataFrame or ndarray
        Rows as the model reads them, in which the columns vary.

    Raises
    ------
    NotApplicableError
        If it has none, or none that is known.
    ConfigError
        If ``deep.network`` cannot be used.
    """
    from mlflow_lime.deep.perceptron import is_perceptron, perceptron_network

    spec = config.deep.network
    raw = _raw(model)
    perceptron = is_perceptron(raw)
    if spec is None and not perceptron and not _is_module(raw):
        raise _other(model, raw)
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        msg = f"{' and '.join(missing)} not installed: pip install 'mlflow-lime[deep]'"
        raise NotApplicableError(msg, network=config.deep.methods != "auto" or not perceptron)
    if spec is not None:
        return _named(spec, model)
    if perceptron:
        return perceptron_network(raw, rows)
    return Network(raw, name=type(raw).__name__)


def _named(spec: str, model: Any) -> Network:
    function = import_function(spec, key="deep.network")
    try:
        found = function(model)
    except (Exception, SystemExit) as error:  # its text may hold values of the data
        msg = f"deep.network {spec!r} raised {type(error).__name__}; call it with the loaded model"
        raise ConfigError(msg) from error
    if _is_module(found):
        return Network(found, name=type(found).__name__)
    if isinstance(found, Network) and _is_module(found.module):
        return found
    msg = (
        f"deep.network {spec!r} returned {type(found).__name__}, expected a torch.nn.Module or a "
        "mlflow_lime.Network of one"
    )
    raise ConfigError(msg)


def _raw(model: Any) -> Any:
    """Return the fitted model itself; None where a pyfunc does not give it."""
    if not isinstance(model, PyFuncModel):
        return getattr(model, "__self__", model)
    try:
        return model.get_raw_model()
    except (NotImplementedError, MlflowException, AttributeError):
        return None


def _is_module(model: Any) -> bool:
    """Return whether a model is a module of torch, without importing torch."""
    return any(
        kind.__name__ == "Module" and kind.__module__ == "torch.nn.modules.module"
        for kind in type(model).__mro__
    )


def _other(model: Any, raw: Any) -> MlflowLimeError:
    flavors = model.metadata.flavors if isinstance(model, PyFuncModel) else {}
    named = [words for flavor, words in _OTHERS.items() if flavor in flavors]
    if named:
        msg = (
            f"{named[0]}: DeepLIFT and LRP look into modules of torch and perceptrons of "
            "scikit-learn alone, so LIME explains it by itself"
        )
        return NotApplicableError(msg, network=True)
    if isinstance(model, PyFuncModel) and raw is None:
        msg = (
            "what the model is made of is not known; if it is a torch module, let deep.network "
            "name a function that returns it"
        )
        return NotApplicableError(msg, network=False)
    msg = f"{shorten(type(raw).__name__, 60)} is no neural network"
    return NotApplicableError(msg, network=False)
