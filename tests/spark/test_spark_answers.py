"""Explanations on Spark: the same bits, and resumed where a driver died."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from asked import KINDS, Asked

from mlflow_lime import parse_config
from mlflow_lime.core.packed import name_of
from mlflow_lime.errors import ConfigError, DataError
from mlflow_lime.tracking.explaining import Explaining
from mlflow_lime.tracking.questions import Questions


@pytest.mark.parametrize("kind", KINDS)
def test_spark_gives_the_same_bits(kind, local, tmp_path):
    asked = Asked(kind, tmp_path)
    expected = asked.explain("here", workers=1)
    assert asked.explain("spark", kind="spark", task_instances=7) == expected
    assert sorted(asked.lines("spark")) == sorted(expected)


def test_a_budget_of_the_whole_job_is_refused(tmp_path):
    asked = Asked("numbers", tmp_path)
    sections = asked.sections | {"sampling": {"max_total_rows": 1000}, "engine": {"kind": "spark"}}
    config = parse_config(sections)
    questions = Questions.on(asked.reference, asked.scorer, config)
    with pytest.raises(ConfigError, match="are counted in one process"):
        Explaining(questions, config, asked.journal("none"), asked.uri).outcomes()


def test_a_model_without_an_address_is_refused(tmp_path):
    asked = Asked("numbers", tmp_path)
    config = parse_config(asked.sections | {"engine": {"kind": "spark"}})
    questions = Questions.on(asked.reference, asked.scorer, config)
    with pytest.raises(ConfigError, match="lives in this process alone"):
        Explaining(questions, config, asked.journal("none")).outcomes()


DRIVER = """
import mlflow, pathlib, sys
sys.path.append({tests!r})
from asked import Asked
mlflow.set_tracking_uri({store!r})
asked = Asked("numbers", pathlib.Path({folder!r}))
settings = {{"spark.master": "local[2,4]", "spark.log.level": "OFF"}}
found = asked.explain("job", kind="spark", task_instances=2, spark=settings)
print(len(found), flush=True)
"""


def finished(journal):
    """Return the keys of a journal in their order, but for a line that was cut."""
    keys = []
    for line in journal.read_bytes().split(b"\n") if journal.exists() else []:
        with contextlib.suppress(DataError):
            keys += [name_of(line)[0]] if line else []
    return keys


def test_a_killed_driver_is_resumed_and_nothing_is_done_twice(tmp_path):
    tests = str(Path(__file__).parents[1] / "engine")
    script = tmp_path / "driver.py"
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    script.write_text(DRIVER.format(tests=tests, store=store, folder=str(tmp_path)))
    journal = tmp_path / "job.jsonl"
    first = subprocess.Popen([sys.executable, script], start_new_session=True)
    try:
        patience = time.monotonic() + 120
        while len(finished(journal)) < 6:
            assert first.poll() is None
            assert time.monotonic() < patience
            time.sleep(0.005)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    before = finished(journal)
    assert 6 <= len(before) < 30
    asked = Asked("numbers", tmp_path)
    expected = asked.explain("here", workers=1)
    settings = {"spark.master": "local[2,4]"}
    assert asked.explain("job", kind="spark", spark=settings) == expected
    after = finished(journal)
    # What was read as finished was not done again.
    assert after[: len(before)] == before
    assert sorted(after) == sorted(expected)
