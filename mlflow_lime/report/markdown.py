"""Text from data in Markdown: it stays text, whatever it contains."""

import re
from collections.abc import Iterable

from mlflow_lime.report.wording import clean

__all__ = ["as_code", "as_prose"]

_WORD = re.compile(r"(?P<before>\(*)(?P<core>.*?)(?P<after>[).,;:]*)")
"""What stands between spaces, and the signs of a sentence around it."""

_PLAIN = re.compile(
    r"[^\W\d_]+(?:['’-][^\W\d_]+)*|[+−-]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?%?|[%<=→]|"
)
"""A word, a number, a sign between them that Markdown does not know, or nothing."""


def as_code(text: str) -> str:
    """Return text as code, in which no markup, mention, or link takes effect.

    A bar would end the cell of a table and a backtick the code, so these come as entities.

    Examples
    --------
    >>> as_code("<b> @all"), as_code("a|b")
    ('`<b> @all`', '<code>a&#124;b</code>')
    """
    line = clean(text) or " "
    if not re.search(r"[`|\\]", line):
        return f"`{line}`"
    escaped = re.sub(r"[^\w\s]", lambda sign: f"&#{ord(sign[0])};", line).replace("_", "&#95;")
    return f"<code>{escaped}</code>"


def as_prose(text: str, names: Iterable[str] = ()) -> str:
    """Return a sentence whose words and numbers stay, and whose names and signs become code.

    Parameters
    ----------
    text : str
    names : iterable of str
        What stays together where it occurs, such as the name of a version that has spaces in it.

    Examples
    --------
    >>> as_prose("the part <b> carries 3 of 4 (see lime/weights.json).")
    'the part `<b>` carries 3 of 4 (see `lime/weights.json`).'
    >>> as_prose("since my credit/6, worse", ["my credit/6"])
    'since `my credit/6`, worse'
    """
    whole = sorted({clean(name) for name in names} - {""}, key=len, reverse=True)
    if not whole:
        return " ".join(_word(word) for word in clean(text).split(" "))
    pieces = re.split(f"({'|'.join(map(re.escape, whole))})", clean(text))
    return "".join(
        as_code(piece) if piece in whole else " ".join(map(_word, piece.split(" ")))
        for piece in pieces
    )


def _word(word: str) -> str:
    found = _WORD.fullmatch(word)
    before, core, after = found.groups() if found else ("", word, "")
    return f"{before}{core if _PLAIN.fullmatch(core) else as_code(core)}{after}"
