"""How far methods agree on the parts of an instance, and how faithful each of them is."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.domain import Subject
from mlflow_lime.core.explain import Explainer
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.metrics.attributions import METHOD_NAMES, Attributions
from mlflow_lime.metrics.faithfulness import faithfulness

__all__ = ["AGREEMENT", "agreement", "overlap", "rank_correlation"]

_CURVES: Final = ("comprehensiveness", "deletion_auc", "insertion_auc")
_ERRORS: Final = {"deeplift": "completeness_error", "lrp": "conservation_error"}

FloatArray = NDArray[np.float64]


def _described() -> dict[str, str]:
    found: dict[str, str] = {}
    for method, name in METHOD_NAMES.items():
        found[f"{method}_agreement"] = f"rank correlation of {name} and LIME over the parts, mean"
        found[f"{method}_overlap"] = (
            f"share of the heaviest parts that {name} and LIME have in common, mean"
        )
        found[f"{method}_{_ERRORS[method]}"] = (
            f"what the attributions of {name} do not account for, as a share of their size, mean"
        )
        found[f"{method}_comprehensiveness"] = (
            f"how far the output falls without the heaviest parts by {name}, mean"
        )
        found[f"{method}_deletion_auc"] = (
            f"area under the output while parts are deleted in the order of {name}, mean; lower is "
            "better"
        )
        found[f"{method}_insertion_auc"] = (
            f"area under the output while parts are inserted in the order of {name}, mean"
        )
    found["lrp_bias_share"] = "share of the relevance that the biases of the network took, mean"
    return found


AGREEMENT: Final[dict[str, str]] = _described()
"""Values of instances that `agreement` returns, and what their means over instances say."""


def agreement(
    explainer: Explainer,
    pairs: Sequence[tuple[Explanation, Subject | None]],
    attributions: Attributions,
    *,
    top: int = 5,
    draws: int = 8,
    steps: int = 11,
    curves: bool = True,
) -> dict[str, dict[str, float]]:
    """Hold each method against LIME, and against the model, on the same parts.

    Parameters
    ----------
    explainer : Explainer
        What explained the instances.
    pairs : sequence of (Explanation, Subject or None)
        Without the instance itself, the model is not asked about it.
    attributions : Attributions
    top : int
        Heaviest parts that are compared; at most half of the parts, rounded up.
    draws, steps : int
        As in `mlflow_lime.metrics.faithfulness.faithfulness`.
    curves : bool
        Whether to ask the model for the curves of each method.

    Returns
    -------
    dict of str to dict of str to float
        By key of the instance; the names are those of `AGREEMENT`.
    """
    found: dict[str, dict[str, float]] = {}
    for item, _ in pairs:
        for method, own in attributions.of(item).items():
            values = found.setdefault(item.key, {})
            weights = item.labels[0].weights
            if not np.isfinite(own.values).all():
                values[f"{method}_{_ERRORS[method]}"] = 1.0
                continue
            values[f"{method}_agreement"] = rank_correlation(weights, own.values)
            values[f"{method}_overlap"] = overlap(weights, own.values, top=top)
            values[f"{method}_{_ERRORS[method]}"] = own.missing
            if method == "lrp":
                values["lrp_bias_share"] = own.biases
    for method in attributions.methods if curves else ():
        ordered = [
            (_by_order_of(item, attributions, method), subject)
            for item, subject in pairs
            if subject is not None and _is_known(attributions, item, method)
        ]
        for key, own_curves in faithfulness(
            explainer, ordered, top=top, draws=draws, steps=steps
        ).items():
            found[key] |= {f"{method}_{name}": own_curves[name] for name in _CURVES}
    return found


def _is_known(attributions: Attributions, item: Explanation, method: str) -> bool:
    own = attributions.of(item).get(method)
    return own is not None and bool(np.isfinite(own.values).all())


def _by_order_of(item: Explanation, attributions: Attributions, method: str) -> Explanation:
    """Return an explanation whose parts weigh what a method attributes to them."""
    values = attributions.of(item)[method].values
    return replace(item, labels=(replace(item.labels[0], weights=values), *item.labels[1:]))


def rank_correlation(first: FloatArray, second: FloatArray) -> float:
    """Return Spearman's rank correlation; NaN of fewer than three parts, or without any order.

    Parameters
    ----------
    first, second : ndarray of float64, shape (n_parts,)

    Examples
    --------
    >>> rank_correlation(np.array([0.3, 0.1, -0.2]), np.array([9.0, 2.0, 1.0]))
    1.0
    """
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    from scipy.stats import rankdata

    ranks = [rankdata(values) - (len(first) + 1) / 2 for values in (first, second)]
    size = np.sqrt((ranks[0] @ ranks[0]) * (ranks[1] @ ranks[1]))
    return float(np.clip(ranks[0] @ ranks[1] / size, -1.0, 1.0))


def overlap(first: FloatArray, second: FloatArray, *, top: int = 5) -> float:
    """Return the share of the heaviest parts that both have in common; NaN where nothing weighs.

    Parameters
    ----------
    first, second : ndarray of float64, shape (n_parts,)
    top : int
        Parts that count, at most half of them, rounded up.

    Examples
    --------
    >>> overlap(np.array([3.0, -2.0, 0.1, 0.0]), np.array([1.0, 0.0, -2.0, 0.0]), top=2)
    0.5
    """
    k = min(top, (len(first) + 1) // 2)
    if k == 0 or not np.any(first) or not np.any(second):
        return float("nan")
    heaviest = [
        set(np.argsort(-np.abs(values), kind="stable")[:k].tolist()) for values in (first, second)
    ]
    return len(heaviest[0] & heaviest[1]) / k
