"""Letters in pictures: the fonts that cover a text, its width, and as much of it as fits."""

import re
import unicodedata
from functools import cache, lru_cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Final

from PIL import ImageFont

from mlflow_lime.report.wording import clean, cut_to_fit

__all__ = ["carried_font", "drawable", "families", "letters", "pieces", "wrap"]

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
_SURE: Final = re.compile("[ -~\u00a0-\u017f−◄►…≤≥\u25af]*")
"""Text that DejaVu Sans covers; for any other, matplotlib is asked, whose import takes a while."""

_EM = 1000  # pixels of the letters that are measured, so that whole pixels do not matter
_ROUNDED = 1.02
"""How much wider a text may get where each letter takes a whole number of pixels."""


@cache
def families() -> tuple[str, ...]:
    """Return the names of the installed fonts, the first one to be asked first."""
    from matplotlib import font_manager

    installed = set(font_manager.get_font_names())
    return ("DejaVu Sans", *(name for name in _FALLBACKS if name in installed))


def pieces(text: str, *, bold: bool = False) -> list[tuple[str, str]]:
    """Return `text` in pieces, each after the path of the font that draws it."""
    if _SURE.fullmatch(text):
        return [(carried_font(bold=bold), text)]
    grouped = groupby(text, key=lambda char: _path(char, bold=bold) or carried_font(bold=bold))
    return [(path, "".join(chars)) for path, chars in grouped]


@lru_cache(maxsize=32)
def letters(path: str, pixels: int) -> ImageFont.FreeTypeFont:
    """Return the letters of a font file at a size in pixels, laid out alike everywhere."""
    return ImageFont.truetype(path, pixels, layout_engine=ImageFont.Layout.BASIC)


def drawable(text: object, *, bold: bool = False) -> str:
    """Return `text`, cleaned, with a box for each character that no installed font draws.

    Matplotlib warns of every missing glyph, wherever the figure is drawn later.
    """
    cleaned = clean(text)
    if _SURE.fullmatch(cleaned):
        return cleaned.replace("\u00ad", "")
    visible = (char for char in cleaned if unicodedata.category(char) != "Cf")
    return "".join(char if _path(char, bold=bold) else _MISSING for char in visible)


def wrap(text: object, size: int, *, width: float, bold: bool = False, lines: int = 1) -> str:
    """Return `text` broken into lines, with an ellipsis in the middle where it is too long.

    Parameters
    ----------
    text : object
        What to write.
    size : int
        Size of the letters in pixels.
    width : float
        Room in pixels.
    bold : bool, default False
        Whether the letters are bold.
    lines : int, default 1
        How many lines there may be.

    Returns
    -------
    str
        Lines joined by newlines, each at most `width` wide.
    """
    plain = drawable(text, bold=bold).replace("= ", "=\u00a0")  # keeps a value with its sign
    if len(plain) > 400:
        plain = f"{plain[:200]}…{plain[-199:]}"
    room = width / size / _ROUNDED

    def break_up(candidate: str) -> list[str]:
        return _break(candidate, room, lines, bold=bold)

    fitting = cut_to_fit(plain, lambda candidate: len(break_up(candidate)) <= lines)
    return "\n".join(break_up(fitting)).replace("\u00a0", " ")


def _break(text: str, room: float, lines: int, *, bold: bool) -> list[str]:
    """Return lines of at most `room`, and one line too many where they do not hold the text."""
    broken: list[str] = []
    while text and len(broken) <= lines:
        end = _longest(text, room, bold=bold)
        space = text.rfind(" ", 0, end + 1)
        if end < len(text) and space > end // 2:
            end = space
        broken.append(text[:end].rstrip())
        text = text[end:].lstrip()
    return broken or [""]


def _longest(text: str, room: float, *, bold: bool) -> int:
    """Return how many characters of `text`, but at least one, are at most `room` wide."""
    for end, char in enumerate(text):
        room -= _advance(char, bold=bold)
        if room < 0:
            return max(1, end)
    return len(text)


@lru_cache(maxsize=4096)
def _advance(char: str, *, bold: bool) -> float:
    """Return the width of a character, in sizes of its font."""
    ((path, _),) = pieces(char, bold=bold)
    return letters(path, _EM).getlength(char) / _EM


@cache
def carried_font(*, bold: bool) -> str:
    """Return the path of the font that matplotlib carries, found without importing it."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    spec = find_spec("matplotlib")
    path = Path(spec.origin if spec and spec.origin else "").with_name("mpl-data") / "fonts/ttf"
    if not (path / name).exists():  # a distribution has put the data elsewhere
        import matplotlib

        path = Path(matplotlib.get_data_path(), "fonts", "ttf")
    return str(path / name)


@lru_cache(maxsize=4096)
def _path(char: str, *, bold: bool) -> str:
    """Return the path of the first font that draws a character; empty where none does."""
    return next((path for path, drawn in _covered(bold=bold) if ord(char) in drawn), "")


@cache
def _covered(*, bold: bool) -> tuple[tuple[str, frozenset[int]], ...]:
    """Return the paths of the installed fonts, and the characters that each draws."""
    from matplotlib import font_manager

    weight = "bold" if bold else "normal"
    found = [
        font_manager.findfont(font_manager.FontProperties(family=name, weight=weight))
        for name in families()
    ]
    return tuple((path, frozenset(font_manager.get_font(path).get_charmap())) for path in found)
