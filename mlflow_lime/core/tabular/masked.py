"""Tables with binary masks: an absent part takes a value from the background."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.blocks import LEVELS, MaskBlock
from mlflow_lime.core.domain import Draw, Subject, instance_keys
from mlflow_lime.core.hashes import mix_bits
from mlflow_lime.core.kernel import Kernel
from mlflow_lime.core.masks import LOCAL_WIDTH
from mlflow_lime.core.pool import SIZES
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.core.tabular.columns import as_numbers, as_series
from mlflow_lime.core.tabular.copula import NORMAL_SCORES, condition
from mlflow_lime.core.tabular.table import Row, Table, row_digest
from mlflow_lime.errors import DataError, did_you_mean

__all__ = [
    "SAMPLINGS",
    "MaskedTable",
    "make_subject",
    "own_scores",
    "require_choice",
]

SAMPLINGS = ("independent", "copula")

RARE_BITS = 20
"""Rows repeat too seldom to look for repeats where a table can show more than 2**RARE_BITS rows."""


class MaskedTable:
    """The default representation of a table: a part is kept, or replaced from the background.

    Parameters
    ----------
    background : Background
        What absent parts become.
    sampling : {"independent", "copula"}
        Whether absent parts are drawn one by one, or together and given the parts that are kept.
    as_array : bool, default False
        Whether the model reads arrays instead of data frames.
    """

    shared = False
    masked = True
    call_rows = SIZES

    def __init__(
        self,
        background: Background,
        *,
        sampling: str = "independent",
        as_array: bool = False,
    ) -> None:
        require_choice("sampling", sampling, SAMPLINGS)
        self.table = Table(background, as_array=as_array)
        self.sampling = sampling
        self.correlation = require_correlation(background) if sampling == "copula" else None

    def subjects(self, instances: Any, keys: Sequence[str] | None = None) -> list[Subject]:
        """Return the instances made ready to be perturbed."""
        rows = self.table.read(instances)
        names = instance_keys(keys, len(rows))
        return [self._subject(row, key) for row, key in zip(rows, names, strict=True)]

    def _subject(self, row: Row, key: str) -> Subject:
        parts = self.table.parts
        fixed = [j for j, part in enumerate(parts) if part.n_values == 1 and row.codes[j] == 0]
        texts = [f"{part.name} = {self.table.value_text(part, row)}" for part in parts]
        reasons = {j: f"{parts[j].name!r} has the same value in all the background" for j in fixed}
        subject = make_subject(self.table, row, key, texts, reasons)
        if all(parts[j].n_values == 1 for j in subject.active):
            return replace(subject, n_draws=0)
        return replace(subject, n_draws=subject.n_active)

    def features(self, subject: Subject, block: MaskBlock) -> NDArray[np.uint8]:
        """Return the masks themselves, shape (n_rows, n_active)."""
        return block.masks

    def origin(self, subject: Subject) -> NDArray[np.float64]:
        """Return ones: the instance has every part."""
        return np.ones(subject.n_active)

    def originals(self, subjects: Sequence[Subject]) -> Any:
        """Return the instances themselves as the model reads them."""
        return self.table.originals([subject.content for subject in subjects])

    def perturb(self, draws: Sequence[Draw]) -> Any:
        """Return the rows of several blocks, one after the other."""
        rows: list[Row] = [subject.content for subject, _ in draws]
        if self.table.numeric and all(row.numbers is not None for row in rows):
            return self.table.from_numbers(self._numbers(draws))
        frame = self._codes(rows, [self._full(subject, block) for subject, block in draws])
        return frame.to_numpy() if self.table.as_array else frame

    def _full(
        self, subject: Subject, block: MaskBlock
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
        """Return masks and levels for all parts, those that cannot vary kept."""
        n_parts = len(self.table.parts)
        if subject.n_active == n_parts == subject.n_draws:
            masks, levels = block.masks, block.levels
        else:
            masks = np.ones((len(block.masks), n_parts), dtype=np.uint8)
            levels = np.zeros((len(block.masks), n_parts), dtype=np.uint16)
            masks[:, subject.active] = block.masks
            if subject.n_draws:
                levels[:, subject.active] = block.levels
        if self.correlation is not None:
            scores = own_scores(self.table, subject.content)
            levels = condition(levels, masks, scores, self.correlation)
        return masks, levels

    def _numbers(self, draws: Sequence[Draw]) -> NDArray[np.float64]:
        table = self.table
        n_columns = len(table.columns)
        matrix = np.empty((sum(len(block.weights) for _, block in draws), n_columns))
        # After the levels of each column comes the instance's own value.
        values = np.empty((n_columns, LEVELS + 1))
        values[:, :LEVELS] = table.levels
        most = n_columns * max(len(block.weights) for _, block in draws)
        room = np.empty((2, max(most, values.size)))
        single = n_columns == len(table.parts) and self.correlation is None
        start = 0
        for subject, block in draws:
            stop = start + len(block.weights)
            values[:, LEVELS] = np.asarray(subject.content.numbers)
            if single and subject.n_draws == n_columns:
                block.look_up(values, matrix[start:stop], room)
            else:
                masks, levels = self._full(subject, block)
                each = table.part_of_column
                whole = MaskBlock(masks[:, each], levels[:, each], block.weights)
                whole.look_up(values, matrix[start:stop], room)
            start = stop
        return matrix

    def _codes(
        self,
        rows: Sequence[Row],
        blocks: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint16]]],
    ) -> Any:
        codes: dict[Any, NDArray[np.int64]] = {}
        for j, part in enumerate(self.table.parts):
            pieces = [
                np.where(masks[:, j] == 1, part.n_values + i, part.codes[levels[:, j]])
                for i, (masks, levels) in enumerate(blocks)
            ]
            joined = np.concatenate(pieces).astype(np.int64)
            codes.update(dict.fromkeys(part.columns, joined))
        return self.table.from_codes(codes, rows)

    def fingerprints(self, draws: Sequence[Draw]) -> NDArray[np.uint64] | None:
        """Return a hash of each row; None where the table can show too many rows to repeat."""
        bits = sum(np.log2(part.n_values + 1) for part in self.table.parts)
        if bits > RARE_BITS:
            return None
        pieces = []
        for subject, block in draws:
            masks, levels = self._full(subject, block)
            total = np.zeros(len(masks), dtype=np.uint64)
            for j, part in enumerate(self.table.parts):
                own = int(subject.content.codes[j])
                if own < 0:  # a value of this instance alone
                    own = int(subject.digest[:12], 16) + LEVELS
                codes = np.where(masks[:, j] == 1, own, part.codes[levels[:, j]].astype(np.int64))
                total += mix_bits(codes.astype(np.uint64) + (np.uint64(j) << np.uint64(52)))
            pieces.append(total)
        return np.concatenate(pieces)

    def element_parts(self, subject: Subject) -> NDArray[np.intp]:
        """Return the part of each column, shape (n_columns,)."""
        return self.table.part_of_column

    def row_bytes(self, subject: Subject) -> int:
        """Return the approximate size of one perturbed row."""
        return 12 * len(self.table.columns) + 3 * len(self.table.parts)

    def default_rows(self, subject: Subject) -> int:
        """Return the rows of a first round where none are configured."""
        return max(1024, 8 * subject.n_active)

    def default_law(self) -> tuple[str, float | None]:
        """Return the law of the masks where none is configured."""
        return "uniform_count", LOCAL_WIDTH

    def default_kernel(self, subject: Subject) -> Kernel:
        """Return the kernel where none is configured."""
        return Kernel()

    def recipe(self) -> dict[str, Any]:
        """Return the choices that determine the perturbed rows."""
        return {
            "domain": "tabular",
            "representation": "mask",
            "sampling": self.sampling,
            "background": self.table.background_digest,
        }


def require_correlation(background: Background) -> NDArray[np.float64]:
    """Return the background's correlation, or say that copula sampling needs it."""
    if background.correlation is None:
        msg = (
            f"copula sampling needs correlations, which are kept for tables of up to 400 parts; "
            f"this one has {len(background.parts)}: set `sampling: independent` or group columns"
        )
        raise DataError(msg)
    return background.correlation


