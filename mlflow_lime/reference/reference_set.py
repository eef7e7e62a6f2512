"""The pinned instances of a registered model, under one digest."""

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import pandas as pd

from mlflow_lime.core.layout import Layout
from mlflow_lime.core.sequence.absent import SequenceBackground
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.errors import (
    DataError,
    DigestMismatchError,
    MlflowLimeError,
    ReferenceSetError,
    shorten,
)
from mlflow_lime.reference.associations import Associations
from mlflow_lime.reference.instance_lists import read_content, written_lists

__all__ = ["ASSOCIATIONS_FILE", "INPUTS_FILE", "PARTS_FILE", "REFERENCE_FILE", "ReferenceSet"]

FORMAT = 1
REFERENCE_FILE = "reference.json"
INPUTS_FILE = "reference_inputs.parquet"
PARTS_FILE = "reference_parts.json"
ASSOCIATIONS_FILE = "reference_associations.json"
_STRICTNESS = ("full", "redacted", "none")


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceSet:
    """The instances that every version of a model is explained on.

    Attributes
    ----------
    keys : tuple of str
        Name of each instance: its number and the beginning of its digest.
    digests : tuple of str
        Hash of each instance's content.
    positions : tuple of int
        Row of each instance in the data that it was picked from.
    reasons : tuple of str
        Why each instance was chosen.
    true_labels : tuple of str or None
        True label of each instance, where known.
    labels : tuple of tuple of str
        Labels to explain, for each instance; empty until the first version was scored.
    layout : Layout
        What the columns hold, and what absent values of a table become.
    store_inputs : {"full", "redacted", "none"}
        What may be written down: everything; no instance, but background statistics; neither.
    inputs : DataFrame or None
        The instances; None where they were not stored.
    part_digests : tuple of str
        Hash of each instance's part definitions (tokens, superpixels); empty for plain tables.
    parts : tuple of (mapping of str to object) or None
        Part definitions of each instance by column, as plain JSON values; None where they were not
        stored, or for plain tables.
    cuts : mapping of str to mapping of str to JSON values
        How the parts were found, by column, such as ``{"parts": "words"}``.
    slices : mapping of str to tuple of str
        Values of columns by which instances are told apart, one an instance; empty where they may
        not be stored.
    associations : Associations or None
        How strongly the columns of the data go together; None where that may not be stored.

    Notes
    -----
    The digest covers the instances, their order, their parts, the labels to explain, and the
    background, so explanations with the same digest answer the same questions. Slices and
    associations are no part of it: they change no explanation.
    """

    keys: tuple[str, ...]
    digests: tuple[str, ...]
    positions: tuple[int, ...]
    reasons: tuple[str, ...]
    true_labels: tuple[str | None, ...]
    labels: tuple[tuple[str, ...], ...]
    layout: Layout
    store_inputs: str
    inputs: pd.DataFrame | None
    part_digests: tuple[str, ...] = ()
    parts: tuple[Mapping[str, Any], ...] | None = None
    cuts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    slices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    associations: Associations | None = None

    @classmethod
    def pin(
        cls,
        inputs: pd.DataFrame,
        layout: Layout,
        *,
        positions: Sequence[int],
        reasons: Sequence[str],
        true_labels: Sequence[Any] | None = None,
        store_inputs: str = "full",
    ) -> Self:
        """Pin instances.

        Parameters
        ----------
        inputs : DataFrame
            One row an instance, with the columns of the layout.
        layout : Layout
        positions, reasons : sequences, one item an instance
            Where each instance came from, and why it was chosen.
        true_labels : sequence, optional
        store_inputs : {"full", "redacted", "none"}

        Raises
        ------
        DataError
            If the instances do not fit the layout.
        """
        aligned = layout.align(inputs).reset_index(drop=True)
        digests = tuple(layout.digests(aligned))
        known = [None] * len(aligned) if true_labels is None else list(true_labels)
        return cls(
            keys=tuple(f"{i:02d} #{digest[:6]}" for i, digest in enumerate(digests)),
            digests=digests,
            positions=tuple(int(position) for position in positions),
            reasons=tuple(reasons),
            true_labels=tuple(None if pd.isna(item) else str(item) for item in known),
            labels=((),) * len(aligned),
            layout=layout,
            store_inputs=store_inputs,
            inputs=aligned,
        )

    def __len__(self) -> int:
        return len(self.keys)

    def with_labels(self, labels: Sequence[Sequence[str]]) -> Self:
        """Return the set with the labels to explain pinned, one sequence an instance.

        From then on the true labels are needed for display only, and are dropped where no values
        may be stored.
        """
        pinned = replace(self, labels=tuple(tuple(item) for item in labels))
        return pinned.restricted(self.store_inputs)

    def with_parts(
        self, parts: Sequence[Mapping[str, Any]], cuts: Mapping[str, Mapping[str, Any]]
    ) -> Self:
        """Return the set with the part definitions pinned, one mapping of columns an instance."""
        return replace(
            self,
            parts=tuple(parts),
            cuts=cuts,
            part_digests=tuple(parts_digest(item) for item in parts),
        )

    def with_facts(
        self, *, slices: Mapping[str, Sequence[Any]], associations: Associations | None
    ) -> Self:
        """Return the set with what was found in the data beside the instances.

        Parameters
        ----------
        slices : mapping of str to sequence
            Values of columns, one an instance; missing ones become ``"missing"``.
        associations : Associations or None

        Returns
        -------
        ReferenceSet
            Of the same digest, within what `store_inputs` allows.
        """
        told = {
            str(column): tuple("missing" if pd.isna(item) else str(item) for item in values)
            for column, values in slices.items()
        }
        rule = self.store_inputs
        return replace(
            self,
            slices=told if rule == "full" else {},
            associations=None if rule == "none" else associations,
        )

    def restricted(self, store_inputs: str) -> Self:
        """Return the set under the stricter of its own and another rule of what may be stored.

        Parameters
        ----------
        store_inputs : {"full", "redacted", "none"}

        Returns
        -------
        ReferenceSet
            Of the same digest.
        """
        strictest = max(self.store_inputs, store_inputs, key=_STRICTNESS.index)
        stricter = replace(self, store_inputs=strictest)
        if strictest != "full":
            bare = {reason: _without_values(reason) for reason in set(self.reasons)}
            reasons = tuple(bare[reason] for reason in self.reasons)
            stricter = replace(stricter, true_labels=(None,) * len(self), reasons=reasons)
        return stricter.with_facts(slices=self.slices, associations=self.associations)

    @property
    def digest(self) -> str:
        """Hash of everything that the explanations depend on, 16 hexadecimal digits."""
        values: list[Any] = [FORMAT, self.digests, self.labels, self.layout.digest()]
        if self.part_digests:
            values.append(self.part_digests)
        found = hashlib.sha256()
        for piece in _as_json(values):
            found.update(piece.encode())
        return found.hexdigest()[:16]

    def files(self) -> dict[str, bytes]:
        """Return the files that hold the set, by name, within what `store_inputs` allows."""
        background, may_store = self.layout.background, self.store_inputs != "none"
        data: dict[str, Any] = {
            "format": FORMAT,
            "digest": self.digest,
            "store_inputs": self.store_inputs,
            "keys": self.keys,
            "digests": self.digests,
            "positions": self.positions,
            "reasons": self.reasons,
            "true_labels": self.true_labels,
            "labels": self.labels,
            "background_digest": background and background.digest(),
            "background": background.to_dict() if background and may_store else None,
        }
        if not self.layout.is_table:
            data["layout"] = self.layout.to_dict()
            data["part_digests"] = self.part_digests
            data["cuts"] = self.cuts
        if self.layout.series:
            data["series"] = {
                name: found.to_dict()
                for name, found in self.layout.series.items()
                if may_store and (self.store_inputs == "full" or found.series is None)
            }
        if self.slices:
            data["slices"] = self.slices
        content, files = written_lists(data)
        files[REFERENCE_FILE] = json.dumps(content, ensure_ascii=False, indent=1).encode()
        if self.associations is not None:
            files[ASSOCIATIONS_FILE] = json.dumps(self.associations.to_dict()).encode()
        if self.store_inputs == "full" and self.inputs is not None:
            files[INPUTS_FILE] = _parquet(self.layout.store(self.inputs).rename(columns=str))
        if self.store_inputs == "full" and self.parts is not None:
            files[PARTS_FILE] = json.dumps(self.parts, ensure_ascii=False).encode()
        return files

    @classmethod
    def read(
        cls,
        files: Mapping[str, bytes],
        *,
        data: pd.DataFrame | None = None,
        background: Background | None = None,
        series: Mapping[str, SequenceBackground] | None = None,
    ) -> Self:
        """Read what `files` gave.

        Parameters
        ----------
        files : mapping of str to bytes
        data : DataFrame, optional
            The data that the instances were picked from; needed where they were not stored.
        background : Background, optional
            Needed where it was not stored.
        series : mapping of str to SequenceBackground, optional
            Of the sequences, by name; needed where they were not stored.

        Raises
        ------
        ReferenceSetError
            If the files are damaged, were written by a newer format, or lack what was not stored
            and cannot be found again in the data.
        DigestMismatchError
            If the instances, labels, or background are others than those that were pinned.
        """
        try:
            content = read_content(files[REFERENCE_FILE], files, FORMAT)
            layout = _layout(content, background, series or {})
            return cls._from_content(files, content, layout, data)
        except ReferenceSetError:
            raise
        except (
            MlflowLimeError,
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
            OSError,
        ) as error:
            what = f"{type(error).__name__}: {shorten(str(error), 200)}"
            msg = f"the stored reference set cannot be read: {what}; replace it"
            raise ReferenceSetError(msg) from error

    @classmethod
    def _from_content(
        cls,
        files: Mapping[str, bytes],
        content: Mapping[str, Any],
        layout: Layout,
        data: pd.DataFrame | None,
    ) -> Self:
        found = cls(
            keys=tuple(content["keys"]),
            digests=tuple(content["digests"]),
            positions=tuple(content["positions"]),
            reasons=tuple(content["reasons"]),
            true_labels=tuple(content["true_labels"]),
            labels=tuple(tuple(item) for item in content["labels"]),
            layout=layout,
            store_inputs=content["store_inputs"],
            inputs=_inputs(files, content, layout, data),
            part_digests=tuple(content.get("part_digests", ())),
            parts=_parts(files, content),
            cuts=content.get("cuts", {}),
            slices={name: tuple(values) for name, values in content.get("slices", {}).items()},
            associations=_associations(files),
        )
        if found.digest != content["digest"]:
            msg = (
                f"the stored reference set is damaged: its content has digest {found.digest}, "
                f"its label says {content['digest']}; replace it"
            )
            raise DigestMismatchError(msg)
        return found


