"""Metrics of trust in reviews and evaluations: measured, bounded, resumed, and never in the way."""

import json
from io import StringIO

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from mlflow_lime import names
from mlflow_lime.config import parse_config
from mlflow_lime.metrics.faithfulness import FAITHFULNESS_VALUES
from mlflow_lime.metrics.trust import Trust
from mlflow_lime.tracking import trust_step
from mlflow_lime.tracking.logged_explanations import load_explanations
from mlflow_lime.tracking.review import review_version

TEN = {"reference": {"count": 10}}


def logged_trust(desk, run_id):
    return Trust.from_json(desk.artifacts(run_id, "lime")[names.TRUST_FILE].decode())


def test_a_review_logs_all_of_it(desk):
    review = desk.explain(desk.register(), desk.config(**TEN))
    trust = logged_trust(desk, review.run_id)
    assert len(trust.instances) == 10
    for own in trust.instances.values():
        assert set(own) == {*FAITHFULNESS_VALUES, "off_manifold", "permuted_r2"}
    logged = {f"lime/{name}": item.value for name, item in trust.summary.items()}
    assert {k: v for k, v in review.metrics.items() if k != "lime/seconds"} == logged
    assert set(review.metrics) <= set(names.METRICS)
    assert review.metrics["lime/trust_rows"] == trust.rows > 0
    assert review.metrics["lime/rows_predicted"] == 10 * 32
    assert review.metrics["lime/comprehensiveness_gain"] > 0
    assert review.metrics["lime/permuted_r2"] < 0.1
    assert trust.summary["fidelity_r2"].low <= trust.summary["fidelity_r2"].high
    explained = load_explanations(f"runs:/{review.run_id}")
    values = {item.key: item.permuted_r2 for item in explained}
    assert values == {key: own["permuted_r2"] for key, own in trust.instances.items()}


def test_importances_are_told_apart_by_class_and_slice(desk):
    desk.frame["region"] = ["north", "south"] * 40
    desk.frame.to_parquet(desk.data, index=False)
    config = desk.config(**TEN, metrics={"slice": "region"}, data={"drop": ["region"]})
    review = desk.explain(desk.register(), config)
    text = desk.artifacts(review.run_id, "lime")[names.IMPORTANCE_TABLE].decode()
    table = pd.read_json(StringIO(text), orient="split")
    assert table.columns.tolist() == ["name", "group", "importance", "low", "high", "instances"]
    groups = {group.partition(" = ")[0] for group in table["group"]}
    assert {"all", "class"} <= groups <= {"all", "class", "region"}
    assert (table["low"] <= table["importance"]).all()


def test_switched_off_nothing_is_asked_or_logged(desk):
    off = {"faithfulness": False, "realism": False, "permuted": False}
    review = desk.explain(desk.register(), desk.config(**TEN, metrics=off))
    trust = logged_trust(desk, review.run_id)
    assert trust.instances == {}
    assert trust.rows == 0
    assert "lime/comprehensiveness" not in review.metrics
    assert "lime/realism_auc" not in review.metrics
    assert "lime/partial_r2" in review.metrics or "lime/fidelity_r2" in review.metrics


def test_explanations_are_the_same_bits_with_and_without(desk):
    off = {"faithfulness": False, "realism": False, "permuted": False}
    a = desk.explain(desk.register(), desk.config())
    b = desk.explain(desk.register(), desk.config(metrics=off))
    assert len(a.explanations) == 5
    for one, other in zip(a.explanations, b.explanations, strict=True):
        assert {**one.to_dict(), "permuted_r2": None} == other.to_dict()


@pytest.mark.parametrize(("limit", "value"), [("max_total_rows", 10 * 32 + 5), ("max_calls", 1)])
def test_a_spent_budget_leaves_it_out_with_a_note(desk, limit, value):
    review = desk.explain(desk.register(), desk.config(**TEN, sampling={limit: value}))
    assert review.metrics["lime/trust_rows"] == 0
    assert "lime/comprehensiveness" not in review.metrics
    assert "lime/realism_auc" in review.metrics  # which asks the model for nothing
    assert f"faithfulness was left out: sampling.{limit} is spent" in review.notes


