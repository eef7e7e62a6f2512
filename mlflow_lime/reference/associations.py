"""How strongly the columns of some data go together, two by two."""

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from mlflow_lime.core.tabular.columns import ColumnKind, as_numbers, column_kind
from mlflow_lime.errors import DataError, shorten

__all__ = ["Associations"]

FloatArray = NDArray[np.float64]

FORMAT = 1
MOST_ROWS = 10_000
"""Rows that are read; of more, as many are taken at even distances."""

MOST_LEVELS = 64
"""Categories of a column that are told apart; the rarest are taken together."""

LONG_TEXT = 40
"""Mean number of characters from which a column holds texts rather than categories."""


@dataclass(frozen=True, slots=True, eq=False)
class Associations:
    """How strongly columns go together: 0 not at all, 1 as closely as can be.

    Attributes
    ----------
    columns : tuple of str
        Names of the columns.
    strength : ndarray of float64, shape (n_columns, n_columns)
        Symmetric, within [0, 1], with ones on the diagonal; four digits. A column that does not
        vary goes with no other one.

    Notes
    -----
    Two quantities have the absolute value of Spearman's rank correlation. Two categories have
    Cramér's V with the correction of its bias [1]_. A quantity and a category have the correlation
    ratio of the ranks, √ε², corrected for the number of categories [2]_, so that it is near zero
    for columns that have nothing to do with each other. Rows in which either value is missing are
    left out; the ranks are those among all known values of the column.

    References
    ----------
    .. [1] W. Bergsma, "A bias-correction for Cramér's V and Tschuprow's T", J. Korean Statistical
       Society 42 (2013), equations for φ̃², r̃ and c̃.
    .. [2] T. L. Kelley, "An unbiased correlation ratio measure", PNAS 21 (1935).

    Examples
    --------
    >>> frame = pd.DataFrame({"age": [20, 30, 40, 50], "born": [9, 8, 6, 3], "n": [1, 1, 1, 1]})
    >>> found = Associations.of_frame(frame)
    >>> found.between("age", "born"), found.between("age", "n"), found.between("age", "sex")
    (1.0, 0.0, None)
    """

    columns: tuple[str, ...]
    strength: FloatArray

    @classmethod
    def of_frame(
        cls, frame: pd.DataFrame, max_columns: int = 200, *, first: Collection[Hashable] = ()
    ) -> Self:
        """Measure the columns of a frame.

        Parameters
        ----------
        frame : DataFrame, shape (n_rows, n_columns)
            Columns of long texts, arrays, bytes, or other values that are no scalars are left out.
        max_columns : int, default 200
            How many columns to measure at most.
        first : collection, optional
            Names of columns that are measured before others.

        Returns
        -------
        Associations
            Of the columns in the order of the frame.
        """
        step = -(-len(frame) // MOST_ROWS) or 1
        frame = frame.iloc[::step].loc[:, ~frame.columns.map(str).duplicated()]
        order = sorted(range(frame.shape[1]), key=lambda j: frame.columns[j] not in first)
        numbers: dict[int, FloatArray] = {}
        codes: dict[int, NDArray[np.intp]] = {}
        for j in order:
            if len(numbers) + len(codes) == max_columns:
                break
            kind = _kind_of(frame.iloc[:, j])
            if kind is ColumnKind.CATEGORY:
                codes[j] = _codes(frame.iloc[:, j])
            elif kind is not None:
                numbers[j] = as_numbers(frame.iloc[:, j])
        kept = sorted([*numbers, *codes])
        strength = _strengths(list(numbers.values()), list(codes.values()))
        place = np.array([kept.index(j) for j in [*numbers, *codes]], dtype=np.intp)
        ordered = np.empty_like(strength)
        ordered[np.ix_(place, place)] = strength
        return cls(tuple(str(frame.columns[j]) for j in kept), ordered)

    def between(self, a: str, b: str) -> float | None:
        """Return the strength between two columns; None where either was not measured."""
        if a not in self.columns or b not in self.columns:
            return None
        return float(self.strength[self.columns.index(a), self.columns.index(b)])

    def strongest(self, column: str, count: int) -> list[tuple[str, float]]:
        """Return other columns and their strengths, strongest first; none for an unknown column."""
        if column not in self.columns:
            return []
        own = self.columns.index(column)
        row = self.strength[own]
        order = [int(j) for j in np.argsort(-row, kind="stable") if j != own]
        return [(self.columns[j], float(row[j])) for j in order[:count]]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "format": FORMAT,
            "columns": list(self.columns),
            "strength": self.strength.tolist(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote.

        Raises
        ------
        DataError
            If it was written by a newer format, or is damaged.
        """
        if data.get("format") != FORMAT:
            msg = (
                f"associations have format {shorten(data.get('format'))}, expected {FORMAT}; "
                "upgrade mlflow-lime"
            )
            raise DataError(msg)
        try:
            columns = tuple(str(name) for name in data["columns"])
            strength = np.array(data["strength"], dtype=np.float64)
            strength = strength.reshape(len(columns), len(columns))
        except (KeyError, TypeError, ValueError) as error:
            msg = f"associations are damaged ({type(error).__name__}); pin the reference set again"
            raise DataError(msg) from error
        if not np.all((strength >= 0) & (strength <= 1)):
            msg = "associations are damaged: expected strengths within [0, 1]; pin the set again"
            raise DataError(msg)
        return cls(columns, strength)


def _kind_of(series: pd.Series) -> ColumnKind | None:
    """Return what a column holds; None for what has no association with anything."""
    try:
        kind = column_kind(series)
    except DataError:
        return None
    if kind is ColumnKind.CATEGORY and series.dtype.kind not in "biuf":
        some = series.dropna().iloc[:1000]
        lengths = [len(value) for value in some if isinstance(value, str)]
        if lengths and np.mean(lengths) > LONG_TEXT:
            return None
    return kind


def _codes(series: pd.Series) -> NDArray[np.intp]:
    """Return the category of each row, commonest first, missing as -1, shape (n_rows,)."""
    values = series if series.dtype.kind in "biuf" else series.astype(object)
    if values.dtype == object:
        values = values.astype(str).where(series.notna(), None)
    codes, _ = pd.factorize(values, use_na_sentinel=True)
    counts = np.bincount(codes[codes >= 0])
    place = np.empty(len(counts) + 1, dtype=np.intp)
    place[np.argsort(-counts, kind="stable")] = np.minimum(np.arange(len(counts)), MOST_LEVELS - 1)
    place[-1] = -1  # where a code of -1 reads
    return place[codes]


def _strengths(numbers: list[FloatArray], codes: list[NDArray[np.intp]]) -> FloatArray:
    """Return the strengths of quantities and categories, in that order."""
    n, m = len(numbers), len(codes)
    found = np.zeros((n + m, n + m))
    if n:
        ranks = pd.DataFrame(np.column_stack(numbers)).rank().to_numpy()
        there = np.isfinite(ranks).astype(np.float64)
        centred = np.where(there, ranks - (there.sum(axis=0) + 1) / 2, 0.0)  # less the mean rank
        found[:n, :n] = _between_quantities(centred, there)
        for j, own in enumerate(codes):
            found[:n, n + j] = found[n + j, :n] = _correlation_ratios(centred, there, own)
    for i in range(m):
        for j in range(i):
            found[n + i, n + j] = found[n + j, n + i] = _cramers_v(codes[i], codes[j])
    np.fill_diagonal(found, 1.0)
    return np.clip(found, 0.0, 1.0).round(4)


def _between_quantities(ranks: FloatArray, there: FloatArray) -> FloatArray:
    """Return the absolute correlation of ranks over the rows that both columns have.

    Parameters
    ----------
    ranks : ndarray of float64, shape (n_rows, n_columns)
        Centred; 0 where missing.
    there : ndarray of float64, shape (n_rows, n_columns)
        1 where the value is known, else 0.
    """
    rows = np.maximum(there.T @ there, 1.0)
    sums = ranks.T @ there  # of the column in the row, where the other is known
    squares = (ranks**2).T @ there - sums**2 / rows
    products = ranks.T @ ranks - sums * sums.T / rows
    return _ratio(np.abs(products), np.sqrt(np.maximum(squares * squares.T, 0.0)), rows)


def _correlation_ratios(
    ranks: FloatArray, there: FloatArray, codes: NDArray[np.intp]
) -> FloatArray:
    """Return √ε² of each column's ranks by the categories, shape (n_columns,)."""
    rows = np.flatnonzero(codes >= 0)
    levels = int(codes.max(initial=0)) + 1
    shape = (levels, len(codes))
    one_hot = sparse.csr_array((np.ones(len(rows)), (codes[rows], rows)), shape=shape)
    counts, sums = one_hot @ there, one_hot @ ranks
    n, used = counts.sum(axis=0), (counts > 0).sum(axis=0)
    centre = sums.sum(axis=0) ** 2 / np.maximum(n, 1.0)
    total = (codes >= 0).astype(np.float64) @ np.square(ranks) - centre
    between = (sums**2 / np.maximum(counts, 1.0)).sum(axis=0) - centre
    within = _ratio(total - between, total, n) * (n - 1) / np.maximum(n - used, 1.0)
    usable = (total > 1e-9 * n) & (used > 1) & (n > used)
    return np.sqrt(np.where(usable, np.maximum(1.0 - within, 0.0), 0.0))


def _ratio(above: FloatArray, below: FloatArray, rows: FloatArray) -> FloatArray:
    """Return a ratio of sums of squared ranks; 0 where there is no variation."""
    varies = below > 1e-9 * rows
    return np.divide(above, below, out=np.zeros_like(above), where=varies)


def _cramers_v(a: NDArray[np.intp], b: NDArray[np.intp]) -> float:
    """Return Cramér's V of two columns of categories, corrected for its bias."""
    width = int(b.max(initial=0)) + 2  # a last column for missing values
    height = int(a.max(initial=0)) + 2
    cells = np.bincount((a % height) * width + b % width, minlength=height * width)
    table = cells.reshape(height, width)[:-1, :-1].astype(np.float64)
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    n, r, c = rows.sum(), np.count_nonzero(rows), np.count_nonzero(columns)
    if min(r, c) < 2 or n < 2:
        return 0.0
    expected = np.outer(rows, columns)
    seen = expected > 0
    phi2 = float((table[seen] ** 2 / expected[seen]).sum()) - 1.0
    phi2 = max(0.0, phi2 - (r - 1) * (c - 1) / (n - 1))
    room = min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1.0
    return float(np.sqrt(phi2 / room)) if room > 1e-9 else 0.0
