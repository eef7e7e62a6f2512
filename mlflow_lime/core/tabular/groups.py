"""Columns that change together: one-hot blocks, found or declared."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from mlflow_lime.errors import DataError, did_you_mean, shorten

__all__ = ["find_groups"]

SEPARATORS = re.compile(r"__|[_=:.\[\]/ -]")


def find_groups(
    frame: pd.DataFrame, groups: str | Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    """Return the columns of each group.

    Parameters
    ----------
    frame : DataFrame
        Background data.
    groups : "auto", "none", or mapping of str to list of str
        ``"auto"`` finds one-hot blocks: columns that share the beginning of their names, hold only
        0 and 1, and have exactly one 1 in every row.

    Raises
    ------
    DataError
        If a declared column does not exist, or stands in two groups, or a group is empty.

    Examples
    --------
    >>> frame = pd.DataFrame({"age": [3, 4], "odor_foul": [1, 0], "odor_none": [0, 1]})
    >>> find_groups(frame, "auto")
    {'odor': ['odor_foul', 'odor_none']}
    """
    if isinstance(groups, str):
        if groups not in ("auto", "none"):
            msg = f"groups must be 'auto', 'none', or columns by group, got {groups!r}."
            raise DataError(msg + did_you_mean(groups, ("auto", "none")))
        return _find_one_hot(frame) if groups == "auto" else {}
    owner: dict[str, str] = {}
    for name, columns in groups.items():
        for column in columns:
            if column not in frame.columns:
                hint = did_you_mean(column, frame.columns)
                msg = f"group {name!r} names column {column!r}, which is not in the data.{hint}"
                raise DataError(msg)
            if column in owner:
                msg = (
                    f"column {column!r} stands in the groups {owner[column]!r} and {name!r}; "
                    "keep it in one"
                )
                raise DataError(msg)
            owner[column] = name
        if not columns:
            msg = f"group {shorten(name)} has no columns; list them or delete the group"
            raise DataError(msg)
    return {name: list(columns) for name, columns in groups.items()}


def _find_one_hot(frame: pd.DataFrame) -> dict[str, list[str]]:
    binary = [str(c) for c in frame.columns if isinstance(c, str) and _is_binary(frame[c])]
    blocks: dict[str, list[str]] = defaultdict(list)
    for column in binary:
        for prefix in _prefixes(column):
            blocks[prefix].append(column)
    found: dict[str, list[str]] = {}
    taken: set[str] = set()
    for prefix, columns in sorted(blocks.items(), key=lambda item: (len(item[0]), item[0])):
        if prefix in frame.columns or len(columns) < 2 or taken.intersection(columns):
            continue
        if (frame[columns].to_numpy(dtype=np.float64).sum(axis=1) == 1).all():
            found[prefix] = columns
            taken.update(columns)
    return found


def _is_binary(series: pd.Series) -> bool:
    if pd.api.types.is_bool_dtype(series.dtype):
        return not series.isna().any()
    if not pd.api.types.is_numeric_dtype(series.dtype) or series.isna().any():
        return False
    return bool(series.isin([0, 1]).all())


def _prefixes(column: str) -> list[str]:
    cuts = [match.start() for match in SEPARATORS.finditer(column)]
    return sorted({column[:cut] for cut in cuts if 0 < cut < len(column) - 1})
