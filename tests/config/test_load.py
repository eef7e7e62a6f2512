"""Files and dictionaries come in as the same configuration."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlflow_lime.config import (
    KNOWN_KEYS,
    OWN_KEYS,
    SHORTHANDS,
    Config,
    claims,
    load_config,
    parse_config,
)
from mlflow_lime.errors import ConfigError


@pytest.fixture
def write(tmp_path):
    def write(text, name="lime.yaml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}", "tabular:\nsampling:\n"])
def test_what_is_left_out_is_the_default(write, text):
    assert load_config(write(text)) == Config()


def test_file_and_dictionary_agree(write):
    tree = {"models": ["credit-*"], "reference": {"pick": "rows", "rows": [3, 1]}}
    text = "models: [credit-*]\nreference: {pick: rows, rows: [3, 1]}"
    assert load_config(write(text)) == parse_config(tree)


@pytest.mark.parametrize("text", ["- 1\n", "lime\n", "3\n"])
def test_file_that_is_no_mapping(write, text):
    with pytest.raises(ConfigError, match=r"lime\.yaml:1: expected a mapping \(key: value\), got"):
        load_config(write(text))


def test_progress_may_be_a_word_or_a_boolean(write):
    for text, value in (("on", "on"), ("off", "off"), ("true", "on"), ("false", "off")):
        assert load_config(write(f"prediction: {{progress: {text}}}")).prediction.progress == value


@pytest.mark.parametrize(
    ("size", "expected"),
    [("64MiB", 2**26), ("1.5 GiB", 3 * 2**29), ("100kB", 10**5), (70000, 70000)],
)
def test_sizes(size, expected):
    assert parse_config({"prediction": {"block_bytes": size}}).prediction.block_bytes == expected


def test_ids_keep_their_kind(write):
    config = load_config(write("reference: {pick: ids, ids: [1, '1', 007, 2024-01-01]}"))
    assert config.reference.ids == (1, "1", "007", "2024-01-01")


def test_labels_may_be_numbers_and_booleans():
    assert parse_config({"labels": [1, True, "a"]}).labels == (1, True, "a")
    assert parse_config({"labels": 3}).labels == 3


def test_relative_sources_belong_to_the_folder_of_the_file(write, tmp_path, monkeypatch):
    write("data: {source: d/x.csv}", "deep/lime.yaml")
    monkeypatch.chdir(tmp_path)
    config = load_config("deep/lime.yaml")
    assert config.data.source == "d/x.csv"
    assert config.folder == tmp_path.resolve() / "deep"
    assert Path(config.locate(config.data.source)) == tmp_path.resolve() / "deep" / "d" / "x.csv"


class TestShorthands:
    @pytest.mark.parametrize("count", [8, np.int64(8)])
    def test_number_of_instances(self, count):
        assert parse_config({"instances": count}) == Config(reference={"count": 8})

    @pytest.mark.parametrize(
        "ids", [["a", "b"], ("a", "b"), np.array(["a", "b"]), pd.Index(["a", "b"])]
    )
    def test_list_of_instances(self, ids):
        assert parse_config({"instances": ids}) == Config(
            reference={"pick": "ids", "ids": ["a", "b"]}
        )

    @pytest.mark.parametrize("key", ["rows", "num_samples"])
    def test_rows(self, key):
        assert parse_config({key: 512}) == Config(sampling={"rows": 512})

    def test_rows_beyond_the_limit_of_a_file_raise_the_limit(self, write):
        whole = parse_config({"config": write("sampling: {max_rows: 2048}\n"), "num_samples": 5000})
        assert whole == Config(sampling={"rows": 5000, "max_rows": 5000})

    def test_limit_that_was_written_is_kept(self):
        with pytest.raises(ConfigError, match=r"expected either num_samples or sampling\.max_rows"):
            parse_config({"num_samples": 5000, "sampling": {"max_rows": 100}})

    def test_file_first_then_the_other_keys(self, write):
        path = write("seed: 3\nsampling: {rows: 256, replicates: 8}\n")
        assert parse_config({"config": path, "seed": 4, "num_samples": 512}) == Config(
            seed=4, sampling={"rows": 512, "replicates": 8}
        )
        assert parse_config({"config": str(path)}).folder == path.resolve().parent

    def test_mappings_inside_a_section_are_replaced_whole(self, write):
        path = write("tabular: {groups: {a: [x]}}")
        config = parse_config({"config": path, "tabular": {"groups": {"b": ["y"]}}})
        assert config.tabular.groups == {"b": ("y",)}

    @pytest.mark.parametrize("pinned", ["pick: ids, ids: [a]", "pick: rows, rows: [1]"])
    def test_number_of_instances_replaces_the_list_of_the_file(self, write, pinned):
        path = write(f"reference: {{{pinned}}}")
        assert parse_config({"config": path, "instances": 5}) == Config(reference={"count": 5})

    def test_paths_beside_a_file_belong_to_the_working_directory(
        self, write, tmp_path, monkeypatch
    ):
        path = write("background: {source: b.csv}", "deep/lime.yaml")
        monkeypatch.chdir(tmp_path)
        config = parse_config({"config": path, "data": {"source": Path("x.csv")}})
        assert config.data.source == str(Path.cwd() / "x.csv")
        assert Path(config.locate(config.background.source)) == path.resolve().parent / "b.csv"

    def test_problem_in_the_file_names_the_file(self, write):
        path = write("seed: x")
        with pytest.raises(ConfigError) as caught:
            parse_config({"config": path, "instances": 5})
        assert str(caught.value).startswith(f"{path}:1: seed: expected a whole number")


REFUSED = [
    ([], "expected a dictionary, got []. For a YAML file write {'config': 'lime.yaml'}."),
    ({"instances": []}, "instances: expected how many, or a list of ids, got []."),
    ({"instances": True}, "instances: expected how many, or a list of ids, got True."),
    ({"instances": 0}, "instances: expected a whole number from 1 to 1 000 000, got 0."),
    ({"instances": ["a", 2.5]}, "instances[1]: expected text or a whole number, got 2.5."),
    ({"instances": ["a", "a"]}, "instances: expected different items, got 'a' twice. Remove one."),
    (
        {"instances": 3, "reference": {"count": 4}},
        "instances: expected either instances or reference.count, got both. Remove one.",
    ),
    (
        {"rows": 64, "num_samples": 64},
        "rows: expected either rows or num_samples, got both. Remove one.",
    ),
    ({"rows": 5}, "rows: expected 'auto' or a whole number from 8 to 10 000 000, got 5."),
    (
        {"num_samples": "64"},
        "num_samples: expected 'auto' or a whole number from 8 to 10 000 000, got '64'."
        " Write it without quotes.",
    ),
    (
        {"rows": 64, "sampling": 3},
        "sampling: expected a mapping with keys such as design, got 3.",
    ),
    ({"config": 3}, "config: expected the path of a YAML file, got 3."),
    ({"config": ""}, "config: expected the path of a YAML file, got ''."),
    (
        {"instnces": 3},
        "instnces: expected a known key, got 'instnces'. Did you mean 'instances'?",
    ),
]


@pytest.mark.parametrize(("mapping", "expected"), REFUSED)
def test_refused_dictionary(mapping, expected):
    with pytest.raises(ConfigError) as caught:
        parse_config(mapping, where="here")
    assert str(caught.value) == f"here: {expected}"


def test_dictionary_that_holds_itself():
    tree = {}
    tree["data"] = tree
    with pytest.raises(ConfigError, match=r"here: expected at most 20 levels of nesting"):
        parse_config(tree, where="here")


def test_the_dictionary_of_the_caller_is_not_changed():
    mapping = {"instances": 8, "reference": {"pick": "random"}}
    parse_config(mapping)
    assert mapping == {"instances": 8, "reference": {"pick": "random"}}


@pytest.mark.parametrize(
    "mapping",
    [
        {"instances": 8},
        {"num_samples": 512, "pos_label": 1},
        {"config": "lime.yaml"},
        {"config": Path("a/lime.yml")},
        {"reference": {}},
        {"sampling": {"rows": 64}},
    ],
)
def test_ours(mapping):
    assert claims(mapping)


@pytest.mark.parametrize(
    "mapping",
    [
        None,
        {},
        {"pos_label": 1, "explainability_nsamples": 10},
        {"seed": 0, "data": {}, "labels": [1], "rows": 3, "task": "x", "outputs": {}},
        {"config": {"a": 1}},
        {"config": "other.json"},
        {"sampling": "fast", "background": [1], "kernel": "rbf"},
    ],
)
def test_not_ours(mapping):
    assert not claims(mapping)


def test_key_sets():
    assert OWN_KEYS < KNOWN_KEYS
    assert set(Config.model_fields) | set(SHORTHANDS) == KNOWN_KEYS
    assert not set(Config.model_fields) & set(SHORTHANDS)


@pytest.mark.parametrize("mapping", [{"instance": 8}, {"tabluar": {}}, {"on_error": "raise"}])
def test_a_mistyped_key_is_claimed_so_that_it_can_be_an_error(mapping):
    assert claims(mapping)


def test_no_key_of_mlflows_own_evaluators_is_taken_for_ours():
    theirs = (
        "log_model_explainability explainability_algorithm explainability_nsamples "
        "explainability_kernel_link max_classes_for_multiclass_roc_pr metric_prefix "
        "log_metrics_with_dataset_info pos_label average sample_weights col_mapping "
        "log_explainer retriever_k predict_fn"
    )
    assert not any(claims({key: 1}) for key in theirs.split())
