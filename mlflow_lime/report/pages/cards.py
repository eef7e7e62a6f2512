"""A card for each instance: what the model said, why, and how far to trust that."""

import base64
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
from markupsafe import Markup, escape

from mlflow_lime.core.contents import ImageContent, SequenceContent, TextContent
from mlflow_lime.core.explanation import Explanation, LabelExplanation
from mlflow_lime.report.content_views import numbered_parts, text_view
from mlflow_lime.report.overlays import largest, overlay
from mlflow_lime.report.pages.axis import MARKS, Axis, Lane
from mlflow_lime.report.pages.content import Content, Other
from mlflow_lime.report.pages.methods import method_rows, methods_of
from mlflow_lime.report.pages.summary import poorly_explained
from mlflow_lime.report.series_views import FEWEST_POINTS, MOST_FEATURES, POINTS, series_view
from mlflow_lime.report.wording import (
    caveat,
    clean,
    cut,
    direction_words,
    fit,
    headline,
    is_sure,
    number,
    predicted_label,
    r2,
    score,
    signed,
    units,
)

__all__ = ["Cards", "make_cards"]

_NAME = 40
_PART = 120
_SEARCHED = 4_000
"""Characters of an instance that the search looks through."""

_NOTES = 3
_PICTURE_BYTES = 1_900_000
"""Of all pictures on a page, before their encoding as text, which makes them a third larger."""

_LINE_POINTS = 60_000
"""Points of all lines of sequences on a page, seven bytes each."""

_SIDE = 240
"""Pixels of the longer side of a picture."""

_SIZES = tuple((side, quality) for side in (_SIDE, 180, 120) for quality in (70, 50, 35))
"""Sides and qualities of WebP, the largest files first."""


@dataclass(frozen=True, slots=True)
class Cards:
    """The cards, and what they can be filtered by.

    Attributes
    ----------
    cards : list of dict
        What the template shows of each instance, as cleaned strings.
    classes, reasons, findings : list of (str, str)
        Values and names of the filters.
    left_out : int
        Instances that are not shown.
    """

    cards: list[dict[str, Any]]
    classes: list[tuple[str, str]]
    reasons: list[tuple[str, str]]
    findings: list[tuple[str, str]]
    left_out: int


def make_cards(content: Content, *, top: int, most: int) -> Cards:
    """Return the cards of at most `most` instances, in the order of the reference set.

    All cards share one scale. Where there are other versions, each row of weights has a mark for
    each of them below the bar.
    """
    found = _Instances(content, top, most)
    cards = [found.card(item, place) for place, item in enumerate(found.shown)]
    classes = _values(card["predicted"] for card in cards)
    reasons = _values(card["reason"] for card in cards)
    tags = {tag for card in cards for tag in card["tags"]}
    codes = {item.code: f"{item.code} {cut(item.title, 60)}" for item in content.outcomes or ()}
    named = [(tag, codes.get(tag) or _TAGS.get(tag, tag)) for tag in [*_TAGS, *sorted(codes)]]
    return Cards(
        cards=cards,
        classes=classes,
        reasons=reasons,
        findings=[(tag, name) for tag, name in named if tag in tags],
        left_out=len(content.side.explanations) - len(found.shown),
    )


_TAGS = {
    "poor-fit": "poor fit",
    "wrong": "answer differs from the true label",
    "answer-changed": "answer changed",
    "reasons-changed": "reasons changed",
    "same-answer-new-reason": "same answer, other reasons",
}
"""What an instance can be found by, beside the findings of the checks."""


def _values(values: Iterator[str]) -> list[tuple[str, str]]:
    return [(value, value) for value in sorted({value for value in values if value})]


