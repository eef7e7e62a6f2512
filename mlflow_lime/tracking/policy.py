"""Which registered versions may be loaded: by name, by where their files lie, by their flavours.

Loading a model runs code, so that all of this is judged before: `check_source` before anything
is downloaded, `check_flavors` after the MLmodel file was read.

A list of sources keeps out what somebody without a right to write there has registered. A list of
flavours keeps out code that comes with the model: an MLmodel file that names another loader than
that of its flavour, and files put on Python's path (``code_paths``) or run as the model
(``model_code_path``), unless ``python_function``, which stands for code of one's own, is listed.
It is no sandbox: most flavours unpickle, which runs what the pickle says.
"""

import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from mlflow_lime.config import Config
from mlflow_lime.errors import NotAllowedError, did_you_mean, shorten
from mlflow_lime.tracking.connection import impatient, quiet_downloads, translate_errors
from mlflow_lime.tracking.versions import ModelVersionRef

__all__ = ["check_flavors", "check_source", "is_allowed_source", "without_secrets"]

PYTHON = "python_function"

_MOST_COPIES = 20
_MOST_DECODINGS = 5
_PARTS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<rest>.*)", re.DOTALL)
_CREDENTIALS = re.compile(r"//[^/?#\s]*@")
_REFERENCES = ("models", "runs")
_RUN_PATH = re.compile(r"(?P<run>\w[\w-]*)/(?P<path>[^/'\"\\%]+(/[^/'\"\\%]+)*)")
_VERSION_PATH = re.compile(r"(?P<name>[^/:]+)/(?P<version>[0-9]+)")
_PATH_KEYS = ("data", "model_data", "model_path", "pickled_model", "saved_model_dir")
_CODE_KEYS = ("code", "model_code_path")


@dataclass(frozen=True, slots=True)
class _Location:
    """A location in parts that are compared each on its own."""

    scheme: str
    host: str | None
    path: str


def check_source(name: str, version: str, config: Config, client: MlflowClient) -> None:
    """Refuse a version that may not be loaded, before anything of it is downloaded.

    Parameters
    ----------
    name, version : str
    config : Config
        Its `models` names the model, and its `registration.sources` the locations of files: the
        version's own location, that which the registry gives for a download, and those of what a
        copy or a run leads to must all match.
    client : MlflowClient

    Raises
    ------
    NotAllowedError
        If no pattern names the model, it is a prompt, or its files lie elsewhere.
    VersionNotFoundError, TrackingServerError
        If there is no such version, or the store cannot be reached.
    """
    label = f"{name}/{version}"
    if not config.matches(name):
        msg = (
            f"{shorten(label)} is not loaded: `models` is {shorten(config.models)}, which does not "
            "name it; add it there if you trust it"
        )
        raise NotAllowedError(msg)
    with impatient(), translate_errors(f"model version {label!r}"):
        found = client.get_model_version(name, version)
        if str(dict(found.tags or {}).get("mlflow.prompt.is_prompt", "")).lower() == "true":
            msg = f"{shorten(label)} is a prompt, not a model; leave it out of `models`"
            raise NotAllowedError(msg)
        sources = config.registration.sources
        if sources == "any":
            return
        locations = dict.fromkeys(_locations(found, client))
    for location in locations:
        if not is_allowed_source(location, sources):
            msg = (
                f"{shorten(label)} is not loaded: its files lie at "
                f"{shorten(without_secrets(location), 200)}, and registration.sources is "
                f"{shorten([without_secrets(source) for source in sources], 200)}; add the "
                "location there if you trust all who can write to it"
            )
            raise NotAllowedError(msg)


def is_allowed_source(location: str, sources: tuple[str, ...]) -> bool:
    """Return whether a location matches one of the patterns.

    Scheme, host (or bucket) and path are compared each on its own, so that a ``*`` in one cannot
    stand for another. Upper and lower case differ. A location with ``..``, also encoded, a
    question mark, a fragment, blanks at its ends, or signs that are read as others matches none.
    A path of this machine must match with its links resolved, too.

    Examples
    --------
    >>> is_allowed_source("s3://models/credit/3", ("s3://models/*",))
    True
    >>> is_allowed_source("s3://models/../evil", ("s3://models/*",))
    False
    >>> is_allowed_source("https://evil.org/a.example.com/m", ("https://*.example.com/*",))
    False
    """
    parts = _parse(location)
    if parts is None or not _is_harmless(parts):
        return False
    return any(_matches(parts, source) for source in sources)


