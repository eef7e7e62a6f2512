"""What may be loaded: names, places, flavours, and what tries to look like them."""

import contextlib
import os
import sqlite3
from pathlib import Path

import mlflow
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
from sklearn.linear_model import LogisticRegression

from mlflow_lime.config import Config
from mlflow_lime.errors import NotAllowedError, VersionNotFoundError
from mlflow_lime.tracking.policy import (
    check_flavors,
    check_source,
    is_allowed_source,
    without_secrets,
)
from mlflow_lime.tracking.versions import resolve_model

TRUSTED = ("s3://models/*",)


def config(**registration):
    return Config.model_validate({"models": ["credit-*"], "registration": registration})


@pytest.fixture
def name(request):
    return f"credit-{abs(hash(request.node.nodeid)) % 10**12}"


@pytest.fixture
def register(name, tracking, log):
    """Register a version with a source of one's own, or of a logged model."""

    def build(source=None, *, storage=None, under=name, **options):
        client = MlflowClient()
        if not client.search_registered_models(f"name='{under}'"):
            client.create_registered_model(under)
        if source is None:
            model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
            info = log(mlflow.sklearn, model, serialization_format="cloudpickle", **options)
            source = info.model_uri
        version = client.create_model_version(under, source)
        if storage is not None:
            _move(mlflow.get_registry_uri(), under, version.version, storage)
        return str(version.version)

    return build


def _move(uri, name, version, storage):
    """Say that the files lie elsewhere, as somebody with access to the database could."""
    with contextlib.closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as db, db:
        db.execute(
            "UPDATE model_versions SET storage_location = ? WHERE name = ? AND version = ?",
            (storage, name, int(version)),
        )


def refused(name, version, settings):
    with pytest.raises(NotAllowedError) as caught:
        check_source(name, version, settings, MlflowClient())
    return str(caught.value)


# Names


def test_a_model_that_no_pattern_names_is_refused(register):
    version = register("s3://models/x", under="fraud")
    said = refused("fraud", version, config())
    assert said.startswith("'fraud/1' is not loaded: `models` is ('credit-*',)")


def test_a_prompt_is_refused(tracking):
    MlflowClient().register_prompt("credit-greeting", "Hello {{name}}")
    # MLflow's own client may say that there is no such model.
    with pytest.raises((NotAllowedError, VersionNotFoundError)):
        check_source("credit-greeting", "1", config(), MlflowClient())


def test_a_version_that_does_not_exist_is_not_found(register, name):
    register("s3://models/x")
    with pytest.raises(VersionNotFoundError):
        check_source(name, "7", config(), MlflowClient())


def test_every_source_is_allowed_by_default(register, name):
    check_source(name, register("http://example.org/model"), config(), MlflowClient())


# Sources of real versions


def test_a_version_whose_files_lie_in_a_listed_place_is_allowed(register, name):
    check_source(name, register("s3://models/x"), config(sources=TRUSTED), MlflowClient())


@pytest.mark.parametrize(
    "source",
    [
        "http://models/x",
        "file:///etc/passwd",
        "/etc",
        "s3://other/x",
        "s3://models-evil/x",
        "s3://models/../evil/x",
        "s3://models/%2e%2e/evil",
        "s3://models/%252e%252e/evil",
        "s3://models/a/..",
        "s3://models/a\\..\\..\\evil",
        "s3://models/‥/evil",
        "s3://models/．．/evil",
        "s3://mоdels/x",
        "s3://MODELS/x",
        "s3://models@evil/x",
        "s3://models:x@evil/x",
        "s3://models%2fevil/x",
        "s3://models/x?endpoint=evil",
        "s3://models/x#evil",
        "s3://models/ .. /evil",
        "s3://models/a\u200b/x",
        "s3:/models/x",
        "models/x",
    ],
)
def test_a_hostile_source_is_refused(register, name, source):
    said = refused(name, register(source), config(sources=TRUSTED))
    assert "its files lie at" in said
    assert "registration.sources is ['s3://models/*']" in said


