"""What is found in a registry, once each: polls, sweeps, restarts, wrong clocks, outages."""

import contextlib
import os
import shutil
import sqlite3
import sys
import threading
import time
import warnings

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import pytest

with warnings.catch_warnings():
    # MLflow warns about type hints of its own when it is imported.
    warnings.simplefilter("ignore")
    import mlflow
    from mlflow import MlflowClient

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

from mlflow_lime import names
from mlflow_lime.registration.plans import read_plans
from mlflow_lime.registration.queue import JobQueue
from mlflow_lime.registration.watch import LONGEST_PAUSE, Watcher

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

SOURCE = "s3://nowhere/model"


class Counting(MlflowClient):
    """A client that counts what it asks, and whose store can go away."""

    asked = 0
    down = False

    def _count(self):
        self.asked += 1
        if self.down:
            raise MlflowException("Connection refused")

    def search_model_versions(self, *given, **options):
        self._count()
        return super().search_model_versions(*given, **options)

    def search_registered_models(self, *given, **options):
        self._count()
        return super().search_registered_models(*given, **options)

    def get_registered_model(self, name):
        self._count()
        return super().get_registered_model(name)

    def get_model_version(self, name, version):
        self._count()
        return super().get_model_version(name, version)


class OneModelAtATime(Counting):
    """A registry that refuses what Unity Catalog refuses."""

    def search_model_versions(self, filter_string=None, **options):
        if not filter_string or options.get("order_by"):
            raise MlflowException("not supported here", error_code=INVALID_PARAMETER_VALUE)
        return super().search_model_versions(filter_string, **options)


