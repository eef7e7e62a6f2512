"""Aggregates over the explained instances of one model version."""

import math
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlflow_lime.core.contents import ImageContent
from mlflow_lime.core.explanation import Explanation, FailedExplanation, LabelExplanation
from mlflow_lime.metrics.intervals import STATISTICS

__all__ = [
    "AGGREGATES",
    "aggregate",
    "aggregated",
    "finite",
    "global_importance",
    "instance_values",
    "weights_by_name",
]

AGGREGATES: dict[str, str] = {
    "fidelity_r2": "held-out weighted R² of the surrogates, median over instances",
    "fidelity_r2_p10": "held-out weighted R² of the surrogates, 10 % quantile over instances",
    "partial_r2": (
        "held-out partial R² of the surrogates, net of the noise of background values, median over "
        "instances"
    ),
    "partial_r2_p10": "held-out partial R² of the surrogates, 10 % quantile over instances",
    "local_gap": (
        "distance between surrogate and model at the instance, mean; "
        "probability, or units of the target"
    ),
    "decision_agreement": "share of neighbours that surrogate and model decide alike, mean",
    "stability_topk": "overlap of the top parts between refits (Jaccard), mean",
    "ess_share": "effective sample size as a share of the rows, mean",
    "converged_share": "share of instances whose intervals are as narrow as was asked",
    "flat_share": "share of instances around which the output hardly varies",
    "rows_predicted": "rows that the model was asked for, sum",
    "instances": "instances that were explained",
    "failed": "instances that could not be explained",
}
"""What `aggregate` returns: name, meaning, statistic and unit."""


def aggregate(
    explanations: Sequence[Explanation], failed: Sequence[FailedExplanation] = ()
) -> dict[str, float]:
    """Return the aggregates of a set of explanations.

    The first explained label of each instance counts. Values that are not finite are left out, and
    so are flat instances where fit or stability is averaged, since there is nothing to fit: an
    aggregate of which nothing is left is absent rather than NaN.

    Parameters
    ----------
    explanations : sequence of Explanation
        Explained instances.
    failed : sequence of FailedExplanation
        Instances that could not be explained. They are counted.

    Returns
    -------
    dict of str to float
        Some of the names in `AGGREGATES`, in that order. Empty without any instance.
    """
    return aggregated(instance_values(explanations), len(explanations), len(failed))


def aggregated(
    values: Mapping[str, tuple[str, NDArray[np.float64]]], n_explained: int, n_failed: int
) -> dict[str, float]:
    """Return the aggregates of what `instance_values` found; see `aggregate`."""
    if not n_explained and not n_failed:
        return {}
    found = {
        name: float(numbers.sum() if statistic == "sum" else STATISTICS[statistic](numbers))
        for name, (statistic, numbers) in values.items()
        if len(numbers)
    }
    found |= {"instances": float(n_explained), "failed": float(n_failed)}
    return {name: found[name] for name in AGGREGATES if name in found}


def instance_values(
    explanations: Sequence[Explanation],
) -> dict[str, tuple[str, NDArray[np.float64]]]:
    """Return what is aggregated: a statistic, and one finite value an instance that has one.

    Parameters
    ----------
    explanations : sequence of Explanation
        Explained instances.

    Returns
    -------
    dict of str to (str, ndarray of float64)
        The statistic is one of `mlflow_lime.metrics.intervals.STATISTICS`, or ``"sum"``. Counts,
        which are no statistics of values, are left out.
    """
    columns = {name: array("d") for name in (*_OF_BUMPY, *_OF_ALL)}
    for item in explanations:
        label = item.labels[0]
        for name, value in _OF_ALL.items():
            columns[name].append(value(item, label))
        for name, value in _OF_BUMPY.items():
            columns[name].append(math.nan if label.flat else value(item, label))
    found = {name: finite(column) for name, column in columns.items()}
    return {name: (how, found[of]) for name, (how, of) in _STATISTIC_OF.items()}


Value = Callable[[Explanation, LabelExplanation], float]

_OF_BUMPY: dict[str, Value] = {
    "fidelity_r2": lambda _, label: label.fidelity_r2,
    "partial_r2": lambda _, label: label.partial_r2,
    "stability_topk": lambda _, label: label.stability_topk,
}
"""What says something only where the output varies."""

