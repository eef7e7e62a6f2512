"""LIM008: the model relies on what only names an instance, or on where something stands."""

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from pydantic import Field

from mlflow_lime.checks.check import Check, Evidence, Finding
from mlflow_lime.checks.groups import by_answer
from mlflow_lime.checks.shares import (
    Reliance,
    mean_of,
    mean_share,
    mean_shares,
    named,
    percent,
    weight_shares,
)
from mlflow_lime.core.blocks import LEVELS
from mlflow_lime.core.contents import TextContent
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.core.stored import kept
from mlflow_lime.core.tabular.background import Background, BackgroundPart
from mlflow_lime.core.tabular.columns import ColumnKind, as_numbers, as_series, column_kind
from mlflow_lime.errors import shorten

__all__ = ["ID_LIKE", "IdLikeOptions"]


class IdLikeOptions(Reliance):
    """What looks like an id or a fixed place, and from which share of the weight on."""

    distinct: float = Field(
        default=0.95, gt=0, le=1, description="Share of distinct values from which on it is an id."
    )
    place: float = Field(
        default=0.6,
        gt=0,
        le=1,
        description=(
            "Share of the texts with the same answer that have the same word at the same place."
        ),
    )


_FEW = 50
"""Distinct values below which nothing is said of a column."""

_EVEN = 5.0
"""Steps by which numbers that are counted through may lie off a straight line."""

_NAME = re.compile(r"(^|[_\W])(u?u?id|guid|index|idx|rownum|row_?number)$", re.IGNORECASE)
_PLACES = 5
"""Words at either end of a text whose places are looked at."""

_TEXTS = 5
"""Texts of one answer below which nothing is said of places."""


def _applies(evidence: Evidence) -> str:
    if evidence.background is None and not any(map(_has_text, evidence.explanations)):
        return "there are neither tabular columns nor stored texts"
    return ""


def _has_text(item: Explanation) -> bool:
    return any(isinstance(content, TextContent) for content in item.contents)


def _find(evidence: Evidence, options: IdLikeOptions) -> Finding:
    texts = kept(evidence.telling, _has_text)
    ids = _id_like(evidence.background, options.distinct) if evidence.background else []
    means = mean_shares(evidence.telling, ids)
    heavy = [name for name in ids if options.exceeded(means[name])]
    if heavy:
        name = max(heavy, key=lambda heavy_name: means[heavy_name].value)
        mean, shares = mean_share(evidence.telling, name.__eq__)
        return Finding.judged(
            True,
            f"{shorten(name, 60)} hardly has the same value twice, as an id has, and carries "
            f"{mean} of the weight; the interval may begin at {percent(options.share)} at most",
            instances=tuple(key for key, share in shares if share > options.share),
            value=mean.value,
        )
    return _fixed_place(texts, options) or Finding.judged(
        False,
        _quiet(ids, len(texts)),
        value=max((mean.value for mean in means.values()), default=0.0),
    )


def _quiet(ids: Sequence[str], n_texts: int) -> str:
    told = [
        f"hardly any weight is on {named(ids)}, which may be ids"
        if ids
        else "no part looks like an id"
    ]
    if n_texts:
        told.append(f"no word carries weight at the same place of most of {n_texts} texts")
    return ", and ".join(told)


# Columns


def _id_like(background: Background, distinct: float) -> list[str]:
    """Return the parts of one column that look like ids."""
    parts = [part for part in background.parts if len(part.columns) == 1]
    return [part.name for part in parts if _names_rows(part, distinct)]


def _names_rows(part: BackgroundPart, distinct: float) -> bool:
    """Return whether nearly every row has a value of its own that measures nothing.

    Of n rows with distinct values each has 1024 / n of the background's levels. Where there are
    more values than levels, numbers that are drawn at random lie off the straight line of those
    that are counted through.
    """
    counts = np.bincount(part.codes, minlength=part.n_values)
    single = counts <= math.ceil(LEVELS / part.n_values)
    if part.n_values < _FEW or single.mean() < distinct:
        return False
    values = as_series(part.values[0])
    if part.kind != "numeric":
        return True
    if column_kind(values) is not ColumnKind.NUMERIC:
        return False
    numbers = as_numbers(values)
    numbers = numbers[np.isfinite(numbers)]
    if not np.array_equal(numbers, np.round(numbers)):
        return False
    if _NAME.search(part.name):
        return True
    place = np.arange(len(numbers), dtype=np.float64)
    step = np.ptp(numbers) / max(1, len(numbers) - 1)
    return bool(np.abs(numbers - numbers[0] - step * place).max() <= _EVEN * step)


# Places in texts


def _fixed_place(texts: Sequence[Explanation], options: IdLikeOptions) -> Finding | None:
    """Return what is found where a word is relied on that always stands at the same place."""
    for answer, group in by_answer(texts, _TEXTS):
        shares: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
        for item in group:
            for word, place, share in _placed_words(item):
                shares[word, place][item.key] = share
        means = {
            where: mean_of(found.get(item.key, 0.0) for item in group)
            for where, found in shares.items()
            if len(found) >= options.place * len(group)
        }
        word, place = max(means, key=lambda where: means[where].value, default=("", ""))
        if word and options.exceeded(means[word, place]):
            found = shares[word, place]
            return Finding.judged(
                True,
                f"{shorten(word, 60)} stands as {place} in {len(found)} of {len(group)} texts"
                f"{answer}, and carries {means[word, place]} of the weight; the interval may begin "
                f"at {percent(options.share)} at most",
                instances=tuple(sorted(found, key=lambda key: -found[key])),
                value=means[word, place].value,
            )
    return None


def _placed_words(item: Explanation) -> Iterator[tuple[str, str, float]]:
    """Yield the first and last parts of a text in lower case, where they stand, and their share."""
    shares = weight_shares(item)
    for content in item.contents:
        if not isinstance(content, TextContent):
            continue
        before = f"in column {shorten(content.column, 40)} " if content.column else ""
        spans = content.spans.tolist()
        for number, (start, end, part) in enumerate(spans[:_PLACES], start=1):
            yield content.text[start:end].casefold(), f"{before}part {number}", float(shares[part])
        for number, (start, end, part) in enumerate(reversed(spans[-_PLACES:]), start=1):
            place = f"{before}part {number} from the end"
            yield content.text[start:end].casefold(), place, float(shares[part])


ID_LIKE = Check(
    code="LIM008",
    title="Id-like or constant-position part",
    severity="warning",
    summary="Weight on what only names a row, or on a word because of where it stands.",
    find=_find,
    applies=_applies,
    needs=("telling",),
    options=IdLikeOptions,
    page="docs/checks/LIM008.md",
)
