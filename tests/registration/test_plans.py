"""Only models that a pattern names have a plan."""

import pytest

from mlflow_lime.config import Config
from mlflow_lime.errors import ConfigError
from mlflow_lime.registration.plans import Plan, Plans, read_plans


def test_the_first_plan_that_names_a_model_explains_it(tmp_path):
    (tmp_path / "credit.yaml").write_text("models: [credit-*, loan]\nseed: 1\n")
    (tmp_path / "rest.yaml").write_text("models: '*'\nseed: 2\n")
    plans = read_plans([tmp_path / "credit.yaml", tmp_path / "rest.yaml"])
    assert [plans.of(name).config.seed for name in ("credit-eu", "loan", "prices")] == [1, 1, 2]
    assert plans.patterns == ("credit-*", "loan", "*")


def test_a_model_that_no_pattern_names_has_no_plan():
    assert Plans([Plan(Config(models="credit-*"))]).of("Credit-eu") is None


def test_a_configuration_that_names_no_models_is_refused(tmp_path):
    (tmp_path / "lime.yaml").write_text("seed: 1\n")
    with pytest.raises(ConfigError, match=r"lime\.yaml does not say which models"):
        read_plans([tmp_path / "lime.yaml"])
    with pytest.raises(ConfigError, match="does not say which models"):
        read_plans([])


def test_models_named_beside_the_file_take_the_place_of_those_in_it(tmp_path):
    (tmp_path / "lime.yaml").write_text("models: credit\ndata: {source: rows.csv}\n")
    plans = read_plans([tmp_path / "lime.yaml"], ["fraud-*"])
    assert plans.of("credit") is None
    assert plans.of("fraud-1").config.locate("rows.csv") == str(tmp_path / "rows.csv")


def test_models_named_beside_several_files_are_refused(tmp_path):
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("models: credit\n")
    with pytest.raises(ConfigError, match="expected one configuration"):
        read_plans([tmp_path / "a.yaml", tmp_path / "b.yaml"], ["fraud"])


def test_a_plan_is_read_back_as_it_was_written(tmp_path):
    config = Config(models=("a", "b*"), seed=3, registration={"max_memory": "1GiB"})
    plan = Plan(config.in_folder(tmp_path))
    again = Plan.read(plan.text, plan.folder)
    assert again.config == config
    assert again.config.folder == tmp_path
    assert again.digest == plan.digest
