"""Steps files: what is read, what is refused, and where the message points."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_lime.config import Config, load_config
from mlflow_lime.config.sections import Section
from mlflow_lime.config.steps import StepKeys, load_steps
from mlflow_lime.config.yaml_lines import write_yaml
from mlflow_lime.errors import ConfigError
from mlflow_lime.pipeline.registry import KINDS, STEPS

ROOT = Path(__file__).parents[2]


class Own(Section):
    against: str
    strict: bool = False


EXTRA = {**KINDS, "compare": StepKeys(own=Own)}


@pytest.fixture
def read(tmp_path):
    def write_and_read(text, **options):
        path = tmp_path / "steps.yaml"
        path.write_text(text)
        return load_steps(path, EXTRA, **options)

    return write_and_read


@pytest.fixture
def refusal(read, tmp_path):
    def provoke(text, **options):
        with pytest.raises(ConfigError) as caught:
            read(text, **options)
        return str(caught.value).replace(f"{tmp_path}/", "")

    return provoke


def test_the_example_is_valid_and_names_every_step_that_there_is():
    path = ROOT / "configs" / "pipeline.yaml"
    found = load_steps(path, KINDS)
    assert found.model == "models:/credit/latest"
    assert [step.kind for step in found.steps] == list(STEPS)
    assert found.steps[0].config.reference.count == 30
    assert found.steps[1].config == load_config(ROOT / "configs" / "default.yaml")
    text = path.read_text()
    for word in ("after", "models", "alias", "tag", "name", "when", "on_error", "new", "digest"):
        assert f"{word}:" in text or f"#   {word} " in text, word


def test_a_step_overrides_keys_of_the_base_and_keeps_the_rest(read):
    found = read(
        "config: {seed: 7, sampling: {rows: 64, max_rows: 128}}\n"
        "steps:\n"
        "  - reference: {count: 3, new: true}\n"
        "  - explain: {sampling: {max_rows: 64}, labels: all}\n"
        "  - explain:\n"
        "  - compare: {against: champion}\n"
    )
    reference, first, second, compare = found.steps
    assert reference.options.new is True
    assert (reference.config.reference.count, reference.config.seed) == (3, 7)
    assert (first.config.sampling.rows, first.config.sampling.max_rows) == (64, 64)
    assert (first.config.labels, first.config.seed) == ("all", 7)
    assert second.config.sampling.max_rows == 128
    assert compare.options == Own(against="champion")
    assert [step.name for step in found.steps] == ["reference", "explain", "explain 2", "compare"]
    assert [step.place.rpartition(":")[2] for step in found.steps] == ["3", "4", "5", "6"]


def test_a_step_without_a_name_takes_one_that_is_free(read):
    found = read("steps: [{explain: {}, name: explain}, explain, {explain: {}, name: explain 2}]")
    assert [step.name for step in found.steps] == ["explain", "explain 3", "explain 2"]


def test_a_name_alone_is_a_step_without_keys(read):
    assert read("steps: [explain]").steps[0].config == Config()


def test_the_base_is_a_file_beside_the_steps_or_the_one_of_the_command_line(read, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "lime.yaml").write_text("seed: 3\ndata: {source: a.csv}\n")
    (tmp_path / "other.yaml").write_text("seed: 4\n")
    text = "config: sub/lime.yaml\nsteps:\n  - explain: {background: {source: b.csv}}\n"
    (step,) = read(text).steps
    assert step.config.seed == 3
    assert step.config.locate(step.config.data.source) == str(tmp_path / "sub" / "a.csv")
    assert step.config.background.source == str(tmp_path / "b.csv"), "relative to the steps file"
    chosen = read(text, config_path=str(tmp_path / "other.yaml"))
    assert (chosen.steps[0].config.seed, chosen.origin) == (4, str(tmp_path / "other.yaml"))
    assert read("steps: [explain]").origin == "all defaults"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("failure", {"after": "failure"}),
        ("{alias: candidate}", {"alias": ("candidate",)}),
        ("{alias: [a, b], after: always}", {"alias": ("a", "b"), "after": "always"}),
        ("{models: 'credit-*'}", {"models": ("credit-*",)}),
        ("{tag: {approved: 'yes'}}", {"tag": {"approved": "yes"}}),
    ],
)
def test_conditions_are_a_word_or_a_mapping(read, written, expected):
    (step,) = read(f"steps:\n  - explain: {{}}\n    when: {written}\n").steps
    when = step.when.model_dump()
    assert when == {"after": "success", "models": (), "alias": (), "tag": {}, **expected}


PROBLEMS = [
    ("seed: 1", "steps.yaml:1: seed: expected a known key, got 'seed'. Known keys: model, config"),
    ("- explain", "steps.yaml:1: expected a mapping with the key steps, got ['explain']"),
    ("model: x", "steps.yaml:1: steps: expected a list of steps that is not empty, such as"),
    ("steps: []", "steps.yaml:1: steps: expected a list of steps that is not empty"),
    ("steps: 3", "expected a list of steps that is not empty, such as - explain: {}, got 3."),
    ("model: 3\nsteps: [explain]", "steps.yaml:1: model: expected text, got 3."),
    ("model: ''\nsteps: [explain]", "model: expected text that is not empty, got ''."),
    ("config: no.yaml\nsteps: [explain]", "config: expected a YAML file, got 'no.yaml': no such"),
    ("config: 3\nsteps: [explain]", "config: expected the path of a YAML file, or a mapping"),
    (
        "config: {sampling: {row: 3}}\nsteps: [explain]",
        "steps.yaml:1: config.sampling.row: expected a known key, got 'row'. Did you mean 'rows'?",
    ),
    ("steps:\n  - 3", "steps.yaml:2: steps[0]: expected a step, such as explain: {}, got 3."),
    (
        "steps:\n  - explian: {}",
        "steps.yaml:2: steps[0].explian: expected the name of a step, got 'explian'. Did you mean"
        " 'explain'? Steps: reference, explain, compare, check, gate.",
    ),
    ("steps: [promote]", "expected the name of a step, got 'promote'. Steps: reference, explain"),
    ("steps:\n  - name: a", "steps[0]: expected the name of a step, got none. Steps: reference"),
    (
        "steps:\n  - explain: {}\n    reference: {}",
        "steps[0]: expected one step, got explain and reference. Begin each one with a dash.",
    ),
    (
        "steps:\n  - explain: {}\n    wehn: always",
        "steps.yaml:3: steps[0].wehn: expected a known key, got 'wehn'. Did you mean 'when'?",
    ),
    ("steps:\n  - explain: 3", "steps[0].explain: expected a mapping, got 3. For no keys write {}"),
    (
        "steps:\n  - explain:\n      sampling:\n        rows: many",
        "steps.yaml:4: steps[0].explain.sampling.rows: expected ",
    ),
    (
        "steps:\n  - reference: {cuont: 3}",
        "steps.yaml:2: steps[0].reference.cuont: expected a known key, got 'cuont'. Did you mean"
        " 'count'?",
    ),
    ("steps:\n  - reference: {count: 0}", "steps[0].reference.count: expected a whole number"),
    ("steps:\n  - reference: {new: 1}", "steps[0].reference.new: expected true or false, got 1."),
    (
        "steps:\n  - reference: {pick: ids}",
        "steps[0].reference.ids: expected a value because pick is 'ids'",
    ),
    ("steps:\n  - compare: {}", "steps[0].compare.against: expected a value, got nothing."),
    (
        "steps:\n  - compare: {against: a, seed: 1}",
        "steps[0].compare.seed: expected a known key, got 'seed'. Known keys: against, strict.",
    ),
    (
        "steps:\n  - explain: {}\n    when: sucess",
        "steps.yaml:3: steps[0].when: expected success, failure, always, or a mapping of",
    ),
    (
        "steps:\n  - explain: {}\n    on_error: contniue",
        "steps[0].on_error: expected 'stop' or 'continue', got 'contniue'. Did you mean 'continue'",
    ),
    (
        "steps:\n  - explain: {}\n    when: {aliases: a}",
        "steps[0].when.aliases: expected a known key, got 'aliases'. Did you mean 'alias'?",
    ),
    (
        "steps:\n  - explain: {}\n    when: {alias: 3}",
        "steps[0].when.alias: expected a name or a list of names, got 3.",
    ),
    ("steps:\n  - explain: {}\n    when: {models: []}", "when.models: expected a name or a list"),
    (
        "steps:\n  - explain: {}\n    when: {tag: approved}",
        "steps[0].when.tag: expected a mapping from tags to values",
    ),
    (
        "steps:\n  - explain: {}\n    when: {tag: {approved: true}}",
        "when.tag: expected text as the value of tag 'approved', got True. Put it in quotes.",
    ),
    (
        "steps:\n  - {explain: {}, name: a}\n  - {explain: {}, name: a}",
        "steps.yaml:3: steps[1].name: expected different names, got 'a' twice. Change one.",
    ),
]


@pytest.mark.parametrize(("text", "expected"), PROBLEMS)
def test_a_mistake_is_named_with_its_place_and_its_cure(refusal, text, expected):
    assert expected in refusal(text)


def test_all_mistakes_are_named_at_once_in_the_order_of_the_file(refusal):
    lines = refusal(
        "steps:\n"
        "  - explain: {sede: 1}\n"
        "    when: never\n"
        "  - reference: {new: 'yes'}\n"
        "  - dance: {}\n"
    ).splitlines()
    assert [line.split(":")[1] for line in lines] == ["2", "3", "4", "5"]


def test_a_step_is_found_by_its_number_or_its_name(read):
    found = read("steps:\n  - reference: {}\n  - explain: {}\n    name: the candidate\n")
    assert [found.position(word) for word in ("1", "2", "the candidate", "reference")] == [
        0,
        1,
        1,
        0,
    ]
    with pytest.raises(ConfigError, match=r"has no step 'refrence'\. Did you mean 'reference'"):
        found.position("refrence")
    for number in ("0", "3", "-1", "²"):
        with pytest.raises(ConfigError, match="It has: 1 reference, 2 the candidate"):
            found.position(number)


KEYS = "steps config model explain reference compare when alias name on_error tag after new ?"
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "explain", "success"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*KEYS.split(), "", "sampling"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(steps=st.lists(anything, max_size=3), config=anything)
def test_whatever_a_file_holds_it_is_read_or_refused_in_words(tmp_path_factory, steps, config):
    path = tmp_path_factory.mktemp("any") / "steps.yaml"
    path.write_text(write_yaml({"config": config, "steps": steps}))
    try:
        names = {step.name for step in load_steps(path, EXTRA).steps}
    except ConfigError as error:
        said = str(error).splitlines()
        names = None
    if names is None:
        assert all(line.startswith(f"{path}:") for line in said)
    else:
        assert len(names) == len(steps)
