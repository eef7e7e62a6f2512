"""Many processes register at once, others explain: every version once, whatever happens."""

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.registration.fleet import WEBHOOKS, Fleet, wait_for
from tests.servers import MlflowServer, Postgres

EIGHT = ["client", "rest", "client", "rest", "client", "rest", "client", "autolog"]


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    if not Postgres.is_there():
        pytest.skip("PostgreSQL or psycopg2 is not installed")
    with Postgres() as started:
        yield started


@pytest.fixture
def fleet(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Make a server with a model; called with what is special about the server."""
    made: list[Fleet] = []

    def make(backend: str | None = None, *, passwords: bool = False, **changes: Any) -> Fleet:
        server = MlflowServer(
            tmp_path / "server", backend, passwords=passwords, settings=WEBHOOKS
        ).start()
        made.append(Fleet(tmp_path, server))
        return made[0].prepare(**changes)

    yield make
    for one in made:
        one.stop()
        one.server.stop()
        for name in one.server.user:  # nobody else is to log in so
            os.environ.pop(name, None)


def explain_all(fleet: Fleet, drivers: str, versions: int, ways: list[str] = EIGHT) -> None:
    """Register from several processes at once, while the drivers run; check what came of it."""
    if "watch" in drivers:
        fleet.lime("watch", "-c", "lime.yaml", "--interval", "1", "-w", "1")
    if "serve" in drivers:
        fleet.serve("-w", "1", "--sweep", "5" if "watch" not in drivers else "600")
    autologged = 2 if len(ways) > 2 else 1
    each, rest = divmod(versions - autologged, len(ways) - 1)
    names = ["credit-new", "credit-eu", "credit-us"]
    registering = fleet.register(ways[:1], each + rest, names)
    registering += fleet.register(ways[1:-1], each, names)
    more = {"MLFLOW_LIME_AUTOLOG": str(fleet.folder / "lime.yaml")} if "autolog" in drivers else {}
    registering += fleet.register(ways[-1:], autologged, ["credit-autologged"], **more)
    for process in registering:
        assert process.wait(timeout=600) == 0
    slowness = 60 if fleet.server.passwords else 25  # each request is checked against a slow hash
    wait_for(lambda: fleet.completed() >= versions, 60 + slowness * versions, "all reviews")
    time.sleep(3)
    fleet.check(versions)


def test_versions_from_eight_processes_are_explained_once_by_watch_serve_and_autolog(fleet):
    explain_all(fleet(), "watch serve autolog", 16)


def test_a_server_with_passwords_is_watched(fleet):
    explain_all(fleet(passwords=True), "watch", 2, ["client", "autolog"])


def test_versions_on_postgresql_are_explained_once(fleet, postgres):
    explain_all(fleet(postgres.uri), "serve", 9)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("drivers", ["watch", "serve", "watch serve autolog"])
@pytest.mark.parametrize("kind", ["sqlite", "passwords", "postgresql"])
def test_two_hundred_versions_are_explained_once(fleet, request, kind, drivers):
    backend = request.getfixturevalue("postgres").uri if kind == "postgresql" else None
    explain_all(fleet(backend, passwords=kind == "passwords"), drivers, 200)


def kill_and_explain(fleet: Fleet, versions: int, kills: int) -> None:
    """Kill the worker, and nothing else, at random moments until all versions are explained."""
    chance = random.Random(kills)
    fleet.register(["client"], versions, ["credit-new", "credit-eu", "credit-us"])[0].wait(600)
    (once,) = [fleet.lime("watch", "-c", "lime.yaml", "--once", "-w", "0")]
    once.wait(120)
    for _ in range(kills):
        worker = fleet.lime("worker", "-w", "2")
        time.sleep(chance.uniform(4.0, 12.0))
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    fleet.lime("worker", "-w", "2")
    wait_for(lambda: fleet.completed() >= versions, 60 + 25 * versions, "all reviews")
    time.sleep(3)
    fleet.check(versions)


def test_a_worker_killed_at_random_moments_loses_and_repeats_nothing(fleet):
    kill_and_explain(fleet(), versions=6, kills=3)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_worker_killed_fifty_times_loses_and_repeats_nothing(fleet):
    kill_and_explain(fleet(), versions=30, kills=50)


def test_outages_of_receiver_and_server_and_repeated_deliveries_lose_and_repeat_nothing(fleet):
    here = fleet()
    # The server caches that there are no webhooks, and tells nobody of the next versions.
    here.register(["client"], 1, ["credit-new"])[0].wait(120)
    serving = here.serve("-w", "1", "--sweep", "5")
    here.register(["rest"], 2, ["credit-new"])[0].wait(120)
    wait_for(lambda: here.completed() >= 3, 120, "versions in the blind spot")
    # The receiver is down while versions are registered.
    serving.send_signal(signal.SIGTERM)
    serving.wait(60)
    here.register(["rest"], 2, ["credit-new"])[0].wait(120)
    serving = here.serve("-w", "1", "--sweep", "5", webhook=False)
    wait_for(lambda: here.completed() >= 5, 120, "versions while the receiver was down")
    # The server is restarted while versions wait.
    registering = here.register(["rest"], 3, ["credit-new", "credit-eu"])[0]
    registering.wait(120)
    here.server.stop()
    time.sleep(3)
    assert serving.poll() is None
    here.server.start()
    wait_for(lambda: here.completed() >= 8, 180, "versions while the server was down")
    # A second receiver makes every delivery come twice.
    os.kill(serving.pid, 0)
    here.create_webhook()
    here.register(["rest"], 2, ["credit-us"])[0].wait(120)
    wait_for(lambda: here.completed() >= 10, 120, "versions that were told of twice")
    time.sleep(3)
    here.check(10)
