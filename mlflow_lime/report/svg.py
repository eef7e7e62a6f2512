"""Elements of hand-written SVG pictures; every value is escaped."""

import html
from collections.abc import Sequence

from mlflow_lime.report.wording import cut

__all__ = ["GREY", "INK", "WIDTH", "document", "node", "text"]

WIDTH = 700
INK = "#1b1f24"
GREY = "#5b6670"


def document(body: Sequence[str], height: int, title: str) -> str:
    """Return a standalone SVG document, 700 pixels wide."""
    root = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{_escape(cut(title, 200))}" '
        'font-family="-apple-system, Segoe UI, Helvetica, Arial, sans-serif">'
    )
    return "\n".join([root, *body, "</svg>\n"])


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
    weight = {"font_weight": "bold"} if bold else {}
    return node("text", words, x=x, y=y, font_size=size, text_anchor=anchor, fill=fill, **weight)


def node(tag: str, words: str = "", **attributes: object) -> str:
    """Return an element; underscores in the attributes' names become hyphens."""
    written = "".join(
        f' {name.replace("_", "-")}="{_escape(value)}"' for name, value in attributes.items()
    )
    return f"<{tag}{written}>{_escape(words)}</{tag}>" if words else f"<{tag}{written}/>"


def _escape(value: object) -> str:
    return html.escape(str(value), quote=True)
