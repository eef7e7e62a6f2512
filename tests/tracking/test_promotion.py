"""Moving an alias: recorded first, and safe from a kill at any moment."""

import os
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
import yaml
from sklearn.linear_model import LogisticRegression

from mlflow_lime import names
from mlflow_lime.errors import ConfigError
from mlflow_lime.tracking.gating import gate_version
from mlflow_lime.tracking.promotion import plan_promotion
from mlflow_lime.tracking.versions import resolve_model

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("killed_gate.py")
SIGKILL = 9


def aliases(desk):
    return {k: str(v) for k, v in desk.client.get_registered_model(desk.name).aliases.items()}


def previous(desk, number):
    return desk.client.get_model_version(desk.name, str(number)).tags.get(names.TAG_GATE_PREVIOUS)


@pytest.fixture
def attempts(desk):
    """A process that gates the second version, and is killed before the write it is told."""
    config = desk.config(
        gate={"rules": [{"metric": "lime/drift_instances", "min": 1}], "min_trusted": 1}
    )
    for strength in (1.0, 0.5):
        desk.register(LogisticRegression(C=strength, max_iter=9999))
    desk.client.set_registered_model_alias(desk.name, "champion", "1")
    # Explained and compared, so that what is killed is the gate.
    gate_version(f"models:/{desk.name}/2", config, against="1", log=True)
    path = desk.folder / "lime.yaml"
    path.write_text(yaml.safe_dump(config.model_dump(mode="json")))
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), f"models:/{desk.name}/2", str(path)],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(),
            "OMP_NUM_THREADS": "1",
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def attempt(write):
        process.stdin.write(f"{write}\n")
        process.stdin.flush()
        return int(process.stdout.readline())

    yield attempt
    process.stdin.close()
    process.wait(timeout=60)
    process.stdout.close()


def test_a_kill_before_any_write_leaves_the_alias_or_the_record_of_who_had_it(desk, attempts):
    states = []
    for write in range(1, 40):
        desk.client.set_registered_model_alias(desk.name, "champion", "1")
        if previous(desk, 2) is not None:
            desk.client.delete_model_version_tag(desk.name, "2", names.TAG_GATE_PREVIOUS)
        ended = attempts(write)
        states.append((aliases(desk)["champion"], previous(desk, 2)))
        if ended == 0:
            break
        assert ended == SIGKILL
    recorded = f"champion={desk.name}/1"
    assert states[-1] == ("2", recorded), "the attempt that was not killed"
    assert set(states) == {("1", None), ("1", recorded), ("2", recorded)}
    assert len(states) >= 6


def test_who_has_the_alias_is_read_when_the_promotion_is_planned(desk):
    ref = resolve_model(desk.register())
    planned = plan_promotion(ref, "@stage-2", desk.client)
    assert (planned.alias, planned.holder, planned.previous) == ("stage-2", None, "no version")
    assert planned.moved_meanwhile() == ""
    desk.client.set_registered_model_alias(desk.name, "stage-2", "1")
    assert planned.moved_meanwhile() == f"{desk.name}/1"
    assert plan_promotion(ref, "stage-2", desk.client).is_done


def test_other_aliases_stay_where_they_are(desk):
    first = resolve_model(desk.register())
    desk.client.set_registered_model_alias(desk.name, "other", "1")
    planned = plan_promotion(first, "champion", desk.client)
    planned.record()
    assert planned.move() == ""
    assert aliases(desk) == {"other": "1", "champion": "1"}


def test_a_model_without_a_name_has_no_aliases(desk):
    ref = resolve_model(desk.register(registered_model_name=None))
    with pytest.raises(ConfigError, match="no alias can point to it"):
        plan_promotion(ref, "champion", desk.client)