_OF_ALL: dict[str, Value] = {
    "local_gap": lambda _, label: label.local_gap,
    "decision_agreement": lambda _, label: label.decision_agreement,
    "ess_share": lambda item, _: item.ess_share,
    "converged": lambda item, _: item.converged,
    "flat": lambda _, label: label.flat,
    "rows_predicted": lambda item, _: item.rows_predicted,
}

_STATISTIC_OF = {
    "fidelity_r2": ("median", "fidelity_r2"),
    "fidelity_r2_p10": ("p10", "fidelity_r2"),
    "partial_r2": ("median", "partial_r2"),
    "partial_r2_p10": ("p10", "partial_r2"),
    "local_gap": ("mean", "local_gap"),
    "decision_agreement": ("mean", "decision_agreement"),
    "stability_topk": ("mean", "stability_topk"),
    "ess_share": ("mean", "ess_share"),
    "converged_share": ("mean", "converged"),
    "flat_share": ("mean", "flat"),
    "rows_predicted": ("sum", "rows_predicted"),
}
"""The statistic of each aggregate, and of which values."""


def finite(values: Iterable[float]) -> NDArray[np.float64]:
    """Return those of the values that are finite."""
    found = np.fromiter(values, dtype=np.float64)
    return found[np.isfinite(found)]


_IMPORTANCE_TYPES = {
    "importance": float,
    "std_error": float,
    "mean_weight": float,
    "instances": int,
}


def global_importance(explanations: Sequence[Explanation]) -> pd.DataFrame:
    """Return how much each part name matters over a set of instances.

    The first explained label of each instance counts. A part that an instance does not have (a
    word that its text lacks) weighs nothing there; parts of one instance that share a name add up.
    Segments of images are left out: their names mean nothing in another image.

    Parameters
    ----------
    explanations : sequence of Explanation
        Explained instances.

    Returns
    -------
    DataFrame
        One row for a part name, most important first; ties keep the order of first appearance.
        ``name``; ``importance``, the mean absolute weight over all instances, in units of the
        output per part; ``std_error`` of that mean over instances, NaN for one instance;
        ``mean_weight``, with sign; ``instances`` that have the part.
    """
    weights: dict[str, array[float]] = defaultdict(lambda: array("d"))
    for item in explanations:
        for name, weight in weights_by_name(item).items():
            weights[name].append(weight)
    n = len(explanations)
    rows = [_importance(name, values, n) for name, values in weights.items()]
    columns = ["name", "importance", "std_error", "mean_weight", "instances"]
    # Names stay objects: no other type of pandas holds every string.
    frame = pd.DataFrame(rows, columns=columns, dtype=object).astype(_IMPORTANCE_TYPES)
    return frame.sort_values("importance", ascending=False, kind="stable", ignore_index=True)


def weights_by_name(explanation: Explanation) -> dict[str, float]:
    """Return the weights of one instance by part name, as they can be compared with others'.

    Parameters
    ----------
    explanation : Explanation
        An explained instance; its first explained label counts.

    Returns
    -------
    dict of str to float
        Finite weights in units of the output, in the order of the parts; those of parts that
        share a name are added up. Segments of images have no place here, nor have parts of a text
        that is not stored, which are only numbered.
    """
    weights: dict[str, float] = defaultdict(float)
    images = [item for item in explanation.contents if isinstance(item, ImageContent)]
    unlike = set(explanation.recipe.get("numbered_parts", ()))
    unlike = unlike.union(*(item.parts.tolist() for item in images))
    named = zip(explanation.names, explanation.labels[0].weights.tolist(), strict=True)
    for part, (name, weight) in enumerate(named):
        if part not in unlike and math.isfinite(weight):
            weights[name] += weight
    return weights


def _importance(
    name: str, weights: Sequence[float], n: int
) -> tuple[str, float, float, float, int]:
    padded = np.zeros(n)
    padded[: len(weights)] = weights
    spread = np.std(np.abs(padded), ddof=1) / math.sqrt(n) if n > 1 else math.nan
    return name, float(np.abs(padded).mean()), float(spread), float(padded.mean()), len(weights)
