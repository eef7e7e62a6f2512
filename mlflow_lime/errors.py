"""Every error that mlflow-lime raises on purpose.

::

    MlflowLimeError
    ├── ConfigError (ValueError)             the YAML file or keyword options
    ├── DataError (ValueError)               instances, background, masks
    │   └── InstanceNotFoundError (LookupError)
    ├── ReferenceSetError (ValueError)       the pinned instances of a model
    │   └── DigestMismatchError
    ├── ModelError (RuntimeError)            loading or calling the model
    │   └── ModelOutputError (ValueError)    what the model returned
    ├── VersionNotFoundError (LookupError)   no such model, version, or run
    │   └── NoEarlierVersionError            the first version has none before it
    ├── NotComparableError (ValueError)      two versions whose reasons answer different questions
    ├── NotAllowedError (PermissionError)    a model that the configuration does not let load
    ├── ReviewInProgressError (RuntimeError) another process explains the same version
    └── TrackingServerError (ConnectionError)

Each one is also the builtin error that a caller would catch, and its message says what was
expected, what was got, where, and how to mend it.
"""

import difflib
from collections.abc import Iterable

__all__ = [
    "ConfigError",
    "DataError",
    "DigestMismatchError",
    "InstanceNotFoundError",
    "MlflowLimeError",
    "ModelError",
    "ModelOutputError",
    "NoEarlierVersionError",
    "NotAllowedError",
    "NotComparableError",
    "ReferenceSetError",
    "ReviewInProgressError",
    "TrackingServerError",
    "VersionNotFoundError",
    "did_you_mean",
    "shorten",
]


class MlflowLimeError(Exception):
    """The root of every error that mlflow-lime raises on purpose."""

    def __str__(self) -> str:
        # LookupError subclasses would otherwise show the message in quotation marks.
        return str(self.args[0]) if self.args else type(self).__name__


class ConfigError(MlflowLimeError, ValueError):
    """The configuration is wrong: an unknown key, a wrong type, or values that contradict."""


class DataError(MlflowLimeError, ValueError):
    """The data to explain, or the background data, cannot be used."""


class InstanceNotFoundError(DataError, LookupError):
    """A configured instance does not exist in the data."""


class ReferenceSetError(MlflowLimeError, ValueError):
    """The pinned reference set cannot be used."""


class DigestMismatchError(ReferenceSetError):
    """The reference set is not the one that the registered model pins."""


class ModelError(MlflowLimeError, RuntimeError):
    """The model cannot be loaded or called."""


class ModelOutputError(ModelError, ValueError):
    """The model returned something that cannot be explained."""


class VersionNotFoundError(MlflowLimeError, LookupError):
    """The registered model, version, alias, run, or logged model does not exist."""


class NotComparableError(MlflowLimeError, ValueError):
    """The reasons of two versions answer different questions, or one version has none."""


class NotAllowedError(MlflowLimeError, PermissionError):
    """The configuration does not allow to load the model."""


class ReviewInProgressError(MlflowLimeError, RuntimeError):
    """Another process explains the same version, or picks the reference set of its model."""


class NoEarlierVersionError(VersionNotFoundError):
    """The first version of a model is to be compared with the one before it."""


class TrackingServerError(MlflowLimeError, ConnectionError):
    """The tracking server or registry cannot be reached."""


def did_you_mean(name: str, known: Iterable[object]) -> str:
    """Return `` Did you mean 'x'?`` for the known name nearest to `name`, or nothing.

    Parameters
    ----------
    name : str
        What a person typed.
    known : iterable
        What they may have meant.

    Returns
    -------
    str
        A sentence with a leading space, or the empty string.

    Examples
    --------
    >>> did_you_mean("instnces", ["instances", "background"])
    " Did you mean 'instances'?"
    """
    close = difflib.get_close_matches(str(name), [str(item) for item in known], n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def shorten(value: object, limit: int = 80) -> str:
    """Return ``repr(value)``, cut to at most `limit` characters.

    Examples
    --------
    >>> shorten("abcdefghij", limit=8)
    "'abcd..."
    """
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