def own_scores(table: Table, row: Row) -> NDArray[np.float64]:
    """Return the normal score of the instance in each part, shape (n_parts,); 0 where unknown."""
    scores = np.zeros(len(table.parts))
    for j, part in enumerate(table.parts):
        code = row.codes[j]
        if code >= 0:
            low, high = np.searchsorted(part.codes, [code, code + 1])
            scores[j] = NORMAL_SCORES[min(int(low + high) // 2, LEVELS - 1)]
        elif part.kind == "numeric":
            own = float(as_numbers(as_series(row.values[part.columns[0]]))[0])
            if np.isnan(own):
                continue
            known = as_numbers(as_series(part.values[0]))
            below = int(np.searchsorted(known, own))
            level = int(np.searchsorted(part.codes, min(below, part.n_values - 1)))
            scores[j] = NORMAL_SCORES[min(level, LEVELS - 1)]
    return scores


def require_choice(name: str, value: str, known: Sequence[str]) -> None:
    """Raise a DataError unless `value` is one of `known`."""
    if value not in known:
        msg = f"{name} must be one of {', '.join(known)}; got {value!r}."
        raise DataError(msg + did_you_mean(value, known))


def make_subject(
    table: Table, row: Row, key: str, texts: Sequence[str], fixed: dict[int, str]
) -> Subject:
    """Return an instance of a table.

    Parameters
    ----------
    table : Table
    row : Row
    key : str
        Name of the instance.
    texts : sequence of str
        What each part is.
    fixed : dict of int to str
        Parts that cannot be varied, and why.
    """
    unseen = [
        f"{part.name!r} = {table.value_text(part, row)!r} does not occur in the background"
        for j, part in enumerate(table.parts)
        if row.codes[j] < 0 and part.kind == "categorical" and j not in fixed
    ]
    active = np.array([j for j in range(len(table.parts)) if j not in fixed], dtype=np.intp)
    return Subject(
        key=key,
        digest=row_digest(row),
        parts=tuple(texts),
        names=tuple(part.name for part in table.parts),
        active=active,
        n_draws=len(table.parts),
        content=row,
        notes=(*(f"not varied: {reason}" for reason in fixed.values()), *unseen),
    )
