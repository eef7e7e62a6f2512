"""What `autolog` explains, when, and that no registration ever suffers from it."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.tracking._model_registry.client import ModelRegistryClient

import mlflow_lime
from mlflow_lime.errors import ConfigError, ModelError
from mlflow_lime.registration import autolog as module
from mlflow_lime.registration import own_worker
from mlflow_lime.registration.background import Background
from mlflow_lime.registration.job import Job, State
from mlflow_lime.registration.queue import JobQueue, queue_path
from mlflow_lime.tracking.connection import store_label
from mlflow_lime.tracking.registration_hook import remove_hook
from tests.servers import MlflowServer

IDLE = "lambda path: [sys.executable, '-c', 'import time; time.sleep(120)']"
QUIET = "lambda path: [sys.executable, '-c', 'pass']"


@pytest.fixture(autouse=True)
def own_background(monkeypatch: pytest.MonkeyPatch) -> Iterator[Background]:
    """A background of the test's own, without a worker, and MLflow as it was afterwards."""
    background = Background()
    monkeypatch.setattr(module, "_BACKGROUND", background)
    monkeypatch.setattr(own_worker, "worker_command", lambda path: [sys.executable, "-c", "pass"])
    for name in ("MLFLOW_LIME_DISABLE", "MLFLOW_LIME_AUTOLOG"):
        monkeypatch.delenv(name, raising=False)
    yield background
    mlflow_lime.autolog(disable=True)
    remove_hook()
    background._hand_over()
    for lane in background._lanes.values():  # nothing is waited for when the tests end
        lane.close()
    background._lanes.clear()


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    # At our own logger: older versions of MLflow set up the root anew with each database.
    logger = logging.getLogger("mlflow_lime")
    logger.addHandler(caplog.handler)
    logger.propagate = False
    with caplog.at_level(logging.WARNING, "mlflow_lime"):
        yield caplog
    logger.propagate = True
    logger.removeHandler(caplog.handler)


def said(log: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in log.records if record.name == "mlflow_lime"]


def jobs(queue: Path | None = None) -> list[Job]:
    """Return what stands in a queue, or in the one of the store."""
    store = store_label()
    opened = JobQueue(queue or queue_path(store), store)
    try:
        return opened.ledger.jobs()
    finally:
        opened.close()


def is_installed() -> bool:
    return hasattr(ModelRegistryClient.create_model_version, "_mlflow_lime_tap")


# Explained before the registration returns


def test_sync_explains_before_the_registration_returns_and_leaves_the_active_run_alone(shelf, name):
    mlflow_lime.autolog(shelf.config, mode="sync")
    with mlflow.start_run() as run:
        shelf.register(name)
        assert list(shelf.reviews(name)) == ["1"]
        assert mlflow.active_run().info.run_id == run.info.run_id
        mlflow.log_metric("mine", 1)
    found = shelf.client.get_run(run.info.run_id)
    assert found.info.status == "FINISHED"
    assert found.data.metrics == {"mine": 1}
    assert shelf.client.list_artifacts(run.info.run_id) == []


def test_sync_does_not_write_into_the_run_that_the_script_was_started_in(shelf, name, monkeypatch):
    given = shelf.client.create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", given)
    mlflow_lime.autolog(shelf.config, mode="sync")
    shelf.register(name)
    (review,) = shelf.reviews(name)["1"]
    assert review.info.run_id != given
    assert os.environ["MLFLOW_RUN_ID"] == given
    assert "lime.status" not in shelf.client.get_run(given).data.tags


def test_an_explanation_that_fails_is_one_warning_for_all_versions(shelf, name, warnings):
    mlflow_lime.autolog({**shelf.config, "predict": "nowhere:predict"}, mode="sync")
    assert shelf.register(name, 3) == ["1", "2", "3"]
    (text,) = said(warnings)
    assert text.startswith(f"mlflow-lime: {name}/1 was registered, but not explained: predict")
    assert "there is no module 'nowhere'" in text


