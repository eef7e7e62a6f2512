"""From a model URI to the registered version, its logged model, its run, and its experiment.

MLflow leaves most of these links empty on a database store: a version has no `model_id`, one
that was registered in the UI has no `run_id`, and a copied version points to another version. So
they are followed here, once, and kept in a `ModelVersionRef`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.models.signature import ModelSignature

from mlflow_lime.errors import ModelError, VersionNotFoundError, did_you_mean, shorten
from mlflow_lime.tracking.connection import impatient, is_missing, translate_errors, where

__all__ = ["ModelVersionRef", "resolve_model", "versions_of"]

Found = TypeVar("Found")

_SCHEME = "models:/"
_FORMS = (
    "models:/<name>/<version>, models:/<name>@<alias>, models:/<name>/latest, models:/m-<id>, "
    "runs:/<run id>/<name>, or a folder that holds an MLmodel file"
)
_MOST_COPIES = 20


@dataclass(frozen=True, slots=True)
class ModelVersionRef:
    """What is known of a model before it is loaded.

    Attributes
    ----------
    uri : str
        The model, with aliases and ``latest`` resolved to a number.
    name, version : str or None
        The registered model and its version; None for a model that is not registered.
    model_id : str or None
        The LoggedModel that holds the files, at the end of all copies.
    run_id : str or None
        The run that logged the model.
    run_active : bool
        Whether that run exists and is not deleted, so that metrics can be logged to it.
    experiment_id : str or None
        The experiment of the run, or of the LoggedModel.
    aliases : tuple of str
        Aliases that point to this version, sorted.
    tags : mapping of str to str
        Tags of the version, or of the LoggedModel where there is no version.
    flavors : tuple of str
        Flavours in the MLmodel file, sorted; empty where it cannot be read.
    signature : ModelSignature or None
        Signature in the MLmodel file.
    """

    uri: str
    name: str | None = None
    version: str | None = None
    model_id: str | None = None
    run_id: str | None = None
    run_active: bool = False
    experiment_id: str | None = None
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    flavors: tuple[str, ...] = ()
    signature: ModelSignature | None = field(default=None, compare=False)

    @property
    def label(self) -> str:
        """Return what a person calls it: ``name/version``, the model's id, or the URI."""
        if self.name is not None:
            return f"{self.name}/{self.version}"
        return self.model_id or self.uri


def resolve_model(uri: str | Path, client: MlflowClient | None = None) -> ModelVersionRef:
    """Find out which version, logged model, run, and experiment a URI means.

    Parameters
    ----------
    uri : str or Path
        ``models:/name/7``, ``models:/name@alias``, ``models:/name/latest``, ``models:/m-...``,
        ``runs:/id/name``, or a local folder.
    client : MlflowClient, optional
        Client of the store to ask; by default, and best, that of the current tracking URI, from
        which MLflow also loads the model's files.

    Raises
    ------
    VersionNotFoundError
        If the model, version, alias, run, or folder does not exist.
    TrackingServerError
        If the store cannot be reached; noticed within seconds.
    ModelError
        If the URI has no known form.
    """
    text = str(uri).strip()
    client = client or MlflowClient()
    with impatient():
        if text.startswith(_SCHEME):
            return _registered(text, client)
        if text.startswith("runs:/"):
            return _from_run(text, client)
        return _from_folder(text, client)


def versions_of(name: str, client: MlflowClient | None = None) -> list[ModelVersion]:
    """Return all versions of a registered model, oldest first.

    Raises
    ------
    VersionNotFoundError
        If no model of that name has versions.
    TrackingServerError
        If the store cannot be reached.
    """
    client = client or MlflowClient()
    with impatient(), translate_errors(f"registered model {name!r}"):
        versions = _search_versions(name, client)
        if not versions:
            raise VersionNotFoundError(_no_such_model(name, client))
    return versions


def _search_versions(name: str, client: MlflowClient) -> list[ModelVersion]:
    quote = '"' if "'" in name else "'"
    found: list[ModelVersion] = []
    token: str | None = None
    while True:
        page = client.search_model_versions(f"name={quote}{name}{quote}", page_token=token)
        found.extend(page)
        token = page.token
        if not token:
            return sorted(found, key=lambda version: int(version.version))