def test_the_place_that_files_are_taken_from_counts_and_not_only_the_source(register, name):
    version = register("s3://models/x", storage="s3://evil/x")
    assert "'s3://evil/x'" in refused(name, version, config(sources=TRUSTED))


def test_a_source_elsewhere_is_refused_though_the_files_lie_in_a_listed_place(register, name):
    version = register("s3://evil/x", storage="s3://models/x")
    assert "'s3://evil/x'" in refused(name, version, config(sources=TRUSTED))


def test_a_logged_model_is_judged_by_where_its_files_lie(register, name, store):
    version = register()
    folder = Path(store[0].removeprefix("sqlite:///")).parent / "artifacts"
    check_source(name, version, config(sources=[f"{folder}/*"]), MlflowClient())
    check_source(name, version, config(sources=[f"file://{folder}/*"]), MlflowClient())
    assert str(folder)[:20] in refused(name, version, config(sources=TRUSTED))


def test_a_copy_is_judged_by_what_it_was_copied_from(register, name, store):
    client = MlflowClient()
    register()
    copy = client.copy_model_version(f"models:/{name}/1", f"{name}-copy")
    again = client.copy_model_version(f"models:/{name}-copy/1", f"{name}-again")
    folder = Path(store[0].removeprefix("sqlite:///")).parent / "artifacts"
    for version in (copy, again):
        check_source(version.name, version.version, config(sources=[f"{folder}/*"]), client)
        refused(version.name, version.version, config(sources=TRUSTED))


def test_a_copy_of_a_version_elsewhere_is_refused(register, name):
    register("s3://evil/x")
    copy = MlflowClient().copy_model_version(f"models:/{name}/1", f"{name}-copy")
    _move(mlflow.get_registry_uri(), copy.name, copy.version, "s3://models/x")
    assert "'s3://evil/x'" in refused(copy.name, copy.version, config(sources=TRUSTED))


def test_a_run_is_judged_by_its_artifacts_and_by_the_model_that_it_logged(
    register, name, store, log
):
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    info = log(mlflow.sklearn, model, serialization_format="cloudpickle")
    version = register(f"runs:/{info.run_id}/model")
    folder = Path(store[0].removeprefix("sqlite:///")).parent / "artifacts"
    check_source(name, version, config(sources=[f"{folder}/*"]), MlflowClient())
    only_the_run = config(sources=[f"{folder}/{info.run_id}/*"])
    assert "/models/m-" in refused(name, version, only_the_run)


@pytest.mark.parametrize(
    "source", ["runs:/../etc/model", "runs:/{run}/../../evil", "runs:/{run}/%2e%2e/evil"]
)
def test_a_reference_that_climbs_out_of_its_run_is_refused(register, name, source):
    with mlflow.start_run() as run:
        version = register(source.format(run=run.info.run_id))
    assert "its files lie at 'runs:/" in refused(name, version, config(sources=["*"]))


def test_no_password_is_shown(register, name):
    version = register("sftp://me:hunter2@host/x?token=hunter3")
    said = refused(name, version, config(sources=["sftp://you:hunter4@host/*"]))
    assert "sftp://***@host/x" in said
    assert "hunter" not in said


# Places, by themselves


@pytest.mark.parametrize(
    ("location", "pattern"),
    [
        ("s3://models/a/b", "s3://models/*"),
        ("S3://models/a", "s3://models/*"),
        ("s3://models-eu/a", "s3://models-*/*"),
        ("https://a.example.com/m", "https://*.example.com/*"),
        ("mlflow-artifacts:/1/models/m-1/artifacts", "mlflow-artifacts:/*"),
        ("wasbs://box@account.blob.core.windows.net/m", "wasbs://box@account.*/*"),
        ("dbfs:/databricks/mlflow/1", "dbfs:/databricks/*"),
        ("s3://models/with%20blank/ä", "s3://models/*"),
        ("anything://at/all", "*"),
    ],
)
def test_a_place_that_is_listed_is_allowed(location, pattern):
    assert is_allowed_source(location, (pattern,))