def test_a_model_that_ends_the_interpreter_in_sync_does_not_end_the_script(
    shelf, name, warnings, monkeypatch
):
    def leave(*_: Any, **__: Any) -> None:
        raise SystemExit(3)

    monkeypatch.setattr("mlflow_lime.tracking.registered.explain_registered", leave)
    mlflow_lime.autolog(shelf.config, mode="sync", on_error="raise")
    assert shelf.register(name) == ["1"]
    assert said(warnings) == [
        f"mlflow-lime: {name}/1 was registered, but not explained: SystemExit: '3'"
    ]


def test_a_failure_is_raised_after_the_registration_where_the_user_wants_it(shelf, name):
    config = {**shelf.config, "predict": "nowhere:predict"}
    mlflow_lime.autolog(config, mode="sync", on_error="raise")
    with pytest.raises((ConfigError, ModelError), match="there is no module 'nowhere'"):
        shelf.register(name)
    assert int(shelf.client.get_model_version(name, "1").version) == 1


def test_a_store_that_is_down_is_one_warning(shelf, name, warnings):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{free.getsockname()[1]}"
    mlflow.set_tracking_uri(dead)
    mlflow.set_registry_uri(shelf.uri)
    mlflow_lime.autolog(shelf.config, mode="sync")
    client = MlflowClient()
    client.create_registered_model(name)
    files = shelf.client.get_logged_model(shelf.source.split("/")[1]).artifact_location
    for _ in range(2):
        client.create_model_version(name, files, run_id=shelf.run_id)
    (text,) = said(warnings)
    assert f"{name}/1 was registered, but not explained: cannot ask" in text
    assert "no server answers there" in text


def test_sync_says_that_it_cannot_reach_another_store(shelf, name, warnings, tmp_path):
    mlflow_lime.autolog(shelf.config, mode="sync")
    other = MlflowClient(f"sqlite:///{tmp_path / 'other.db'}")
    other.create_registered_model(name)
    other.create_model_version(name, shelf.source)
    (text,) = said(warnings)
    assert "call mlflow.set_tracking_uri with that store, or use mode background" in text


# Settings


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"refrence": {}}, "Did you mean"),
        ("nowhere.yaml", "nowhere.yaml"),
        (5, "expected a path, a dict, or a Config, got 5"),
        ([{"models": "a"}, {"reference": {"count": "x"}}], "reference.count"),
    ],
)
def test_a_broken_configuration_is_one_warning_and_nothing_is_installed(
    shelf, name, warnings, config, why
):
    mlflow_lime.autolog(config)
    assert not is_installed()
    assert shelf.register(name) == ["1"]
    (text,) = said(warnings)
    assert text.startswith("mlflow-lime: versions will not be explained: ")
    assert why in text


def test_a_broken_configuration_raises_where_the_user_wants_it(shelf):
    with pytest.raises(ConfigError, match="refrence"):
        mlflow_lime.autolog({"refrence": {}}, on_error="raise")
    assert not is_installed()


@pytest.mark.parametrize("words", [{"mode": "backgroud"}, {"on_error": "rais"}])
def test_a_wrong_word_is_refused_with_the_right_one(words):
    with pytest.raises(ConfigError, match=r"Did you mean '(background|raise)'"):
        mlflow_lime.autolog(**words)


def test_a_broken_file_in_yaml_is_one_warning_with_its_line(shelf, name, warnings, tmp_path):
    (tmp_path / "lime.yaml").write_text("models: '*'\nreference: [\n")
    mlflow_lime.autolog(tmp_path / "lime.yaml")
    assert shelf.register(name) == ["1"]
    (text,) = said(warnings)
    assert "lime.yaml:" in text


def test_the_first_configuration_that_names_a_model_explains_it(shelf, name, own_background):
    configs = [{"models": f"{name}-a", "seed": 1}, {"models": f"{name}-*", "seed": 2}]
    mlflow_lime.autolog(configs)
    for suffix in ("-a", "-b", ""):
        shelf.register(f"{name}{suffix}")
    own_background._hand_over()
    assert [(job.label, job.plan().config.seed) for job in jobs()] == [
        (f"{name}-a/1", 1),
        (f"{name}-b/1", 2),
    ]


def test_models_beside_the_configuration_take_the_place_of_those_in_it(shelf, name, own_background):
    mlflow_lime.autolog(shelf.config, models=f"{name}-b")
    shelf.register(f"{name}-a")
    shelf.register(f"{name}-b")
    own_background._hand_over()
    assert [job.label for job in jobs()] == [f"{name}-b/1"]


