import json

import pytest
import yaml
from click.testing import CliRunner

from mlflow_lime.checks.registry import CHECKS
from mlflow_lime.cli.check import check


@pytest.fixture
def run(lime):
    """Return the command, in the surroundings of `lime`."""

    def invoke(*arguments):
        return CliRunner().invoke(check, [str(item) for item in arguments])

    return invoke


def write(folder, **checks):
    path = folder / "checks.yaml"
    config = {
        "data": {"target": "label"},
        "reference": {"count": 6},
        "sampling": {"rows": 128, "max_rows": 128},
        "outputs": {"pictures": False},
        "checks": checks,
    }
    path.write_text(yaml.safe_dump(config))
    return path


def test_the_list_explains_every_check_and_option(run):
    result = run("--list")
    assert result.exit_code == 0
    for item in CHECKS:
        assert f"{item.code}  {item.title} ({item.severity})" in result.stdout
        for name in item.options.model_fields:
            assert f"        {name} (default " in result.stdout


def test_help_teaches_with_examples(run):
    text = run("--help").stdout
    assert "mlflow-lime check models:/credit/4 --against @champion" in text
    assert "Exit codes" in text


def test_nothing_raised_ends_in_zero_and_a_sensitive_column_in_one(run, tmp_path):
    quiet = write(tmp_path, mute=["LIM001", "LIM002", "LIM007"])
    result = run("models:/credit/1", "-c", quiet, "--json", "found.json")
    assert result.exit_code == 0, result.output
    assert "0 raised" in result.stdout
    outcomes = json.loads((tmp_path / "found.json").read_text())["outcomes"]
    assert [item["code"] for item in outcomes] == [item.code for item in CHECKS]
    unfair = write(tmp_path, sensitive=["job"], mute=["LIM001"])
    result = run("models:/credit/1", "-c", unfair)
    assert result.exit_code == 1
    assert "error           LIM005  Sensitive feature relied on" in result.stdout
    assert "see docs/checks/LIM005.md" in result.stdout
    result = run(
        "models:/credit/1",
        "-c",
        unfair,
        "--all",
        *(f"--mute={code}" for code in ("LIM002", "LIM005", "LIM006", "LIM007")),
    )
    assert result.exit_code == 0
    assert "muted (checks.mute)" in result.stdout
    assert "passed          LIM003" in result.stdout


def test_a_wrong_code_is_one_clear_error(run, tmp_path):
    result = run("models:/credit/1", "-c", write(tmp_path), "--mute", "LIM099")
    assert result.exit_code == 1
    assert "there is no check 'LIM099'" in result.output
    assert "Traceback" not in result.output


def test_drift_is_checked_against_another_version(run, tmp_path):
    path = write(tmp_path)
    result = run("models:/credit/2", "-c", path, "--against", "1", "--all", "--no-log")
    assert result.exit_code in (0, 1), result.output
    line = next(line for line in result.stdout.splitlines() if "LIM011" in line)
    assert line.startswith(("passed", "warning"))
    assert "Logged to run" not in result.stdout
