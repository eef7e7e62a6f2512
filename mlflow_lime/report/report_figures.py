"""Pictures of a whole version for people who write reports: figures, and files of them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

from mlflow_lime.compare.drift import Drift, PartDrift
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.errors import ConfigError, did_you_mean, shorten
from mlflow_lime.metrics.aggregate import global_importance
from mlflow_lime.report.dot_rows import (
    MOST_DOTS,
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
from mlflow_lime.report.figures import draw_explanation
from mlflow_lime.report.overlays import overlay
from mlflow_lime.report.pages.content import Content
from mlflow_lime.report.picture_grid import GridPlan, plan_grid
from mlflow_lime.report.sheet import Sheet
from mlflow_lime.report.svg import AGAINST_INK, GREY, INK, WIDTH
from mlflow_lime.report.wording import (
    AGAINST,
    TOWARDS,
    direction_words,
    fit,
    headline,
    number,
    r2,
    signed,
    units,
)

__all__ = [
    "FORMATS",
    "draw_changes_figure",
    "draw_overview_figure",
    "figure_files",
    "save_figures",
]

_LABELS, _LEFT, _RIGHT, _COLUMN = 204, 218, 604, 684  # where names end, dots live, numbers end
_TOP, _ROW = 92, 26
_COUNT = 66  # room for the number of instances that have a part
_FAINT, _AXIS = "#e3e7ea", "#9aa4ad"
_MIDDLE = 396  # where the first axis of changes ends
_CHANGE, _END = 440, 600  # where the second axis lies

FORMATS: Final[Mapping[str, Mapping[str, None]]] = {
    "svg": {"Date": None},
    "png": {},
    "pdf": {"CreationDate": None},
}
"""Kinds of files, and what is left out of them so that the same picture gives the same bytes."""

_STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mlflow-lime",
    "pdf.fonttype": 42,
    "savefig.bbox": None,
    "savefig.dpi": 200,
    "savefig.facecolor": "white",
    "savefig.transparent": False,
}
"""Letters stay letters, in fonts that a reader's computer has or that are embedded; the rest is as
drawn, whatever the user's style."""


def draw_overview_figure(
    explanations: Sequence[Explanation],
    *,
    title: str,
    top: int = 12,
    baseline: Sequence[Explanation] | None = None,
) -> Figure:
    """Draw the weights of every instance, a row for each part name.

    It shows what `mlflow_lime.report.overview.draw_overview` shows.

    Parameters
    ----------
    explanations : sequence of Explanation
        Explained instances. The first explained label of each counts.
    title : str
        Heading.
    top : int, default 12
        How many part names to draw, the largest mean absolute weight on top.
    baseline : sequence of Explanation, optional
        The same instances explained for another version of the model.

    Returns
    -------
    matplotlib.figure.Figure
        700 pixels wide at 100 dots per inch, free of pyplot state.
    """
    importance = global_importance(explanations)
    rows = dot_rows(importance.head(max(1, top)), explanations, baseline or ())
    plan = plan_grid(explanations, _TOP + _ROW * len(rows) + 62 if rows else _TOP - 20)
    height = plan.bottom + 30 if plan else _TOP + _ROW * max(1, len(rows)) + 62
    sheet = Sheet.blank(WIDTH, height)
    _write_head(sheet, title, subtitle(explanations))
    if rows:
        limit = symmetric_limit(rows)
        sheet.write("mean |w|", _COLUMN, _TOP - 8, anchor="right", color=GREY)
        _draw_grid(sheet, rows, limit, len(explanations))
        _draw_dots(sheet, rows, limit)
        _write_foot(sheet, explanations, rows, len(importance) - len(rows))
        _draw_legend(sheet, _bottom(rows) - 16, baseline=bool(baseline))
    if plan:
        _draw_pictures(sheet, plan)
    if not rows and not plan:
        sheet.write(why_no_rows(explanations), 24, _TOP + 18, color=GREY)
    return sheet.figure


def _write_head(sheet: Sheet, title: str, line: str) -> None:
    sheet.write(title, 20, 30, size=16, bold=True, color=INK, width=660)
    sheet.write(line, 20, 51, size=13, color=GREY, width=660)


def _bottom(rows: Sequence[object]) -> int:
    return _TOP + _ROW * len(rows) + 62


def _x(weight: float, limit: float) -> float:
    return (_LEFT + _RIGHT) / 2 + weight / limit * (_RIGHT - _LEFT) / 2


