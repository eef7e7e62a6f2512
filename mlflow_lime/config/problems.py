"""Pydantic's errors as sentences: what was expected, what was got, and how to mend it.

What was expected is read off the JSON Schema, so that a message can never differ from the check.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any

from pydantic_core import ErrorDetails

from mlflow_lime.config.model import Config
from mlflow_lime.config.sections import CONTRADICTIONS, Section
from mlflow_lime.config.values import PROBLEM
from mlflow_lime.config.yaml_lines import KeyPath
from mlflow_lime.errors import did_you_mean, shorten

__all__ = ["Problem", "describe", "dotted", "schema_of", "sections", "unknown_key"]

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the configuration.

    Attributes
    ----------
    path : tuple
        The way to the value.
    text : str
        What was expected, what was got, and the cure.
    """

    path: KeyPath
    text: str


def dotted(path: KeyPath) -> str:
    """Return a path as a person writes it.

    Examples
    --------
    >>> dotted(("reference", "rows", 2))
    'reference.rows[2]'
    """
    text = ""
    for item in path:
        if item == "" or not isinstance(item, str):
            text += f"[{item!r}]"
        else:
            text += f".{item}" if text else item
    return text


@cache
def schema_of() -> Schema:
    """Return the JSON Schema of `Config`, generated once."""
    return Config.model_json_schema()


@cache
def sections() -> Mapping[str, tuple[str, ...]]:
    """Return the keys of every section."""
    return {
        name: tuple(field.annotation.model_fields)
        for name, field in Config.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    }


def describe(
    errors: Iterable[ErrorDetails], value: object, shorthands: Mapping[str, str]
) -> list[Problem]:
    """Return the problems behind pydantic's errors, one for each place.

    Parameters
    ----------
    errors : iterable of dict
        ``ValidationError.errors()``.
    value : object
        What was validated.
    shorthands : mapping
        Other names of keys, and what to suggest where one of them was meant.
    """
    by_key: dict[KeyPath, list[tuple[KeyPath, ErrorDetails]]] = {}
    contradictions: list[Problem] = []
    for error in errors:
        path = _real_path(error["loc"], value)
        if error["type"] == CONTRADICTIONS:
            found = error["ctx"]["found"]
            contradictions += [Problem((*path, key), text) for key, text in found]
        else:
            by_key.setdefault(_key_of(path), []).append((path, error))
    problems = [
        problem
        for alternatives in by_key.values()
        for problem in _deepest(alternatives, value, shorthands)
    ]
    return problems + contradictions


def unknown_key(path: KeyPath, shorthands: Mapping[str, str]) -> str:
    """Return the sentence for a key that does not exist, with the one that was meant."""
    *_, key = path
    inside = sections()[str(path[0])] if len(path) == 2 else tuple(Config.model_fields)
    hint = _meant(str(key), inside, shorthands) or did_you_mean(str(key), inside)
    known = f" Known keys: {', '.join(inside)}."
    return f"expected a known key, got {shorten(key)}.{hint or known}"


def _meant(key: str, inside: Sequence[str], shorthands: Mapping[str, str]) -> str:
    """Return a hint to a very similar key: of the same section, another one, or a shorthand."""
    places = dict(shorthands)
    for section, keys in sections().items():
        for inner in keys:
            places.setdefault(inner, f"{section}.{inner}")
    places.update({name: name for name in (*Config.model_fields, *inside)})
    close = get_close_matches(key, places, n=1, cutoff=0.75)
    return f" Did you mean {places[close[0]]!r}?" if close else ""


def _key_of(path: KeyPath) -> KeyPath:
    return path[:2] if path and path[0] in sections() else path[:1]


def _real_path(loc: Sequence[str | int], value: object) -> KeyPath:
    """Drop what pydantic adds to a location, such as the names of a union's alternatives."""
    path: list[str | int] = []
    for item in loc:
        if (isinstance(value, Mapping) and item in value) or (
            isinstance(value, Sequence)
            and not isinstance(value, str)
            and isinstance(item, int)
            and item < len(value)
        ):
            path.append(item)
            value = value[item]  # type: ignore[index]
    return tuple(path)


def _deepest(
    alternatives: Sequence[tuple[KeyPath, ErrorDetails]],
    value: object,
    shorthands: Mapping[str, str],
) -> Iterator[Problem]:
    """Keep the errors of the alternative of a union that came furthest."""
    chosen: dict[KeyPath, ErrorDetails] = {}
    for path, error in alternatives:
        if path not in chosen or error["type"] == PROBLEM:
            chosen[path] = error
    outer = {path[:length] for path in chosen for length in range(len(path))}
    for path, error in chosen.items():
        if path not in outer:
            yield Problem(path, _sentence(path, error, _at(value, path), shorthands))