def without_secrets(location: str) -> str:
    """Return a location without user, password, and query.

    Examples
    --------
    >>> without_secrets("sftp://me:secret@host/models?token=1")
    'sftp://***@host/models'
    """
    return re.split(r"[?#]", _CREDENTIALS.sub("//***@", location), maxsplit=1)[0]


def check_flavors(ref: ModelVersionRef, config: Config) -> None:
    """Refuse a model whose flavours are not allowed, or that brings other code than they say.

    Parameters
    ----------
    ref : ModelVersionRef
        The model, not loaded; its MLmodel file is read.
    config : Config
        Its `registration.flavors` lists what is allowed. Code of the model's own, that is
        ``code_paths``, a model given as a Python file, or a loader that is not that of an
        allowed flavour, needs ``python_function`` in the list.

    Raises
    ------
    NotAllowedError
        If the model is not allowed.
    """
    allowed = config.registration.flavors
    if allowed == "any":
        return
    try:
        with impatient(), quiet_downloads():
            model = Model.load(ref.uri)
    except (MlflowException, OSError, ValueError) as error:
        msg = (
            f"{shorten(ref.label)} is not loaded: its MLmodel file cannot be read "
            f"({type(error).__name__}), so that its flavours are not known"
        )
        raise NotAllowedError(msg) from error
    problem = _flavor_problem(model.flavors or {}, allowed)
    if problem:
        cure = f"registration.flavors is {shorten(list(allowed))}"
        raise NotAllowedError(f"{shorten(ref.label)} is not loaded: {problem}; {cure}")


# Flavours


def _flavor_problem(flavors: Mapping[str, Any], allowed: tuple[str, ...]) -> str:
    """Return what speaks against a model, or nothing."""
    others = sorted(str(name) for name in flavors if name != PYTHON)
    refused = [name for name in others if name not in allowed]
    if refused:
        hint = did_you_mean(refused[0], allowed)
        return f"its flavours {shorten(refused)} are not allowed.{hint}"
    if not others and PYTHON not in allowed:
        return f"it is code of its own ({PYTHON} is its only flavour)"
    outside = next(_paths_outside(flavors), None)
    if outside is not None:
        return f"its MLmodel file points outside of the model, to {shorten(outside)}"
    return "" if PYTHON in allowed else _own_code(flavors, others)


def _own_code(flavors: Mapping[str, Any], others: list[str]) -> str:
    """Return which code a model brings that is not its flavour's."""
    python = flavors.get(PYTHON)
    loader = str(python.get("loader_module", "")) if isinstance(python, Mapping) else ""
    usual = [f"mlflow.{name}" for name in others]
    if python is not None and loader not in usual:
        return f"it is loaded by {shorten(loader)}, not by {' or '.join(usual)}; allow {PYTHON}"
    for name, conf in flavors.items():
        if not isinstance(conf, Mapping):
            return f"the flavour {shorten(name)} is {shorten(conf)}, expected a mapping"
        for key in _CODE_KEYS:
            if conf.get(key):
                return f"it brings code of its own ({key} of {shorten(name)}); allow {PYTHON}"
    return ""


def _paths_outside(flavors: Mapping[str, Any]) -> Iterator[str]:
    for conf in flavors.values():
        for key, value in conf.items() if isinstance(conf, Mapping) else ():
            for path in _strings(value) if key in (*_PATH_KEYS, "code") else ():
                pure = PurePosixPath(path.replace("\\", "/"))
                if pure.is_absolute() or ".." in pure.parts or re.match(r"[A-Za-z]:", path):
                    yield path


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _strings(item)


# Sources


def _locations(found: ModelVersion, client: MlflowClient) -> Iterator[str]:
    """Yield every location that MLflow may read the files of a version from."""
    yield from _followed(str(found.source or ""), client, 0)
    download = client.get_model_version_download_uri(found.name, str(found.version))
    yield from _followed(str(download or ""), client, 0)


