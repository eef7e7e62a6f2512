"""Small multiples: what each class and each slice relies on, in the same few parts."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from mlflow_lime.core.explanation import Explanation
from mlflow_lime.metrics.importance import importance_table
from mlflow_lime.report import svg
from mlflow_lime.report.pages.content import Content
from mlflow_lime.report.wording import cut, number, signed

__all__ = ["MOST", "Panel", "PanelRow", "groups_left_out", "small_multiples"]

MOST: Final = 24
"""Panels that are drawn at most."""

_WIDTH, _LEFT, _RIGHT, _VALUES = 320, 124, 262, 314  # where names end, bars live, numbers end
_TOP, _ROW, _FOOT = 4, 18, 20
_REACH: Final = 1.25
"""How far the axis follows intervals beyond the longest bar; longer ones run to its end."""


class PanelRow(NamedTuple):
    """How much a part matters in a group.

    Attributes
    ----------
    name : str
    importance : float
        Mean absolute weight, in units of the output per part.
    low, high : float
        95 % interval over the instances of the group; NaN for one instance.
    baseline : float or None
        Importance for the other version in the same group; None where it is not known.
    """

    name: str
    importance: float
    low: float
    high: float
    baseline: float | None


@dataclass(frozen=True, slots=True)
class Panel:
    """The picture of one group of instances.

    Attributes
    ----------
    kind : str
        What the group is of: ``"class"``, or a column.
    title : str
        The class, or the value of the column.
    count : int
        Instances in the group.
    svg : str
        An element for the inside of a page. Its colours are those of the text around it, unless
        the page styles the classes ``to`` (bars), ``ci`` (intervals), ``mark`` (diamonds),
        ``ink``, ``grey`` (text) and ``rule`` (hairlines).
    rows : tuple of PanelRow
        The same in numbers.
    """

    kind: str
    title: str
    count: int
    svg: str
    rows: tuple[PanelRow, ...]


@dataclass(frozen=True, slots=True)
class _Group:
    kind: str
    title: str
    members: list[Explanation]
    former: list[Explanation]
    """The same instances, explained for the other version."""


def small_multiples(content: Content, *, top: int = 8) -> list[Panel]:
    """Return a panel for each class and each value of a slice.

    Parameters
    ----------
    content : Content
        The first of the other versions is drawn as hollow diamonds where it can be compared.
    top : int, default 8
        Parts in a panel: those that matter most over all instances, in this order everywhere.

    Returns
    -------
    list of Panel
        All on one axis; at most `MOST`, those with the most instances, each kind's largest first.
        Empty where parts have no names over instances, as segments of images have none.
    """
    names = importance_table(content.side.explanations, top=max(1, top))["name"].tolist()
    groups = _groups(content) if names else []
    largest = sorted(groups, key=lambda group: -len(group.members))[:MOST]
    kinds = list(dict.fromkeys(group.kind for group in groups))
    shown = sorted(largest, key=lambda group: kinds.index(group.kind))
    tables = [_rows(group, names) for group in shown]
    limit = _limit([row for rows in tables for row in rows])
    return [
        Panel(
            kind=cut(group.kind, 60),
            title=cut(group.title, 60),
            count=len(group.members),
            svg=_draw(group, rows, limit),
            rows=tuple(row._replace(name=cut(row.name, 96)) for row in rows),
        )
        for group, rows in zip(shown, tables, strict=True)
    ]


def groups_left_out(content: Content) -> int:
    """Return how many classes and values of slices have no panel, as there are too many."""
    return max(0, len(_groups(content)) - MOST)


def _groups(content: Content) -> list[_Group]:
    side = content.side
    former: Sequence[Explanation] = ()
    if content.others and not content.others[0].why_not:
        former = content.others[0].side.explanations
    groups = []
    for kind, values in side.facts.groups(side.explanations).items():
        own, others = _split(side.explanations, values), _split(former, values)
        groups += [
            _Group(kind, value, members, others.get(value, [])) for value, members in own.items()
        ]
    return groups


def _split(
    explanations: Sequence[Explanation], values: Mapping[str, str | None]
) -> dict[str, list[Explanation]]:
    """Return explanations by the value of their instance; those without one are left out."""
    members: dict[str, list[Explanation]] = {}
    for item in explanations:
        value = values.get(item.key)
        if value is not None:
            members.setdefault(value, []).append(item)
    return members


def _rows(group: _Group, names: Sequence[str]) -> list[PanelRow]:
    found, former = _importances(group.members), _importances(group.former)
    return [
        PanelRow(
            name,
            *found.get(name, (0.0, 0.0, 0.0)),
            former.get(name, (0.0,))[0] if group.former else None,
        )
        for name in names
    ]


def _importances(explanations: Sequence[Explanation]) -> dict[str, tuple[float, float, float]]:
    """Return importance and its limits by part name."""
    table = importance_table(explanations)
    limits = zip(table["importance"], table["low"], table["high"], strict=True)
    return {
        name: (float(mean), float(low), float(high))
        for name, (mean, low, high) in zip(table["name"], limits, strict=True)
    }


def _limit(rows: Sequence[PanelRow]) -> float:
    """Return where the axis of all panels ends."""
    longest = max((max(row.importance, row.baseline or 0.0) for row in rows), default=0.0)
    reach = max((row.high for row in rows if math.isfinite(row.high)), default=0.0)
    return max(longest, min(reach, _REACH * longest)) or 1.0


def _draw(group: _Group, rows: Sequence[PanelRow], limit: float) -> str:
    height = _TOP + _ROW * len(rows) + _FOOT
    current = {"stroke": "currentColor"}
    body = [
        svg.group(_rules(len(rows)), class_="rule", stroke_opacity=0.25, **current),
        svg.group(_bars(rows, limit), class_="to", fill="currentColor"),
        svg.group(_intervals(rows, limit), class_="ci", stroke_width=1.4, **current),
        svg.group(_diamonds(rows, limit), class_="mark", fill="none", stroke_width=1.4, **current),
        svg.group(_names(rows), class_="ink", fill="currentColor", font_size=12, text_anchor="end"),
        svg.group(_numbers(rows, limit), class_="grey", fill="currentColor", font_size=11),
    ]
    return svg.fragment(body, _WIDTH, height, _in_words(group, rows))


def _x(value: float, limit: float) -> float:
    return round(_LEFT + min(1.0, value / limit) * (_RIGHT - _LEFT), 1)


def _y(position: int) -> int:
    return _TOP + _ROW * position + _ROW // 2


def _rules(n_rows: int) -> Iterator[str]:
    bottom = _TOP + _ROW * n_rows
    for x in (_LEFT, (_LEFT + _RIGHT) / 2, _RIGHT):
        yield svg.node("path", d=f"M{x:g} {_TOP}V{bottom}")


def _bars(rows: Sequence[PanelRow], limit: float) -> Iterator[str]:
    for j, row in enumerate(rows):
        width = round(_x(row.importance, limit) - _LEFT, 1)
        if width > 0:
            yield svg.node("rect", x=_LEFT, y=_y(j) - 5, width=width, height=10)


def _intervals(rows: Sequence[PanelRow], limit: float) -> Iterator[str]:
    for j, row in enumerate(rows):
        if row.low < row.high:
            ends = _x(row.low, limit), _x(row.high, limit)
            yield svg.node("path", d=f"M{ends[0]:g} {_y(j)}H{ends[1]:g}")


def _diamonds(rows: Sequence[PanelRow], limit: float) -> Iterator[str]:
    for j, row in enumerate(rows):
        if row.baseline is not None:
            yield svg.node("polygon", points=svg.diamond(_x(row.baseline, limit), _y(j), 4.5))


def _names(rows: Sequence[PanelRow]) -> Iterator[str]:
    for j, row in enumerate(rows):
        yield svg.node("text", svg.short(row.name, 18), x=_LEFT - 6, y=_y(j) + 4)


def _numbers(rows: Sequence[PanelRow], limit: float) -> Iterator[str]:
    texts = signed(row.importance for row in rows)
    for j, text in enumerate(texts):
        yield svg.node("text", text.lstrip("+"), x=_VALUES, y=_y(j) + 4, text_anchor="end")
    y = _TOP + _ROW * len(rows) + 14
    yield svg.node("text", "0", x=_LEFT, y=y, text_anchor="middle")
    end = number(float(f"{limit:.2g}"))
    yield svg.node("text", end, x=_RIGHT, y=y, text_anchor="middle")


def _in_words(group: _Group, rows: Sequence[PanelRow]) -> str:
    """Return the three heaviest parts of a panel in a sentence."""
    count = len(group.members)
    head = f"{cut(group.kind, 40)} {cut(group.title, 60)}, {count:,} instance{'s' * (count != 1)}"
    heaviest = [row for row in sorted(rows, key=lambda row: -row.importance) if row.importance][:3]
    if not heaviest:
        return f"{head}: no part has weight."
    texts = [text.lstrip("+") for text in signed(row.importance for row in heaviest)]
    parts = (f"{cut(row.name, 60)} {text}" for row, text in zip(heaviest, texts, strict=True))
    return f"{head}. Heaviest parts: {', '.join(parts)}."
