"""YAML read safely, with the line of every value: nothing is constructed but plain data.

Scalars follow YAML 1.2: only ``true`` and ``false`` are booleans, so that a class may be called
``no``, and a date, a time or a number with leading zeros stays text.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mlflow_lime.errors import ConfigError, shorten

__all__ = ["MAX_BYTES", "Document", "KeyPath", "read_yaml", "write_yaml"]

KeyPath = tuple[str | int, ...]
"""The way to a value: keys of mappings and positions in lists."""

MAX_BYTES = 2**20
MAX_VALUES = 100_000
MAX_DEPTH = 20

_CORE = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """A loader with the scalars of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


class _Dumper(yaml.SafeDumper):
    """A dumper that quotes whatever YAML 1.1 or `_Loader` would not read as text."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: list(resolvers)
        for first, resolvers in yaml.SafeDumper.yaml_implicit_resolvers.items()
    }

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    # Other quotes would let the reader fold these line breaks into spaces.
    style = '"' if set(text) & set("\x85\u2028\u2029") else None
    return dumper.represent_scalar(f"{_CORE}str", text, style=style)


_Dumper.add_representer(str, _represent_text)

_FLOAT = r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?"
_SCALARS = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
    "float": (
        rf"{_FLOAT}|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
}
for _name, (_pattern, _first) in _SCALARS.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_CORE + _name, re.compile(rf"(?:{_pattern})\Z"), _first)


def _scalar(node: yaml.Node) -> object:
    text: str = node.value
    kind = node.tag.removeprefix(_CORE)
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int":
        return int(text)
    if kind == "float":
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


@dataclass
class Document:
    """A YAML file as plain data, with the line of every value.

    Attributes
    ----------
    name : str
        The file as messages name it.
    value : object
        Mappings, lists and scalars; keys of mappings are always text.
    lines : dict
        From the way to a value to its line, counted from 1.
    problems : list of (int, str)
        Lines and sentences of what is wrong with the YAML itself.
    """

    name: str
    value: object = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)

    def line(self, path: KeyPath) -> int:
        """Return the line of a value, or of the nearest mapping around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def place(self, path: KeyPath) -> str:
        """Return ``FILE:LINE`` of a value, or of the nearest mapping around it."""
        return f"{self.name}:{self.line(path)}"


def read_yaml(path: str | os.PathLike[str]) -> Document:
    """Read one YAML file.

    Parameters
    ----------
    path : path
        The file, in UTF-8, at most `MAX_BYTES` long.

    Returns
    -------
    Document
        The data and the lines.

    Raises
    ------
    ConfigError
        If there is no such file, it is too large, not text, not YAML, or ambiguous.
    """
    name = os.fspath(path)
    document = Document(name)
    try:
        node = _compose(_read_text(Path(path)))
        if node is not None:
            document.value = _Builder(document).build(node, (), 0)
    except _Refused as refused:
        raise ConfigError(f"{name}{refused}") from None
    if document.problems:
        raise ConfigError("\n".join(f"{name}:{line}: {text}" for line, text in document.problems))
    return document


def write_yaml(value: object) -> str:
    """Return block-style YAML that `read_yaml` and any YAML 1.1 reader read alike.

    Examples
    --------
    >>> print(write_yaml({"labels": ["no", "2024-01-01"], "penalty": 1e-9}), end="")
    labels:
    - 'no'
    - '2024-01-01'
    penalty: 1.0e-09
    """
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=96)


class _Refused(Exception):
    """A file that cannot be read; the text begins with ``:LINE: `` or ``: ``."""


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _Refused(
            ": expected a YAML file, got no such file."
            " Check the path; `mlflow-lime init` writes a file to start from."
        ) from None
    except OSError as error:
        raise _Refused(f": expected a readable YAML file, got {error.strerror}.") from None
    if len(content) > MAX_BYTES:
        raise _Refused(
            f": expected at most {MAX_BYTES} bytes, got more."
            " Put long lists of instances into a column of the data and use pick: query."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _Refused(
            f":{line}: expected UTF-8 text, got other bytes. Save it as UTF-8."
        ) from None


def _compose(text: str) -> yaml.Node | None:
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f":{mark.line + 1}" if mark else ""
        said = ", ".join(part for part in (error.context, error.problem) if part)
        cure = "Check indentation, quotes and colons."
        if "cannot start any token" in said:
            cure = "Put text that begins with this character in quotes, such as '@champion'."
        raise _Refused(f"{at}: expected valid YAML. The reader says: {said}. {cure}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _Refused(
            f":{line}: expected text, got the control character"
            f" {shorten(text[error.position : error.position + 1])}. Remove it."
        ) from None
    except (ValueError, OverflowError):  # "\\UFFFFFFFF"
        raise _Refused(": expected valid YAML, got an escape that is no character.") from None
    except RecursionError:
        raise _Refused(f": expected at most {MAX_DEPTH} levels of nesting, got more.") from None


class _Builder:
    """Plain data from nodes; aliases are followed, within a bound on values and depth."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.values = 0

    def build(self, node: yaml.Node, path: KeyPath, depth: int) -> Any:
        line = node.start_mark.line + 1
        self._bound(self.document.line(path[:1]), depth)  # an alias has the line of its anchor
        self.document.lines.setdefault(path, line)
        if not node.tag.startswith(_CORE) or node.tag[len(_CORE) :] not in _KINDS[type(node)]:
            self._problem(line, f"expected plain YAML, got the tag {node.tag!r}. Remove it.")
            return None
        if isinstance(node, yaml.MappingNode):
            return dict(self._entries(node, path, depth))
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, i), depth + 1) for i, item in enumerate(node.value)]
        return self._scalar(node, line)

    def _entries(
        self, node: yaml.MappingNode, path: KeyPath, depth: int
    ) -> Iterator[tuple[str, object]]:
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(line, "expected a name before the colon, got a list or a mapping.")
                continue
            key: str = key_node.value
            if key in first:
                where = ".".join(map(str, (*path, key)))
                text = f"expected each key once, got it again after line {first[key]}. Remove one."
                self._problem(line, f"{where}: {text}")
                continue
            first[key] = line
            self.document.lines[*path, key] = line
            yield key, self.build(value_node, (*path, key), depth + 1)

    def _scalar(self, node: yaml.Node, line: int) -> object:
        try:
            return _scalar(node)
        except ValueError:  # an explicit tag on another text, or a number of thousands of digits
            kind = node.tag.removeprefix(_CORE)
            self._problem(line, f"expected a value of type {kind}, got {shorten(node.value)}.")
            return None

    def _problem(self, line: int, text: str) -> None:
        self.document.problems.append((line, text))

    def _bound(self, line: int, depth: int) -> None:
        self.values += 1
        if depth > MAX_DEPTH:
            raise _Refused(f":{line}: expected at most {MAX_DEPTH} levels of nesting, got more.")
        if self.values > MAX_VALUES:
            raise _Refused(
                f":{line}: expected at most {MAX_VALUES} values, got more."
                " Aliases (*name) count each time they are used."
            )


_KINDS: dict[type[yaml.Node], tuple[str, ...]] = {
    yaml.MappingNode: ("map",),
    yaml.SequenceNode: ("seq",),
    yaml.ScalarNode: ("str", *_SCALARS),
}
