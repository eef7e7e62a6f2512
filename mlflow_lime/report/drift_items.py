"""What there is to log of a comparison: metrics, two tables, and everything as JSON."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import pandas as pd

from mlflow_lime import names
from mlflow_lime.compare.compare import drift_metrics
from mlflow_lime.compare.drift import (
    Drift,
    DriftCounts,
    DriftOfMany,
    InstanceDrift,
    PartDrift,
)
from mlflow_lime.errors import DataError, shorten
from mlflow_lime.report.items import File, Item, Metric, Table
from mlflow_lime.report.wording import clean, signed

__all__ = [
    "drift_instances_table",
    "drift_items",
    "drift_json",
    "drift_weights_table",
    "most_changed",
    "read_drift_json",
]

FORMAT = 1
_TABLE_ROWS = 20_000


def drift_items(drift: Drift, *, baseline: str, baseline_run: str) -> list[Item]:
    """Return everything that is logged of a comparison.

    Parameters
    ----------
    drift : Drift
    baseline : str
        What a person calls the baseline.
    baseline_run : str
        The run that holds its explanations.
    """
    text = drift_json(drift, baseline=baseline, baseline_run=baseline_run)
    items: list[Item] = [
        Metric(f"{names.PREFIX}{name}", value) for name, value in drift_metrics(drift).items()
    ]
    return [
        *items,
        File(names.DRIFT_FILE, text.encode("utf-8", "backslashreplace")),
        Table(names.DRIFT_INSTANCES_TABLE, drift_instances_table(drift)),
        Table(names.DRIFT_WEIGHTS_TABLE, drift_weights_table(drift)),
    ]


def drift_json(drift: Drift, *, baseline: str, baseline_run: str) -> str:
    """Return a comparison as JSON; `read_drift_json` reads it back."""
    data: dict[str, Any] = {
        "format": FORMAT,
        "baseline": baseline,
        "baseline_run": baseline_run,
        "p_value": drift.p_value,
        "alarm": drift.alarm,
        "noise": drift.noise,
        "settings": dict(drift.settings),
        "metrics": drift_metrics(drift),
        "missing": dict(drift.missing),
        "parts": [asdict(part) for part in drift.parts],
        "instances": [_plain_instance(item) for item in drift.instances],
    }
    if drift.of is not None:
        data["of"] = {"counts": asdict(drift.of.counts), "note": drift.of.note}
    return json.dumps(_finite(data), ensure_ascii=False, allow_nan=False)


def read_drift_json(text: str) -> Drift:
    """Read what `drift_json` wrote.

    Raises
    ------
    DataError
        If it is no comparison, or was written by a newer format.
    """
    try:
        data = json.loads(text)
        written = data["format"]
        if written != FORMAT:
            msg = f"the comparison has format {written!r}, expected {FORMAT}; upgrade mlflow-lime"
            raise DataError(msg)
        return Drift(
            instances=tuple(_read_instance(item) for item in data["instances"]),
            parts=tuple(PartDrift(**_numbers(item, _PART_FLOATS)) for item in data["parts"]),
            p_value=float(data["p_value"]),
            alarm=bool(data["alarm"]),
            missing=dict(data["missing"]),
            settings=dict(data["settings"]),
            noise=str(data["noise"]),
            of=_of_many(data["of"], data["metrics"]) if "of" in data else None,
        )
    except DataError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = (
            f"this is no comparison ({type(error).__name__}: {shorten(str(error))}); compare the "
            "versions again with `mlflow-lime compare`"
        )
        raise DataError(msg) from error


def _of_many(data: Mapping[str, Any], metrics: Mapping[str, float]) -> DriftOfMany:
    counts = DriftCounts(**{name: int(count) for name, count in data["counts"].items()})
    return DriftOfMany(counts, dict(metrics), str(data["note"]))


_ARRAYS = ("before", "after", "std_errors", "low", "high", "p_values")
_FLOATS = ("rank_agreement", "fidelity_before", "fidelity_after", "p_value")
_PART_FLOATS = ("before", "after", "change", "low", "high", "p_value", "p_adjusted")


def _plain_instance(item: InstanceDrift) -> dict[str, Any]:
    return {field.name: getattr(item, field.name) for field in fields(item)}


def _read_instance(data: Mapping[str, Any]) -> InstanceDrift:
    values = _numbers(data, _FLOATS)
    for name in _ARRAYS:
        numbers = [math.nan if value is None else value for value in values[name]]
        values[name] = np.array(numbers, dtype=np.float64)
    values["discovered"] = np.array(values["discovered"], dtype=bool)
    for name in ("parts", "names"):
        values[name] = tuple(values[name])
    return InstanceDrift(**values)


def _numbers(data: Mapping[str, Any], floats: Sequence[str]) -> dict[str, Any]:
    return {
        name: math.nan if value is None and name in floats else value
        for name, value in data.items()
    }


def _finite(value: Any) -> Any:
    """Return JSON values with null for what is not a finite number."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        plain = value.tolist()
        return plain if np.isfinite(value).all() else [_finite(item) for item in plain]
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if _is_nan(value) else value


