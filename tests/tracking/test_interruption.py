"""A review that is killed at any moment is finished by the next one, and nothing is there twice."""

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pandas as pd
import pytest

from mlflow_lime import names
from mlflow_lime.journal import Journal
from mlflow_lime.tracking.logged_explanations import load_explanations

INSTANCES = 8
ROWS = 32

LAUNCHER = '''
import json, os, signal, sys, traceback, warnings
warnings.simplefilter("ignore")
import matplotlib.backends.backend_agg, matplotlib.figure, pyarrow.parquet
import mlflow, mlflow.pyfunc, mlflow.sklearn, sklearn.linear_model
from mlflow import MlflowClient
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow_lime.config import load_config
from mlflow_lime.journal import Journal
from mlflow_lime.report import items
from mlflow_lime.tracking import log, review

OWNERS = {"client": MlflowClient, "store": SqlAlchemyStore, "journal": Journal, "log": log}


def deadly(point):
    """Kill this process before or after the n-th call of a method."""
    owner, name, when, number = point
    inner = getattr(OWNERS[owner], name)
    calls = []

    def call(*args, **kwargs):
        calls.append(1)
        if len(calls) == number and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = inner(*args, **kwargs)
        if len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(OWNERS[owner], name, call)


def work(order):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["MLFLOW_LIME_HOME"] = order["home"]
    mlflow.set_tracking_uri(order["store"])
    mlflow.set_registry_uri(order["store"])
    if order.get("point"):
        deadly(order["point"])
    try:
        review.review_version(order["uri"], load_config(order["config"]))
    except KeyboardInterrupt:
        return 130
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        code = work(json.loads(line))
        sys.stderr.flush()
        os._exit(code)
    print(child, flush=True)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
'''

SLOW = """
import os, time
from pathlib import Path

HERE = Path(__file__).parent


def predict(frame, model):
    with open(HERE / "calls.txt", "a") as file:
        file.write(f"{os.getpid()} {len(frame)}\\n")
    time.sleep(0.03)
    return model.get_raw_model().predict_proba(frame)
"""


