"""What would be explained, how, and at what cost, without explaining it."""

import re
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from mlflow_lime import names
from mlflow_lime.cli.validate import _duration, _span


def facts(result):
    """Return the named facts of a summary."""
    assert result.exit_code == 0, result.output
    rows = re.findall(r"^  (\S[^\n]{1,18}?)  +(\S.*)$", result.output, re.M)
    return dict(rows)


def test_everything_that_matters_is_said(lime, model):
    Path("lime.yaml").write_text("sampling: {rows: 1024, max_rows: 4096}\n")
    found = facts(lime("validate", model))
    assert found["model"] == f"{model} (python_function, sklearn)"
    assert found["asked through"] == "predict_proba of Pipeline"
    assert found["task"] == "classification"
    assert found["classes"] == "2: bad, good"
    assert found["columns"] == "3: income (double), age (long), job (string)"
    assert found["configuration"] == "lime.yaml"
    assert found["reference set"].startswith("20 instances, newly picked (stratified), ")
    assert found["background"] == "3 parts (2 numeric, 1 categorical)"
    assert found["representation"] == "mask (independent)"
    assert found["explained classes"] == "good"
    assert found["design"]
    assert re.match(r"20,500 to 81,940,", found["model rows"])
    assert found["time in the model"].startswith("about ")


def test_nothing_is_logged_and_nothing_pinned(lime, model, store):
    client = mlflow.MlflowClient()
    before = len(client.search_runs([store.experiment]))
    lime("validate", model)
    assert len(client.search_runs([store.experiment])) == before
    name = model.split("/")[1]
    assert names.TAG_REFERENCE not in client.get_registered_model(name).tags


def test_pinned_instances_are_named_as_such(lime, model):
    run_id = lime("explain", model, "--instances", "3", "--quiet").output.strip()
    found = facts(lime("validate", model))
    assert found["reference set"] == f"3 instances, inherited: pinned by run {run_id},"


def test_a_regression_has_no_classes(lime):
    result = lime("validate", "models:/rent/1")
    found = facts(result)
    assert found["task"] == "regression"
    assert "classes" not in found
    assert "Note: the input example of rent/1 has only 6 rows" in result.output


def test_shared_rows_are_counted_once(lime, model):
    Path("bins.yaml").write_text(
        "tabular: {representation: bins}\nsampling: {rows: 256, max_rows: 1024}\n"
    )
    found = facts(lime("validate", model, "-c", "bins.yaml"))
    assert found["representation"] == "bins (quartile)"
    assert found["model rows"].startswith("276 to 1,044,")


def test_a_budget_bounds_the_estimate(lime, model):
    Path("lime.yaml").write_text(
        "sampling: {rows: 1024, max_rows: 4096, max_total_rows: 30000, max_seconds: 2}\n"
    )
    found = facts(lime("validate", model))
    assert found["model rows"].startswith("20,500 to 30,000,")


def test_a_model_that_fails_ends_in_one_message(lime, model):
    Path("broken_hook.py").write_text("def score(frame):\n    raise OSError('disk on fire')\n")
    Path("lime.yaml").write_text("predict: broken_hook:score\ntask: classification\n")
    result = lime("validate", model)
    assert result.exit_code == 1
    assert result.output.startswith("Error: the model raised OSError")
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("seconds", "words"),
    [((0.1, 0.4), "about 1 s"), ((3, 10), "about 3 to 10 s"), ((40, 400), "about 40 s to 7 min")],
)
def test_times_are_said_as_a_person_says_them(seconds, words):
    assert _span(*seconds) == words
    assert _duration(2 * 3600) == "2.0 h"


def test_windows_of_sequences_are_said(lime):
    rng = np.random.default_rng(0)
    names = [f"{name}_lag{i}" for name in ("temp", "load") for i in range(1, 7)]
    frame = pd.DataFrame(rng.normal(size=(60, 12)), columns=names)
    model = LogisticRegression().fit(frame, frame["temp_lag2"] > 0)
    frame.to_parquet("lags.parquet")
    with mlflow.start_run():
        info = mlflow.sklearn.log_model(model, name="lags", input_example=frame.head(2))
    Path("lime.yaml").write_text(
        "data: {source: lags.parquet}\n"
        "sequence: {shape: [6, 2], count: 3, windows: change_points, absent: interpolate}\n"
    )
    found = facts(lime("validate", info.model_uri))
    told = "series (flat): windows, change_points, absent ones interpolate"
    assert found["sequence"] == told
    assert found["an instance has"] == "3 parts"