class _Instances:
    """The instances of a page, with what their cards share."""

    def __init__(self, content: Content, top: int, most: int) -> None:
        self.content = content
        self.top = top
        side = content.side
        self.shown = side.explanations[:most]
        self.poor = set(poorly_explained(side))
        # Labels of another type than the classes, such as 1.0 for "1", tell nothing of errors.
        self.told_apart = any(
            side.facts.true_labels.get(item.key) in item.class_names for item in side.explanations
        )
        self.drift = {
            item.key: item
            for other in content.others[:1]
            for item in (other.drift.instances if other.drift else ())
        }
        self.found: dict[str, list[str]] = {}
        for outcome in content.outcomes or ():
            if outcome.state == "raised":
                for key in outcome.instances:
                    self.found.setdefault(key, []).append(outcome.code)
        self.others = [_by_key(other) for other in content.others]
        self.axis = Axis.around_zero(self._reach())
        inside = len(content.side.attributions.methods) if content.side.attributions else 0
        self.encoder = _Encoder(_budget(self.shown, len(content.others), inside))
        self.points = _points(self.shown, len(content.others), inside)

    def _reach(self) -> Iterator[float]:
        """Yield what must fit on the axis; intervals may leave it."""
        for item in self.shown:
            for label in (item.labels[0], *self._counterparts(item)):
                if label is not None and len(label.weights):
                    yield float(np.nanmax(np.abs(label.weights), initial=0.0))

    def _counterparts(self, item: Explanation) -> list[LabelExplanation | None]:
        """Return the surrogate of each other version that is the same as the one shown."""
        own = item.labels[0]
        theirs = [_same_form(known.get(item.key), item) for known in self.others]
        return [_counterpart(other, item, own) for other in theirs]

    def card(self, item: Explanation, place: int) -> dict[str, Any]:
        own, others = item.labels[0], self._counterparts(item)
        drift = self.drift.get(item.key)
        known = self.content.side.facts
        truth = known.true_labels.get(item.key)
        tags = self._tags(item, truth)
        against, towards = direction_words(item)
        heaviest = [item.parts[j] for j in own.order()[: self.top].tolist()]
        texts = [*heaviest, *(c.text for c in item.contents if isinstance(c, TextContent))]
        return {
            "key": cut(item.key, 60),
            "place": place,
            "reason": cut(known.reasons.get(item.key, ""), 80),
            "predicted": _predicted(item),
            "truth": "" if truth is None else cut(truth, _NAME),
            "wrong": "wrong" in tags,
            "answers": self._answers(item, own, others),
            "fit": r2(fit(own)),
            "poor": item.key in self.poor,
            "warning": caveat(own),
            "fit_order": _order(fit(own)),
            "change_order": _order(drift.total_change if drift and not drift.untrusted else -1.0),
            "value_order": _order(own.prediction),
            "tags": tags,
            "changed": bool(drift and drift.changed and not drift.untrusted),
            "not_compared": cut(drift.untrusted, 160) if drift else "",
            "search": clean(" ".join([item.key, own.label, truth or "", *texts])[:_SEARCHED]),
            "contents": self._contents(item, own, others),
            "against": against,
            "towards": towards,
            "rows": self._rows(item, own, others),
            "more_rows": max(0, len(item.parts) - self.top),
            "methods": self._methods(item, own),
            "foot": _foot(item, own),
            "notes": [cut(note, 200) for note in item.notes[:_NOTES]],
        }

    def _tags(self, item: Explanation, truth: str | None) -> list[str]:
        drift = self.drift.get(item.key)
        compared = drift if drift and not drift.untrusted else None
        place = predicted_label(item)
        said = None if place is None else item.class_names[place]
        tags = {
            "poor-fit": item.key in self.poor,
            "wrong": self.told_apart and None not in (said, truth) and truth != said,
            "answer-changed": bool(compared and compared.answer_changed),
            "reasons-changed": bool(compared and compared.changed),
            "same-answer-new-reason": bool(compared and compared.same_answer_new_reason),
        }
        return [tag for tag, holds in tags.items() if holds] + self.found.get(item.key, [])

    def _answers(
        self, item: Explanation, own: LabelExplanation, others: Sequence[LabelExplanation | None]
    ) -> list[dict[str, Any]]:
        """Return what each version said: its answer, and its output for the explained label."""
        told = [{**_answer(self.content.side.name, item, own, wanted=own.label), "mark": ""}]
        marks = cycle(MARKS)
        for other, known, label, mark in zip(
            self.content.others, self.others, others, marks, strict=False
        ):
            theirs = _same_form(known.get(item.key), item)
            if theirs is not None:
                answer = _answer(other.side.name, theirs, label, wanted=own.label)
                told.append({**answer, "mark": mark})
        return told

    def _rows(
        self, item: Explanation, own: LabelExplanation, others: Sequence[LabelExplanation | None]
    ) -> list[dict[str, Any]]:
        """Return the heaviest parts with their bars, and the marks of the other versions."""
        shown = _heaviest(own, others, self.top)
        columns = [own, *others]
        weights = [[_lane(label, j) for label in columns] for j in shown]
        numbers = [lane.value for lanes in weights for lane in lanes if lane is not None]
        texts = iter([text.replace("-", "−") for text in signed(numbers)])
        ranks = numbered_parts(item, own, top=self.top)
        rows = []
        for j, (mine, *theirs) in zip(shown, weights, strict=True):
            told = [next(texts) if lane is not None else "" for lane in (mine, *theirs)]
            limits = _limits(mine) if mine else ""
            picture = self.axis.draw(mine or Lane(math.nan), theirs, escape(limits))
            rows.append(
                {
                    "part": (f"{ranks[j]} · " if j in ranks else "") + cut(item.parts[j], _PART),
                    "weight": told[0],
                    "before": told[1:],
                    "svg": Markup(picture),  # numbers and escaped words
                    "sure": bool(is_sure(own)[j]),
                }
            )
        return rows

    def _methods(self, item: Explanation, own: LabelExplanation) -> dict[str, Any] | None:
        """Return LIME beside methods that look inside the network; None where there are none."""
        surrogates, attributions = methods_of(self.content.side, item, own)
        known = self.content.side.attributions
        if not surrogates or known is None:
            return None
        limit = max(largest(label.weights) for _, label in surrogates)
        pictures, texts, series = [], [], []
        for content in item.contents:
            if isinstance(content, SequenceContent):
                series.append(series_view(content, item, surrogates, points=self.points))
            for name, label in surrogates:
                if isinstance(content, ImageContent):
                    pixels = overlay(content, label, side=_SIDE, limit=limit)
                    pictures.append(self.encoder.view(pixels, name))
                elif isinstance(content, TextContent):
                    texts.append((name, text_view(content, item, label, limit=limit)))
        found = method_rows(item, surrogates, attributions, known, top=self.top)
        return {**found, "pictures": pictures, "texts": texts, "series": series}

    # Texts, images and sequences

    def _contents(
        self, item: Explanation, own: LabelExplanation, others: Sequence[LabelExplanation | None]
    ) -> list[dict[str, Any]]:
        views = []
        for content in item.contents:
            if isinstance(content, TextContent):
                first = others[0] if others else None
                limit = max(largest(label.weights) for label in (own, first) if label)
                view = text_view(content, item, own, limit=limit)
                # The text of the baseline is the same; only its marks differ.
                view["before"] = text_view(content, item, first, limit=limit) if first else None
                views.append(view)
            elif isinstance(content, SequenceContent):
                views.append(self._series(content, item, [own, *others[:1]]))
            else:
                views.append(self._images(content, item, [own, *others[:1]]))
        return views

    def _series(
        self,
        content: SequenceContent,
        item: Explanation,
        labels: Sequence[LabelExplanation | None],
    ) -> dict[str, Any]:
        """Return the sequence with its windows, for the version and the baseline on one scale."""
        return series_view(content, item, self._named(labels), points=self.points)

    def _named(
        self, labels: Sequence[LabelExplanation | None]
    ) -> list[tuple[str, LabelExplanation | None]]:
        """Return the surrogates of the version and of the baseline with their names."""
        sides = [self.content.side.name, *(other.side.name for other in self.content.others[:1])]
        return list(zip(sides, labels, strict=False))

    def _images(
        self,
        content: ImageContent,
        item: Explanation,
        labels: Sequence[LabelExplanation | None],
    ) -> dict[str, Any]:
        """Return the image, and the overlays of the version and of the baseline on one scale."""
        found = [label for label in labels if label is not None]
        limit = max(largest(label.weights) for label in found)
        mine = set(content.parts.tolist())
        pictures = [self.encoder.view(_plain(content), "the image")]
        for name, label in self._named(labels):
            if label is not None:
                ranks = numbered_parts(item, label, top=self.top)
                own = {part: rank for part, rank in ranks.items() if part in mine}
                pixels = overlay(content, label, side=_SIDE, limit=limit, ranks=own)
                pictures.append(self.encoder.view(pixels, cut(name, _NAME)))
        high = signed([limit])[0].lstrip("+")
        return {
            "kind": "image",
            "column": cut(content.column, 60),
            "pictures": pictures,
            "low": f"−{high}",
            "high": f"+{high}",
            "units": units(item),
            "untestable": bool((content.owners[np.unique(content.segments)] < 0).any()),
        }