def _y(position: int) -> int:
    return _TOP + _ROW * position + _ROW // 2


def _draw_grid(sheet: Sheet, rows: Sequence[DotRow], limit: float, n_instances: int) -> None:
    texts = signed(row.importance for row in rows)
    counted = any(len(row.dots) < n_instances for row in rows)
    room = _COUNT if counted else 0
    for j, (row, text) in enumerate(zip(rows, texts, strict=True)):
        y = _y(j)
        sheet.line((_LEFT, y), (_RIGHT, y), color=_FAINT)
        _write_name(sheet, row.name, _LABELS - room, y)
        if counted:
            share = f"in {len(row.dots):,} of {n_instances:,}"
            sheet.write(share, _LABELS, y + 4.5, size=11, anchor="right", color=GREY)
        sheet.write(text.lstrip("+"), _COLUMN, y + 4.5, size=13, anchor="right", color=GREY)
    middle = _x(0, limit)
    sheet.line((middle, _TOP - 4), (middle, _TOP + _ROW * len(rows) + 2), color=_AXIS)
    sheet.write("0", middle, _TOP - 8, anchor="center", color=GREY)
    if any(row.importance or row.baseline for row in rows):
        end = number(float(f"{limit:.2g}"))
        sheet.write(f"−{end}", _LEFT, _TOP - 8, color=GREY)
        sheet.write(end, _RIGHT, _TOP - 8, anchor="right", color=GREY)


def _write_name(sheet: Sheet, name: str, x: float, y: float, *, bold: bool = False) -> None:
    sheet.write(name, x, y + 4.5, size=13, anchor="right", color=INK, width=x - 16, bold=bold)


def _draw_dots(sheet: Sheet, rows: Sequence[DotRow], limit: float) -> None:
    radius = dot_radius(rows)
    groups: dict[tuple[int, str], list[tuple[float, float]]] = {}
    for j, row in enumerate(rows):
        drawn = evenly(row.dots)
        xs = [_x(dot.weight, limit) for dot in drawn]
        for dot, x, shift in zip(drawn, xs, spread(xs, radius, _ROW), strict=True):
            groups.setdefault((dot.fit, dot.color), []).append((x, _y(j) + shift))
    for (quarter, color), places in sorted(groups.items()):  # good fits lie on top
        sheet.dots(places, radius=radius, color=color, opacity=OPACITIES[quarter])
    for j, row in enumerate(rows):
        if row.baseline is not None:
            sheet.diamond(_x(row.baseline, limit), _y(j), 6, color=INK)


def _write_foot(
    sheet: Sheet, explanations: Sequence[Explanation], rows: Sequence[DotRow], more: int
) -> None:
    y, middle = _bottom(rows) - 40, (_LEFT + _RIGHT) / 2
    against, towards = direction_words(explanations[0])
    sheet.write(f"◄ {against}", middle - 10, y, size=13, anchor="right", color=AGAINST_INK)
    sheet.write(f"{towards} ►", middle + 10, y, size=13, color=TOWARDS)
    if any(len(row.dots) > MOST_DOTS for row in rows):
        sheet.write(f"at most {MOST_DOTS} dots a row", _COLUMN, y, anchor="right", color=GREY)
    if more > 0:
        sheet.write(f"{more:,} more parts", _COLUMN, y + 24, anchor="right", color=GREY)


def _draw_legend(sheet: Sheet, y: float, *, baseline: bool) -> None:
    sheet.write("a dot is an instance; local fit poor", 20, y, color=GREY)
    for j, opacity in enumerate(OPACITIES):
        sheet.dots([(246 + 13 * j, y - 4)], radius=5, color=TOWARDS, opacity=opacity)
    sheet.write("good", 294, y, color=GREY)
    if baseline:
        sheet.diamond(342, y - 4, 6, color=INK)
        sheet.write("mean of the baseline version", 354, y, color=GREY)


