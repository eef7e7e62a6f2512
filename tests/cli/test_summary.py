"""Summaries are text that no name and no number can break."""

from types import SimpleNamespace

import pytest

from mlflow_lime import names
from mlflow_lime.cli.summary import _failures as failures
from mlflow_lime.cli.summary import fact, note_lines, run_address, without_credentials
from mlflow_lime.core.explanation import FailedExplanation


def test_a_long_fact_is_wrapped_below_its_name():
    lines = list(fact("columns", ", ".join(f"column{i}" for i in range(40))))
    assert len(lines) > 1
    assert all(line.startswith(" " * 22) for line in lines[1:])
    assert max(map(len, lines)) <= 100


def test_names_with_control_characters_stay_on_their_line():
    assert list(fact("classes", "a\nb\x1b[31m")) == ["  classes             a b [31m"]


def test_each_note_is_said_once():
    assert list(note_lines(["few rows", "few rows", "odd."])) == ["Note: few rows.", "Note: odd."]


def test_failures_are_grouped_by_reason():
    failed = [FailedExplanation(f"{i:02d}", f"reason {i % 7}", "ModelError") for i in range(20)]
    lines = list(failures(failed))
    assert lines[1] == "20 instances failed"
    assert lines[2] == "  3: reason 0 (00, 07, 14)"
    assert lines[-1].startswith("  and 2 other reasons")


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://ann:secret@host:5000", "http://host:5000"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
        ("databricks", "databricks"),
    ],
)
def test_credentials_are_not_shown(uri, shown):
    assert without_credentials(uri) == shown


def test_a_server_is_linked_to(monkeypatch):
    monkeypatch.setattr("mlflow.get_tracking_uri", lambda: "https://ann:secret@mlflow.example/")

    class Client:
        def __init__(self, **tags):
            self.tags = tags

        def get_run(self, run_id):
            info, data = SimpleNamespace(experiment_id="7"), SimpleNamespace(tags=self.tags)
            return SimpleNamespace(info=info, data=data)

    place, mode = "https://mlflow.example/#/experiments/7/runs/abc", "workflowType=machine_learning"
    assert list(run_address(Client(), "abc")) == [f"{place}?{mode}"]
    written = Client(**{names.TAG_REPORT: "written"})
    page = f"{place}/artifacts/{names.REPORT_PAGE}?{mode}"
    assert list(run_address(written, "abc")) == [page]
