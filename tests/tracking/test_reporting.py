"""Pages on a real store: when they are written, from what, and that nothing fails for them."""

import json

import mlflow
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from mlflow_lime import names
from mlflow_lime.report.drift_items import read_drift_json
from mlflow_lime.tracking import reporting
from mlflow_lime.tracking.checking import check_version
from mlflow_lime.tracking.comparison import compare_versions
from mlflow_lime.tracking.gathering import gather_content
from mlflow_lime.tracking.gating import gate_version
from mlflow_lime.tracking.reporting import write_report
from mlflow_lime.tracking.reviewed import reviewed_run
from mlflow_lime.tracking.side_by_side import content_of, others_of
from mlflow_lime.tracking.versions import resolve_model

PAGES = {
    "sampling": {"rows": 256, "max_rows": 256},
    "outputs": {"pictures": True, "max_pictures": 0},
    "report": {"page": True, "compare": True, "description": True},
}


def config(desk, **changes):
    return desk.config(**{**PAGES, **changes})


def another(desk):
    """Register a version that relies on another column."""
    return desk.register(target=(desk.frame["x3"] > 40).astype(int))


def page(desk, run_id):
    return desk.artifacts(run_id)[names.REPORT_PAGE].decode()


@pytest.fixture
def pair(desk):
    """Two explained versions with their pages."""
    first = desk.explain(desk.register(), config(desk))
    second = desk.explain(another(desk), config(desk))
    return first, second


def test_a_review_leaves_a_page_on_its_run_and_on_the_source_run(desk):
    review = desk.explain(desk.register(), config(desk))
    assert review.notes == ()
    text = page(desk, review.run_id)
    assert f"{desk.name}/1</bdi>: LIME review" in text
    source = resolve_model(f"models:/{desk.name}/1").run_id
    assert page(desk, source) == text
    assert desk.client.get_run(review.run_id).data.tags[names.TAG_REPORT] == "written"


def test_a_second_version_is_shown_beside_the_first(desk, pair):
    run = desk.client.get_run(pair[1].run_id)
    assert run.data.metrics["lime/drift_alarm"] == 1.0
    text = page(desk, pair[1].run_id)
    assert f"Since <bdi>{desk.name}/1" in text
    assert "What changed" in text
    files = desk.artifacts(pair[1].run_id)
    assert "baseline version" in files[names.OVERVIEW_PICTURE].decode()
    assert desk.points(pair[1].run_id)["lime/drift_alarm"] == 1


def test_a_repeat_changes_nothing_and_makes_a_page_that_is_missing(desk, pair):
    before = desk.artifacts(pair[1].run_id)
    points = desk.points(pair[1].run_id)
    again = desk.explain(f"models:/{desk.name}/2", config(desk))
    assert again.repeated
    assert desk.artifacts(pair[1].run_id) == before
    desk.client.delete_tag(pair[1].run_id, names.TAG_REPORT)
    desk.client.log_text(pair[1].run_id, "cut short", names.REPORT_PAGE)
    desk.explain(f"models:/{desk.name}/2", config(desk))
    assert desk.artifacts(pair[1].run_id) == before
    assert desk.points(pair[1].run_id) == points


def test_a_comparison_that_was_killed_goes_on_without_logging_a_metric_twice(desk, pair):
    run_id = pair[1].run_id
    key = desk.client.get_run(run_id).data.tags[names.TAG_COMPARED]
    began = desk.client.get_metric_history(run_id, "lime/drift_alarm")[0].timestamp
    desk.client.set_tag(run_id, names.TAG_COMPARED, f"{key}, being written since {began}")
    desk.client.delete_tag(run_id, names.TAG_REPORT)
    desk.explain(f"models:/{desk.name}/2", config(desk))
    assert desk.points(run_id)["lime/drift_alarm"] == 1
    assert desk.client.get_run(run_id).data.tags[names.TAG_COMPARED] == key


def test_findings_and_verdict_reach_the_page(desk, pair):
    uri = f"models:/{desk.name}/2"
    assert "Findings of the checks" not in page(desk, pair[1].run_id)
    check_version(uri, config(desk, checks={"sensitive": ["x3"]}))
    text = page(desk, pair[1].run_id)
    assert "Findings of the checks" in text
    assert "LIM005" in text
    rules = {"rules": [{"metric": "lime/instances", "min": 99, "name": "many instances"}]}
    gate_version(uri, config(desk, gate=rules), against="1")
    text = page(desk, pair[1].run_id)
    assert "the gate says fail" in text
    assert "many instances" in text


