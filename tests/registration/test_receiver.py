"""The receiver takes what MLflow sends, once, and refuses everything else with the right status."""

import asyncio
import json
import logging
import sqlite3
import time
from collections import Counter

import psutil
import pytest
from hypothesis import HealthCheck, given, settings

from mlflow_lime.config import Config
from mlflow_lime.registration import receiver
from mlflow_lime.registration.plans import Plan, Plans
from mlflow_lime.registration.queue import JobQueue
from mlflow_lime.registration.receiver import Deliveries, create_app
from mlflow_lime.registration.signature import TOLERANCE
from tests.registration.hostile import SECRET, Delivery, body_of, hostile


class Said:
    def __init__(self, messages):
        self.code = messages[0]["status"]
        self.headers = dict(messages[0]["headers"])
        self.body = b"".join(message.get("body", b"") for message in messages[1:])

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def reason(self):
        return (self.code, self.json["status"], self.json.get("reason", ""))


class Office:
    """The application, called as a server calls it, without one."""

    def __init__(self, folder, secrets=(SECRET,), **options):
        plans = [
            Plan(Config(models="credit-*")),
            Plan(Config(models="fraud", registration={"aliases": ["champion"]})),
        ]
        self.queue = JobQueue(folder / "queue.db", "http://store")
        self.deliveries = Deliveries(Plans(plans), self.queue, secrets=secrets)
        self.app = create_app(self.deliveries, **options)
        self.runner = asyncio.Runner()
        self.read = 0

    def close(self):
        self.runner.close()
        self.app.state.close()
        self.queue.close()

    def ask(self, path, method="GET"):
        return self.runner.run(self._call(method, path, [], [b""]))

    def post(self, delivery, chunk=65536):
        body = delivery.sent()
        chunks = [body[i : i + chunk] for i in range(0, len(body), chunk)] or [b""]
        return self.runner.run(self._call("POST", "/webhook", delivery.headers(), chunks))

    async def _call(self, method, path, headers, chunks):
        messages, left = [], list(chunks)
        self.read = 0

        async def receive():
            if not left:
                return {"type": "http.disconnect"}
            self.read += 1
            part = left.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(left)}

        async def send(message):
            messages.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }
        await self.app(scope, receive, send)
        return Said(messages)

    def jobs(self):
        return [job.label for job in self.queue.ledger.jobs()]


@pytest.fixture
def office(tmp_path):
    made = Office(tmp_path)
    yield made
    made.close()


# What is taken


def test_a_new_version_is_queued(office):
    assert office.post(Delivery(body_of("credit-a", "7"))).reason == (202, "queued", "")
    (job,) = office.queue.ledger.jobs()
    assert (job.label, job.origin) == ("credit-a/7", "webhook")


def test_a_version_that_has_a_job_is_known(office):
    office.post(Delivery(body_of()))
    assert office.post(Delivery(body_of())).reason == (202, "known", "")
    assert len(office.jobs()) == 1


def test_an_alias_that_is_configured_queues_its_version(office):
    alias = body_of("fraud", "3", "model_version_alias.created", alias="champion")
    assert office.post(Delivery(alias)).reason == (202, "queued", "")
    assert office.jobs() == ["fraud/3"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (body_of("prices"), "model"),
        (body_of("Credit-a"), "model"),
        (body_of("fraud"), "alias"),
        (body_of("fraud", kind="model_version_alias.created", alias="other"), "alias"),
        (body_of("credit-a", kind="model_version_alias.created", alias="champion"), "alias"),
        (body_of("credit-a", kind="registered_model.created"), "event"),
        (body_of("credit-a", kind="model_version_tag.set"), "event"),
        (body_of("credit-a", kind="prompt_version.created"), "event"),
        (body_of("credit-a", tags={"mlflow.prompt.is_prompt": "true"}), "prompt"),
    ],
)
def test_an_event_that_leads_to_nothing_is_acknowledged(office, body, why):
    assert office.post(Delivery(body)).reason == (202, "ignored", why)
    assert office.jobs() == []


