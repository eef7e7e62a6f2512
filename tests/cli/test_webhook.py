"""``mlflow-lime webhook`` registers, lists, tests and deletes, and never shows the secret."""

import re

import mlflow
import pytest

from tests.servers import MlflowServer

SECRET = "a-secret-that-is-never-shown"
URL = "http://127.0.0.1:9/webhook"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    settings = {
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": "f_2tqA1kqV2mMzqvXcYjP1t3lY0R6eYJc2vZpW5Kx9E=",
        "MLFLOW_WEBHOOK_REQUEST_MAX_RETRIES": "0",
    }
    with MlflowServer(tmp_path_factory.mktemp("webhook"), settings=settings) as started:
        yield started


@pytest.fixture
def webhook(lime, server, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("MLFLOW_LIME_WEBHOOK_SECRET", SECRET)
    mlflow.set_tracking_uri(server.uri)

    def run(*arguments):
        result = lime("webhook", *arguments)
        assert SECRET not in result.output
        assert "Traceback" not in result.output
        return result

    return run


def test_a_webhook_goes_from_creation_to_deletion(webhook):
    made = webhook("create", URL, "--alias-events")
    assert made.exit_code == 0, made.output
    assert "Registered" in made.output
    assert "model_version.created, model_version_alias.created" in made.output
    (webhook_id,) = re.findall(r"webhook test (\S+)", made.output)
    again = webhook("create", URL)
    assert "It is there already" in again.output
    assert webhook_id in again.output
    listed = webhook("list")
    assert f"* {webhook_id}  mlflow-lime" in listed.output
    assert URL in listed.output
    tested = webhook("test", webhook_id)
    assert tested.exit_code == 1
    assert f"cannot reach {URL}" in tested.output
    assert webhook("delete", webhook_id).exit_code == 0
    assert webhook_id not in webhook("list").output
    assert webhook("delete", webhook_id).exit_code == 1


def test_an_address_without_a_path_is_pointed_out(webhook):
    assert "has no path" in webhook("create", "http://127.0.0.1:9").output


def test_without_a_secret_nothing_is_registered_unless_asked(webhook, monkeypatch):
    monkeypatch.delenv("MLFLOW_LIME_WEBHOOK_SECRET")
    refused = webhook("create", "http://127.0.0.1:9/open")
    assert refused.exit_code == 1
    assert "no secret is set" in refused.output
    assert "http://127.0.0.1:9/open" not in webhook("list").output
    insecure = webhook("create", "http://127.0.0.1:9/open", "--insecure")
    assert insecure.exit_code == 0
    assert "Note: no secret is set" in insecure.output


def test_a_store_without_a_server_is_refused(lime, monkeypatch):
    monkeypatch.setenv("MLFLOW_LIME_WEBHOOK_SECRET", SECRET)
    result = lime("webhook", "create", URL)
    assert result.exit_code == 1
    assert "nothing would ever be delivered" in result.output


@pytest.mark.parametrize("command", ["create", "list", "test", "delete"])
def test_every_command_explains_itself(lime, command):
    assert lime("webhook", command, "--help").exit_code == 0
