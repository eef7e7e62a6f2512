"""How numbers, names and caveats are put into words, the same in every picture and table."""

import math
import re
import unicodedata
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.explanation import Explanation, LabelExplanation

__all__ = [
    "AGAINST",
    "POOR_FIT",
    "TOWARDS",
    "caveat",
    "cells",
    "chance",
    "clean",
    "clean_lines",
    "cut",
    "cut_to_fit",
    "direction_words",
    "fit",
    "headline",
    "is_sure",
    "number",
    "predicted_label",
    "r2",
    "score",
    "signed",
    "sizes",
    "units",
]

TOWARDS = "#2171b5"
"""Blue: the part pushes the output up, towards the explained label."""

AGAINST = "#d1602b"
"""Orange: the part pushes the output down, against the explained label."""

POOR_FIT = 0.25
"""Held-out fit below which a reader is warned, see `fit`.

It marks surrogates that leave more than three quarters of the output's local variation
unexplained. It warns; it is no gate.
"""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_UNSAFE = re.compile("[\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def clean(text: object) -> str:
    r"""Return `text` on one line, without characters that markup or readers trip over.

    Control characters become spaces; lone surrogates, noncharacters and characters that reorder
    the text around them become U+FFFD.

    Examples
    --------
    >>> clean("worst\tradius\x00 = 3")
    'worst radius = 3'
    """
    spaced = re.sub(" {2,}", " ", _CONTROL.sub(" ", str(text))).strip()
    return _UNSAFE.sub("\ufffd", spaced)


def clean_lines(text: str) -> str:
    r"""Return `text` with its lines and white space, without what `clean` takes out.

    Examples
    --------
    >>> clean_lines("one  two\r\n\tthree\x00\u202e")
    'one  two\n\tthree\ufffd\ufffd'
    """
    broken = re.sub("\r\n?|[\u0085\u2028\u2029]", "\n", text)
    return _UNSAFE.sub("\ufffd", _INVISIBLE.sub("\ufffd", broken))


def cells(text: str) -> int:
    """Return the width of `text` in character cells; East Asian wide characters take two.

    Examples
    --------
    >>> cells("age"), cells("年齢")
    (3, 4)
    """
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide


def cut_to_fit(text: str, fits: Callable[[str], bool]) -> str:
    """Return `text`, or the longest form of it with an ellipsis in the middle that `fits`.

    The end is kept because it tells the value (``"… = 17.3"``).

    Parameters
    ----------
    text : str
        What to shorten.
    fits : callable
        Whether a candidate is short enough.

    Returns
    -------
    str
        `text` itself where it fits; a lone ellipsis where nothing does.
    """
    if fits(text):
        return text
    kept, too_many = 0, len(text)
    while kept + 1 < too_many:
        middle = (kept + too_many) // 2
        kept, too_many = (middle, too_many) if fits(_elide(text, middle)) else (kept, middle)
    return _elide(text, kept)


def _elide(text: str, kept: int) -> str:
    head = text[: math.ceil(kept * 0.55)]
    tail = text[len(text) - (kept - len(head)) :]
    return f"{head.rstrip()}…{tail.lstrip()}"


def cut(text: object, limit: int) -> str:
    """Return `text`, cleaned, in at most `limit` character cells.

    Examples
    --------
    >>> cut("a very long feature name = 17.3", 16)
    'a very lo…= 17.3'
    """
    return cut_to_fit(clean(text), lambda candidate: cells(candidate) <= limit)


def number(value: float) -> str:
    """Return a value with about four digits.

    Examples
    --------
    >>> [number(x) for x in (251300.4, 17.3, 0.00012, float("nan"))]
    ['251,300', '17.3', '0.00012', 'n/a']
    """
    if not math.isfinite(value):
        return "n/a"
    if 1e3 <= abs(value) < 1e12:
        return f"{value:,.0f}"
    return f"{value + 0.0:.4g}"


def score(value: float) -> str:
    """Return a probability with two digits, and more where two would read 0 or 1.

    Examples
    --------
    >>> [score(x) for x in (0.694, 0.998, 1.0, 0.00001)]
    ['0.69', '0.998', '1.00', '<0.001']
    """
    if not math.isfinite(value) or not 0 <= value <= 1:
        return number(value)
    if value in (0, 1) or 0.005 <= value < 0.995:
        return f"{value:.2f}"
    if value < 0.0005 or value >= 0.9995:
        return "<0.001" if value < 0.5 else ">0.999"
    return f"{value:.3f}"


def signed(values: Iterable[float]) -> list[str]:
    """Return numbers with signs and one number of decimals, three digits for the largest.

    Examples
    --------
    >>> signed([0.1234, -0.0456, 0.0])
    ['+0.123', '-0.046', '0.000']
    >>> signed([12431.4, -873.2])
    ['+12,431', '-873']
    """
    numbers = [float(value) for value in values]
    largest = max((abs(x) for x in numbers if math.isfinite(x)), default=0.0)
    if largest and not 1e-4 <= largest < 1e9:
        return [f"{x:+.2e}" if x and math.isfinite(x) else _signed(x, 0) for x in numbers]
    decimals = max(0, 2 - math.floor(math.log10(largest))) if largest else 3
    return [_signed(x, decimals) for x in numbers]


def sizes(values: Iterable[float]) -> list[str]:
    """Return numbers as `signed` does, without the plus.

    Examples
    --------
    >>> sizes([0.0079, 0.3797])
    ['0.008', '0.380']
    """
    return [text.removeprefix("+") for text in signed(values)]


def chance(p_value: float) -> str:
    """Return a p-value as it stands in a sentence.

    Examples
    --------
    >>> chance(0.0423), chance(2.4e-22), chance(float("nan"))
    ('p = 0.042', 'p < 0.001', 'p unknown')
    """
    if not math.isfinite(p_value):
        return "p unknown"
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"


def _signed(value: float, decimals: int) -> str:
    if not math.isfinite(value):
        return "n/a"
    rounded = round(value, decimals)
    return f"{rounded:+,.{decimals}f}" if rounded else f"{0:.{decimals}f}"


def r2(value: float) -> str:
    """Return a coefficient of determination with two digits.

    Examples
    --------
    >>> r2(0.581), r2(float("nan"))
    ('0.58', 'n/a')
    """
    return f"{round(value, 2) + 0.0:.2f}" if math.isfinite(value) else "n/a"


def headline(explanation: Explanation, label_explanation: LabelExplanation) -> str:
    """Return what the model said of the explained label, such as ``"P(malignant) = 0.69"``."""
    if explanation.mode == "regression":
        name = "prediction" if label_explanation.label == "value" else label_explanation.label
        return f"{cut(name, 28)} = {number(label_explanation.prediction)}"
    return f"P({cut(label_explanation.label, 28)}) = {score(label_explanation.prediction)}"


def predicted_label(explanation: Explanation) -> int | None:
    """Return the column of the highest score; None for a regression or without finite scores."""
    if explanation.mode == "regression" or not np.isfinite(explanation.scores).any():
        return None
    return int(np.nanargmax(explanation.scores))


def fit(label_explanation: LabelExplanation) -> float:
    """Return how well the surrogate describes the model here: the partial R², else the R².

    The partial R² is net of the noise that the drawn background values bring in, which no weight
    can explain; an exactly linear model has a partial R² of one.
    """
    partial = label_explanation.partial_r2
    return partial if math.isfinite(partial) else label_explanation.fidelity_r2


def caveat(label_explanation: LabelExplanation) -> str | None:
    """Return the warning that a reader of these weights needs, or None."""
    if label_explanation.flat:
        return "The output hardly varies here: there is nothing to explain."
    fidelity = fit(label_explanation)
    if not math.isfinite(fidelity):
        return "How well the surrogate fits here is unknown: read the weights with care."
    if fidelity < POOR_FIT:
        share = max(0.0, fidelity)
        return f"Single parts explain only {share:.0%} of the variation here."
    return None


def direction_words(explanation: Explanation) -> tuple[str, str]:
    """Return what a negative and a positive weight do."""
    return ("lowers", "raises") if explanation.mode == "regression" else ("against", "towards")


def units(explanation: Explanation) -> str:
    """Return what weights are measured in, before ``per part``."""
    return "units of the target" if explanation.mode == "regression" else "probability"


def is_sure(label_explanation: LabelExplanation) -> NDArray[np.bool_]:
    """Return which weights have an interval that excludes zero, shape (n_parts,).

    A weight without an interval, its limits being no numbers, is not sure.
    """
    low, high = label_explanation.low, label_explanation.high
    return np.asarray(np.isfinite(label_explanation.weights) & ((low > 0) | (high < 0)))
