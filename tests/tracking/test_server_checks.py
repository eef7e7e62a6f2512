"""What is said about real servers, with and without the settings that are needed."""

import contextlib
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import mlflow
import pytest
from mlflow import MlflowClient

from mlflow_lime.tracking.server_checks import Verdict, check_store
from tests.servers import MlflowServer

pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

RECEIVER = "http://127.0.0.1:8765/webhook"
OPEN = {
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_SERVER_ALLOWED_HOSTS": "mlflow,mlflow:*,127.0.0.1:*",
}
# Jobs of the server's own are of no use here, and take seconds to start.
NEEDS_PRIVATE_RULE = pytest.mark.skipif(
    tuple(int(part) for part in mlflow.__version__.split(".")[:2]) < (3, 9),
    reason="older servers send webhooks to private addresses, and take every host",
)


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """A server as it comes, and one with every setting."""
    plain = MlflowServer(tmp_path_factory.mktemp("plain"))
    with plain, MlflowServer(tmp_path_factory.mktemp("open"), settings=OPEN) as set_up:
        yield plain, set_up


def check(uri, **options):
    """Return the findings by their subject, the worst of each."""
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri("")  # the same store
    found: dict = {}
    for finding in check_store(MlflowClient(), **options):
        found.setdefault(finding.subject, []).append(finding)
    return found


@pytest.fixture(autouse=True)
def no_experiment(tracking, monkeypatch):
    """MLflow notes the experiment that was chosen, which the servers do not have."""
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID", raising=False)


@pytest.fixture
def plain(servers):
    return servers[0].uri


@pytest.fixture
def set_up(servers):
    return servers[1].uri


@NEEDS_PRIVATE_RULE
def test_a_server_as_it_comes_lacks_two_settings_for_a_receiver_in_its_network(plain):
    found = check(plain, receiver_url=RECEIVER)
    assert [f.verdict for f in found["receiver"]] == [Verdict.MISSING] * 2
    assert "MLFLOW_WEBHOOK_ALLOWED_SCHEMES=http,https" in found["receiver"][0].cure
    assert found["receiver"][1].cure == "on the server: MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS=true"
    assert MlflowClient().list_webhooks() == []


def test_a_server_that_is_set_up_takes_the_receiver_and_keeps_no_webhook(set_up):
    found = check(set_up, receiver_url=RECEIVER)
    assert [f.verdict for f in found["receiver"]] == [Verdict.OK]
    assert {f.verdict for fs in found.values() for f in fs} <= {Verdict.OK, Verdict.UNSEEN}
    assert MlflowClient().list_webhooks() == []


@NEEDS_PRIVATE_RULE
def test_an_address_that_the_server_cannot_resolve_is_named(plain):
    (finding,) = check(plain, receiver_url="https://nowhere.invalid/webhook")["receiver"]
    assert finding.verdict is Verdict.MISSING
    assert finding.text == "the server does not know a host 'nowhere.invalid'"


def test_the_version_of_the_server_is_said(plain):
    (finding,) = check(plain)["server"]
    assert finding.verdict is Verdict.OK
    assert f"{plain} answers: MLflow {mlflow.__version__}" in finding.text
    (access,) = check(plain)["access"]
    assert access.text == "the server lets everybody ask it"


@NEEDS_PRIVATE_RULE
def test_a_name_that_the_server_refuses_is_named_with_its_setting(plain, set_up):
    (finding,) = check(plain, hosts=["mlflow:5000"])["host"]
    assert finding.verdict is Verdict.MISSING
    assert "MLFLOW_SERVER_ALLOWED_HOSTS=mlflow,mlflow:*,localhost" in finding.cure
    good, bad = check(set_up, hosts=["mlflow:5000", "other"])["host"]
    assert (good.verdict, bad.verdict) == (Verdict.OK, Verdict.MISSING)


def test_artifacts_are_written_and_deleted_only_when_asked(plain):
    client = MlflowClient(plain)
    assert check(plain)["artifacts"][0].verdict is Verdict.UNSEEN
    assert client.search_runs(["0"]) == []
    (finding,) = check(plain, write=True)["artifacts"]
    assert finding.verdict is Verdict.OK
    assert "was written to 'mlflow-artifacts:/0/" in finding.text
    assert client.search_runs(["0"]) == []


