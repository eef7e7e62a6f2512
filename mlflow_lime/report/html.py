"""One explanation as an HTML fragment for notebooks."""

import math
from functools import cache
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from mlflow_lime.core.explanation import Explanation, LabelExplanation
from mlflow_lime.report.content_views import content_views, numbered_parts
from mlflow_lime.report.wording import (
    caveat,
    cut,
    direction_words,
    fit,
    headline,
    number,
    r2,
    score,
    signed,
    units,
)

__all__ = ["render_explanation", "template_of"]

_MAX_OUTPUTS = 5
_MAX_NOTES = 4


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("mlflow_lime.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_explanation(
    explanation: Explanation,
    label_explanation: LabelExplanation,
    *,
    top: int = 10,
) -> str:
    """Return an explanation as an HTML fragment.

    Parameters
    ----------
    explanation : Explanation
        The explained instance.
    label_explanation : LabelExplanation
        The surrogate to show, one of ``explanation.labels``.
    top : int, default 10
        How many parts to show, heaviest on top.

    Returns
    -------
    str
        One element with its own style: every name escaped, no scripts, no requests.
    """
    template = template_of("explanation.html.jinja")
    return template.render(_view(explanation, label_explanation, top=max(1, top)))


def template_of(name: str) -> Template:
    """Return a template of this package; what it shows is escaped."""
    return _environment().get_template(name)


def _view(explanation: Explanation, label: LabelExplanation, *, top: int) -> dict[str, Any]:
    """Return what the template shows, as cleaned strings and numbers of pixels."""
    against, towards = direction_words(explanation)
    return {
        "key": cut(explanation.key, 60),
        "headline": headline(explanation, label),
        "fit": r2(fit(label)),
        "warning": caveat(label),
        "outputs": _outputs(explanation, label),
        "more_outputs": max(0, len(explanation.scores) - _MAX_OUTPUTS),
        "contents": content_views(explanation, label),
        "against": against,
        "towards": towards,
        "rows": _rows(explanation, label, top=top),
        "more_rows": max(0, len(explanation.parts) - top),
        "footer": _footer(explanation, label),
        "notes": [cut(note, 160) for note in explanation.notes[:_MAX_NOTES]],
    }


def _outputs(explanation: Explanation, label: LabelExplanation) -> list[dict[str, Any]]:
    """Return the classes with the highest scores; none for a regression."""
    if explanation.mode == "regression":
        return []
    best = np.argsort(-np.nan_to_num(explanation.scores, nan=-1.0), kind="stable")[:_MAX_OUTPUTS]
    return [
        {
            "name": cut(explanation.class_names[j], 40),
            "score": score(float(explanation.scores[j])),
            "percent": _percent(float(explanation.scores[j])),
            "explained": int(j) == label.index,
        }
        for j in best
    ]


def _percent(value: float) -> int:
    return round(100 * min(1.0, max(0.0, value))) if math.isfinite(value) else 0


def _rows(explanation: Explanation, label: LabelExplanation, *, top: int) -> list[dict[str, Any]]:
    """Return the heaviest parts with their bars, as positions between 0 and 200."""
    shown = label.order()[:top]
    reach = np.abs([label.weights[shown], label.low[shown], label.high[shown]])
    widest = float(np.max(reach, initial=0.0, where=np.isfinite(reach))) or 1.0
    texts = signed(label.weights[shown])
    ranks = numbered_parts(explanation, label, top=top)
    return [
        {
            "part": (f"{ranks[j]} · " if j in ranks else "") + cut(explanation.parts[j], 96),
            "weight": text.replace("-", "−"),
            "towards": bool(label.weights[j] > 0),
            "bar": _span(0.0, float(label.weights[j]), widest),
            "interval": _span(float(label.low[j]), float(label.high[j]), widest),
            "limits": _limits(float(label.low[j]), float(label.high[j])),
        }
        for j, text in zip(shown, texts, strict=True)
    ]


def _span(one: float, other: float, widest: float) -> tuple[float, float] | None:
    """Return start and width of a stretch of the axis, or None where it has no extent."""
    if not (math.isfinite(one) and math.isfinite(other)) or one == other:
        return None
    start, end = sorted((one, other))
    return round(100 + 98 * start / widest, 1), round(98 * (end - start) / widest, 1)


def _limits(low: float, high: float) -> str:
    if _span(low, high, 1.0) is None:
        return ""
    return " to ".join(signed([low, high])).replace("-", "−")


def _footer(explanation: Explanation, label: LabelExplanation) -> str:
    regression = explanation.mode == "regression"
    surrogate = (number if regression else score)(label.surrogate_prediction)
    pieces = [
        f"weights in {units(explanation)} per part",
        f"surrogate {surrogate}",
        f"R² {r2(label.fidelity_r2)}",
        f"{explanation.rows:,} rows",
        "no sampling error" if explanation.exact else f"stability {r2(label.stability_topk)}",
    ]
    if not explanation.converged:
        pieces.append("intervals wider than asked")
    return " · ".join(pieces)