def test_what_mlflow_sends_as_a_test_queues_nothing_whatever_the_pattern(tmp_path):
    from mlflow.entities.webhook import WebhookEvent
    from mlflow.webhooks.types import get_example_payload_for_event

    office = Office(tmp_path)
    office.deliveries.plans = Plans([Plan(Config(models="*"))])
    for kind in ("model_version.created", "model_version_alias.created"):
        example = get_example_payload_for_event(WebhookEvent.from_str(kind))
        said = office.post(Delivery(body_of(kind=kind, **{**example})))
        assert said.reason == (202, "ignored", "test")
    assert office.jobs() == []
    office.close()


def test_every_event_of_this_mlflow_is_known():
    from mlflow.entities.webhook import VALID_ENTITY_ACTIONS

    from mlflow_lime.registration.events import EVENTS

    sent = {
        f"{entity}.{action}" for entity, many in VALID_ENTITY_ACTIONS.items() for action in many
    }
    assert sent <= EVENTS


def test_while_a_secret_is_replaced_both_are_taken(tmp_path):
    office = Office(tmp_path, secrets=("the new one of some length", SECRET))
    assert office.post(Delivery(body_of(version="1"))).code == 202
    new = Delivery(body_of(version="2"), secret="the new one of some length")
    assert office.post(new).code == 202
    assert office.post(Delivery(body_of(version="3"), secret="another of some length")).code == 401
    office.close()


def test_without_a_secret_a_signature_is_not_asked_for(tmp_path):
    office = Office(tmp_path, secrets=())
    unsigned = Delivery(body_of(), changes=((b"x-mlflow-signature", None),))
    assert office.post(unsigned).reason == (202, "queued", "")
    assert office.post(Delivery(body_of(), age=TOLERANCE + 5)).reason[2] == "stale"
    office.close()


# What is refused


def test_a_delivery_that_is_repeated_is_refused(office):
    delivery = Delivery(body_of())
    assert [office.post(delivery).code for _ in range(3)] == [202, 409, 409]
    assert len(office.jobs()) == 1


def test_an_id_is_remembered_for_longer_than_its_timestamp_is_taken(office):
    assert office.deliveries._keep > 2 * TOLERANCE


def test_reading_ends_where_a_body_is_too_long(office):
    endless = Delivery(b" " * 4_000_000, length=None)
    assert office.post(endless, chunk=1024).reason[:2] == (413, "refused")
    assert office.read <= receiver.LONGEST_BODY // 1024 + 1
    assert office.post(Delivery(b" " * 4_000_000), chunk=1024).code == 413
    assert office.read == 0


def test_a_body_of_just_the_limit_is_read(office):
    body = body_of("credit-a", description="x" * receiver.LONGEST_BODY)
    fitting = body.replace(b"x" * (len(body) - receiver.LONGEST_BODY), b"", 1)
    assert len(fitting) == receiver.LONGEST_BODY
    assert office.post(Delivery(fitting)).code == 202


def test_nothing_is_parsed_before_the_signature_holds(office, monkeypatch):
    def parse(body):
        raise AssertionError("parsed")

    monkeypatch.setattr(receiver, "read_event", parse)
    assert office.post(Delivery(body_of(), secret="forged")).reason[2] == "signature"


def test_a_body_that_does_not_come_is_not_waited_for(office, monkeypatch):
    monkeypatch.setattr(receiver, "PATIENCE", 0.05)

    async def slow():
        async def receive():
            await asyncio.sleep(60)

        messages = []

        async def send(message):
            messages.append(message)

        scope = {"type": "http", "method": "POST", "path": "/webhook", "query_string": b""}
        scope |= {"headers": Delivery(body_of()).headers(), "root_path": "", "raw_path": b""}
        await office.app(scope, receive, send)
        return Said(messages)

    assert office.runner.run(slow()).reason[2] == "slow"


def test_a_queue_that_cannot_be_written_asks_mlflow_to_come_again(office, monkeypatch):
    def accept(*arguments, **options):
        raise sqlite3.OperationalError("database or disk is full")

    delivery = Delivery(body_of())
    with monkeypatch.context() as broken:
        broken.setattr(office.queue, "accept", accept)
        assert office.post(delivery).reason == (503, "unavailable", "queue")
    assert office.post(delivery).reason == (202, "queued", "")


