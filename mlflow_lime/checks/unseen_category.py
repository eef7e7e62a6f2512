"""LIM010: instances have categories that the background does not have."""

from collections import defaultdict

import pandas as pd
from pydantic import Field

from mlflow_lime.checks.check import NEEDS, Check, Evidence, Finding
from mlflow_lime.checks.options import Options
from mlflow_lime.checks.shares import named, percent, shares_by_name
from mlflow_lime.core.tabular.background import BackgroundPart
from mlflow_lime.core.tabular.columns import as_series

__all__ = ["UNSEEN_CATEGORY", "UnseenCategoryOptions"]


class UnseenCategoryOptions(Options):
    """From which share of the weight on an unseen category matters."""

    share: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Raised where an unseen category carries at least so much of the weight.",
    )


def _categories(evidence: Evidence) -> list[BackgroundPart]:
    background = evidence.background
    return [part for part in background.parts if part.kind == "categorical"] if background else []


def _applies(evidence: Evidence) -> str:
    return "" if _categories(evidence) else "the model reads no categories"


def _find(evidence: Evidence, options: UnseenCategoryOptions) -> Finding:
    parts, inputs = _categories(evidence), evidence.inputs
    if inputs is None:
        return Finding.skipped(NEEDS["inputs"])
    unseen = [(part.name, key) for part in parts for key in _unseen(part, inputs)]
    concerned = defaultdict[str, list[str]](list)
    for name, key in unseen:
        concerned[key].append(name)
    shares: dict[tuple[str, str], float] = {}
    for item in evidence.explanations if concerned else ():
        own = shares_by_name(item) if item.key in concerned else {}
        shares |= {(name, item.key): own.get(name, 0.0) for name in concerned.get(item.key, ())}
    found = [(name, key, shares.get((name, key), 0.0)) for name, key in unseen]
    heavy = sorted((e for e in found if e[2] >= options.share), key=lambda entry: -entry[2])
    return Finding.judged(
        bool(heavy),
        _reason(heavy or found, len(parts), len(inputs)),
        instances=tuple(dict.fromkeys(key for _, key, _ in heavy)),
        value=max((share for _, _, share in found), default=0.0),
    )


def _unseen(part: BackgroundPart, inputs: pd.DataFrame) -> list[str]:
    """Return the keys of the instances whose category the background does not have."""
    known = as_series(part.values[0]).dropna().tolist()
    same = {*known, *map(str, known)}  # of another type, where a type does not hold missing values
    cells = inputs[part.columns[0]].dropna()
    return [str(key) for key, cell in cells.items() if cell not in same and str(cell) not in same]


def _reason(found: list[tuple[str, str, float]], n_parts: int, n: int) -> str:
    if not found:
        return f"the background has every category of the {n} instances, in {n_parts} columns"
    columns, keys = (list(dict.fromkeys(entry[i] for entry in found)) for i in (0, 1))
    most = max(entry[2] for entry in found)
    return (
        f"{len(keys)} of {n} instances have a category that the background lacks, in "
        f"{named(columns)}; it carries up to {percent(most)} of an instance's weight"
    )


UNSEEN_CATEGORY = Check(
    code="LIM010",
    title="Unseen category",
    severity="warning",
    summary="Categories of instances that the background, and so perhaps the model, never saw.",
    find=_find,
    applies=_applies,
    needs=("inputs",),
    options=UnseenCategoryOptions,
    page="docs/checks/LIM010.md",
)
