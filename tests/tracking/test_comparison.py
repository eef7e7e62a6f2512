"""Two versions on a real store, compared from what they logged."""

import json
from dataclasses import replace

import mlflow
import numpy as np
import pytest
from matplotlib.text import Text
from sklearn.linear_model import LogisticRegression

from mlflow_lime import names
from mlflow_lime.errors import ConfigError, NotComparableError, VersionNotFoundError
from mlflow_lime.report.drift_items import read_drift_json
from mlflow_lime.tracking.baseline import resolve_baseline
from mlflow_lime.tracking.comparison import compare_versions
from mlflow_lime.tracking.versions import resolve_model

CLOSE = {"min_fidelity": -10.0}
ROWS = {"sampling": {"rows": 256, "max_rows": 256}}


@pytest.fixture
def pair(desk):
    """Two explained versions: the second one relies on another column."""
    first = desk.register()
    desk.explain(first, desk.config(**ROWS))
    second = desk.register(target=(desk.frame["x3"] > 40).astype(int))
    desk.explain(second, desk.config(**ROWS))
    return first, second


def compared(desk, candidate, baseline=None, **changes):
    compare = {**CLOSE, **changes.pop("compare", {})}
    changes = {**ROWS, **changes}
    return compare_versions(candidate, baseline, desk.config(compare=compare, **changes))


def test_another_column_is_found_from_the_logged_files_alone(desk, pair, asked):
    comparison = compared(desk, pair[1])
    assert asked == []
    assert comparison.baseline.uri == pair[0]
    assert comparison.drift.alarm
    assert {part.name for part in comparison.drift.parts if part.changed} >= {"x3"}
    assert comparison.metrics["lime/drift_changed_share"] == 1.0


def test_what_is_logged_stands_on_the_candidate_once(desk, pair):
    comparison = compared(desk, pair[1])
    run = desk.client.get_run(comparison.candidate_run)
    logged = {key: value for key, value in run.data.metrics.items() if "drift" in key}
    assert logged == comparison.metrics
    assert run.data.tags[names.TAG_BASELINE] == f"{desk.name}/1"
    source = desk.client.get_run(resolve_model(pair[1]).run_id)
    assert source.data.metrics["lime/drift_alarm"] == 1.0
    compared(desk, pair[1])
    points = desk.points(comparison.candidate_run)
    assert {points[name] for name in logged} == {1}
    compared(desk, pair[1], compare={"min_change": 0.5})
    assert desk.points(comparison.candidate_run)["lime/drift_alarm"] == 2
    files = desk.artifacts(comparison.candidate_run)
    stored = read_drift_json(files[names.DRIFT_FILE].decode())
    assert stored.alarm
    assert json.loads(files[names.DRIFT_INSTANCES_TABLE])["columns"][:2] == ["instance", "reasons"]
    assert json.loads(files[names.DRIFT_WEIGHTS_TABLE])["data"]
    tables = json.loads(run.data.tags["mlflow.loggedArtifacts"])
    assert names.DRIFT_INSTANCES_TABLE in {table["path"] for table in tables}


def test_a_comparison_is_drawn(desk, pair):
    figure = compared(desk, pair[1]).as_figure(top=3)
    written = {text.get_text() for text in figure.findobj(Text)}
    assert f"{desk.name}/2 against {desk.name}/1" in written
    assert "x3" in written


def test_no_value_is_logged_where_none_may_be_stored(desk, pair):
    full = compared(desk, pair[1])
    shown = desk.artifacts(full.candidate_run)[names.DRIFT_FILE].decode()
    part = json.loads(shown)["instances"][0]["parts"][0]
    assert "=" in part
    hidden = compared(desk, pair[1], reference={"store_inputs": "redacted"}, compare={"fdr": 0.11})
    text = desk.artifacts(hidden.candidate_run)[names.DRIFT_FILE].decode()
    assert json.loads(text)["instances"][0]["parts"] == desk.columns
    assert part not in text


def test_what_an_earlier_comparison_said_does_not_stay_under_another_ones_name(desk, pair):
    first = compared(desk, pair[1])
    assert first.metrics["lime/drift_changed_share"] == 1.0
    nothing = compared(desk, pair[1], compare={"min_fidelity": 1.0})
    assert nothing.drift.compared == ()
    metrics = desk.client.get_run(first.candidate_run).data.metrics
    assert np.isnan(metrics["lime/drift_changed_share"])
    assert metrics["lime/drift_instances"] == 0.0


def test_a_comparison_that_was_cut_short_is_logged_again(desk, pair):
    first = compared(desk, pair[1])
    desk.client.set_tag(first.candidate_run, names.TAG_COMPARED, "being written")
    desk.client.log_text(first.candidate_run, "cut short", names.DRIFT_FILE)
    compared(desk, pair[1])
    text = desk.artifacts(first.candidate_run)[names.DRIFT_FILE].decode()
    assert read_drift_json(text).alarm


def test_a_review_of_a_folder_or_of_a_version_that_is_gone_is_read_from_its_run(desk, pair):
    runs = [run.info.run_id for run in desk.runs()]
    desk.client.delete_model_version(desk.name, "1")
    comparison = compare_versions(f"runs:/{runs[1]}", f"runs:/{runs[0]}", log=False)
    assert comparison.drift.instances
    assert comparison.baseline.label == f"runs:/{runs[0]}"


def test_a_version_against_itself_and_a_copy_have_no_drift(desk, pair):
    itself = compared(desk, pair[1], pair[1])
    assert itself.metrics["lime/drift_total_change"] == 0.0
    assert itself.metrics["lime/drift_p_value"] == 1.0
    assert any("with itself" in note for note in itself.notes)
    copy = desk.client.copy_model_version(pair[1], desk.name)
    again = compared(desk, f"models:/{desk.name}/{copy.version}", pair[1])
    assert again.metrics["lime/drift_total_change"] == 0.0
    assert any("same logged model" in note for note in again.notes)


