"""Where metrics come from, on a real store."""

import time

import mlflow
import pytest

from mlflow_lime import names
from mlflow_lime.tracking.gating import gate_version
from mlflow_lime.tracking.measured import how_to_log, metrics_of, review_metrics
from mlflow_lime.tracking.versions import resolve_model

pytestmark = pytest.mark.filterwarnings("ignore")
"""MLflow's evaluation warns of its own doing."""


def evaluated(uri, frame, name="held-out"):
    """Evaluate a model with MLflow, and return the id of the run."""
    data = mlflow.data.from_pandas(frame, name=name, targets="target")
    with mlflow.start_run() as run:
        mlflow.models.evaluate(
            uri,
            data,
            model_type="classifier",
            evaluators="default",
            evaluator_config={"log_model_explainability": False},
        )
    return run.info.run_id


def accuracy(ref, client):
    return metrics_of(ref, {"accuracy"}, client).get("accuracy", ())


def test_a_metric_of_the_training_run_counts_wherever_it_was_logged(desk):
    ref = resolve_model(desk.register())
    desk.client.log_metric(ref.run_id, "accuracy", 0.7)
    (value,) = accuracy(ref, desk.client)
    assert (value.value, value.source, value.data) == (0.7, f"source run {ref.run_id}", "")


def test_the_newest_value_comes_first(desk):
    ref = resolve_model(desk.register())
    desk.client.log_metric(ref.run_id, "accuracy", 0.9, timestamp=2000, step=1)
    desk.client.log_metric(ref.run_id, "accuracy", 0.7, timestamp=1000, step=2)
    assert accuracy(ref, desk.client)[0].value == 0.9
    with mlflow.start_run() as run:
        mlflow.log_metric("accuracy", 0.5, model_id=ref.model_id)
    found = accuracy(ref, desk.client)
    assert [value.value for value in found] == [0.5, 0.9]
    assert found[0].source == f"run {run.info.run_id}"


def test_an_evaluation_says_its_run_and_its_data(desk):
    ref = resolve_model(desk.register())
    frame = desk.frame.drop(columns="who")
    run_id = evaluated(f"models:/{ref.model_id}", frame)
    value = metrics_of(ref, {"accuracy_score"}, desk.client)["accuracy_score"][0]
    assert value.source == f"run {run_id}, data set 'held-out'"
    assert value.data
    assert 0.5 < value.value <= 1


def test_what_was_measured_in_a_deleted_run_does_not_count(desk):
    ref = resolve_model(desk.register())
    desk.client.log_metric(ref.run_id, "accuracy", 0.9, timestamp=1000)
    with mlflow.start_run() as run:
        mlflow.log_metric("accuracy", 0.5, model_id=ref.model_id)
    desk.client.delete_run(run.info.run_id)
    assert [value.value for value in accuracy(ref, desk.client)] == [0.9]


def test_a_run_with_two_models_does_not_say_whose_metric_it_is(desk, log):
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=9999).fit(desk.frame[desk.columns], desk.frame["target"])
    options = {"pip_requirements": ["mlflow"], "serialization_format": "cloudpickle"}
    with mlflow.start_run() as run:
        infos = [mlflow.sklearn.log_model(model, name=name, **options) for name in "ab"]
        mlflow.log_metric("accuracy", 0.4, model_id=infos[1].model_id)
    desk.client.log_metric(run.info.run_id, "accuracy", 0.8)
    first, second = (resolve_model(info.model_uri) for info in infos)
    assert accuracy(first, desk.client) == ()
    assert [value.value for value in accuracy(second, desk.client)] == [0.4]


def test_our_metrics_come_from_the_review_alone(desk):
    ref = resolve_model(desk.register())
    desk.client.log_metric(ref.run_id, "lime/fidelity_r2", 0.123)
    assert not any(name.startswith("lime/") for name in metrics_of(ref, (), desk.client))
    review = desk.explain(ref.uri)
    desk.client.log_metric(review.run_id, "lime/drift_alarm", 1)
    desk.client.log_metric(review.run_id, "lime/findings", 3)
    run = desk.client.get_run(review.run_id)
    found = review_metrics(run)
    assert "lime/fidelity_r2" in found
    assert not {"lime/drift_alarm", "lime/findings"} & set(found)
    assert found["lime/instances"][0].data == review.reference_digest
    assert run.data.tags[names.TAG_IDENTITY].endswith(review.reference_digest)


def test_the_names_of_other_metrics_are_known_for_messages(desk):
    ref = resolve_model(desk.register())
    desk.client.log_metric(ref.run_id, "loss", 0.1)
    assert "loss" in metrics_of(ref, {"accuracy"}, desk.client)


def test_the_advice_names_the_logged_model_to_which_evaluations_are_linked(desk):
    ref = resolve_model(desk.register())
    assert f'mlflow.models.evaluate("models:/{ref.model_id}", data' in how_to_log(ref)


@pytest.mark.parametrize(("same", "outcome"), [(True, "pass"), (False, "not judged")])
def test_accuracy_is_compared_on_the_same_data(desk, same, outcome):
    frame = desk.frame.drop(columns="who")
    uris = [desk.register(), desk.register()]
    for i, uri in enumerate(uris):
        ref = resolve_model(uri)
        evaluated(f"models:/{ref.model_id}", frame if same or i else frame.head(40))
        time.sleep(0.002)
    rule = {"change": {"metric": "accuracy_score", "min": 0}}
    gated = gate_version(uris[1], desk.config(gate={"rules": [rule]}), against="1")
    assert gated.verdict.outcome == outcome
    (result,) = gated.verdict.results
    assert ("same data" in result.why) != same
