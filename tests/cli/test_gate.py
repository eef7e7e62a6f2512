"""The gate from the command line: exit codes, files, and an alias that moves on a pass alone."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from xml.etree import ElementTree

import mlflow
import pytest

from mlflow_lime import names

BASE = "reference: {count: 3}\nsampling: {rows: 64, max_rows: 64}\n"
PASSES = "gate: {min_trusted: 1, rules: [{metric: lime/fidelity_r2, min: -9}]}\n"
FAILS = "gate: {rules: [{metric: lime/fidelity_r2, min: 9}]}\n"
UNKNOWN = "gate: {rules: [{change: {metric: acuracy, min: -0.01}}]}\n"
SLOW = """\
import pathlib
import time


def score(frame, model):
    pathlib.Path("asked").touch()
    time.sleep(300)
"""


def name_of(model):
    return model.removeprefix("models:/").rpartition("/")[0]


def holder(model, alias="champion", client=None):
    aliases = (client or mlflow.MlflowClient()).get_registered_model(name_of(model)).aliases
    return str(aliases[alias]) if alias in aliases else None


def configured(text):
    Path("lime.yaml").write_text(BASE + text)


@pytest.fixture
def candidate(model, people, store):
    """The second version of the test's own model, whose first version is the champion."""
    name = name_of(model)
    mlflow.MlflowClient().set_registered_model_alias(name, "champion", "1")
    source = mlflow.MlflowClient().get_model_version(name, "1").source
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.register_model(source, name)
    return f"models:/{name}/2"


def test_a_pass_ends_in_0_and_moves_the_alias(lime, candidate):
    configured(PASSES)
    result = lime("gate", candidate, "--against", "@champion", "--promote", "champion")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"{name_of(candidate)}/2: pass\n")
    assert "moved @champion from" in result.stdout
    assert holder(candidate) == "2"


@pytest.mark.parametrize(
    ("rules", "code", "said"),
    [
        (FAILS, 1, "below 9 by"),
        (UNKNOWN, 2, "baseline"),
        ("", 2, "there are no rules; write some"),
    ],
)
def test_any_other_verdict_leaves_the_alias(lime, candidate, rules, code, said):
    configured(rules)
    result = lime("gate", candidate, "--promote", "champion")
    assert result.exit_code == code
    assert said in result.stdout
    assert holder(candidate) == "1"


def test_the_files_hold_the_verdict_whatever_it_is(lime, candidate):
    options = ("--markdown", "out/gate.md", "--junit", "out/gate.xml", "--json", "out/gate.json")
    for rules, code, outcome in ((PASSES, 0, "pass"), (FAILS, 1, "fail"), ("", 2, "not judged")):
        configured(rules)
        assert lime("gate", candidate, *options).exit_code == code
        assert json.loads(Path("out/gate.json").read_text())["verdict"] == outcome
        assert f"{outcome}: `{name_of(candidate)}/2`" in Path("out/gate.md").read_text("utf-8")
        suite = ElementTree.parse("out/gate.xml").getroot()[0]
        assert (suite.get("failures"), suite.get("errors")) == {
            0: ("0", "0"), 1: ("1", "0"), 2: ("0", "1")
        }[code]  # fmt: skip
    assert sorted(os.listdir("out")) == ["gate.json", "gate.md", "gate.xml"]


@pytest.mark.parametrize(
    ("config", "arguments", "said"),
    [
        ("gate: {rulez: []}\n", (), "rulez"),
        (PASSES, ("--tracking-uri", "sqlite:///nowhere.db"), "there is no MLflow store"),
        (PASSES, ("--tracking-uri", "http://127.0.0.1:9"), "no server answers there"),
        (PASSES, ("--against", "@nobody"), "has no alias 'nobody'"),
        (PASSES, ("--against", "champion"), "write @champion"),
        (PASSES, ("--promote", "latest"), "expected an alias"),
        ("models: other\n", (), "is for models 'other'"),
    ],
)
def test_what_goes_wrong_is_not_judged_and_says_so_in_the_files(
    lime, candidate, store, config, arguments, said
):
    configured(config)
    Path("gate.json").write_text('{"verdict": "pass"}')
    result = lime("gate", candidate, "--json", "gate.json", *arguments)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    written = json.loads(Path("gate.json").read_text())
    assert written["verdict"] == "not judged"
    assert said in written["note"]
    assert holder(candidate, client=mlflow.MlflowClient(store.uri, store.uri)) == "1"


def test_a_fault_of_ours_is_not_judged_even_with_a_traceback(lime, candidate, monkeypatch):
    from mlflow_lime.tracking import gating

    def broken(*arguments, **options):
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(gating, "gate_version", broken)
    configured(PASSES)
    result = lime("gate", candidate, "--json", "gate.json")
    assert result.exit_code == 2
    assert "unexpected ZeroDivisionError" in result.stderr
    assert "secret" not in Path("gate.json").read_text()
    result = lime("gate", candidate, "--debug")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr


