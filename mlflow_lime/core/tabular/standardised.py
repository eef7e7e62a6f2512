"""Tables on a continuous scale: normal noise around the instance or around the mean."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlflow_lime.core.blocks import MaskBlock
from mlflow_lime.core.domain import Draw, Subject, instance_keys
from mlflow_lime.core.kernel import Kernel
from mlflow_lime.core.pool import SIZES
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.core.tabular.columns import ColumnKind, as_numbers, as_series, column_kind
from mlflow_lime.core.tabular.copula import NORMAL_SCORES, correlate
from mlflow_lime.core.tabular.masked import (
    SAMPLINGS,
    make_subject,
    require_choice,
    require_correlation,
)
from mlflow_lime.core.tabular.table import Row, Table

__all__ = ["StandardisedTable"]


class StandardisedTable:
    """A table whose numeric features are standard deviations from the mean.

    Numeric columns take normal values around the instance or the mean, rounded where the column
    holds whole numbers. Dates, and parts that are not numeric, are drawn from the background; a
    part that is not numeric, or whose value is missing, counts as "the same value or not".

    Parameters
    ----------
    background : Background
        Means, standard deviations, and categories.
    around : {"instance", "mean"}
        Centre of the normal values.
    sampling : {"independent", "copula"}
        Whether the columns of a row are drawn one by one or together.
    as_array : bool, default False
        Whether the model reads arrays instead of data frames.
    """

    masked = False
    call_rows = SIZES

    def __init__(
        self,
        background: Background,
        *,
        around: str = "instance",
        sampling: str = "independent",
        as_array: bool = False,
    ) -> None:
        require_choice("around", around, ("instance", "mean"))
        require_choice("sampling", sampling, SAMPLINGS)
        self.table = Table(background, as_array=as_array)
        self.around = around
        self.sampling = sampling
        self.correlation = require_correlation(background) if sampling == "copula" else None
        parts = self.table.parts
        self.scaled = [part.kind == "numeric" and part.std > 0 for part in parts]
        self.normal = [
            scaled
            and column_kind(as_series(part.values[0])) is ColumnKind.NUMERIC
            and part.values[0].dtype != object
            for scaled, part in zip(self.scaled, parts, strict=True)
        ]

    @property
    def shared(self) -> bool:
        """Whether rows do not depend on the instance: true around the mean."""
        return self.around == "mean"

    def subjects(self, instances: Any, keys: Sequence[str] | None = None) -> list[Subject]:
        """Return the instances made ready to be perturbed."""
        rows = self.table.read(instances)
        names = instance_keys(keys, len(rows))
        return [self._subject(row, key) for row, key in zip(rows, names, strict=True)]

    def _subject(self, row: Row, key: str) -> Subject:
        parts = self.table.parts
        fixed = {}
        for j, part in enumerate(parts):
            if part.n_values == 1 and (part.kind != "numeric" or not part.std > 0):
                fixed[j] = f"{part.name!r} has the same value in all the background"
            elif not self._continuous(row, j) and (
                row.codes[j] < 0 or (self.shared and self.normal[j])
            ):
                fixed[j] = f"the value of {part.name!r} does not occur in the neighbourhood"
        texts = [f"{part.name} = {self.table.value_text(part, row)}" for part in parts]
        return make_subject(self.table, row, key, texts, fixed)

    def _own(self, row: Row, j: int) -> float:
        return float(as_numbers(as_series(row.values[self.table.parts[j].columns[0]]))[0])

    def _continuous(self, row: Row, j: int) -> bool:
        """Return whether part `j` is on the scale of standard deviations for this instance."""
        return self.scaled[j] and bool(np.isfinite(self._own(row, j)))

    def origin(self, subject: Subject) -> NDArray[np.float64]:
        """Return the instance on the scale of standard deviations; ones for other parts."""
        row: Row = subject.content
        origin = np.ones(subject.n_active)
        for i, j in enumerate(subject.active):
            part = self.table.parts[j]
            if self._continuous(row, j):
                origin[i] = (self._own(row, j) - part.mean) / part.std
        return origin

    def features(self, subject: Subject, block: MaskBlock) -> NDArray[np.float64]:
        """Return the interpretable features of a block, shape (n_rows, n_active)."""
        row: Row = subject.content
        levels = self._levels(block)
        features = np.empty((len(levels), subject.n_active))
        for i, j in enumerate(subject.active):
            part = self.table.parts[j]
            if self._continuous(row, j):
                numbers = self._numbers(row, j, levels[:, j])
                # A missing background value stands at the mean.
                features[:, i] = np.nan_to_num((numbers - part.mean) / part.std)
            else:
                features[:, i] = part.codes[levels[:, j]] == row.codes[j]
        return features

    def _numbers(self, row: Row, j: int, levels: NDArray[np.uint16]) -> NDArray[np.float64]:
        """Return the values that part `j` takes at some levels, as numbers."""
        part = self.table.parts[j]
        if not self.normal[j]:
            return as_numbers(as_series(part.values[0]))[part.codes[levels]]
        centre = part.mean if self.shared else self._own(row, j)
        numbers: NDArray[np.float64] = centre + part.std * NORMAL_SCORES[levels]
        kind = part.values[0].dtype
        if kind.kind not in "iu":
            return numbers
        limits = np.iinfo(getattr(kind, "numpy_dtype", kind))
        top = float(limits.max)
        if int(top) > limits.max:  # the largest 64-bit integers are no floats
            top = float(np.nextafter(top, 0.0))
        return np.clip(np.rint(numbers), float(limits.min), top)

    def originals(self, subjects: Sequence[Subject]) -> Any:
        """Return the instances themselves as the model reads them."""
        return self.table.originals([subject.content for subject in subjects])

    def perturb(self, draws: Sequence[Draw]) -> Any:
        """Return the rows of several blocks, one after the other."""
        frames = [self._frame(subject.content, self._levels(block)) for subject, block in draws]
        frame = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
        return frame.to_numpy() if self.table.as_array else frame

    def _frame(self, row: Row, levels: NDArray[np.uint16]) -> pd.DataFrame:
        arrays = {}
        for j, part in enumerate(self.table.parts):
            codes = part.codes[levels[:, j]]
            for column, values in zip(part.columns, part.values, strict=True):
                if self.normal[j] and (self.shared or self._continuous(row, j)):
                    numbers = self._numbers(row, j, levels[:, j])
                    arrays[column] = pd.Series(numbers).astype(values.dtype)
                else:
                    arrays[column] = as_series(values.take(codes))
        columns = pd.Index(self.table.columns)
        return pd.DataFrame({column: arrays[column] for column in columns}, columns=columns)

    def _levels(self, block: MaskBlock) -> NDArray[np.uint16]:
        if self.correlation is None:
            return block.levels
        return correlate(block.levels, self.correlation)

    def fingerprints(self, draws: Sequence[Draw]) -> NDArray[np.uint64] | None:
        """Return None: continuous rows do not repeat."""
        return None

    def element_parts(self, subject: Subject) -> NDArray[np.intp]:
        """Return the part of each column, shape (n_columns,)."""
        return self.table.part_of_column

    def row_bytes(self, subject: Subject) -> int:
        """Return the approximate size of one row."""
        return 12 * len(self.table.columns) + 2 * len(self.table.parts)

    def default_rows(self, subject: Subject) -> int:
        """Return the rows of a first round where none are configured."""
        return max(4096, 8 * len(subject.parts))

    def default_law(self) -> tuple[str, float | None]:
        """Return the law of the masks where none is configured."""
        return "uniform_count", None

    def default_kernel(self, subject: Subject) -> Kernel:
        """Return the kernel where none is configured."""
        return Kernel(width=0.75 * np.sqrt(len(subject.parts)), distance="euclidean")

    def recipe(self) -> dict[str, Any]:
        """Return the choices that determine the rows."""
        return {
            "domain": "tabular",
            "representation": "standardised",
            "around": self.around,
            "sampling": self.sampling,
            "background": self.table.background_digest,
        }
