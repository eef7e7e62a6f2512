"""A file to start from: from nothing, from a signature, from what the store holds."""

from pathlib import Path

import pytest

from mlflow_lime.config import Config, default_yaml, load_config


def test_without_a_model_every_key_has_its_default(lime):
    result = lime("init")
    assert result.exit_code == 0
    assert result.output == "Wrote lime.yaml.\nNext: mlflow-lime validate MODEL_URI\n"
    assert Path("lime.yaml").read_text() == default_yaml()


def test_a_dash_writes_to_the_terminal(lime):
    assert lime("init", "-o", "-").output == default_yaml()
    assert list(Path().iterdir()) == []


def test_columns_and_the_runs_dataset_are_found(lime):
    result = lime("init", "models:/credit/1")
    assert result.exit_code == 0
    assert result.output.splitlines()[-1] == "Next: mlflow-lime validate models:/credit/1"
    config, text = load_config("lime.yaml"), Path("lime.yaml").read_text()
    assert (config.models, config.data.source, config.data.target) == ("credit", "run", "label")
    assert "#   income: double\n#   age: long\n#   job: string\n" in text
    assert "# Data: the dataset of the model's run, 80 rows, with 4 columns." in text


def test_an_input_example_is_found(lime):
    lime("init", "models:/rent/1")
    config = load_config("lime.yaml")
    assert (config.data.source, config.data.target) == ("input_example", None)


def test_a_model_without_data_says_what_to_set(lime):
    result = lime("init", "models:/bare/1", "-o", "bare.yaml")
    assert "set data.source to a file (.csv, .parquet, .npz)" in result.output
    assert "validate models:/bare/1 --config bare.yaml" in result.output
    assert load_config("bare.yaml") == Config(models="bare")
    assert "Its signature names no columns" in Path("bare.yaml").read_text()


def test_a_file_that_is_there_stays(lime):
    Path("lime.yaml").write_text("seed: 7\n")
    result = lime("init")
    assert result.exit_code == 1
    assert result.output == (
        "Error: lime.yaml exists already; overwrite it with --force, or name another file with -o\n"
    )
    assert Path("lime.yaml").read_text() == "seed: 7\n"
    assert lime("init", "--force").exit_code == 0
    assert Path("lime.yaml").read_text() == default_yaml()


@pytest.mark.parametrize("output", ["no/such/folder.yaml", "."])
def test_a_place_that_cannot_be_written_is_named(lime, output):
    result = lime("init", "-o", output)
    assert result.exit_code == 1
    assert output in result.output


def test_what_init_writes_validates(lime):
    lime("init", "models:/credit/2")
    result = lime("validate", "models:/credit/2")
    assert result.exit_code == 0, result.output
    assert "configuration       lime.yaml" in result.output
