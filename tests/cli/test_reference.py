"""The pinned instances at the command line: create, show, replace, diff."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlflow_lime.cli import main
from tests.cli.conftest import APART, AllSaid

MIXED = """\
data: {source: people.csv, target: label}
reference: {pick: {errors: 2, boundary: 3, submodular: 2}}
sampling: {rows: 32, max_rows: 32}
"""
FEW = "data: {source: people.csv, target: label}\nreference: {count: 3}\n"


@pytest.fixture
def files(lime, store):
    """Two configurations beside their data."""
    Path("people.csv").write_text((store.folder / "people.csv").read_text())
    Path("mixed.yaml").write_text(MIXED)
    Path("few.yaml").write_text(FEW)


def digest(text):
    return re.search(r"reference set (\w{16})", text)[1]


def answering(answer, *arguments):
    result = CliRunner(**APART).invoke(main, ["reference", *arguments], input=answer)
    if APART:
        result.__class__ = AllSaid
    return result


def test_a_set_is_created_once_and_shown(lime, model, files):
    made = lime("reference", "create", model, "-c", "mixed.yaml")
    assert made.exit_code == 0, made.output
    assert re.search(r"Pinned reference set \w{16} of 7 instances", made.stdout)
    assert f"Next: mlflow-lime explain {model} --config mixed.yaml" in made.stdout
    again = lime("reference", "create", model, "-c", "mixed.yaml")
    assert again.exit_code == 1
    assert f"pins 7 instances already (reference set {digest(made.stdout.lower())})" in again.stderr
    assert f"mlflow-lime reference replace {model}" in again.stderr

    shown = lime("reference", "show", model)
    assert shown.exit_code == 0, shown.output
    assert "near the boundary: margin" in shown.stdout
    lines = shown.stdout.splitlines()
    header = next(line for line in lines if line.strip().startswith("key"))
    assert header.split() == ["key", "row", "true", "label", "explained", "why"]
    assert len(lines) == lines.index(header) + 8

    data = json.loads(lime("reference", "show", model, "--json").stdout)
    assert data["digest"] == digest(made.stdout)
    assert len(data["instances"]) == 7
    assert set(data["instances"][0]) == {"key", "row", "true_label", "labels", "reason"}


def test_nothing_pinned_is_said_with_the_command_that_pins(lime, model):
    for command in ("show", "diff"):
        result = lime("reference", command, model)
        assert result.exit_code == 1
        assert "mlflow-lime reference create" in result.stderr


def test_replacing_asks_first_and_says_how_to_compare(lime, model, files):
    lime("explain", model, "-c", "few.yaml", "-n", "2")
    old = json.loads(lime("reference", "show", model, "--json").stdout)["digest"]
    refused = answering("n\n", "replace", model, "-c", "mixed.yaml")
    assert refused.exit_code == 1
    assert f"pins reference set {old}" in refused.stdout
    assert json.loads(lime("reference", "show", model, "--json").stdout)["digest"] == old

    done = answering("y\n", "replace", model, "-c", "mixed.yaml")
    assert done.exit_code == 0, done.output
    assert f"in place of {old}" in done.stdout
    assert "must be explained again, on the new set" in done.stdout
    assert f"  mlflow-lime explain {model} --config mixed.yaml\n" in done.stdout
    same = lime("reference", "replace", model, "-c", "mixed.yaml", "--yes")
    assert "The same instances were picked" in same.stdout


def test_replacing_what_is_not_there_pins(lime, model, files):
    done = lime("reference", "replace", model, "-c", "few.yaml")
    assert done.exit_code == 0, done.output
    assert "in place of" not in done.stdout
    assert "explained again" not in done.stdout


def test_differences_to_what_would_be_picked_and_to_an_earlier_set(lime, model, files):
    lime("reference", "create", model, "-c", "few.yaml")
    first = json.loads(lime("reference", "show", model, "--json").stdout)
    same = lime("reference", "diff", model, "-c", "few.yaml")
    assert "The same 3 instances, labels and background" in same.stdout
    other = lime("reference", "diff", model, "-c", "mixed.yaml")
    assert other.exit_code == 0, other.output
    added, removed, kept = map(
        int, re.search(r"(\d+) added, (\d+) removed, (\d+) kept", other.stdout).groups()
    )
    assert (added + kept, removed + kept) == (7, 3)
    assert len(re.findall(r"^\+ \d\d #", other.stdout, re.M)) == added
    assert len(re.findall(r"^- \d\d #", other.stdout, re.M)) == removed

    lime("reference", "replace", model, "-c", "mixed.yaml", "-y")
    for wish in (first["digest"], first["run_id"]):
        back = lime("reference", "diff", model, "--with", wish)
        assert f"{removed} added, {added} removed, {kept} kept" in back.stdout
        assert f"+ {first['digest']}  of run" in back.stdout
    wrong = lime("reference", "diff", model, "--with", "0123456789abcdef")
    assert wrong.exit_code == 1
    assert "holds reference set 0123456789abcdef" in wrong.stderr


def test_a_model_that_is_not_registered_is_refused(lime, tmp_path, store):
    result = lime("reference", "show", "models:/nobody/1")
    assert result.exit_code == 1
    assert "nobody" in result.stderr


@pytest.mark.parametrize("command", ["", "create", "show", "replace", "diff"])
def test_help_teaches(lime, command):
    result = lime("reference", *([command] if command else []), "--help")
    assert result.exit_code == 0
    assert "instances" in result.stdout


def test_names_from_data_cannot_control_the_terminal(lime, model, files):
    text = Path("people.csv").read_text().replace("good", "\x1b[31mgood")
    Path("people.csv").write_text(text)
    made = lime("reference", "create", model, "-c", "few.yaml")
    assert made.exit_code == 0, made.output
    assert "\x1b" not in made.output
    assert "\x1b" not in lime("reference", "show", model).output
