"""Which of the model's outputs to explain."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.errors import DataError, did_you_mean

__all__ = ["MODES", "LabelRule", "choose_labels", "one_rule_each", "require_mode"]

LabelRule = str | int | Sequence[str]
"""``"auto"``, ``"predicted"``, ``"all"``, how many of the likeliest, or names."""


MODES = ("classification", "regression")


def require_mode(mode: str) -> None:
    """Raise a DataError unless `mode` is one of `MODES`."""
    if mode not in MODES:
        msg = f"mode must be one of {', '.join(MODES)}; got {mode!r}.{did_you_mean(mode, MODES)}"
        raise DataError(msg)


def choose_labels(
    rule: LabelRule, scores: NDArray[np.float64], names: Sequence[str], *, mode: str
) -> list[int]:
    """Return the columns of the outputs to explain.

    Parameters
    ----------
    rule : "auto", "predicted", "all", int, or sequence of str
        ``"auto"`` is the second class of a binary model, and the predicted one otherwise; a number
        is how many of the likeliest.
    scores : ndarray of float64, shape (n_outputs,)
        The model's outputs for the instance.
    names : sequence of str
        Their names.
    mode : {"classification", "regression"}
        A regression has all its outputs explained.

    Raises
    ------
    DataError
        If a name is unknown or the rule is none of these.

    Examples
    --------
    >>> choose_labels("auto", np.array([0.2, 0.5, 0.3]), ["a", "b", "c"], mode="classification")
    [1]
    >>> choose_labels(["c", "a"], np.array([0.2, 0.5, 0.3]), ["a", "b", "c"], mode="classification")
    [2, 0]
    """
    every = list(range(len(scores)))
    if not isinstance(rule, (str, int)):
        return [_position(name, names) for name in rule] or every[:1]
    if mode == "regression" or rule == "all":
        return every
    likeliest = [int(i) for i in np.argsort(-scores, kind="stable")]
    if isinstance(rule, int) and rule > 0:
        return likeliest[:rule]
    if rule == "auto":
        return [1] if len(scores) == 2 else likeliest[:1]
    if rule == "predicted":
        return likeliest[:1]
    msg = (
        f"labels must be 'auto', 'predicted', 'all', a positive number, or a list of class names; "
        f"got {rule!r}"
    )
    raise DataError(msg)


def one_rule_each(labels: LabelRule | Sequence[LabelRule], n_instances: int) -> Sequence[LabelRule]:
    """Return one rule for each instance: a list whose items are not names is one already.

    Raises
    ------
    DataError
        If there are rules for another number of instances.
    """
    if isinstance(labels, (str, int)) or all(isinstance(item, str) for item in labels):
        return [labels] * n_instances  # type: ignore[list-item]
    if len(labels) != n_instances:
        msg = f"labels are given for {len(labels)} instances, but there are {n_instances}"
        raise DataError(msg)
    return list(labels)


def _position(name: str, names: Sequence[str]) -> int:
    if str(name) in names:
        return list(names).index(str(name))
    hint = did_you_mean(str(name), names)
    msg = f"labels: the model has no class {name!r}; its classes are {list(names)[:20]}.{hint}"
    raise DataError(msg)
