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
from mlflow_lime.tracking.promotion import plan_promotion, previous_holders
from mlflow_lime.tracking.versions import ModelVersionRef, resolve_model

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("killed_gate.py")
SIGKILL = 9


def aliases(desk):
    return {k: str(v) for k, v in desk.client.get_registered_model(desk.name).aliases.items()}


CHAMPION = f"{names.TAG_GATE_PREVIOUS}.champion"


def previous(desk):
    return desk.client.get_registered_model(desk.name).tags.get(CHAMPION)


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
        if previous(desk) is not None:
            desk.client.delete_registered_model_tag(desk.name, CHAMPION)
        ended = attempts(write)
        states.append((aliases(desk)["champion"], previous(desk)))
        if ended == 0:
            break
        assert ended == SIGKILL
    recorded = f"{desk.name}/1 before {desk.name}/2"
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


def test_who_had_an_alias_is_read_back_of_the_version_that_it_was_moved_to(desk):
    refs = [resolve_model(desk.register()) for _ in range(3)]
    for ref, alias in ((refs[0], "champion"), (refs[1], "champion"), (refs[1], "stage-2")):
        planned = plan_promotion(ref, alias, desk.client)
        planned.record()
        planned.move()
    assert previous_holders(refs[0], desk.client) == {}, "it has the alias no more"
    assert previous_holders(refs[1], desk.client) == {
        "champion": f"{desk.name}/1",
        "stage-2": "no version",
    }
    assert previous_holders(refs[2], desk.client) == {}


@pytest.mark.parametrize("name", ["a before b", "a, champion=b", "no version before x"])
def test_no_name_of_a_model_confuses_the_record(tracking, name):
    tracking.create_registered_model(name)
    for number in ("1", "2"):
        tracking.create_model_version(name, source="file:///nowhere")
        ref = ModelVersionRef(uri=f"models:/{name}/{number}", name=name, version=number)
        planned = plan_promotion(ref, "champion", tracking)
        planned.record()
        planned.move()
    assert previous_holders(ref, tracking) == {"champion": f"{name}/1"}


def test_a_model_without_a_name_has_no_aliases(desk):
    ref = resolve_model(desk.register(registered_model_name=None))
    with pytest.raises(ConfigError, match="no alias can point to it"):
        plan_promotion(ref, "champion", desk.client)
