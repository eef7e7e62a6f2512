"""What there is to log of a review, one small item after the other; written elsewhere."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mlflow_lime import names
from mlflow_lime.core.contents import ImageContent
from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.core.stored import keys_of
from mlflow_lime.metrics.aggregate import aggregate, global_importance
from mlflow_lime.metrics.importance import EVERYTHING
from mlflow_lime.metrics.trust import Trust
from mlflow_lime.report.content_views import numbered_parts
from mlflow_lime.report.facts import InstanceFacts
from mlflow_lime.report.items import (
    File,
    Item,
    Metric,
    Picture,
    Table,
    VersionTag,
    WrittenFile,
)
from mlflow_lime.report.jsonlines import explanations_json
from mlflow_lime.report.overlays import encode_png, overlay
from mlflow_lime.report.overview import draw_overview
from mlflow_lime.report.shown import Shown
from mlflow_lime.report.tables import explanations_frame, instances_table, weights_table
from mlflow_lime.report.whole import write_frames, write_whole
from mlflow_lime.report.wording import r2

__all__ = ["Wanted", "review_items"]

_TABLE_ROWS = 20_000
"""Rows of the table of weights; the files hold every weight, however many there are."""
_BARS = 7
"""Bars in the picture of an instance: MLflow shows it 256 pixels wide at first."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which outputs are wanted.

    Attributes
    ----------
    top : int
        Parts drawn for an instance.
    pictures, tables, version_tags : bool
        Whether to make them.
    max_pictures : int
        Instances drawn at most.
    shown : Shown or None
        The instances of a large set that are shown one by one; all by default.
    """

    top: int = 10
    pictures: bool = True
    tables: bool = True
    max_pictures: int = 50
    version_tags: bool = True
    shown: Shown | None = None


def review_items(
    explanations: Sequence[Explanation],
    failed: Sequence[FailedExplanation],
    *,
    title: str,
    seconds: float,
    config_text: str,
    recipe: Mapping[str, Any],
    facts: InstanceFacts | None = None,
    trust: Trust | None = None,
    importance: pd.DataFrame | None = None,
    wanted: Wanted | None = None,
) -> Iterator[Item]:
    """Yield everything that is logged of a review.

    Parameters
    ----------
    explanations, failed : sequences
        Outcomes, in the order of the reference set.
    title : str
        Name of the model version.
    seconds : float
        Wall time.
    config_text : str
        The resolved configuration, as YAML.
    recipe : mapping
        How the explanations were made, as plain JSON values.
    facts : InstanceFacts, optional
        Why the instances were chosen, their true labels, and the slices that they are in.
    trust : Trust, optional
        What was measured of the explanations; its summary has their own aggregates too.
    importance : DataFrame, optional
        What `importance_table` returns.
    wanted : Wanted, optional
    """
    wanted, facts = wanted or Wanted(), facts or InstanceFacts()
    measured = {name: item.value for name, item in trust.summary.items()} if trust else {}
    # It holds the aggregates too, and they cost a look at every explanation.
    found = measured if trust else aggregate(explanations, failed)
    for name, value in found.items():
        yield Metric(f"{names.PREFIX}{name}", value)
    yield Metric(f"{names.PREFIX}seconds", seconds)
    yield from _explanation_files(explanations, failed, wanted.shown)
    if wanted.shown is not None:
        explanations, failed = wanted.shown.explanations, wanted.shown.failed
        facts = facts.only([*keys_of(explanations), *(item.key for item in failed)])
        title = f"{title} ({wanted.shown.words})"
    yield File(names.CONFIG_FILE, config_text.encode())
    yield File(names.RECIPE_FILE, json.dumps(recipe, ensure_ascii=False, indent=1).encode())
    yield File(names.FACTS_FILE, facts.to_json().encode("utf-8", "backslashreplace"))
    if trust is not None:
        yield File(names.TRUST_FILE, trust.to_json().encode())
    if wanted.tables:
        # MLflow's table view opens with the table that comes first.
        table = instances_table(
            explanations, failed, true_labels=facts.true_labels, reasons=facts.reasons
        )
        yield Table(names.INSTANCES_TABLE, table)
        yield Table(names.WEIGHTS_TABLE, weights_table(explanations, top=_table_top(explanations)))
        if importance is not None:
            yield Table(names.IMPORTANCE_TABLE, importance)
    if wanted.pictures:
        yield from _pictures(explanations, title, wanted)
    if wanted.version_tags:
        yield from _version_tags(found, _heaviest(explanations, importance))


def _explanation_files(
    explanations: Sequence[Explanation],
    failed: Sequence[FailedExplanation],
    shown: Shown | None,
) -> Iterator[Item]:
    """Yield the files of every explanation; of a large set, JSON of those that are shown."""
    if shown is None:
        yield File(names.EXPLANATIONS_JSON, explanations_json(explanations, failed).encode())
        yield File(names.EXPLANATIONS_PARQUET, _parquet(explanations_frame(explanations)))
        return
    text = explanations_json(shown.explanations, shown.failed, sample=shown.note)
    yield File(names.EXPLANATIONS_JSON, text.encode())
    yield WrittenFile(names.EXPLANATIONS_PARQUET, lambda path: write_frames(explanations, path))
    yield WrittenFile(
        names.EXPLANATIONS_WHOLE, lambda path: write_whole(explanations, failed, path)
    )


def _table_top(explanations: Sequence[Explanation]) -> int | None:
    """Return how many parts of an instance and label the table lists, if not all of them."""
    counts = [len(item.parts) for item in explanations for _ in item.labels]
    return None if sum(counts) <= _TABLE_ROWS else max(10, _TABLE_ROWS // len(counts))


def _pictures(explanations: Sequence[Explanation], title: str, wanted: Wanted) -> Iterator[Item]:
    yield File(names.OVERVIEW_PICTURE, draw_overview(explanations, title=title).encode())
    for i, explanation in enumerate(explanations[: wanted.max_pictures]):
        drawn = _drawn(explanation, min(wanted.top, _BARS))
        # The number in the reference set, which differs where an earlier instance failed.
        number = explanation.key.partition(" ")[0]
        name = number if number.isascii() and number.isdigit() else f"{i:02d}"
        yield File(f"{names.PICTURES}/{name}.png", drawn)
        yield Picture(names.PICTURE_KEY, int(name), _overlaid(explanation, wanted.top) or drawn)


def _drawn(explanation: Explanation, top: int) -> bytes:
    """Return the picture of an instance as a PNG file."""
    from mlflow_lime.report.figures import explanation_png

    return explanation_png(explanation, explanation.labels[0], top=top)


def _overlaid(explanation: Explanation, top: int) -> bytes:
    """Return the overlay of the instance's first image as a PNG file; empty where it has none."""
    image = next((item for item in explanation.contents if isinstance(item, ImageContent)), None)
    if image is None:
        return b""
    label = explanation.labels[0]
    ranks = numbered_parts(explanation, label, top=top)
    return encode_png(overlay(image, label, ranks=ranks))


def _version_tags(found: Mapping[str, float], heaviest: Sequence[str]) -> Iterator[Item]:
    explained, failed = int(found.get("instances", 0)), int(found.get("failed", 0))
    if not explained:
        yield VersionTag(names.TAG_VERSION_STATUS, "failed")
        return
    status = f"{failed} of {explained + failed} failed" if failed else "ok"
    known = found.get("partial_r2", found.get("fidelity_r2"))
    fit = "" if known is None else f", fit {r2(known)}"
    yield VersionTag(names.TAG_VERSION_STATUS, f"{status}{fit}")
    if heaviest:  # segments of images have no names that mean anything here
        yield VersionTag(names.TAG_VERSION_TOP, ", ".join(heaviest)[:200])


def _heaviest(explanations: Sequence[Explanation], importance: pd.DataFrame | None) -> list[str]:
    """Return the names of the three most important parts over all instances."""
    if importance is None:
        return list(global_importance(explanations)["name"].head(3))
    return list(importance.loc[importance["group"] == EVERYTHING, "name"].head(3))


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()
