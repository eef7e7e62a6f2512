"""Which instances are wished for: one way to pick, or several with their counts."""

import pytest

from mlflow_lime.config import Config, load_config, parse_config
from mlflow_lime.config.dump import dump_config
from mlflow_lime.errors import ConfigError

GOOD = [
    {"pick": "submodular"},
    {"pick": "medoids", "medoids_over": "explanations", "pool": 50},
    {"pick": "disagreement", "against": "models:/credit@champion"},
    {"pick": {"submodular": 10, "errors": 5, "boundary": 5}},
    {"pick": {"ids": 2, "rare": 3}, "ids": ["a", "b"]},
    {"pick": {"query": 2, "medoids": 3}, "query": "age > 60", "medoids_over": "explanations"},
    {"pick": {"disagreement": 2, "rows": 1}, "rows": [4], "against": "models:/m-1"},
]


@pytest.mark.parametrize("section", GOOD)
def test_what_is_written_is_read_back(section, tmp_path):
    config = parse_config({"reference": section})
    path = tmp_path / "lime.yaml"
    path.write_text(dump_config(config))
    assert load_config(path) == config
    assert config.digest() == Config().digest()


def test_counts_keep_their_order():
    config = parse_config({"reference": GOOD[3]})
    assert list(config.reference.counts.items()) == [
        ("submodular", 10),
        ("errors", 5),
        ("boundary", 5),
    ]
    assert Config().reference.counts == {"stratified": 20}


BAD = [
    ({"pick": "submodlar"}, r"reference.pick: .*got 'submodlar'. Did you mean 'submodular'\?"),
    (
        {"pick": {"submodlar": 2}},
        r"reference.pick: expected ways to pick, got 'submodlar'. Did you mean 'submodular'\?",
    ),
    ({"pick": {"zzz": 2}}, r"got 'zzz'. Known ways: stratified, random"),
    ({"pick": {}}, r"reference.pick: expected at least one way to pick, got {}"),
    ({"pick": {"errors": 0}}, r"reference.pick.errors: expected a whole number from 1"),
    ({"pick": {"errors": "5"}}, r"reference.pick.errors: .*got '5'. Write it without quotes"),
    ({"pick": ["errors"]}, r"reference.pick: expected .* or a mapping"),
    ({"pick": "disagreement"}, r"reference.against: expected a value because pick is 'disagree"),
    ({"pick": {"disagreement": 1}}, r"reference.against: expected a value"),
    ({"pick": "errors", "against": "models:/a/1"}, r"Write pick: disagreement, or remove against"),
    ({"pick": {"ids": 1}}, r"reference.ids: expected a value because pick is 'ids'"),
    ({"pick": {"errors": 1}, "rows": [1]}, r"reference.rows: expected nothing"),
    ({"pick": {"ids": 3}, "ids": ["a"]}, r"reference.pick: expected ids: 1 because ids names 1"),
    ({"pick": {"errors": 3}, "count": 5}, r"reference.count: .*pick says how many of each, got 5"),
    ({"pick": "rare", "medoids_over": "explanations"}, r"Write pick: medoids, or remove"),
    ({"pool": 1}, r"reference.pool: expected a whole number from 2 to 100 000, got 1"),
]


@pytest.mark.parametrize(("section", "message"), BAD)
def test_what_contradicts_is_refused_with_its_cure(section, message):
    with pytest.raises(ConfigError, match=message):
        parse_config({"reference": section})


def test_the_shorthand_of_a_count_does_not_go_with_a_mixture():
    with pytest.raises(ConfigError, match="instances: expected nothing because pick says how many"):
        parse_config({"instances": 8, "reference": {"pick": {"errors": 2}}})