def _followed(location: str, client: MlflowClient, depth: int) -> Iterator[str]:
    """Yield a location, or those that a reference to a version, a model or a run leads to."""
    scheme, _, rest = location.partition(":/")
    if depth > _MOST_COPIES:
        yield location
    elif scheme == "runs" and (found := _RUN_PATH.fullmatch(rest)) and _is_plain(rest):
        yield from _of_run(found["run"], found["path"], client)
    elif scheme == "models" and re.fullmatch(r"m-\w+", rest):
        yield str(client.get_logged_model(rest).artifact_location)
    elif scheme == "models" and (found := _VERSION_PATH.fullmatch(rest)):
        download = client.get_model_version_download_uri(found["name"], found["version"])
        yield from _followed(str(download or ""), client, depth + 1)
    else:
        yield location  # no reference, or one that may lead elsewhere tomorrow


def _of_run(run_id: str, path: str, client: MlflowClient) -> Iterator[str]:
    """Yield where the files of a run lie, and of models that it logged under that name."""
    run = client.get_run(run_id)
    yield f"{str(run.info.artifact_uri).rstrip('/')}/{path}"
    # MLflow takes the files of such a model where both have them.
    name, token = path.partition("/")[0], None
    while True:
        models = client.search_logged_models(
            [run.info.experiment_id], filter_string=f"name = '{name}'", page_token=token
        )
        yield from (str(m.artifact_location) for m in models if m.source_run_id == run_id)
        token = models.token
        if not token:
            return


def _parse(location: str) -> _Location | None:
    """Split a location; None if it has none of the usual forms."""
    found = _PARTS.fullmatch(location)
    if found is None:
        return _Location("file", None, location) if location else None
    scheme, rest = found["scheme"].lower(), found["rest"]
    if not rest.startswith("//"):
        return _Location(scheme, None, rest)
    host, slash, path = rest[2:].partition("/")
    if scheme == "file" and host in ("", "localhost"):
        return _Location("file", None, slash + path)
    if ":" in host.rpartition("@")[0]:
        user = host.rpartition("@")[0].partition(":")[0]
        host = f"{user}@{host.rpartition('@')[2]}"
    return _Location(scheme, host, slash + path)


def _is_harmless(parts: _Location) -> bool:
    """Return whether nothing in a location can be read in two ways."""
    host = parts.host or ""
    if host and not re.fullmatch(r"[A-Za-z0-9._@:\[\]$-]+", host):
        return False
    if parts.scheme != "file" and re.search(r"[?#]", parts.path):
        return False
    return parts.scheme not in _REFERENCES and _is_plain(parts.path)


def _is_plain(path: str) -> bool:
    text = path
    for _ in range(_MOST_DECODINGS):
        folded = unicodedata.normalize("NFKC", text)
        for form in (text, folded):
            segments = form.split("/")
            if ".." in segments or "\\" in form or any(s != s.strip() for s in segments):
                return False
            if any(unicodedata.category(sign) in ("Cc", "Cf", "Cs") for sign in form):
                return False
        decoded = unquote(text, errors="surrogateescape")
        if decoded == text:
            return True
        text = decoded
    return False


def _matches(parts: _Location, source: str) -> bool:
    pattern = _parse(source)
    if source == "*":
        return True
    if pattern is None or not fnmatchcase(parts.scheme, pattern.scheme):
        return False
    if (parts.host is None) != (pattern.host is None):
        return False
    if parts.host is not None and not fnmatchcase(parts.host, pattern.host or ""):
        return False
    if not all(fnmatchcase(path, pattern.path) for path in (parts.path, unquote(parts.path))):
        return False
    if parts.scheme != "file":
        return True
    resolved = _resolved(pattern.path)
    forms = {os.path.realpath(path) for path in (parts.path, unquote(parts.path))}
    return all(fnmatchcase(form, resolved) for form in forms)


def _resolved(pattern: str) -> str:
    """Return a pattern of paths with the links before its first wildcard resolved."""
    fixed = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    folder = fixed if fixed == pattern else fixed[: fixed.rfind("/") + 1]
    real = os.path.realpath(folder) if folder else os.path.realpath(".")
    rest = pattern[len(folder) :]
    return f"{real.rstrip('/')}/{rest}" if rest else real
