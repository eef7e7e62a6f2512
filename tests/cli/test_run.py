"""Steps of a file from the command line: planned, run, skipped, failed, stopped, continued."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest

from mlflow_lime import names
from mlflow_lime.errors import DigestMismatchError

ROOT = Path(__file__).parents[2]
SMALL = "config: {reference: {count: 3}, sampling: {rows: 32, max_rows: 32}}\n"
TWO = f"{SMALL}steps:\n  - reference: {{}}\n  - explain: {{}}\n"
SLOW = """\
import time


def score(frame, model):
    time.sleep(0.3)
    return model.get_raw_model().predict_proba(frame)
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Write a steps file into the folder of the test."""

    def write(text, name="steps.yaml"):
        (tmp_path / name).write_text(text)
        return name

    return write


def states(output):
    """Return the states of the summary."""
    summary = output.partition("\nSummary\n")[2]
    return re.findall(r"^  \d .*?  (done|unchanged|failed|skipped)\b", summary, re.MULTILINE)


def pin(model):
    name = model.removeprefix("models:/").partition("/")[0]
    return mlflow.MlflowClient().get_registered_model(name).tags.get(names.TAG_REFERENCE)


def test_a_dry_run_shows_the_plan_and_does_nothing(lime, model, file):
    path = file(
        f"model: {model.replace('/1', '/latest')}\n{SMALL}steps:\n"
        "  - reference: {count: 4}\n"
        "  - explain: {}\n    name: the candidate\n    when: {alias: candidate}\n"
        "  - explain: {}\n    when: failure\n    on_error: continue\n"
    )
    result = lime("run", path, "--dry-run")
    assert result.exit_code == 0, result.output
    label = model.removeprefix("models:/")
    assert result.stdout.startswith(f"{label}: 3 steps of steps.yaml\n")
    assert f"{model.replace('/1', '/latest')}, now {model}" in result.stdout
    assert "1 reference\n  would make sure that instances are pinned\n" in result.stdout
    skipped = f"2 the candidate (explain)\n  would be skipped: no alias candidate points to {label}"
    assert skipped in result.stdout
    assert "when success, alias candidate; on_error: stop" in result.stdout
    assert "3 explain\n  would be skipped: no earlier step failed\n" in result.stdout
    assert result.stdout.endswith("Nothing was run (--dry-run).\n")
    assert pin(model) is None


def test_steps_pin_and_explain_and_a_repeat_changes_nothing(lime, model, file):
    path = file(TWO)
    result = lime("run", path, model)
    assert result.exit_code == 0, result.output
    assert states(result.output) == ["done", "done"]
    assert "of 3 instances picked and pinned" in result.stdout
    assert "3 of 3 instances explained\n" in result.stdout
    digest, _, run_id = pin(model).partition("@")
    assert f"\n  reference set {digest}\n" in result.stdout
    assert run_id in result.stdout
    again = lime("run", path, model)
    assert again.exit_code == 0
    assert states(again.output) == ["unchanged", "unchanged"]
    assert "3 of 3 instances explained already with this configuration" in again.stdout
    assert pin(model) == f"{digest}@{run_id}"


def test_the_command_line_names_model_and_configuration_in_place_of_the_file(lime, model, file):
    path = file("model: models:/nobody/1\nsteps: [reference]\n")
    other = file("reference: {count: 5}\n", "lime.yaml")
    result = lime("run", path, model, "-c", other)
    assert "of 5 instances picked and pinned" in result.stdout, result.output
    assert "configuration       lime.yaml" in result.stdout
    assert lime("run", path).exit_code == 1


def test_conditions_are_asked_of_the_version_as_it_is_then(lime, model, file):
    name, _, number = model.removeprefix("models:/").partition("/")
    path = file(
        f"{TWO}    when: {{alias: candidate, tag: {{approved: 'yes'}}}}\n", name="conditions.yaml"
    )
    result = lime("run", path, model)
    assert result.exit_code == 0, result.output
    assert states(result.output) == ["done", "skipped"]
    assert f"skipped: no alias candidate points to {name}/{number}" in result.stdout
    client = mlflow.MlflowClient()
    client.set_registered_model_alias(name, "candidate", number)
    assert f"tag approved of {name}/1 is not set" in lime("run", path, model).stdout
    client.set_model_version_tag(name, number, "approved", "yes")
    assert states(lime("run", path, f"models:/{name}@candidate").output) == ["unchanged", "done"]


def test_a_failed_step_ends_in_exit_code_one_and_the_rest_says_why_it_did_not_run(
    lime, model, file
):
    path = file(
        f"{SMALL}steps:\n"
        "  - explain: {data: {source: missing.csv}}\n"
        "  - reference: {}\n"
        "  - reference: {}\n    name: in any case\n    when: always\n"
    )
    result = lime("run", path, model)
    assert result.exit_code == 1
    assert states(result.output) == ["failed", "skipped", "done"]
    assert "2 reference\n  skipped: an earlier step failed\n" in result.stdout
    assert "missing.csv" in result.stderr
    assert "Traceback" not in result.output
    assert pin(model) is not None


def test_a_failure_that_may_pass_is_still_reported(lime, model, file):
    path = file(
        f"{SMALL}steps:\n"
        "  - reference: {digest: 0123456789abcdef}\n    on_error: continue\n"
        "  - reference: {}\n"
    )
    result = lime("run", path, model)
    assert result.exit_code == 1
    assert states(result.output) == ["failed", "done"]
    assert "expected 0123456789abcdef" in result.stderr
    debug = lime("run", path, model, "--debug")
    assert isinstance(debug.exception, DigestMismatchError), "--debug shows where it happened"


def test_failed_instances_fail_the_step_where_the_configuration_says_raise(
    lime, model, people, file
):
    age = int(people["age"].iloc[1])
    Path("picky_steps_hook.py").write_text(
        "def score(frame, model):\n"
        f"    if (frame['age'] == {age}).any():\n"
        "        raise ValueError('not this one')\n"
        "    return model.get_raw_model().predict_proba(frame)\n"
    )
    people[people["age"] != age].to_csv("others.csv", index=False)
    path = file(
        "config: {predict: 'picky_steps_hook:score', task: classification, labels: ['1'],\n"
        "  reference: {pick: rows, rows: [0, 1]}, sampling: {rows: 64, max_rows: 64},\n"
        "  background: {source: others.csv}}\n"
        "steps:\n"
        "  - explain: {}\n"
        "  - explain: {on_error: raise}\n"
    )
    result = lime("run", path, model)
    assert result.exit_code == 1
    assert states(result.output) == ["done", "failed"], result.output
    assert "1 of 2 instances explained" in result.stdout
    assert "Error: step 2 explain 2 failed." in result.stderr


def test_a_run_begins_with_the_step_that_is_named(lime, model, file):
    path = file(TWO)
    for start in ("2", "explain"):
        result = lime("run", path, model, "--from", start)
        assert result.exit_code == 0, result.output
        assert states(result.output)[0] == "skipped"
        assert "1 reference\n  skipped: before --from\n" in result.stdout
    wrong = lime("run", path, model, "--from", "explian")
    assert wrong.exit_code == 1
    assert "has no step 'explian'. Did you mean 'explain'?" in wrong.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps: [explain]\n", "names no model; write `model: models:/<name>/latest` into it"),
        ("model: credit/1\nsteps: [explain]\n", "write models:/credit/1"),
        ("model: models:/credit/9\nsteps: [explain]\n", "has no version '9'"),
        ("model: models:/credit/1\nsteps: [explan]\n", "steps.yaml:2: steps[0].explan: expected"),
        (
            "model: models:/credit/1\nconfig: {models: fraud}\nsteps: [explain]\n",
            "steps.yaml:3: the configuration of 'explain' is for models 'fraud'",
        ),
    ],
)
@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_a_mistake_is_told_before_anything_runs(lime, file, text, said, options):
    result = lime("run", file(text), *options)
    assert result.exit_code == 1
    assert said in result.stderr
    assert "Summary" not in result.output


def test_a_file_that_is_not_there_is_named(lime):
    assert (
        "nowhere.yaml: expected a YAML file, got no such file" in lime("run", "nowhere.yaml").stderr
    )


def test_ctrl_c_says_how_to_go_on_and_nothing_is_lost(lime, model, environment, tmp_path, file):
    (tmp_path / "slow_steps_hook.py").write_text(SLOW)
    path = file(
        "config: {predict: 'slow_steps_hook:score', task: classification, labels: ['1'],\n"
        "  reference: {count: 6}, sampling: {rows: 64, max_rows: 64},\n"
        "  prediction: {block_rows: 64}}\n"
        "steps: [reference, explain]\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow_lime", "run", path, model],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        journals = list((tmp_path / "home").glob("journal/*.jsonl"))
        if journals and journals[0].read_text().count('"numbers"') >= 2:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Stopped in step 2 explain." in errors
    assert "Traceback" not in errors
    before = pin(model)
    (command,) = re.findall(r"^  (mlflow-lime run .*)$", errors, re.MULTILINE)
    assert command == f"mlflow-lime run steps.yaml {model} --from 2"
    result = lime(*command.split()[1:])
    assert result.exit_code == 0, result.output
    assert "6 of 6 instances explained" in result.stdout
    assert pin(model) == before


def test_mlflow_run_runs_the_steps_in_its_own_run(model, environment):
    command = [sys.executable, "-m", "mlflow", "run", ".", "-e", "pipeline"]
    done = subprocess.run(
        [*command, "--env-manager", "local", "-P", f"model_uri={model}"],
        cwd=ROOT,
        env={k: v for k, v in environment.items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert states(done.stdout) == ["done", "done", "unchanged", "done", "skipped"]
    (run_id,) = set(re.findall(r"^  run (\w{32})$", done.stdout, re.MULTILINE))
    run = mlflow.MlflowClient().get_run(run_id)
    assert run.data.tags["mlflow.project.entryPoint"] == "pipeline"
    assert run.data.tags[names.TAG_STATUS] == "completed"
    assert run.data.metrics["lime/instances"] == 30
    assert run.info.status == "FINISHED"
    assert pin(model).endswith(f"@{run_id}")
