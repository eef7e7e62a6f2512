"""What was seen, what is to do, and what became of it, whoever asks and whoever dies."""

import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_lime.config import Config
from mlflow_lime.errors import ConfigError
from mlflow_lime.registration.job import Offer, Outcome, Settled, State
from mlflow_lime.registration.ledger import MOST_LOSSES, Ledger
from mlflow_lime.registration.plans import Plan

PLAN = Plan(Config(registration={"attempts": 3, "retry_seconds": 10}))
OTHER = Plan(Config(seed=1))


@pytest.fixture
def ledger(tmp_path):
    opened = Ledger(tmp_path / "queue.db", "store")
    yield opened
    opened.close()


def states(ledger):
    return [(job.label, job.state.value) for job in ledger.jobs()]


def test_the_same_version_is_one_job_whoever_offers_it(ledger):
    assert ledger.offer([Offer("credit", "7", PLAN, origin="watch")]) == [1]
    assert ledger.offer([Offer("credit", "7", PLAN, origin="webhook", created=5)]) == []
    assert ledger.offer([Offer("credit", "7", PLAN, reference_digest="a1")]) == []
    assert states(ledger) == [("credit/7", "waiting")]


def test_a_version_of_ones_own_stays_so_whoever_sees_it_first(ledger):
    ledger.offer([Offer("credit", "7", PLAN, origin="watch")])
    ledger.offer([Offer("credit", "7", PLAN, origin="autolog")])
    ledger.offer([Offer("credit", "7", PLAN, origin="webhook")])
    assert [job.origin for job in ledger.jobs()] == ["autolog"]


def test_another_configuration_is_another_job(ledger):
    assert ledger.offer([Offer("credit", "7", PLAN), Offer("credit", "7", OTHER)]) == [1, 2]


def test_another_reference_set_is_another_job_once_the_first_is_known(ledger):
    ledger.offer([Offer("credit", "7", PLAN)])
    ledger.settle(ledger.claim(1, "w"), Settled(Outcome.EXPLAINED, reference_digest="a1"))
    assert ledger.offer([Offer("credit", "7", PLAN)]) == []
    assert ledger.offer([Offer("credit", "7", PLAN, reference_digest="a1")]) == []
    assert ledger.offer([Offer("credit", "7", PLAN, reference_digest="b2")]) == [2]


def test_a_version_of_a_model_that_was_made_again_is_new(ledger):
    ledger.offer([Offer("credit", "1", PLAN, created=100)])
    ledger.settle(ledger.claim(1, "w"), Settled(Outcome.EXPLAINED, reference_digest="a1"))
    assert ledger.unseen([("credit", "1", 100), ("credit", "1", 200)]) == [("credit", "1", 200)]
    assert ledger.offer([Offer("credit", "1", PLAN, created=200)]) == [2]
    assert len(ledger.jobs()) == 1


def test_a_version_that_is_made_again_while_the_old_one_runs_is_new_too(ledger):
    ledger.offer([Offer("credit", "1", PLAN, created=100)])
    old = ledger.claim(1, "w")
    assert ledger.offer([Offer("credit", "1", PLAN, created=200)]) == [2]
    ledger.settle(old, Settled(Outcome.GONE))
    assert states(ledger) == [("credit/1", "waiting")]


def test_a_version_seen_without_its_time_is_the_same_once_the_time_is_known(ledger):
    ledger.offer([Offer("credit", "1", PLAN)])
    assert ledger.unseen([("credit", "1", 100)]) == []
    ledger.mark_seen([("credit", "1", 100)])
    assert ledger.unseen([("credit", "1", 200)]) == [("credit", "1", 200)]


def test_what_was_seen_survives_a_restart(tmp_path):
    first = Ledger(tmp_path / "queue.db", "store")
    first.mark_seen([("credit", "1", 100)])
    first.offer([Offer("credit", "2", PLAN)])
    first.close()
    second = Ledger(tmp_path / "queue.db", "store")
    assert second.unseen([("credit", "1", 100), ("credit", "2", 7)]) == []
    assert states(second) == [("credit/2", "waiting")]
    second.close()


