"""Elements of hand-written SVG pictures; every value is escaped."""

import html
from collections.abc import Iterable, Sequence
from typing import Final

from mlflow_lime.report.wording import AGAINST, TOWARDS, cells, clean, cut, cut_to_fit

__all__ = [
    "AGAINST_INK",
    "GREY",
    "INK",
    "WIDTH",
    "diamond",
    "document",
    "fragment",
    "group",
    "node",
    "short",
    "text",
]

WIDTH = 700
INK = "#1b1f24"
GREY = "#5b6670"
AGAINST_INK = "#a3430f"
"""Orange that can be read on white, where the one of bars is too light for letters."""

_CLASSES: Final = {INK: "ink", GREY: "grey", TOWARDS: "to", AGAINST: "off", AGAINST_INK: "off"}
"""What a page that shows the picture may give colours of its own, by the colours it has."""


def document(body: Sequence[str], height: int, title: str) -> str:
    """Return a standalone SVG document, 700 pixels wide."""
    attributes = (
        f'xmlns="http://www.w3.org/2000/svg" {_frame(WIDTH, height, title)} '
        'font-family="-apple-system, Segoe UI, Helvetica, Arial, sans-serif"'
    )
    return "\n".join([f"<svg {attributes}>", *body, "</svg>\n"])


def fragment(body: Iterable[str], width: int, height: int, label: str) -> str:
    """Return a picture for the inside of a page, in the page's font and colours.

    Parameters
    ----------
    body : iterable of str
        Elements.
    width, height : int
        Pixels at natural size.
    label : str
        What the picture shows, for screen readers.
    """
    return f"<svg {_frame(width, height, label, limit=400)}>{''.join(body)}</svg>"


def _frame(width: int, height: int, label: str, *, limit: int = 200) -> str:
    return (
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{_escape(cut(label, limit))}"'
    )


def text(
    words: str,
    x: float,
    y: float,
    *,
    size: int = 12,
    anchor: str = "start",
    fill: str = GREY,
    bold: bool = False,
) -> str:
    """Return a line of text; `y` is its base line."""
    own = {"font_weight": "bold"} if bold else {}
    css = {"class_": _CLASSES[fill]} if fill in _CLASSES else {}
    return node(
        "text", words, x=x, y=y, font_size=size, text_anchor=anchor, **css, fill=fill, **own
    )


def diamond(x: float, y: float, radius: float) -> str:
    """Return the points of a diamond, for a polygon.

    Examples
    --------
    >>> diamond(10, 10, 5)
    '10.0,5.0 15.0,10.0 10.0,15.0 5.0,10.0'
    """
    corners = ((0, -1), (1, 0), (0, 1), (-1, 0))
    return " ".join(f"{x + a * radius:.1f},{y + b * radius:.1f}" for a, b in corners)


def short(name: object, width: float) -> str:
    """Return a name in at most so many small letters, by a rough count."""
    return cut_to_fit(clean(name), lambda candidate: _wide(candidate) <= width)


def _wide(name: str) -> float:
    return cells(name) + 0.4 * sum(char.isupper() or char in "mw@%" for char in name)


def group(elements: Iterable[str], **attributes: object) -> str:
    """Return elements in a group that gives them their attributes; nothing without any."""
    inside = "".join(elements)
    return f"<g{_written(attributes)}>{inside}</g>" if inside else ""


def node(tag: str, words: str = "", **attributes: object) -> str:
    """Return an element; underscores in the attributes' names become hyphens.

    Examples
    --------
    >>> node("text", "a < b", class_="ink", font_size=12)
    '<text class="ink" font-size="12">a &lt; b</text>'
    """
    written = _written(attributes)
    return f"<{tag}{written}>{_escape(words)}</{tag}>" if words else f"<{tag}{written}/>"


def _written(attributes: dict[str, object]) -> str:
    return "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_escape(value)}"'
        for name, value in attributes.items()
    )


def _escape(value: object) -> str:
    return html.escape(str(value), quote=True)
