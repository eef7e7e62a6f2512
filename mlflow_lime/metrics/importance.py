"""Global importance: how much each part matters over a set, with intervals, and by group."""

from array import array
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from mlflow_lime.core.explanation import Explanation
from mlflow_lime.core.quantiles import student_quantile
from mlflow_lime.metrics.aggregate import weights_by_name

__all__ = ["EVERYTHING", "importance_table"]

EVERYTHING: Final = "all"
"""The group of all instances."""

_ALL: Final = ("", "")

_COLUMNS: Final = ("name", "group", "importance", "low", "high", "instances")
_TYPES: Final = {"importance": float, "low": float, "high": float, "instances": int}


def importance_table(
    explanations: Sequence[Explanation],
    groups: Mapping[str, Mapping[str, str | None]] | None = None,
    *,
    confidence: float = 0.95,
    top: int | None = None,
) -> pd.DataFrame:
    """Return how much each part name matters, over all instances and in groups of them.

    Importance is the mean absolute weight of the first explained label; as in `global_importance`,
    a part that an instance lacks weighs nothing there, and segments of images are left out.

    Parameters
    ----------
    explanations : sequence of Explanation
    groups : mapping of str to mapping of str to str or None, optional
        Values of instances, by what they are (``"class"``, a column's name) and by key. Instances
        without a value are in no group of that kind.
    confidence : float
    top : int, optional
        The most important parts of each group that are listed; all by default.

    Returns
    -------
    DataFrame
        ``name``, ``group`` (``"all"``, or such as ``"class = benign"``), ``importance`` in units
        of the output per part, ``low`` and ``high`` (Student's t over the instances of the group,
        cut at zero; NaN for one instance), ``instances`` of the group that have the part. Groups
        follow each other; the most important part comes first.
    """
    kinds = groups or {}
    found = {_ALL: _Group()}
    for item in explanations:
        sizes = {name: abs(weight) for name, weight in weights_by_name(item).items()}
        found[_ALL].add(sizes)
        for kind, values in kinds.items():
            value = values.get(item.key)
            if value is not None:
                found.setdefault((kind, value), _Group()).add(sizes)
    order = [_ALL]
    for kind in kinds:
        order += sorted(group for group in found if group[0] == kind and group != _ALL)
    rows = [
        (name, EVERYTHING if group == _ALL else " = ".join(group), *numbers)
        for group in order
        for name, *numbers in found[group].parts(confidence)[:top]
    ]
    # Names stay objects: no other type of pandas holds every string.
    return pd.DataFrame(rows, columns=list(_COLUMNS), dtype=object).astype(_TYPES)


class _Group:
    """Absolute weights of a group of instances, by the name of the part."""

    def __init__(self) -> None:
        self._n = 0
        self._sizes: dict[str, array[float]] = {}

    def add(self, sizes: Mapping[str, float]) -> None:
        """Add an instance."""
        self._n += 1
        for name, size in sizes.items():
            if name not in self._sizes:
                self._sizes[name] = array("d")
            self._sizes[name].append(size)

    def parts(self, confidence: float) -> list[tuple[str, float, float, float, int]]:
        """Return name, importance, limits, and count of each part, the most important first."""
        n = self._n
        quantile = float(student_quantile(0.5 + confidence / 2, n - 1)) if n > 1 else float("nan")
        rows = []
        for name, sizes in self._sizes.items():
            mean = sum(sizes) / n
            absent = n - len(sizes)  # they weigh nothing
            squares = float(((np.array(sizes) - mean) ** 2).sum()) + absent * mean**2
            half = quantile * np.sqrt(squares / (n - 1) / n) if n > 1 else float("nan")
            rows.append((name, mean, float(np.maximum(mean - half, 0.0)), mean + half, len(sizes)))
        return sorted(rows, key=lambda row: -row[1])
