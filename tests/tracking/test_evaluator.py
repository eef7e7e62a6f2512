"""The evaluator inside `mlflow.models.evaluate`, as a user calls it."""

import json
import subprocess
import sys
import warnings
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.models import MetricThreshold
from sklearn.linear_model import LinearRegression, LogisticRegression

from mlflow_lime import names, parse_config
from mlflow_lime.errors import ConfigError, MlflowLimeError, ModelError

QUIET = {"default": {"log_model_explainability": False}}
SMALL = {"instances": 3, "sampling": {"rows": 32, "max_rows": 32}, "outputs": {"pictures": False}}

# MLflow's own evaluation warns of much that is not ours; our own warnings are asserted.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    random = np.random.default_rng(3)
    frame = pd.DataFrame(random.normal(size=(60, 3)), columns=["a", "b", "c"])
    frame["target"] = (frame["a"] + 0.5 * frame["b"] > 0).astype(int)
    return frame


@pytest.fixture
def classifier(data: pd.DataFrame, log: Any) -> Any:
    model = LogisticRegression().fit(data[["a", "b", "c"]], data["target"])
    return log(mlflow.sklearn, model, serialization_format="cloudpickle")


def evaluate(model: Any, data: Any, config: Any, **options: Any) -> tuple[Any, Any]:
    """Evaluate in a run of its own; return the result and the run."""
    options = {"targets": "target", "model_type": "classifier", **options}
    with mlflow.start_run() as run:
        result = mlflow.models.evaluate(model, data, evaluator_config=config, **options)
    return result, MlflowClient().get_run(run.info.run_id)


def lime_metrics(found: Any) -> set[str]:
    return {name for name in found if name.startswith(names.PREFIX)}


def test_the_shortest_form_explains(classifier, data):
    result, run = evaluate(classifier.model_uri, data, {"lime": {"instances": 3}, **QUIET})
    assert result.metrics["lime/instances"] == 3
    assert lime_metrics(run.data.metrics) == lime_metrics(result.metrics)
    assert "accuracy_score" in result.metrics


def test_nobody_who_did_not_ask_is_explained(classifier, data):
    for config in (None, QUIET, {"default": {"log_model_explainability": False, "pos_label": 1}}):
        result, run = evaluate(classifier.model_uri, data, config, evaluators="default")
        assert not lime_metrics(result.metrics)
        assert names.TAG_STATUS not in run.data.tags


def test_an_evaluation_stays_in_its_process_and_says_so(classifier, data):
    config = {"lime": {"instances": 3, "engine": {"kind": "spark"}}, **QUIET}
    result, run = evaluate(classifier.model_uri, data, config)
    assert result.metrics["lime/instances"] == 3
    recipe = mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/{names.RECIPE_FILE}")
    assert any("engine.kind is not used" in note for note in recipe["notes"])


def test_a_flat_config_of_another_evaluator_is_not_ours(classifier, data):
    result, _ = evaluate(classifier.model_uri, data, {"log_model_explainability": False})
    assert not lime_metrics(result.metrics)


@pytest.mark.parametrize("config", [SMALL, {"lime": SMALL}], ids=["flat", "nested"])
def test_named_alone_both_forms_are_read(classifier, data, config):
    result, _ = evaluate(classifier.model_uri, data, config, evaluators="lime")
    assert set(result.metrics) == lime_metrics(result.metrics)
    assert result.metrics["lime/instances"] == 3


def test_a_yaml_file_gives_the_rest(classifier, data, tmp_path):
    path = tmp_path / "lime.yaml"
    path.write_text("seed: 5\nsampling: {rows: 64, max_rows: 64}\noutputs: {pictures: false}\n")
    config = {"lime": {"config": str(path), "instances": 2}}
    result, run = evaluate(classifier.model_uri, data, config, evaluators=["lime"])
    logged = mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/{names.CONFIG_FILE}")
    assert result.metrics["lime/instances"] == 2
    assert parse_config(yaml.safe_load(logged)).seed == 5