def test_a_configuration_without_models_is_for_all_of_this_process(shelf, name, own_background):
    mlflow_lime.autolog({"seed": 3})
    shelf.register(f"x{name}")
    own_background._hand_over()
    assert [job.label for job in jobs()] == [f"x{name}/1"]


def test_the_default_configuration_is_that_of_the_command_line(
    shelf, name, own_background, tmp_path, monkeypatch
):
    (tmp_path / "lime.yaml").write_text("seed: 1")
    (tmp_path / "other.yaml").write_text("seed: 2")
    monkeypatch.chdir(tmp_path)
    mlflow_lime.autolog()
    shelf.register(name)
    monkeypatch.setenv("MLFLOW_LIME_CONFIG", "other.yaml")
    mlflow_lime.autolog()
    shelf.register(name)
    own_background._hand_over()
    assert [job.plan().config.seed for job in jobs()] == [1, 2]
    assert {job.folder for job in jobs()} == {str(tmp_path)}


def test_versions_that_wait_for_an_alias_are_left_out_with_a_warning(
    shelf, name, own_background, warnings
):
    mlflow_lime.autolog({"registration": {"aliases": ["candidate"]}})
    shelf.register(name, 2)
    own_background._hand_over()
    assert jobs() == []
    (text,) = said(warnings)
    assert "versions that wait for an alias (registration.aliases)" in text


def test_a_later_call_replaces_the_settings_and_disable_undoes_all(shelf, name, own_background):
    create = ModelRegistryClient.__dict__["create_model_version"]
    mlflow_lime.autolog({"seed": 1})
    mlflow_lime.autolog({"seed": 2})
    shelf.register(name)
    mlflow_lime.autolog(disable=True)
    assert ModelRegistryClient.__dict__["create_model_version"] is create
    shelf.register(name)
    own_background._hand_over()
    assert [(job.version, job.plan().config.seed) for job in jobs()] == [("1", 2)]


def test_the_environment_switches_it_off_with_one_line(shelf, warnings, monkeypatch):
    monkeypatch.setenv("MLFLOW_LIME_DISABLE", "1")
    mlflow_lime.autolog({})
    assert not is_installed()
    assert said(warnings) == [
        "mlflow-lime: autolog does nothing, because MLFLOW_LIME_DISABLE is set"
    ]


# Explained in the background


def test_versions_and_copies_come_into_the_queue_of_the_store(shelf, name, own_background):
    mlflow_lime.autolog({})
    shelf.register(name)
    copied = shelf.client.copy_model_version(f"models:/{name}/1", f"{name}-copy")
    own_background._hand_over()
    found = jobs()
    assert [job.label for job in found] == [f"{name}/1", f"{name}-copy/1"]
    assert [(job.origin, job.urgent, job.state) for job in found] == [
        ("autolog", True, State.WAITING)
    ] * 2
    unchanged = [(name, "1", None), (f"{name}-copy", "1", copied.creation_timestamp)]
    queue = shelf.queue()
    assert queue.ledger.unseen(unchanged) == []
    assert queue.ledger.unseen([(f"{name}-copy", "1", 5)]) == [(f"{name}-copy", "1", 5)]
    queue.close()


