"""The step ``gate`` of a steps file."""

import pytest

from mlflow_lime.config import Config
from mlflow_lime.config.judging import GateSection
from mlflow_lime.errors import ConfigError
from mlflow_lime.pipeline.gate import GATE_KEYS, GateKeys, gate
from mlflow_lime.pipeline.step import Context


def test_the_step_overrides_the_section_and_has_keys_of_its_own():
    assert GATE_KEYS.overrides == "gate"
    assert set(GateKeys.model_fields) == {"against", "promote"}
    assert not set(GateKeys.model_fields) & set(GateSection.model_fields)


@pytest.mark.parametrize(
    ("outcome", "expected"), [("pass", "done"), ("fail", "failed"), ("not judged", "failed")]
)
def test_the_step_fails_unless_the_version_passes(monkeypatch, outcome, expected):
    from types import SimpleNamespace

    from mlflow_lime.gate.judge import Verdict
    from mlflow_lime.tracking import gating

    asked = {}

    def gate_version(uri, config, **options):
        asked.update(options, uri=uri)
        return SimpleNamespace(
            verdict=Verdict(outcome, note="why"), facts={"candidate": "credit/7"}, run_id="r"
        )

    monkeypatch.setattr(gating, "gate_version", gate_version)
    context = Context(
        ref=SimpleNamespace(uri="models:/credit/7"),
        config=Config(),
        options=GateKeys(against="@champion", promote="champion"),
        client=None,
        results={},
    )
    result = gate(context)
    assert (result.outcome, result.run_id) == (expected, "r")
    assert result.lines == (f"credit/7: {outcome}", "  why")
    assert (asked["against"], asked["promote"]) == ("@champion", "champion")


def test_a_steps_file_may_name_it(tmp_path):
    from mlflow_lime.config.steps import load_steps

    path = tmp_path / "steps.yaml"
    path.write_text(
        "steps:\n"
        "  - gate:\n"
        "      against: '@champion'\n"
        "      promote: champion\n"
        "      rules: [{metric: auc, min: 0.5}]\n"
    )
    (step,) = load_steps(path, {"gate": GATE_KEYS}).steps
    assert step.options.promote == "champion"
    assert step.config.gate.rules[0].metric == "auc"
    path.write_text("steps:\n  - gate: {promot: champion}\n")
    with pytest.raises(ConfigError, match="promot"):
        load_steps(path, {"gate": GATE_KEYS})


def test_the_number_of_a_version_needs_no_quotes(tmp_path):
    from mlflow_lime.config.steps import load_steps

    path = tmp_path / "steps.yaml"
    path.write_text(
        "steps:\n"
        "  - gate:\n"
        "      against: 1\n"
        "      rules: [{change: {metric: auc, min: 0, against: 2}}]\n"
    )
    (step,) = load_steps(path, {"gate": GATE_KEYS}).steps
    assert step.options.against == "1"
    assert Config.model_validate({"compare": {"baseline": 3}}).compare.baseline == "3"
    assert step.config.gate.rules[0].change.against == "2"
    path.write_text("steps:\n  - gate: {against: true}\n")
    with pytest.raises(ConfigError, match="against"):
        load_steps(path, {"gate": GATE_KEYS})
