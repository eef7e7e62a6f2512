"""Which characters stick together: marks, scripts without spaces, emoji sequences."""

import re
import unicodedata
from functools import cache

__all__ = ["GRAPHEME", "WORD", "pattern_of"]

GRAPHEME = "grapheme"
WORD = "word"

_ASCII_WORD = r"\w+(?:(?<=[A-Za-z])'(?=[A-Za-z])\w+)*"

_ALONE = (
    "\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0002fa1f\U00030000-\U000323af"
    "\u3041-\u3096\u309d-\u309f\U0001b001-\U0001b11f\U0001b132\U0001b150-\U0001b152\U0001f200"
)
"""Han and Hiragana: scripts in which each character is a word of its own (UAX #29)."""

_JOINERS = "\u200c\u200d"
_FLAG_LETTERS = "\U0001f1e6-\U0001f1ff"
_SKIN_TONES = "\U0001f3fb-\U0001f3ff"
_TAGS = "\U000e0020-\U000e007f"
_EMOJI_BLOCKS = ((0x2600, 0x27BF), (0x1F000, 0x1FAFF))
_EMOJI_SINGLES = "\u231a\u231b\u23e9-\u23f3\u23f8-\u23fa\u2b1b\u2b1c\u2b50\u2b55"
_TEXT_UNLESS_SELECTED = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u2199\u21a9\u21aa\u2328\u23cf\u24c2\u25aa\u25ab"
    "\u25b6\u25c0\u25fb-\u25fe\u2934\u2935\u2b05-\u2b07\u3030\u303d\u3297\u3299"
)
"""Emoji only where the variation selector U+FE0F follows."""

_JAMO = "[\u1100-\u115f\ua960-\ua97c]+[\u1160-\u11a7\ud7b0-\ud7c6]*[\u11a8-\u11ff\ud7cb-\ud7fb]*"


@cache
def pattern_of(kind: str, *, ascii_only: bool) -> re.Pattern[str]:
    r"""Return the pattern of one word, or of one character as a person sees it.

    Parameters
    ----------
    kind : {"word", "grapheme"}
        A word is a run of ``\w`` with the combining marks and zero-width joiners in it;
        apostrophes between letters join; Han and Hiragana characters are words of their own
        (UAX #29), and so are emoji sequences. A grapheme is a character that is no white space,
        with what modifies it.
    ascii_only : bool
        Whether the text holds ASCII alone, for which no table is built.

    Returns
    -------
    re.Pattern
        Matches never start or end with white space.

    References
    ----------
    Unicode Standard Annex #29, "Unicode text segmentation", and UTS #51, "Unicode emoji", of
    which this is a subset without dictionaries: Thai, Lao and Khmer phrases stay in one piece.

    Examples
    --------
    >>> pattern_of(WORD, ascii_only=True).findall("It isn't 'so', rock'n'roll!")
    ['It', "isn't", 'so', "rock'n'roll"]
    """
    if ascii_only:
        return re.compile(_ASCII_WORD if kind == WORD else r"\S")
    marks = f"[{_marks()}{_JOINERS}]*"
    if kind == GRAPHEME:
        tail = f"[{_marks()}{_JOINERS}{_SKIN_TONES}{_TAGS}]*"
        return re.compile(rf"{_emoji()}|{_JAMO}{marks}|\S{tail}")
    letter = rf"[^\W{_ALONE}]{marks}"
    quoted = rf"(?<=[^\W\d_{_ALONE}])['’](?=[^\W\d_{_ALONE}])"
    marked = rf"(?<=[{_marks()}])['’](?=[^\W\d_{_ALONE}])"
    word = rf"{letter}(?:(?:{quoted}|{marked})?{letter})*"
    return re.compile(rf"{_emoji()}|[{_ALONE}]{marks}|{word}")


@cache
def _emoji() -> str:
    chars = "".join(_class(_in_blocks("So", _EMOJI_BLOCKS, _FLAG_LETTERS)))
    picture = f"(?:[{chars}{_EMOJI_SINGLES}{_SKIN_TONES}]|[{_TEXT_UNLESS_SELECTED}](?=\ufe0f))"
    element = f"{picture}[\ufe0e\ufe0f]?[{_SKIN_TONES}]?\u20e3?[{_TAGS}]*"
    keycap = "[0-9#*]\ufe0f?\u20e3"
    flag = f"[{_FLAG_LETTERS}]{{1,2}}"
    return f"(?:{keycap}|{flag}|{element}(?:\u200d{element})*)"


@cache
def _marks() -> str:
    """Return the body of a character class with every combining mark."""
    blocks = ((0x300, 0x1FFFF), (0xE0100, 0xE01EF))
    return _class([c for kind in ("Mn", "Mc", "Me") for c in _in_blocks(kind, blocks)])


def _in_blocks(category: str, blocks: tuple[tuple[int, int], ...], but: str = "") -> list[int]:
    first, last = (ord(but[0]), ord(but[-1])) if but else (1, 0)
    return [
        code
        for low, high in blocks
        for code in range(low, high + 1)
        if unicodedata.category(chr(code)) == category and not first <= code <= last
    ]


def _class(codes: list[int]) -> str:
    """Return code points as the body of a character class, runs written as ranges."""
    ranges: list[list[int]] = []
    for code in sorted(codes):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"{chr(low)}-{chr(high)}" for low, high in ranges)