def _draw_pictures(sheet: Sheet, plan: GridPlan) -> None:
    """Draw small overlays of the first images with what the model said."""
    side = plan.side
    for item, content, x, y in plan.cells:
        label = item.labels[0]
        pixels = overlay(content, label, side=2 * side, limit=plan.limit)
        height, width = (length / 2 for length in pixels.shape[:2])
        sheet.show(pixels, x + (side - width) / 2, y + (side - height) / 2, width, height)
        told = "flat" if label.flat else f"fit {r2(fit(label))}"
        sheet.write(item.key, x, y + side + 16, color=INK, width=side)
        sheet.write(headline(item, label), x, y + side + 32, color=GREY, width=side)
        sheet.write(told, x, y + side + 48, color=GREY)
    first, y = plan.cells[0][0], plan.bottom + 14
    against, towards = direction_words(first)
    end = number(float(f"{plan.limit:.2g}"))
    sheet.bar(20, y - 10, 12, 12, color=TOWARDS)
    sheet.write(f"{towards}, +{end}", 38, y, color=GREY)
    sheet.bar(150, y - 10, 12, 12, color=AGAINST)
    sheet.write(f"{against}, −{end}", 168, y, color=GREY)
    sheet.write(f"{units(first)} per segment, one scale for all", 284, y, color=GREY)
    if plan.found > len(plan.cells):
        more = f"first {len(plan.cells)} of {plan.found:,}"
        sheet.write(more, WIDTH - 20, y, anchor="right", color=GREY)


def draw_changes_figure(drift: Drift, *, title: str, top: int = 12) -> Figure:
    """Draw how the global importance of each part changed, most changed first.

    On the left, a hollow diamond is the importance before and a dot the one after; on the right
    stands the change with its 95 % interval. Parts that changed beyond noise are bold.

    Parameters
    ----------
    drift : Drift
    title : str
        Heading.
    top : int, default 12
        How many parts to draw.

    Returns
    -------
    matplotlib.figure.Figure
        700 pixels wide at 100 dots per inch, free of pyplot state.
    """
    rows = drift.parts[: max(1, top)]
    sheet = Sheet.blank(WIDTH, _TOP + _ROW * max(1, len(rows)) + 62)
    _write_head(sheet, title, _compared(drift))
    if not rows:
        sheet.write(_nothing_compared(drift), 24, _TOP + 18, color=GREY)
        return sheet.figure
    _draw_axes(sheet, rows)
    _draw_levels(sheet, rows)
    _draw_changes(sheet, rows)
    y = _bottom(rows) - 16
    sheet.diamond(26, y - 4, 6, color=INK)
    sheet.write("before", 38, y, color=GREY)
    sheet.dots([(104, y - 4)], radius=5, color=TOWARDS)
    sheet.write("after, where it grew", 114, y, color=GREY)
    sheet.dots([(262, y - 4)], radius=5, color=AGAINST)
    sheet.write("where it shrank · bold: beyond noise", 272, y, color=GREY)
    if len(drift.parts) > len(rows):
        more = f"{len(drift.parts) - len(rows):,} more"
        sheet.write(more, _COLUMN, y, anchor="right", color=GREY)
    return sheet.figure


def _compared(drift: Drift) -> str:
    compared, left = drift.counts.compared, drift.counts.untrusted
    count = f"{compared:,} instance{'s' * (compared != 1)} compared"
    return f"{count}, {left:,} left out, as the surrogates fit too poorly" if left else count


def _nothing_compared(drift: Drift) -> str:
    if drift.counts.compared:
        return "These parts have no names that mean the same in other instances."
    return "No instance could be compared."


def _finite(values: Sequence[float]) -> float:
    return max((abs(value) for value in values if math.isfinite(value)), default=0.0) or 1.0


def _draw_axes(sheet: Sheet, rows: Sequence[PartDrift]) -> None:
    bottom, zero = _TOP + _ROW * len(rows) + 2, (_CHANGE + _END) / 2
    for j, row in enumerate(rows):
        for left, right in ((_LEFT, _MIDDLE), (_CHANGE, _END)):
            sheet.line((left, _y(j)), (right, _y(j)), color=_FAINT)
        _write_name(sheet, row.name, _LABELS, _y(j), bold=row.changed)
    for x in (_LEFT, zero):
        sheet.line((x, _TOP - 4), (x, bottom), color=_AXIS)
        sheet.write("0", x, _TOP - 8, anchor="center", color=GREY)
    level = number(float(f"{_levels(rows):.2g}"))
    sheet.write(level, _MIDDLE, _TOP - 8, anchor="right", color=GREY)
    sheet.write("mean |w|", (_LEFT + _MIDDLE) / 2, _TOP - 8, anchor="center", color=GREY)
    change = number(float(f"{_changes(rows):.2g}"))
    sheet.write(f"−{change}", _CHANGE, _TOP - 8, color=GREY)
    sheet.write(change, _END, _TOP - 8, anchor="right", color=GREY)
    sheet.write("change", _COLUMN, _TOP - 8, anchor="right", color=GREY)