def test_only_one_worker_gets_a_job(ledger):
    ledger.offer([Offer("credit", str(i), PLAN) for i in range(40)])
    taken = []

    def take(worker):
        for job_id in range(1, 41):
            if ledger.claim(job_id, worker):
                taken.append(job_id)

    threads = [threading.Thread(target=take, args=(f"w{i}",)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(1, 41))


@pytest.mark.parametrize(
    ("outcome", "state", "attempts"),
    [
        (Outcome.EXPLAINED, State.DONE, 0),
        (Outcome.REPEATED, State.DONE, 0),
        (Outcome.GONE, State.DROPPED, 0),
        (Outcome.REFUSED, State.PARKED, 0),
        (Outcome.FAILED, State.WAITING, 1),
        (Outcome.BUSY, State.WAITING, 0),
        (Outcome.UNREACHABLE, State.WAITING, 0),
        (Outcome.INTERRUPTED, State.WAITING, 0),
    ],
)
def test_what_becomes_of_a_job(ledger, outcome, state, attempts):
    ledger.offer([Offer("credit", "7", PLAN)])
    ledger.settle(ledger.claim(1, "w"), Settled(outcome, "why"))
    (job,) = ledger.jobs()
    assert (job.state, job.attempts, job.worker) == (state, attempts, None)


def test_pauses_between_attempts_grow_fourfold_until_the_job_is_parked(ledger, monkeypatch):
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    ledger.offer([Offer("credit", "7", PLAN)])
    pauses = []
    for _ in range(3):
        ledger.settle(ledger.claim(1, "w"), Settled(Outcome.FAILED, "no data"))
        (job,) = ledger.jobs()
        pauses.append(job.due - now)
        now = job.due
    assert pauses[:2] == pytest.approx([10, 40])
    assert (job.state, job.reason) == (State.PARKED, "no data")


def test_a_store_that_does_not_answer_never_parks_a_job(ledger, monkeypatch):
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    ledger.offer([Offer("credit", "7", PLAN)])
    pauses = []
    for _ in range(30):
        ledger.settle(ledger.claim(1, "w"), Settled(Outcome.UNREACHABLE, "no answer"))
        (job,) = ledger.jobs()
        pauses.append(job.due - now)
        now = job.due
    assert job.state is State.WAITING
    assert ledger.only_waits_for_store()
    assert pauses[:3] == pytest.approx([2, 4, 8])
    assert max(pauses) == pytest.approx(300)


def test_a_store_that_answered_lately_is_waited_for(ledger):
    assert not ledger.only_waits_for_store()
    ledger.offer([Offer("credit", "7", PLAN)])
    ledger.settle(ledger.claim(1, "w"), Settled(Outcome.UNREACHABLE, "no answer"))
    assert not ledger.only_waits_for_store()


def test_a_job_that_kills_its_worker_again_and_again_is_parked(ledger):
    ledger.offer([Offer("credit", "7", PLAN)])
    for _ in range(MOST_LOSSES - 1):
        ledger.claim(1, "w")
        assert ledger.give_back("w") == [1]
    ledger.claim(1, "w")
    assert ledger.give_back("w") == []
    (job,) = ledger.jobs()
    assert job.state is State.PARKED
    assert "worker died" in job.reason


def test_a_worker_that_lost_its_job_cannot_settle_it(ledger):
    ledger.offer([Offer("credit", "7", PLAN)])
    mine = ledger.claim(1, "slow")
    ledger.give_back("slow")
    ledger.claim(1, "other")
    ledger.settle(mine, Settled(Outcome.FAILED, "too late"))
    (job,) = ledger.jobs()
    assert (job.state, job.worker) == (State.RUNNING, "other")


def test_jobs_are_retried_and_dropped_by_hand_but_not_while_they_run(ledger):
    ledger.offer([Offer("credit", str(i), PLAN) for i in range(3)])
    ledger.settle(ledger.claim(1, "w"), Settled(Outcome.REFUSED, "flavour"))
    ledger.claim(2, "w")
    assert ledger.drop([1, 2, 3], "by hand") == [1, 3]
    assert ledger.retry([1, 2, 3]) == [1, 3]
    assert [job.state.value for job in ledger.jobs()] == ["waiting", "running", "waiting"]


def test_a_delivery_counts_once(ledger):
    offers = [Offer("credit", "7", PLAN)]
    assert ledger.accept("d1", offers, keep_seconds=600) == [1]
    assert ledger.accept("d1", [Offer("credit", "8", PLAN)], keep_seconds=600) is None
    assert ledger.accept("d2", offers, keep_seconds=600) == []
    assert states(ledger) == [("credit/7", "waiting")]


def test_deliveries_are_forgotten_after_their_time(ledger, monkeypatch):
    ledger.accept("d1", [], keep_seconds=600)
    later = time.time() + 601
    monkeypatch.setattr(time, "time", lambda: later)
    assert ledger.accept("d2", [], keep_seconds=600) == []
    with sqlite3.connect(ledger.path) as db:
        assert db.execute("SELECT id FROM deliveries").fetchall() == [("d2",)]
    db.close()


def test_the_plan_of_a_job_is_the_one_that_was_offered(ledger, tmp_path):
    config = Config(models="credit-*", seed=9).in_folder(tmp_path)
    ledger.offer([Offer("credit", "7", Plan(config))])
    (job,) = ledger.jobs()
    assert job.plan().config == config
    assert job.plan().config.folder == tmp_path
    assert job.config_digest == config.digest()


def test_a_queue_serves_one_store(ledger):
    with pytest.raises(ConfigError, match="belongs to the MLflow store store, not to another"):
        Ledger(ledger.path, "another")


def test_a_queue_is_for_its_user_alone(ledger):
    assert stat.S_IMODE(ledger.path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_queue_that_others_can_write_is_refused(ledger):
    ledger.path.chmod(0o666)
    with pytest.raises(ConfigError, match="written by other users"):
        Ledger(ledger.path, "store")


def test_a_file_that_is_no_queue_is_refused_with_a_cure(tmp_path):
    (tmp_path / "notes.txt").write_text("no database, but long enough to look like one " * 40)
    (tmp_path / "notes.txt").chmod(0o600)
    with pytest.raises(ConfigError, match="cannot be opened"):
        Ledger(tmp_path / "notes.txt", "store")


VERSIONS = st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["1", "2", "3"]))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(VERSIONS, st.sampled_from(["", "r1"]), st.booleans()), max_size=30))
def test_however_often_versions_are_offered_each_is_one_job(tmp_path_factory, offers):
    ledger = Ledger(tmp_path_factory.mktemp("laws") / "queue.db", "store")
    for (name, version), digest, finish in offers:
        ledger.offer([Offer(name, version, PLAN, reference_digest=digest)])
        for job in ledger.jobs([State.WAITING]) if finish else ():
            ledger.settle(
                ledger.claim(job.id, "w"), Settled(Outcome.EXPLAINED, reference_digest="r1")
            )
    labels = [job.label for job in ledger.jobs()]
    assert sorted(labels) == sorted({f"{name}/{version}" for (name, version), _, _ in offers})
    ledger.close()