def test_a_queue_that_is_locked_does_not_hold_the_others_up(office, monkeypatch):
    monkeypatch.setattr(receiver, "PATIENCE", 0.2)
    locked = sqlite3.connect(office.queue.ledger.path, isolation_level=None)
    locked.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    assert office.post(Delivery(body_of())).code == 503
    assert office.post(Delivery(body_of("prices"))).code == 202
    assert office.ask("/health").code == 200
    assert time.monotonic() - began < 5
    locked.execute("ROLLBACK")
    locked.close()


def test_other_ways_to_ask_are_refused(office):
    assert office.ask("/webhook").code == 405
    assert office.ask("/webhook", "PUT").code == 405
    for path in ("/", "/docs", "/redoc", "/openapi.json", "/webhook/x"):
        assert office.ask(path).code == 404


@settings(
    max_examples=2000,
    deadline=None,
    database=None,
    suppress_health_check=[*HealthCheck],
)
@given(delivery=hostile)
def _attack(seen, office, delivery):
    said = office.post(delivery)
    assert said.code in delivery.codes, (delivery.kind, said.reason)
    seen[delivery.kind, said.code] += 1


def test_nothing_that_is_forged_stale_repeated_or_malformed_is_queued(office):
    office.post(Delivery(body_of("credit-known"), id="seen-before"))
    seen = Counter()
    before = psutil.Process().memory_info().rss
    _attack(seen, office)
    grown = (psutil.Process().memory_info().rss - before) / 2**20
    assert office.jobs() == ["credit-known/1"]
    assert sum(seen.values()) >= 2000
    assert len({kind for kind, _ in seen}) == 13
    assert grown < 100


# What is told about it


def test_the_process_says_whether_it_lives_and_is_ready(tmp_path):
    troubles = []
    office = Office(tmp_path, troubles=lambda: troubles)
    assert office.ask("/health").json == {"status": "alive"}
    assert office.ask("/ready").json == {"status": "ready"}
    troubles.append("the workers have ended")
    said = office.ask("/ready")
    assert (said.code, said.json["reasons"]) == (503, ["the workers have ended"])
    office.close()


def test_it_is_not_ready_while_the_queue_cannot_be_written(office, monkeypatch):
    monkeypatch.setattr(receiver, "PROBE_PATIENCE", 0.1)
    locked = sqlite3.connect(office.queue.ledger.path, isolation_level=None)
    locked.execute("BEGIN IMMEDIATE")
    said = office.ask("/ready")
    assert (said.code, said.json["reasons"]) == (503, ["the queue cannot be written"])
    assert b"mlflow_lime_queue_writable 0" in office.ask("/metrics").body
    locked.execute("ROLLBACK")
    locked.close()


def test_the_metrics_count_answers_and_jobs(office):
    office.post(Delivery(body_of("credit-secret-name")))
    office.post(Delivery(body_of(), secret="forged"))
    said = office.ask("/metrics")
    text = said.body.decode()
    assert said.headers[b"content-type"].startswith(b"text/plain; version=0.0.4")
    assert 'deliveries_total{code="202",status="queued",reason=""} 1' in text
    assert 'deliveries_total{code="401",status="refused",reason="signature"} 1' in text
    assert 'mlflow_lime_jobs{state="waiting"} 1' in text
    assert "mlflow_lime_delivery_seconds_count 2" in text
    assert "secret" not in text
    assert text.endswith("\n")


def test_the_log_says_why_without_saying_what(office, caplog):
    with caplog.at_level(logging.DEBUG):
        for _ in range(50):
            office.post(Delivery(body_of("credit-private"), secret="forged"))
            office.post(Delivery(b"credit-private"))
    assert [record.levelname for record in caplog.records if "refused" in record.message] == [
        "WARNING",
        "WARNING",
    ]
    assert "credit-private" not in caplog.text
    assert SECRET not in caplog.text