def _levels(rows: Sequence[PartDrift]) -> float:
    return _finite([value for row in rows for value in (row.before, row.after)])


def _changes(rows: Sequence[PartDrift]) -> float:
    return _finite([value for row in rows for value in (row.change, row.low, row.high)])


def _draw_levels(sheet: Sheet, rows: Sequence[PartDrift]) -> None:
    scale = (_MIDDLE - _LEFT) / _levels(rows)
    for j, row in enumerate(rows):
        if not (math.isfinite(row.before) and math.isfinite(row.after)):
            continue
        before, after, y = _LEFT + scale * row.before, _LEFT + scale * row.after, _y(j)
        color = _tone(row)
        sheet.line((before, y), (after, y), color=color, width=3)
        sheet.dots([(after, y)], radius=5, color=color)
        sheet.diamond(before, y, 6, color=INK)


def _tone(row: PartDrift) -> str:
    return TOWARDS if row.change > 0 else AGAINST if row.change < 0 else GREY


def _draw_changes(sheet: Sheet, rows: Sequence[PartDrift]) -> None:
    zero, scale = (_CHANGE + _END) / 2, (_END - _CHANGE) / 2 / _changes(rows)
    texts = signed(row.change for row in rows)
    for j, (row, text) in enumerate(zip(rows, texts, strict=True)):
        y = _y(j)
        if math.isfinite(row.change):
            sheet.bar(zero, y - 6, scale * row.change, 12, color=_tone(row))
        if math.isfinite(row.low) and math.isfinite(row.high):
            sheet.line(
                (zero + scale * row.low, y), (zero + scale * row.high, y), color=INK, width=1.8
            )
        written = text.replace("-", "−")
        sheet.write(written, _COLUMN, y + 4.5, size=13, anchor="right", color=INK, bold=row.changed)


def figure_files(content: Content, *, most: int = 50) -> Iterator[tuple[str, Figure]]:
    """Yield the figures of a version, and names for their files.

    Parameters
    ----------
    content : Content
    most : int, default 50
        Instances that are drawn.

    Yields
    ------
    (str, Figure)
        ``"overview"``; ``"changes"`` where the first of the other versions was compared, and
        ``"changes-2"`` of the second; ``"instance-00"``, with the number of the instance in the
        reference set.
    """
    side = content.side
    alike = [other.side.explanations for other in content.others if not other.why_not][:1]
    baseline = alike[0] if alike else None
    yield "overview", draw_overview_figure(side.explanations, title=side.name, baseline=baseline)
    for n, other in enumerate(content.others, start=1):
        if other.drift is not None:
            title = f"{side.name} since {other.side.name}"
            name = "changes" if n == 1 else f"changes-{n}"
            yield name, draw_changes_figure(other.drift, title=title)
    taken = set[str]()
    for place, item in enumerate(side.explanations[:most]):
        name = _instance_name(item.key, place, taken)
        taken.add(name)
        yield name, draw_explanation(item, item.labels[0])


def _instance_name(key: str, place: int, taken: set[str]) -> str:
    """Return a name that is safe in any file system, whatever the key says."""
    number = key.partition(" ")[0]
    plain = number.isascii() and number.isdigit() and len(number) <= 9
    name = f"instance-{number if plain else f'{place:02d}'}"
    return f"{name}-{place}" if name in taken else name


def save_figures(
    content: Content, folder: Path, *, format: str = "svg", most: int = 50
) -> list[Path]:
    """Write the figures of a version into a folder, one file each.

    Parameters
    ----------
    content : Content
    folder : Path
        Made where it does not exist; files of the same names are replaced.
    format : {"svg", "png", "pdf"}
        The same content gives the same bytes.
    most : int, default 50
        Instances that are drawn.

    Returns
    -------
    list of Path
        The files: overview, changes, instances.

    Raises
    ------
    ConfigError
        If the format is another one.
    """
    if format not in FORMATS:
        known = ", ".join(FORMATS)
        msg = (
            f"figures are written as one of {known}, not as {shorten(format)}."
            f"{did_you_mean(format, FORMATS)}"
        )
        raise ConfigError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, figure in figure_files(content, most=most):
        path = folder / f"{name}.{format}"
        with mpl.rc_context(_STYLE):
            figure.savefig(path, format=format, metadata=dict(FORMATS[format]))
        written.append(path)
    return written
