"""The five numbers that a page opens with, and all numbers for those who want them."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from mlflow_lime import names
from mlflow_lime.compare.drift import DRIFT_METRICS
from mlflow_lime.metrics.trust import Estimate
from mlflow_lime.report.pages.content import Content, Side
from mlflow_lime.report.wording import cut, number, signed

__all__ = ["MainNumber", "NumberRow", "all_numbers", "main_numbers", "quality_of"]

Tone = Literal["", "better", "worse"]

_PERFORMANCE: Final = {
    "accuracy_score": ("accuracy", 1),
    "accuracy": ("accuracy", 1),
    "test_accuracy": ("accuracy (test)", 1),
    "val_accuracy": ("accuracy (validation)", 1),
    "balanced_accuracy_score": ("balanced accuracy", 1),
    "roc_auc": ("ROC AUC", 1),
    "f1_score": ("F1", 1),
    "r2_score": ("R² of the model", 1),
    "r2": ("R² of the model", 1),
    "root_mean_squared_error": ("RMSE", -1),
    "rmse": ("RMSE", -1),
    "mean_absolute_error": ("MAE", -1),
    "mae": ("MAE", -1),
}
"""What tells how good a model is: metric, title, and the direction that is better."""

_FITS: Final = {
    "partial_r2": (
        ("partial_r2", "fit", "partial R², median"),
        ("partial_r2_p10", "fit, worst tenth", "partial R², 10 % quantile"),
    ),
    "fidelity_r2": (
        ("fidelity_r2", "fit", "R², median"),
        ("fidelity_r2_p10", "fit, worst tenth", "R², 10 % quantile"),
    ),
}
_STABILITY: Final = ("stability_topk", "stability", "overlap of the top parts")
_EFFECTS: Final = (
    ("comprehensiveness_gain", "effect of the top parts", "beyond random parts", 1),
    ("decision_agreement", "agreement", "same decision as the model nearby", 1),
    ("local_gap", "gap", "surrogate and model at the instance", -1),
)
_CLEAR: Final = 0.01
"""Change of a number without interval from which on it is called better or worse.

Of a share, such as the accuracy; of an error, which has units, relative to what it was.
"""

_SEEN: Final = 0.005
"""Change below which two digits show none."""

_NO_SHARES: Final = (f"{names.PREFIX}comprehensiveness_gain",)
"""Numbers that may lie between 0 and 1 and are no share of anything."""


@dataclass(frozen=True, slots=True)
class MainNumber:
    """One of the five numbers, as text.

    Attributes
    ----------
    name : str
        Logged name of the metric.
    title, unit : str
        What a person calls it, and what exactly it is.
    value, interval, change : str
        ``"0.83"``, ``"0.79 to 0.87"``, ``"+0.02"`` or ``"no change"``; empty where unknown.
    since : str
        The version that the change is counted from; empty where there is no change to tell.
    tone : {"", "better", "worse"}
        What the change means, where it is beyond its intervals.
    share : float or None
        The value where it is a share, to be drawn from 0 to 1.
    """

    name: str
    title: str
    unit: str
    value: str
    interval: str
    change: str
    since: str
    tone: Tone
    share: float | None


@dataclass(frozen=True, slots=True)
class NumberRow:
    """A metric in the table of all numbers, as text.

    Attributes
    ----------
    name, meaning : str
    value, interval : str
    others : tuple of str
        The same metric of the other versions.
    """

    name: str
    meaning: str
    value: str
    interval: str
    others: tuple[str, ...]


def main_numbers(content: Content) -> tuple[MainNumber, ...]:
    """Return up to five numbers: how good the model is, and how far to trust its explanations.

    Each comes with its interval where it has one, and with the change since the first of the other
    versions.
    """
    side = content.side
    other = content.others[0].side if content.others else None
    found: list[MainNumber] = []
    quality = quality_of(side)
    if quality is not None:
        title, direction = _PERFORMANCE[quality]
        found.append(_number(quality, title, "of the model", direction, side, other))
    kind = "partial_r2" if _known(side, "partial_r2") else "fidelity_r2"
    found += [
        _number(f"{names.PREFIX}{name}", title, unit, 1, side, other)
        for name, title, unit in (*_FITS[kind], _STABILITY)
        if _known(side, name)
    ]
    for name, title, unit, direction in _EFFECTS:
        if _known(side, name) and len(found) < 5:
            found.append(_number(f"{names.PREFIX}{name}", title, unit, direction, side, other))
    return tuple(found)


def quality_of(side: Side) -> str | None:
    """Return the metric that tells how good a model is; None where none is logged."""
    known = (name for name in _PERFORMANCE if math.isfinite(side.metrics.get(name, math.nan)))
    return next(known, None)


def all_numbers(content: Content) -> list[NumberRow]:
    """Return every metric of the review with its meaning, its interval, and the other versions'."""
    side = content.side
    rows = []
    for name, meaning in names.METRICS.items():
        own = _estimate(side, name)
        if not math.isfinite(own.value):
            continue
        # What another version changed was counted from a baseline of its own.
        own_alone = name.removeprefix(names.PREFIX) in DRIFT_METRICS
        theirs = [_estimate(other.side, name) for other in content.others]
        rows.append(
            NumberRow(
                name=name,
                meaning=meaning,
                value=number(own.value),
                interval=_interval(own),
                others=tuple("" if own_alone else number(item.value) for item in theirs),
            )
        )
    return [*rows, *_foreign(side.metrics, content)]


