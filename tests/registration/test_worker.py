"""Jobs run each in a process of its own, and none takes another one down."""

import os
import signal
import textwrap
import time
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import psutil
import pytest

from mlflow_lime.registration.job import Offer, Outcome, State
from mlflow_lime.registration.worker import Workers
from mlflow_lime.tracking.registered import tag_as_parked

QUICK = {"attempts": 1, "retry_seconds": 0.1, "max_seconds": 60, "max_memory": "2GiB"}


def wait_for(true: Any, seconds: float = 90.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.05)


def offer(shelf: Any, queue: Any, name: str, count: int = 1, **changes: Any) -> list[str]:
    plan = shelf.plans(registration=changes or QUICK).of(name)
    numbers = shelf.register(name, count)
    assert queue.offer([Offer(name, number, plan) for number in numbers]) == count
    return numbers


def work(shelf: Any, queue: Any, count: int = 1, **options: Any) -> None:
    """Work until nothing is left."""
    with workers(shelf, queue, count, **options) as working:
        wait_for(working.idle)


def workers(shelf: Any, queue: Any, count: int = 1, **options: Any) -> Workers:
    return Workers(queue, count, tracking_uri=shelf.uri, registry_uri=shelf.uri, **options)


@pytest.fixture
def queue(shelf: Any) -> Any:
    opened = shelf.queue()
    yield opened
    opened.close()


def test_every_version_is_explained_once_and_all_share_one_reference_set(shelf, queue, name):
    offer(shelf, queue, name, 5)
    seen = []
    work(shelf, queue, 2, report=lambda job, settled: seen.append((job.version, settled.outcome)))
    reviews = shelf.reviews(name)
    assert sorted(reviews) == ["1", "2", "3", "4", "5"]
    assert all(len(runs) == 1 for runs in reviews.values())
    # A store that is busy for too long is asked once more.
    done = sorted(version for version, outcome in seen if outcome is not Outcome.FAILED)
    assert done == sorted(reviews)
    digests = {runs[0].data.tags["lime.identity"].rpartition("/")[2] for runs in reviews.values()}
    assert len(digests) == 1
    jobs = queue.ledger.jobs([State.DONE])
    assert {job.reference_digest for job in jobs} == digests
    assert {job.run_id for job in jobs} == {runs[0].info.run_id for runs in reviews.values()}


_SCRIPT = """
import os, time
import gc
import mlflow
from multiprocessing.connection import Connection
def answer(text):
    for pipe in [found for found in gc.get_objects() if isinstance(found, Connection)]:
        if pipe.writable and not pipe.readable:
            os.write(pipe.fileno(), text)
class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [0.5] * len(model_input)
if os.path.exists({armed!r}):
{code}
mlflow.models.set_model(Model())
"""


def hostile(shelf: Any, folder: Path, code: str) -> str:
    """Log a model whose loading runs `code` as soon as it is armed, and return its URI."""
    armed = folder / "armed"
    script = folder / "model.py"
    script.write_text(_SCRIPT.format(armed=str(armed), code=textwrap.indent(code, "    ")))
    with mlflow.start_run(experiment_id="1"):
        info = mlflow.pyfunc.log_model(
            name="hostile", python_model=str(script), pip_requirements=["mlflow"]
        )
    armed.touch()
    return str(info.model_uri)