def test_a_comparison_with_another_version_takes_its_place_on_the_page(desk, pair):
    third = desk.explain(another(desk), config(desk))
    assert f"Since <bdi>{desk.name}/2" in page(desk, third.run_id)
    compare_versions(f"models:/{desk.name}/3", "1", config(desk))
    assert f"Since <bdi>{desk.name}/1" in page(desk, third.run_id)


def test_a_baseline_that_was_not_explained_is_not_explained_for_the_page(desk, asked):
    desk.register()
    review = desk.explain(another(desk), config(desk))
    assert any("not compared with a baseline" in note for note in review.notes)
    assert "What changed" not in page(desk, review.run_id)
    assert len(desk.runs()) == 1


def test_switched_off_nothing_is_written(desk):
    review = desk.explain(desk.register())
    assert names.REPORT_PAGE not in desk.artifacts(review.run_id)
    assert names.TAG_REPORT not in desk.client.get_run(review.run_id).data.tags


def test_a_page_that_cannot_be_written_is_a_note_and_no_failure(desk, monkeypatch):
    def broken(*arguments, **options):
        raise RuntimeError("no ink")

    monkeypatch.setattr(reporting, "report_items", broken)
    review = desk.explain(desk.register(), config(desk))
    assert any("no ink" in note and "--log" in note for note in review.notes)
    run = desk.client.get_run(review.run_id)
    assert run.data.tags[names.TAG_STATUS] == "completed"
    assert names.TAG_REPORT not in run.data.tags


def test_a_store_that_fails_after_the_review_costs_the_page_alone(desk, monkeypatch):
    desk.explain(desk.register(), config(desk))

    def full(*arguments, **options):
        raise PermissionError("the disk is full")

    uri = another(desk)
    with monkeypatch.context() as patch:
        patch.setattr("mlflow_lime.tracking.comparison.write_items", full)
        review = desk.explain(uri, config(desk))
    assert any("the disk is full" in note for note in review.notes)
    run = desk.client.get_run(review.run_id)
    assert run.data.tags[names.TAG_STATUS] == "completed"
    assert names.TAG_REPORT not in run.data.tags
    desk.explain(uri, config(desk))
    assert "What changed" in page(desk, review.run_id)
    assert desk.points(review.run_id)["lime/drift_alarm"] == 1


def test_a_description_that_failed_is_tried_again(desk, monkeypatch):
    uri = desk.register()

    def locked(*arguments, **options):
        raise RuntimeError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr("mlflow.MlflowClient.update_model_version", locked)
        review = desk.explain(uri, config(desk))
    assert any("database is locked" in note for note in review.notes)
    assert not desk.client.get_model_version(desk.name, "1").description
    desk.explain(uri, config(desk))
    assert "Open the report" in desk.client.get_model_version(desk.name, "1").description


def test_a_check_that_explains_a_version_compares_it_too(desk):
    desk.explain(desk.register(), config(desk))
    checked = check_version(another(desk), config(desk))
    text = page(desk, checked.run_id)
    assert "What changed" in text
    assert "Findings of the checks" in text


def test_a_version_that_is_its_own_baseline_keeps_the_comparison_that_stands_there(desk, pair):
    run_id = pair[1].run_id
    before = desk.artifacts(run_id)[names.DRIFT_FILE]
    comparison = compare_versions(f"models:/{desk.name}/2", "2", config(desk))
    assert any("compared with itself" in note for note in comparison.notes)
    assert desk.artifacts(run_id)[names.DRIFT_FILE] == before
    assert desk.points(run_id)["lime/drift_alarm"] == 1


def test_findings_of_an_earlier_comparison_do_not_stand_beside_a_later_one(desk, pair):
    uri = f"models:/{desk.name}/2"
    drift = compare_versions(uri, "1", config(desk)).drift
    checked = check_version(uri, config(desk), drift=drift)
    assert {item.code for item in checked.outcomes if item.state == "raised"} >= {"LIM011"}
    compare_versions(uri, "1", config(desk, compare={"min_change": 0.9}))
    content = gather_content(reviewed_run(checked.run_id, desk.client), desk.client)
    (found,) = [item for item in content.outcomes if item.code == "LIM011"]
    assert found.state == "skipped"
    assert "an earlier comparison" in found.reason


