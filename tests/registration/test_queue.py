"""Jobs reach workers: when they are due, urgent ones first, and also after a kill."""

import json
import sqlite3

import pytest

from mlflow_lime.config import Config
from mlflow_lime.registration.job import Offer, Outcome, Settled
from mlflow_lime.registration.plans import Plan
from mlflow_lime.registration.queue import JobQueue, queue_path

PLAN = Plan(Config())


@pytest.fixture
def queue(tmp_path):
    opened = JobQueue(tmp_path / "queue.db", "store")
    yield opened
    opened.close()


def told(queue):
    """Return the ids of the jobs that workers are told of now, in the order they take them."""
    tasks = iter(queue.huey.dequeue, None)
    return [task.args[0] for task in tasks]


def test_a_new_job_is_announced_once(queue):
    assert queue.offer([Offer("credit", "7", PLAN)]) == 1
    assert queue.offer([Offer("credit", "7", PLAN)]) == 0
    assert told(queue) == [1]


def test_new_versions_come_before_those_that_are_there_since_long(queue):
    queue.offer([Offer("credit", str(i), PLAN, urgent=False) for i in range(3)])
    queue.offer([Offer("credit", str(i), PLAN) for i in range(3, 5)])
    assert told(queue) == [4, 5, 1, 2, 3]


def test_a_job_that_nobody_was_told_of_is_announced_later(queue):
    queue.ledger.offer([Offer("credit", "7", PLAN), Offer("credit", "8", PLAN)])
    assert queue.announce_forgotten() == 2
    assert queue.announce_forgotten() == 0
    assert told(queue) == [1, 2]


def test_a_job_that_waits_for_its_next_attempt_is_told_when_it_is_due(queue):
    queue.offer([Offer("credit", "7", PLAN)])
    told(queue)
    queue.ledger.settle(queue.ledger.claim(1, "w"), Settled(Outcome.FAILED, "no data"))
    queue.announce(queue.ledger.jobs())
    (task,) = [*queue.huey.pending(), *queue.huey.scheduled()]
    (job,) = queue.ledger.jobs()
    assert not queue.huey.ready_to_run(task)
    assert task.args == (job.id,)
    assert queue.announce_forgotten() == 0


def test_a_delivery_is_queued_once(queue):
    assert queue.accept("d1", [Offer("credit", "7", PLAN)], keep_seconds=60) == 1
    assert queue.accept("d1", [Offer("credit", "7", PLAN)], keep_seconds=60) is None
    assert queue.accept("d2", [Offer("credit", "7", PLAN)], keep_seconds=60) == 0
    assert told(queue) == [1]


def test_nothing_in_the_file_is_pickled(queue):
    queue.offer([Offer("credit", "7", PLAN)])
    with sqlite3.connect(queue.ledger.path) as db:
        ((data,),) = db.execute("SELECT data FROM task").fetchall()
    db.close()
    assert json.loads(data)[-1] == 1


def test_each_store_has_a_queue_of_its_own_unless_a_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_LIME_HOME", str(tmp_path))
    monkeypatch.delenv("MLFLOW_LIME_QUEUE", raising=False)
    first, second = queue_path("http://a"), queue_path("http://b")
    assert first != second
    assert first.parent == tmp_path / "queues"
    assert queue_path("http://a", tmp_path / "mine.db") == tmp_path / "mine.db"
    monkeypatch.setenv("MLFLOW_LIME_QUEUE", str(tmp_path / "ours.db"))
    assert queue_path("http://a") == tmp_path / "ours.db"
