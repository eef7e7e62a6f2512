"""Global importance: how much each part matters over a set, with intervals, and by group."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import t as student

from mlflow_lime.core.explanation import Explanation
from mlflow_lime.metrics.aggregate import weights_by_name

__all__ = ["EVERYTHING", "importance_table"]

EVERYTHING: Final = "all"
"""The group of all instances."""

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
    members: dict[str, list[Explanation]] = {EVERYTHING: list(explanations)}
    for kind, values in (groups or {}).items():
        named = [(values.get(item.key), item) for item in explanations]
        for value in sorted({value for value, _ in named if value is not None}):
            members[f"{kind} = {value}"] = [item for own, item in named if own == value]
    rows = [
        (name, group, *numbers)
        for group, items in members.items()
        for name, *numbers in _of_group(items, confidence)[:top]
    ]
    # Names stay objects: no other type of pandas holds every string.
    return pd.DataFrame(rows, columns=list(_COLUMNS), dtype=object).astype(_TYPES)


def _of_group(
    items: Sequence[Explanation], confidence: float
) -> list[tuple[str, float, float, float, int]]:
    """Return name, importance, limits, and count of each part, the most important first."""
    weights: dict[str, list[float]] = defaultdict(list)
    for item in items:
        for name, weight in weights_by_name(item).items():
            weights[name].append(abs(weight))
    n = len(items)
    quantile = float(student.ppf(0.5 + confidence / 2, n - 1)) if n > 1 else float("nan")
    rows = []
    for name, sizes in weights.items():
        mean = sum(sizes) / n
        absent = n - len(sizes)  # they weigh nothing
        squares = float(((np.array(sizes) - mean) ** 2).sum()) + absent * mean**2
        half = quantile * np.sqrt(squares / (n - 1) / n) if n > 1 else float("nan")
        rows.append((name, mean, float(np.maximum(mean - half, 0.0)), mean + half, len(sizes)))
    return sorted(rows, key=lambda row: -row[1])
