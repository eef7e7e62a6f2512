"""The user's own functions, by name."""

import importlib
import inspect
import os
import sys
from collections.abc import Callable
from typing import Any

from mlflow_lime.errors import ConfigError, did_you_mean, shorten

__all__ = ["import_function", "wants_model"]


def import_function(spec: str | Callable[..., Any], *, key: str = "predict") -> Callable[..., Any]:
    """Return the function that ``module:function`` names.

    The current folder is searched last, so that a function can stand beside the configuration.

    Parameters
    ----------
    spec : str or callable
    key : str
        Key of the configuration that names it, for the messages.

    Raises
    ------
    ConfigError
        If the text has another form, or names no function; or if the module cannot be imported.

    Examples
    --------
    >>> import_function("math:sqrt")(9)
    3.0
    """
    if callable(spec):
        return spec
    module_name, colon, path = str(spec).partition(":")
    if not colon or not module_name or not path:
        msg = f"{key} must have the form 'module:function', got {spec!r}"
        raise ConfigError(msg)
    found: Any = _import_module(module_name, f"{key} {spec!r}")
    for name in path.split("."):
        if not hasattr(found, name):
            hint = did_you_mean(name, dir(found))
            msg = f"{key} {spec!r}: {module_name} has no {name!r}.{hint}"
            raise ConfigError(msg)
        found = getattr(found, name)
    if not callable(found):
        msg = f"{key} {spec!r} is {type(found).__name__}, expected a function"
        raise ConfigError(msg)
    function: Callable[..., Any] = found
    return function


def _import_module(name: str, where: str) -> Any:
    here = os.getcwd()
    added = here not in sys.path
    if added:
        sys.path.append(here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and not f"{name}.".startswith(f"{error.name}."):
            msg = f"{where}: {name} needs {error.name!r}, which is not installed"
            raise ConfigError(msg) from error
        msg = (
            f"{where}: there is no module {name!r} here ({here}) or among the installed "
            "packages; install it, or put its folder on PYTHONPATH"
        )
        raise ConfigError(msg) from error
    except Exception as error:
        msg = f"{where}: importing {name} raised {type(error).__name__}: {shorten(str(error), 200)}"
        raise ConfigError(msg) from error
    finally:
        if added and here in sys.path:
            sys.path.remove(here)


def wants_model(hook: Callable[..., Any]) -> bool:
    """Return whether a function has a parameter called ``model``."""
    try:
        return "model" in inspect.signature(hook).parameters
    except (TypeError, ValueError):
        return False