class Desk:
    """A registry, a queue, and watchers that are started and forgotten."""

    def __init__(self, folder):
        self.folder = folder
        self.uri = f"sqlite:///{folder / 'registry.db'}"
        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)
        self.store = SqlAlchemyStore(self.uri)
        self.queue = JobQueue(folder / "queue.db", self.uri)
        self.client = Counting()
        self.said = []

    def watcher(self, *patterns, client=None, since=None, **config):
        plans = read_plans([{"models": list(patterns) or ["credit-*"], **config}])
        watcher = Watcher(
            client or self.client, plans, self.queue, since=since, say=self.said.append
        )
        self.client.asked = 0
        return watcher

    def register(self, name, count=1, created=None):
        """Register versions, at a time that the server's clock shows."""
        with contextlib.suppress(MlflowException):
            self.store.create_registered_model(name)
        for _ in range(count):
            version = self.store.create_model_version(name, SOURCE)
            if created is not None:
                self.change("creation_time", created, name, version.version)

    def change(self, column, value, name, version):
        """Change what the database holds about a version."""
        with contextlib.closing(sqlite3.connect(self.folder / "registry.db")) as db, db:
            db.execute(
                f"UPDATE model_versions SET {column} = ? WHERE name = ? AND version = ?",
                (value, name, int(version)),
            )

    def fill(self, models, versions):
        """Register many versions at once."""
        for model in range(models):
            self.store.create_registered_model(f"credit-{model}")
        rows = [
            (f"credit-{model}", number, 1_700_000_000_000 + number, 0, SOURCE, SOURCE)
            for model in range(models)
            for number in range(1, versions + 1)
        ]
        with contextlib.closing(sqlite3.connect(self.folder / "registry.db")) as db, db:
            db.executemany(
                "INSERT INTO model_versions (name, version, creation_time, last_updated_time, "
                "source, storage_location, current_stage, status) "
                "VALUES (?, ?, ?, ?, ?, ?, 'None', 'READY')",
                rows,
            )

    def queued(self):
        return [job.label for job in self.queue.ledger.jobs()]


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A registry with nothing in it, to copy: making one takes a second."""
    path = tmp_path_factory.mktemp("empty") / "registry.db"
    SqlAlchemyStore(f"sqlite:///{path}").engine.dispose()
    return path


@pytest.fixture
def desk(tmp_path, empty):
    shutil.copy(empty, tmp_path / "registry.db")
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    made = Desk(tmp_path)
    yield made
    made.queue.close()
    made.store.engine.dispose()
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])


def test_a_sweep_queues_what_the_patterns_name_oldest_first_and_only_once(desk):
    desk.register("credit-a", 3)
    desk.register("fraud", 2)
    watcher = desk.watcher()
    assert watcher.sweep() == 3
    assert desk.queued() == ["credit-a/1", "credit-a/2", "credit-a/3"]
    assert watcher.sweep() == 0


def test_a_poll_queues_what_came_since(desk):
    watcher = desk.watcher()
    watcher.sweep()
    desk.register("credit-a", 2)
    desk.register("fraud", 2)
    assert watcher.poll() == 2
    assert watcher.poll() == 0
    assert desk.queued() == ["credit-a/1", "credit-a/2"]


def test_a_poll_with_nothing_new_is_one_request(desk):
    desk.register("credit-a", 250)
    watcher = desk.watcher()
    watcher.sweep()
    desk.client.asked = 0
    assert watcher.poll() == 0
    assert desk.client.asked == 1


def test_a_poll_reads_on_while_a_page_holds_something_new(desk):
    watcher = desk.watcher()
    watcher.sweep()
    desk.register("credit-a", 230)
    assert watcher.poll() == 230
    assert desk.client.asked >= 3


def test_new_versions_behind_many_of_other_models_are_found(desk):
    desk.register("other", 20)
    watcher = desk.watcher()
    watcher.sweep()
    desk.register("credit-a")
    desk.register("other", 230)
    assert watcher.poll() == 1
    assert watcher.poll() == 0


def test_what_was_there_at_first_waits_behind_what_comes_later(desk):
    desk.register("credit-a", 2)
    watcher = desk.watcher()
    watcher.sweep()
    desk.register("credit-a")
    watcher.poll()
    urgent = {job.label: job.urgent for job in desk.queue.ledger.jobs()}
    assert urgent == {"credit-a/1": False, "credit-a/2": False, "credit-a/3": True}


def test_what_came_while_nobody_watched_is_urgent_for_the_next_watcher(desk):
    desk.register("credit-a")
    desk.watcher().sweep()
    desk.register("credit-a")
    assert desk.watcher().sweep() == 1
    assert [job.urgent for job in desk.queue.ledger.jobs()] == [False, True]


def test_a_model_that_is_named_later_is_queued_as_backlog(desk):
    desk.register("credit-a")
    desk.register("fraud", 2)
    desk.watcher("credit-*").sweep()
    desk.register("credit-a")
    assert desk.watcher("credit-*", "fraud").sweep() == 3
    urgent = {job.label: job.urgent for job in desk.queue.ledger.jobs()}
    assert urgent == {
        "credit-a/1": False,
        "credit-a/2": True,
        "fraud/1": False,
        "fraud/2": False,
    }


def test_a_restart_repeats_nothing(desk):
    desk.register("credit-a", 3)
    desk.watcher().sweep()
    again = desk.watcher()
    assert again.sweep() == 0
    assert again.poll() == 0


def test_a_poll_without_a_sweep_finds_all_that_it_must(desk):
    desk.register("credit-a", 3)
    assert desk.watcher().poll() == 3


def test_versions_of_the_same_millisecond_are_all_found(desk):
    watcher = desk.watcher()
    watcher.sweep()
    desk.register("credit-a", 5, created=1_700_000_000_000)
    desk.register("credit-b", 5, created=1_700_000_000_000)
    assert watcher.poll() == 10
    desk.register("credit-c", 1, created=1_700_000_000_000)
    assert watcher.poll() == 1


def test_a_server_whose_clock_runs_behind_is_seen_by_the_next_sweep(desk):
    desk.register("other", 150)
    watcher = desk.watcher()
    watcher.sweep()
    desk.register("credit-a", 1, created=1_500_000_000_000)
    assert watcher.poll() == 0
    assert watcher.sweep() == 1
    assert desk.queued() == ["credit-a/1"]


def test_a_server_whose_clock_runs_ahead_hides_nothing(desk):
    desk.register("credit-a", 1, created=4_000_000_000_000)
    watcher = desk.watcher()
    watcher.sweep()
    desk.register("credit-a", 3)
    assert watcher.poll() == 3


def test_a_model_that_is_deleted_and_made_again_is_explained_again(desk):
    desk.register("credit-a")
    watcher = desk.watcher()
    watcher.sweep()
    desk.store.delete_registered_model("credit-a")
    time.sleep(0.002)
    desk.register("credit-a")
    assert watcher.poll() == 1
    assert desk.queued() == ["credit-a/1"]


def test_what_another_way_has_queued_is_not_queued_again(desk):
    from mlflow_lime.registration.job import Offer

    desk.register("credit-a")
    watcher = desk.watcher()
    plan = read_plans([{"models": "credit-*"}]).of("credit-a")
    desk.queue.offer([Offer("credit-a", "1", plan, origin="webhook")])
    assert watcher.sweep() == 0


def test_the_pinned_reference_set_is_part_of_the_offer(desk):
    desk.register("credit-a")
    desk.client.set_registered_model_tag("credit-a", names.TAG_REFERENCE, "a1b2@run")
    desk.watcher().sweep()
    (job,) = desk.queue.ledger.jobs()
    assert (job.reference_digest, job.origin) == ("a1b2", "watch")


def test_exact_names_are_asked_by_name(desk):
    desk.register("credit-a", 2)
    desk.register("other", 2)
    desk.register("it's", 1)
    assert desk.watcher("credit-a", "it's", "missing").sweep() == 3


def test_the_first_plan_that_names_a_model_is_queued(desk):
    desk.register("credit-a")
    plans = read_plans([{"models": "credit-*", "seed": 7}, {"models": "*", "seed": 8}])
    desk.register("fraud")
    Watcher(desk.client, plans, desk.queue).sweep()
    seeds = {job.name: job.plan().config.seed for job in desk.queue.ledger.jobs()}
    assert seeds == {"credit-a": 7, "fraud": 8}


# What is older than a date


def test_versions_before_a_date_are_noted_and_not_explained(desk):
    desk.register("credit-a", 2, created=1_600_000_000_000)
    desk.register("credit-a", 1, created=1_700_000_000_000)
    watcher = desk.watcher(since=1_650_000_000_000)
    assert watcher.sweep() == 1
    assert desk.queued() == ["credit-a/3"]
    assert desk.watcher().sweep() == 0


def test_the_date_counts_only_when_a_pattern_is_watched_for_the_first_time(desk):
    desk.watcher(since=4_000_000_000_000).sweep()
    desk.register("credit-a")
    assert desk.watcher(since=4_000_000_000_000).sweep() == 1


# Aliases


def test_a_version_is_queued_when_one_of_the_aliases_is_set_to_it(desk):
    desk.register("credit-a", 3)
    watcher = desk.watcher(registration={"aliases": ["champion", "candidate"]})
    assert watcher.sweep() == 0
    desk.client.set_registered_model_alias("credit-a", "other", "1")
    assert watcher.poll() == 0
    desk.client.set_registered_model_alias("credit-a", "candidate", "2")
    assert watcher.poll() == 1
    desk.client.set_registered_model_alias("credit-a", "champion", "2")
    assert watcher.poll() == 0
    desk.client.set_registered_model_alias("credit-a", "champion", "3")
    assert desk.watcher(registration={"aliases": ["champion"]}).poll() == 1
    assert desk.queued() == ["credit-a/2", "credit-a/3"]


@pytest.mark.parametrize("patterns", [["credit-a"], ["credit-*"]])
def test_waiting_for_aliases_is_one_request_where_nothing_is_new(desk, patterns):
    desk.register("credit-a", 3)
    desk.client.set_registered_model_alias("credit-a", "champion", "2")
    watcher = desk.watcher(*patterns, registration={"aliases": ["champion"]})
    assert watcher.poll() == 1
    desk.client.asked = 0
    assert watcher.poll() == 0
    assert desk.client.asked == 1


def test_an_alias_of_a_model_made_again_counts_again(desk):
    watcher = desk.watcher(registration={"aliases": ["champion"]})
    for _ in range(2):
        desk.register("credit-a")
        desk.client.set_registered_model_alias("credit-a", "champion", "1")
        assert watcher.poll() == 1
        desk.store.delete_registered_model("credit-a")
        time.sleep(0.002)


# Stores that are narrow, or down


@pytest.mark.parametrize("pattern", ["credit-*", "credit-a"])
def test_a_store_that_lists_one_model_at_a_time_is_watched_too(desk, pattern):
    desk.register("credit-a", 2)
    desk.register("other", 1)
    watcher = desk.watcher(pattern, client=OneModelAtATime())
    assert watcher.poll() == 2
    desk.register("credit-a", 1)
    assert watcher.poll() == 1
    assert desk.watcher(pattern, client=OneModelAtATime()).sweep() == 0


def test_a_model_with_aliases_in_such_a_store_is_found_too(desk):
    desk.register("credit-a", 2)
    desk.client.set_registered_model_alias("credit-a", "champion", "2")
    watcher = desk.watcher(client=OneModelAtATime(), registration={"aliases": ["champion"]})
    assert watcher.sweep() == 1


def test_versions_that_are_not_ready_are_queued_when_they_are(desk):
    desk.register("credit-a")
    desk.change("status", "PENDING_REGISTRATION", "credit-a", 1)
    watcher = desk.watcher()
    assert watcher.sweep() == 0
    desk.change("status", "READY", "credit-a", 1)
    assert watcher.poll() == 1


def run_in_thread(watcher, interval=0.02, sweep_every=600):
    stop = threading.Event()
    thread = threading.Thread(target=watcher.run, args=(stop, interval, sweep_every), daemon=True)
    thread.start()
    return stop, thread


def wait_for(what, seconds=20):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def test_a_store_that_goes_away_is_mentioned_once_and_nothing_is_missed(desk):
    watcher = desk.watcher()
    stop, thread = run_in_thread(watcher)
    desk.register("credit-a")
    wait_for(lambda: desk.queued() == ["credit-a/1"])
    desk.client.down = True
    wait_for(lambda: any("no server answers" in text for text in desk.said))
    desk.register("credit-a", 2)
    asked = desk.client.asked
    time.sleep(2.5)
    assert desk.client.asked - asked <= 4
    desk.client.down = False
    wait_for(lambda: len(desk.queued()) == 3)
    wait_for(lambda: "The store answers again." in desk.said)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert sum("Trying again" in text for text in desk.said) == 1
    assert LONGEST_PAUSE == 60


def test_a_failure_in_the_middle_of_a_poll_loses_nothing(desk, monkeypatch):
    watcher = desk.watcher()
    watcher.sweep()
    desk.register("credit-a", 120)
    offer, calls = desk.queue.offer, []

    def fail_later(offers):
        calls.append(len(offers))
        if len(calls) == 1:
            raise MlflowException("the store went away")
        return offer(offers)

    monkeypatch.setattr(desk.queue, "offer", fail_later)
    with pytest.raises(MlflowException):
        watcher.poll()
    assert watcher.poll() == 120


def test_what_is_new_is_said_with_a_few_names(desk):
    desk.register("credit-a", 7)
    desk.watcher().sweep()
    shown = ", ".join(f"credit-a/{n}" for n in range(1, 6))
    assert desk.said == [f"7 to explain: {shown} and 2 more"]


def test_five_thousand_versions_are_swept_in_seconds(desk):
    desk.fill(models=50, versions=100)
    watcher = desk.watcher()
    started = time.monotonic()
    assert watcher.sweep() == 5000
    first = time.monotonic() - started
    desk.client.asked, started = 0, time.monotonic()
    assert watcher.sweep() == 0
    again = time.monotonic() - started
    assert desk.client.asked <= 8
    desk.client.asked, started = 0, time.monotonic()
    assert watcher.poll() == 0
    poll = time.monotonic() - started
    assert desk.client.asked == 1
    sys.stdout.write(
        f"\nsweep of 5,000 new {first:.2f} s, of 5,000 known {again:.2f} s, poll {poll:.3f} s\n"
    )
    assert first < 30
    assert poll < 2
    numbers = [int(job.version) for job in desk.queue.ledger.jobs() if job.name == "credit-7"]
    assert numbers == list(range(1, 101))
