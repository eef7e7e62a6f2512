"""Webhooks are registered with a real server, and what stands in their way is said in full."""

import http.server
import threading
import time

import mlflow
import pytest
from mlflow import MlflowClient

from mlflow_lime.errors import ConfigError, TrackingServerError, VersionNotFoundError
from mlflow_lime.tracking import webhooks
from mlflow_lime.tracking.webhooks import create_webhook, delete_webhook, list_webhooks
from tests.servers import MlflowServer

pytestmark = pytest.mark.filterwarnings(
    "ignore:unclosed <socket:ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)
OLD = tuple(int(part) for part in mlflow.__version__.split(".")[:2]) < (3, 9)
SECRET = "a-secret-that-is-never-shown"
OPEN = {
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": "f_2tqA1kqV2mMzqvXcYjP1t3lY0R6eYJc2vZpW5Kx9E=",
    "MLFLOW_WEBHOOK_REQUEST_MAX_RETRIES": "0",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with MlflowServer(tmp_path_factory.mktemp("webhooks"), settings=OPEN) as started:
        yield started


@pytest.fixture
def client(server):
    return choose(server)


def choose(server):
    mlflow.set_tracking_uri(server.uri)
    mlflow.set_registry_uri(server.uri)
    return MlflowClient()


def create(client, url, **options):
    wanted = {"name": "mlflow-lime", "alias_events": False, "secret": SECRET, **options}
    return create_webhook(client, url, **wanted)


@pytest.fixture
def answering():
    """Servers that answer every delivery with one status and body."""
    started = []

    def start(code, body=b'{"status": "ignored"}'):
        class Answering(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(code)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        listening = http.server.HTTPServer(("127.0.0.1", 0), Answering)
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        started.append(listening)
        return f"http://127.0.0.1:{listening.server_port}/webhook"

    yield start
    for listening in started:
        listening.shutdown()
        listening.server_close()


def test_a_webhook_is_registered_once_for_one_address(client):
    url = "http://127.0.0.1:9/once"
    made, new = create(client, url)
    assert (new, made.url, made.events) == (True, url, ("model_version.created",))
    again, new = create(client, url, alias_events=True, name="other")
    assert (new, again.id, again.name) == (False, made.id, "other")
    assert set(again.events) == set(webhooks.EVENTS)
    assert [entry.id for entry in list_webhooks(client) if entry.url == url] == [made.id]


def test_our_webhooks_are_told_from_those_of_others(client):
    ours, _ = create(client, "http://127.0.0.1:9/ours")
    events = ["registered_model.created"]
    other = client.create_webhook("other", "http://127.0.0.1:9/other", events)
    marks = {entry.id: entry.ours for entry in list_webhooks(client)}
    assert (marks[ours.id], marks[other.webhook_id]) == (True, False)


def test_a_webhook_that_was_switched_off_is_switched_on_again(client):
    made, _ = create(client, "http://127.0.0.1:9/off")
    client.update_webhook(made.id, status="DISABLED")
    assert [entry.active for entry in list_webhooks(client) if entry.id == made.id] == [False]
    assert create(client, made.url)[0].active


def test_a_webhook_is_deleted(client):
    made, _ = create(client, "http://127.0.0.1:9/gone")
    delete_webhook(client, made.id)
    assert made.id not in [entry.id for entry in list_webhooks(client)]
    for ask in (delete_webhook, webhooks.test_webhook):
        with pytest.raises(VersionNotFoundError, match="does not exist"):
            ask(client, made.id)


@pytest.mark.parametrize(
    "url",
    ["", "lime", "ftp://lime.example.com", "https://", "https://[", "https://a b", "https://a:x/"],
)
def test_an_address_of_another_form_is_refused(client, url):
    with pytest.raises(ConfigError, match="expected the address of the receiver"):
        create(client, url)


def test_an_address_with_a_password_is_refused_and_not_shown(client):
    with pytest.raises(ConfigError) as caught:
        create(client, "https://me:hunter2@lime.example.com/webhook")
    assert "hunter2" not in str(caught.value)


def test_a_name_that_the_server_refuses_is_said_so(client):
    with pytest.raises(ConfigError, match="refuses the webhook"):
        create(client, "http://127.0.0.1:9/name", name="no such / name!")


def test_a_store_without_a_server_is_refused(tmp_path):
    uri = f"sqlite:///{tmp_path / 'alone.db'}"
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    for ask in (lambda c: create(c, "https://lime.example.com/webhook"), list_webhooks):
        with pytest.raises(TrackingServerError, match="nothing would ever be delivered"):
            ask(MlflowClient())


def test_a_server_that_is_down_is_noticed_soon():
    mlflow.set_tracking_uri("http://127.0.0.1:9")
    mlflow.set_registry_uri("http://127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(TrackingServerError, match="no server answers"):
        list_webhooks(MlflowClient())
    assert time.monotonic() - began < 30


# Tests of a webhook


def outcome_of(client, url):
    return webhooks.test_webhook(client, create(client, url)[0].id)


def test_a_delivery_that_is_taken_is_said_so(client, answering):
    assert outcome_of(client, answering(202)).worked


@pytest.mark.parametrize(
    ("code", "said"),
    [(401, "another secret"), (404, "/webhook"), (503, "cannot write its queue"), (418, "log")],
)
def test_a_delivery_that_is_refused_says_how_to_mend_it(client, answering, code, said):
    result = outcome_of(client, answering(code))
    assert not result.worked
    assert f"answered {code}" in result.text
    assert said in result.text
    assert SECRET not in result.text


def test_another_server_at_the_address_is_not_taken_for_the_receiver(client, answering):
    result = outcome_of(client, answering(200, b"<html>hello</html>"))
    assert not result.worked
    assert "not as the receiver does" in result.text


def test_a_receiver_that_is_down_is_said_so(client):
    result = outcome_of(client, "http://127.0.0.1:9/webhook")
    assert not result.worked
    assert "cannot reach" in result.text
    assert "mlflow-lime serve" in result.text


# Servers as they come


@pytest.mark.skipif(OLD, reason="older servers send webhooks to private addresses, too")
def test_a_server_that_sends_to_public_addresses_only_names_its_settings(tmp_path):
    with MlflowServer(tmp_path) as server:
        client = choose(server)
        with pytest.raises(ConfigError, match="MLFLOW_WEBHOOK_ALLOWED_SCHEMES=http,https"):
            create(client, "http://127.0.0.1:9/webhook")
        with pytest.raises(ConfigError, match="MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS=true"):
            create(client, "https://127.0.0.1:9/webhook")


@pytest.mark.skipif(OLD, reason="older servers list webhooks without reading their secrets")
def test_a_server_that_lost_its_key_names_the_setting(tmp_path):
    settings = {key: value for key, value in OPEN.items() if "KEY" not in key}
    server = MlflowServer(tmp_path, settings=settings)
    with server:
        create(choose(server), "http://127.0.0.1:9/webhook")
    with server, pytest.raises(TrackingServerError, match="MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"):
        list_webhooks(choose(server))
