"""What is written can be read back, and the files in ``configs/`` are what the code says."""

import json
from pathlib import Path
from typing import get_args

import jsonschema
import pydantic
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_lime.config import (
    Config,
    commented_yaml,
    config_schema,
    default_yaml,
    dump_config,
    load_config,
)
from mlflow_lime.config.problems import sections

CONFIGS = Path(__file__).resolve().parents[2] / "configs"

NAMES = st.text(min_size=1, max_size=8)
NUMBERS = st.floats(1e-6, 10)
CODE = st.sampled_from(["mine:score", "a.b_c.d:make.it"])
COLUMNS = st.lists(NAMES, unique=True, max_size=3).map(tuple)
SOME_COLUMNS = st.lists(NAMES, unique=True, min_size=1, max_size=3).map(tuple)
EDGES = st.lists(
    st.floats(allow_nan=False, allow_infinity=False), unique=True, min_size=1, max_size=4
).map(lambda edges: tuple(sorted(edges)))


@st.composite
def references(draw):
    pick = draw(st.sampled_from(["stratified", "random", "ids", "rows", "query"]))
    values = {
        "ids": st.lists(NAMES | st.integers(), unique_by=repr, min_size=1, max_size=4).map(tuple),
        "rows": st.lists(st.integers(0, 10**6), unique=True, min_size=1, max_size=4).map(tuple),
        "query": NAMES,
    }
    return {
        "pick": pick,
        "count": draw(st.integers(1, 100)),
        **({pick: draw(values[pick])} if pick in values else {}),
        "store_inputs": draw(st.sampled_from(["full", "redacted", "none"])),
    }


@st.composite
def tabulars(draw):
    representation = draw(st.sampled_from(["mask", "bins", "standardised"]))
    columns = draw(COLUMNS)
    own = {
        "mask": ("sampling", st.sampled_from(["independent", "copula"])),
        "bins": (
            "bins",
            st.sampled_from(["quartile", "decile", "entropy"])
            | st.dictionaries(NAMES, EDGES, min_size=1, max_size=3),
        ),
        "standardised": ("around", st.sampled_from(["instance", "mean"])),
    }
    key, values = own[representation]
    return {
        "representation": representation,
        key: draw(values),
        "groups": {"group": columns} if columns else draw(st.sampled_from(["auto", "none"])),
        "categorical": draw(st.just("auto") | COLUMNS),
    }


@st.composite
def configs(draw):
    rows = draw(st.integers(128, 10**6))
    return Config(
        models=draw(NAMES | SOME_COLUMNS),
        on_error=draw(st.sampled_from(["record", "raise"])),
        seed=draw(st.integers(0, 2**32 - 1)),
        predict=draw(st.none() | CODE),
        labels=draw(
            st.sampled_from(["auto", "all", 3])
            | st.lists(
                NAMES | st.integers() | st.booleans(), unique_by=repr, min_size=1, max_size=3
            ).map(tuple)
        ),
        data={
            "source": draw(st.sampled_from(["auto", "run", "x y.csv", "runs:/1/a"])),
            "target": draw(st.none() | NAMES),
            "drop": draw(COLUMNS),
        },
        background={"source": "~/b.json", "max_rows": draw(st.integers(10, 10**6))},
        reference=draw(references()),
        tabular=draw(tabulars()),
        sampling={
            "rows": rows,
            "max_rows": draw(st.integers(rows, 10**7)),
            "replicates": draw(st.integers(2, 64)),
            "precision": draw(NUMBERS),
            "max_seconds": draw(st.none() | NUMBERS),
        },
        kernel={"kind": "exponential", "width": draw(st.just("auto") | NUMBERS)},
        surrogate={
            "kind": draw(st.just("lasso") | CODE),
            "select": "forward",
            "parts": draw(st.integers(1, 100)),
            "penalty": draw(st.floats(0, 1)),
        },
        prediction={
            "block_bytes": draw(st.integers(2**16, 2**40)),
            "progress": draw(st.sampled_from(["auto", "on", "off"])),
        },
    )


@pytest.mark.parametrize("write", [dump_config, commented_yaml])
@given(config=configs())
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
def test_what_is_written_is_read_back(write, tmp_path_factory, config):
    path = tmp_path_factory.mktemp("round") / "lime.yaml"
    path.write_text(write(config), encoding="utf-8")
    again = load_config(path)
    assert again == config
    assert again.digest() == config.digest()


@given(config=configs())
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=40)
def test_the_schema_accepts_what_is_written(config):
    tree = yaml.safe_load(dump_config(config))
    jsonschema.Draft202012Validator(config_schema()).validate(tree)


def test_default_yaml_is_the_file():
    assert (CONFIGS / "default.yaml").read_text(encoding="utf-8") == default_yaml(), (
        "configs/default.yaml is out of date: write mlflow_lime.config.default_yaml() to it"
    )


@pytest.mark.skipif(
    tuple(map(int, pydantic.VERSION.split(".")[:2])) < (2, 10),
    reason="older versions of pydantic write the same schema in another form",
)
def test_schema_is_the_file():
    assert json.loads((CONFIGS / "schema.json").read_text(encoding="utf-8")) == config_schema(), (
        "configs/schema.json is out of date: write mlflow_lime.config.config_schema() to it"
    )


def test_default_yaml_is_the_defaults():
    assert load_config(CONFIGS / "default.yaml") == Config()


def test_default_yaml_has_every_key_and_fits_the_page():
    tree = yaml.safe_load(default_yaml())
    assert list(tree) == list(Config.model_fields)
    for name, keys in sections().items():
        assert tuple(tree[name]) == keys
    assert max(map(len, default_yaml().splitlines())) <= 100


def fields():
    for name, field in Config.model_fields.items():
        if name not in sections():
            yield name, field
        else:
            for key, inner in field.annotation.model_fields.items():
                yield f"{name}.{key}", inner


def words(annotation):
    for arg in get_args(annotation):
        yield from [arg] if isinstance(arg, str) else words(arg)


@pytest.mark.parametrize(("key", "field"), [pytest.param(*pair, id=pair[0]) for pair in fields()])
def test_every_key_is_described_with_all_its_words(key, field):
    assert field.description.endswith(".")
    assert not [word for word in words(field.annotation) if word not in field.description]


@pytest.mark.parametrize("name", sections())
def test_every_section_is_described(name):
    assert Config.model_fields[name].description.endswith(".")


def test_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(config_schema())


@pytest.mark.parametrize(
    "tree",
    [
        {"sede": 1},
        {"sampling": {"rowz": 1}},
        {"sampling": {"rows": 1}},
        {"task": "ranking"},
        {"models": []},
        {"predict": "no reference"},
        {"surrogate": {"confidence": 1}},
        {"prediction": {"block_bytes": "64 parsecs"}},
        {"tabular": {"bins": {"age": []}}},
    ],
)
def test_schema_refuses(tree):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tree, config_schema())


@pytest.mark.parametrize(
    "tree",
    [
        yaml.safe_load(default_yaml()),
        {"prediction": {"progress": False, "block_bytes": 70_000}},
        {"tabular": {"representation": "bins", "bins": {"age": [1, 2.5]}}},
        {"labels": ["a", 1, True]},
    ],
)
def test_schema_accepts(tree):
    jsonschema.validate(tree, config_schema())
