"""A model that cannot be opened says why, and how to mend it."""

import mlflow
import pytest
from sklearn.linear_model import LogisticRegression

from mlflow_lime.errors import (
    ModelError,
    TrackingServerError,
    VersionNotFoundError,
)
from mlflow_lime.tracking.model import load_scoring_function

PICKLED = {"serialization_format": "cloudpickle"}


def test_a_version_that_does_not_exist_is_said_before_loading():
    with pytest.raises(VersionNotFoundError):
        load_scoring_function("models:/nothing-of-that-name/1")


def test_a_server_that_is_down_is_said_before_loading():
    mlflow.set_tracking_uri("http://127.0.0.1:9")
    mlflow.set_registry_uri("http://127.0.0.1:9")
    with pytest.raises(TrackingServerError):
        load_scoring_function("models:/a/1")


def test_a_missing_package_is_named(log, numbers, target, tmp_path):
    model = LogisticRegression().fit(numbers, target)
    mlflow.sklearn.save_model(model, tmp_path / "m", pip_requirements=["x"], **PICKLED)
    path = tmp_path / "m" / "MLmodel"
    path.write_text(path.read_text().replace("mlflow.sklearn", "absent_flavor"))
    with pytest.raises(ModelError, match=r"needs the package 'absent_flavor'"):
        load_scoring_function(tmp_path / "m")


def test_damaged_files_are_a_model_error(numbers, target, tmp_path):
    model = LogisticRegression().fit(numbers, target)
    mlflow.sklearn.save_model(model, tmp_path / "m", pip_requirements=["x"], **PICKLED)
    (tmp_path / "m" / "model.pkl").write_bytes(b"no pickle")
    with pytest.raises(ModelError, match=r"cannot be loaded: "):
        load_scoring_function(tmp_path / "m")


def test_a_model_that_ends_the_interpreter_while_it_is_loaded_is_a_model_error(
    numbers, target, tmp_path, monkeypatch
):
    model = LogisticRegression().fit(numbers, target)
    mlflow.sklearn.save_model(model, tmp_path / "m", pip_requirements=["x"], **PICKLED)
    described = tmp_path / "m" / "MLmodel"
    text = described.read_text()
    assert "loader_module: mlflow.sklearn" in text
    described.write_text(text.replace("loader_module: mlflow.sklearn", "loader_module: leaving"))
    (tmp_path / "leaving.py").write_text("def _load_pyfunc(path):\n    raise SystemExit(0)\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError, match="cannot be loaded: SystemExit"):
        load_scoring_function(tmp_path / "m")


def test_what_is_no_model_is_said():
    with pytest.raises(ModelError, match=r"expected a model URI, .* got int"):
        load_scoring_function(5)
