"""What a person is told about a store and this machine, line by line."""

import re
from pathlib import Path

import pytest

from mlflow_lime.registration.job import Offer
from mlflow_lime.registration.plans import read_plans
from mlflow_lime.registration.queue import JobQueue, queue_path
from mlflow_lime.tracking.connection import store_label


@pytest.fixture
def ask(lime, monkeypatch):
    """Run the command, and return its lines by their subject, and the exit code."""
    for name in ("SECRET", "SECRET_FILE"):
        monkeypatch.delenv(f"MLFLOW_LIME_WEBHOOK_{name}", raising=False)
    monkeypatch.delenv("MLFLOW_LIME_QUEUE", raising=False)

    def run(*arguments):
        result = lime("doctor", *arguments)
        rows = re.findall(r"^(ok|missing|unseen) +(\S+) +(.*)$", result.output, re.M)
        return {subject: (verdict, text) for verdict, subject, text in rows}, result

    return run


def test_nothing_is_missing_for_watch_on_a_database(ask, tmp_path):
    Path("lime.yaml").write_text("models: ['cred*']\n")
    found, result = ask()
    assert result.exit_code == 0, result.output
    assert found["store"][1].endswith("is opened directly, without a server")
    assert found["models"][0] == "ok"
    assert found["models"][1].startswith("cred* (names 1 of ")
    assert found["queue"] == ("ok", found["queue"][1])
    assert found["queue"][1].endswith(".db can be written")
    assert found["journal"] == ("ok", f"{tmp_path / 'home' / 'journal'} can be written")
    assert found["secret"] == ("ok", "none is set; only `mlflow-lime serve` needs one")
    assert result.output.endswith("Nothing is missing.\n")
    assert not (tmp_path / "home").exists()


def test_models_that_nobody_named_are_missing(ask):
    found, result = ask()
    assert result.exit_code == 1
    assert found["models"][0] == "missing"
    assert "does not say which models to explain" in found["models"][1]
    assert result.output.endswith("1 missing.\n")


def test_a_receiver_needs_a_server_and_a_secret(ask, monkeypatch):
    found, result = ask("-m", "credit", "--receiver-url", "http://127.0.0.1:8765/webhook")
    assert (found["webhooks"][0], found["secret"][0]) == ("missing", "missing")
    assert "→ here: MLFLOW_LIME_WEBHOOK_SECRET=$(openssl rand -hex 32)" in result.output
    monkeypatch.setenv("MLFLOW_LIME_WEBHOOK_SECRET", "0123456789abcdef0123")
    found, result = ask("-m", "credit", "--receiver-url", "http://127.0.0.1:8765/webhook")
    assert found["secret"] == ("ok", "the secret of `mlflow-lime serve` is set")
    assert "0123456789abcdef" not in result.output


def test_a_secret_that_is_too_short_is_missing_and_not_shown(ask, monkeypatch):
    monkeypatch.setenv("MLFLOW_LIME_WEBHOOK_SECRET", "hunter2")
    found, result = ask("-m", "credit")
    assert found["secret"][0] == "missing"
    assert "hunter2" not in result.output


def test_a_server_that_is_down_is_missing_and_this_machine_is_checked_all_the_same(ask):
    found, result = ask("-m", "credit", "--tracking-uri", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert found["server"][0] == "missing"
    assert found["models"] == ("ok", "credit")
    assert "→ start it, or name the right one" in result.output


def test_a_queue_is_shown_with_what_it_holds(ask, store):
    queue = JobQueue(queue_path(store_label()), store_label())
    plan = read_plans([{"models": "credit"}]).of("credit")
    queue.offer([Offer("credit", "1", plan)])
    path = queue.ledger.path
    queue.close()
    found, _ = ask("-m", "credit")
    assert found["queue"] == ("ok", f"{path} (1 waiting)")


def test_a_queue_of_another_store_is_missing(ask, tmp_path):
    JobQueue(tmp_path / "other.db", "http://other:5000").close()
    found, result = ask("-m", "credit", "--queue", str(tmp_path / "other.db"))
    assert found["queue"][0] == "missing"
    assert "belongs to the MLflow store http://other:5000" in result.output


def test_a_folder_that_cannot_be_made_is_missing(ask, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MLFLOW_LIME_HOME", str(tmp_path / "file" / "home"))
    found, result = ask("-m", "credit")
    assert (found["journal"][0], found["queue"][0]) == ("missing", "missing")
    assert "→ MLFLOW_LIME_HOME names another folder" in result.output


def test_artifacts_are_tried_when_asked(ask, store, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", store.experiment)
    found, _ = ask("-m", "credit", "--write")
    assert found["artifacts"][0] == "ok"
    assert "was written to" in found["artifacts"][1]
