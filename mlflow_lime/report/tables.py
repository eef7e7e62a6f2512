"""Explanations as tables, for MLflow's table view and for Parquet."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mlflow_lime.core.explanation import Explanation, FailedExplanation, LabelExplanation
from mlflow_lime.report.wording import (
    POOR_FIT,
    clean,
    fit,
    number,
    predicted_label,
    r2,
    score,
    signed,
)

__all__ = ["explanations_frame", "instances_table", "one_line", "weights_table"]

_INSTANCE_COLUMNS = (
    "instance",
    "explanation",
    "prediction",
    "probability",
    "true_label",
    "fidelity_r2",
    "chosen_because",
    "local_gap",
    "stability_topk",
    "rows",
    "converged",
    "status",
)

_WEIGHT_COLUMNS = (
    "instance",
    "label",
    "part",
    "condition",
    "weight",
    "std_error",
    "low",
    "high",
    "rank",
)

_FRAME_TYPES = {
    "instance": "object",
    "digest": "object",
    "mode": "object",
    "label": "object",
    "label_index": "int64",
    "part": "object",
    "condition": "object",
    "position": "int64",
    "rank": "int64",
    "weight": "float64",
    "std_error": "float64",
    "low": "float64",
    "high": "float64",
    "intercept": "float64",
    "prediction": "float64",
    "surrogate_prediction": "float64",
    "local_gap": "float64",
    "fidelity_r2": "float64",
    "partial_r2": "float64",
    "error": "float64",
    "output_std": "float64",
    "decision_agreement": "float64",
    "stability_topk": "float64",
    "sign_agreement": "float64",
    "flat": "bool",
    "converged": "bool",
    "exact": "bool",
    "ess_share": "float64",
    "rows": "int64",
    "rows_predicted": "int64",
}


def one_line(explanation: Explanation, *, top: int = 3) -> str:
    """Return the first explained label and its heaviest parts in one line.

    Parameters
    ----------
    explanation : Explanation
        An explained instance.
    top : int, default 3
        How many parts to name.

    Returns
    -------
    str
        Such as ``"malignant 0.69, fit 0.58: +0.120 worst radius · -0.050 mean area"``.
    """
    label = explanation.labels[0]
    shown = label.order()[:top]
    weights = signed(label.weights[shown])
    heaviest = [
        f"{weight} {clean(explanation.names[j])}" for j, weight in zip(shown, weights, strict=True)
    ]
    value = number if explanation.mode == "regression" else score
    told = "flat" if label.flat else f"fit {r2(fit(label))}"
    head = f"{clean(label.label)} {value(label.prediction)}, {told}"
    return f"{head}: {' · '.join(heaviest)}" if heaviest else head


def instances_table(
    explanations: Sequence[Explanation],
    failed: Sequence[FailedExplanation],
    *,
    true_labels: Mapping[str, object] | None = None,
    reasons: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Return one row for an instance, as text and plain numbers.

    Numbers on the fit are those of the first explained label. For regressions the column
    ``probability``, of the predicted class, is called ``value``.

    Parameters
    ----------
    explanations : sequence of Explanation
        Explained instances.
    failed : sequence of FailedExplanation
        Instances that could not be explained; they stand at the end.
    true_labels : mapping, optional
        True label or value of instances, by key.
    reasons : mapping, optional
        Why instances were chosen, by key.

    Returns
    -------
    DataFrame
        ``instance``, ``explanation``, ``prediction``, ``probability`` or ``value``,
        ``true_label``, ``fidelity_r2``, ``chosen_because``, ``local_gap``, ``stability_topk``,
        ``rows``, ``converged``, ``status``: ok, poor fit, flat or failed.
    """
    rows = [_explained_row(item) for item in explanations]
    rows += [_failed_row(item) for item in failed]
    for row in rows:
        key = row["instance"]
        row["true_label"] = _plain((true_labels or {}).get(key))
        row["chosen_because"] = _plain((reasons or {}).get(key))
    table = _object_frame(rows, _INSTANCE_COLUMNS)
    regression = any(item.mode == "regression" for item in explanations)
    return table.rename(columns={"probability": "value"}) if regression else table


def _explained_row(explanation: Explanation) -> dict[str, Any]:
    label = explanation.labels[0]
    prediction, value = _prediction(explanation)
    return {
        "instance": explanation.key,
        "explanation": one_line(explanation),
        "prediction": prediction,
        "probability": _plain(value),
        "fidelity_r2": _plain(label.fidelity_r2),
        "local_gap": _plain(label.local_gap),
        "stability_topk": _plain(label.stability_topk),
        "rows": int(explanation.rows),
        "converged": bool(explanation.converged),
        "status": _status(label),
    }