def test_the_environment_asks_for_everybody(classifier, data, tmp_path, monkeypatch):
    path = tmp_path / "lime.yaml"
    path.write_text("reference: {count: 2}\nsampling: {rows: 32, max_rows: 32}\n")
    monkeypatch.setenv("MLFLOW_LIME_CONFIG", str(path))
    result, _ = evaluate(classifier.model_uri, data, QUIET, evaluators=["default", "lime"])
    assert result.metrics["lime/instances"] == 2


def test_a_registered_version_gets_metrics_although_mlflow_logs_none(classifier, data):
    mlflow.register_model(classifier.model_uri, "evaluated")
    _, run = evaluate("models:/evaluated/1", data, {"lime": SMALL, **QUIET})
    client = MlflowClient()
    assert "lime/fidelity_r2" in run.data.metrics
    assert len(client.get_metric_history(run.info.run_id, "lime/instances")) == 1
    logged = client.get_logged_model(classifier.model_id).metrics
    assert any(metric.key == "lime/fidelity_r2" for metric in logged)


def test_a_logged_model_gets_each_metric_once(classifier, data):
    _, run = evaluate(classifier.model_uri, data, {"lime": SMALL, **QUIET})
    client = MlflowClient()
    assert len(client.get_metric_history(run.info.run_id, "lime/instances")) == 1
    logged = client.get_logged_model(classifier.model_id).metrics
    assert [m.value for m in logged if m.key == "lime/instances"] == [3]


def test_artifacts_open_in_mlflow(classifier, data):
    result, run = evaluate(
        classifier.model_uri, data, {"lime": {**SMALL, "outputs": {"max_pictures": 1}}, **QUIET}
    )
    table = mlflow.load_table(names.INSTANCES_TABLE, run_ids=[run.info.run_id])
    assert len(table) == 3
    assert set(table["true_label"]) <= {0, 1}
    paths = [a.path for a in MlflowClient().list_artifacts(run.info.run_id, "lime")]
    assert {names.EXPLANATIONS_JSON, names.EXPLANATIONS_PARQUET, names.CONFIG_FILE} <= set(paths)
    assert len(result.artifacts["lime_explanations"].content) == 9


def test_metrics_work_with_mlflows_own_gate(classifier, data):
    result, _ = evaluate(classifier.model_uri, data, {"lime": SMALL, **QUIET})
    threshold = MetricThreshold(threshold=-1.0, greater_is_better=True)
    mlflow.validate_evaluation_results(
        candidate_result=result, validation_thresholds={"lime/fidelity_r2": threshold}
    )


def test_a_regression(data, log):
    model = LinearRegression().fit(data[["a", "b"]], data["c"])
    info = log(mlflow.sklearn, model, serialization_format="cloudpickle")
    result, _ = evaluate(
        info.model_uri,
        data[["a", "b", "c"]],
        {"lime": SMALL, **QUIET},
        targets="c",
        model_type="regressor",
    )
    assert result.metrics["lime/local_gap"] < 0.5
    assert "lime/decision_agreement" not in result.metrics


def test_arrays_as_data(data, log):
    features = data[["a", "b", "c"]].to_numpy()
    model = LogisticRegression().fit(features, data["target"])
    info = log(mlflow.sklearn, model, serialization_format="cloudpickle")
    result, _ = evaluate(
        info.model_uri, features, {"lime": SMALL, **QUIET}, targets=data["target"].to_numpy()
    )
    assert result.metrics["lime/instances"] == 3


def test_a_callable_model(data):
    def predict(frame: pd.DataFrame) -> np.ndarray:
        positive = 1 / (1 + np.exp(-frame["a"].to_numpy()))
        return np.column_stack([1 - positive, positive])

    result, run = evaluate(predict, data, {"lime": SMALL}, evaluators="lime")
    assert result.metrics["lime/instances"] == 3
    assert "lime/instances" in run.data.metrics


def broken_predict(frame: pd.DataFrame) -> np.ndarray:
    raise ValueError("secret 42")


def static_predictions(data: pd.DataFrame) -> pd.DataFrame:
    return data.assign(predicted=data["target"])


