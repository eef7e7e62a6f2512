"""Text in matplotlib pictures: fonts that cover it, and as much of it as fits."""

import unicodedata
from functools import cache, lru_cache
from typing import Any

from matplotlib import font_manager
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import FontProperties

from mlflow_lime.report.wording import clean, cut_to_fit

__all__ = ["PLAIN", "drawable", "font", "wrap"]

PLAIN: dict[str, Any] = {"parse_math": False, "usetex": False}
"""Keywords of a matplotlib text that must not be read as mathematics."""

_FALLBACKS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Source Han Sans",
    "Hiragino Sans",
    "PingFang SC",
    "Apple SD Gothic Neo",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "Noto Sans",
    "Noto Emoji",
    "Symbola",
)
"""Fonts for what DejaVu Sans, which matplotlib carries, does not cover."""

_MISSING = "\u25af"  # white vertical rectangle


@cache
def _families() -> tuple[str, ...]:
    installed = set(font_manager.get_font_names())
    return ("DejaVu Sans", *(name for name in _FALLBACKS if name in installed))


@cache
def _covered() -> frozenset[int]:
    paths = [font_manager.findfont(FontProperties(family=name)) for name in _families()]
    return frozenset().union(*(font_manager.get_font(path).get_charmap() for path in paths))


def font(pixels: float, *, bold: bool = False) -> FontProperties:
    """Return a font of a size in pixels at 100 dots per inch."""
    weight = "bold" if bold else "normal"
    return FontProperties(family=list(_families()), size=pixels * 0.72, weight=weight)


def drawable(text: object) -> str:
    """Return `text`, cleaned, with a box for each character that no installed font draws.

    Matplotlib warns of every missing glyph, wherever the figure is drawn later.
    """
    covered = _covered()
    visible = (char for char in clean(text) if unicodedata.category(char) != "Cf")
    return "".join(char if ord(char) in covered else _MISSING for char in visible)


def wrap(text: object, properties: FontProperties, *, width: float, lines: int = 1) -> str:
    """Return `text` broken into lines, with an ellipsis in the middle where it is too long.

    Parameters
    ----------
    text : object
        What to write.
    properties : FontProperties
        The font it is written in.
    width : float
        Room in pixels at 100 dots per inch.
    lines : int, default 1
        How many lines there may be.

    Returns
    -------
    str
        Lines joined by newlines, each at most `width` wide.
    """
    plain = drawable(text).replace("= ", "=\u00a0")  # keeps a value with its sign
    if len(plain) > 400:
        plain = f"{plain[:200]}…{plain[-199:]}"

    def break_up(candidate: str) -> list[str]:
        return _break(candidate, properties, width, lines)

    fitting = cut_to_fit(plain, lambda candidate: len(break_up(candidate)) <= lines)
    return "\n".join(break_up(fitting)).replace("\u00a0", " ")


def _break(text: str, properties: FontProperties, width: float, lines: int) -> list[str]:
    """Return lines of at most `width`, and one line too many where they do not hold the text."""
    broken: list[str] = []
    while text and len(broken) <= lines:
        end = _longest(text, properties, width)
        space = text.rfind(" ", 0, end + 1)
        if end < len(text) and space > end // 2:
            end = space
        broken.append(text[:end].rstrip())
        text = text[end:].lstrip()
    return broken or [""]


def _longest(text: str, properties: FontProperties, width: float) -> int:
    """Return the length of the longest start of `text` that is at most `width` wide."""
    if _fits(text, properties, width):
        return len(text)
    fits, too_long = 1, len(text)
    while fits + 1 < too_long:
        middle = (fits + too_long) // 2
        wide = not _fits(text[:middle], properties, width)
        fits, too_long = (fits, middle) if wide else (middle, too_long)
    return fits


def _fits(text: str, properties: FontProperties, width: float) -> bool:
    """Return whether `text` is at most `width` pixels wide at 100 dots per inch."""
    size, weight = properties.get_size_in_points(), str(properties.get_weight())
    apart = sum(_alone(char, size, weight) for char in text)
    # Characters that stand together are a little nearer, and are measured where that decides.
    if abs(apart - width) > 0.01 * width + 0.75 * size:
        return apart < width
    return _width(text, properties) <= width


@lru_cache(maxsize=4096)
def _alone(char: str, size: float, weight: str) -> float:
    """Return the width of a character between two others."""
    properties = FontProperties(family=list(_families()), size=size, weight=weight)
    return _width(f"n{char}n", properties) - _width("nn", properties)


def _width(text: str, properties: FontProperties) -> float:
    """Return the width of `text` in pixels at 100 dots per inch."""
    width, _, _ = _renderer().get_text_width_height_descent(text, properties, ismath=False)
    return float(width)


def _renderer() -> Any:
    make: Any = RendererAgg  # matplotlib leaves it untyped
    return make(width=1, height=1, dpi=100)
