"""Pages and figures from the command line."""

import re
from pathlib import Path

import click
import pytest
from mlflow import MlflowClient

from mlflow_lime import names
from tests.cli.test_compare import two

__all__ = ["two"]


@pytest.fixture
def explained(lime, two):
    result = lime("explain", two)
    assert result.exit_code == 0, result.output
    return two


def test_a_page_is_written_without_the_model_and_opened(lime, explained, monkeypatch):
    opened = []
    monkeypatch.setattr(click, "launch", opened.append)
    result = lime("report", explained, "--open")
    assert result.exit_code == 0, result.output
    page = Path("lime_report.html")
    assert ": LIME review" in page.read_text()
    assert opened == [page.resolve().as_uri()]


def test_a_page_goes_to_stdout_alone(lime, explained):
    result = lime("report", explained, "-o", "-")
    assert result.stdout.startswith("<!DOCTYPE html>")
    assert result.stdout.rstrip().endswith("</html>")
    refused = lime("report", explained, "-o", "-", "--open")
    assert refused.exit_code == 2
    assert "cannot be opened" in refused.output


def test_the_page_in_mlflow_is_replaced(lime, explained):
    version = MlflowClient().get_model_version(*explained.removeprefix("models:/").split("/"))
    (run,) = MlflowClient().search_runs(
        ["1"], f"tags.`{names.TAG_IDENTITY}` LIKE '{explained.removeprefix('models:/')}@%'"
    )
    MlflowClient().log_text(run.info.run_id, "nothing", names.REPORT_PAGE)
    result = lime("report", explained, "--log")
    assert result.exit_code == 0, result.output
    assert f"Logged to run {run.info.run_id}" in result.stdout
    assert not Path("lime_report.html").exists()
    assert "Open the report" in version.description


def test_our_block_is_taken_out_of_the_description(lime, explained):
    name, number = explained.removeprefix("models:/").split("/")
    client = MlflowClient()
    assert "Open the report" in client.get_model_version(name, number).description
    result = lime("report", explained, "--undescribe")
    assert result.exit_code == 0, result.output
    assert not client.get_model_version(name, number).description
    assert "held no block of ours" in lime("report", explained, "--undescribe").stdout


def test_a_description_that_was_switched_off_stays_off(lime, two):
    Path("lime.yaml").write_text(f"{Path('lime.yaml').read_text()}report: {{description: false}}\n")
    assert lime("explain", two).exit_code == 0
    Path("lime.yaml").unlink()
    assert lime("report", two, "--log").exit_code == 0
    name, number = two.removeprefix("models:/").split("/")
    assert not MlflowClient().get_model_version(name, number).description


def test_the_block_of_a_renamed_model_can_be_taken_out(lime, explained):
    name, number = explained.removeprefix("models:/").split("/")
    client = MlflowClient()
    client.rename_registered_model(name, f"{name}-renamed")
    result = lime("report", f"models:/{name}-renamed/{number}", "--undescribe")
    assert result.exit_code == 0, result.output
    assert not client.get_model_version(f"{name}-renamed", number).description


@pytest.mark.parametrize("kind", ["svg", "png", "pdf"])
def test_figures_are_files_of_their_own(lime, explained, kind):
    result = lime("report", explained, "--figures", "figures", "--format", kind)
    assert result.exit_code == 0, result.output
    files = list(Path("figures").iterdir())
    assert len(files) >= 2
    assert {file.suffix for file in files} == {f".{kind}"}
    assert not Path("lime_report.html").exists()


def test_a_version_that_was_not_explained_is_refused_with_the_cure(lime):
    result = lime("report", "models:/rent/1")
    assert result.exit_code == 1
    assert "mlflow-lime explain models:/rent/1" in result.output
    assert not Path("lime_report.html").exists()


def test_several_versions_come_on_one_page(lime, two):
    refused = lime("compare", two, "-a", "1", "-a", "1", "--html", "versions.html")
    assert refused.exit_code == 2
    assert "named twice" in refused.output
    result = lime("compare", two, "-a", "1", "-a", "2", "--html", "versions.html", "--no-log")
    assert result.exit_code == 0, result.output
    page = Path("versions.html").read_text()
    name = two.split("/")[1]
    assert re.findall(rf"Since <bdi>({name}/\d)</bdi>", page) == [f"{name}/1", f"{name}/2"]


def test_several_versions_without_a_page_are_refused(lime, two):
    result = lime("compare", two, "-a", "1", "-a", "2")
    assert result.exit_code == 2
    assert "--html" in result.output
