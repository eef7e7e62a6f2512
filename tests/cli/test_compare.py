"""Two versions compared from the command line."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mlflow_lime import names

QUICK = """\
reference: {count: 4}
sampling: {rows: 128, max_rows: 128}
outputs: {pictures: false}
compare: {min_fidelity: -10}
metrics: {faithfulness: false, realism: false, permuted: false}
"""


@pytest.fixture
def two(model, store):
    """A registered model with two versions of the same weights, and a quick configuration."""
    name = model.split("/")[1]
    data = f"data: {{source: '{store.folder / 'rows.csv'}'}}\n"
    Path("lime.yaml").write_text(f"models: ['{name}']\n{QUICK}{data}")
    client = MlflowClient()
    first = client.get_model_version(name, "1")
    client.create_model_version(name, f"models:/{name}/1", run_id=first.run_id)
    return f"models:/{name}/2"


def test_what_changed_is_said_and_logged(lime, two, tmp_path):
    result = lime("compare", two, "--json", "drift.json")
    assert result.exit_code == 0, result.output
    name = two.split("/")[1]
    assert result.stdout.startswith(f"{name}/2 against {name}/1\n")
    assert "not changed beyond noise" in result.stdout
    assert "4 of 4 instances" in result.stdout
    assert "other reasons       0 of 4, 0 with the same answer" in result.stdout
    data = json.loads((tmp_path / "drift.json").read_text())
    assert data["metrics"]["drift_total_change"] == 0.0
    run = MlflowClient().get_run(result.stdout.split("Logged to run ")[1].split(":")[0])
    assert run.data.metrics["lime/drift_alarm"] == 0.0
    assert run.data.tags[names.TAG_BASELINE] == f"{name}/1"


def test_nothing_is_logged_where_that_is_asked(lime, two):
    result = lime("compare", two, "--against", "1", "--no-log")
    assert result.exit_code == 0, result.output
    assert "Logged to" not in result.stdout


def test_other_models_make_other_reasons(lime):
    Path("lime.yaml").write_text(f"models: credit\n{QUICK}")
    result = lime("compare", "models:/credit/2", "--against", "1", "--no-log")
    assert result.exit_code == 0, result.output
    assert "importance of" in result.stdout
    assert "instances with other reasons, most changed first" in result.stdout
    assert "job" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--against", "champion"], "write @champion"),
        (["--against", "@champion"], "has no alias 'champion'"),
        (["--against", "7"], "has no version '7'"),
    ],
)
def test_a_baseline_or_a_place_that_is_not_there_ends_in_1(lime, two, arguments, said):
    result = lime("compare", two, *arguments)
    assert result.exit_code == 1
    assert said in result.output


def test_a_file_that_cannot_be_written_is_refused_before_the_work(lime, two, tmp_path):
    (tmp_path / "taken").mkdir()
    result = lime("compare", two, "--json", "taken")
    assert result.exit_code == 2
    assert "'taken' is a folder" in result.output


def test_the_first_version_has_none_before_it(lime, two):
    result = lime("compare", two.replace("/2", "/1"))
    assert result.exit_code == 1
    assert "is the first version" in result.output