def _failed_row(failed: FailedExplanation) -> dict[str, Any]:
    reason = f"not explained: {clean(failed.kind)}: {clean(failed.reason)}"
    return {"instance": failed.key, "explanation": reason, "status": "failed"}


def _prediction(explanation: Explanation) -> tuple[str | None, float]:
    if explanation.mode == "regression":
        value = float(explanation.labels[0].prediction)
        return number(value), value
    predicted = predicted_label(explanation)
    if predicted is None:
        return None, math.nan
    return explanation.class_names[predicted], float(explanation.scores[predicted])


def _status(label: LabelExplanation) -> str:
    if label.flat:
        return "flat"
    return "ok" if fit(label) >= POOR_FIT else "poor fit"


def weights_table(explanations: Sequence[Explanation], *, top: int | None = None) -> pd.DataFrame:
    """Return one row for an instance, label and part, as text and plain numbers.

    Parameters
    ----------
    explanations : sequence of Explanation
        Explained instances.
    top : int, optional
        How many of the heaviest parts to list for an instance and label; all by default.

    Returns
    -------
    DataFrame
        ``instance``, ``label``, ``part`` (its name), ``condition`` (the part as a person reads
        it), ``weight``, ``std_error``, ``low``, ``high`` in units of the output per part, and
        ``rank``, from 1. Heaviest first within an instance and label.
    """
    rows = [
        {name: _plain(row[name]) for name in _WEIGHT_COLUMNS}
        for item in explanations
        for label in item.labels
        for row in _weight_rows(item, label)[:top]
    ]
    return _object_frame(rows, _WEIGHT_COLUMNS)


def explanations_frame(explanations: Sequence[Explanation]) -> pd.DataFrame:
    """Return everything but the replicates, one row for an instance, label and part.

    Parameters
    ----------
    explanations : sequence of Explanation
        Explained instances.

    Returns
    -------
    DataFrame
        The columns of `weights_table`, the ``position`` of the part, and the fields of the label
        and the explanation, with the same types whatever the rows. Heaviest first.
    """
    columns: dict[str, list[Any]] = {name: [] for name in _FRAME_TYPES}
    for item in explanations:
        for label in item.labels:
            order = label.order()
            columns["position"].append(order)
            columns["rank"].append(np.arange(1, len(order) + 1))
            for name, values in (("part", item.names), ("condition", item.parts)):
                columns[name].extend(values[j] for j in order)
            for name, field in _PART_FIELDS.items():
                columns[name].append(getattr(label, field)[order])
            for name, value in _same_for_all_parts(item, label).items():
                columns[name].append(np.full(len(order), value, dtype=_FRAME_TYPES[name]))
    listed = ("part", "condition")
    return pd.DataFrame(
        {
            name: pd.Series(
                values if name in listed or not values else np.concatenate(values), dtype=kind
            )
            for (name, kind), values in zip(_FRAME_TYPES.items(), columns.values(), strict=True)
        }
    )


def _weight_rows(explanation: Explanation, label: LabelExplanation) -> list[dict[str, Any]]:
    return [
        {
            "instance": explanation.key,
            "label": label.label,
            "part": explanation.names[j],
            "condition": explanation.parts[j],
            "weight": float(label.weights[j]),
            "std_error": float(label.std_errors[j]),
            "low": float(label.low[j]),
            "high": float(label.high[j]),
            "rank": rank,
        }
        for rank, j in enumerate(label.order(), start=1)
    ]


_LABEL_FIELDS = (
    "intercept",
    "prediction",
    "surrogate_prediction",
    "local_gap",
    "fidelity_r2",
    "partial_r2",
    "error",
    "output_std",
    "decision_agreement",
    "stability_topk",
    "sign_agreement",
    "flat",
)

_EXPLANATION_FIELDS = (
    "digest",
    "mode",
    "converged",
    "exact",
    "ess_share",
    "rows",
    "rows_predicted",
)


_PART_FIELDS = {"weight": "weights", "std_error": "std_errors", "low": "low", "high": "high"}


def _same_for_all_parts(explanation: Explanation, label: LabelExplanation) -> dict[str, Any]:
    return {
        "instance": explanation.key,
        "label": label.label,
        "label_index": label.index,
        **{name: getattr(label, name) for name in _LABEL_FIELDS},
        **{name: getattr(explanation, name) for name in _EXPLANATION_FIELDS},
    }


def _object_frame(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Return a frame that keeps Python's own values, None among them."""
    values = {name: pd.Series([row.get(name) for row in rows], dtype=object) for name in columns}
    return pd.DataFrame(values)


def _plain(value: object) -> str | float | int | bool | None:
    """Return a value that JSON holds; numbers that are not finite become None."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (str, int, bool)) else str(value)
