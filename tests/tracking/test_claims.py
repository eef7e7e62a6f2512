"""One process at a time explains a version, and one picks a model's reference set."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mlflow_lime.config import Config
from mlflow_lime.errors import ConfigError, ReviewInProgressError
from mlflow_lime.tracking.claims import claim_pinning, claim_version
from mlflow_lime.tracking.versions import ModelVersionRef

REF = ModelVersionRef("models:/credit/7", name="credit", version="7", model_id="m-1")
HOLDER = """
import sys, time
from mlflow_lime.config import Config
from mlflow_lime.tracking.claims import claim_version
from mlflow_lime.tracking.versions import ModelVersionRef
import mlflow
mlflow.set_tracking_uri(sys.argv[1]); mlflow.set_registry_uri(sys.argv[1])
ref = ModelVersionRef("models:/credit/7", name="credit", version="7", model_id="m-1")
with claim_version(ref, Config()):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_version_is_claimed_once():
    with claim_version(REF, Config()):
        with (
            pytest.raises(ReviewInProgressError, match="credit/7 is being explained"),
            claim_version(REF, Config()),
        ):
            pass
        with claim_version(REF, Config(seed=1)):
            pass
    with claim_version(REF, Config()):
        pass


def test_a_claim_ends_with_its_process(store):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, store[0]],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout.readline() == "held\n"
    with pytest.raises(ReviewInProgressError), claim_version(REF, Config()):
        pass
    process.kill()
    process.wait()
    process.stdout.close()
    with claim_version(REF, Config()):
        pass


def test_who_picks_a_reference_set_is_waited_for():
    entered = []

    def pick():
        with claim_pinning(REF):
            entered.append("other")

    with claim_pinning(REF):
        thread = threading.Thread(target=pick)
        thread.start()
        time.sleep(0.3)
        entered.append("mine")
    thread.join()
    assert entered == ["mine", "other"]


def test_nobody_waits_for_ever_for_a_reference_set():
    with (
        claim_pinning(REF),
        pytest.raises(ReviewInProgressError, match=r"longer than 0\.2 seconds"),
        claim_pinning(REF, patience=0.2),
    ):
        pass


def test_a_home_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLFLOW_LIME_HOME", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match="set MLFLOW_LIME_HOME"), claim_version(REF, Config()):
        pass


def test_a_version_that_is_being_explained_is_left_to_the_other(desk):
    from mlflow_lime.tracking.review import review_version
    from mlflow_lime.tracking.versions import resolve_model

    uri = desk.register()
    config = desk.config()
    with claim_version(resolve_model(uri), config), pytest.raises(ReviewInProgressError):
        review_version(uri, config)
    assert desk.runs() == []


def test_versions_of_a_new_model_explained_at_once_share_one_reference_set(desk):
    from mlflow_lime.tracking.review import review_version

    uris = [desk.register() for _ in range(3)]
    digests = []

    def explain(uri):
        digests.append(review_version(uri, desk.config()).reference_digest)

    threads = [threading.Thread(target=explain, args=(uri,)) for uri in uris]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(digests) == 3
    assert len(set(digests)) == 1
    pins = [run for run in desk.runs() if desk.artifacts(run.info.run_id, "lime/reference")]
    assert len(pins) == 1