def test_artifacts_that_cannot_be_written_are_explained(plain, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "4711")
    (finding,) = check(plain, write=True)["artifacts"]
    assert finding.verdict is Verdict.MISSING
    assert "experiment '4711'" in finding.text


def test_a_lost_key_is_seen_by_a_list_that_fails(servers, plain):
    assert check(plain)["key"][0].verdict is Verdict.UNSEEN
    path = servers[0].backend.removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(path)) as db:
        with db:  # a secret that was encrypted with another key, as before a restart
            db.execute(
                "INSERT INTO webhooks (webhook_id, name, url, status, secret, "
                "creation_timestamp) VALUES ('lost', 'lost', 'https://a.example', 'ACTIVE', "
                "'gAAAAABo', 1)"
            )
        (finding,) = check(plain)["key"]
        with db:
            db.execute("DELETE FROM webhooks")
    assert finding.verdict is Verdict.MISSING
    assert "cannot read its webhooks in 8 of 8 tries" in finding.text
    assert "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY" in finding.cure
    assert "Fernet.generate_key()" in finding.cure


def test_a_store_without_a_server_sends_no_webhooks(store, tracking):
    found = check(store[0])
    assert found["store"][0].text.endswith("is opened directly, without a server")
    assert found["registry"][0].verdict is Verdict.OK
    assert found["webhooks"][0].verdict is Verdict.OK
    (finding,) = check(store[0], receiver_url=RECEIVER)["webhooks"]
    assert finding.verdict is Verdict.MISSING
    assert "mlflow-lime watch" in finding.cure


def test_nothing_more_is_tried_where_no_server_answers(tracking):
    found = check("http://127.0.0.1:9", receiver_url=RECEIVER)
    assert list(found) == ["server"]
    assert found["server"][0].verdict is Verdict.MISSING
    assert "does not answer (no server answers there)" in found["server"][0].text


class Answers(BaseHTTPRequestHandler):
    """A server that is not MLflow, or an old one, or one that wants to know who asks."""

    replies: ClassVar[dict] = {}

    def do_GET(self):
        code, body = next((r for p, r in self.replies.items() if p in self.path), (404, ""))
        self.send_response(code)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *given):
        return None


@pytest.fixture
def answering(tracking):
    """Start a server that gives these replies by path."""
    started = []

    def start(**replies):
        paths = {path.replace("_", "-"): reply for path, reply in replies.items()}
        handler = type("Replies", (Answers,), {"replies": paths})
        server = HTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        started.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in started:
        server.shutdown()
        server.server_close()
        thread.join()


def test_an_old_server_is_told_to_be_updated(answering):
    uri = answering(version=(200, "2.22.1"), registered_models=(200, "{}"))
    (finding,) = check(uri)["server"]
    assert finding.text.endswith("MLflow 2.22.1, which is too old")
    assert finding.cure == "update it to MLflow 3.3 or newer"


def test_a_newer_server_than_tested_is_fine_but_said(answering):
    uri = answering(version=(200, "4.0.0"), registered_models=(401, ""))
    (finding,) = check(uri)["server"]
    assert finding.verdict is Verdict.OK
    assert "newer than what is tested (3.3 to " in finding.text


def test_what_is_not_mlflow_cannot_be_judged(answering):
    found = check(answering(version=(200, "<html>hello</html>")))
    assert found["server"][0].verdict is Verdict.UNSEEN
    assert found["access"][0].text == "the registry answers 404"


@pytest.mark.parametrize(
    ("code", "user", "said"),
    [
        (401, None, "the server wants to know who (401)"),
        (401, "ada", "the server does not accept user 'ada' (401)"),
        (403, "ada", "the server refuses user 'ada' (403)"),
    ],
)
def test_who_is_refused_is_said_without_the_password(answering, monkeypatch, code, user, said):
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    if user:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", user)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2")
    uri = answering(version=(200, "3.17.0"), registered_models=(code, "no"))
    found = check(uri)
    assert list(found) == ["server", "access"]
    (finding,) = found["access"]
    assert (finding.verdict, finding.text) == (Verdict.MISSING, said)
    assert "hunter2" not in str(found)


def test_a_server_without_webhooks_is_told_apart(answering):
    uri = answering(version=(200, "3.17.0"), registered_models=(200, "{}"))
    found = check(uri)
    assert found["webhooks"][0].verdict is Verdict.MISSING
    assert "use `mlflow-lime watch`" in found["webhooks"][0].cure
    assert "key" not in found
