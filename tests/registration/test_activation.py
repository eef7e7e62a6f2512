"""An environment variable turns `autolog` on, and `import mlflow` never suffers from it."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking.context.registry import _run_context_provider_registry

from mlflow_lime.activation import RunContext, default_source, is_disabled
from mlflow_lime.registration.job import State

REGISTER = """
import sys
import mlflow
from mlflow import MlflowClient
client = MlflowClient()
client.create_registered_model({name!r})
for _ in range(2):
    print("registered", client.create_model_version({name!r}, {source!r}, run_id={run!r}).version)
"""

LOADED = """
import sys
import mlflow
print(*sorted(name for name in sys.modules if name.startswith("mlflow_lime")))
"""


@pytest.fixture
def run(shelf: Any, name: str, tmp_path: Path) -> Any:
    """Run a script that knows nothing of mlflow-lime, and return it with what it says."""

    def start(body: str = REGISTER, **environment: str) -> "subprocess.CompletedProcess[str]":
        path = tmp_path / "script.py"
        path.write_text(body.format(name=name, source=shelf.source, run=shelf.run_id))
        return subprocess.run(
            [sys.executable, str(path)],
            cwd=tmp_path,
            env={**shelf.environment(), **environment},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    return start


def ours(done: "subprocess.CompletedProcess[str]") -> list[str]:
    return [line for line in done.stderr.splitlines() if "mlflow-lime" in line]


def modules(done: "subprocess.CompletedProcess[str]") -> set[str]:
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def labels(shelf: Any) -> list[str]:
    queue = shelf.queue()
    try:
        return [job.label for job in queue.ledger.jobs()]
    finally:
        queue.close()


def test_mlflow_finds_the_provider_and_gets_no_tags_from_it():
    (point,) = [p for p in entry_points(group="mlflow.run_context_provider") if p.name == "lime"]
    assert point.load() is RunContext
    (found,) = [p for p in _run_context_provider_registry if type(p) is RunContext]
    assert (found.in_context(), found.tags()) == (False, {})


def test_the_file_that_the_variable_names_explains_what_a_script_registers(run, shelf, name):
    config = shelf.write_config(models="*", registration={"mode": "sync"})
    done = run(MLFLOW_LIME_AUTOLOG=str(config))
    assert done.stdout == "registered 1\nregistered 2\n"
    assert sorted(shelf.reviews(name)) == ["1", "2"]
    assert ours(done) == []


@pytest.mark.long
def test_in_the_background_a_script_waits_at_its_end(run, shelf, name):
    done = run(MLFLOW_LIME_AUTOLOG=str(shelf.write_config()))
    assert done.stdout == "registered 1\nregistered 2\n"
    assert sorted(shelf.reviews(name)) == ["1", "2"]
    assert ours(done)[-1].startswith("mlflow-lime: explained ")
    queue = shelf.queue()
    assert {job.state for job in queue.ledger.jobs()} == {State.DONE}
    queue.close()


def test_1_is_for_the_configuration_in_the_folder(run, shelf, name, tmp_path):
    (tmp_path / "lime.yaml").write_text(f"registration: {{queue: {tmp_path / 'q.db'}}}")
    done = run(MLFLOW_LIME_AUTOLOG="1")
    assert (done.stdout, ours(done)) == ("registered 1\nregistered 2\n", [])
    assert (tmp_path / "q.db").exists()


@pytest.mark.parametrize("asked", ["", "0", "false", "Off"])
def test_without_being_asked_nothing_else_is_loaded(run, asked):
    loaded = modules(run(LOADED, MLFLOW_LIME_AUTOLOG=asked))
    assert loaded == {"mlflow_lime", "mlflow_lime.activation"}


def test_the_switch_is_stronger(run):
    loaded = modules(run(LOADED, MLFLOW_LIME_AUTOLOG="1", MLFLOW_LIME_DISABLE="true"))
    assert loaded == {"mlflow_lime", "mlflow_lime.activation"}


def test_asked_for_it_loads_nothing_that_is_heavy_before_a_version_is_registered(run):
    loaded = modules(run(LOADED, MLFLOW_LIME_AUTOLOG="1"))
    assert loaded == {
        "mlflow_lime",
        "mlflow_lime.activation",
        "mlflow_lime.errors",
        "mlflow_lime.tracking",
        "mlflow_lime.tracking.registration_hook",
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("models: [", "lime.yaml:"),
        ("registration: {mode: sync}\nrefrence: {}", "Did you mean 'reference'?"),
        ("registration: {mode: synchronous}", "registration.mode"),
        (None, "lime.yaml"),
    ],
)
def test_a_broken_file_is_one_warning_and_registrations_succeed(run, shelf, tmp_path, text, why):
    path = tmp_path / "my-lime.yaml"
    if text is not None:
        path.write_text(text)
    done = run(MLFLOW_LIME_AUTOLOG=str(path))
    assert (done.returncode, done.stdout) == (0, "registered 1\nregistered 2\n")
    (warning,) = [line for line in done.stderr.splitlines() if "mlflow-lime:" in line]
    assert "/1 was registered, but " in warning
    assert why in done.stderr
    assert labels(shelf) == []


def test_a_home_that_cannot_be_written_is_one_warning(run, tmp_path):
    (tmp_path / "file").write_text("")
    done = run(MLFLOW_LIME_AUTOLOG="1", MLFLOW_LIME_HOME=str(tmp_path / "file"))
    assert (done.returncode, done.stdout) == (0, "registered 1\nregistered 2\n")
    (warning,) = ours(done)
    assert "set MLFLOW_LIME_HOME to a folder that can be written" in warning


@pytest.mark.parametrize(
    ("broken", "when"),
    [
        ("mlflow_lime.tracking.registration_hook", "MLFLOW_LIME_AUTOLOG has no effect"),
        ("mlflow_lime.registration.autolog", "was registered, but will not be explained"),
        ("mlflow_lime.registration.lane", "was registered, but will not be explained"),
    ],
)
def test_a_broken_installation_is_one_warning(run, broken, when):
    body = f"import sys\nsys.modules[{broken!r}] = None\n" + REGISTER
    done = run(body, MLFLOW_LIME_AUTOLOG="1")
    assert (done.returncode, done.stdout) == (0, "registered 1\nregistered 2\n")
    assert {when in line for line in ours(done)} == {True}
    assert len(ours(done)) == 1


def test_a_version_of_mlflow_without_the_client_is_one_warning(run):
    body = (
        "import sys\n"
        "from importlib import import_module\n"
        "sys.modules['mlflow.tracking._model_registry.client'] = None\n"
        "import mlflow_lime.activation\n"
    )
    done = run(body, MLFLOW_LIME_AUTOLOG="1")
    assert done.returncode == 0
    (warning,) = ours(done)
    assert "run `mlflow-lime watch` beside the store instead" in warning


def test_the_default_is_the_named_file_or_the_one_in_the_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_LIME_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    assert default_source() is None
    (tmp_path / "lime.yaml").write_text("")
    assert default_source() == str(tmp_path / "lime.yaml")
    monkeypatch.setenv("MLFLOW_LIME_CONFIG", "other.yaml")
    assert default_source() == os.path.join(tmp_path, "other.yaml")


@pytest.mark.parametrize(
    ("value", "off"), [("1", True), ("TRUE", True), (" on ", True), ("0", False), ("", False)]
)
def test_the_switch_takes_the_usual_words(monkeypatch, value, off):
    monkeypatch.setenv("MLFLOW_LIME_DISABLE", value)
    assert is_disabled() is off