@pytest.mark.parametrize(
    ("location", "pattern"),
    [
        ("https://evil.org/a.example.com/m", "https://*.example.com/*"),
        ("https://evil.org\\.example.com/m", "https://*.example.com/*"),
        ("https://evil.org／.example.com/m", "https://*.example.com/*"),
        ("mlflow-artifacts://evil:80/1/models", "mlflow-artifacts:/*"),
        ("file://evil/share/models", "/*"),
        ("s3://models/A", "s3://models/a"),
        ("models:/credit/1", "*"),
        ("", "*"),
        ("s3://models/a\n", "s3://models/*"),
    ],
)
def test_a_place_that_only_looks_like_it_is_not(location, pattern):
    assert not is_allowed_source(location, (pattern,))


def test_a_link_out_of_a_listed_folder_is_not_followed(tmp_path):
    (tmp_path / "trusted").mkdir()
    (tmp_path / "evil").mkdir()
    os.symlink(tmp_path / "evil", tmp_path / "trusted" / "way-out")
    pattern = (f"{tmp_path}/trusted/*",)
    assert is_allowed_source(f"{tmp_path}/trusted/model", pattern)
    assert not is_allowed_source(f"{tmp_path}/trusted/way-out/model", pattern)
    assert not is_allowed_source(f"file://{tmp_path}/trusted/way%2dout/model", pattern)


def test_a_listed_folder_may_itself_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    os.symlink(tmp_path / "real", tmp_path / "trusted")
    assert is_allowed_source(f"{tmp_path}/trusted/model", (f"{tmp_path}/trusted/*",))


PIECES = st.sampled_from(
    ["..", ".", "%2e", "%2E", "%25", "2e", "/", "\\", "//", "a", "．", "‥", "%2f", "%5c", "models"]
)


@settings(deadline=None)
@given(pieces=st.lists(PIECES, max_size=12))
@example(pieces=["%25", "2e", "%25", "2e", "/", "a"])
def test_nothing_that_climbs_is_ever_allowed(pieces):
    from unicodedata import normalize
    from urllib.parse import unquote

    path = "".join(pieces)
    if is_allowed_source(f"s3://models/{path}", TRUSTED):
        for _ in range(12):
            forms = {path, normalize("NFKC", path)}
            assert not any(".." in form.replace("\\", "/").split("/") for form in forms)
            path = unquote(path)


@settings(deadline=None)
@given(text=st.text(max_size=40))
def test_no_place_outside_of_the_bucket_is_ever_allowed(text):
    if is_allowed_source(text, TRUSTED):
        assert text[:2].lower() == "s3"
        assert text[2:].startswith("://models/")


@settings(deadline=None)
@given(st.text(max_size=20), st.text(st.characters(exclude_characters="/?#@ "), min_size=1))
def test_secrets_never_stay_in_what_is_shown(path, secret):
    location = f"sftp://user:SECRET{secret.strip() or 'x'}@host/{path}?token=SECRET"
    if not any(sign.isspace() for sign in secret):
        assert "SECRET" not in without_secrets(location)


# Flavours


def mlmodel(folder, **flavors):
    """Return a model that nobody can load, with these flavours."""
    (folder / "MLmodel").write_text(yaml.safe_dump({"flavors": flavors}))
    return resolve_model(str(folder))


SKLEARN = {"pickled_model": "model.pkl"}


def python(loader="mlflow.sklearn", **more):
    return {"loader_module": loader, **more}


def flavors_refused(ref, *allowed):
    with pytest.raises(NotAllowedError) as caught:
        check_flavors(ref, config(flavors=list(allowed)))
    return str(caught.value)


def test_a_model_of_an_allowed_flavour_passes(register, name):
    ref = resolve_model(f"models:/{name}/{register()}")
    check_flavors(ref, config(flavors=["sklearn"]))
    check_flavors(ref, config())
    assert "['sklearn'] are not allowed" in flavors_refused(ref, "xgboost")


