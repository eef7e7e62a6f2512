"""Tables in bins: a part is present where a row falls in the same bin as the instance.

Rows are drawn from the background whatever the instance, so one pool of predicted rows serves
every instance. This is the representation of the reference package.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlflow_lime.core.blocks import LEVELS, MaskBlock
from mlflow_lime.core.domain import Draw, Subject, instance_keys
from mlflow_lime.core.kernel import Kernel
from mlflow_lime.core.pool import SIZES
from mlflow_lime.core.tabular.background import Background, BackgroundPart
from mlflow_lime.core.tabular.columns import (
    ColumnKind,
    as_numbers,
    as_series,
    column_kind,
    format_edges,
    format_value,
)
from mlflow_lime.core.tabular.copula import correlate
from mlflow_lime.core.tabular.masked import (
    SAMPLINGS,
    make_subject,
    require_choice,
    require_correlation,
)
from mlflow_lime.core.tabular.table import Row, Table
from mlflow_lime.errors import DataError, did_you_mean

__all__ = ["BINNINGS", "BinnedTable"]

BINNINGS = ("quartile", "decile", "entropy")


class BinnedTable:
    """A table whose parts say "in the same bin as the instance".

    Parameters
    ----------
    background : Background
        What rows are drawn from.
    bins : {"quartile", "decile", "entropy"} or mapping of str to list of float
        How numeric columns are cut; a mapping gives inner edges, other columns are cut at
        quartiles.
    sampling : {"independent", "copula"}
        Whether the columns of a row are drawn one by one or together.
    as_array : bool, default False
        Whether the model reads arrays instead of data frames.

    Raises
    ------
    DataError
        If an edge is given for a column that is not numeric or does not exist, or if entropy bins
        are asked of a background that was described without labels.
    """

    shared = True
    masked = False
    call_rows = SIZES

    def __init__(
        self,
        background: Background,
        *,
        bins: str | Mapping[str, Sequence[float]] = "quartile",
        sampling: str = "independent",
        as_array: bool = False,
    ) -> None:
        self.table = Table(background, as_array=as_array)
        require_choice("sampling", sampling, SAMPLINGS)
        self.bins = bins
        self.sampling = sampling
        self.correlation = require_correlation(background) if sampling == "copula" else None
        self.edges = _choose_edges(background, bins)
        self._latest: tuple[Row | None, NDArray[np.int16]] = (None, np.empty(0, dtype=np.int16))
        parts = self.table.parts
        self.codes = np.array(
            [_level_bins(part, edges) for part, edges in zip(parts, self.edges, strict=True)],
            dtype=np.int16,
        )

    def subjects(self, instances: Any, keys: Sequence[str] | None = None) -> list[Subject]:
        """Return the instances made ready to be explained."""
        rows = self.table.read(instances)
        names = instance_keys(keys, len(rows))
        return [self._subject(row, key) for row, key in zip(rows, names, strict=True)]

    def _subject(self, row: Row, key: str) -> Subject:
        own = self._own_bins(row)
        texts, fixed = [], {}
        for j, part in enumerate(self.table.parts):
            texts.append(self._text(j, int(own[j]), row))
            same = self.codes[j] == own[j]
            if same.all():
                fixed[j] = f"all the background falls in the bin of {part.name!r}"
            elif not same.any():
                fixed[j] = f"no background value falls in the bin of {part.name!r}"
        return make_subject(self.table, row, key, texts, fixed)

    def _own_bins(self, row: Row) -> NDArray[np.int16]:
        known, found = self._latest  # asked for again with every block
        if known is not row:
            found = self._bins_of(row)
            self._latest = row, found
        return found

    def _bins_of(self, row: Row) -> NDArray[np.int16]:
        bins = np.empty(len(self.table.parts), dtype=np.int16)
        for j, part in enumerate(self.table.parts):
            edges = self.edges[j]
            if edges is None:
                bins[j] = row.codes[j]
                continue
            values = row.values[part.columns[0]]
            # As in by far the most tables; a series would take a hundred times as long.
            plain = isinstance(values, np.ndarray) and values.dtype == np.float64
            bins[j] = _bins(values if plain else as_numbers(as_series(values)), edges)[0]
        return bins

    @cached_property
    def _edge_texts(self) -> list[list[str]]:
        """Edges of each part as a person reads them."""
        pairs = zip(self.table.parts, self.edges, strict=True)
        return [[] if edges is None else _edge_texts(part, edges) for part, edges in pairs]

    def _text(self, j: int, own: int, row: Row) -> str:
        part, edges, texts = self.table.parts[j], self.edges[j], self._edge_texts[j]
        if edges is None:
            return f"{part.name} = {self.table.value_text(part, row)}"
        if own > len(edges):
            return f"{part.name} is missing"
        if len(edges) == 0:
            return part.name
        if own == 0:
            return f"{part.name} <= {texts[0]}"
        if own == len(edges):
            return f"{part.name} > {texts[-1]}"
        return f"{texts[own - 1]} < {part.name} <= {texts[own]}"

    def features(self, subject: Subject, block: MaskBlock) -> NDArray[np.uint8]:
        """Return 1 where a row falls in the instance's bin, shape (n_rows, n_active)."""
        own = self._own_bins(subject.content)
        same = (self.codes == own[:, None]).view(np.uint8)
        levels = self._levels(block)
        offsets = (np.arange(len(same)) * LEVELS).astype(np.int32)
        every = np.take(same.ravel(), levels + offsets, mode="clip")
        return every if subject.n_active == len(same) else every[:, subject.active]

    def origin(self, subject: Subject) -> NDArray[np.float64]:
        """Return ones: the instance falls in each of its own bins."""
        return np.ones(subject.n_active)

    def originals(self, subjects: Sequence[Subject]) -> Any:
        """Return the instances themselves as the model reads them."""
        return self.table.originals([subject.content for subject in subjects])

    def perturb(self, draws: Sequence[Draw]) -> Any:
        """Return the rows of several blocks, one after the other."""
        table = self.table
        levels = np.concatenate([self._levels(block) for _, block in draws])
        if table.numeric:
            matrix = np.empty((len(levels), len(table.columns)))
            for i, part in enumerate(table.part_of_column):
                matrix[:, i] = table.levels[i][levels[:, part]]
            return table.from_numbers(matrix)
        codes = {
            column: part.codes[levels[:, j]].astype(np.int64)
            for j, part in enumerate(table.parts)
            for column in part.columns
        }
        frame = table.from_codes(codes, [])
        return frame.to_numpy() if table.as_array else frame

    def _levels(self, block: MaskBlock) -> NDArray[np.uint16]:
        if self.correlation is None:
            return block.levels
        return correlate(block.levels, self.correlation)

    def fingerprints(self, draws: Sequence[Draw]) -> NDArray[np.uint64] | None:
        """Return None: a pool is predicted once anyway."""
        return None

    def element_parts(self, subject: Subject) -> NDArray[np.intp]:
        """Return the part of each column, shape (n_columns,)."""
        return self.table.part_of_column

    def row_bytes(self, subject: Subject) -> int:
        """Return the approximate size of one row."""
        return 12 * len(self.table.columns) + 2 * len(self.table.parts)

    def default_rows(self, subject: Subject) -> int:
        """Return the rows of a first round where none are configured."""
        return max(16384, 8 * len(subject.parts))

    def default_law(self) -> tuple[str, float | None]:
        """Return the law of the masks where none is configured."""
        return "uniform_count", None

    def default_kernel(self, subject: Subject) -> Kernel:
        """Return the kernel where none is configured."""
        return Kernel(width=0.75 * np.sqrt(len(subject.parts)), distance="euclidean")

    def recipe(self) -> dict[str, Any]:
        """Return the choices that determine the rows and the bins."""
        return {
            "domain": "tabular",
            "representation": "bins",
            "bins": self.bins if isinstance(self.bins, str) else dict(self.bins),
            "sampling": self.sampling,
            "background": self.table.background_digest,
        }