WRITER = """
import sys
from pathlib import Path
from mlflow_lime.config import Config
from mlflow_lime.registration.job import Offer
from mlflow_lime.registration.ledger import Ledger
from mlflow_lime.registration.plans import Plan
ledger, plan = Ledger(Path(sys.argv[1]), "store"), Plan(Config())
for i in range(60):
    ledger.offer([Offer("credit", str(i), plan)])
"""


def test_many_processes_offer_the_same_versions_at_once(tmp_path):
    path = tmp_path / "queue.db"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=Path(__file__).parents[2])
        for _ in range(4)
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0] * 4
    ledger = Ledger(path, "store")
    assert len(ledger.jobs()) == 60
    ledger.close()


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_queue_in_a_folder_that_others_can_write_is_refused(tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(ConfigError, match=r"folder .* can be written by other users"):
        Ledger(folder / "queue.db", "store")


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_log_beside_the_queue_that_others_can_write_is_refused(tmp_path):
    beside = tmp_path / "queue.db-wal"
    beside.touch()
    beside.chmod(0o666)
    with pytest.raises(ConfigError, match=r"queue\.db-wal can be written by other users"):
        Ledger(tmp_path / "queue.db", "store")


def test_a_probe_notices_that_the_file_was_replaced(ledger):
    assert ledger.probe()[State.WAITING] == 0
    for file in ledger.path.parent.glob("queue.db*"):
        file.unlink()
    Ledger(ledger.path, "store").close()
    with pytest.raises(OSError, match="another file"):
        ledger.probe()


def test_a_full_disk_is_reported_as_such(ledger):
    ledger.offer([Offer("credit", "1", PLAN)])
    pages = ledger._local.connection.execute("PRAGMA page_count").fetchone()[0]
    ledger._local.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        ledger.offer([Offer("credit", str(i), PLAN) for i in range(2, 200)])
    ledger._local.connection.execute("PRAGMA max_page_count = 100000")
    assert states(ledger) == [("credit/1", "waiting")]
