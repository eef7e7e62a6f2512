"""YAML: plain data with lines; anything else, and anything too large, is refused."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mlflow_lime.config.yaml_lines import MAX_BYTES, read_yaml, write_yaml
from mlflow_lime.errors import ConfigError


@pytest.fixture
def read(tmp_path):
    def read(content):
        path = tmp_path / "lime.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_yaml(path)

    return read


def test_lines_are_those_of_the_keys_and_items(read):
    document = read("# first\na:\n  b: 1\n\n  c:\n    - x\n    - y\nd: [1,\n  2]\n")
    assert document.lines == {
        (): 2,
        ("a",): 2,
        ("a", "b"): 3,
        ("a", "c"): 5,
        ("a", "c", 0): 6,
        ("a", "c", 1): 7,
        ("d",): 8,
        ("d", 0): 8,
        ("d", 1): 9,
    }
    assert document.place(("a", "zzz", 3)) == f"{document.name}:2"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("True", True),
        ("null", None),
        ("~", None),
        ("", None),
        ("-12", -12),
        ("007", "007"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("1e-9", 1e-9),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("-.inf", float("-inf")),
        ("0x10", "0x10"),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("!!float 1", 1.0),
    ],
)
def test_scalars_follow_yaml_1_2(read, text, value):
    got = read(f"key: {text}").value["key"]
    assert got == value
    assert type(got) is type(value)


def test_keys_are_text(read):
    assert read("1: a\ntrue: b\nnull: c\n").value == {"1": "a", "true": "b", "null": "c"}


def test_aliases_are_followed(read):
    assert read("a: &x [1, 2]\nb: *x\n").value == {"a": [1, 2], "b": [1, 2]}


def test_byte_order_mark_is_ignored(read):
    assert read(b"\xef\xbb\xbfa: 1").value == {"a": 1}


REFUSED = {
    "duplicate keys": (
        "a: 1\nb:\n  c: 1\n  c: 2\na: 3",
        ":4: b.c: expected each key once, got it again after line 3. Remove one.",
    ),
    "syntax": (
        "a: [1\nb: 2",
        ":2: expected valid YAML. The reader says: while parsing a flow sequence,",
    ),
    "two documents": ("a: 1\n---\nb: 2", ":2: expected valid YAML. The reader says: expected a"),
    "unknown alias": ("a: *x", ":1: expected valid YAML. The reader says: found undefined alias"),
    "tag": ("a: !!python/object/apply:os.system [ls]", ":1: expected plain YAML, got the tag"),
    "tag of another kind": ("a: !!set {x}", ":1: expected plain YAML, got the tag"),
    "tag that does not fit": ("a: !!int x", ":1: expected a value of type int, got 'x'."),
    "number without end": ("a: " + "9" * 5000, ":1: expected a value of type int, got '999"),
    "key that is no text": ("? [a]\n: 1", ":1: expected a name before the colon, got a list"),
    "other encoding": (b"a: 1\nb: \xff", ":2: expected UTF-8 text, got other bytes. Save it as"),
    "control character": ("a: 1\nb: \x00", ":2: expected text, got the control character '\\x00'"),
    "escape of no character": (r'a: "\Uffffffff"', ": expected valid YAML, got an escape"),
    "deep nesting": ("[" * 50_000, ": expected at most 20 levels of nesting, got more."),
    "nesting": ("[" * 30 + "]" * 30, ":1: expected at most 20 levels of nesting, got more."),
    "alias to itself": ("a: &x [*x]", ":1: expected at most 20 levels of nesting, got more."),
    "alias bomb": (
        "a0: &a0 [" + "x," * 10 + "]\n"
        + "".join(f"a{i}: &a{i} [" + f"*a{i - 1}," * 10 + "]\n" for i in range(1, 9)),
        ":5: expected at most 100000 values, got more. Aliases",
    ),
    "huge file": ("#" * (MAX_BYTES + 1), ": expected at most 1048576 bytes, got more."),
}  # fmt: skip


@pytest.mark.parametrize("situation", REFUSED)
def test_refused(situation, read, tmp_path):
    content, expected = REFUSED[situation]
    with pytest.raises(ConfigError) as caught:
        read(content)
    assert str(caught.value).startswith(f"{tmp_path / 'lime.yaml'}{expected}")


def test_all_duplicates_are_listed(read):
    with pytest.raises(ConfigError) as caught:
        read("a: 1\na: 2\nb: 1\nb: 2\n")
    assert len(str(caught.value).splitlines()) == 2


def test_missing_file(tmp_path):
    path = tmp_path / "none.yaml"
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    assert str(caught.value) == (
        f"{path}: expected a YAML file, got no such file."
        " Check the path; `mlflow-lime init` writes a file to start from."
    )


def test_folder_for_a_file(tmp_path):
    with pytest.raises(ConfigError, match=r": expected a readable YAML file, got Is a directory\."):
        read_yaml(tmp_path)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.from_regex(r"\A[-+]?[0-9_.:eE~xofn-]{1,8}\Z")
    | st.sampled_from(["yes", "no", "on", "off", "null", "~", "true", "007", "1e5", "2024-01-01"])
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(TREES)
def test_what_is_written_is_read_back(tmp_path_factory, tree):
    path = tmp_path_factory.mktemp("round") / "lime.yaml"
    path.write_text(write_yaml({"tree": tree}), encoding="utf-8")
    assert read_yaml(path).value == {"tree": tree}


@given(TREES)
def test_other_readers_understand_what_is_written(tree):
    assert yaml.safe_load(write_yaml({"tree": tree})) == {"tree": tree}


def test_an_alias_without_quotes_is_refused_with_the_hint_to_put_some(read):
    with pytest.raises(ConfigError, match=r":2: .*in quotes, such as '@champion'"):
        read("compare:\n  baseline: @champion\n")
    assert read("compare: {baseline: '@champion'}").value == {"compare": {"baseline": "@champion"}}