def test_a_metric_that_fails_is_a_note_and_no_failure(desk, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("the secret of person-17")

    monkeypatch.setattr(trust_step, "faithfulness", fail)
    monkeypatch.setattr(trust_step, "realism", fail)
    review = desk.explain(desk.register(), desk.config(**TEN))
    run = desk.client.get_run(review.run_id)
    assert run.data.tags[names.TAG_STATUS] == "completed"
    assert "faithfulness could not be measured: RuntimeError" in review.notes
    assert "realism could not be measured: RuntimeError" in review.notes
    assert not any(
        b"the secret of" in content for content in desk.artifacts(review.run_id).values()
    )


def test_an_interrupt_keeps_the_explanations_and_the_next_review_has_the_same_numbers(
    desk, monkeypatch, asked
):
    uri = desk.register()
    whole = desk.explain(uri, desk.config(**TEN, seed=1))
    again = desk.register()

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trust_step, "faithfulness", interrupt)
        with pytest.raises(KeyboardInterrupt):
            desk.explain(again, desk.config(**TEN, seed=1))
    asked.clear()
    resumed = desk.explain(again, desk.config(**TEN, seed=1))
    trust = logged_trust(desk, resumed.run_id)
    assert trust.to_json() == logged_trust(desk, whole.run_id).to_json()
    # Nothing but the metrics of trust asked the model again.
    assert sum(map(len, asked)) < 10 * 32 + trust.rows
    unlike = {"lime/seconds"}
    assert {k: v for k, v in resumed.metrics.items() if k not in unlike} == {
        k: v for k, v in whole.metrics.items() if k not in unlike
    }


@pytest.mark.parametrize("store_inputs", ["redacted", "none"])
def test_no_value_is_leaked(desk, store_inputs):
    config = desk.config(reference={"count": 10, "store_inputs": store_inputs})
    review = desk.explain(desk.register(), config)
    files = desk.artifacts(review.run_id, "lime")
    values = {str(value) for value in desk.frame[desk.columns].to_numpy().ravel()}
    for path in (names.TRUST_FILE, names.IMPORTANCE_TABLE):
        found = json.dumps(json.loads(files[path]))
        assert not any(f'"{value}"' in found or f"= {value}" in found for value in values)
    assert review.metrics["lime/comprehensiveness_gain"] > 0


def test_sensitivity_is_measured_where_it_is_asked_for(desk):
    review = desk.explain(desk.register(), desk.config(metrics={"sensitivity": 2}))
    assert 0 < review.metrics["lime/sensitivity"] < 2
    assert review.metrics["lime/trust_rows"] >= 2 * 5 * 32


def test_a_text_pipeline_is_reviewed_with_it(tmp_path, log):
    texts = pd.DataFrame(
        {"text": [f"a {w} film with {w} scenes and some people" for w in ("good", "bad")] * 20}
    )
    texts["target"] = [1, 0] * 20
    texts["text"] = [f"{t} number {i}" for i, t in enumerate(texts["text"])]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression())
    model.fit(texts["text"], texts["target"])
    path = tmp_path / "texts.parquet"
    texts.to_parquet(path)
    info = log(mlflow.sklearn, model, serialization_format="cloudpickle")
    config = parse_config(
        {
            "data": {"source": str(path), "target": "target"},
            "reference": {"count": 8},
            "outputs": {"pictures": False},
        }
    )
    review = review_version(info.model_uri, config)
    assert review.metrics["lime/comprehensiveness_gain"] > 0
    assert "lime/off_manifold" not in review.metrics
    assert "lime/realism_auc" not in review.metrics


@pytest.mark.filterwarnings("ignore")  # MLflow's own evaluation warns of much
def test_an_evaluation_has_it_too(log):
    rng = np.random.default_rng(3)
    data = pd.DataFrame(rng.normal(size=(60, 3)), columns=["a", "b", "c"])
    data["target"] = (data["a"] + 0.5 * data["b"] > 0).astype(int)
    model = LogisticRegression().fit(data[["a", "b", "c"]], data["target"])
    info = log(mlflow.sklearn, model, serialization_format="cloudpickle")
    chosen = {"instances": 9, "sampling": {"rows": 64, "max_rows": 64}}
    with mlflow.start_run() as run:
        result = mlflow.models.evaluate(
            info.model_uri,
            data,
            targets="target",
            model_type="classifier",
            evaluators=["lime"],
            evaluator_config={"lime": {**chosen, "outputs": {"pictures": False}}},
        )
    assert result.metrics["lime/comprehensiveness_gain"] > 0
    assert result.metrics["lime/trust_rows"] > 0
    path = MlflowClient().download_artifacts(run.info.run_id, names.TRUST_FILE)
    with open(path, encoding="utf-8") as file:
        trust = Trust.from_json(file.read())
    assert len(trust.instances) == 9
    assert trust.summary["insertion_gain"].n == 9
