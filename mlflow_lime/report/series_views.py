"""What pages and pictures show of a sequence: each feature's line over its weighted windows."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from mlflow_lime.core.contents import SequenceContent
from mlflow_lime.core.explanation import Explanation, LabelExplanation
from mlflow_lime.report.overlays import largest
from mlflow_lime.report.svg import fragment, node
from mlflow_lime.report.wording import cut, direction_words, is_sure, number, signed, units

__all__ = ["FEWEST_POINTS", "MOST_FEATURES", "POINTS", "Band", "Track", "series_view", "tracks_of"]

MOST_FEATURES: Final = 6
"""Features that are drawn; the heaviest ones."""

POINTS: Final = 240
"""Points of a line on a page at most; of longer series, the extremes of each stretch."""

FEWEST_POINTS: Final = 24
"""Points of the coarsest line, whose windows have no words of their own."""

_STEPS = 6
"""Strengths of a tint on a page, the same as of marked words."""

_WIDTH, _HEIGHT, _PAD = 1000, 100, 8
_SPOKEN = 3
_NAME = 40


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of steps, from `start` until before `end`, and its part and weight.

    Attributes
    ----------
    start, end : int
    part : int
    share : float
        Weight as a share of the scale's limit, from -1 to 1; zero where the interval includes
        zero.
    """

    start: int
    end: int
    part: int
    share: float


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One feature: its name, its values, and its windows in the order of time."""

    name: str
    values: NDArray[np.float64]
    bands: tuple[Band, ...]

    @property
    def low(self) -> float:
        """Smallest finite value; NaN where there is none."""
        return float(np.min(self._finite)) if self._finite.size else math.nan

    @property
    def high(self) -> float:
        """Largest finite value; NaN where there is none."""
        return float(np.max(self._finite)) if self._finite.size else math.nan

    @property
    def _finite(self) -> NDArray[np.float64]:
        return self.values[np.isfinite(self.values)]

    def heights(self) -> NDArray[np.float64]:
        """Return the values between 0 and 1, NaN where they are not finite."""
        known = np.where(np.isfinite(self.values), self.values, np.nan)
        if not self.low < self.high:
            return np.where(np.isnan(known), np.nan, 0.5)
        # Halves first, so that the range of the largest floats does not overflow.
        return (known / 2 - self.low / 2) / (self.high / 2 - self.low / 2)


def tracks_of(
    content: SequenceContent,
    label: LabelExplanation,
    limit: float | None = None,
    *,
    beside: Sequence[LabelExplanation] = (),
) -> list[Track]:
    """Return the features to draw, the heaviest ones first, at most `MOST_FEATURES`.

    Parameters
    ----------
    content : SequenceContent
    label : LabelExplanation
        The surrogate to show; its parts are those of the explanation.
    limit : float, optional
        Weight of the strongest tint, in units of the output; the largest one of the surrogate by
        default.
    beside : sequence of LabelExplanation, optional
        Surrogates that are shown beside it; the features are those that are heavy in any.
    """
    limit = limit or largest(label.weights)
    shares = np.clip(_known(label) / limit, -1, 1)
    total = np.sum([np.abs(_known(one)) for one in (label, *beside)], axis=0)
    sizes = [total[np.unique(column)].sum() for column in content.labels.T]
    heaviest = np.argsort(-np.array(sizes), kind="stable")[:MOST_FEATURES].tolist()
    return [
        Track(
            content.features[j],
            content.values[:, j],
            tuple(_bands(content.labels[:, j], shares)),
        )
        for j in heaviest
    ]


def _known(label: LabelExplanation) -> NDArray[np.float64]:
    """Return the weights, zero where they are not known or the interval includes zero."""
    return np.where(is_sure(label) & np.isfinite(label.weights), label.weights, 0.0)


def _bands(labels: NDArray[np.int32], shares: NDArray[np.float64]) -> Iterator[Band]:
    edges = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    for start, end in pairwise(edges):
        part = int(labels[start])
        yield Band(start, end, part, float(shares[part]))


def series_view(
    content: SequenceContent,
    explanation: Explanation,
    labels: Sequence[tuple[str, LabelExplanation | None]],
    *,
    points: int = POINTS,
) -> dict[str, Any]:
    """Return what a template shows of one sequence, once for each surrogate, on one scale.

    Parameters
    ----------
    content : SequenceContent
    explanation : Explanation
        The explained instance.
    labels : sequence of (str, LabelExplanation or None)
        Surrogates to show, and whose they are; the parts are those of the explanation.
    points : int, default 240
        Points of a line, at most.
    """
    shown = [(name, label) for name, label in labels if label is not None]
    limit = max(largest(label.weights) for _, label in shown)
    high = signed([limit])[0].lstrip("+")
    return {
        "kind": "sequence",
        "column": cut(content.column, 60),
        "sides": [
            {
                "name": cut(name, _NAME),
                "told": _told(content, explanation, label),
                "tracks": [
                    {
                        "name": cut(track.name, _NAME),
                        "range": _range(track),
                        "svg": Markup(_picture(track, explanation, label, points)),  # escaped words
                    }
                    for track in tracks_of(
                        content, label, limit, beside=[one for _, one in shown if one is not label]
                    )
                ],
            }
            for name, label in shown
        ],
        "first": f"{content.counted} {content.steps[0]}",
        "last": f"{content.counted} {content.steps[-1]}",
        "more": max(0, len(content.features) - MOST_FEATURES),
        "low": f"−{high}",
        "high": f"+{high}",
        "units": units(explanation),
    }


def _range(track: Track) -> str:
    if not math.isfinite(track.low):
        return "no values"
    low, high = number(track.low), number(track.high)
    return (low if low == high else f"{low} to {high}").replace("-", "−")


def _told(content: SequenceContent, explanation: Explanation, label: LabelExplanation) -> str:
    """Return the heaviest windows in words."""
    order = label.order()
    own = [j for j in order[np.isin(order, content.parts)].tolist() if label.weights[j]]
    against, towards = direction_words(explanation)
    texts = signed(label.weights[own[:_SPOKEN]])
    phrases = [
        f"{cut(explanation.parts[j], 60)}, {towards if label.weights[j] > 0 else against} "
        f"{text.replace('-', '−')}"
        for j, text in zip(own, texts, strict=False)
    ]
    return f"Heaviest: {'; '.join(phrases)}." if phrases else "No window has weight."


def _picture(track: Track, explanation: Explanation, label: LabelExplanation, points: int) -> str:
    """Return the line over its windows as an SVG that stretches to any width."""
    scale = _WIDTH / len(track.values)
    edges = "".join(f"M{band.start * scale:.0f} 0V{_HEIGHT}" for band in track.bands[1:])
    body = [
        *_tints(track, explanation, label, told=points > FEWEST_POINTS),
        f'<path class="edge" d="{edges}"/>',
        f'<path class="line" d="{_line(track.heights(), points)}"/>',
    ]
    words = f"{track.name}, {len(track.bands)} windows tinted by weight"
    picture = fragment(body, _WIDTH, _HEIGHT, words)
    return picture.replace("<svg ", '<svg class="series" preserveAspectRatio="none" ', 1)


def _tints(
    track: Track, explanation: Explanation, label: LabelExplanation, *, told: bool
) -> Iterator[str]:
    """Yield the tinted windows, each with its weight in words where there is room for it."""
    scale = _WIDTH / len(track.values)
    tinted = [band for band in track.bands if band.share]
    texts = signed(label.weights[[band.part for band in tinted]])
    for band, text in zip(tinted, texts, strict=True):
        x, width = round(band.start * scale), round((band.end - band.start) * scale)
        step = min(_STEPS, max(1, round(_STEPS * abs(band.share))))
        css = f"{'t' if band.share > 0 else 'a'}{step}"
        words = f"{cut(explanation.parts[band.part], 120)}: {text.replace('-', '−')}"
        title = node("title", words) if told else ""
        yield f'<path class="{css}" d="M{x} 0h{width}v{_HEIGHT}H{x}">{title}</path>'


def _line(heights: NDArray[np.float64], points: int) -> str:
    """Return the path of a line, broken where values are missing."""
    pieces, pen = [], "M"
    for x, height in _points(heights, points):
        if math.isnan(height):
            pen = "M"
            continue
        y = _PAD + (1 - height) * (_HEIGHT - 2 * _PAD)
        pieces.append(f"{pen}{x * _WIDTH / len(heights):.0f} {y:.0f}")
        if pen == "M":
            pieces.append("h0")  # so that a value between missing ones is a dot
        pen = "L"
    return "".join(pieces)


def _points(heights: NDArray[np.float64], most: int) -> Iterator[tuple[float, float]]:
    """Yield steps and heights; of a long series, the extremes of each stretch in their order."""
    n = len(heights)
    if n <= most:
        yield from ((i + 0.5, float(height)) for i, height in enumerate(heights))
        return
    edges = np.linspace(0, n, most // 2 + 1).astype(int)
    for start, end in pairwise(edges.tolist()):
        part = heights[start:end]
        if np.isnan(part).all():
            yield start + 0.5, math.nan
            continue
        for i in sorted({int(np.nanargmin(part)), int(np.nanargmax(part))}):
            yield start + i + 0.5, float(part[i])