class Launcher:
    """A process that has imported everything, and forks one that explains at each order."""

    def __init__(self, process, errors, desk, store, home):
        self.process, self.errors = process, errors
        self.desk, self.store, self.home = desk, store, home
        module = f"slow_{desk.name.replace('-', '_')}"
        (desk.folder / f"{module}.py").write_text(SLOW)
        desk.frame.drop(columns="who").to_parquet(desk.data, index=False)
        (desk.folder / "lime.yaml").write_text(
            f"predict: {module}:predict\n"
            "task: classification\n"
            "data: {source: data.parquet, target: target}\n"
            f"reference: {{count: {INSTANCES}}}\n"
            f"sampling: {{rows: {ROWS}, max_rows: {ROWS}}}\n"
            f"prediction: {{block_rows: {ROWS}, deduplicate: false}}\n"
            # Calls are counted; the rows of faithfulness would be asked for again.
            "metrics: {faithfulness: false}\n"
            "outputs: {max_pictures: 1}\n"
        )

    def start(self, uri, point=None):
        order = {
            "store": self.store,
            "home": str(self.home),
            "uri": uri,
            "config": str(self.desk.folder / "lime.yaml"),
            "point": point,
        }
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def wait(self):
        return int(self.process.stdout.readline())

    def finish(self, uri):
        """Explain to the end."""
        self.start(uri)
        assert self.wait() == 0, self.errors.read_text()

    def kill_after(self, uri, seconds, sign=signal.SIGKILL):
        child = self.start(uri)
        time.sleep(seconds)
        with suppress(ProcessLookupError):  # it was quicker
            os.kill(child, sign)
        return self.wait()

    def journalled(self):
        """Return how many explanations are kept, over all journals."""
        return sum(
            len({outcome.key for outcome in Journal(path).read()})
            for path in self.home.glob("journal/*.jsonl")
        )

    def calls(self):
        """Return the rows that were asked for in each call for a neighbourhood, by process."""
        path = self.desk.folder / "calls.txt"
        found = {}
        for line in path.read_text().splitlines() if path.exists() else ():
            pid, rows = map(int, line.split())
            if rows >= ROWS:
                found.setdefault(pid, []).append(rows)
        return found


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    folder = tmp_path_factory.mktemp("launcher")
    (folder / "launcher.py").write_text(LAUNCHER)
    with (folder / "errors.txt").open("w") as errors:
        started = subprocess.Popen(
            [sys.executable, str(folder / "launcher.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        with started:
            assert started.stdout.readline() == "ready\n"
            yield started, folder / "errors.txt"
            started.stdin.close()


@pytest.fixture
def launcher(process, desk, store, lime_home):
    return Launcher(*process, desk, store[0], lime_home)


@pytest.fixture
def pair(desk, launcher):
    """Two names for one model: the first was explained without interruption."""
    uri = desk.register()
    model_id = desk.client.get_model_version(desk.name, "1").source
    whole = f"{desk.name}-whole"
    desk.client.create_registered_model(whole)
    desk.client.create_model_version(whole, model_id, run_id=None)
    started = time.monotonic()
    launcher.finish(f"models:/{whole}/1")
    took = time.monotonic() - started
    (run,) = runs_of(desk, whole)
    (desk.folder / "calls.txt").unlink()
    return uri, run, took


def runs_of(desk, name):
    other = type(desk).runs
    kept, desk.name = desk.name, name
    try:
        return other(desk)
    finally:
        desk.name = kept


SAME = (
    names.EXPLANATIONS_JSON,
    names.EXPLANATIONS_PARQUET,
    names.INSTANCES_TABLE,
    names.WEIGHTS_TABLE,
    names.IMPORTANCE_TABLE,
    names.TRUST_FILE,
    names.CONFIG_FILE,
    f"{names.REFERENCE_FOLDER}/reference.json",
    f"{names.REFERENCE_FOLDER}/reference_inputs.parquet",
    f"{names.PICTURES}/00.png",
)


def of_names(files):
    """Return the paths that do not change; those of the image grid hold a time and a number."""
    return {path for path in files if not path.startswith("images/")}


def assert_complete_and_once(desk, launcher, whole):
    (run,) = desk.runs()
    run = desk.client.get_run(run.info.run_id)
    tags = run.data.tags
    assert (run.info.status, tags[names.TAG_STATUS]) == ("FINISHED", "completed")
    assert names.TAG_REASON not in tags
    assert tags.get(names.TAG_NOTES) == whole.data.tags.get(names.TAG_NOTES)
    source = tags["mlflow.parentRunId"]
    once = dict.fromkeys(whole.data.metrics, 1)
    assert desk.points(run.info.run_id) == once
    # The source run has the metrics of the uninterrupted review too.
    assert set(desk.points(source).values()) == {2}
    assert set(desk.points(source)) == set(once)
    for metrics in (run.data.metrics, desk.client.get_run(source).data.metrics):
        assert {**metrics, "lime/seconds": 0} == {**whole.data.metrics, "lime/seconds": 0}
    model_id = run.inputs.model_inputs[0].model_id
    linked = [
        m.key for m in desk.client.get_logged_model(model_id).metrics if m.run_id == run.info.run_id
    ]
    assert sorted(linked) == sorted(once)
    assert len(run.inputs.model_inputs) == len(run.inputs.dataset_inputs) == 1
    mine, theirs = desk.artifacts(run.info.run_id), desk.artifacts(whole.info.run_id)
    assert of_names(mine) == of_names(theirs)
    assert len([path for path in mine if path.endswith(".webp")]) == 1, "in the image grid once"
    assert {path: mine[path] == theirs[path] for path in SAME} == dict.fromkeys(SAME, True)
    recipes = [json.loads(files[names.RECIPE_FILE]) for files in (mine, theirs)]
    assert {**recipes[0], "model": ""} == {**recipes[1], "model": ""}
    table = pd.read_json(io.BytesIO(mine[names.INSTANCES_TABLE]), orient="split")
    assert len(table) == table["instance"].nunique() == INSTANCES
    assert len(json.loads(tags["mlflow.loggedArtifacts"])) == 3
    assert list(launcher.home.glob("journal/*")) == []
    assert len(load_explanations(f"models:/{desk.name}/1")) == INSTANCES


def kill_at_random(desk, launcher, pair, kills, seed):
    uri, whole, took = pair
    dice = random.Random(seed)
    interrupted = 0
    for _ in range(kills):
        before = launcher.journalled()
        seen = set(launcher.calls())
        code = launcher.kill_after(uri, dice.uniform(0, took))
        interrupted += code == -signal.SIGKILL
        for pid, rows in launcher.calls().items():
            if pid not in seen:
                assert sum(rows) <= ROWS * (INSTANCES - before)
    launcher.finish(uri)
    assert_complete_and_once(desk, launcher, whole)
    # An attempt loses at most the instance in flight.
    total = sum(sum(rows) for rows in launcher.calls().values())
    assert total <= ROWS * (INSTANCES + interrupted)


def test_killed_at_random_moments_and_run_again(desk, launcher, pair):
    kill_at_random(desk, launcher, pair, kills=6, seed=random.randrange(10**6))


@pytest.mark.long
@pytest.mark.parametrize("kills", [10, 15, 25])
def test_killed_at_many_random_moments_and_run_again(desk, launcher, pair, kills):
    kill_at_random(desk, launcher, pair, kills=kills, seed=random.randrange(10**6))


POINTS = [
    ("client", "create_run", "after", 1),
    ("client", "log_artifacts", "before", 1),
    ("client", "set_registered_model_tag", "before", 1),
    ("client", "set_registered_model_tag", "after", 1),
    ("journal", "add", "after", 3),
    ("journal", "add", "after", INSTANCES),
    ("client", "log_inputs", "after", 1),
    ("client", "log_artifacts", "after", 2),
    ("log", "_list_tables", "after", 2),
    ("store", "_log_model_metrics", "before", 1),
    ("client", "log_batch", "after", 1),
    ("client", "log_artifacts", "after", 3),
    ("client", "log_batch", "after", 2),
    ("client", "set_model_version_tag", "after", 1),
    ("client", "set_terminated", "before", 1),
    ("client", "set_terminated", "after", 1),
    ("journal", "discard", "before", 1),
    ("journal", "discard", "after", 1),
]


def test_killed_between_any_two_writes(desk, launcher, pair):
    """One kill after the other, each at a later step of the same review."""
    uri, whole, _ = pair
    for point in POINTS:
        launcher.start(uri, point)
        assert launcher.wait() in (-signal.SIGKILL, 0), point
    launcher.finish(uri)
    assert_complete_and_once(desk, launcher, whole)
    total = sum(sum(rows) for rows in launcher.calls().values())
    assert total == ROWS * INSTANCES


def test_a_keyboard_interrupt_leaves_the_run_visible_as_interrupted(desk, launcher, pair):
    uri, whole, _ = pair
    child = launcher.start(uri)
    while launcher.journalled() < 2:
        time.sleep(0.01)
    os.kill(child, signal.SIGINT)
    assert launcher.wait() == 130
    (run,) = desk.runs()
    assert run.info.status == "KILLED"
    assert run.data.tags[names.TAG_STATUS] == "interrupted"
    assert "run it again" in run.data.tags[names.TAG_REASON]
    assert launcher.journalled() >= 2
    launcher.finish(uri)
    assert_complete_and_once(desk, launcher, whole)
    total = sum(sum(rows) for rows in launcher.calls().values())
    assert total <= ROWS * (INSTANCES + 1)
