"""What is kept beside a model is found again, and it must be said where it goes."""

import mlflow
import pandas as pd
import pytest

from mlflow_lime.core.tabular.background import Background
from mlflow_lime.errors import DataError, VersionNotFoundError
from mlflow_lime.tracking.background_log import log_background
from mlflow_lime.tracking.data import load_background, load_data
from mlflow_lime.tracking.versions import resolve_model


def test_a_background_of_a_logged_model_is_read_back(model, table):
    ref = model()
    uri = log_background(table, model_id=ref.model_id)
    assert uri == f"models:/{ref.model_id}/lime/background.parquet"
    pd.testing.assert_frame_equal(load_background("background", ref=ref).frame, table)
    pd.testing.assert_frame_equal(load_data("background", ref=ref).frame, table)
    pd.testing.assert_frame_equal(load_data(uri).frame, table)


def test_a_background_of_the_active_run_is_found_from_the_model(model, table):
    ref = model()
    with mlflow.start_run(run_id=ref.run_id):
        assert log_background(table).startswith(f"runs:/{ref.run_id}/")
    pd.testing.assert_frame_equal(load_background("auto", ref=ref).frame, table)


def test_a_background_of_a_version_goes_to_its_logged_model(model, table):
    ref = model(registered_model_name="bg-of-version")
    uri = log_background(table, version="bg-of-version/1")
    assert uri.startswith(f"models:/{ref.model_id}/")
    version = resolve_model("models:/bg-of-version/1")
    assert len(load_background(ref=version).frame) == len(table)


def test_statistics_only_writes_no_row(model, table):
    ref = model()
    uri = log_background(table, model_id=ref.model_id, statistics_only=True)
    assert uri.endswith("lime/background.json")
    loaded = load_background("background", ref=ref)
    assert loaded.statistics.digest() == Background.from_frame(table).digest()
    with pytest.raises(DataError, match=r"keeps only statistics"):
        load_data("background", ref=ref)


def test_a_large_background_is_sampled_when_written(model):
    ref = model()
    log_background(pd.DataFrame({"x": range(100)}), model_id=ref.model_id, max_rows=10)
    assert len(load_background("background", ref=ref).frame) == 10


def test_it_must_be_said_where_a_background_goes(table):
    with pytest.raises(DataError, match=r"no run is active; give run_id"):
        log_background(table)
    with pytest.raises(DataError, match=r"one of run_id, model_id, and version, got 2"):
        log_background(table, run_id="a", model_id="b")
    with pytest.raises(VersionNotFoundError, match=r"does not exist"):
        log_background(table, model_id="m-000")
    with pytest.raises(VersionNotFoundError, match=r"no registered model 'nothing'"):
        log_background(table, version="nothing/1")


@pytest.mark.parametrize("wrong", [pd.DataFrame({"a": []}), [1, 2]])
def test_a_background_without_rows_is_said(wrong):
    with pytest.raises(DataError, match=r"background data is"):
        log_background(wrong, run_id="x")


def test_mixed_types_are_named_without_their_values(model):
    ref = model()
    with pytest.raises(DataError, match=r"columns of mixed types: \['a'\]") as caught:
        log_background(pd.DataFrame({"a": ["secret", 4711]}), model_id=ref.model_id)
    assert "4711" not in str(caught.value)