HOSTILE = {
    "exits": ("os._exit(3)", "ended the interpreter with exit code 3"),
    "is killed": ("import signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
    "raises": ("raise RuntimeError('no weights')", "no weights"),
    "leaves": ("raise SystemExit(4)", "cannot be loaded: SystemExit"),
    "sleeps": ("time.sleep(10_000)", "longer than 6 seconds"),
    "spins": ("sum(range(10**15))", "longer than 6 seconds"),
    "answers half": (
        "import signal, struct\nsignal.setitimer(signal.ITIMER_REAL, 0)\n"
        "answer(struct.pack('!i', 1000) + b'{')\ntime.sleep(10_000)",
        "longer than 6 seconds",
    ),
    "answers for us": (
        "import json, struct\n"
        "fake = json.dumps(dict(outcome='explained', reason='', run_id='a b', "
        "reference_digest='d')).encode()\n"
        "answer(struct.pack('!i', len(fake)) + fake)\ntime.sleep(10_000)",
        "something else than an answer",
    ),
    "dies while a child keeps the pipe": (
        "import signal\nif os.fork() == 0: time.sleep(40); os._exit(0)\n"
        "os.kill(os.getpid(), signal.SIGSEGV)",
        "SIGSEGV",
    ),
    "eats": (
        "hoard = []\nwhile True:\n    hoard.append(os.urandom(2**24))",
        "needed more than 700 MiB",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_model_parks_alone_and_the_next_job_runs(shelf, queue, name, tmp_path, kind):
    code, reason = HOSTILE[kind]
    source = hostile(shelf, tmp_path, code)
    (bad,) = shelf.register(name, source=source)
    limits = {**QUICK, "max_seconds": 6 if reason.endswith("6 seconds") else 60}
    if kind == "eats":
        limits["max_memory"] = "700MiB"
    plan = shelf.plans(registration=limits).of(name)
    queue.offer([Offer(name, bad, plan)])
    good = f"{name}-good"
    queue.offer([Offer(good, *shelf.register(good), shelf.plans(registration=QUICK).of(good))])
    work(shelf, queue, parked=tag_as_parked)
    parked, done = queue.ledger.jobs([State.PARKED]), queue.ledger.jobs([State.DONE])
    assert [job.name for job in parked] == [name]
    assert reason in parked[0].reason
    assert [job.name for job in done] == [good]
    tag = shelf.client.get_model_version(name, bad).tags["lime"]
    assert tag.startswith("not explained: ")


def test_a_failure_is_tried_again_after_pauses_that_grow_and_then_parked(shelf, queue, name):
    limits = {**QUICK, "attempts": 3, "retry_seconds": 0.2}
    plan = shelf.plans(registration=limits, data={"source": "nowhere.csv"}).of(name)
    queue.offer([Offer(name, *shelf.register(name), plan)])
    pauses = []
    work(shelf, queue, report=lambda job, settled: pauses.append(job.due - job.changed))
    (job,) = queue.ledger.jobs()
    assert job.state is State.PARKED
    assert job.attempts == 3
    assert "nowhere.csv" in job.reason
    assert pauses[0] == pytest.approx(0.2, abs=0.05)
    assert pauses[1] == pytest.approx(0.8, abs=0.05)


def test_a_version_that_is_deleted_while_it_waits_is_dropped(shelf, queue, name):
    (number,) = offer(shelf, queue, name)
    shelf.client.delete_model_version(name, number)
    work(shelf, queue)
    (job,) = queue.ledger.jobs()
    assert job.state is State.DROPPED


def lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_a_job_goes_back_when_its_worker_is_killed_and_nothing_is_logged_twice(shelf, queue, name):
    offer(shelf, queue, name, 2)
    process = shelf.start("worker")
    wait_for(lambda: queue.ledger.counts()[State.RUNNING])
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    process.stdout.close()
    wait_for(
        lambda: not any(child.is_running() and child.status() != "zombie" for child in children), 20
    )
    work(shelf, queue)
    reviews = shelf.reviews(name)
    assert {version: len(runs) for version, runs in reviews.items()} == {"1": 1, "2": 1}
    for runs in reviews.values():
        assert runs[0].data.tags["lime.status"] == "completed"
        for metric in runs[0].data.metrics:
            assert len(shelf.client.get_metric_history(runs[0].info.run_id, metric)) == 1


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_worker_that_is_asked_to_stop_gives_its_job_back_at_once(
    shelf, queue, name, tmp_path, sign
):
    (number,) = shelf.register(name, source=hostile(shelf, tmp_path, "time.sleep(10_000)"))
    queue.offer([Offer(name, number, shelf.plans(registration=QUICK).of(name))])
    process = shelf.start("worker")
    wait_for(lambda: queue.ledger.counts()[State.RUNNING])
    time.sleep(1)
    os.kill(process.pid, sign)
    said, _ = process.communicate(timeout=30)
    (job,) = queue.ledger.jobs()
    assert (job.state, job.attempts) == (State.WAITING, 0)
    assert "Stopping" in said
    assert "Traceback" not in said


def test_only_allowed_flavours_are_loaded(shelf, queue, name, tmp_path):
    source = hostile(shelf, tmp_path, f"open({str(tmp_path / 'loaded')!r}, 'w')")
    (number,) = shelf.register(name, source=source)
    plan = shelf.plans(registration={**QUICK, "attempts": 4, "flavors": ["sklearn"]}).of(name)
    queue.offer([Offer(name, number, plan)])
    work(shelf, queue)
    (job,) = queue.ledger.jobs()
    assert job.state is State.PARKED
    assert job.attempts == 0
    assert "python_function" in job.reason
    assert not (tmp_path / "loaded").exists()


def test_what_a_model_has_started_ends_with_its_job_and_sees_no_secret(
    shelf, queue, name, tmp_path, monkeypatch
):
    from mlflow_lime.registration.secrets import SECRET_VARIABLE

    monkeypatch.setenv(SECRET_VARIABLE, "a-secret-for-tests-alone")
    note = tmp_path / "note"
    code = (
        "import subprocess\n"
        "child = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        f"open({str(note)!r}, 'w').write(f'{{child.pid}} {{dict(os.environ)}}')"
    )
    (number,) = shelf.register(name, source=hostile(shelf, tmp_path, code))
    queue.offer([Offer(name, number, shelf.plans(registration=QUICK).of(name))])
    work(shelf, queue)
    pid, _, environment = note.read_text().partition(" ")
    assert "a-secret-for-tests-alone" not in environment
    wait_for(lambda: not psutil.pid_exists(int(pid)) or not lives(psutil.Process(int(pid))), 20)


def test_a_job_that_is_announced_twice_stays_with_the_thread_that_has_it(shelf, queue, name):
    offer(shelf, queue, name)
    losses = []
    with workers(shelf, queue, 2) as working:
        wait_for(lambda: queue.ledger.counts()[State.RUNNING])
        queue.announce(queue.ledger.jobs())
        while not working.idle():
            losses += [job.losses for job in queue.ledger.jobs()]
            time.sleep(0.05)
    assert not any(losses)
    assert {version: len(runs) for version, runs in shelf.reviews(name).items()} == {"1": 1}


@pytest.mark.parametrize(("origin", "state"), [("watch", State.PARKED), ("autolog", State.DONE)])
def test_a_file_that_a_stranger_names_as_the_dataset_is_not_read(
    shelf, queue, name, tmp_path, origin, state
):
    shelf_data = shelf.folder / "data.parquet"
    private = tmp_path / "private.parquet"
    private.write_bytes(shelf_data.read_bytes())
    frame = pd.read_parquet(private)
    with mlflow.start_run() as run:
        mlflow.log_input(mlflow.data.from_pandas(frame, source=str(private), name="rows"))
    (number,) = shelf.register(name, run_id=run.info.run_id)
    plan = shelf.plans(registration=QUICK, data={"source": "auto", "target": "target"}).of(name)
    queue.offer([Offer(name, number, plan, origin=origin)])
    work(shelf, queue)
    (job,) = queue.ledger.jobs()
    assert job.state is state
    if state is State.PARKED:
        assert "anybody may have registered" in job.reason
        assert "data.source" in job.reason
