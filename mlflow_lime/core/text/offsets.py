"""What a tokenizer returns, as places in the text."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mlflow_lime.errors import DataError

__all__ = ["callable_name", "offsets_of"]

Offsets = list[tuple[int, int]]


def callable_name(function: Callable[..., Any]) -> str:
    """Return ``module:qualified name`` of a function, or of the class of a callable object.

    Examples
    --------
    >>> callable_name(str.split)
    'builtins:str.split'
    """
    named = function if hasattr(function, "__qualname__") else type(function)
    owner = getattr(named, "__objclass__", named)
    module = getattr(named, "__module__", None) or getattr(owner, "__module__", None)
    return f"{module or 'builtins'}:{named.__qualname__}"


def offsets_of(text: str, tokenizer: Callable[[str], Any]) -> Offsets:
    """Return where the tokens of a text are.

    Parameters
    ----------
    text : str
    tokenizer : callable
        Takes the text and returns one of: pairs (start, end) of characters; a mapping or an
        encoding that holds such pairs as ``offset_mapping`` or ``offsets``, as Hugging Face's
        fast tokenizers give; the tokens as strings, which are looked for from left to right.

    Returns
    -------
    list of (int, int)
        In the order of the text, without overlap: empty tokens such as special ones are dropped,
        white space at the ends of a token is cut off, and tokens that overlap are merged.

    Raises
    ------
    DataError
        If the tokenizer raises, or what it returned does not fit the text.

    Examples
    --------
    >>> offsets_of("to be", lambda text: [(0, 0), (0, 2), (2, 5), (0, 0)])
    [(0, 2), (3, 5)]
    >>> offsets_of("to be", str.split)
    [(0, 2), (3, 5)]
    """
    name = callable_name(tokenizer)
    try:
        found = _tokens(tokenizer(text))
    except Exception as error:
        msg = (
            f"the tokenizer {name} failed with {type(error).__name__}; it must take a text and "
            "return offsets (start, end) or the text's own tokens"
        )
        raise DataError(msg) from error
    pairs = _find(text, found, name) if _all_strings(found) else _pairs(found, len(text), name)
    return _merged(_cut(text, pairs))


def _tokens(raw: Any) -> list[Any]:
    """Return tokens or offsets as a list, out of whatever holds them."""
    if isinstance(raw, Mapping) and "offset_mapping" in raw:
        raw = raw["offset_mapping"]
    elif getattr(raw, "encodings", None):
        raw = raw.encodings[0].offsets
    elif hasattr(raw, "offsets"):
        raw = raw.offsets
    if isinstance(raw, (str, bytes, Mapping)):
        msg = "neither offsets nor a list of tokens"
        raise TypeError(msg)
    items = list(raw)
    batched = len(items) == 1 and not isinstance(items[0], str) and np.ndim(items[0]) == 2
    return list(items[0]) if batched else items


def _all_strings(found: Sequence[Any]) -> bool:
    return all(isinstance(item, str) for item in found)


def _find(text: str, tokens: Sequence[str], name: str) -> Iterable[tuple[int, int]]:
    place = 0
    for number, token in enumerate(tokens):
        start = text.find(token, place)
        if start < 0:
            msg = (
                f"token {number} of the tokenizer {name} is not found in the text after character "
                f"{place}; return offsets (start, end) in place of changed tokens"
            )
            raise DataError(msg)
        place = start + len(token)
        yield start, place


def _pairs(found: Sequence[Any], length: int, name: str) -> Iterable[tuple[int, int]]:
    for number, item in enumerate(found):
        try:
            start, end = item
        except (TypeError, ValueError):
            start = end = None
        if hasattr(start, "item") and hasattr(end, "item"):
            start, end = start.item(), end.item()
        if not (type(start) is int and type(end) is int and 0 <= start <= end <= length):
            msg = (
                f"item {number} of the tokenizer {name} does not fit the text of {length} "
                "characters; expected whole numbers (start, end) with 0 <= start <= end <= "
                f"{length}, or strings only, got {type(item).__name__}"
            )
            raise DataError(msg)
        yield start, end


def _cut(text: str, pairs: Iterable[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    for start, end in pairs:
        piece = text[start:end]
        core = piece.lstrip()
        if core:
            yield end - len(core), end - len(core) + len(core.rstrip())


def _merged(pairs: Iterable[tuple[int, int]]) -> Offsets:
    merged: Offsets = []
    for start, end in sorted(pairs):
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged
