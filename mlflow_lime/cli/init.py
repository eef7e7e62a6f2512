"""``mlflow-lime init``: a commented configuration to start from."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlflow_lime.cli.session import CONFIG_FILE, Command, debug_option, open_store, store_option
from mlflow_lime.errors import DataError, MlflowLimeError

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient

    from mlflow_lime.tracking.versions import ModelVersionRef

__all__ = ["init"]

_SOURCES = {
    "background": "what log_background stored",
    "run": "the dataset of the model's run",
    "input_example": "the model's input example",
}
"""Where the store may hold rows, best first, and what a person calls it."""

_NO_DATA = "no rows for this model in MLflow: set data.source to a file (.csv, .parquet, .npz)"
_LABELS = ("target", "label", "labels", "y", "class", "outcome")
_LISTED = 40


@dataclass(frozen=True, slots=True)
class Findings:
    """What the store says about a model.

    Attributes
    ----------
    remarks : tuple of str
        For the head of the file, a line each.
    changes : dict
        Values that differ from the defaults, by section.
    has_data : bool
        Whether there are rows to explain.
    """

    remarks: tuple[str, ...]
    changes: dict[str, Any]
    has_data: bool


@click.command(
    cls=Command,
    short_help="Write a commented YAML file to start from.",
    epilog="""\b
Examples:
  mlflow-lime init models:/credit/3
  mlflow-lime init models:/credit/3 -o configs/credit.yaml
  mlflow-lime init -o -        all defaults, to the terminal
""",
)
@click.argument("model_uri", required=False)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    default=CONFIG_FILE,
    show_default=True,
    help="Where to write; - for the terminal.",
)
@click.option("--force", is_flag=True, help="Overwrite the file if it exists.")
@store_option
@debug_option
@click.pass_context
def init(ctx: click.Context, /, model_uri: str | None, *, output: str, force: bool) -> None:
    """Write a commented YAML file with every key.

    With a model, the file names its columns and says where the instances to explain can come from;
    without one, every key has its default. The model is not loaded.
    """
    path = None if output == "-" else _writable(Path(output), force=force)
    from mlflow_lime.config import Config, commented_yaml, parse_config

    if model_uri is None:
        text, has_data = commented_yaml(Config()), True
    else:
        found = _look(model_uri, open_store(ctx, model_uri))
        config: Config = parse_config(found.changes, where="init")
        text, has_data = _with_remarks(commented_yaml(config), found.remarks), found.has_data
    if path is None:
        click.echo(text, nl=False)
        return
    path.write_text(text, encoding="utf-8")
    click.echo(f"Wrote {path}.")
    if not has_data:
        click.echo(f"Found {_NO_DATA}.")
    option = "" if path == Path(CONFIG_FILE) else f" --config {path}"
    click.echo(f"Next: mlflow-lime validate {model_uri or 'MODEL_URI'}{option}")


def _writable(path: Path, *, force: bool) -> Path:
    if path.is_dir() or not path.parent.is_dir():
        what = "is a folder" if path.is_dir() else f"cannot be written: no folder {path.parent}"
        raise click.ClickException(f"{path} {what}; name another file with -o")
    if path.exists() and not force:
        raise click.ClickException(
            f"{path} exists already; overwrite it with --force, or name another file with -o"
        )
    return path


def _look(model_uri: str, client: "MlflowClient") -> Findings:
    from mlflow_lime.tracking.versions import resolve_model

    ref = resolve_model(model_uri, client)
    columns = _signature_columns(ref)
    changes: dict[str, Any] = {} if ref.name is None else {"models": ref.name}
    remarks = [f"Written for {ref.uri} ({', '.join(ref.flavors) or 'flavour unknown'})."]
    remarks.extend(_column_lines(columns))
    found = _find_rows(ref, client)
    if found is None:
        return Findings((*remarks, f"Data: {_NO_DATA}."), changes, has_data=False)
    source, words, frame = found
    names = [str(name) for name in frame.columns]
    others = [name for name in names if name not in columns] if columns else []
    data: dict[str, Any] = {"source": source}
    if others:
        data |= _other_columns(others)
    missing = [name for name in columns if name not in names]
    remarks.append(f"Data: {words}, with {len(names)} columns.")
    if missing:
        remarks.append(f"It lacks columns that the model reads: {', '.join(missing[:_LISTED])}.")
    if others:
        remarks.append(
            f"The model does not read {', '.join(others[:_LISTED])}: see data.target, data.id and "
            "data.drop below, which are guesses."
        )
    return Findings(tuple(remarks), {**changes, "data": data}, has_data=True)


def _signature_columns(ref: "ModelVersionRef") -> dict[str, str]:
    """Return the columns of the signature, and their types; empty without a table's signature."""
    schema = ref.signature.inputs if ref.signature is not None else None
    if schema is None or schema.is_tensor_spec() or not schema.has_input_names():
        return {}
    return {str(spec.name): str(getattr(spec.type, "name", spec.type)) for spec in schema.inputs}


def _column_lines(columns: dict[str, str]) -> Iterator[str]:
    if not columns:
        yield "Its signature names no columns: it was logged without one, or with an array."
        return
    yield f"Columns that the model reads ({len(columns)}):"
    for name, kind in list(columns.items())[:_LISTED]:
        yield f"  {name}: {kind}"
    if len(columns) > _LISTED:
        yield f"  and {len(columns) - _LISTED} more"


def _find_rows(
    ref: "ModelVersionRef", client: "MlflowClient"
) -> tuple[str, str, "pd.DataFrame"] | None:
    """Return the configuration's word for the best source of rows, a person's, and the rows."""
    from mlflow_lime.tracking.data import load_data

    for source, words in _SOURCES.items():
        try:
            loaded = load_data(source, ref=ref, client=client, max_rows=1000)
        except DataError:
            continue
        except MlflowLimeError:
            return None
        if loaded.frame is not None:
            word = "auto" if source == "background" else source
            return word, f"{words}, {loaded.rows_total:,} rows", loaded.frame
    return None


def _other_columns(others: list[str]) -> dict[str, Any]:
    """Guess which column holds the true labels; the rest is dropped."""
    likely = [name for name in others if name.lower() in _LABELS]
    target = likely[0] if likely else others[0] if len(others) == 1 else None
    dropped = [name for name in others if name != target]
    return {"drop": dropped} if target is None else {"target": target, "drop": dropped}


def _with_remarks(text: str, remarks: tuple[str, ...]) -> str:
    """Put remarks below the head of the file; no remark can leave its comment."""
    from mlflow_lime.report.wording import cut

    head, gap, rest = text.partition("\n\n")
    indents = [len(line) - len(line.lstrip()) for line in remarks]
    lines = [
        f"# {' ' * indent}{cut(line, 300)}" for line, indent in zip(remarks, indents, strict=True)
    ]
    return "\n".join([head, "#", *lines]) + gap + rest
