"""Help that teaches and starts fast, and the schema."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import mlflow_lime
from mlflow_lime.config import config_schema

HEAVY = ("mlflow.", "numpy", "pandas", "sklearn", "matplotlib")


def imported(environment, *arguments):
    """Return the heavy modules that a command imports, and what it prints."""
    program = (
        "import sys\n"
        "from mlflow_lime.cli import main\n"
        "main(sys.argv[1:], standalone_mode=False)\n"
        f"found = [name for name in sys.modules if f'{{name}}.'.startswith({HEAVY!r})]\n"
        "print(sorted(found), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr.strip(), done.stdout


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["explain", "--help"], ["schema"], ["init", "-o", "-"], ["--version"]],
)
def test_what_asks_no_store_imports_nothing_heavy(environment, arguments):
    found, printed = imported(environment, *arguments)
    assert found == "[]"
    assert printed


def test_help_teaches_the_way_from_a_version_to_its_reasons(lime):
    text = lime("--help").output
    for line in (
        "mlflow-lime init models:/credit/3",
        "mlflow-lime validate models:/credit/3",
        "mlflow-lime explain models:/credit/3",
        "models:/credit@champion",
        "Exit codes",
    ):
        assert line in text
    assert "..." not in text.partition("Commands:")[2].partition("Three commands")[0]


@pytest.mark.parametrize("command", ["init", "validate", "explain", "schema"])
def test_every_command_has_help_with_an_example(lime, command):
    result = lime(command, "-h")
    assert result.exit_code == 0
    assert f"mlflow-lime {command}" in result.output.partition("Options:")[2]
    assert max(map(len, result.output.splitlines())) <= 100


def test_the_version_is_the_package_version(lime):
    assert lime("--version").output == f"mlflow-lime {mlflow_lime.__version__}\n"


def test_the_schema_is_the_one_of_the_configuration(lime):
    first = config_schema()
    assert json.loads(lime("schema").output) == config_schema() == first


def test_a_mistyped_command_is_answered_with_the_right_one(lime):
    result = lime("explian", "models:/credit/1")
    assert result.exit_code == 2
    assert "explian" in result.output


def test_the_package_runs_as_a_module(environment, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mlflow_lime", "explain"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: mlflow-lime explain")


def test_the_entry_point_names_the_group():
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert 'mlflow-lime = "mlflow_lime.cli:main"' in text
