"""Every kind of URI leads to the version, the logged model, the run, and the experiment."""

import pickle
import socket
import time

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from sklearn.linear_model import LogisticRegression

from mlflow_lime.errors import ModelError, TrackingServerError, VersionNotFoundError
from mlflow_lime.tracking import connection
from mlflow_lime.tracking.connection import impatient, quiet_autologging, where
from mlflow_lime.tracking.versions import resolve_model, versions_of


@pytest.fixture(scope="module")
def fitted():
    X = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]})
    return LogisticRegression().fit(X, [0, 0, 1, 1])


@pytest.fixture
def info(log, fitted, request):
    name = f"credit-{abs(hash(request.node.name)) % 10**9}"
    return log(
        mlflow.sklearn, fitted, serialization_format="cloudpickle", registered_model_name=name
    )


@pytest.fixture
def name(info):
    versions = MlflowClient().search_model_versions(f"source_path='models:/{info.model_id}'")
    return versions[0].name


def test_a_version_leads_to_its_logged_model_run_and_experiment(info, name, store):
    ref = resolve_model(f"models:/{name}/1")
    assert (ref.name, ref.version, ref.label) == (name, "1", f"{name}/1")
    assert (ref.model_id, ref.run_id, ref.experiment_id) == (info.model_id, info.run_id, store[1])
    assert ref.run_active
    assert ref.flavors == ("python_function", "sklearn")


def test_an_alias_becomes_its_version_number(name, tracking):
    tracking.set_registered_model_alias(name, "champion", "1")
    ref = resolve_model(f"models:/{name}@champion")
    assert ref.uri == f"models:/{name}/1"
    assert ref.aliases == ("champion",)


def test_latest_is_the_highest_number(info, name):
    mlflow.register_model(f"models:/{info.model_id}", name)
    assert resolve_model(f"models:/{name}/latest").version == "2"
    assert [int(v.version) for v in versions_of(name)] == [1, 2]


def test_a_reference_keeps_the_tags_hashes_and_pickles(name, tracking):
    tracking.set_model_version_tag(name, "1", "lime.status", "done")
    ref = resolve_model(f"models:/{name}/1")
    assert ref.tags["lime.status"] == "done"
    assert pickle.loads(pickle.dumps(ref)) == ref
    assert len({ref, resolve_model(f"models:/{name}/1")}) == 1


def test_a_logged_model_needs_no_version(info):
    ref = resolve_model(f"models:/{info.model_id}")
    assert (ref.name, ref.model_id, ref.run_id) == (None, info.model_id, info.run_id)
    assert ref.label == info.model_id


def test_a_run_uri_leads_to_the_logged_model(info):
    ref = resolve_model(f"runs:/{info.run_id}/model")
    assert (ref.run_id, ref.model_id) == (info.run_id, info.model_id)


def test_a_copy_of_a_copy_leads_to_the_first_source(info, name, tracking):
    tracking.copy_model_version(f"models:/{name}/1", f"{name}-prod")
    tracking.copy_model_version(f"models:/{name}-prod/1", f"{name}-eu")
    ref = resolve_model(f"models:/{name}-eu/1")
    assert (ref.model_id, ref.run_id) == (info.model_id, info.run_id)


def test_a_version_registered_without_run_finds_it_through_the_logged_model(info, name, tracking):
    version = tracking.create_model_version(name, f"models:/{info.model_id}", run_id=None)
    assert resolve_model(f"models:/{name}/{version.version}").run_id == info.run_id


def test_a_version_registered_from_a_run_path_finds_the_logged_model(info, name):
    version = mlflow.register_model(f"runs:/{info.run_id}/model", name)
    assert resolve_model(f"models:/{name}/{version.version}").model_id == info.model_id


def test_a_deleted_run_is_named_but_not_active(info, name, tracking):
    tracking.delete_run(info.run_id)
    ref = resolve_model(f"models:/{name}/1")
    assert (ref.run_id, ref.run_active) == (info.run_id, False)


def test_a_folder_resolves_without_any_store(fitted, tmp_path):
    mlflow.sklearn.save_model(
        fitted, tmp_path / "m", pip_requirements=["x"], serialization_format="cloudpickle"
    )
    ref = resolve_model(tmp_path / "m")
    assert (ref.name, ref.model_id, ref.run_id) == (None, None, None)
    assert "sklearn" in ref.flavors


def test_a_version_that_does_not_exist_lists_those_that_do(name):
    with pytest.raises(VersionNotFoundError, match=r"has no version '9' .* versions 1"):
        resolve_model(f"models:/{name}/9")


def test_a_misspelt_model_gets_the_name_that_was_meant(name):
    with pytest.raises(VersionNotFoundError, match=f"Did you mean '{name}'"):
        resolve_model(f"models:/{name}x/1")


