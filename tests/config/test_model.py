"""The configuration itself: frozen, comparable, with a digest of what decides the numbers."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import pydantic
import pytest

from mlflow_lime.config import Config, load_config, parse_config


def test_digest_is_pinned():
    # A new digest makes every version be explained anew: change it only with the results.
    assert Config().digest() == "0723c7519b5d"


def test_digest_does_not_depend_on_the_order_of_keys():
    one = parse_config({"seed": 1, "tabular": {"groups": {"a": ["x"], "b": ["y"]}}})
    two = parse_config({"tabular": {"groups": {"b": ["y"], "a": ["x"]}}, "seed": 1})
    assert one.digest() == two.digest()
    assert one == two
    assert hash(one) == hash(two)


@pytest.mark.parametrize(
    "change",
    [
        {"on_error": "raise"},
        {"models": ["a", "b"]},
        {"outputs": {"top": 3, "pictures": False}},
        {"prediction": {"progress": "off", "block_rows": 7, "deduplicate": False}},
        {"reference": {"store_inputs": "none"}},
        {"data": {"target": "y"}},
        {"background": {"max_rows": 20}},
        {"reference": {"count": 3}},
    ],
)
def test_digest_ignores_what_does_not_change_the_numbers(change):
    assert parse_config(change).digest() == Config().digest()
    assert parse_config(change) != Config()


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"labels": "all"},
        {"labels": 1},
        {"labels": [1]},
        {"labels": [True]},
        {"predict": "a:b"},
        {"tabular": {"categorical": []}},
        {"sampling": {"max_seconds": 5}},
        {"kernel": {"width": 1}},
        {"surrogate": {"penalty": 0}},
    ],
)
def test_digest_tells_apart_what_changes_the_numbers(change):
    others = [{"labels": 1}, {"labels": [1]}, {"labels": [True]}, {}]
    digests = {parse_config(other).digest() for other in others if other != change}
    assert parse_config(change).digest() not in digests


def test_whole_numbers_and_fractions_are_the_same():
    one, two = ({"kernel": {"width": width}} for width in (1, 1.0))
    assert parse_config(one).digest() == parse_config(two).digest()


def test_recipe_is_plain():
    recipe = Config().recipe()
    assert recipe["sampling"]["rows"] == "auto"
    assert not {"models", "on_error", "outputs", "prediction", "reference", "data"} & set(recipe)


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))]
)
def test_copies_are_equal_and_keep_the_folder(copied, tmp_path):
    path = tmp_path / "lime.yaml"
    path.write_text("tabular: {groups: {a: [x, y]}}\nprediction: {block_bytes: 1MiB}\n")
    config = load_config(path)
    again = copied(config)
    assert again == config
    assert again.folder == config.folder == tmp_path.resolve()


def test_the_folder_is_no_part_of_the_configuration(tmp_path):
    moved = Config().in_folder(tmp_path)
    assert moved == Config()
    assert moved.digest() == Config().digest()
    assert Config().folder is None


def test_locate(tmp_path):
    config = Config().in_folder(tmp_path)
    assert config.locate("auto") == "auto"
    assert config.locate("input_example") == "input_example"
    assert config.locate("models:/m-1/train.csv") == "models:/m-1/train.csv"
    assert config.locate("s3://bucket/train.parquet") == "s3://bucket/train.parquet"
    assert config.locate("a/train.csv") == str(tmp_path / "a" / "train.csv")
    assert config.locate(str(tmp_path / "x.csv")) == str(tmp_path / "x.csv")
    assert Config().locate("train.csv") == str(Path.cwd() / "train.csv")


@pytest.mark.parametrize(
    ("models", "name", "expected"),
    [
        ("*", "anything", True),
        ("credit", "credit", True),
        ("credit", "credit-eu", False),
        ("credit-*", "credit-eu", True),
        ("credit-*", "Credit-eu", False),
        (["a", "b?"], "b1", True),
        (["a", "b?"], "b12", False),
    ],
)
def test_matches(models, name, expected):
    assert Config(models=models).matches(name) is expected


def test_frozen_and_closed():
    with pytest.raises(pydantic.ValidationError):
        Config().seed = 3
    with pytest.raises(pydantic.ValidationError, match="extra"):
        Config(sede=3)


def test_contradictions_are_told_by_the_class_too():
    with pytest.raises(ValueError, match="expected a value because pick is 'ids'"):
        Config(reference={"pick": "ids"})


def test_not_equal_to_something_else():
    assert Config() != "config"


def test_import_is_light():
    code = (
        "import sys, mlflow_lime.config;"
        "print([m for m in ('mlflow', 'numpy', 'pandas', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


ROOT = Path(__file__).resolve().parents[2]