BROKEN = {
    "unknown key": {"instances": 3, "tabluar": {}},
    "wrong type": {"instances": "three"},
    "missing file": {"config": "no-such-file.yaml"},
    "missing background": {"instances": 3, "background": {"source": "no-such.csv"}},
    "no such column": {"instances": 3, "tabular": {"categorical": ["job"]}},
    "no such instance": {"reference": {"pick": "rows", "rows": [10_000]}},
    "no such class": {"instances": 3, "labels": ["maybe"]},
    "no such function": {"instances": 3, "predict": "no_such_module:f"},
}


@pytest.mark.parametrize("config", BROKEN.values(), ids=BROKEN)
def test_a_mistake_of_ours_or_theirs_never_breaks_the_evaluation(classifier, data, config):
    with pytest.warns(RuntimeWarning, match="LIME explanations were left out"):
        result, run = evaluate(classifier.model_uri, data, {"lime": config, **QUIET})
    assert "accuracy_score" in result.metrics
    assert not lime_metrics(result.metrics)
    assert run.info.status == "FINISHED"
    assert run.data.tags[names.TAG_STATUS] == "failed"
    assert run.data.tags[names.TAG_REASON]


@pytest.mark.parametrize("config", BROKEN.values(), ids=BROKEN)
def test_it_is_raised_where_the_user_asked_for_it(classifier, data, config):
    with pytest.raises(MlflowLimeError):
        evaluate(classifier.model_uri, data, {"lime": {**config, "on_error": "raise"}, **QUIET})


def test_static_predictions_cannot_be_explained(data):
    frame = static_predictions(data)
    config = {"lime": {**SMALL, "on_error": "raise"}}
    with pytest.raises(ModelError, match="static predictions cannot be explained"):
        evaluate(None, frame, config, evaluators="lime", predictions="predicted")


def test_a_model_that_fails_keeps_its_message_out_of_the_tags(classifier, data):
    config = {"lime": {**SMALL, "predict": f"{__name__}:broken_predict"}, **QUIET}
    with pytest.warns(RuntimeWarning, match="left out"):
        _, run = evaluate(classifier.model_uri, data, config)
    assert "secret" not in run.data.tags[names.TAG_REASON]


def test_an_unknown_key_names_the_nearest(classifier, data):
    config = {"lime": {"instances": 3, "tabluar": {}, "on_error": "raise"}, **QUIET}
    with pytest.raises(ConfigError, match="Did you mean 'tabular'"):
        evaluate(classifier.model_uri, data, config)


def test_autologging_logs_nothing_of_ours(classifier, data, tracking):
    mlflow.sklearn.autolog()
    try:
        before = len(tracking.search_runs(["0", *_experiments(tracking)]))
        evaluate(classifier.model_uri, data, {"lime": {**SMALL, "surrogate": {"kind": "tree"}}})
        assert len(tracking.search_runs(["0", *_experiments(tracking)])) == before + 1
    finally:
        mlflow.sklearn.autolog(disable=True)


def _experiments(client: MlflowClient) -> list[str]:
    return [e.experiment_id for e in client.search_experiments()]


def test_the_entry_point_is_found_and_imports_little():
    code = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "import mlflow.models.evaluation.base\n"
        "before = set(sys.modules)\n"
        "import mlflow_lime.tracking.evaluator\n"
        "new = {m for m in set(sys.modules) - before if m.startswith('mlflow_lime')}\n"
        "print(sorted(new))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # The package itself is there already: MLflow has asked it whether to turn autolog on.
    assert done.stdout.strip() == "['mlflow_lime.tracking', 'mlflow_lime.tracking.evaluator']"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert "lime" in mlflow.models.evaluation.list_evaluators()


def test_a_mistyped_key_alone_is_an_error_and_not_silence(classifier, data):
    with pytest.raises(ConfigError, match="Did you mean 'instances'"):
        evaluate(
            classifier.model_uri, data, {"lime": {"instance": 3, "on_error": "raise"}, **QUIET}
        )


def test_what_is_to_be_said_of_the_choice_of_instances_is_kept(
    classifier: Any, data: pd.DataFrame
) -> None:
    config = {
        "reference": {"pick": {"errors": 30}},
        "sampling": {"rows": 32, "max_rows": 32},
        "outputs": {"pictures": False},
    }
    _, run = evaluate(classifier.model_uri, data, {"lime": config})
    text = mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/lime/recipe.json")
    assert any("errors" in note for note in json.loads(text)["notes"])