class _Encoder:
    """Pictures as WebP, each within a number of bytes."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.size = 0  # of _SIZES; pictures of one page are alike, so the next begins here

    def view(self, pixels: Any, name: str) -> dict[str, Any]:
        """Return what the template shows of a picture."""
        height, width = pixels.shape[:2]
        return {
            "name": name,
            "data": base64.b64encode(self._encoded(pixels)).decode("ascii"),
            "width": width,
            "height": height,
        }

    def _encoded(self, pixels: Any) -> bytes:
        from PIL import Image

        image = Image.fromarray(np.ascontiguousarray(pixels))
        written = b""
        for size in range(self.size, len(_SIZES)):
            side, quality = _SIZES[size]
            small = image.copy()
            small.thumbnail((side, side))
            buffer = io.BytesIO()
            small.save(buffer, format="WEBP", quality=quality, method=2)
            written = buffer.getvalue()
            if len(written) <= self.budget:
                self.size = max(0, size - 1)
                return written
        return written


def _plain(content: ImageContent) -> Any:
    """Return the image itself, as large as its overlays."""
    from PIL import Image

    height, width = content.pixels.shape[:2]
    scale = _SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    way = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX
    image = Image.fromarray(np.ascontiguousarray(content.pixels))
    return np.asarray(image.resize(size, way))


def _budget(shown: Sequence[Explanation], others: int, inside: int) -> int:
    """Return how many bytes a picture may have, so that all of them stay within the page's."""
    images = sum(isinstance(c, ImageContent) for item in shown for c in item.contents)
    views = 2 + min(1, others) + (1 + inside if inside else 0)
    return _PICTURE_BYTES // max(1, images * views)