_WITHOUT_VALUES = {
    "chosen by id": "chosen by id",
    "chosen by row number": "chosen by row number",
    "chosen at random": "chosen at random",
    "typical share": "typical share",
    "typical of": "typical of others",
    "fits ": "fits the query",
    "rare": "rare",
}
"""Beginnings of reasons, and what of them tells neither a label nor a value."""


def _without_values(reasons: str) -> str:
    """Return why an instance was chosen, without what it tells of its label and its values."""
    kept = (
        next((bare for start, bare in _WITHOUT_VALUES.items() if reason.startswith(start)), None)
        for reason in reasons.split("; ")
    )
    return "; ".join(dict.fromkeys(item or "picked by the model's answers" for item in kept))


def _as_json(values: Sequence[Any]) -> Iterator[str]:
    """Yield the JSON form of a list, of the long lists in it piece by piece."""
    yield "["
    for i, value in enumerate(values):
        yield ", " if i else ""
        if not isinstance(value, tuple):
            yield json.dumps(value)
            continue
        yield "["
        for start in range(0, len(value), 10_000):
            yield ", " if start else ""
            yield json.dumps(value[start : start + 10_000])[1:-1]
        yield "]"
    yield "]"


def parts_digest(parts: Mapping[str, Any]) -> str:
    """Return the hash of an instance's part definitions, 16 hexadecimal digits."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _parts(
    files: Mapping[str, bytes], content: Mapping[str, Any]
) -> tuple[Mapping[str, Any], ...] | None:
    if PARTS_FILE not in files:
        return None
    parts = tuple(json.loads(files[PARTS_FILE]))
    if [parts_digest(item) for item in parts] != list(content["part_digests"]):
        msg = (
            "the stored part definitions of the reference set are others than those that were "
            "pinned; replace the set"
        )
        raise DigestMismatchError(msg)
    return parts


def _associations(files: Mapping[str, bytes]) -> Associations | None:
    if ASSOCIATIONS_FILE not in files:
        return None
    return Associations.from_dict(json.loads(files[ASSOCIATIONS_FILE]))


def _layout(
    content: Mapping[str, Any],
    background: Background | None,
    series: Mapping[str, SequenceBackground],
) -> Layout:
    if "layout" not in content:
        only = _background(content, background)
        if only is None:
            msg = "the stored reference set names neither columns nor a background; replace it"
            raise ReferenceSetError(msg)
        return Layout.of_table(only)
    stored = content.get("series", {})
    known = {name: SequenceBackground.from_dict(item) for name, item in stored.items()}
    return Layout.from_dict(
        content["layout"], _background(content, background), {**series, **known}
    )


def _background(content: Mapping[str, Any], background: Background | None) -> Background | None:
    if content["background_digest"] is None:
        return None
    if content["background"] is not None:
        return Background.from_dict(content["background"])
    if background is None:
        msg = (
            "the reference set was stored with `store_inputs: none`, so its background must be "
            "read again; set `background.source` to the data that it was made from"
        )
        raise ReferenceSetError(msg)
    if background.digest() != content["background_digest"]:
        msg = (
            f"the background has digest {background.digest()}, but the reference set was pinned "
            f"with {content['background_digest']}; give the same background data, or replace "
            "the set"
        )
        raise DigestMismatchError(msg)
    return background


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    try:
        frame.to_parquet(buffer, index=False)
    except (TypeError, ValueError, NotImplementedError) as error:
        # The cause would show a value of the data.
        msg = (
            f"the pinned instances cannot be stored as Parquet ({type(error).__name__}); give each "
            "column values of one type, or set `store_inputs: redacted`"
        )
        raise DataError(msg) from None
    return buffer.getvalue()


def _inputs(
    files: Mapping[str, bytes],
    content: Mapping[str, Any],
    layout: Layout,
    data: pd.DataFrame | None,
) -> pd.DataFrame:
    if INPUTS_FILE in files:
        inputs = layout.restore(pd.read_parquet(io.BytesIO(files[INPUTS_FILE])))
    elif data is None:
        msg = (
            f"the reference set was stored with `store_inputs: {content['store_inputs']}`, so its "
            "instances must be read again; set `data.source` to the data they were picked from"
        )
        raise ReferenceSetError(msg)
    else:
        inputs = _find_again(layout, data, content["positions"])
    digests = layout.digests(inputs)
    wrong = [
        key
        for key, a, b in zip(content["keys"], digests, content["digests"], strict=True)
        if a != b
    ]
    if wrong:
        msg = (
            f"{len(wrong)} of {len(digests)} pinned instances have other content than when they "
            f"were pinned: {shorten(wrong)}; give the same data, or replace the reference set"
        )
        raise DigestMismatchError(msg)
    return inputs


def _find_again(layout: Layout, data: pd.DataFrame, positions: Sequence[int]) -> pd.DataFrame:
    if max(positions) >= len(data):
        msg = (
            f"pinned instance {max(positions)} is not in the data of {len(data)} rows; give the "
            "data that the reference set was picked from, or replace the set"
        )
        raise ReferenceSetError(msg)
    known = [column for column in data.columns if column in set(layout.columns)]
    return layout.align(data.iloc[list(positions)][known]).reset_index(drop=True)