def _registered(uri: str, client: MlflowClient) -> ModelVersionRef:
    path = uri[len(_SCHEME) :].lstrip("/")
    if "/" in path:
        name, _, suffix = path.rpartition("/")
        if not name or not suffix:
            raise _malformed(uri)
        return _from_version(_by_suffix(name, suffix, client), client)
    if "@" in path:
        name, _, alias = path.rpartition("@")
        return _from_version(_by_alias(name, alias, client), client)
    if not path:
        raise _malformed(uri)
    if not path.startswith("m-"):
        raise VersionNotFoundError(_version_missing_in(path, client))
    return _from_logged_model(path, client)


def _malformed(uri: str) -> ModelError:
    return ModelError(f"{shorten(uri)} names no model; expected {_FORMS}")


def _by_suffix(name: str, suffix: str, client: MlflowClient) -> ModelVersion:
    if not suffix.isdigit():
        return _newest(name, suffix, client)
    with translate_errors(f"model version '{name}/{suffix}'"):
        try:
            return client.get_model_version(name, suffix)
        except MlflowException as error:
            if not is_missing(error):
                raise
            raise VersionNotFoundError(_no_such_version(name, suffix, client)) from error


def _newest(name: str, suffix: str, client: MlflowClient) -> ModelVersion:
    """Return the newest version for ``latest`` or for one of MLflow's older stages."""
    versions = versions_of(name, client)
    if suffix.lower() != "latest":
        versions = [v for v in versions if str(v.current_stage).lower() == suffix.lower()]
    if not versions:
        raise VersionNotFoundError(_no_such_version(name, suffix, client))
    return versions[-1]


def _by_alias(name: str, alias: str, client: MlflowClient) -> ModelVersion:
    with translate_errors(f"alias '{name}@{alias}'"):
        try:
            return client.get_model_version_by_alias(name, alias)
        except MlflowException as error:
            if not is_missing(error):
                raise
            raise VersionNotFoundError(_no_such_alias(name, alias, client)) from error


def _no_such_model(name: str, client: MlflowClient) -> str:
    known = [model.name for model in client.search_registered_models(max_results=1000)]
    have = f" It has {_listed(known)}." if known else " It has no registered models."
    return f"no registered model {name!r} in {where()}.{did_you_mean(name, known)}{have}"


def _no_such_version(name: str, version: str, client: MlflowClient) -> str:
    versions = _search_versions(name, client)
    if not versions:
        return _no_such_model(name, client)
    have = _listed(v.version for v in versions)
    return (
        f"registered model {name!r} has no version {version!r} in {where()}; it has versions {have}"
    )


def _no_such_alias(name: str, alias: str, client: MlflowClient) -> str:
    if not _search_versions(name, client):
        return _no_such_model(name, client)
    known = sorted(client.get_registered_model(name).aliases)
    have = f"it has {_listed(known)}" if known else "it has no aliases"
    return (
        f"registered model {name!r} has no alias {alias!r} in {where()}; {have}."
        f"{did_you_mean(alias, known)}"
    )


def _version_missing_in(name: str, client: MlflowClient) -> str:
    with translate_errors(f"registered model {name!r}"):
        versions = _search_versions(name, client)
        if not versions:
            return _no_such_model(name, client)
    return (
        f"'models:/{name}' names no version; write models:/{name}/{versions[-1].version} or "
        f"models:/{name}/latest"
    )


def _listed(items: Iterable[object], most: int = 12) -> str:
    texts = [str(item) for item in items]
    shown = texts if len(texts) <= most else ["...", *texts[-most:]]
    return ", ".join(shown)


def _from_version(version: ModelVersion, client: MlflowClient) -> ModelVersionRef:
    tags = dict(version.tags or {})
    label = f"{version.name}/{version.version}"
    if tags.get("mlflow.prompt.is_prompt", "").lower() == "true":
        raise VersionNotFoundError(f"{label!r} is a prompt, not a model; name a model version")
    with translate_errors(f"model version {label!r}"):
        model_id, run_id = _follow(version, client)
    ref = ModelVersionRef(
        uri=f"{_SCHEME}{label}",
        name=version.name,
        version=str(version.version),
        model_id=model_id,
        run_id=run_id,
        aliases=tuple(sorted(version.aliases or ())),
        tags=tags,
    )
    return _complete(ref, client)