def test_models_of_one_run_have_their_own_accuracy(desk):
    with mlflow.start_run():
        for value in (0.91, 0.55):
            model = LogisticRegression(max_iter=9999).fit(
                desk.frame[desk.columns], desk.frame["target"]
            )
            info = mlflow.sklearn.log_model(
                model,
                name=f"model-{value:.0%}".removesuffix("%"),
                registered_model_name=desk.name,
                serialization_format="cloudpickle",
                pip_requirements=["mlflow"],
            )
            mlflow.log_metric("accuracy", value, model_id=info.model_id)
    found = []
    for number in (1, 2):
        review = desk.explain(f"models:/{desk.name}/{number}", config(desk))
        side = gather_content(reviewed_run(review.run_id, desk.client), desk.client).side
        found.append(side.metrics["accuracy"])
    assert found == [0.91, 0.55]


def test_files_that_cannot_be_read_are_noted_on_the_page(desk, pair):
    run_id = pair[1].run_id
    for path in (names.TRUST_FILE, names.DRIFT_FILE, names.FACTS_FILE, names.FINDINGS_FILE):
        desk.client.log_text(run_id, "{broken", path)
    content = gather_content(reviewed_run(run_id, desk.client), desk.client)
    assert len(content.side.explanations) == 5
    assert content.others == ()
    told = " ".join(content.side.notes)
    for path in (names.TRUST_FILE, names.DRIFT_FILE, names.FACTS_FILE, names.FINDINGS_FILE):
        assert path in told
    assert content.side.facts.reasons  # from the table of instances


def test_a_page_is_made_again_without_the_model(desk, pair, asked):
    reviewed = reviewed_run(pair[1].run_id, desk.client)
    before = page(desk, pair[1].run_id)
    asked.clear()
    assert write_report(reviewed, config(desk), desk.client) == ()
    assert page(desk, pair[1].run_id) == before
    assert asked == []


def test_a_baseline_whose_run_is_gone_leaves_the_comparison_readable(desk, pair):
    desk.client.delete_run(pair[0].run_id)
    text = desk.artifacts(pair[1].run_id)[names.DRIFT_FILE].decode()
    told = json.loads(text)
    told["baseline_run"] = "0" * 32
    desk.client.log_text(pair[1].run_id, json.dumps(told), names.DRIFT_FILE)
    content = gather_content(reviewed_run(pair[1].run_id, desk.client), desk.client)
    assert content.others[0].drift.alarm == read_drift_json(text).alarm
    assert content.others[0].side.explanations == ()


def test_several_versions_stand_beside_the_candidate(desk, pair):
    desk.explain(desk.register(LogisticRegression(C=0.1, max_iter=9999)), config(desk))
    candidate = f"models:/{desk.name}/3"
    comparison = compare_versions(candidate, "2", config(desk), log=False)
    others = others_of(comparison, ["1"], config(desk), client=desk.client)
    content = content_of(comparison, others, desk.client)
    assert [other.side.name for other in content.others] == [f"{desk.name}/2", f"{desk.name}/1"]
    assert all(other.drift is not None for other in content.others)


def test_a_version_on_another_reference_set_is_shown_with_the_reason(desk, pair):
    desk.explain(another(desk), config(desk, reference={"count": 4}), new_set=True)
    desk.explain(another(desk), config(desk))
    comparison = compare_versions(f"models:/{desk.name}/4", "3", config(desk), log=False)
    (other,) = others_of(comparison, ["1"], config(desk), client=desk.client)
    assert other.drift is None
    assert "reference set" in other.why_not
    assert other.side.name == f"{desk.name}/1"


def test_metrics_of_the_source_run_stand_beside_ours(desk):
    uri = desk.register()
    source = resolve_model(uri).run_id
    desk.client.log_metric(source, "accuracy", 0.91)
    review = desk.explain(uri, config(desk))
    side = gather_content(reviewed_run(review.run_id, desk.client), desk.client).side
    assert side.metrics["accuracy"] == 0.91
    assert np.isfinite(side.metrics["lime/partial_r2"])
    assert '<div class="title">accuracy</div><div class="value">0.91' in page(desk, review.run_id)
