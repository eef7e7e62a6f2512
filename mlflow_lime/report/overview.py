"""One SVG for many explanations: what pushes the model, over all instances of a version."""

from collections.abc import Iterator, Sequence

from mlflow_lime.core.explanation import Explanation
from mlflow_lime.metrics.aggregate import global_importance
from mlflow_lime.report import svg
from mlflow_lime.report.dot_rows import (
    MOST_DOTS,
    NEUTRAL,
    OPACITIES,
    DotRow,
    dot_radius,
    dot_rows,
    evenly,
    spread,
    subtitle,
    symmetric_limit,
    why_no_rows,
)
from mlflow_lime.report.picture_grid import draw_picture_grid
from mlflow_lime.report.wording import AGAINST, TOWARDS, cut, direction_words, number, signed

__all__ = ["draw_overview"]

_LABELS, _LEFT, _RIGHT, _COLUMN = 204, 218, 604, 684  # where names end, dots live, numbers end
_TOP, _ROW = 92, 26
_COUNT = 66  # room for the number of instances that have a part
_FAINT, _AXIS = "#e3e7ea", "#9aa4ad"
_CLASSES = {TOWARDS: "to", AGAINST: "off", NEUTRAL: "grey"}


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
        A standalone SVG document, 700 pixels wide, without scripts or styles. A page that holds it
        may give the classes ``bg``, ``ink``, ``grey``, ``rule``, ``to``, ``off`` and ``mark``
        colours of its own.
    """
    importance = global_importance(explanations)
    rows = dot_rows(importance.head(max(1, top)), explanations, baseline or ())
    pictures = draw_picture_grid(explanations, _TOP + _ROW * len(rows) + 62 if rows else _TOP - 20)
    height = pictures.bottom if pictures else _TOP + _ROW * max(1, len(rows)) + 62
    limit = symmetric_limit(rows)
    chart = [
        *_grid(rows, limit, len(explanations)),
        *_dots(rows, limit),
        *_diamonds(rows, limit),
        *_foot(explanations, rows, len(importance) - len(rows), baseline=bool(baseline)),
    ]
    body = [
        svg.node("rect", class_="bg", width=svg.WIDTH, height=height, rx=8, fill="#ffffff"),
        *_head(explanations, title, chart=bool(rows) or not pictures),
        *(chart if rows else []),
        *(pictures.nodes if pictures else []),
        *([] if rows or pictures else [svg.text(why_no_rows(explanations), 24, _TOP + 18)]),
    ]
    return svg.document(body, height, title)


def _x(weight: float, limit: float) -> float:
    return (_LEFT + _RIGHT) / 2 + weight / limit * (_RIGHT - _LEFT) / 2


def _y(position: int) -> int:
    return _TOP + _ROW * position + _ROW // 2


def _head(explanations: Sequence[Explanation], title: str, *, chart: bool) -> Iterator[str]:
    yield svg.text(cut(title, 74), 20, 30, size=16, bold=True, fill=svg.INK)
    yield svg.text(subtitle(explanations), 20, 51, size=13)
    if chart:
        yield svg.text("mean |w|", _COLUMN, _TOP - 8, anchor="end")


def _grid(rows: Sequence[DotRow], limit: float, n_instances: int) -> Iterator[str]:
    importances = signed(row.importance for row in rows)
    counted = any(len(row.dots) < n_instances for row in rows)  # words differ between texts
    for j, (row, importance) in enumerate(zip(rows, importances, strict=True)):
        y = _y(j)
        yield svg.node("line", class_="rule", x1=_LEFT, x2=_RIGHT, y1=y, y2=y, stroke=_FAINT)
        name = svg.short(row.name, 19 if counted else 28)
        x = _LABELS - _COUNT if counted else _LABELS
        yield svg.text(name, x, y + 4.5, size=13, anchor="end", fill=svg.INK)
        if counted:
            share = f"in {len(row.dots):,} of {n_instances:,}"
            yield svg.text(share, _LABELS, y + 4.5, size=11, anchor="end")
        yield svg.text(importance.lstrip("+"), _COLUMN, y + 4.5, size=13, anchor="end")
    middle, bottom = _x(0, limit), _TOP + _ROW * len(rows) + 2
    yield svg.node("line", x1=middle, x2=middle, y1=_TOP - 4, y2=bottom, stroke=_AXIS)
    yield svg.text("0", middle, _TOP - 8, anchor="middle")
    if any(row.importance or row.baseline for row in rows):
        end = number(float(f"{limit:.2g}"))
        yield svg.text(f"−{end}", _LEFT, _TOP - 8)
        yield svg.text(end, _RIGHT, _TOP - 8, anchor="end")


def _dots(rows: Sequence[DotRow], limit: float) -> Iterator[str]:
    """Yield the dots by opacity, faintest first, so that good fits lie on top."""
    radius = dot_radius(rows)
    circles: dict[tuple[int, str], list[str]] = {}
    for j, row in enumerate(rows):
        drawn = evenly(row.dots)
        xs = [_x(dot.weight, limit) for dot in drawn]
        for dot, x, shift in zip(drawn, xs, spread(xs, radius, _ROW), strict=True):
            circle = svg.node("circle", cx=f"{x:.1f}", cy=f"{_y(j) + shift:.1f}", r=radius)
            circles.setdefault((dot.fit, dot.color), []).append(circle)
    for (fit, color), group in sorted(circles.items()):
        yield svg.group(group, class_=_CLASSES[color], fill=color, fill_opacity=OPACITIES[fit])


def _diamonds(rows: Sequence[DotRow], limit: float) -> Iterator[str]:
    for j, row in enumerate(rows):
        if row.baseline is not None:
            yield _diamond(_x(row.baseline, limit), _y(j))


def _diamond(x: float, y: float) -> str:
    return svg.node(
        "polygon",
        class_="mark",
        points=svg.diamond(x, y, 6),
        fill="#ffffff",
        fill_opacity=0.55,
        stroke=svg.INK,
        stroke_width=1.6,
    )


def _foot(
    explanations: Sequence[Explanation], rows: Sequence[DotRow], more: int, *, baseline: bool
) -> Iterator[str]:
    if not rows:
        return
    bottom, middle = _TOP + _ROW * len(rows) + 62, (_LEFT + _RIGHT) / 2
    y = bottom - 40
    against, towards = direction_words(explanations[0])
    yield svg.text(f"◄ {against}", middle - 10, y, size=13, anchor="end", fill=svg.AGAINST_INK)
    yield svg.text(f"{towards} ►", middle + 10, y, size=13, fill=TOWARDS)
    yield from _legend(bottom - 16, baseline=baseline)
    if any(len(row.dots) > MOST_DOTS for row in rows):
        yield svg.text(f"at most {MOST_DOTS} dots a row", _COLUMN, y, anchor="end")
    if more > 0:
        yield svg.text(f"{more:,} more of less weight", _COLUMN, bottom - 16, anchor="end")


def _legend(y: float, *, baseline: bool) -> Iterator[str]:
    blue = {"class_": "to", "fill": TOWARDS}
    yield svg.text("a dot is an instance; local fit poor", 20, y)
    for j, opacity in enumerate(OPACITIES):
        yield svg.node("circle", cx=216 + 13 * j, cy=y - 4, r=5, fill_opacity=opacity, **blue)
    yield svg.text("good", 264, y)
    if baseline:
        yield _diamond(326, y - 4)
        yield svg.text("mean of the baseline version", 338, y)
