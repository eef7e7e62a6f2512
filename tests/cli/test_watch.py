"""Versions that are found in a store and explained, from the command line."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mlflow_lime import names

START = "from mlflow_lime.cli import main; main()"
QUICK = "reference: {count: 3}\nsampling: {rows: 32, max_rows: 32}\noutputs: {pictures: false}\n"


@pytest.fixture
def name(model, store):
    """A registered model of the test's own, with one version; a quick configuration beside it."""
    own = model.split("/")[1]
    data = f"data: {{source: '{store.folder / 'rows.csv'}'}}\n"
    Path("lime.yaml").write_text(f"models: ['{own}']\n{QUICK}{data}")
    return own


@pytest.fixture
def start(environment):
    """Start the command in a process of its own, and end it with the test."""
    started = []

    def begin(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", START, "watch", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def again(name, **changes):
    """Register the model's first version once more."""
    client = MlflowClient()
    first = client.get_model_version(name, "1")
    source = changes.get("source", f"models:/{name}/1")
    return client.create_model_version(name, source, run_id=first.run_id).version


def status(name, version):
    return MlflowClient().get_model_version(name, str(version)).tags.get(names.TAG_VERSION_STATUS)


def test_once_explains_what_is_there_says_what_it_did_and_repeats_nothing(lime, name):
    again(name)
    first = lime("watch", "--once")
    assert first.exit_code == 0, first.output
    assert f"2 to explain: {name}/1, {name}/2" in first.output
    assert "2 explained, 0 explained before." in first.output
    second = lime("watch", "--once")
    assert second.exit_code == 0
    assert "0 explained, 2 explained before." in second.output


def test_once_ends_in_1_where_a_version_is_parked_and_says_why(lime, name, tmp_path):
    Path("lime.yaml").write_text(
        f"models: ['{name}']\n{QUICK}registration: {{sources: ['s3://elsewhere/*']}}\n"
    )
    result = lime("watch", "--once")
    assert result.exit_code == 1, result.output
    assert "0 explained, 0 explained before, 1 parked." in result.output
    assert re.search(rf"{name}/1: .*its files lie at .*registration.sources", result.output)
    assert re.search(r"when mended: mlflow-lime queue retry \d+", result.output)


def test_without_workers_versions_are_only_queued(lime, name):
    result = lime("watch", "--once", "-w", "0")
    assert result.exit_code == 0, result.output
    assert "1 queued; `mlflow-lime worker` explains them." in result.output
    assert status(name, 1) is None


@pytest.mark.parametrize(
    ("since", "queued"), [("now", 0), ("2020-01-31", 1), ("2020-01-31T12:00Z", 1)]
)
def test_older_versions_are_left_alone_with_since(lime, name, since, queued):
    assert f"{queued} queued" in lime("watch", "--once", "-w", "0", "--since", since).output
    assert "0 queued" in lime("watch", "--once", "-w", "0").output
    again(name)
    assert "1 queued" in lime("watch", "--once", "-w", "0", "--since", since).output


def test_a_date_that_is_none_is_a_mistyped_command(lime, name):
    result = lime("watch", "--since", "yesterday")
    assert result.exit_code == 2
    assert "expected now or a date such as 2026-01-31, got 'yesterday'" in result.output


def test_nothing_is_watched_where_no_models_are_named(lime, name):
    Path("lime.yaml").write_text(QUICK)
    result = lime("watch", "--once")
    assert result.exit_code == 1
    assert "does not say which models to explain" in result.output


def test_a_store_that_is_down_ends_once_in_1(lime, name):
    result = lime("watch", "--once", "--tracking-uri", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "no server answers there" in result.output


def wait_for(what, process, seconds=90):
    end = time.monotonic() + seconds
    while not what():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.1)


def test_new_versions_are_explained_until_a_signal_comes(name, start):
    process = start("--interval", "0.2", "--since", "now")
    assert process.stdout.readline().startswith("Watching sqlite:///")
    version = again(name)
    lines = []
    while not lines or "explained in run" not in lines[-1]:
        lines.append(process.stdout.readline())
        assert lines[-1], lines
    assert f"{name}/{version} explained in run " in lines[-1]
    assert status(name, version)
    process.send_signal(signal.SIGTERM)
    said = "".join(lines) + process.communicate(timeout=30)[0]
    assert process.returncode == 0, said
    assert f"1 to explain: {name}/{version}" in said
    assert "Stopping ..." in said
    assert status(name, 1) is None


def test_ctrl_c_ends_it_cleanly(name, start):
    process = start("--interval", "60", "-w", "0")
    for _ in range(5):
        said = process.stdout.readline()
    assert said.endswith(f"1 to explain: {name}/1\n")
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[0] == "Stopping ...\n"
    assert process.returncode == 0


def test_the_help_shows_how_it_is_used(lime, name):
    said = lime("watch", "--help").output
    assert "mlflow-lime watch --once" in said
    assert "Exit codes with --once" in said