def _choose_edges(
    background: Background, bins: str | Mapping[str, Sequence[float]]
) -> list[NDArray[np.float64] | None]:
    numeric = {part.name for part in background.parts if part.kind == "numeric"}
    given = {} if isinstance(bins, str) else dict(bins)
    for name in given:
        if name not in numeric:
            hint = did_you_mean(name, numeric)
            msg = f"bin edges are given for {name!r}, which is no numeric column.{hint}"
            raise DataError(msg)
    method = bins if isinstance(bins, str) else "quartile"
    if method not in BINNINGS:
        msg = f"bins must be one of {BINNINGS} or edges by column, got {method!r}."
        raise DataError(msg + did_you_mean(method, BINNINGS))
    chosen: list[NDArray[np.float64] | None] = []
    for part in background.parts:
        if part.kind != "numeric":
            chosen.append(None)
            continue
        edges = given.get(part.name, part.edges.get(method))
        if edges is None and method == "entropy" and part.edges:
            msg = (
                "entropy bins need labels: describe the background with "
                "Background.from_frame(data, target=labels), or use quartile bins"
            )
            raise DataError(msg)
        chosen.append(np.unique(np.asarray([] if edges is None else edges, dtype=np.float64)))
    return chosen


def _edge_texts(part: BackgroundPart, edges: NDArray[np.float64]) -> list[str]:
    """Return edges as a person reads them; those of dates are seconds."""
    series = as_series(part.values[0])
    if column_kind(series) is not ColumnKind.DATETIME:
        return format_edges(edges.tolist())
    make = pd.Timedelta if pd.api.types.is_timedelta64_dtype(series.dtype) else pd.Timestamp
    return [format_value(make(round(edge), unit="s")) for edge in edges.tolist()]


def _level_bins(part: BackgroundPart, edges: NDArray[np.float64] | None) -> NDArray[np.int16]:
    """Return the bin of each level, shape (LEVELS,)."""
    if edges is None:
        return part.codes.astype(np.int16)
    return _bins(as_numbers(as_series(part.values[0])), edges)[part.codes]


def _bins(numbers: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int16]:
    """Return the bin of each number; missing ones have a bin of their own, the last."""
    found = np.searchsorted(edges, numbers, side="left")
    return np.where(np.isnan(numbers), len(edges) + 1, found).astype(np.int16)