def test_what_was_not_explained_is_explained_first_unless_that_is_forbidden(desk, asked):
    first, second = desk.register(), desk.register()
    with pytest.raises(NotComparableError, match=r"compare\.reexplain"):
        compared(desk, second, compare={"reexplain": False})
    assert asked == []
    comparison = compared(desk, second)
    assert asked != []
    assert len(comparison.drift.instances) == 5
    assert comparison.baseline_run != comparison.candidate_run
    assert resolve_model(first).uri == comparison.baseline.uri


def test_a_baseline_that_was_explained_in_another_way_is_explained_again(desk, pair):
    comparison = compared(desk, pair[1], sampling={"rows": 64, "max_rows": 64})
    assert comparison.drift.instances
    runs = {run.info.run_id for run in desk.runs()}
    assert len(runs) == 4
    with pytest.raises(NotComparableError, match="in another way"):
        compared(desk, pair[1], seed=5, compare={"reexplain": False})


def test_without_a_configuration_the_candidates_own_is_taken(desk, pair, asked):
    comparison = compare_versions(pair[1], log=False)
    assert asked == []
    assert len(comparison.drift.instances) == 5
    run = desk.client.get_run(comparison.candidate_run)
    assert not any("drift" in key for key in run.data.metrics)


def test_other_reference_sets_are_refused_with_the_cure(desk, pair):
    desk.explain(pair[1], new_set=True, config=desk.config(**ROWS, reference={"count": 6}))
    newest = desk.register()
    desk.explain(newest, desk.config(**ROWS))
    with pytest.raises(NotComparableError) as caught:
        compared(desk, newest, pair[0])
    said = str(caught.value)
    assert f"mlflow-lime explain {pair[0]}" in said
    assert "other instances" in said
    desk.explain(pair[0], desk.config(**ROWS))
    assert compared(desk, newest, pair[0]).drift.instances


def test_runs_are_compared_as_they_are(desk, pair):
    runs = [run.info.run_id for run in desk.runs()]
    comparison = compare_versions(f"runs:/{runs[1]}", f"runs:/{runs[0]}")
    assert comparison.candidate.label == f"{desk.name}/2"
    empty = desk.client.create_run(desk.runs()[0].info.experiment_id).info.run_id
    with pytest.raises(NotComparableError, match="no completed explanations"):
        compare_versions(f"runs:/{runs[1]}", f"runs:/{empty}")
    with pytest.raises(VersionNotFoundError):
        compare_versions(f"runs:/{runs[1]}", "runs:/" + "0" * 32)


@pytest.mark.filterwarnings("ignore")  # of MLflow and pandas
def test_evaluation_runs_are_compared(desk):
    runs = []
    for target in ("x0", "x3"):
        fitted = LogisticRegression(max_iter=999).fit(
            desk.frame[desk.columns], desk.frame[target] > 40
        )
        with mlflow.start_run() as run:
            info = mlflow.sklearn.log_model(
                fitted, name="m", pip_requirements=["mlflow"], serialization_format="cloudpickle"
            )
            mlflow.models.evaluate(
                info.model_uri,
                desk.frame[[*desk.columns, "target"]],
                targets="target",
                model_type="classifier",
                evaluators=["lime"],
                evaluator_config={"lime": {"reference": {"count": 4}, **ROWS}},
            )
        runs.append(run.info.run_id)
    comparison = compare_versions(
        f"runs:/{runs[1]}", f"runs:/{runs[0]}", desk.config(compare=CLOSE), log=False
    )
    assert len(comparison.drift.compared) == 4
    assert comparison.drift.alarm


def test_retrains_of_the_baseline_are_noise(desk):
    random = np.random.default_rng(0)
    uris = []
    for _ in range(6):
        flips = desk.frame["target"].where(random.random(80) > 0.2, 1 - desk.frame["target"])
        uris.append(desk.register(target=flips))
    plain = compared(desk, uris[-1], uris[0], compare={"min_change": 0.0, "min_share": 0.0})
    noisy = compared(
        desk,
        uris[-1],
        uris[0],
        compare={"min_change": 0.0, "min_share": 0.0, "retrain_noise": tuple(uris[1:-1])},
    )
    assert plain.drift.alarm
    assert noisy.drift.p_value > plain.drift.p_value
    assert noisy.drift.noise == "sampling and training"


@pytest.mark.parametrize(
    ("wish", "uri"),
    [
        ("previous", "models:/{name}/2"),
        ("1", "models:/{name}/1"),
        ("@champion", "models:/{name}@champion"),
        ("models:/other/4", "models:/other/4"),
        ("runs:/1f2e", "runs:/1f2e"),
        ("some/folder", "some/folder"),
    ],
)
def test_a_baseline_has_many_names(desk, wish, uri):
    for _ in range(3):
        desk.register()
    candidate = resolve_model(f"models:/{desk.name}/3")
    assert resolve_baseline(wish, candidate, desk.client) == uri.format(name=desk.name)


def test_a_baseline_that_cannot_be_is_refused_with_the_cure(desk):
    candidate = resolve_model(desk.register())
    with pytest.raises(VersionNotFoundError, match="first version"):
        resolve_baseline("previous", candidate, desk.client)
    with pytest.raises(ConfigError, match="write @champion"):
        resolve_baseline("champion", candidate, desk.client)
    with pytest.raises(VersionNotFoundError, match="not a version"):
        resolve_baseline("previous", replace(candidate, name=None), desk.client)