def _sentence(
    path: KeyPath, error: ErrorDetails, got: object, shorthands: Mapping[str, str]
) -> str:
    if error["type"] == PROBLEM:
        return str(error["ctx"]["text"])
    if error["type"] == "extra_forbidden":
        return unknown_key(path, shorthands)
    if error["type"] == "invalid_key" or error["loc"][-1:] == ("[key]",):
        key = path[-1]
        cure = "Give it a name." if key == "" else "Put it in quotes."
        return f"expected a name as text, got the key {shorten(key)}. {cure}"
    schema = _schema_at(path)
    return f"expected {_phrase(schema)}, got {shorten(got)}.{_cure(schema, got)}"


def _cure(schema: Schema, got: object) -> str:
    types = {option.get("type") for option in _options(schema)}
    if isinstance(got, str):
        if types & {"integer", "number"} and _is_number(got):
            return " Write it without quotes."
        return did_you_mean(got, [word for o in _options(schema) for word in o.get("enum", ())])
    if "array" in types and isinstance(got, int | float) and not isinstance(got, bool):
        return f" For a list write [{got}]." if not types & {"integer", "number"} else ""
    return ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _at(value: object, path: KeyPath) -> object:
    for item in path:
        value = value[item]  # type: ignore[index]
    return value


def _options(schema: Schema) -> list[Schema]:
    schema = _resolved(schema)
    return (
        [inner for option in schema["anyOf"] for inner in _options(option)]
        if ("anyOf" in schema)
        else [schema]
    )


def _resolved(schema: Schema) -> Schema:
    if len(schema.get("allOf", ())) == 1:  # how older versions of pydantic write a section
        return _resolved(schema["allOf"][0])
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return schema_of()["$defs"][name]  # type: ignore[no-any-return]
    return schema


def _schema_at(path: KeyPath) -> Schema:
    """Return the part of the schema that describes the value at a path."""
    schema: Schema = schema_of()
    for item in path:
        inner = [_step(option, item) for option in _options(schema)]
        schema = next((found for found in inner if found is not None), {})
    return schema


def _step(schema: Schema, item: str | int) -> Schema | None:
    if isinstance(item, int):
        found = schema.get("items")
    else:
        found = schema.get("properties", {}).get(item, schema.get("additionalProperties"))
    return found or None


def _phrase(schema: Schema, *, inside: bool = False) -> str:
    options = _options(schema)
    if len(options) > 1:
        words = [word for o in options for word in _alternatives(o)]
        return _either(words)
    return _either(_alternatives(options[0], described=inside))


def _alternatives(schema: Schema, *, described: bool = True) -> list[str]:
    if "enum" in schema:
        return [_word(item) for item in schema["enum"]]
    if "const" in schema:
        return [_word(schema["const"])]
    if described and "description" in schema and schema.get("type") == "string":
        return [schema["description"]]
    return [_typed(schema)]


def _word(item: object) -> str:
    return str(item).lower() if isinstance(item, bool) else repr(item)


def _either(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _typed(schema: Schema) -> str:
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return ("a whole number" if kind == "integer" else "a number") + _bounds(schema)
    if kind == "array":
        some = "a list that is not empty" if schema.get("minItems") else "a list"
        return f"{some} (each {_phrase(schema['items'], inside=True)})"
    if kind == "object" and "properties" in schema:
        return f"a mapping with keys such as {next(iter(schema['properties']))}"
    if kind == "object":
        each = _phrase(schema["additionalProperties"], inside=True)
        return f"a mapping from names (each to {each})"
    if kind == "string":
        return "text that is not empty" if schema.get("minLength") else "text"
    return {"boolean": "true or false", "null": "null"}.get(str(kind), "another value")


def _bounds(schema: Schema) -> str:
    def said(words: str, key: str) -> list[str]:
        return [f"{words} {_number(schema[key])}"] if key in schema else []

    if "minimum" in schema and "maximum" in schema:
        return f" {said('from', 'minimum')[0]} {said('to', 'maximum')[0]}"
    least = said("of at least", "minimum") + said("above", "exclusiveMinimum")
    most = said("at most", "maximum") + said("below", "exclusiveMaximum")
    return "".join(f" {bounds}" for bounds in [" and ".join(least + most)] if bounds)


def _number(value: float) -> str:
    whole = float(value).is_integer()
    return f"{int(value):,}".replace(",", " ") if whole else f"{value:g}"
