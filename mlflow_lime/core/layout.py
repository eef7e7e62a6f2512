"""What the columns of a model's inputs hold: numbers, categories, texts, images, sequences."""

import hashlib
import io
import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd

from mlflow_lime.core.image.cells import ImageForm
from mlflow_lime.core.image.masked import image_digests
from mlflow_lime.core.image.pins import file_content
from mlflow_lime.core.joint import joint_digest
from mlflow_lime.core.sequence.absent import SequenceBackground
from mlflow_lime.core.sequence.form import SequenceForm, Series, read_series, series_like
from mlflow_lime.core.sequence.masked import sequence_digests
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.core.tabular.columns import with_columns
from mlflow_lime.core.tabular.table import Table, require_columns, row_digest
from mlflow_lime.core.text.masked import text_digest
from mlflow_lime.errors import DataError, shorten

__all__ = ["ImageColumns", "Layout", "SequenceColumns"]

FORMAT = 1
_WITH_SEQUENCES = 2
"""Format of a layout with sequences, which earlier releases do not know."""
_BLOCK = 8192
"""Rows of a table that are read at once where only their digests are wanted."""


@dataclass(frozen=True, slots=True)
class ImageColumns:
    """Columns that hold an image.

    Attributes
    ----------
    name : str
        Name of the image: the column's, or ``"image"`` for pixels that stand in many columns.
    columns : tuple of Hashable
        The column, or one for each pixel.
    form : ImageForm
        How the image is written in them.
    """

    name: str
    columns: tuple[Hashable, ...]
    form: ImageForm

    @property
    def flat(self) -> bool:
        """Whether each column is a pixel."""
        return self.form.kind == "flat"

    def cells(self, frame: pd.DataFrame) -> Any:
        """Return what the image's domain reads of a frame."""
        return frame[list(self.columns)] if self.flat else frame[self.columns[0]].tolist()


