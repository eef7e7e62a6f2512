"""The configuration as YAML, plain or commented, and its JSON Schema."""

import textwrap
from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo

from mlflow_lime.config.model import Config
from mlflow_lime.config.sections import Section
from mlflow_lime.config.yaml_lines import write_yaml

__all__ = ["commented_yaml", "config_schema", "default_yaml", "dump_config"]

_HEAD = """\
mlflow-lime: how the versions of a registered model are explained.
Every key stands here with its default. Keep what you change and leave out the rest.
Check a file with: mlflow-lime validate"""

_WIDTH = 100


def dump_config(config: Config) -> str:
    """Return every key of a configuration as YAML that `load_config` reads back.

    Examples
    --------
    >>> dump_config(Config()).splitlines()[:2]
    ["models: '*'", 'on_error: record']
    """
    return write_yaml(config.model_dump(mode="json"))


def commented_yaml(config: Config) -> str:
    """Return every key of a configuration as YAML, each below a comment that explains it."""
    return "\n".join([*_comment(_HEAD, ""), *_commented_lines(config)]) + "\n"


def default_yaml() -> str:
    """Return the commented YAML of all defaults, the text of ``configs/default.yaml``."""
    return commented_yaml(Config())


def config_schema() -> dict[str, Any]:
    """Return the JSON Schema of the YAML file, with descriptions and bounds.

    Examples
    --------
    >>> config_schema()["properties"]["seed"]["minimum"]
    0
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Config.model_json_schema(),
        "title": "mlflow-lime configuration",
    }


def _commented_lines(config: Config) -> Iterator[str]:
    values = config.model_dump(mode="json")
    for name, field in Config.model_fields.items():
        yield ""
        yield from _comment(field.description, "")
        section = getattr(config, name)
        if isinstance(section, Section):
            yield f"{name}:"
            yield from _keys(type(section).model_fields, values[name])
        else:
            yield from write_yaml({name: values[name]}).splitlines()


def _keys(fields: dict[str, FieldInfo], values: dict[str, Any]) -> Iterator[str]:
    for key, field in fields.items():
        yield from _comment(field.description, "  ")
        yield from textwrap.indent(write_yaml({key: values[key]}), "  ").splitlines()


def _comment(text: str | None, indent: str) -> Iterator[str]:
    for paragraph in (text or "").splitlines():
        yield from textwrap.wrap(
            paragraph,
            _WIDTH,
            initial_indent=f"{indent}# ",
            subsequent_indent=f"{indent}# ",
            break_on_hyphens=False,
        )
