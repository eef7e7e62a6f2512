"""What the values of each part may become: the background, as statistics that replace the data.

A background keeps, for every part (a column, or a group of columns that change together), a
table of `LEVELS` equally likely values that stand for the column's distribution: the values at
evenly spaced ranks, so integers stay integers, categories keep their frequencies, and missing
values stay missing. Everything that is later drawn comes from these tables, which is why a
background that was saved as statistics gives the same explanations as the data itself.
"""

import hashlib
import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from mlflow_lime.core.blocks import LEVELS
from mlflow_lime.core.tabular.columns import (
    ColumnKind,
    as_numbers,
    column_array,
    column_kind,
    decode_values,
    encode_values,
    rank_codes,
)
from mlflow_lime.core.tabular.groups import find_groups
from mlflow_lime.errors import DataError, did_you_mean, shorten

__all__ = ["Background", "BackgroundPart"]

Labels = Sequence[Any] | NDArray[Any] | pd.Series

FORMAT = 1
CORRELATION_LIMIT = 400
"""Most parts for which rank correlations are kept (the copula solves systems of this size)."""


@dataclass(frozen=True, slots=True, eq=False)
class BackgroundPart:
    """One part of a table, and the values that it takes in the background.

    Attributes
    ----------
    name : str
        Name of the part: the column's, or the group's.
    columns : tuple of str
        Columns that change together; one unless the part is a group.
    kind : {"numeric", "categorical", "group"}
        How the part is binned, standardised, and labelled.
    values : tuple of array, each shape (n_values,)
        Distinct values of each column in ascending order, missing last; joint rows of a group.
    codes : ndarray of uint16, shape (LEVELS,)
        Row of `values` at each level; never decreasing.
    mean, std : float
        Moments of a numeric column, missing values left out; NaN otherwise.
    edges : dict of str to list of float
        Inner bin edges of a numeric column: ``quartile``, ``decile``, and ``entropy`` where labels
        were given.
    """

    name: str
    columns: tuple[Hashable, ...]
    kind: str
    values: tuple[Any, ...]
    codes: NDArray[np.uint16]
    mean: float
    std: float
    edges: dict[str, list[float]]

    @property
    def n_values(self) -> int:
        """Number of distinct values (joint rows of a group)."""
        return len(self.values[0])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "name": self.name,
            "columns": [_plain_name(name) for name in self.columns],
            "kind": self.kind,
            "values": [encode_values(column) for column in self.values],
            "counts": np.bincount(self.codes, minlength=self.n_values).tolist(),
            "mean": None if np.isnan(self.mean) else self.mean,
            "std": None if np.isnan(self.std) else self.std,
            "edges": self.edges,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        counts = np.asarray(data["counts"], dtype=np.int64)
        values = tuple(decode_values(column) for column in data["values"])
        if counts.sum() != LEVELS or any(len(column) != len(counts) for column in values):
            msg = (
                f"background statistics of part {shorten(data['name'])} are damaged: expected "
                f"{LEVELS} levels over {len(counts)} values, got {int(counts.sum())}; "
                "write them again with Background.from_frame(data).to_dict()"
            )
            raise DataError(msg)
        return cls(
            name=str(data["name"]),
            columns=tuple(data["columns"]),
            kind=str(data["kind"]),
            values=values,
            codes=np.repeat(np.arange(len(counts)), counts).astype(np.uint16),
            mean=float("nan") if data["mean"] is None else float(data["mean"]),
            std=float("nan") if data["std"] is None else float(data["std"]),
            edges={str(key): [float(x) for x in edge] for key, edge in data["edges"].items()},
        )


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """The distribution that absent parts are drawn from.

    Attributes
    ----------
    parts : tuple of BackgroundPart
        Parts in the order of their first column.
    columns : tuple of str
        Columns of the data, in the model's order.
    correlation : ndarray of float64, shape (n_parts, n_parts), or None
        Correlation of the parts' normal scores, for copula sampling; None with more than
        `CORRELATION_LIMIT` parts.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"age": [31, 42, 58], "job": ["cook", "nurse", "cook"]})
    >>> background = Background.from_frame(frame)
    >>> [(part.name, part.kind) for part in background.parts]
    [('age', 'numeric'), ('job', 'categorical')]
    >>> Background.from_dict(background.to_dict()).digest() == background.digest()
    True
    """

    parts: tuple[BackgroundPart, ...]
    columns: tuple[Hashable, ...]
    correlation: NDArray[np.float64] | None

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        groups: str | Mapping[str, Sequence[str]] = "auto",
        categorical: str | Iterable[str] = "auto",
        target: Labels | None = None,
    ) -> Self:
        """Describe a data frame.

        Parameters
        ----------
        frame : DataFrame, shape (n_rows, n_columns)
            Background data, usually the training data, with the columns that the model reads.
        groups : "auto", "none", or mapping of str to list of str
            Columns that change together: one-hot blocks found by name and content, none, or
            declared by name.
        categorical : "auto" or iterable of str
            Columns whose numbers are codes, beside those whose type says so.
        target : array_like, shape (n_rows,), optional
            Class labels, needed only for ``entropy`` bins; continuous values are left aside.

        Raises
        ------
        DataError
            If the frame is empty, has column names that are doubled or are neither text nor
            numbers, or holds values that are not scalars; if a group or a categorical column does
            not exist; or if the target has another length.
        """
        _check_frame(frame)
        _check_target(target, len(frame))
        declared = _declared_categories(frame, categorical)
        members = find_groups(frame, groups)
        plan = _plan_parts(frame, members)
        labels = _class_labels(target)
        ranks: dict[Hashable, NDArray[np.int64]]
        ranks = {column: rank_codes(frame[column]) for column in frame.columns}
        parts = tuple(
            _describe_part(frame, name, columns, ranks, declared, labels) for name, columns in plan
        )
        correlation = None
        if len(parts) <= CORRELATION_LIMIT:
            correlation = _rank_correlation([_joint_codes(cols, ranks) for _, cols in plan])
        return cls(parts, tuple(frame.columns), correlation)

    def digest(self) -> str:
        """Return a short hash of the whole content."""
        text = json.dumps(self.to_dict(), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values: statistics only, no row of the data."""
        correlation = None if self.correlation is None else self.correlation.round(6).tolist()
        return {
            "format": FORMAT,
            "columns": [_plain_name(name) for name in self.columns],
            "parts": [part.to_dict() for part in self.parts],
            "correlation": correlation,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote.

        Raises
        ------
        DataError
            If the data is no background, is damaged, or was written by a newer format.
        """
        if data.get("format") != FORMAT:
            msg = (
                f"background statistics have format {shorten(data.get('format'))}, expected "
                f"{FORMAT}; write them again with mlflow_lime.log_background(X)"
            )
            raise DataError(msg)
        correlation = data["correlation"]
        return cls(
            parts=tuple(BackgroundPart.from_dict(part) for part in data["parts"]),
            columns=tuple(data["columns"]),
            correlation=None if correlation is None else np.array(correlation, dtype=np.float64),
        )


def _check_frame(frame: object) -> None:
    if not isinstance(frame, pd.DataFrame):
        msg = f"background must be a pandas DataFrame, got {type(frame).__name__}"
        raise DataError(msg)
    if frame.shape[0] == 0 or frame.shape[1] == 0:
        msg = (
            f"background data is empty: {frame.shape[0]} rows, {frame.shape[1]} columns; "
            "give at least one row of the data that the model was trained on"
        )
        raise DataError(msg)
    if not frame.columns.is_unique:
        doubled = sorted({str(name) for name in frame.columns[frame.columns.duplicated()]})
        msg = f"background data has duplicate column names: {shorten(doubled)}; rename them"
        raise DataError(msg)
    odd = [name for name in frame.columns if not isinstance(name, (str, int, float, np.generic))]
    if odd:
        msg = (
            f"column names must be text or numbers, got {shorten(odd[0])}; rename the columns, or "
            "flatten a MultiIndex"
        )
        raise DataError(msg)


def _check_target(target: Labels | None, n_rows: int) -> None:
    if target is not None and len(target) != n_rows:
        msg = f"there are {len(target)} labels for {n_rows} rows of background data"
        raise DataError(msg)


def _class_labels(target: Labels | None) -> NDArray[Any] | None:
    """Return the labels as whole numbers, -1 where missing; None if they are no classes."""
    if target is None:
        return None
    from sklearn.utils.multiclass import type_of_target

    labels = np.asarray(target)
    missing = pd.isna(labels)
    if missing.all() or type_of_target(labels[~missing]).startswith("continuous"):
        return None
    return pd.factorize(labels)[0]


def _declared_categories(frame: pd.DataFrame, categorical: str | Iterable[str]) -> set[Hashable]:
    if categorical == "auto":
        return set()
    names = [categorical] if isinstance(categorical, str) else list(categorical)
    for name in names:
        if name not in frame.columns:
            hint = did_you_mean(name, frame.columns)
            msg = f"categorical column {name!r} is not in the data.{hint}"
            raise DataError(msg)
    return set(names)


def _plan_parts(
    frame: pd.DataFrame, members: Mapping[str, Sequence[str]]
) -> list[tuple[str, tuple[Hashable, ...]]]:
    """Return (name, columns) of each part, in the order of their first columns."""
    owner = {column: name for name, columns in members.items() for column in columns}
    plan: dict[str, tuple[Hashable, ...]] = {}
    for column in frame.columns:
        name = owner.get(column)
        columns = (column,) if name is None else tuple(members[name])
        if plan.setdefault(name or str(column), columns) != columns:
            msg = f"two parts would be named {name or str(column)!r}; rename a column or a group"
            raise DataError(msg)
    return list(plan.items())


def _plain_name(name: Hashable) -> Any:
    return name.item() if isinstance(name, np.generic) else name


def _describe_part(
    frame: pd.DataFrame,
    name: str,
    columns: tuple[Hashable, ...],
    ranks: Mapping[Hashable, NDArray[np.int64]],
    declared: set[Hashable],
    labels: NDArray[Any] | None,
) -> BackgroundPart:
    order = np.argsort(_joint_codes(columns, ranks), kind="stable")
    rows = order[((np.arange(LEVELS) + 0.5) / LEVELS * len(order)).astype(np.intp)]
    joint = _joint_codes(columns, ranks)[rows]
    codes = np.concatenate([[0], np.cumsum(np.diff(joint) != 0)]).astype(np.uint16)
    first = rows[np.concatenate([[True], np.diff(joint) != 0])]
    kind = _part_kind(frame, columns, declared)
    mean, std, edges = float("nan"), float("nan"), {}
    if kind == "numeric":
        numbers = as_numbers(frame[columns[0]])
        mean, std = _moments(numbers)
        edges = _bin_edges(numbers, labels)
    return BackgroundPart(
        name=name,
        columns=columns,
        kind=kind,
        values=tuple(column_array(frame[column]).take(first) for column in columns),
        codes=codes,
        mean=mean,
        std=std,
        edges=edges,
    )


def _part_kind(frame: pd.DataFrame, columns: tuple[Hashable, ...], declared: set[Hashable]) -> str:
    if len(columns) > 1:
        return "group"
    column = columns[0]
    if column in declared or column_kind(frame[column]) is ColumnKind.CATEGORY:
        return "categorical"
    return "numeric"


def _joint_codes(
    columns: Sequence[Hashable], ranks: Mapping[Hashable, NDArray[np.int64]]
) -> NDArray[np.int64]:
    """Return one ascending code for each distinct row of `columns`, shape (n_rows,)."""
    codes = ranks[columns[0]]
    for column in columns[1:]:
        paired = codes * (ranks[column].max() + 1) + ranks[column]
        codes = np.unique(paired, return_inverse=True)[1].reshape(-1)
    return codes


def _moments(numbers: NDArray[np.float64]) -> tuple[float, float]:
    known = numbers[np.isfinite(numbers)]
    if len(known) == 0:
        return float("nan"), float("nan")
    with np.errstate(over="ignore", invalid="ignore"):
        mean, std = float(known.mean()), float(known.std())
    return (mean, std) if np.isfinite(std) else (float("nan"), float("nan"))


def _bin_edges(numbers: NDArray[np.float64], labels: NDArray[Any] | None) -> dict[str, list[float]]:
    known = np.isfinite(numbers)
    if not known.any():
        return {}
    edges = {
        "quartile": _percentiles(numbers[known], [25, 50, 75]),
        "decile": _percentiles(numbers[known], list(range(10, 100, 10))),
    }
    if labels is not None:
        known = known & (labels >= 0)
        edges["entropy"] = _entropy_edges(numbers[known], labels[known])
    return edges


def _percentiles(numbers: NDArray[np.float64], shares: list[int]) -> list[float]:
    with np.errstate(over="ignore", invalid="ignore"):
        edges = np.unique(np.percentile(numbers, shares))
    return [float(edge) for edge in edges if np.isfinite(edge)]


def _entropy_edges(numbers: NDArray[np.float64], labels: NDArray[Any]) -> list[float]:
    """Return the thresholds of a shallow decision tree on one column."""
    if len(numbers) == 0:
        return []
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(criterion="entropy", max_depth=3, random_state=0)
    tree.fit(numbers[:, None], labels)
    used = tree.tree_.children_left != -1
    return [float(edge) for edge in np.unique(tree.tree_.threshold[used])]


def _rank_correlation(codes: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
    """Return the correlation of normal scores, ties at their mid rank, shape (n, n)."""
    n_rows = len(codes[0])
    scores = np.empty((n_rows, len(codes)))
    for j, column in enumerate(codes):
        counts = np.bincount(column)
        middle = (np.cumsum(counts) - counts / 2) / n_rows
        scores[:, j] = ndtri(middle)[column]
    scores -= scores.mean(axis=0)
    spread = np.sqrt((scores**2).mean(axis=0))
    varies = spread > 1e-12
    scores[:, varies] /= spread[varies]
    correlation: NDArray[np.float64] = scores.T @ scores / n_rows
    np.fill_diagonal(correlation, 1.0)
    return correlation.round(6)
