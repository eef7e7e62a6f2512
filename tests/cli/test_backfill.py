"""``mlflow-lime backfill``: the plan, what is missing, and nothing twice."""

import os
import signal
import subprocess
import sys
import time
import uuid

import pytest
from mlflow import MlflowClient

from mlflow_lime import names
from mlflow_lime.cli.backfill import _duration
from mlflow_lime.errors import ConfigError
from mlflow_lime.tracking.backfill import version_rule


@pytest.fixture
def fleet(lime, people, register, tmp_path):
    """Two models of three versions and one, whose names begin alike; a configuration."""
    rows = people.drop(columns="label")
    prefix = f"fleet-{uuid.uuid4().hex[:8]}"
    for name, count in ((f"{prefix}-a", 3), (f"{prefix}-b", 1)):
        for i in range(count):
            register(name, rows, people["label"], strength=10.0**-i)
    (tmp_path / "lime.yaml").write_text(
        "outputs: {pictures: false}\nsampling: {rows: 64, max_rows: 64}\nreference: {count: 4}\n"
        "report: {description: false}\n"
    )
    return prefix


def explained(prefix):
    """Return the completed reviews of the models of a prefix: version to number of runs."""
    client = MlflowClient()
    runs = client.search_runs(
        [item.experiment_id for item in client.search_experiments()],
        filter_string=f"tags.`{names.TAG_STATUS}` = 'completed'",
    )
    found = {}
    for run in runs:
        version = run.data.tags[names.TAG_IDENTITY].partition("@")[0]
        if version.startswith(prefix):
            found.setdefault(version, []).append(run)
    return found


def test_a_dry_run_prints_the_plan_and_its_cost_and_does_nothing(lime, fleet):
    result = lime("backfill", "--models", f"{fleet}-*", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "2 models, 4 versions: 0 explained already, 4 to explain" in result.output
    assert f"{fleet}-a: versions 1, 2, 3, about " in result.output
    assert f"{fleet}-b: version 1, about " in result.output
    assert "It will take about " in result.output
    assert explained(fleet) == {}


def test_what_is_missing_is_explained_once_and_compared_with_the_version_before(lime, fleet):
    first = lime("explain", f"models:/{fleet}-a/2")
    assert first.exit_code == 0, first.output
    result = lime("backfill", "--models", f"{fleet}-*", "--workers", "1")
    assert result.exit_code == 0, result.output
    assert "1 explained already, 3 to explain" in result.output
    assert "each, as its explained versions took" in result.output
    assert f"{fleet}-a/3 compared: against {fleet}-a/2: " in result.output
    assert f"{fleet}-a/2 compared: against {fleet}-a/1: " in result.output
    assert f"{fleet}-a/1 compared" not in result.output
    found = explained(fleet)
    assert {version: len(runs) for version, runs in found.items()} == {
        f"{fleet}-a/1": 1,
        f"{fleet}-a/2": 1,
        f"{fleet}-a/3": 1,
        f"{fleet}-b/1": 1,
    }
    assert found[f"{fleet}-a/3"][0].data.tags[names.TAG_BASELINE] == f"{fleet}-a/2"
    again = lime("backfill", "--models", f"{fleet}-*", "--workers", "1")
    assert "4 explained already, 0 to explain" in again.output
    assert "0 versions explained, 0 compared, 0 failed" in again.output


def test_versions_side_by_side_share_one_reference_set(lime, fleet):
    result = lime("backfill", "--models", f"{fleet}-a", "--workers", "2")
    assert result.exit_code == 0, result.output
    assert "with 2 workers" in result.output
    assert "3 versions explained, 2 compared, 0 failed" in result.output
    found = explained(fleet)
    digests = {runs[0].data.tags[names.TAG_IDENTITY].rpartition("/")[2] for runs in found.values()}
    assert len(found) == 3
    assert len(digests) == 1


def test_only_the_versions_that_are_wanted_are_explained(lime, fleet):
    MlflowClient().set_registered_model_alias(f"{fleet}-a", "champion", "1")
    aliases = lime("backfill", "--models", f"{fleet}-a", "--versions", "aliases", "--dry-run")
    assert f"{fleet}-a: version 1, " in aliases.output
    latest = lime("backfill", "--models", f"{fleet}-a", "--versions", "latest:2", "--dry-run")
    assert f"{fleet}-a: versions 2, 3, " in latest.output


def test_a_version_that_fails_stops_no_other(lime, fleet, people, register):
    rows = people.drop(columns="label")
    register(f"{fleet}-a", rows.assign(more=1.0), people["label"])
    register(f"{fleet}-a", rows, people["label"], strength=0.5)
    result = lime("backfill", "--models", f"{fleet}-a", "--workers", "1")
    assert result.exit_code == 1
    assert f"{fleet}-a/4 failed: " in result.output
    assert f"{fleet}-a/5 explained in " in result.output
    assert "4 versions explained" in result.output


def test_a_model_that_the_configuration_leaves_out_is_left_alone(lime, fleet, tmp_path):
    with (tmp_path / "lime.yaml").open("a") as file:
        file.write("models: something-else\n")
    result = lime("backfill", "--models", f"{fleet}-*")
    assert result.exit_code == 1
    assert "No version matches" in result.output


@pytest.mark.parametrize("rule", ["newest", "latest:0", "latest:x", "all:3", ""])
def test_an_unknown_rule_is_refused(rule):
    with pytest.raises(ConfigError, match="--versions must be all, aliases, or latest"):
        version_rule(rule)


def test_durations_are_said_as_a_person_says_them():
    assert [_duration(s) for s in (0, 59, 60, 61, 3600, 7260)] == [
        "1 s",
        "59 s",
        "1 min",
        "1 min 1 s",
        "1 h 0 min",
        "2 h 1 min",
    ]


def test_ctrl_c_keeps_finished_versions_and_the_next_run_goes_on(lime, fleet, store, tmp_path):
    command = [sys.executable, "-m", "mlflow_lime", "backfill", "--models", f"{fleet}-a"]
    process = subprocess.Popen(
        [*command, "--workers", "1"],
        cwd=tmp_path,
        env={**os.environ, "MLFLOW_TRACKING_URI": store.uri},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    patience = time.monotonic() + 90
    while not explained(fleet):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < patience
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    if process.returncode:  # it may have been faster
        assert process.returncode == 130
        assert "Versions that are finished stay explained" in errors
        assert "Traceback" not in errors
    result = lime("backfill", "--models", f"{fleet}-a", "--workers", "1")
    assert result.exit_code == 0, result.output
    assert {version: len(runs) for version, runs in explained(fleet).items()} == {
        f"{fleet}-a/{i}": 1 for i in (1, 2, 3)
    }