@dataclass(frozen=True, slots=True)
class SequenceColumns:
    """Columns that hold a sequence.

    Attributes
    ----------
    name : str
        Name of the sequence: the column's, or ``"series"`` for values that stand in many columns.
    columns : tuple of Hashable
        The column, or one for each value.
    form : SequenceForm
        How the sequence is written in them.
    background : SequenceBackground or None
        Other sequences of these columns; None where none are known.
    """

    name: str
    columns: tuple[Hashable, ...]
    form: SequenceForm
    background: SequenceBackground | None = None

    @property
    def flat(self) -> bool:
        """Whether each column is a value."""
        return self.form.kind == "flat"

    def cells(self, frame: pd.DataFrame) -> Any:
        """Return what the sequence's domain reads of a frame."""
        return frame[list(self.columns)] if self.flat else frame[self.columns[0]].tolist()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, of the background only its digest."""
        return {
            "name": self.name,
            "columns": [_plain(name) for name in self.columns],
            "form": self.form.to_dict(),
            "background": self.background and self.background.digest(),
        }


@dataclass(frozen=True, eq=False)
class Layout:
    """The columns of an instance, by what they hold.

    Attributes
    ----------
    columns : tuple of Hashable
        All columns, in the model's order.
    background : Background or None
        What absent values of the tabular columns become; None where there are no such columns.
    texts : tuple of Hashable
        Columns of text.
    images : tuple of ImageColumns
        Images.
    sequences : tuple of SequenceColumns
        Sequences.
    dtypes : mapping of Hashable to str
        Types of the columns of text.
    bare : bool
        Whether the model is given one array of all images or sequences instead of a data frame.

    Examples
    --------
    >>> frame = pd.DataFrame({"age": [31, 58], "report": ["a mild cough", "no complaints"]})
    >>> layout = Layout(
    ...     columns=("age", "report"), background=Background.from_frame(frame[["age"]]),
    ...     texts=("report",), dtypes={"report": "object"})
    >>> layout.tabular, len(layout.digests(frame)[0])
    (('age',), 32)
    """

    columns: tuple[Hashable, ...]
    background: Background | None = None
    texts: tuple[Hashable, ...] = ()
    images: tuple[ImageColumns, ...] = ()
    sequences: tuple[SequenceColumns, ...] = ()
    dtypes: Mapping[Hashable, str] | None = None
    bare: bool = False

    @classmethod
    def of_table(cls, background: Background) -> Self:
        """Return the layout of a table without texts, images and sequences."""
        return cls(background.columns, background)

    @cached_property
    def tabular(self) -> tuple[Hashable, ...]:
        """Columns of numbers and categories, in order."""
        other = self.other
        return tuple(column for column in self.columns if column not in other)

    @cached_property
    def other(self) -> frozenset[Hashable]:
        """Columns of texts, images and sequences."""
        wide: list[ImageColumns | SequenceColumns] = [*self.images, *self.sequences]
        return frozenset([*self.texts, *(column for item in wide for column in item.columns)])

    @property
    def series(self) -> dict[str, SequenceBackground]:
        """Backgrounds of the sequences, by name."""
        return {item.name: item.background for item in self.sequences if item.background}

    @cached_property
    def table(self) -> Table | None:
        """Reader of the tabular columns; None where there are none."""
        return None if self.background is None else Table(self.background)

    @property
    def is_table(self) -> bool:
        """Whether there is nothing but tabular columns."""
        return not self.texts and not self.images and not self.sequences

    # Instances

    def align(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return instances with exactly these columns, in order, checked.

        Raises
        ------
        DataError
            If there are no instances, a column is missing or unknown, or holds values of another
            kind.
        """
        if self.is_table and self.table is not None:
            return self.table.align(frame)
        require_columns(frame, self.columns)
        extra = [column for column in frame.columns if column not in set(self.columns)]
        if extra:
            msg = f"the instances have columns that are not expected: {shorten(extra)}; drop them"
            raise DataError(msg)
        if self.table is not None:
            self.table.align(frame[list(self.tabular)])
        for column in self.texts:
            require_text(frame[column])
        return frame.loc[:, list(self.columns)]

    def model_inputs(self, frame: pd.DataFrame) -> Any:
        """Return instances as the model reads them: the frame, or one array of what it holds.

        Raises
        ------
        DataError
            If an instance is no sequence of the pinned form.
        """
        if not self.bare:
            return frame
        if self.images:
            return np.stack([np.asarray(cell) for cell in frame.iloc[:, 0]])
        item = self.sequences[0]
        found = read_series(item.cells(frame), item.form)
        known = [one for one in found if isinstance(one, Series)]
        lost = [one.reason for one in found if not isinstance(one, Series)]
        if lost:
            raise DataError(lost[0])
        return series_like(known[0], item.form, np.stack([one.values for one in known]))

    def absorb(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return instances with the content of image files in place of their paths.

        A file that cannot be read leaves its path, so that its instance fails with a reason.
        """
        changed = {
            image.columns[0]: pd.Series(
                [file_content(cell) for cell in frame[image.columns[0]].tolist()],
                index=frame.index,
                dtype=object,
            )
            for image in self.images
            if image.form.kind == "path"
        }
        return with_columns(frame, changed)

    def digests(self, frame: pd.DataFrame) -> list[str]:
        """Return the hash of each instance's content, 32 hexadecimal digits."""
        named: list[tuple[str, list[str]]] = []
        if self.table is not None:
            columns = frame[list(self.tabular)]
            blocks = (columns.iloc[i : i + _BLOCK] for i in range(0, max(1, len(columns)), _BLOCK))
            found = (digest for block in blocks for digest in _row_digests(self.table, block))
            named.append(("", list(found)))
        for column in self.texts:
            named.append((str(column), [text_digest(cell) for cell in frame[column].tolist()]))
        for image in self.images:
            named.append((image.name, image_digests(image.cells(frame), image.form)))
        for item in self.sequences:
            named.append((item.name, sequence_digests(item.cells(frame), item.form)))
        return [
            joint_digest([(name, digests[i]) for name, digests in named]) for i in range(len(frame))
        ]

    # Serialising

    def digest(self) -> str:
        """Return a short hash of the whole content; that of the background for a plain table."""
        if self.is_table and self.background is not None:
            return self.background.digest()
        text = json.dumps([self.to_dict(), self.background and self.background.digest()])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, without the background."""
        found: dict[str, Any] = {
            "format": _WITH_SEQUENCES if self.sequences else FORMAT,
            "columns": [_plain(name) for name in self.columns],
            "texts": [_plain(name) for name in self.texts],
            "images": [
                {
                    "name": image.name,
                    "columns": [_plain(name) for name in image.columns],
                    "form": image.form.to_dict(),
                }
                for image in self.images
            ],
            "dtypes": {str(name): kind for name, kind in (self.dtypes or {}).items()},
            "bare": self.bare,
        }
        if self.sequences:
            found["sequences"] = [item.to_dict() for item in self.sequences]
        return found

    @classmethod
    def from_dict(
        cls,
        data: Mapping[str, Any],
        background: Background | None,
        series: Mapping[str, SequenceBackground] | None = None,
    ) -> Self:
        """Read what `to_dict` wrote.

        Parameters
        ----------
        data : mapping
        background : Background or None
            Of the tabular columns.
        series : mapping of str to SequenceBackground, optional
            Of the sequences, by name.

        Raises
        ------
        DataError
            If it was written by a newer format, or other background series are given than those
            that it was written with.
        """
        if data.get("format") not in (FORMAT, _WITH_SEQUENCES):
            msg = (
                f"layout has format {data.get('format')!r}, expected at most {_WITH_SEQUENCES}; "
                "upgrade mlflow-lime"
            )
            raise DataError(msg)
        columns = tuple(data["columns"])
        named = {str(column): column for column in columns}
        return cls(
            columns=columns,
            background=background,
            texts=tuple(data["texts"]),
            images=tuple(
                ImageColumns(
                    str(image["name"]), tuple(image["columns"]), ImageForm.from_dict(image["form"])
                )
                for image in data["images"]
            ),
            sequences=tuple(_sequence(item, series or {}) for item in data.get("sequences", ())),
            dtypes={named[name]: str(kind) for name, kind in data["dtypes"].items()},
            bare=bool(data["bare"]),
        )

    def store(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return instances in a form that Parquet keeps: arrays as the content of .npy files."""
        changed = {
            item.columns[0]: [_packed(cell) for cell in frame[item.columns[0]].tolist()]
            for item in self._arrays
        }
        return with_columns(frame, changed)

    @property
    def _arrays(self) -> list[ImageColumns | SequenceColumns]:
        """Images and sequences that stand in one column as arrays."""
        wide: list[ImageColumns | SequenceColumns] = [*self.images, *self.sequences]
        return [item for item in wide if item.form.kind == "array"]

    def restore(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return instances as they were before `store` and Parquet."""
        frame = frame.set_axis(pd.Index(self.columns), axis="columns")
        changed: dict[Any, Any] = {}
        if self.table is not None:
            for column in self.tabular:
                changed[column] = _types_again(frame[column], self.table.dtypes[column])
        for column in self.texts:
            kind = (self.dtypes or {}).get(column)
            if kind is not None and str(frame[column].dtype) != kind:
                texts = frame[column].astype(object)
                changed[column] = texts.where(texts.notna(), None).astype(
                    pd.Series([], dtype=kind).dtype
                )
        for item in self._arrays:
            cells = [_unpacked(cell) for cell in frame[item.columns[0]].tolist()]
            changed[item.columns[0]] = pd.Series(cells, frame.index, dtype=object)
        return with_columns(frame, changed)


def _sequence(data: Mapping[str, Any], series: Mapping[str, SequenceBackground]) -> SequenceColumns:
    name = str(data["name"])
    found = series.get(name)
    known = found and found.digest()
    if known != data["background"]:
        msg = (
            f"the background series of {name!r} have digest {known}, but {data['background']} was "
            "pinned; give the same background data, or replace the reference set"
        )
        raise DataError(msg)
    form = SequenceForm.from_dict(data["form"])
    return SequenceColumns(name, tuple(data["columns"]), form, found)


def require_text(series: "pd.Series[Any]") -> None:
    """Raise a DataError unless a column holds texts, some of which may be missing.

    Raises
    ------
    DataError
        If none of its values is a text.
    """
    known = series.dropna()
    if len(known) and not any(isinstance(value, str) for value in known):
        kind = type(known.iloc[0]).__name__
        msg = (
            f"column {series.name!r} is explained as text, but holds {kind} values "
            f"({series.dtype}); name the columns of text as text.columns, or set it to none"
        )
        raise DataError(msg)


def _types_again(values: "pd.Series[Any]", known: Any) -> "pd.Series[Any]":
    """Return what Parquet does not keep: categories that are no text, and None in objects."""
    if values.dtype == known or isinstance(values.dtype, pd.CategoricalDtype):
        return values
    if isinstance(known, pd.CategoricalDtype):
        unseen = [item for item in values.dropna().unique() if item not in known.categories]
        return values.astype(pd.CategoricalDtype([*known.categories, *unseen], known.ordered))
    if pd.api.types.is_object_dtype(known) and isinstance(values.dtype, pd.StringDtype):
        return values.astype(object).where(values.notna(), None)
    return values


def _plain(name: Hashable) -> Any:
    return name.item() if isinstance(name, np.generic) else name


def _packed(cell: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(cell), allow_pickle=False)
    return buffer.getvalue()


def _unpacked(cell: Any) -> Any:
    return np.load(io.BytesIO(cell), allow_pickle=False)


def _row_digests(table: Table, block: pd.DataFrame) -> list[str]:
    """Return what `row_digest` makes of each row, sooner where all columns are float64."""
    aligned = table.align(block)
    floats = {*aligned.dtypes, *table.dtypes.values()} == {np.dtype(np.float64)}
    if not floats:
        return [row_digest(row) for row in table.read(aligned)]
    starts = [f"({str(column)!r}, " for column in table.columns]
    digests = []
    for row in (aligned.to_numpy() + 0.0).tolist():  # no negative zero
        cells = (None if value != value else value for value in row)
        text = "".join([f"{start}{c!r})" for start, c in zip(starts, cells, strict=True)])
        digests.append(hashlib.blake2b(text.encode(), digest_size=16).hexdigest())
    return digests
