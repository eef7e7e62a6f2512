"""``mlflow-lime serve``, as a process of its own: starts with a secret or not at all, and stops."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager, suppress

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from mlflow import MlflowClient

from mlflow_lime.registration.queue import JobQueue, queue_path
from tests.registration.hostile import SECRET, Delivery, body_of, hostile
from tests.servers import MlflowServer

WEBHOOKS = {
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": "f_2tqA1kqV2mMzqvXcYjP1t3lY0R6eYJc2vZpW5Kx9E=",
    "MLFLOW_WEBHOOK_CACHE_TTL": "1",
}


class Serving:
    """A receiver, where it listens, and what it has queued."""

    def __init__(self, process, said, environment):
        self.process = process
        self.said = said
        self.port = int(re.search(r"http://127\.0\.0\.1:(\d+)/webhook", said).group(1))
        self._environment = environment

    def post(self, delivery):
        body = delivery.sent()
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            head = b"POST /webhook HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
            for name, value in delivery.headers():
                head += name + b": " + value + b"\r\n"
            if delivery.length is None:
                head += b"transfer-encoding: chunked\r\n"
                body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
            answer = b""
            # It may answer, and close, before it has read everything.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(head + b"\r\n" + body)
            with suppress(ConnectionResetError):
                while part := connection.recv(65536):
                    answer += part
        return int(answer.split(b" ", 2)[1])

    def ask(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    def jobs(self):
        store = re.search(r"store: +(.*)", self.said).group(1)
        path = re.search(r"queue: +(\S+)", self.said).group(1)
        queue = JobQueue(queue_path(store, path), store)
        try:
            return sorted(job.label for job in queue.ledger.jobs())
        finally:
            queue.close()

    def stop(self, number):
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=20)
        return self.process.returncode, rest


@contextmanager
def serving(environment, *options):
    environment = {"MLFLOW_LIME_WEBHOOK_SECRET": SECRET, **environment}
    command = [sys.executable, "-m", "mlflow_lime", "serve", "--port", "0", "-w", "0", *options]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    said = ""
    try:
        for line in process.stdout:
            said += line
            if "webhook create" in line:
                break
        yield Serving(process, said, environment)
    finally:
        if process.poll() is None:
            process.kill()
        process.stdout.close()
        process.wait(20)


@pytest.fixture
def environment(environment, tmp_path):
    """An empty store of the test's own."""
    uri = f"sqlite:///{tmp_path / 'own.db'}"
    MlflowClient(uri, uri).search_registered_models()
    return {**environment, "MLFLOW_TRACKING_URI": uri}


# Before it starts


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "no secret is set"),
        (["--insecure", "--host", "0.0.0.0"], "--insecure with --host 0.0.0.0"),
        (["--host", "192.0.2.77", "--insecure"], "--insecure with --host"),
        (["--secret-file", "missing"], "'missing' (--secret-file) cannot be read"),
        (["--insecure", "--host", "no such host"], "is no address of this machine"),
    ],
)
def test_it_refuses_to_start_where_anybody_could_queue(lime, monkeypatch, options, said):
    monkeypatch.delenv("MLFLOW_LIME_WEBHOOK_SECRET", raising=False)
    result = lime("serve", "-m", "credit", *options)
    assert result.exit_code == 1
    assert said in result.output


def test_a_secret_cannot_be_given_on_the_command_line(lime):
    help_text = lime("serve", "--help").output
    assert "--secret-file" in help_text
    assert lime("serve", "--secret", SECRET).exit_code == 2


def test_a_port_that_is_taken_is_said_so(lime, monkeypatch):
    monkeypatch.setenv("MLFLOW_LIME_WEBHOOK_SECRET", SECRET)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = lime("serve", "-m", "credit", "--port", taken.getsockname()[1])
    assert result.exit_code == 1
    assert "Address already in use" in result.output
    assert "--port" in result.output


def test_a_configuration_that_names_no_models_is_refused(lime, monkeypatch):
    monkeypatch.setenv("MLFLOW_LIME_WEBHOOK_SECRET", SECRET)
    result = lime("serve", "--port", "0")
    assert result.exit_code == 1
    assert "does not say which models" in result.output


# While it serves


