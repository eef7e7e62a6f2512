"""``mlflow-lime schema``: the JSON Schema of the YAML file."""

import click

from mlflow_lime.cli.session import Command, debug_option

__all__ = ["schema"]


@click.command(
    cls=Command,
    epilog="""\b
Completion and checks in editors that speak YAML:
  mlflow-lime schema > lime.schema.json
  # first line of lime.yaml:
  # yaml-language-server: $schema=lime.schema.json
""",
)
@debug_option
def schema() -> None:
    """Print the JSON Schema of the YAML file."""
    import json

    from mlflow_lime.config import config_schema

    click.echo(json.dumps(config_schema(), indent=2, ensure_ascii=False))
