"""What a reference set lists of each instance: in its JSON file, or beside it where it is long."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mlflow_lime.errors import ReferenceSetError, shorten

__all__ = ["INSTANCES_FILE", "LISTS", "read_content", "written_lists"]

INSTANCES_FILE = "reference_instances.parquet"
_LONG = 1000
"""Instances up to which the lists stand in the JSON file, where a person can read them."""

LISTS: dict[str, pa.DataType] = {
    "keys": pa.string(),
    "digests": pa.string(),
    "positions": pa.int64(),
    "reasons": pa.string(),
    "true_labels": pa.string(),
    "labels": pa.list_(pa.string()),
    "part_digests": pa.string(),
}
"""Lists with one item an instance, and what the items are."""

_UNLIKE = ("keys", "digests", "positions", "part_digests")
"""Lists whose items differ."""

_SLICE = "slice: "
"""What the names of the columns of slices begin with."""


def written_lists(content: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the content of the JSON file, and the files beside it.

    Parameters
    ----------
    content : mapping of str to object
        Everything, the lists among it.

    Returns
    -------
    content : dict
        As it was given, for short lists; else with the name of the file of the lists instead.
    files : dict of str to bytes
    """
    if len(content["keys"]) <= _LONG:
        return dict(content), {}
    slices: Mapping[str, Sequence[str]] = content.get("slices", {})
    columns = {
        name: pa.array(content[name], type=kind)
        for name, kind in LISTS.items()
        if content.get(name)
    }
    columns |= {f"{_SLICE}{name}": pa.array(own, pa.string()) for name, own in slices.items()}
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, compression="zstd")
    rest = {k: v for k, v in content.items() if k not in LISTS and k != "slices"}
    return {**rest, "instances": INSTANCES_FILE}, {INSTANCES_FILE: buffer.getvalue()}


def read_content(text: bytes, files: Mapping[str, bytes], known_format: int) -> dict[str, Any]:
    """Return the content of a reference set's JSON file, with the lists that lie beside it.

    Raises
    ------
    ReferenceSetError
        If a file is damaged or missing, or was written by a newer format.
    """
    try:
        content = json.loads(text)
        written = content["format"]
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(error) from error
    if written != known_format:
        msg = (
            f"the reference set has format {shorten(written)}, expected {known_format}; upgrade "
            "mlflow-lime"
        )
        raise ReferenceSetError(msg)
    if "instances" not in content:
        return dict(content)
    if INSTANCES_FILE not in files:
        msg = f"the stored reference set lacks {INSTANCES_FILE}; restore it, or replace the set"
        raise ReferenceSetError(msg)
    try:
        with pq.ParquetFile(io.BytesIO(files[INSTANCES_FILE])) as file:
            names = file.schema_arrow.names
            columns: dict[str, list[Any]] = {name: _column(file, name) for name in names}
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(error) from error
    slices = {
        name.removeprefix(_SLICE): columns.pop(name) for name in names if name.startswith(_SLICE)
    }
    return {**content, **columns, "slices": slices}


def _column(file: pq.ParquetFile, name: str) -> list[Any]:
    """Return a column; equal items are one object, as few reasons and labels are unlike."""
    known: dict[Any, Any] = {}
    found: list[Any] = []
    for batch in file.iter_batches(batch_size=10_000, columns=[name]):
        items = batch.column(0).to_pylist()
        if name in _UNLIKE:
            found += items
        else:
            found += [known.setdefault(own, own) for own in map(_hashable, items)]
    return found


def _hashable(item: Any) -> Any:
    return tuple(item) if isinstance(item, list) else item


def _unreadable(error: Exception) -> ReferenceSetError:
    what = f"{type(error).__name__}: {shorten(str(error), 200)}"
    msg = f"the stored reference set cannot be read: {what}; replace it"
    return ReferenceSetError(msg)
