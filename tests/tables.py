"""Tables, models, and a comparison of explanations that the tests of the core share."""

import datetime as dt
import json
from decimal import Decimal

import numpy as np
import pandas as pd

from mlflow_lime.core.explain import Explainer
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.core.tabular.masked import MaskedTable


def normal_frame(n_rows=200, n_columns=5, seed=0):
    """Return a table of normal numbers."""
    values = np.random.default_rng(seed).normal(size=(n_rows, n_columns))
    return pd.DataFrame(values, columns=[f"x{j}" for j in range(n_columns)])


def loan_frame(n_rows=300, seed=0):
    """Return a table like the German credit data: small whole numbers and strings."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "existing_credits": rng.choice([1, 2, 3, 4], n_rows, p=[0.63, 0.33, 0.03, 0.01]),
            "people_liable": rng.choice([1, 2], n_rows, p=[0.85, 0.15]),
            "installment_rate": rng.integers(1, 5, n_rows),
            "age": rng.integers(19, 76, n_rows),
            "amount": rng.gamma(2.0, 1600.0, n_rows).round(2),
            "purpose": rng.choice(["car", "radio", "education"], n_rows, p=[0.5, 0.4, 0.1]),
        }
    )


_N = 24
_WHOLE = np.arange(_N) % 5
COLUMNS = {
    "int64": pd.Series(_WHOLE, dtype="int64"),
    "int8": pd.Series(_WHOLE, dtype="int8"),
    "uint8": pd.Series(_WHOLE, dtype="uint8"),
    "float64": pd.Series(np.linspace(-1, 1, _N)),
    "float32": pd.Series(np.linspace(-1, 1, _N), dtype="float32"),
    "float with missing": pd.Series(np.where(_WHOLE == 0, np.nan, _WHOLE)),
    "float with infinity": pd.Series(np.where(_WHOLE == 0, np.inf, _WHOLE)),
    "bool": pd.Series(_WHOLE > 2),
    "Int64": pd.Series(_WHOLE, dtype="Int64"),
    "Int64 with missing": pd.Series([None, 1, 2, 3] * 6, dtype="Int64"),
    "Float64": pd.Series([None, 1.5, 2.5, -3.0] * 6, dtype="Float64"),
    "boolean": pd.Series([None, True, False, True] * 6, dtype="boolean"),
    "str": pd.Series(["a", "b", None, "d"] * 6, dtype="str"),
    "string": pd.Series(["a", "b", None, "d"] * 6, dtype="string"),
    "object strings": pd.Series(["a", "b", None, "d"] * 6, dtype=object),
    "object booleans": pd.Series([True, None, False, True] * 6, dtype=object),
    "object whole numbers": pd.Series([1, None, 3, 4] * 6, dtype=object),
    "object mixed": pd.Series(["a", 1, 2.5, None] * 6, dtype=object),
    "object dates": pd.Series([dt.date(2020, 1, d + 1) for d in _WHOLE], dtype=object),
    "object datetimes": pd.Series(
        [dt.datetime(2020, 1, d + 1, 3, 4) for d in _WHOLE.tolist()], dtype=object
    ),
    "decimals": pd.Series([Decimal(f"{d}.10") for d in _WHOLE], dtype=object),
    "category": pd.Series(["a", "b", None, "d"] * 6, dtype="category"),
    "ordered category": pd.Series(
        pd.Categorical(["low", "high", "low", "mid"] * 6, ["low", "mid", "high"], ordered=True)
    ),
    "category of whole numbers": pd.Series(_WHOLE).astype("category"),
    "category of intervals": pd.Series(pd.cut(np.arange(_N), 3)),
    "datetime": pd.Series(pd.date_range("2020-01-01", periods=_N, freq="36h")),
    "datetime in seconds": pd.Series(pd.date_range("2020-01-01", periods=_N)).astype(
        "datetime64[s]"
    ),
    "datetime with zone": pd.Series(pd.date_range("2020-01-01", periods=_N, tz="Europe/Berlin")),
    "datetime with missing": pd.Series([pd.NaT, *pd.date_range("2020-01-01", periods=_N - 1)]),
    "timedelta": pd.Series(pd.to_timedelta(_WHOLE * 36, unit="h")),
    "constant": pd.Series([7] * _N),
    "all missing": pd.Series([np.nan] * _N),
    "all missing objects": pd.Series([None] * _N, dtype=object),
    "large whole numbers": pd.Series(2**53 + _WHOLE.astype("int64")),
}
"""A column of each kind that a table may hold."""


def frame_of(*names):
    """Return a table of some of `COLUMNS` beside a numeric one."""
    frame = pd.DataFrame({name: COLUMNS[name] for name in names})
    frame["number"] = np.linspace(0.0, 3.0, _N)
    return frame


def codes_sum(frame):
    """Predict a value that depends on every cell: by the text of each, missing ones included."""
    total = np.zeros(len(frame))
    for j, column in enumerate(frame.columns):
        texts = ["missing" if pd.isna(v) else str(v) for v in frame[column].array]
        total += [sum(map(ord, text)) % 97 * (j + 1) / 97 for text in texts]
    return total


def linear(frame):
    """Predict a smooth value from all numeric columns."""
    numbers = np.asarray(frame, dtype=np.float64)
    return numbers @ np.arange(1.0, numbers.shape[1] + 1)


def two_classes(frame):
    """Predict two probabilities from all numeric columns."""
    p = 1 / (1 + np.exp(-linear(frame) / 3))
    return np.column_stack([1 - p, p])


def masked(frame, predict=linear, *, mode="regression", **options):
    """Return an explainer of a table in masks."""
    return Explainer(MaskedTable(Background.from_frame(frame)), predict, mode, **options)


def bits(outcome, *, without=("rows_predicted",)):
    """Return all of an explanation as text; equal texts are equal bits."""
    data = outcome.to_dict()
    for name in without:
        data.pop(name)
    return json.dumps(data, sort_keys=True)
