"""The picture of one explanation, made to be read first as a small thumbnail."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlflow_lime.core.explanation import Explanation, LabelExplanation
from mlflow_lime.report.content_views import numbered_parts
from mlflow_lime.report.fonts import wrap
from mlflow_lime.report.image_panel import draw_images, panel_height
from mlflow_lime.report.overview import draw_overview
from mlflow_lime.report.paper import Paper
from mlflow_lime.report.raster import Raster
from mlflow_lime.report.series_panel import draw_series, series_height
from mlflow_lime.report.svg import AGAINST_INK
from mlflow_lime.report.wording import (
    AGAINST,
    TOWARDS,
    caveat,
    direction_words,
    fit,
    headline,
    number,
    predicted_label,
    r2,
    score,
    signed,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_explanation", "draw_overview", "explanation_png"]

_SIDE = 700  # pixels
_LEFT, _RIGHT = 266, 584  # the bars' room; part names stand to the left, weights to the right
_MIDDLE, _HALF = (_LEFT + _RIGHT) / 2, (_RIGHT - _LEFT) / 2
_FOOT = 78  # room for the scale under the bars
_ROW, _TALLEST = 44, 74  # a bar's row under images; without them, the bars fill the picture
_THICK = 3  # of an interval
_LINE = 1.2  # from one line of a name to the next, in sizes of its letters
_RAISED = 0.36  # from the middle of letters down to their base line, in their size
_INK, _GREY, _FAINT, _WARNING = "#1b1f24", "#5b6670", "#e3e7ea", "#a3430f"
_ROUND = (0.8, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0)
"""What the numbers at the scale are, times a power of ten."""


@dataclass(frozen=True, slots=True)
class _Bars:
    """What is drawn: the heaviest parts of a surrogate, and the room they have."""

    names: list[str]
    weights: list[float]
    low: list[float]
    high: list[float]
    limit: float
    empty: bool
    """Whether nothing differs from zero, so that the axis has no scale."""
    n_parts: int
    rest: float
    """Largest absolute weight that is not drawn."""

    def x(self, weight: float) -> float:
        """Return the pixel of a weight; an end of the axis where the weight lies beyond."""
        return _MIDDLE + _HALF * max(-1.0, min(1.0, weight / self.limit))


def draw_explanation(
    explanation: Explanation,
    label_explanation: LabelExplanation,
    *,
    top: int = 10,
    limit: float | None = None,
) -> "Figure":
    """Draw the heaviest weights of a surrogate with their intervals.

    Images stand above the bars: the overlay, and the map of all weights; so do sequences, each
    feature over its weighted windows.

    Parameters
    ----------
    explanation : Explanation
        The explained instance.
    label_explanation : LabelExplanation
        The surrogate to draw, one of ``explanation.labels``.
    top : int, default 10
        How many parts to draw, heaviest on top.
    limit : float, optional
        Where the axis ends on both sides of zero, in units of the output, so that several pictures
        share a scale. Wide enough for every interval by default.

    Returns
    -------
    matplotlib.figure.Figure
        700 pixels wide, free of pyplot state. 700 pixels high without images and
        sequences; taller with them.
        Its only axes are the whole picture, in pixels from the top left corner.
    """
    from mlflow_lime.report.sheet import Sheet

    sheet = Sheet.blank(_SIDE, _height(explanation, top))
    _draw(sheet, explanation, label_explanation, top=top, limit=limit)
    return sheet.figure


def explanation_png(
    explanation: Explanation,
    label_explanation: LabelExplanation,
    *,
    top: int = 10,
    limit: float | None = None,
) -> bytes:
    """Return what `draw_explanation` draws as a PNG file, without matplotlib and far sooner.

    Parameters
    ----------
    explanation, label_explanation, top, limit
        As for `draw_explanation`.
    """
    raster = Raster.blank(_SIDE, _height(explanation, top))
    _draw(raster, explanation, label_explanation, top=top, limit=limit)
    return raster.png()


def _height(explanation: Explanation, top: int) -> int:
    above = panel_height(explanation) + series_height(explanation)
    n_bars = min(max(1, top), len(explanation.parts))
    return 160 + above + _ROW * n_bars + _FOOT if above else _SIDE


def _draw(
    paper: Paper,
    explanation: Explanation,
    label: LabelExplanation,
    *,
    top: int,
    limit: float | None,
) -> None:
    head = _write_head(paper, explanation, label)
    images = panel_height(explanation)
    if images:
        draw_images(paper, head, explanation, label, top=top, limit=limit)
        head += images
    series = series_height(explanation)
    if series:
        draw_series(paper, head, explanation, label, limit=limit)
        head += series
    bars = _choose(explanation, label, top=top, limit=limit)
    if not bars.names:
        nothing = "The instance has no parts that can be varied."
        paper.write(nothing, 24, head + 45, size=20, color=_INK)
        return
    room = _height(explanation, top) - _FOOT - head
    row = min(room / len(bars.names), _TALLEST)
    bottom = head + row * len(bars.names)
    _draw_scale(paper, bars, head, bottom)
    _draw_bars(paper, bars, head, row)
    _write_rows(paper, bars, head, row)
    _write_foot(paper, bars, bottom + 44, direction_words(explanation))


def _choose(
    explanation: Explanation, label: LabelExplanation, *, top: int, limit: float | None
) -> _Bars:
    order = label.order()
    shown = order[: max(1, top)]
    weights, low, high = label.weights[shown], label.low[shown], label.high[shown]
    reach = np.abs(np.concatenate([weights, low, high]))
    widest = float(np.max(reach, initial=0.0, where=np.isfinite(reach)))
    rest = np.abs(label.weights[order[len(shown) :]])
    ranks = numbered_parts(explanation, label, top=top)
    return _Bars(
        names=[
            f"{ranks[j]} · {explanation.parts[j]}" if j in ranks else explanation.parts[j]
            for j in shown.tolist()
        ],
        weights=weights.tolist(),
        low=low.tolist(),
        high=high.tolist(),
        limit=limit or min(widest * 1.06, sys.float_info.max) or 1.0,
        empty=not (limit or widest),
        n_parts=len(order),
        rest=float(np.max(rest, initial=0.0, where=np.isfinite(rest))),
    )


def _write_head(paper: Paper, explanation: Explanation, label: LabelExplanation) -> int:
    """Write what is explained and how far to trust it; return the pixel where the head ends."""
    room = _SIDE - 44
    paper.write(explanation.key, 24, 37, size=25, color=_INK, bold=True, width=room)
    paper.write(headline(explanation, label), 24, 75, size=25, color=_INK, width=room)
    paper.write(_fit_line(explanation, label), 24, 111, size=18, color=_GREY, width=room)
    warning = caveat(label)
    if warning is None:
        return 134
    paper.write(warning, 24, 138, size=16, color=_WARNING, bold=True, width=room)
    return 160


def _fit_line(explanation: Explanation, label: LabelExplanation) -> str:
    pieces = [f"fit {r2(fit(label))}"]
    predicted = predicted_label(explanation)
    if predicted is not None and predicted != label.index:
        name, value = explanation.class_names[predicted], explanation.scores[predicted]
        pieces.append(f"model says {name} ({score(value)})")
    if not explanation.converged:
        pieces.append("intervals wider than asked")
    return " · ".join(pieces)


def _draw_scale(paper: Paper, bars: _Bars, top: float, bottom: float) -> None:
    """Draw the lines of the scale, and their numbers below."""
    for tick in _ticks(bars):
        x = bars.x(tick)
        paper.bar(x - 0.5, top, 1, bottom - top, color=_FAINT)
        text = number(tick).replace("-", "−")
        paper.write(text, x, bottom + 21, size=16, anchor="center", color=_GREY)


def _ticks(bars: _Bars) -> Sequence[float]:
    """Return zero and, on both sides of it, the largest round number that is not at the end."""
    if bars.empty:
        return [0.0]
    power = 10.0 ** math.floor(math.log10(bars.limit))
    end = max(
        (power * digit for digit in _ROUND if power * digit <= 0.8 * bars.limit),
        default=bars.limit / 2,  # too small a number to be told by its digits
    )
    return [-end, 0.0, end]


def _draw_bars(paper: Paper, bars: _Bars, top: float, row: float) -> None:
    """Draw each bar in the middle of its row, the intervals on them, and the line at zero."""
    for j, weight in enumerate(np.nan_to_num(bars.weights, posinf=0.0, neginf=0.0).tolist()):
        y, end = top + (j + 0.5) * row, bars.x(weight)
        color = TOWARDS if weight > 0 else AGAINST
        paper.bar(_MIDDLE, y - 0.28 * row, end - _MIDDLE, 0.56 * row, color=color)
        if math.isfinite(bars.high[j] - bars.low[j]) and bars.low[j] < bars.high[j]:
            _draw_interval(paper, bars, y, (bars.low[j], bars.high[j]))
    paper.bar(_MIDDLE - 1, top, 2, row * len(bars.names), color=_GREY)


def _draw_interval(paper: Paper, bars: _Bars, y: float, ends: tuple[float, float]) -> None:
    start, end = (bars.x(weight) for weight in ends)
    paper.bar(start, y - _THICK / 2, end - start, _THICK, color=_INK)
    for weight in ends:
        if abs(weight) <= bars.limit:  # else it ends beyond the axis
            paper.bar(bars.x(weight) - _THICK / 2, y - 6, _THICK, 12, color=_INK)


def _write_rows(paper: Paper, bars: _Bars, top: float, row: float) -> None:
    """Write the names of the parts left of the bars, and the weights right of them."""
    size = int(max(6, min(18 if len(bars.names) > 7 else 20, row * 0.6)))
    lines = 2 if row >= 2.3 * size else 1
    texts = [text.replace("-", "−") for text in signed(bars.weights)]
    small = max(1, int(size * min(1, 7.2 / max(map(len, texts)))))
    for j, (name, text) in enumerate(zip(bars.names, texts, strict=True)):
        y = top + (j + 0.5) * row
        broken = wrap(name, size, width=_LEFT - 34, lines=lines).split("\n")
        for i, line in enumerate(broken):
            down = _RAISED + (i - (len(broken) - 1) / 2) * _LINE
            paper.write(line, _LEFT - 14, y + down * size, size=size, anchor="right", color=_INK)
        y += _RAISED * small
        paper.write(text, _SIDE - 20, y, size=small, anchor="right", color=_INK)


def _write_foot(paper: Paper, bars: _Bars, y: float, words: tuple[str, str]) -> None:
    """Write what the sides of the scale mean, and what is not drawn."""
    against, towards = words
    paper.write(f"◄ {against}", _MIDDLE - 6, y, size=18, anchor="right", color=AGAINST_INK)
    paper.write(f"{towards} ►", _MIDDLE + 6, y, size=18, color=TOWARDS)
    more = bars.n_parts - len(bars.names)
    if more:
        line = _rest_line(more, bars.rest)
        paper.write(line, _LEFT - 14, y, size=14, anchor="right", color=_GREY)


def _rest_line(more: int, rest: float) -> str:
    parts = "part" if more == 1 else "parts"
    return f"{more} more {parts}, each ≤ {number(float(f'{rest:.2g}'))}"