def _points(shown: Sequence[Explanation], others: int, inside: int) -> int:
    """Return how many points a line may have, so that all of them stay within the page's."""
    contents = (c for item in shown for c in item.contents if isinstance(c, SequenceContent))
    lines = sum(min(MOST_FEATURES, len(content.features)) for content in contents)
    views = 1 + min(1, others) + (1 + inside if inside else 0)
    most = _LINE_POINTS // max(1, lines * views)
    return max(FEWEST_POINTS, min(POINTS, most))


def _by_key(other: Other) -> Mapping[str, Explanation]:
    return {item.key: item for item in other.side.explanations}


def _same_form(theirs: Explanation | None, mine: Explanation) -> Explanation | None:
    """Return another version's explanation, without values where this one is stored without."""
    if theirs is None or theirs.names == mine.names:
        return theirs
    hidden = not mine.contents and mine.parts == mine.names
    return theirs.redacted() if hidden else theirs


def _counterpart(
    theirs: Explanation | None, mine: Explanation, own: LabelExplanation
) -> LabelExplanation | None:
    """Return the surrogate of the same label and the same parts in another version, or None."""
    if theirs is None or theirs.names != mine.names:
        return None
    return next((label for label in theirs.labels if label.label == own.label), None)


def _heaviest(
    own: LabelExplanation, others: Sequence[LabelExplanation | None], top: int
) -> list[int]:
    """Return the heaviest parts of any version, by their weight in the one that is shown."""
    wanted = set(own.order()[:top].tolist())
    for label in others:
        if label is not None:
            wanted |= set(label.order()[:_ALSO].tolist())
    return [j for j in own.order().tolist() if j in wanted]


_ALSO = 3
"""Parts of another version that are shown, however light they are now."""


def _lane(label: LabelExplanation | None, part: int) -> Lane | None:
    if label is None:
        return None
    return Lane(float(label.weights[part]), float(label.low[part]), float(label.high[part]))


def _limits(lane: Lane) -> str:
    if not (math.isfinite(lane.low) and math.isfinite(lane.high)) or lane.low == lane.high:
        return "no interval"
    return "interval " + " to ".join(signed([lane.low, lane.high])).replace("-", "−")


def _predicted(item: Explanation) -> str:
    place = predicted_label(item)
    return "" if place is None else cut(item.class_names[place], _NAME)


def _answer(
    name: str, item: Explanation, label: LabelExplanation | None, *, wanted: str
) -> dict[str, Any]:
    share = label.prediction if label is not None and item.mode == "classification" else math.nan
    known = any(own.label == wanted for own in item.labels)
    why = "cut into other parts" if known else "label not explained"
    return {
        "side": cut(name, _NAME),
        "answer": _predicted(item),
        "output": why if label is None else headline(item, label),
        "percent": round(100 * min(1.0, max(0.0, share))) if math.isfinite(share) else None,
    }


def _order(value: float) -> str:
    return f"{value:.12g}" if math.isfinite(value) else "-1e9"


def _foot(item: Explanation, label: LabelExplanation) -> str:
    surrogate = (number if item.mode == "regression" else score)(label.surrogate_prediction)
    pieces = [
        f"weights in {units(item)} per part",
        f"surrogate {surrogate.replace('-', '−')}",
        f"R² {r2(label.fidelity_r2)}",
        f"{item.rows:,} rows",
        "no sampling error" if item.exact else f"stability {r2(label.stability_topk)}",
    ]
    if not item.converged:
        pieces.append("intervals wider than asked")
    others = [cut(other.label, 30) for other in item.labels if other is not label]
    if others:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        pieces.append(f"also explained: {', '.join(others[:3])}{more}")
    return " · ".join(pieces)
