"""Explaining from the command line: once, again, stopped in the middle, and inside a project."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest

from mlflow_lime import names

ROOT = Path(__file__).parents[2]

MLFLOW_RUN = [sys.executable, "-m", "mlflow", "run", ".", "-e", "explain"]
MLFLOW_RUN += ["--env-manager", "local"]
SLOW = """\
import os
import time


def score(frame, model):
    time.sleep(float(os.environ.get("PAUSE", "0")))
    return model.get_raw_model().predict_proba(frame)
"""
PICKY = """\
def score(frame, model):
    if (frame["age"] == {age}).any():
        raise ValueError("not this one")
    return model.get_raw_model().predict_proba(frame)
"""


def test_the_summary_says_what_was_found_and_where_it_is(lime, model, store):
    result = lime("explain", model, "--instances", "4")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    label = model.removeprefix("models:/")
    assert re.match(rf"{label}: 4 of 4 instances explained with [\d,]+ model rows in", lines[0])
    for name in ("fidelity", "local gap", "same decision", "stability", "reference set"):
        assert f"\n  {name}  " in result.output
    assert {"income", "job", "age"} == set(
        re.findall(r"^  (\w+) +\d\.\d+  █*$", result.output.partition("Top parts")[2], re.M)
    ) | {"age"}
    (run_id,) = re.findall(r"Logged to run (\w{32})", result.output)
    run = mlflow.MlflowClient().get_run(run_id)
    assert run.data.tags[names.TAG_STATUS] == "completed"
    page = f"#/experiments/{store.experiment}/runs/{run_id}/artifacts/{names.REPORT_PAGE}"
    path = f"{page}?workflowType=machine_learning"
    assert path in result.output
    assert f"mlflow ui --backend-store-uri {store.uri}" in result.output


def test_a_repeat_does_nothing_and_says_so(lime, model):
    first = lime("explain", model, "-n", "3", "-q")
    again = lime("explain", model, "-n", "3")
    assert again.exit_code == 0
    assert "was explained already with this configuration, on 3 of 3 instances" in again.output
    assert first.output.strip() in again.output


def test_quiet_prints_the_run_alone(lime, model):
    result = lime("explain", model, "-n", "2", "--quiet")
    assert re.fullmatch(r"\w{32}\n", result.output)


def test_lime_yaml_in_the_folder_is_read_and_named(lime, model):
    Path("lime.yaml").write_text("reference: {count: 2}\n")
    result = lime("explain", model)
    assert "2 of 2 instances" in result.output
    assert "configuration       lime.yaml" in result.output


def test_the_environment_names_a_configuration(lime, model, monkeypatch):
    Path("other.yaml").write_text("reference: {count: 2}\n")
    monkeypatch.setenv("MLFLOW_LIME_CONFIG", "other.yaml")
    assert "configuration       other.yaml" in lime("explain", model).output


def test_a_pinned_model_keeps_its_instances(lime, model):
    lime("explain", model, "-n", "2")
    result = lime("explain", model, "-n", "5")
    assert "has pinned its instances, so --instances 5 picks no others" in result.stderr
    assert "2 of 2 instances" in result.output
    fresh = lime("explain", model, "-n", "5", "--new-reference")
    assert "5 of 5 instances" in fresh.output


def test_another_digest_is_refused(lime, model):
    lime("explain", model, "-n", "2")
    result = lime("explain", model, "-n", "2", "--reference-digest", "0123456789abcdef")
    assert result.exit_code == 1
    assert "expected 0123456789abcdef" in result.stderr
    (digest,) = re.findall(r"has digest (\w+),", result.stderr)
    assert lime("explain", model, "-n", "2", "--reference-digest", digest).exit_code == 0


def test_a_number_does_not_go_with_named_instances(lime, model):
    Path("lime.yaml").write_text("reference: {pick: rows, rows: [3, 1]}\n")
    result = lime("explain", model, "-n", "5")
    assert result.exit_code == 1
    assert "--instances 5 does not go with reference.pick: rows" in result.stderr


def picky(model, people, on_error):
    """Write a configuration whose model refuses the second of two pinned rows."""
    age = int(people["age"].iloc[1])
    Path("picky_hook.py").write_text(PICKY.format(age=age))
    Path("lime.yaml").write_text(
        f"predict: picky_hook:score\ntask: classification\non_error: {on_error}\n"
        "labels: ['1']\n"
        "reference: {pick: rows, rows: [0, 1]}\nsampling: {rows: 64, max_rows: 64}\n"
        f"background: {{source: others.csv}}\n"
    )
    people[people["age"] != age].to_csv("others.csv", index=False)
    sys.modules.pop("picky_hook", None)


@pytest.mark.parametrize(("on_error", "code"), [("record", 0), ("raise", 1)])
def test_failed_instances_are_listed_with_their_reason(lime, model, people, on_error, code):
    picky(model, people, on_error)
    result = lime("explain", model)
    assert "1 instance failed" in result.stdout, result.output
    assert "raised ValueError" in result.stdout
    assert "1 of 2 instances explained" in result.stdout
    assert result.exit_code == code
    assert lime("explain", model).exit_code == code, "a repeat must not turn a failure into success"


def test_on_error_record_does_not_hide_a_failure_from_a_batch_job(lime, model):
    Path("lime.yaml").write_text("on_error: record\ndata: {source: missing.csv}\n")
    assert lime("explain", model).exit_code == 1


def slow_start(environment, tmp_path, model, **options):
    (tmp_path / "slow_hook.py").write_text(SLOW)
    (tmp_path / "lime.yaml").write_text(
        "predict: slow_hook:score\ntask: classification\nlabels: ['1']\n"
        "reference: {count: 12}\nsampling: {rows: 64, max_rows: 64}\n"
        "prediction: {block_rows: 64, progress: 'on'}\n"
    )
    return subprocess.Popen(
        [sys.executable, "-m", "mlflow_lime", "explain", model],
        env={**environment, **options},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_explanations(home, process, count):
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        journals = list(home.glob("journal/*.jsonl"))
        if journals and journals[0].read_text().count('"numbers"') >= count:
            return
        time.sleep(0.05)
    raise AssertionError(process.communicate())


def test_ctrl_c_keeps_what_is_finished_and_the_next_run_goes_on(
    lime, model, environment, tmp_path, store
):
    process = slow_start(environment, tmp_path, model, PAUSE="0.4")
    wait_for_explanations(tmp_path / "home", process, 2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"Finished explanations are kept in {tmp_path / 'home' / 'journal'}" in errors
    assert "Run the same command again to go on" in errors
    assert "Traceback" not in errors

    (journal,) = (tmp_path / "home" / "journal").glob("*.jsonl")
    kept = journal.read_text().count('"numbers"')
    result = lime("explain", model)
    assert result.exit_code == 0, result.output
    assert "12 of 12 instances" in result.output
    assert 2 <= kept < 12
    assert not journal.exists()
    (run_id,) = re.findall(r"Logged to run (\w{32})", result.output)
    label = model.removeprefix("models:/")
    runs = mlflow.MlflowClient().search_runs([store.experiment])
    mine = [r for r in runs if r.data.tags.get(names.TAG_IDENTITY, "").startswith(f"{label}@")]
    assert [run.info.run_id for run in mine] == [run_id]
    assert mine[0].info.status == "FINISHED"


def test_mlflow_run_explains_into_its_own_run(model, environment):
    done = subprocess.run(
        [*MLFLOW_RUN, "-P", f"model_uri={model}"],
        cwd=ROOT,
        env={k: v for k, v in environment.items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (run_id,) = re.findall(r"Logged to run (\w{32})", done.stdout)
    run = mlflow.MlflowClient().get_run(run_id)
    assert run.data.tags["mlflow.project.entryPoint"] == "explain"
    assert run.data.tags[names.TAG_STATUS] == "completed"
    assert run.data.metrics["lime/instances"] == 20
    assert run.info.status == "FINISHED"
