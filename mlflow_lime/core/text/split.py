"""How a text is cut into spans, and which spans are one part."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.text.alphabets import GRAPHEME, WORD, pattern_of
from mlflow_lime.core.text.offsets import offsets_of
from mlflow_lime.errors import DataError, did_you_mean, shorten

__all__ = ["KINDS", "MAX_PARTS", "Parts", "Split", "readable", "require_parts", "split", "split_at"]

KINDS = ("words", "positions", "sentences", "characters")
MAX_PARTS = 5_000

Parts = str | Callable[[str], Any]
"""One of `KINDS`, or a function from a text to its tokens."""

_LONGEST_READING = 60
_UNREADABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

_TITLE = re.compile(
    "mr|mrs|ms|dr|prof|st|jr|sr|vs|no|fig|eq|al|approx|dept|gen|col|capt|lt|rev|hon", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """A text in pieces.

    Attributes
    ----------
    spans : ndarray of int32, shape (n_spans, 3)
        Start and end of each span in characters, and its part; in the order of the text, without
        overlap. Parts are numbered from 0 by their first occurrence.
    texts : tuple of str, length n_parts
        Text of each part.
    """

    spans: NDArray[np.int32]
    texts: tuple[str, ...]


def require_parts(parts: Parts) -> None:
    """Raise a DataError unless `parts` is one of `KINDS` or callable.

    Raises
    ------
    DataError
        If it is neither.
    """
    given: object = parts
    if callable(given) or (isinstance(given, str) and given in KINDS):
        return
    hint = did_you_mean(str(given), KINDS)
    msg = f"parts must be one of {', '.join(KINDS)}, or a function from a text to its tokens; "
    raise DataError(f"{msg}got {shorten(given)}.{hint}")


def split(text: str, parts: Parts = "words") -> Split:
    """Cut a text into spans.

    Parameters
    ----------
    text : str
    parts : {"words", "positions", "sentences", "characters"} or callable
        ``words``: each distinct word is one part with all its occurrences, upper and lower case
        apart. ``positions``: each occurrence of a word is a part. ``sentences``: stretches that
        end with ``. ! ?``, their like in other scripts, or a blank line. ``characters``:
        characters as a person sees them, without white space. A callable takes the text and
        returns offsets or tokens, see `offsets_of`; each token is a part. What a word and a
        character are says `pattern_of`.

    Returns
    -------
    Split
        Without spans where the text holds nothing that could be a part.

    Raises
    ------
    DataError
        If there are more than 5,000 parts, or the callable fails or returns nonsense.

    Examples
    --------
    >>> found = split("good, very very good")
    >>> found.texts
    ('good', 'very')
    >>> found.spans.tolist()
    [[0, 4, 0], [6, 10, 1], [11, 15, 1], [16, 20, 0]]
    """
    require_parts(parts)
    if callable(parts):
        found = offsets_of(text, parts)
    elif parts == "sentences":
        found = list(_sentences(text))
    else:
        kind = GRAPHEME if parts == "characters" else WORD
        pattern = pattern_of(kind, ascii_only=text.isascii())
        found = [match.span() for match in pattern.finditer(text)]
    result = _numbered(text, found, distinct=parts == "words")
    if len(result.texts) > MAX_PARTS:
        cure = "shorten the text" if parts == "sentences" else "use sentences, or shorten the text"
        msg = f"the text has {len(result.texts):,} parts, and {MAX_PARTS:,} can be tested; {cure}"
        raise DataError(msg)
    return result


def split_at(text: str, spans: Any) -> Split:
    """Cut a text at spans that were found earlier.

    Parameters
    ----------
    text : str
    spans : sequence of (start, end, part)
        As in `Split`.

    Raises
    ------
    DataError
        If they are no such spans of this text.
    """
    try:
        array = np.asarray(spans)
        whole = array.size == 0 or array.dtype.kind in "iu"
        array = array.astype(np.int64).reshape(-1, 3)
    except (TypeError, ValueError) as error:
        msg = f"pinned spans must be a list of [start, end, part], got {type(spans).__name__}"
        raise DataError(msg) from error
    starts, ends, owners = array.T
    n_parts = len(np.unique(owners))
    edges = array[:, :2].ravel()
    ordered = bool((np.diff(edges) >= 0).all() and (starts < ends).all())
    inside = len(edges) == 0 or bool(edges[0] >= 0 and edges[-1] <= len(text))
    numbered = np.array_equal(np.unique(owners), np.arange(n_parts))
    if not (whole and ordered and inside and numbered) or n_parts > MAX_PARTS:
        msg = (
            f"the pinned spans do not fit the text of {len(text)} characters: expected whole "
            f"numbers [start, end, part] in order, without overlap, with at most {MAX_PARTS:,} "
            "parts numbered from 0; pin the text again"
        )
        raise DataError(msg)
    _, first = np.unique(owners, return_index=True)
    texts = tuple(text[starts[i] : ends[i]] for i in first)
    return Split(array.astype(np.int32), texts)


def readable(text: str) -> str:
    r"""Return a part's text as a person reads it: in one line, not too long.

    Examples
    --------
    >>> print(readable("one\n  two\x00"))
    one two\x00
    """
    line = " ".join(text[: 4 * _LONGEST_READING].split())
    cut = len(line) > _LONGEST_READING or len(text) > 4 * _LONGEST_READING
    line = f"{line[: _LONGEST_READING - 1]}…" if cut else line
    return _UNREADABLE.sub(lambda m: m.group().encode("unicode_escape").decode("ascii"), line)


def _numbered(text: str, found: Sequence[tuple[int, int]], *, distinct: bool) -> Split:
    words = [text[start:end] for start, end in found]
    spans = np.empty((len(found), 3), dtype=np.int32)
    spans[:, :2] = np.array(found, dtype=np.int32).reshape(-1, 2)
    if not distinct:
        spans[:, 2] = np.arange(len(found))
        return Split(spans, tuple(words))
    numbers: dict[str, int] = {}
    spans[:, 2] = [numbers.setdefault(word, len(numbers)) for word in words]
    return Split(spans, tuple(numbers))


# ------------------------------------------------------------------------------- sentences


@cache
def _ends() -> re.Pattern[str]:
    """Return the pattern of what ends a sentence: at white space, at a blank line, or at once."""
    closing = "[\"'’”»)\\]}〉》」』】）]*"
    spaced = rf"[.!?…‽؟۔।॥։።]+{closing}(?=\s|$)"
    at_once = rf"[。！？｡．]+{closing}"
    return re.compile(rf"{spaced}|{at_once}|\n[^\S\n]*\n")


def _sentences(text: str) -> Iterable[tuple[int, int]]:
    """Yield the stretches between ends of sentences, those without a word left out."""
    word = pattern_of(WORD, ascii_only=text.isascii())
    start = 0
    for match in _ends().finditer(text):
        if not _goes_on(text, start, match):
            yield from _trimmed(text, start, match.end(), word)
            start = match.end()
    yield from _trimmed(text, start, len(text), word)


def _goes_on(text: str, start: int, match: re.Match[str]) -> bool:
    """Return whether a full stop belongs to an initial, a title, or comes before a small letter."""
    if match.group() != ".":
        return False
    following = text[match.end() : match.end() + 8].lstrip()
    if following[:1].islower():
        return True
    last = re.search(r"[^\W\d_]+\Z", text[max(start, match.start() - 12) : match.start()])
    if last is None or not following:
        return False
    word = last.group()
    initial = len(word) == 1 and word.isupper() and word != "I"
    return initial or _TITLE.fullmatch(word) is not None


def _trimmed(text: str, start: int, end: int, word: re.Pattern[str]) -> Iterable[tuple[int, int]]:
    piece = text[start:end]
    if word.search(piece):
        lead = len(piece) - len(piece.lstrip())
        yield start + lead, start + len(piece.rstrip())
