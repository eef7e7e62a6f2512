"""The upper half of a sequence's picture: lines over their weighted windows, with a scale."""

import math
from itertools import groupby

import numpy as np

from mlflow_lime.core.contents import SequenceContent
from mlflow_lime.core.explanation import Explanation, LabelExplanation
from mlflow_lime.report.overlays import colours_of, largest
from mlflow_lime.report.paper import Paper
from mlflow_lime.report.scale import draw_scale, write_small
from mlflow_lime.report.series_views import MOST_FEATURES, Track, tracks_of
from mlflow_lime.report.wording import is_sure, number, units

__all__ = ["draw_series", "series_height"]

_LEFT, _RIGHT = 92, 676  # where the lines begin and end; their units stand to the left
_MIDDLE = 360  # where the scale begins
_NAME = 24  # room for a feature's name
_GAP = 6
_AXIS = 26  # room for the numbers of the steps
_FOOT = 66  # room for the scale
_MOST = 2
"""Sequences drawn; a table may have more columns of them."""

_INK = "#1b1f24"
_EDGE = "#c3cad0"
_SPARE = 0.08
"""Room above and below a line, as a share of its range."""


def series_height(explanation: Explanation) -> int:
    """Return the pixels that `draw_series` needs; zero without a sequence."""
    return sum(
        n * (_NAME + _tall(n) + _GAP) + _AXIS + _FOOT
        for n in (min(MOST_FEATURES, len(item.features)) for item in _series(explanation))
    )


def draw_series(
    paper: Paper,
    y: float,
    explanation: Explanation,
    label_explanation: LabelExplanation,
    *,
    limit: float | None = None,
) -> None:
    """Draw each sequence's features over its windows, at most two sequences of six features.

    Parameters
    ----------
    paper : Paper
        700 pixels wide.
    y : float
        Where to begin, in pixels from the top.
    explanation : Explanation
        The explained instance.
    label_explanation : LabelExplanation
        The surrogate to draw.
    limit : float, optional
        End of the scale on both sides of zero, in units of the output.
    """
    limit = limit or largest(label_explanation.weights)
    for content in _series(explanation):
        tracks = tracks_of(content, label_explanation, limit)
        for track in tracks:
            column = f"{content.column}: " if content.column and track is tracks[0] else ""
            write_small(paper, f"{column}{track.name}", _LEFT, y, width=_RIGHT - _LEFT)
            _draw_track(paper, track, y + _NAME, _tall(len(tracks)))
            y += _NAME + _tall(len(tracks)) + _GAP
        _write_steps(paper, content, y)
        y += _AXIS
        _write_notes(paper, content, label_explanation, y)
        unit = f"{units(explanation)} per part"
        draw_scale(paper, _MIDDLE, y, _RIGHT - _MIDDLE, limit=limit, unit=unit)
        y += _FOOT


def _series(explanation: Explanation) -> list[SequenceContent]:
    found = [item for item in explanation.contents if isinstance(item, SequenceContent)]
    return found[:_MOST]


def _tall(n_tracks: int) -> int:
    """Return the height of a line, in pixels."""
    return max(52, min(190, 280 // n_tracks))


def _draw_track(paper: Paper, track: Track, y: float, height: int) -> None:
    n = len(track.values)
    wide = (_RIGHT - _LEFT) / n
    for band in track.bands:
        red, green, blue = np.rint(colours_of(np.array([band.share]))[0]).astype(int).tolist()
        x = _LEFT + band.start * wide
        colour = f"#{red:02x}{green:02x}{blue:02x}"
        paper.bar(x, y, (band.end - band.start) * wide, height, color=colour)
        paper.bar(x, y, 1, height, color=_EDGE)
    paper.bar(_RIGHT, y, 1, height, color=_EDGE)
    heights = track.heights()
    known = np.isfinite(heights)
    xs = _LEFT + (np.arange(n) + 0.5) * wide
    ys = y + height * (1 - (heights + _SPARE) / (1 + 2 * _SPARE))
    for is_known, places in groupby(range(n), key=lambda i: bool(known[i])):
        points = [(float(xs[i]), float(ys[i])) for i in places] if is_known else []
        if len(points) > 1:
            paper.curve(points, color=_INK, width=1.5)
        if points and (n <= 40 or len(points) == 1 or not known.all()):
            paper.dots(points, radius=1.9, color=_INK)
    _write_range(paper, track, y, height)


def _write_range(paper: Paper, track: Track, y: float, height: int) -> None:
    """Write the largest and the smallest value to the left of a line."""
    told = [number(float(f"{value:.4g}")).replace("-", "−") for value in (track.high, track.low)]
    if not math.isfinite(track.low):
        told = ["no values"] * 2
    middle = y + height / 2 - 6
    places = (
        [(told[0], middle)]
        if told[0] == told[1]
        else list(zip(told, (y, y + height - 13), strict=True))
    )
    for text, place in places:
        write_small(paper, text, _LEFT - 8, place, anchor="right", size=13, width=76)


def _write_steps(paper: Paper, content: SequenceContent, y: float) -> None:
    """Write the numbers of the first, the middle and the last step under the lines."""
    n = len(content.steps)
    wide = (_RIGHT - _LEFT) / n
    places = [(0, "left", float(_LEFT)), (n - 1, "right", float(_RIGHT))]
    if n > 4:
        places.append((n // 2, "center", _LEFT + (n // 2 + 0.5) * wide))
    for i, anchor, x in places:
        write_small(paper, f"{content.counted} {content.steps[i]}", x, y, anchor=anchor, size=13)


def _write_notes(paper: Paper, content: SequenceContent, label: LabelExplanation, y: float) -> None:
    if not is_sure(label)[content.parts].all():
        write_small(paper, "no tint: interval includes zero", 24, y)
        y += 22
    more = len(content.features) - MOST_FEATURES
    if more > 0:
        write_small(paper, f"{more} more features of less weight", 24, y)