def _follow(version: ModelVersion, client: MlflowClient) -> tuple[str | None, str | None]:
    """Return the LoggedModel and the run at the end of a chain of copied versions."""
    run_id = version.run_id or None
    source = str(version.source or "")
    for _ in range(_MOST_COPIES):
        if not source.startswith(_SCHEME):
            return getattr(version, "model_id", None) or None, run_id
        name, slash, number = source[len(_SCHEME) :].lstrip("/").rpartition("/")
        if not slash:
            return number, run_id
        try:
            parent = client.get_model_version(name, number)
        except MlflowException as error:
            if not is_missing(error):
                raise
            return None, run_id
        run_id = run_id or parent.run_id or None
        source = str(parent.source or "")
    return None, run_id


def _from_logged_model(model_id: str, client: MlflowClient) -> ModelVersionRef:
    with translate_errors(f"logged model {model_id!r}"):
        model = client.get_logged_model(model_id)
    ref = ModelVersionRef(
        uri=f"{_SCHEME}{model_id}",
        model_id=model_id,
        tags=dict(model.tags or {}),
    )
    return _complete(ref, client)


def _from_run(uri: str, client: MlflowClient) -> ModelVersionRef:
    run_id, _, path = uri[len("runs:/") :].lstrip("/").partition("/")
    if not run_id or not path:
        raise _malformed(uri)
    with translate_errors(f"run {run_id!r}"):
        run = client.get_run(run_id)
    ref = _complete(ModelVersionRef(uri=uri, run_id=run_id), client)
    if not ref.flavors:
        known = sorted(model.name for model in _models_of_run(run, client))
        have = f"the run logged {_listed(known)}" if known else "the run logged no model"
        hint = did_you_mean(path, known)
        raise VersionNotFoundError(f"run {run_id!r} has no model {path!r}; {have}.{hint}")
    return ref


def _models_of_run(run: Run, client: MlflowClient) -> list[LoggedModel]:
    try:
        return list(
            client.search_logged_models(
                [run.info.experiment_id], filter_string=f"source_run_id='{run.info.run_id}'"
            )
        )
    except MlflowException:
        return []


def _from_folder(path: str, client: MlflowClient) -> ModelVersionRef:
    if "://" in path and not path.startswith("file://"):
        return _complete(ModelVersionRef(uri=path), client)
    folder = Path(path.removeprefix("file://"))
    if not folder.exists():
        msg = f"{shorten(path)} does not exist; expected {_FORMS}"
        raise VersionNotFoundError(msg)
    if not (folder / "MLmodel").is_file():
        msg = f"{shorten(path)} holds no MLmodel file; expected {_FORMS}"
        raise VersionNotFoundError(msg)
    return _complete(ModelVersionRef(uri=str(folder)), client)


def _complete(ref: ModelVersionRef, client: MlflowClient) -> ModelVersionRef:
    """Fill in what the MLmodel file, the LoggedModel, and the run know."""
    model = _read_mlmodel(ref.uri)
    ref = replace(
        ref,
        model_id=ref.model_id or getattr(model, "model_id", None) or None,
        run_id=ref.run_id or getattr(model, "run_id", None) or None,
        flavors=tuple(sorted(model.flavors)) if model else (),
        signature=model.signature if model else None,
    )
    model_id = ref.model_id
    logged = _look_up(lambda: client.get_logged_model(model_id)) if model_id else None
    run_id = ref.run_id or (logged.source_run_id if logged else None) or None
    run = _look_up(lambda: client.get_run(run_id)) if run_id else None
    in_store = ref.name is not None or ref.uri.startswith("runs:/")
    return replace(
        ref,
        # A folder may come from another store, whose ids mean nothing in this one.
        model_id=ref.model_id if logged or in_store else None,
        run_id=run_id if run or in_store else None,
        run_active=run is not None and run.info.lifecycle_stage == "active",
        experiment_id=_experiment(run, logged),
    )


def _experiment(run: Run | None, logged: LoggedModel | None) -> str | None:
    if run is not None:
        return str(run.info.experiment_id)
    return str(logged.experiment_id) if logged is not None else None


def _look_up(ask: Callable[[], Found]) -> Found | None:
    """Return what the store knows, or None where it knows nothing or cannot say."""
    try:
        return ask()
    except MlflowException:
        return None


def _read_mlmodel(uri: str) -> Model | None:
    try:
        return Model.load(uri)
    except (MlflowException, OSError, ValueError):
        return None