@pytest.mark.filterwarnings("ignore:.*Add type hints")
def test_a_model_of_ones_own_code_needs_python_function(tracking):
    class Own(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input

    with mlflow.start_run():
        info = mlflow.pyfunc.log_model(name="own", python_model=Own(), pip_requirements=["mlflow"])
    ref = resolve_model(info.model_uri)
    check_flavors(ref, config(flavors=["sklearn", "python_function"]))
    assert "code of its own" in flavors_refused(ref, "sklearn")


def test_a_model_with_code_beside_it_needs_python_function(register, name, tmp_path):
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "sklearn_extra_steps.py").write_text("x = 1\n")
    ref = resolve_model(f"models:/{name}/{register(code_paths=[str(tmp_path / 'extra')])}")
    assert "it brings code of its own (code of " in flavors_refused(ref, "sklearn")
    check_flavors(ref, config(flavors=["sklearn", "python_function"]))


@pytest.mark.parametrize(
    ("flavors", "said"),
    [
        ({"sklearn": SKLEARN, "python_function": python("evil.loader")}, "'evil.loader'"),
        ({"sklearn": SKLEARN, "python_function": python("mlflow.pyfunc.model")}, "pyfunc.model"),
        ({"sklearn": SKLEARN, "python_function": python("mlflow.sklearn.evil")}, "sklearn.evil"),
        ({"sklearn": SKLEARN, "python_function": python("mlflow.xgboost")}, "mlflow.xgboost"),
        ({"sklearn": SKLEARN, "python_function": "evil"}, "''"),
        ({"sklearn": "evil", "python_function": python()}, "expected a mapping"),
        ({"sklearn": {**SKLEARN, "code": "code"}, "python_function": python()}, "code of 'sk"),
        ({"sklearn": {"model_code_path": "a.py"}, "python_function": python()}, "model_code_path"),
        ({"sklearn": SKLEARN, "evil": {}, "python_function": python()}, "['evil']"),
        ({"Sklearn": SKLEARN, "python_function": python()}, "Did you mean 'sklearn'?"),
        ({"sklearn": {"pickled_model": "/tmp/x"}}, "points outside of the model, to '/tmp/x'"),
        ({"sklearn": SKLEARN, "python_function": python(data="../x")}, "to '../x'"),
        ({"sklearn": SKLEARN, "python_function": python(data="..\\x")}, "outside of the model"),
        ({}, "code of its own"),
    ],
)
def test_a_model_that_hides_other_code_is_refused(tmp_path, flavors, said):
    assert said in flavors_refused(mlmodel(tmp_path, **flavors), "sklearn")


def test_a_path_out_of_the_model_is_refused_even_for_code_of_ones_own(tmp_path):
    ref = mlmodel(tmp_path, python_function=python("own", data="/etc/x"))
    assert "points outside" in flavors_refused(ref, "python_function")


def test_a_model_whose_file_cannot_be_read_is_refused(tmp_path):
    ref = mlmodel(tmp_path, sklearn=SKLEARN)
    (tmp_path / "MLmodel").unlink()
    assert "its MLmodel file cannot be read" in flavors_refused(ref, "sklearn")


@settings(deadline=None)
@given(
    names=st.sets(st.sampled_from(["sklearn", "xgboost", "keras", "python_function", "evil"])),
    loader=st.sampled_from(["mlflow.sklearn", "mlflow.xgboost", "evil", "mlflow.pyfunc.model"]),
)
def test_what_passes_is_loaded_by_an_allowed_flavour(tmp_path_factory, names, loader):
    folder = tmp_path_factory.mktemp("model")
    flavors = {name: python(loader) if name == "python_function" else {} for name in names}
    ref = mlmodel(folder, **flavors)
    try:
        check_flavors(ref, config(flavors=["sklearn", "keras"]))
    except NotAllowedError:
        return
    assert names - {"python_function"} <= {"sklearn", "keras"}
    assert "python_function" not in names or loader == "mlflow.sklearn"
