"""LIME beside methods that look inside the network: on one axis, in one scale, part by part."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from mlflow_lime.core.explanation import Explanation, LabelExplanation
from mlflow_lime.metrics.agreement import rank_correlation
from mlflow_lime.metrics.attributions import METHOD_NAMES, Attribution, Attributions
from mlflow_lime.metrics.trust import Trust
from mlflow_lime.report.pages.axis import MARKS, Axis, Lane
from mlflow_lime.report.pages.content import Side
from mlflow_lime.report.wording import cut

__all__ = ["as_shares", "method_rows", "methods_of", "methods_summary"]

FloatArray = NDArray[np.float64]

_ALSO = 3
"""Parts of another method that are shown, however light LIME finds them."""

_PART = 120

_UNITS: Final = {
    "log-odds": "the log-odds of {label}",
    "logits": "the logit of {label} less the mean of the others",
    "probability": "the probability of {label}",
    "target": "the predicted value",
}
"""What the other methods attribute, by unit."""

_COLUMNS: Final = (
    ("agreement", "", "rank correlation with LIME"),
    ("overlap", "", "heaviest parts in common"),
    ("comprehensiveness", "comprehensiveness", "fall without the heaviest parts"),
    ("deletion_auc", "deletion_auc", "deletion area (low is good)"),
    ("insertion_auc", "insertion_auc", "insertion area (high is good)"),
    ("error", "", "unaccounted for"),
)
"""Columns of the summary: name for a method, name for LIME, title."""

_ERRORS: Final = {"deeplift": "completeness_error", "lrp": "conservation_error"}


def methods_summary(side: Side) -> dict[str, Any] | None:
    """Return how far the methods agree over all instances; None where nothing looked inside.

    Returns
    -------
    dict or None
        ``titles`` of the columns, ``rows`` with cells of text, ``settings``, ``refused`` and
        ``why_not``, all cleaned.
    """
    found = side.attributions
    if found is None:
        return None
    rows = []
    if found.methods:
        rows.append(("LIME", [_estimate(side.trust, lime) for _, lime, _ in _COLUMNS]))
    for method in found.methods:
        names = [_ERRORS[method] if name == "error" else name for name, _, _ in _COLUMNS]
        cells = [_estimate(side.trust, f"{method}_{name}") for name in names]
        rows.append((METHOD_NAMES[method], cells))
    return {
        "titles": [title for _, _, title in _COLUMNS],
        "rows": rows,
        "settings": [
            (METHOD_NAMES[method], cut(text, 200))
            for method, text in found.settings.items()
            if method in METHOD_NAMES
        ],
        "refused": [
            (METHOD_NAMES[method], [cut(layer, 300) for layer in layers[:8]])
            for method, layers in found.refused.items()
            if method in METHOD_NAMES
        ],
        "why_not": cut(found.why_not, 400),
        "unit": _unit(found, "the label"),
    }


def _estimate(trust: Trust | None, name: str) -> str:
    known = trust.summary.get(name) if trust is not None and name else None
    if known is None or not math.isfinite(known.value):
        return ""
    text = _number(known.value)
    limits = (known.low, known.high)
    if all(map(math.isfinite, limits)) and {_number(limit) for limit in limits} != {text}:
        text += f" ({_number(known.low)} to {_number(known.high)})"
    return text


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−") if abs(value) >= 0.005 or value == 0 else "≈ 0"


def _unit(found: Attributions, label: str) -> str:
    return _UNITS.get(found.unit, "the output of {label}").format(label=label)


def as_shares(values: FloatArray) -> FloatArray:
    """Return values as shares of their total size; zeros where there is none.

    Examples
    --------
    >>> as_shares(np.array([3.0, -1.0])).tolist()
    [0.75, -0.25]
    """
    total = float(np.nansum(np.abs(values)))
    return np.nan_to_num(values) / total if total > 0 else np.zeros_like(values)


def methods_of(
    side: Side, item: Explanation, label: LabelExplanation
) -> tuple[list[tuple[str, LabelExplanation]], dict[str, Attribution]]:
    """Return LIME and the other methods as surrogates on one scale, and what they attribute.

    Returns
    -------
    surrogates : list of (name, LabelExplanation)
        Their weights are shares of the method's total size; LIME keeps its intervals, as shares.
        Empty where nothing looked inside the network for this instance.
    attributions : dict of str to Attribution
    """
    found = side.attributions.of(item) if side.attributions is not None else {}
    if not found:
        return [], {}
    total = float(np.nansum(np.abs(label.weights))) or 1.0
    named = [
        (
            "LIME",
            replace(
                label,
                weights=label.weights / total,
                low=label.low / total,
                high=label.high / total,
            ),
        )
    ]
    for method, own in found.items():
        if not np.isfinite(own.values).all():
            continue  # LIM015 tells of it
        shares = as_shares(own.values)
        named.append(
            (METHOD_NAMES[method], replace(label, weights=shares, low=shares, high=shares))
        )
    return named, found


def method_rows(
    item: Explanation,
    surrogates: Sequence[tuple[str, LabelExplanation]],
    attributions: Mapping[str, Attribution],
    known: Attributions,
    *,
    top: int,
) -> dict[str, Any]:
    """Return the table of a card: each part with a bar of LIME's and a mark of each method's.

    Parameters
    ----------
    item : Explanation
    surrogates, attributions : as `methods_of` returns them
    known : Attributions
        Of all instances.
    top : int
        Parts of LIME that are shown.
    """
    own = surrogates[0][1]
    wanted = set(own.order()[:top].tolist())
    for _, label in surrogates[1:]:
        wanted |= set(label.order()[:_ALSO].tolist())
    largest = [float(np.max(np.abs(label.weights), initial=0.0)) for _, label in surrogates]
    axis = Axis.around_zero(largest)
    rows = []
    for j in (j for j in own.order().tolist() if j in wanted):
        lanes = [
            Lane(float(label.weights[j]), float(label.low[j]), float(label.high[j]))
            for _, label in surrogates
        ]
        told = [_percent(lane.value) for lane in lanes]
        said = ", ".join(f"{name} {text}" for (name, _), text in zip(surrogates, told, strict=True))
        picture = axis.draw(lanes[0], lanes[1:], escape(said))
        rows.append({"part": cut(item.parts[j], _PART), "svg": Markup(picture), "values": told})
    outputs = {found.output for found in attributions.values()}
    return {
        "names": [("", "LIME"), *zip(MARKS, [name for name, _ in surrogates[1:]], strict=False)],
        "rows": rows,
        "correlations": [
            (METHOD_NAMES[method], _correlation(item.labels[0].weights, found.values))
            for method, found in attributions.items()
            if np.isfinite(found.values).all()
        ],
        "what": _unit(known, f"“{cut(item.labels[0].label, 40)}”"),
        "output": _number(outputs.pop()) if outputs else "",
    }


def _percent(share: float) -> str:
    return f"{100 * share:+.0f} %".replace("-", "−") if abs(share) >= 0.005 else "0 %"


def _correlation(weights: FloatArray, values: FloatArray) -> str:
    found = rank_correlation(weights, values)
    return _number(found) if math.isfinite(found) else "n/a"
