"""The examples for CI say what the command understands."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from mlflow_lime.cli.gate import gate
from mlflow_lime.config import load_config

FOLDER = Path(__file__).parents[2] / "examples" / "ci"
FILES = ("gate.md", "gate.xml", "gate.json")


def github():
    return yaml.safe_load((FOLDER / "github-actions.yml").read_text())


def gitlab():
    return yaml.safe_load((FOLDER / "gitlab-ci.yml").read_text())


def steps():
    (job,) = github()["jobs"].values()
    return {step.get("name", step.get("uses", step.get("run"))): step for step in job["steps"]}


def commands():
    yield steps()["Gate the candidate"]["run"]
    yield from (gitlab()[job]["script"][0] for job in ("gate", "promote"))


def understood(command):
    """Return what our command line makes of a command."""
    plain = re.sub(r"\$\{\{.*?'(--promote champion)'.*?\}\}", r"\1", command)
    words = shlex.split(plain)
    assert words[:2] == ["mlflow-lime", "gate"]
    return gate.make_context("gate", words[2:]).params


def test_every_command_is_understood():
    found = [understood(command) for command in commands()]
    assert len(found) == 3
    for params in found:
        assert (params["model_uri"], params["against"]) == ("models:/credit@candidate", "@champion")
        assert tuple(params[name] for name in ("markdown", "junit", "json")) == FILES
        assert not params["no_log"]


def test_only_the_main_branch_promotes():
    text = steps()["Gate the candidate"]["run"]
    assert "${{ github.event_name == 'push' && '--promote champion' || '' }}" in text
    assert [understood(gitlab()[job]["script"][0])["promote"] for job in ("gate", "promote")] == [
        None,
        "champion",
    ]


def test_one_gate_runs_after_the_other():
    group = github()["concurrency"]["group"]
    assert group.endswith("-${{ github.event_name == 'push' && 'promote' || github.ref }}")
    assert gitlab()["promote"]["resource_group"]


@pytest.mark.parametrize(
    "name", ["Show the verdict", "Comment on the pull request", "Keep the reports"]
)
def test_github_shows_the_verdict_whatever_it_is(name):
    assert "!cancelled()" in steps()[name]["if"]


def test_github_comments_on_the_pull_request_and_keeps_the_reports():
    comment = steps()["Comment on the pull request"]
    assert "gate.md > comment.md" in comment["run"]
    assert "--body-file comment.md" in comment["run"]
    assert "--edit-last" not in comment["run"], "the last comment may be that of another bot"
    assert comment["env"]["MARK"].startswith("<!--")
    assert github()["permissions"]["pull-requests"] == "write"
    assert set(steps()["Keep the reports"]["with"]["path"].split()) == set(FILES)
    assert "pull_request" in github()[True], "`on` is read as true by YAML 1.1"


def test_gitlab_comments_on_the_merge_request_and_reads_the_junit_report():
    assert "body@gate.md" in gitlab()["gate"]["after_script"][0]
    artifacts = gitlab()[".gate"]["artifacts"]
    assert artifacts["when"] == "always"
    assert artifacts["reports"]["junit"] == "gate.xml"


def test_the_configuration_has_rules_of_every_kind():
    rules = load_config(FOLDER / "lime.yaml").gate.rules
    kinds = {
        kind for rule in rules for kind in ("metric", "change", "check") if getattr(rule, kind)
    }
    assert kinds == {"metric", "change", "check"}
    assert {rule.severity for rule in rules} == {"fail", "warn"}