def test_eight_threads_put_each_version_in_once(shelf, name, own_background):
    mlflow_lime.autolog({})
    shelf.client.create_registered_model(name)
    threads = [threading.Thread(target=shelf.register, args=(name, 3)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    own_background._hand_over()
    assert sorted(int(job.version) for job in jobs()) == list(range(1, 25))


def test_a_configured_queue_is_only_filled(shelf, name, own_background, tmp_path, capsys):
    config = shelf.write_config(registration={"queue": "shared-queue.db"})
    mlflow_lime.autolog(config)
    shelf.register(name)
    own_background.finish()
    shared = config.parent / "shared-queue.db"
    assert [job.label for job in jobs(shared)] == [f"{name}/1"]
    assert [path.name for path in shared.parent.glob("shared-queue.db.worker*")] == []
    assert of_ours(capsys.readouterr().err) == []
    shared.unlink()


def test_the_queue_of_the_environment_is_only_filled(
    shelf, name, own_background, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("MLFLOW_LIME_QUEUE", str(tmp_path / "q.db"))
    mlflow_lime.autolog({})
    shelf.register(name)
    own_background.finish()
    assert [job.label for job in jobs(tmp_path / "q.db")] == [f"{name}/1"]
    assert list(tmp_path.glob("q.db.worker*")) == []
    assert of_ours(capsys.readouterr().err) == []


def test_a_queue_that_cannot_be_written_is_one_warning(
    shelf, name, own_background, warnings, tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MLFLOW_LIME_HOME", str(tmp_path / "file"))
    mlflow_lime.autolog({})
    assert shelf.register(name, 2) == ["1", "2"]
    own_background.finish()
    (text,) = said(warnings)
    assert f"{name}/1 was registered, but will not be explained: the queue" in text
    assert "set MLFLOW_LIME_HOME to a folder that can be written" in text


def test_a_worker_that_does_nothing_is_started_a_few_times_and_then_named(
    shelf, name, own_background, warnings, monkeypatch, tmp_path
):
    starts = tmp_path / "starts"
    code = f"open({str(starts)!r}, 'a').write('x')"
    monkeypatch.setattr(own_worker, "worker_command", lambda path: [sys.executable, "-c", code])
    mlflow_lime.autolog({})
    shelf.register(name)
    own_background.finish()
    assert starts.read_text() == "xxx"
    (text,) = said(warnings)
    assert "the process that explains versions ends without explaining them" in text
    assert "mlflow-lime worker --queue" in text


def test_the_store_of_the_client_is_the_one_whose_queue_is_used(
    shelf, name, own_background, tmp_path
):
    mlflow_lime.autolog({})
    uri = f"sqlite:///{tmp_path / 'other.db'}"
    other = MlflowClient(uri)
    other.create_registered_model(name)
    other.create_model_version(name, shelf.source)
    own_background._hand_over()
    assert jobs() == []
    queue = JobQueue(queue_path(uri), uri)
    assert [job.label for job in queue.ledger.jobs()] == [f"{name}/1"]
    queue.close()


@pytest.fixture
def server(shelf: Any, tmp_path: Path) -> Iterator[str]:
    with MlflowServer(tmp_path / "server", shelf.uri) as started:
        yield started.uri


def test_versions_of_a_server_are_numbers_in_text(shelf, name, own_background, server):
    mlflow.set_tracking_uri(server)
    mlflow_lime.autolog({})
    version = mlflow.register_model(shelf.source, name)
    MlflowClient().copy_model_version(f"models:/{name}/1", f"{name}-copy")
    own_background._hand_over()
    assert isinstance(version.version, str)
    assert [(job.name, job.version) for job in jobs()] == [(name, "1"), (f"{name}-copy", "1")]
    end_worker(shelf)


# Whole scripts


HEAD = """
import multiprocessing, os, sys, time
import mlflow, mlflow_lime
from mlflow import MlflowClient
from mlflow_lime.registration import own_worker

def register(name={name!r}):
    client = MlflowClient()
    if not client.search_registered_models("name='" + name + "'"):
        client.create_registered_model(name)
    return client.create_model_version(name, {source!r}, run_id={run!r}).version

def begin(worker=None, **options):
    if worker is not None:
        own_worker.worker_command = worker
    mlflow_lime.autolog({config!r}, **options)
"""


@pytest.fixture
def script(shelf: Any, name: str, tmp_path: Path) -> Any:
    """Start a script that registers versions of the shelf's model."""

    def start(body: str, **changes: Any) -> "subprocess.Popen[str]":
        config = {**shelf.config, "models": "*", **changes}
        head = HEAD.format(name=name, source=shelf.source, run=shelf.run_id, config=config)
        path = tmp_path / "script.py"
        path.write_text(head + body)
        return subprocess.Popen(
            [sys.executable, str(path)],
            cwd=tmp_path,
            env=shelf.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def of_ours(err: str) -> list[str]:
    return [line for line in err.splitlines() if "mlflow-lime" in line]


def end_worker(shelf: Any) -> None:
    """End a stand-in for the worker that goes on after its script."""
    import json

    for note in (shelf.home / "queues").glob("*.worker"):
        os.kill(json.loads(note.read_text())[0], signal.SIGKILL)


@pytest.mark.parametrize("ending", [pytest.param("", marks=pytest.mark.long), "1 / 0"])
def test_a_script_waits_for_its_versions_however_it_ends(shelf, name, script, ending):
    process = script(f"begin()\nregister()\nregister()\n{ending}\n")
    _, err = process.communicate(timeout=200)
    assert process.returncode == (1 if ending else 0)
    assert sorted(shelf.reviews(name)) == ["1", "2"]
    assert {job.state for job in jobs()} == {State.DONE}
    waits, came = of_ours(err)
    assert waits.startswith("mlflow-lime: explaining ")
    assert waits.endswith("; Ctrl-C leaves it to the background")
    assert came.startswith("mlflow-lime: explained ")


@pytest.mark.long
def test_a_version_that_cannot_be_explained_is_one_warning_at_the_end(shelf, name, script):
    process = script("begin()\nregister()\n", predict="nowhere:predict")
    _, err = process.communicate(timeout=200)
    assert process.returncode == 0
    warned = [line for line in of_ours(err) if "could not be explained" in line]
    assert len(warned) == 1
    assert "there is no module 'nowhere'" in warned[0]
    assert [job.state for job in jobs()] == [State.PARKED]


def test_ctrl_c_leaves_the_rest_to_the_background(shelf, name, script):
    process = script(f"begin(worker={IDLE})\nregister()\n")
    try:
        while "explaining 1 version" not in (line := process.stderr.readline()):
            assert line or process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        (left,) = of_ours(err)
        assert left.startswith(f"mlflow-lime: {name}/1 will be explained in process ")
        assert "`mlflow-lime queue list --queue " in left
        pid = int(left.partition(" in process ")[2].partition(";")[0])
        os.kill(pid, 0)
        assert [job.state for job in jobs()] == [State.WAITING]
    finally:
        end_worker(shelf)


def test_a_script_waits_no_longer_than_the_configuration_says(shelf, name, script):
    body = f"begin(worker={IDLE})\nregister()\nprint(time.time(), flush=True)\n"
    process = script(body, registration={"wait_seconds": 1})
    out, err = process.communicate(timeout=60)
    try:
        assert time.time() - float(out) < 20
        assert len(of_ours(err)) == 2
        assert "will be explained in process" in of_ours(err)[1]
    finally:
        end_worker(shelf)


def test_a_process_that_is_killed_loses_nothing_that_it_has_handed_over(shelf, name, script):
    process = script(f"begin(worker={IDLE})\nregister()\nprint('done', flush=True)\ntime.sleep(60)")
    try:
        assert process.stdout.readline() == "done\n"
        for _ in range(100):
            if (shelf.home / "queues").is_dir() and jobs():
                break
            time.sleep(0.1)
        process.kill()
        process.communicate()
        assert [job.label for job in jobs()] == [f"{name}/1"]
    finally:
        end_worker(shelf)


def test_a_forked_process_hands_over_its_own_versions_and_does_not_wait(shelf, name, script):
    body = f"""
begin(worker={IDLE})
register()
started = time.monotonic()
fork = multiprocessing.get_context("fork")
children = [fork.Process(target=register, args=({name!r} + "-child",)) for _ in range(2)]
for child in children:
    child.start()
    child.join(60)
print([child.exitcode for child in children], flush=True)
"""
    process = script(body, registration={"wait_seconds": 3})
    out, err = process.communicate(timeout=100)
    try:
        assert out == "[0, 0]\n"
        assert sorted(job.label for job in jobs()) == [
            f"{name}-child/1",
            f"{name}-child/2",
            f"{name}/1",
        ]
        assert len(of_ours(err)) == 2
        assert f"explaining 1 version ({name}/1)" in of_ours(err)[0]
        assert len(list((shelf.home / "queues").glob("*.worker"))) == 1
    finally:
        end_worker(shelf)


def test_threads_that_register_after_the_main_one_has_ended_lose_nothing(shelf, name, script):
    body = f"""
import threading
begin(worker={QUIET})
register()
def late():
    time.sleep(1)
    register()
threading.Thread(target=late).start()
"""
    process = script(body, registration={"wait_seconds": 0})
    process.communicate(timeout=100)
    assert sorted(job.label for job in jobs()) == [f"{name}/1", f"{name}/2"]
