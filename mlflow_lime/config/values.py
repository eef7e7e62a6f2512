"""The kinds of values that several keys share: names, sources, sizes, edges, references to code."""

import re
from collections.abc import Sequence
from copy import deepcopy
from itertools import pairwise
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer
from pydantic_core import PydanticCustomError

from mlflow_lime.errors import did_you_mean, shorten

__all__ = [
    "PROBLEM",
    "BackgroundSource",
    "ByteSize",
    "ClassName",
    "CodeReference",
    "DataSource",
    "Edges",
    "ImageFile",
    "InstanceId",
    "Items",
    "Name",
    "SomeItems",
    "Switch",
    "VersionWish",
    "format_bytes",
    "is_path",
    "list_to_tuple",
    "problem",
]

PROBLEM = "mlflow_lime"
"""The pydantic error type of a message of our own."""

T = TypeVar("T")


def problem(text: str) -> PydanticCustomError:
    """Return an error that pydantic carries to the place of the value, with `text` as it stands."""
    return PydanticCustomError(PROBLEM, "{text}", {"text": text})


def list_to_tuple(value: object) -> object:
    """Return a list as a tuple, and anything else as it is."""
    return tuple(value) if isinstance(value, list) else value


def _without_repeats(items: tuple[T, ...]) -> tuple[T, ...]:
    seen: list[tuple[type, T]] = []
    for item in items:
        if (type(item), item) in seen:
            raise problem(f"expected different items, got {shorten(item)} twice. Remove one.")
        seen.append((type(item), item))
    return items


class _JsonSchema:
    """The JSON Schema of a type, made anew each time: pydantic 2.9 writes defaults into it."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> dict[str, Any]:
        return deepcopy(self.schema)


Items = Annotated[tuple[T, ...], BeforeValidator(list_to_tuple), AfterValidator(_without_repeats)]
"""A list without repeats, kept as a tuple."""

SomeItems = Annotated[
    tuple[T, ...],
    Field(min_length=1),  # next to the tuple, so that the JSON Schema says it too
    BeforeValidator(list_to_tuple),
    AfterValidator(_without_repeats),
]
"""`Items`, at least one."""

Name = Annotated[str, Field(min_length=1)]


def _number_to_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


VersionWish = Annotated[
    str,
    Field(min_length=1),
    BeforeValidator(_number_to_text),
    _JsonSchema({"anyOf": [{"type": "string", "minLength": 1}, {"type": "integer"}]}),
]
"""What a person calls a version: a number, which YAML reads as one, or text."""

ClassName = str | int | bool
InstanceId = str | int


def _switch(value: object) -> object:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else value


Switch = Annotated[
    Literal["auto", "on", "off"],
    BeforeValidator(_switch),
    _JsonSchema({"enum": ["auto", "on", "off", True, False]}),
]
"""auto, on or off; YAML 1.1 readers turn the last two into booleans, so those are taken too."""


CodeReference = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$",
        description="a reference of the form 'package.module:function'",
    ),
]
"""Where a function is; only its shape is checked here, nothing is imported."""


def _edges(values: tuple[float, ...]) -> tuple[float, ...]:
    for low, high in pairwise(values):
        if low >= high:
            raise problem(
                f"expected strictly increasing edges, got {low:g} before {high:g}."
                " Sort the edges and remove repeated ones."
            )
    return values


Edges = Annotated[
    tuple[float, ...],
    Field(min_length=1),
    BeforeValidator(list_to_tuple),
    AfterValidator(_edges),
]


_UNITS = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
_SIZE = re.compile(r"^\s*([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*([A-Za-z]{1,3})\s*$")


def _parse_bytes(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _SIZE.match(value)
    if match is None or match[2] not in _UNITS:
        hint = did_you_mean(match[2], _UNITS) if match else ""
        raise problem(
            f"expected a number of bytes or a size such as '64MiB', got {shorten(value)}."
            f"{hint or ' Units: B, kB, MB, GB, KiB, MiB, GiB.'}"
        )
    return round(float(match[1]) * _UNITS[match[2]])


def format_bytes(size: int) -> int | str:
    """Return `size` in the largest binary unit that divides it.

    Examples
    --------
    >>> format_bytes(64 * 2**20), format_bytes(70_000)
    ('64MiB', 70000)
    """
    for unit in ("GiB", "MiB", "KiB"):
        if size and size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]}{unit}"
    return size


_LEAST_BYTES, _MOST_BYTES = 2**16, 2**40

ByteSize = Annotated[
    int,
    BeforeValidator(_parse_bytes),
    Field(ge=_LEAST_BYTES, le=_MOST_BYTES),
    PlainSerializer(format_bytes),
    _JsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": _LEAST_BYTES, "maximum": _MOST_BYTES},
                {
                    "type": "string",
                    "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*(B|kB|KB|MB|GB|KiB|MiB|GiB)\s*$",
                    "description": "a size such as '64MiB'",
                },
            ]
        }
    ),
]


_WORDS = ("auto", "run", "input_example")
_URI = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:/")  # one letter before the colon is a Windows drive


def is_path(source: str) -> bool:
    """Whether a source names a file, and not a word with a meaning or a URI.

    Examples
    --------
    >>> is_path("train.csv"), is_path("runs:/1f2e/train.csv"), is_path("auto")
    (True, False, False)
    """
    return source not in _WORDS and _URI.match(source) is None


def _check_source(source: str, suffixes: Sequence[str]) -> str:
    if is_path(source) and not source.lower().endswith(tuple(suffixes)):
        raise problem(
            f"expected 'auto', 'run', 'input_example', a {_listed(suffixes)} file, or an"
            f" artifact URI such as 'runs:/<run id>/train.csv', got {shorten(source)}."
            f"{did_you_mean(source, _WORDS)}"
        )
    return source


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _data_source(source: str) -> str:
    return _check_source(source, (".csv", ".parquet", ".npz", ".npy"))


def _background_source(source: str) -> str:
    return _check_source(source, (".csv", ".parquet", ".npz", ".npy", ".json"))


ImageFile = Annotated[
    str,
    Field(
        pattern=r"(?i)\.(png|jpe?g|bmp|tiff?|webp)$",
        description="an image file",
    ),
]
DataSource = Annotated[str, AfterValidator(_data_source)]
BackgroundSource = Annotated[str, AfterValidator(_background_source)]
