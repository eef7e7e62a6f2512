"""Mistakes end in one message that says what to do, and in exit code 1."""

import socket
import sys
from pathlib import Path

import click
import mlflow
import pytest
from click.testing import CliRunner

from mlflow_lime.cli.session import Command, debug_option


def message(result):
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.stderr
    return result.stderr


@pytest.fixture
def dead_server():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize("command", ["init", "validate", "explain"])
def test_a_server_that_is_down_is_said(lime, dead_server, command):
    text = message(lime(command, "models:/credit/1", "--tracking-uri", dead_server))
    assert text == (
        f"Error: cannot ask {dead_server} for model version 'credit/1': no server answers there; "
        "check that the server runs, and that MLFLOW_TRACKING_URI names it\n"
    )


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("models:/credti/1", "Did you mean 'credit'?"),
        ("models:/credit/9", "it has versions 1, 2"),
        ("models:/credit", "write models:/credit/2 or models:/credit/latest"),
        ("models:/credit@champion", "it has no aliases"),
        ("credit/1", "write models:/credit/1"),
        ("credit@champion", "write models:/credit@champion"),
        ("runs:/0123/model", "run '0123' does not exist"),
        ("some/folder", "expected models:/<name>/<version>"),
    ],
)
def test_a_model_that_does_not_exist_is_answered_with_those_that_do(lime, uri, words):
    assert words in message(lime("validate", uri))


def test_every_mistake_in_the_file_has_its_line(lime):
    Path("lime.yaml").write_text("sampling:\n  rosw: 64\nreference:\n  count: none\n")
    text = message(lime("explain", "models:/credit/1"))
    assert "lime.yaml:2: sampling.rosw: expected a known key" in text
    assert "Did you mean 'rows'?" in text
    assert "lime.yaml:4: reference.count" in text


def test_a_file_that_is_missing_is_named(lime):
    assert "lim.yaml" in message(lime("explain", "models:/credit/1", "-c", "lim.yaml"))


def test_missing_data_is_answered_with_the_nearest_file(lime):
    Path("train.csv").write_text("income,age,job\n1,2,cook\n")
    Path("lime.yaml").write_text("data: {source: trian.csv}\n")
    text = message(lime("validate", "models:/bare/1"))
    assert "trian.csv does not exist" in text
    assert "Did you mean 'train.csv'?" in text


def test_columns_that_are_missing_are_named(lime):
    Path("few.csv").write_text("income,age\n1,2\n3,4\n")
    Path("lime.yaml").write_text("data: {source: few.csv}\n")
    assert "['job']" in message(lime("validate", "models:/bare/1"))


def test_a_file_for_other_models_is_refused(lime):
    Path("lime.yaml").write_text("models: other-*\n")
    text = message(lime("explain", "models:/credit/1"))
    assert "lime.yaml is for models 'other-*', which leaves out 'credit'" in text


def test_no_store_is_made_where_none_was(lime, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(f"sqlite:///{Path.cwd() / 'mlflow.db'}")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    text = message(lime("explain", "models:/credit/1"))
    assert "there is no MLflow store at" in text
    assert "no other store is named" in text
    assert list(Path().iterdir()) == []


def test_the_store_can_be_named_before_or_after_the_command(lime, store, monkeypatch):
    mlflow.set_tracking_uri(f"sqlite:///{Path.cwd() / 'mlflow.db'}")
    for arguments in (
        ["--tracking-uri", store.uri, "init", "models:/credit/1", "-o", "-"],
        ["init", "models:/credit/1", "-o", "-", "--tracking-uri", store.uri],
    ):
        assert lime(*arguments).exit_code == 0


def test_debug_shows_the_traceback(lime):
    result = lime("validate", "models:/credit/9", "--debug")
    assert result.exit_code == 1
    assert type(result.exception).__name__ == "VersionNotFoundError"


def test_what_nobody_expected_is_one_line_too(lime, monkeypatch):
    def explode(*args, **kwargs):
        raise ZeroDivisionError("half a pig")

    monkeypatch.setattr("mlflow_lime.tracking.versions.resolve_model", explode)
    assert message(lime("validate", "models:/credit/1")) == (
        "Error: unexpected ZeroDivisionError: 'half a pig'\n"
        "Run it again with --debug to see where it happened.\n"
    )


@pytest.mark.parametrize("options", [(), ("--debug",)])
@pytest.mark.parametrize("code", [0, 3])
def test_code_that_calls_sys_exit_ends_no_command_well(code, options):
    @click.command(cls=Command)
    @debug_option
    def leaving():
        sys.exit(code)

    result = CliRunner().invoke(leaving, options)
    assert result.exit_code == 1
    assert f"called sys.exit({code})" in result.output