def most_changed(item: InstanceDrift, *, top: int = 3) -> str:
    """Return the parts that changed most, such as ``"+0.120 → -0.020 worst radius"``."""
    shown = item.order()[:top]
    before, after = signed(item.before[shown]), signed(item.after[shown])
    return " · ".join(
        f"{first} → {second} {clean(item.names[j])}"
        for j, first, second in zip(shown, before, after, strict=True)
    )


def drift_instances_table(drift: Drift) -> pd.DataFrame:
    """Return one row for an instance, the most changed ones first.

    Returns
    -------
    DataFrame
        ``instance``, ``reasons`` (changed, same, not compared), ``change`` (the most changed
        weights), ``answer`` before and after, ``changed_weights``, ``total_change``,
        ``topk_overlap``, ``rank_agreement``, ``sign_flips``, ``p_value``, ``note``.
    """
    order = sorted(
        drift.instances,
        key=lambda item: (bool(item.untrusted), not item.changed, -item.total_change),
    )
    rows = [_instance_row(item) for item in order]
    rows += [
        {"instance": key, "reasons": "not compared", "note": clean(why)}
        for key, why in drift.missing.items()
    ]
    return _frame(rows, _INSTANCE_COLUMNS)


def _instance_row(item: InstanceDrift) -> dict[str, Any]:
    reasons = "not compared" if item.untrusted else "changed" if item.changed else "same"
    return {
        "instance": item.key,
        "reasons": reasons,
        "change": most_changed(item),
        "answer_before": clean(item.answer_before),
        "answer_after": clean(item.answer_after),
        "changed_weights": int(item.discovered.sum()),
        "total_change": item.total_change,
        "topk_overlap": item.topk_overlap,
        "rank_agreement": item.rank_agreement,
        "sign_flips": item.sign_flips,
        "p_value": item.p_value,
        "note": clean(item.untrusted),
    }


_INSTANCE_COLUMNS = (
    "instance",
    "reasons",
    "change",
    "answer_before",
    "answer_after",
    "changed_weights",
    "total_change",
    "topk_overlap",
    "rank_agreement",
    "sign_flips",
    "p_value",
    "note",
)

_WEIGHT_COLUMNS = (
    "instance",
    "label",
    "part",
    "before",
    "after",
    "change",
    "std_error",
    "low",
    "high",
    "p_value",
    "changed",
)


def drift_weights_table(drift: Drift) -> pd.DataFrame:
    """Return one row for a compared instance and part; the most changed ones first.

    Returns
    -------
    DataFrame
        ``instance``, ``label``, ``part``, ``before``, ``after``, ``change`` with ``std_error``,
        ``low``, ``high`` in units of the output per part, ``p_value``, ``changed``. At most 20,000
        rows; the file ``lime/drift.json`` holds every weight.
    """
    compared = drift.compared
    most = max(10, _TABLE_ROWS // max(1, len(compared)))
    rows: list[dict[str, Any]] = [
        {
            "instance": item.key,
            "label": clean(item.label),
            "part": clean(item.names[j]),
            "before": float(item.before[j]),
            "after": float(item.after[j]),
            "change": float(item.after[j] - item.before[j]),
            "std_error": float(item.std_errors[j]),
            "low": float(item.low[j]),
            "high": float(item.high[j]),
            "p_value": float(item.p_values[j]),
            "changed": bool(item.discovered[j]),
        }
        for item in compared
        for j in item.order()[:most]
    ]
    rows.sort(key=lambda row: (not row["changed"], -abs(row["change"])))
    return _frame(rows, _WEIGHT_COLUMNS)


def _frame(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    cells = [
        {name: None if _is_nan(row.get(name)) else row.get(name) for name in columns}
        for row in rows
    ]
    return pd.DataFrame(cells, columns=list(columns), dtype=object)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