@pytest.mark.parametrize("code", [0, 1, None])
def test_code_that_calls_sys_exit_is_not_judged(lime, candidate, monkeypatch, code):
    from mlflow_lime.tracking import gating

    def leaving(*arguments, **options):
        raise SystemExit(code)

    monkeypatch.setattr(gating, "gate_version", leaving)
    configured(PASSES)
    result = lime("gate", candidate, "--json", "gate.json")
    assert result.exit_code == 2
    assert f"called sys.exit({code!r})" in result.stderr
    assert json.loads(Path("gate.json").read_text())["verdict"] == "not judged"


def test_a_model_that_calls_sys_exit_is_not_judged(lime, candidate):
    Path("leaving_hook.py").write_text("import sys\n\n\ndef score(frame, model):\n    sys.exit()\n")
    configured(PASSES + "predict: leaving_hook:score\n")
    result = lime("gate", candidate, "--json", "gate.json", "--promote", "champion")
    assert result.exit_code == 2
    assert "raised SystemExit" in result.output
    assert json.loads(Path("gate.json").read_text())["verdict"] == "not judged"
    assert holder(candidate) == "1"


def test_a_file_that_cannot_be_written_after_the_promotion_leaves_the_exit_code(
    lime, candidate, monkeypatch
):
    from mlflow_lime.cli import gate as module

    def full(path, text):
        if "not come to an end" not in text:
            raise OSError(28, "No space left on device")
        Path(path).write_text(text)

    monkeypatch.setattr(module, "write_whole", full)
    configured(PASSES)
    result = lime("gate", candidate, "--promote", "champion", "--json", "gate.json")
    assert result.exit_code == 0
    assert holder(candidate) == "2"
    assert "moved @champion from" in result.stdout
    assert "Warning: --json 'gate.json' cannot be written: No space left" in result.stderr
    assert json.loads(Path("gate.json").read_text())["verdict"] == "not judged"


def test_json_on_stdout_is_nothing_but_json(lime, candidate):
    configured(PASSES)
    result = lime("gate", candidate, "--json", "-")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["verdict"] == "pass"
    assert result.stderr.startswith(f"{name_of(candidate)}/2: pass\n")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("models:/a/1", "--agaist", "2"),
        ("models:/a/1", "--junit"),
        ("models:/a/1", "models:/a/2"),
        ("models:/a/1", "--json", "/"),
        ("models:/a/1", "--json", "-", "--junit", "-"),
        ("models:/a/1", "--json", "x", "--markdown", "./x"),
        ("models:/a/1", "--no-log", "--promote", "champion"),
    ],
)
def test_a_mistyped_command_ends_in_a_code_that_no_verdict_has(lime, arguments):
    result = lime("gate", *arguments)
    assert result.exit_code == 64
    assert "Error:" in result.stderr


def test_help_ends_in_0_and_shows_rules_and_codes(lime):
    result = lime("gate", "--help")
    assert result.exit_code == 0
    assert "{check: LIM005, severity: fail}" in result.stdout
    assert "Exit codes: 0 pass; 1 fail; 2 not judged" in result.stdout


def test_no_log_leaves_no_tags(lime, candidate):
    configured(PASSES)
    assert lime("gate", candidate, "--no-log").exit_code == 0
    tags = mlflow.MlflowClient().get_model_version(name_of(candidate), "2").tags
    assert not [key for key in tags if key.startswith("lime.gate")]


def real(environment, folder, *arguments):
    """Start the real command."""
    return subprocess.Popen(
        [sys.executable, "-m", "mlflow_lime", "gate", *arguments],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_real_command_ends_in_0_1_and_2(lime, candidate, environment, tmp_path):
    for rules, code in ((FAILS, 1), (UNKNOWN, 2), (PASSES, 0)):
        (tmp_path / f"{code}.yaml").write_text(BASE + rules)
    for code in (1, 2):
        options = ("--config", f"{code}.yaml", "--against", "1", "--promote", "champion")
        process = real(environment, tmp_path, candidate, *options)
        said = process.communicate(timeout=300)
        assert process.returncode == code, said
    assert holder(candidate) == "1"
    process = real(environment, tmp_path, candidate, "-c", "0.yaml", "--promote", "champion")
    said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert holder(candidate) == "2"
    name = name_of(candidate)
    tags = mlflow.MlflowClient().get_registered_model(name).tags
    assert tags[f"{names.TAG_GATE_PREVIOUS}.champion"] == f"{name}/1 before {name}/2"


def test_ctrl_c_ends_in_130_and_moves_nothing(lime, candidate, environment, tmp_path):
    (tmp_path / "slow_hook.py").write_text(SLOW)
    configured(PASSES + "predict: slow_hook:score\n")
    (tmp_path / "gate.json").write_text('{"verdict": "pass"}')
    process = real(environment, tmp_path, candidate, "--promote", "champion", "--json", "gate.json")
    until = time.monotonic() + 200
    while not (tmp_path / "asked").exists() and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=100)
    assert process.returncode == 130, said
    assert "Traceback" not in said[1]
    written = json.loads((tmp_path / "gate.json").read_text())
    assert written["verdict"] == "not judged"
    assert holder(candidate) == "1"