def test_an_unknown_alias_lists_the_aliases(name, tracking):
    tracking.set_registered_model_alias(name, "champion", "1")
    with pytest.raises(VersionNotFoundError, match=r"Did you mean 'champion'"):
        resolve_model(f"models:/{name}@champoin")


def test_an_unknown_alias_of_an_unknown_model_says_the_model_is_unknown():
    with pytest.raises(VersionNotFoundError, match=r"no registered model 'nothing-such'"):
        resolve_model("models:/nothing-such@champion")


def test_an_unknown_stage_is_an_unknown_version(name):
    with pytest.raises(VersionNotFoundError, match=r"has no version 'Production'"):
        resolve_model(f"models:/{name}/Production")


def test_a_name_without_version_says_what_to_write(name):
    with pytest.raises(VersionNotFoundError, match=f"write models:/{name}/1"):
        resolve_model(f"models:/{name}")


@pytest.mark.parametrize(
    ("uri", "error", "text"),
    [
        ("models:/m-0000", VersionNotFoundError, "logged model 'm-0000' does not exist"),
        ("runs:/0000/model", VersionNotFoundError, "run '0000' does not exist"),
        ("/nowhere/at/all", VersionNotFoundError, "does not exist; expected models:/"),
        ("models:/", ModelError, "names no model"),
        ("models:/name/", ModelError, "names no model"),
        ("runs:/0000", ModelError, "names no model"),
    ],
)
def test_a_wrong_uri_is_a_typed_error(uri, error, text):
    with pytest.raises(error, match=text):
        resolve_model(uri)


def test_a_folder_without_mlmodel_is_no_model(tmp_path):
    with pytest.raises(VersionNotFoundError, match=r"holds no MLmodel"):
        resolve_model(tmp_path)


def test_a_run_without_that_model_lists_those_it_logged(info):
    with pytest.raises(VersionNotFoundError, match=r"logged model.*Did you mean 'model'"):
        resolve_model(f"runs:/{info.run_id}/modle")


def test_a_prompt_is_no_model(tracking):
    mlflow.genai.register_prompt("greeting", "Hello {{name}}")
    with pytest.raises(VersionNotFoundError, match=r"no registered model 'greeting'|is a prompt"):
        resolve_model("models:/greeting/1")


@pytest.fixture
def dead_server():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("uri", ["models:/a/1", "models:/a@b", "models:/m-1", "runs:/1/m"])
def test_a_server_that_is_down_is_noticed_within_seconds(dead_server, uri):
    mlflow.set_tracking_uri(dead_server)
    mlflow.set_registry_uri(dead_server)
    started = time.monotonic()
    with pytest.raises(TrackingServerError, match=r"cannot ask http://127.0.0.1.*MLFLOW_TRACKING"):
        resolve_model(uri)
    assert time.monotonic() - started < 20  # seconds, not minutes, also on a busy machine


def test_a_server_that_accepts_and_never_answers_is_given_up(monkeypatch):
    monkeypatch.setitem(connection._BOUNDS, "MLFLOW_HTTP_REQUEST_TIMEOUT", 1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        started = time.monotonic()
        with pytest.raises(TrackingServerError):
            resolve_model("models:/a/1")
        assert time.monotonic() - started < 20  # seconds, not minutes, also on a busy machine


def test_impatience_ends_and_keeps_a_lower_setting(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT", raising=False)
    from mlflow.environment_variables import (
        MLFLOW_HTTP_REQUEST_MAX_RETRIES,
        MLFLOW_HTTP_REQUEST_TIMEOUT,
    )

    usual = MLFLOW_HTTP_REQUEST_TIMEOUT.get()
    with impatient(), impatient():
        assert MLFLOW_HTTP_REQUEST_MAX_RETRIES.get() == 0
        assert MLFLOW_HTTP_REQUEST_TIMEOUT.get() == 5
    assert MLFLOW_HTTP_REQUEST_TIMEOUT.get() == usual


def test_a_store_is_named_without_credentials():
    mlflow.set_registry_uri("https://ann:secret@host.example:5000/x")
    assert where() == "https://host.example:5000/x"


def test_nothing_that_we_fit_is_autologged(tracking, store):
    mlflow.sklearn.autolog(log_models=False, log_datasets=False, silent=True)
    try:
        before = len(tracking.search_runs([store[1]]))
        with quiet_autologging(), quiet_autologging():
            LogisticRegression().fit(np.array([[0.0], [1.0]]), [0, 1])
        assert len(tracking.search_runs([store[1]])) == before
        LogisticRegression().fit(np.array([[0.0], [1.0]]), [0, 1])
        assert len(tracking.search_runs([store[1]])) == before + 1
    finally:
        mlflow.sklearn.autolog(disable=True, silent=True)