def test_it_says_where_it_listens_and_stops_within_seconds(environment, tmp_path):
    uri = environment["MLFLOW_TRACKING_URI"]
    client = MlflowClient(uri, uri)
    client.create_registered_model("credit-a")
    client.create_model_version("credit-a", "s3://models/a")
    with serving(environment, "-m", "credit-*") as receiver:
        for said in (
            "credit-*",
            uri,
            f"mlflow-lime webhook create http://127.0.0.1:{receiver.port}",
        ):
            assert said in receiver.said
        assert SECRET not in receiver.said
        assert receiver.ask("/health")[0] == 200
        assert receiver.ask("/ready")[0] == 200
        assert receiver.post(Delivery(body_of("credit-b", "7"))) == 202
        assert receiver.post(Delivery(body_of("credit-b", "8"), secret="forged")) == 401
        until = time.monotonic() + 20
        while b'sweeps_total{result="done"} 1' not in receiver.ask("/metrics")[1]:
            assert time.monotonic() < until
            time.sleep(0.1)
        # What was there before, the sweep has found; what came, the webhook told of.
        assert receiver.jobs() == ["credit-a/1", "credit-b/7"]
        began = time.monotonic()
        code, rest = receiver.stop(signal.SIGTERM)
        assert time.monotonic() - began < 10
    assert code == 0
    assert "refused with 401" in rest
    assert SECRET not in rest
    assert "Traceback" not in rest


def test_a_store_that_is_down_does_not_stop_it(environment):
    environment |= {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_LIME_WEBHOOK_SECRET": ""}
    with serving(environment, "-m", "credit-*", "--insecure") as receiver:
        assert "not verified" in receiver.said
        assert receiver.post(Delivery(body_of(), secret="any")) == 202
        code, rest = receiver.stop(signal.SIGINT)
    assert "Traceback" not in rest
    assert code in (0, 130)


def test_a_version_registered_on_a_server_arrives_as_a_job(environment, tmp_path):
    config = tmp_path / "lime.yaml"
    config.write_text("models: [fraud]\nregistration: {aliases: [champion]}\n")
    plain = tmp_path / "plain.yaml"
    plain.write_text("models: ['credit-*']\n")
    with MlflowServer(tmp_path / "server", settings=WEBHOOKS) as server:
        environment |= {"MLFLOW_TRACKING_URI": server.uri, "MLFLOW_LIME_WEBHOOK_SECRET": SECRET}
        with serving(environment, "-c", str(plain), "-c", str(config), "--sweep", "0") as receiver:
            made = _lime(environment, "webhook", "create", "--alias-events", _url(receiver))
            assert made.returncode == 0, made.stdout
            (webhook_id,) = re.findall(r"webhook test (\S+)", made.stdout)
            tested = _lime(environment, "webhook", "test", webhook_id)
            assert (tested.returncode, "took the delivery" in tested.stdout) == (0, True), tested
            time.sleep(1.1)  # the server's cache of webhooks
            client = MlflowClient(server.uri, server.uri)
            for name in ("credit-a", "fraud", "prices"):
                client.create_registered_model(name)
                client.create_model_version(name, "s3://models/a")
            client.set_registered_model_alias("fraud", "champion", "1")
            until = time.monotonic() + 20
            while len(receiver.jobs()) < 2:
                assert time.monotonic() < until, receiver.ask("/metrics")[1].decode()
                time.sleep(0.1)
            text = receiver.ask("/metrics")[1].decode()
            assert receiver.jobs() == ["credit-a/1", "fraud/1"]
            assert 'code="202",status="queued",reason=""} 2' in text
            assert 'status="ignored",reason="test"} 1' in text
            receiver.stop(signal.SIGTERM)


def _url(receiver):
    return f"http://127.0.0.1:{receiver.port}/webhook"


def _lime(environment, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "mlflow_lime", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )


@pytest.mark.long
def test_ten_thousand_hostile_requests_are_refused_in_flat_memory(environment, record_property):
    seen = Counter()
    with serving(environment, "-m", "credit-*") as receiver:
        assert receiver.post(Delivery(body_of("credit-known"), id="seen-before")) == 202

        @settings(
            max_examples=11_000, deadline=None, database=None, suppress_health_check=[*HealthCheck]
        )
        @given(delivery=hostile)
        def attack(delivery):
            code = receiver.post(delivery)
            # Flipped bits may break the request itself, which the server refuses with 400.
            codes = {*delivery.codes, *([400] if delivery.kind in ("flipped",) else [])}
            assert code in codes, (delivery, code)
            seen[delivery.kind, code] += 1

        memory = psutil.Process(receiver.process.pid).memory_info
        for _ in range(300):
            receiver.post(Delivery(b" " * 300_000))
        before = memory().rss
        attack()
        grown = (memory().rss - before) / 2**20
        record_property("refused", json.dumps({f"{k} {c}": n for (k, c), n in seen.items()}))
        sys.stdout.write(f"{sum(seen.values())} refused, memory {grown:+.1f} MiB: {dict(seen)}\n")
        assert receiver.jobs() == ["credit-known/1"]
        assert receiver.ask("/ready")[0] == 200
    assert sum(seen.values()) >= 10_000
    assert grown < 20
