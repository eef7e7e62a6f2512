"""Instances together, and by what the model answers for them."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from mlflow_lime.core.explanation import Explanation
from mlflow_lime.core.stored import chosen
from mlflow_lime.errors import shorten

__all__ = ["answer_of", "by_answer"]


def answer_of(item: Explanation) -> str | None:
    """Return the predicted class; None for a regression, or without a finite score."""
    if item.mode == "regression" or not np.isfinite(item.scores).any():
        return None
    return str(item.class_names[int(np.nanargmax(item.scores))])


def by_answer(
    items: Sequence[Explanation], least: int
) -> Iterator[tuple[str, Sequence[Explanation]]]:
    """Yield all instances, and those of each predicted class, where there are enough.

    Yields
    ------
    words : str
        What to say after "instances": nothing, or for which answer.
    group : sequence of Explanation
        At least `least` of them.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for i, item in enumerate(items):
        answer = answer_of(item)
        if answer is not None:
            groups[answer].append(i)
    found = [("", items)]
    for name, own in groups.items():
        if least <= len(own) < len(items):
            found.append((f" that the model calls {shorten(name, 60)}", chosen(items, own)))
    for words, group in found:
        if len(group) >= least and (not words or len(group) < len(items)):
            yield words, group
