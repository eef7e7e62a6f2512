"""An MLflow store for a test of engines, shared with the tests on Spark."""

import mlflow
import pytest


@pytest.fixture(autouse=True)
def store(tmp_path):
    """An MLflow store of the test's own."""
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow.set_registry_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    yield
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])
