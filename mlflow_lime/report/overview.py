"""One SVG for many explanations: what pushes the model, over all instances of a version."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from mlflow_lime.core.explanation import Explanation
from mlflow_lime.metrics.aggregate import global_importance, weights_by_name
from mlflow_lime.report import svg
from mlflow_lime.report.picture_grid import draw_picture_grid
from mlflow_lime.report.wording import (
    AGAINST,
    TOWARDS,
    cells,
    clean,
    cut,
    cut_to_fit,
    direction_words,
    number,
    signed,
)

__all__ = ["draw_overview"]

_LABELS, _LEFT, _RIGHT, _COLUMN = 204, 218, 604, 684  # where names end, dots live, numbers end
_TOP, _ROW = 92, 26
_COUNT = 66  # room for the number of instances that have a part
_FAINT = "#e3e7ea"
_OPACITIES = (0.22, 0.42, 0.64, 0.88)
"""Of the dots, from a poor local fit to a good one, in quarters of held-out R²."""


@dataclass(frozen=True, slots=True)
class _Dot:
    weight: float
    fit: int
    """Quarter of the held-out R², 0 to 3."""


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    importance: float
    dots: list[_Dot]
    baseline: float | None
    """Mean weight in the other version."""


def draw_overview(
    explanations: Sequence[Explanation],
    *,
    title: str,
    top: int = 12,
    baseline: Sequence[Explanation] | None = None,
) -> str:
    """Draw the weights of every instance, a row for each part name.

    The first explained label of each instance counts. A dot is an instance at its signed weight,
    fainter where the surrogate fits worse; a hollow diamond is the mean weight of the baseline.
    Where instances differ in their parts, as texts do in their words, a part that an instance lacks
    weighs nothing there, and its row tells how many have it. Segments of images are no rows: small
    overlays of the first instances stand below instead.

    Parameters
    ----------
    explanations : sequence of Explanation
        Explained instances; failed ones have no place in the picture.
    title : str
        Heading.
    top : int, default 12
        How many part names to draw, the largest mean absolute weight on top.
    baseline : sequence of Explanation, optional
        The same instances explained for another version of the model.

    Returns
    -------
    str
        A standalone SVG document, 700 pixels wide, without scripts or styles.
    """
    importance = global_importance(explanations)
    rows = _rows(importance.head(max(1, top)), explanations, baseline or ())
    pictures = draw_picture_grid(explanations, _TOP + _ROW * len(rows) + 62 if rows else _TOP - 20)
    height = pictures.bottom if pictures else _TOP + _ROW * max(1, len(rows)) + 62
    limit = _limit(rows)
    chart = [
        *_grid(rows, limit, len(explanations)),
        *_dots(rows, limit),
        *_diamonds(rows, limit),
        *_foot(explanations, rows, len(importance) - len(rows), baseline=bool(baseline)),
    ]
    body = [
        svg.node("rect", width=svg.WIDTH, height=height, rx=8, fill="#ffffff"),
        *_head(explanations, title, chart=bool(rows) or not pictures),
        *(chart if rows else []),
        *(pictures.nodes if pictures else []),
        *([] if rows or pictures else [svg.text(_nothing(explanations), 24, _TOP + 18)]),
    ]
    return svg.document(body, height, title)


def _nothing(explanations: Sequence[Explanation]) -> str:
    if any(item.parts for item in explanations):
        return "Nothing to compare: these parts lie in texts or images that are not stored."
    return "Nothing to vary in any instance." if explanations else "No instance was explained."


def _rows(
    importance: pd.DataFrame,
    explanations: Sequence[Explanation],
    baseline: Sequence[Explanation],
) -> list[_Row]:
    former = global_importance(baseline).set_index("name")["mean_weight"].to_dict()
    dots: dict[str, list[_Dot]] = {name: [] for name in importance["name"]}
    for item in explanations:
        fit = _quarter(item.labels[0].fidelity_r2)
        for name, weight in weights_by_name(item).items():
            if name in dots:
                dots[name].append(_Dot(weight, fit))
    return [
        _Row(name, float(mean), dots[name], former.get(name))
        for name, mean in zip(importance["name"], importance["importance"], strict=True)
    ]


def _quarter(fidelity: float) -> int:
    return min(3, max(0, math.floor(fidelity * 4))) if math.isfinite(fidelity) else 0


def _limit(rows: Sequence[_Row]) -> float:
    """Return where the axis ends on both sides of zero."""
    weights = [abs(dot.weight) for row in rows for dot in row.dots]
    means = [abs(row.baseline) for row in rows if row.baseline is not None]
    return max([*weights, *means], default=0.0) or 1.0


def _x(weight: float, limit: float) -> float:
    return (_LEFT + _RIGHT) / 2 + weight / limit * (_RIGHT - _LEFT) / 2


def _y(position: int) -> int:
    return _TOP + _ROW * position + _ROW // 2


def _head(explanations: Sequence[Explanation], title: str, *, chart: bool) -> Iterator[str]:
    yield svg.text(cut(title, 74), 20, 30, size=16, bold=True, fill=svg.INK)
    yield svg.text(_subtitle(explanations), 20, 51, size=13)
    if chart:
        yield svg.text("mean |w|", _COLUMN, _TOP - 8, anchor="end")


def _subtitle(explanations: Sequence[Explanation]) -> str:
    count = f"{len(explanations)} instance{'s' if len(explanations) != 1 else ''}"
    labels = Counter(item.labels[0].label for item in explanations)
    if not labels:
        return count
    if explanations[0].mode == "regression":
        return f"{count} · effect of each part on the prediction"
    if len(labels) == 1:
        return f"{count} · effect of each part on P({cut(next(iter(labels)), 40)})"
    names = ", ".join(f"P({cut(name, 14)}) {n}×" for name, n in labels.most_common(3))
    more = f", {len(labels) - 3} more" if len(labels) > 3 else ""
    return f"{count} · effect of each part on {names}{more}"


def _grid(rows: Sequence[_Row], limit: float, n_instances: int) -> Iterator[str]:
    importances = signed(row.importance for row in rows)
    counted = any(len(row.dots) < n_instances for row in rows)  # words differ between texts
    for j, (row, importance) in enumerate(zip(rows, importances, strict=True)):
        y = _y(j)
        yield svg.node("line", x1=_LEFT, x2=_RIGHT, y1=y, y2=y, stroke=_FAINT)
        name = cut_to_fit(clean(row.name), lambda name: _wide(name) <= (19 if counted else 28))
        x = _LABELS - _COUNT if counted else _LABELS
        yield svg.text(name, x, y + 4.5, size=13, anchor="end", fill=svg.INK)
        if counted:
            share = f"in {len(row.dots):,} of {n_instances:,}"
            yield svg.text(share, _LABELS, y + 4.5, size=11, anchor="end")
        yield svg.text(importance.lstrip("+"), _COLUMN, y + 4.5, size=13, anchor="end")
    middle, bottom = _x(0, limit), _TOP + _ROW * len(rows) + 2
    yield svg.node("line", x1=middle, x2=middle, y1=_TOP - 4, y2=bottom, stroke="#9aa4ad")
    yield svg.text("0", middle, _TOP - 8, anchor="middle")
    if any(row.importance or row.baseline for row in rows):
        end = number(float(f"{limit:.2g}"))
        yield svg.text(f"−{end}", _LEFT, _TOP - 8)
        yield svg.text(end, _RIGHT, _TOP - 8, anchor="end")


def _wide(name: str) -> float:
    """Return the width of a name by a rough count, in small letters."""
    return cells(name) + 0.4 * sum(char.isupper() or char in "mw@%" for char in name)


def _dots(rows: Sequence[_Row], limit: float) -> Iterator[str]:
    """Yield the dots by opacity, faintest first, so that good fits lie on top."""
    most = max((len(row.dots) for row in rows), default=0)
    radius = 5.0 if most <= 16 else 4.0 if most <= 60 else 3.0
    circles: dict[tuple[int, str], list[str]] = {}
    for j, row in enumerate(rows):
        xs = [_x(dot.weight, limit) for dot in row.dots]
        for dot, x, shift in zip(row.dots, xs, _spread(xs, radius), strict=True):
            color = TOWARDS if dot.weight > 0 else AGAINST if dot.weight < 0 else "#7d8790"
            circle = svg.node("circle", cx=f"{x:.1f}", cy=f"{_y(j) + shift:.1f}", r=radius)
            circles.setdefault((dot.fit, color), []).append(circle)
    for (fit, color), group in sorted(circles.items()):
        yield f'<g fill="{color}" fill-opacity="{_OPACITIES[fit]}">{"".join(group)}</g>'


def _spread(xs: Sequence[float], radius: float) -> list[float]:
    """Return vertical shifts that keep dots of a row apart as far as the row has room."""
    steps = (0.0, 0.6, -0.6, 1.2, -1.2, 1.8, -1.8, 2.4, -2.4)
    room = [step * radius for step in steps if abs(step) * radius + radius <= _ROW / 2 + 0.5]
    shifts = [0.0] * len(xs)
    reached = dict.fromkeys(room, -math.inf)  # right-most dot at each shift
    for position in sorted(range(len(xs)), key=lambda j: xs[j]):
        x = xs[position]
        free = (shift for shift in room if x - reached[shift] >= 1.5 * radius)
        shift = next(free, min(room, key=lambda candidate: reached[candidate]))
        shifts[position] = shift
        reached[shift] = x
    return shifts


def _diamonds(rows: Sequence[_Row], limit: float) -> Iterator[str]:
    for j, row in enumerate(rows):
        if row.baseline is not None:
            yield _diamond(_x(row.baseline, limit), _y(j))


def _diamond(x: float, y: float) -> str:
    points = " ".join(
        f"{x + a * 6:.1f},{y + b * 6:.1f}" for a, b in ((0, -1), (1, 0), (0, 1), (-1, 0))
    )
    return svg.node(
        "polygon",
        points=points,
        fill="#ffffff",
        fill_opacity=0.55,
        stroke=svg.INK,
        stroke_width=1.6,
    )


def _foot(
    explanations: Sequence[Explanation], rows: Sequence[_Row], more: int, *, baseline: bool
) -> Iterator[str]:
    if not rows:
        return
    bottom, middle = _TOP + _ROW * len(rows) + 62, (_LEFT + _RIGHT) / 2
    y = bottom - 40
    against, towards = direction_words(explanations[0])
    yield svg.text(f"◄ {against}", middle - 10, y, size=13, anchor="end", fill=AGAINST)
    yield svg.text(f"{towards} ►", middle + 10, y, size=13, fill=TOWARDS)
    yield from _legend(bottom - 16, baseline=baseline)
    if more > 0:
        yield svg.text(f"{more:,} more of less weight", _COLUMN, bottom - 16, anchor="end")


def _legend(y: float, *, baseline: bool) -> Iterator[str]:
    yield svg.text("a dot is an instance; local fit poor", 20, y)
    for j, opacity in enumerate(_OPACITIES):
        yield svg.node("circle", cx=216 + 13 * j, cy=y - 4, r=5, fill=TOWARDS, fill_opacity=opacity)
    yield svg.text("good", 264, y)
    if baseline:
        yield _diamond(326, y - 4)
        yield svg.text("mean of the baseline version", 338, y)