def _foreign(metrics: Mapping[str, float], content: Content) -> Iterator[NumberRow]:
    """Yield the metrics that are not ours, such as the accuracy."""
    for name in sorted(metrics):
        if not name.startswith(names.PREFIX) and math.isfinite(metrics[name]):
            theirs = (other.side.metrics.get(name, math.nan) for other in content.others)
            others = tuple(number(value) for value in theirs)
            yield NumberRow(cut(name, 80), "", number(metrics[name]), "", others)


def _known(side: Side, name: str) -> bool:
    return math.isfinite(_estimate(side, f"{names.PREFIX}{name}").value)


def _estimate(side: Side, name: str) -> Estimate:
    """Return a metric with its interval where it was measured with one."""
    if side.trust is not None and name.startswith(names.PREFIX):
        found = side.trust.summary.get(name.removeprefix(names.PREFIX))
        if found is not None:
            return found
    return Estimate(side.metrics.get(name, math.nan), math.nan, math.nan, 0)


def _number(
    name: str, title: str, unit: str, direction: int, side: Side, other: Side | None
) -> MainNumber:
    own = _estimate(side, name)
    before = _estimate(other, name) if other else None
    change = _change(own, before) if before else ""
    is_share = direction > 0 and name not in _NO_SHARES and 0 <= own.value <= 1
    return MainNumber(
        name=name,
        title=title,
        unit=unit,
        value=_digits(own.value),
        interval=_interval(own),
        change=change,
        since=cut(other.name, 40) if other and change else "",
        tone=_tone(own, before, direction) if before else "",
        share=own.value if is_share else None,
    )


def _digits(value: float) -> str:
    if 0.095 <= abs(value) < 10 or not value:
        return f"{value + 0.0:.2f}"
    return number(value).replace("-", "−")


def _interval(item: Estimate) -> str:
    if not (math.isfinite(item.low) and math.isfinite(item.high)):
        return ""
    return f"{_digits(item.low)} to {_digits(item.high)}".replace("-", "−")


def _change(own: Estimate, before: Estimate) -> str:
    difference = own.value - before.value
    if not math.isfinite(difference):
        return ""
    of = 1.0 if 0.1 <= abs(before.value) <= 1 else abs(before.value)  # others have units
    if abs(difference) < _SEEN * of or not difference:
        return "no change"
    text = f"{difference:+.2f}" if 0.005 <= abs(difference) < 10 else signed([difference])[0]
    return text.replace("-", "−")


def _tone(own: Estimate, before: Estimate, direction: int) -> Tone:
    """Return what a change means; nothing where the intervals overlap."""
    difference = direction * (own.value - before.value)
    if not math.isfinite(difference):
        return ""
    if math.isfinite(own.low) and math.isfinite(before.low):
        if own.low <= before.high and before.low <= own.high:
            return ""
    elif abs(difference) < _CLEAR * (1.0 if direction > 0 else abs(before.value)):
        return ""
    return "better" if difference > 0 else "worse"
