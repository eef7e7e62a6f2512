"""Marks on one horizontal axis, as fragments of SVG that the style of a page colours."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["MARKS", "MOST_VERSIONS", "Axis", "Lane"]

WIDTH = 300
_LANE, _FIRST = 9, 14
_MARGIN = 4.0

MARKS = ("◇", "○", "△", "□", "▽")
"""Signs of the other versions, in their order, for legends; the axis draws the same shapes."""

MOST_VERSIONS = 1 + len(MARKS)
"""Versions that a page shows at most: the one that it is about, and one for each sign."""

_SHAPES = (
    "M0-4 4 0 0 4-4 0z",
    "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z",
    "M0-4 4 3.5H-4z",
    "M-3.3-3.3h6.6v6.6h-6.6z",
    "M0 4 4-3.5H-4z",
)


@dataclass(frozen=True, slots=True)
class Lane:
    """A weight and its interval; NaN for what is not known."""

    value: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale from ``least`` to ``most`` that pictures share.

    Attributes
    ----------
    least, most : float
        What lies at the left and the right end.
    """

    least: float
    most: float

    @classmethod
    def around_zero(cls, values: Iterable[float]) -> "Axis":
        """Return an axis with zero in the middle that every finite value fits on."""
        sizes = np.abs(np.fromiter(values, dtype=np.float64))
        reach = float(np.max(sizes, initial=0.0, where=np.isfinite(sizes))) or 1.0
        return cls(-reach, reach)

    @classmethod
    def from_zero(cls, values: Iterable[float]) -> "Axis":
        """Return an axis from zero to the largest finite value."""
        return cls(0.0, cls.around_zero(values).most)

    def x(self, value: float) -> float:
        """Return where a value lies, in pixels, at most at either end."""
        share = (min(max(value, self.least), self.most) - self.least) / (self.most - self.least)
        return round(_MARGIN + share * (WIDTH - 2 * _MARGIN), 1)

    def draw(self, own: Lane, others: Sequence[Lane | None], label: str) -> str:
        """Return a bar with its interval, and below it a mark with its interval for each other.

        Parameters
        ----------
        own : Lane
            Of the version that the page is about.
        others : sequence of Lane or None
            Of the other versions, in their order; None leaves a lane empty.
        label : str
            What the picture says, in words; it must be escaped.

        Returns
        -------
        str
            An ``svg`` element without ids, styles, or scripts; numbers are all that is put in.
        """
        height = _FIRST + _LANE * len(others)
        zero = self.x(0.0)
        pieces = [self._bar(own, zero), f'<path class="zero" d="M{zero:g} 0V{height}"/>']
        pieces.append(self._interval(own, 7))
        for i, lane in enumerate(others):
            if lane is not None and math.isfinite(lane.value):
                y = _FIRST + _LANE * i + 4
                place = f"translate({self.x(lane.value):g} {y})"
                shape = _SHAPES[i % len(_SHAPES)]
                pieces.append(self._interval(lane, y))
                pieces.append(f'<path class="mark" d="{shape}" transform="{place}"/>')
        size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        return f'<svg {size} role="img" aria-label="{label}">{"".join(pieces)}</svg>'

    def _bar(self, own: Lane, zero: float) -> str:
        if not math.isfinite(own.value):
            return ""
        start, end = sorted((zero, self.x(own.value)))
        if start == end:
            return ""
        css, width = "to" if own.value > 0 else "off", round(end - start, 1)
        return f'<rect class="{css}" x="{start:g}" y="2" width="{width:g}" height="10"/>'

    def _interval(self, lane: Lane, y: float) -> str:
        if not (math.isfinite(lane.low) and math.isfinite(lane.high)) or lane.low == lane.high:
            return ""
        return f'<path class="ci" d="M{self.x(lane.low):g} {y}H{self.x(lane.high):g}"/>'
