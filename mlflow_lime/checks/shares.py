"""How much of the weight lies on some parts, with an interval over instances."""

import re
from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mlflow_lime.checks.check import Evidence
from mlflow_lime.checks.options import Options
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.core.quantiles import student_quantile
from mlflow_lime.errors import shorten
from mlflow_lime.metrics.aggregate import weights_by_name

__all__ = [
    "Mean",
    "Reliance",
    "mean_of",
    "mean_share",
    "mean_shares",
    "named",
    "part_columns",
    "percent",
    "sensitive_parts",
    "shares_by_name",
    "weight_shares",
]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over instances, and its interval by Student's t at 95 %; NaN for one instance."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        if self.n < 2:
            return percent(self.value)
        return f"{percent(self.value)} ({percent(max(0.0, self.low))} to {percent(self.high)})"


class Reliance(Options):
    """From which share of the weight on a model relies on something."""

    share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Raised where the lower end of the share's interval lies above this.",
    )
    certain: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Raised where the share itself lies above this, however few the instances.",
    )

    def exceeded(self, mean: Mean) -> bool:
        """Return whether a share is too large."""
        return mean.low > self.share or mean.value > self.certain


def percent(share: float) -> str:
    """Return a share as a percentage.

    Examples
    --------
    >>> percent(0.256), percent(0.004)
    ('26 %', '0.4 %')
    """
    return f"{100 * share:.2g} %" if 0 < share < 0.095 else f"{100 * share:.0f} %"


def mean_of(values: Iterable[float]) -> Mean:
    """Return the mean of some values, one an instance, with its interval.

    Examples
    --------
    >>> mean_of([0.2, 0.4]).value.__round__(3), mean_of([0.3]).low
    (0.3, nan)
    """
    found = np.array(list(values), dtype=np.float64)
    n = len(found)
    if n < 2:
        return Mean(float(found.mean()) if n else 0.0, float("nan"), float("nan"), n)
    half = float(student_quantile(0.975, n - 1) * found.std(ddof=1) / np.sqrt(n))
    return Mean(float(found.mean()), float(found.mean()) - half, float(found.mean()) + half, n)


def weight_shares(explanation: Explanation) -> FloatArray:
    """Return the share of each part in the absolute weight, shape (n_parts,); they sum to 1."""
    sizes = np.nan_to_num(np.abs(explanation.labels[0].weights))
    return np.asarray(sizes / (sizes.sum() or 1.0))


def shares_by_name(explanation: Explanation) -> dict[str, float]:
    """Return the share of each part name in the absolute weight.

    Parts of one name add up. Segments of images, and parts of texts that are not stored, mean
    nothing in another instance and are left out; they count in the whole.
    """
    known = weights_by_name(explanation)
    found: dict[str, float] = defaultdict(float)
    for name, share in zip(explanation.names, weight_shares(explanation).tolist(), strict=True):
        if name in known:
            found[name] += share
    return dict(found)


def mean_share(
    explanations: Sequence[Explanation], counts: Callable[[str], Any]
) -> tuple[Mean, list[tuple[str, float]]]:
    """Return the mean share of the parts that count.

    Parameters
    ----------
    explanations : sequence of Explanation
    counts : callable
        Whether a part of this name counts.

    Returns
    -------
    mean : Mean
    shares : list of (str, float)
        Key and share of each instance, largest first.
    """
    shares = [
        (item.key, sum(share for name, share in shares_by_name(item).items() if counts(name)))
        for item in explanations
    ]
    mean = mean_of(share for _, share in shares)
    return mean, sorted(shares, key=lambda pair: -pair[1])


def mean_shares(explanations: Sequence[Explanation], names: Collection[str]) -> dict[str, Mean]:
    """Return the mean share of each of some part names, in one look at the explanations.

    Parameters
    ----------
    explanations : sequence of Explanation
    names : collection of str
    """
    shares = {name: array("d") for name in names}
    for item in explanations if shares else ():
        own = shares_by_name(item)
        for name, column in shares.items():
            column.append(own.get(name, 0.0))
    return {name: mean_of(column) for name, column in shares.items()}


def named(items: Collection[object], most: int = 3) -> str:
    """Return some names in quotation marks, cut.

    Examples
    --------
    >>> named(["age", "sex", "height", "job"])
    "'age', 'sex', 'height' and 1 more"
    """
    shown = ", ".join(shorten(item, 60) for item in list(items)[:most])
    return f"{shown} and {len(items) - most} more" if len(items) > most else shown


def part_columns(evidence: Evidence) -> dict[str, tuple[str, ...]]:
    """Return the columns of each tabular part, by the part's name."""
    if evidence.background is not None:
        return {part.name: tuple(map(str, part.columns)) for part in evidence.background.parts}
    names = {name for item in evidence.explanations for name in weights_by_name(item)}
    return {name: (name,) for name in sorted(names)}


def sensitive_parts(evidence: Evidence) -> dict[str, str]:
    """Return the parts that are, or contain, something declared as sensitive.

    Returns
    -------
    dict of str to str
        What was declared, by the part's name; upper and lower case are alike.
    """
    declared = {name.casefold(): name for name in evidence.sensitive}
    columns = part_columns(evidence)
    found: dict[str, str] = {}
    names = dict.fromkeys(name for x in evidence.explanations for name in weights_by_name(x))
    for name in names:
        words = (name, _word(name), _word(name.partition(": ")[2]), *columns.get(name, ()))
        for word in words:
            if word.casefold() in declared:
                found[name] = declared[word.casefold()]
    return found


def _word(name: str) -> str:
    """Return the word of a part that is one occurrence of it."""
    return re.sub(r" \[\d+\]$", "", name)
