"""Which version a candidate is compared with."""

import re

from mlflow import MlflowClient

from mlflow_lime.errors import ConfigError, NoEarlierVersionError, VersionNotFoundError, shorten
from mlflow_lime.tracking.versions import ModelVersionRef, versions_of

__all__ = ["resolve_baseline"]

_FORMS = "previous, a version number, an alias such as @champion, or a model or run URI"


def resolve_baseline(wish: str, candidate: ModelVersionRef, client: MlflowClient) -> str:
    """Return the URI of a baseline.

    Parameters
    ----------
    wish : str
        ``previous``, a version number, ``@alias``, a model URI, or ``runs:/<review run>``.
    candidate : ModelVersionRef
        The version that is compared.
    client : MlflowClient

    Returns
    -------
    str
        A URI; whether the version exists is seen when it is read.

    Raises
    ------
    ConfigError
        If the wish has no known form.
    NoEarlierVersionError
        If the candidate is the first version.
    VersionNotFoundError
        If the candidate is not registered.
    """
    if wish == "previous" or wish.isdecimal() or wish.startswith("@"):
        return _of_same_model(wish, candidate, client)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", wish) or "/" in wish:
        return wish
    msg = f"expected {_FORMS}, got {shorten(wish)}. To name an alias, write @{shorten(wish)[1:-1]}."
    raise ConfigError(msg)


def _of_same_model(wish: str, candidate: ModelVersionRef, client: MlflowClient) -> str:
    name = candidate.name
    if name is None or candidate.version is None:
        msg = (
            f"{candidate.label} is not a version of a registered model, so {shorten(wish)} names "
            "nothing; give the URI of the model or run to compare with"
        )
        raise VersionNotFoundError(msg)
    if wish.startswith("@"):
        return f"models:/{name}{wish}"
    if wish != "previous":
        return f"models:/{name}/{wish}"
    number = int(candidate.version)
    earlier = [int(v.version) for v in versions_of(name, client) if int(v.version) < number]
    if not earlier:
        msg = f"{candidate.label} is the first version of {name!r}; there is none before it"
        raise NoEarlierVersionError(msg)
    return f"models:/{name}/{max(earlier)}"
