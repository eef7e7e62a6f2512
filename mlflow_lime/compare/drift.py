"""What changed between the reasons of two versions: plain frozen data, serialisable both ways."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DRIFT_METRICS",
    "Drift",
    "DriftCounts",
    "DriftOfMany",
    "Glance",
    "InstanceDrift",
    "PartDrift",
]

FloatArray = NDArray[np.float64]

DRIFT_METRICS: dict[str, str] = {
    "drift_alarm": "1 where the reasons changed as a whole, at the configured rate; else 0",
    "drift_p_value": "how likely so large a change is without one, over the whole set",
    "drift_instances": "instances that were compared",
    "drift_untrusted": "instances left out, as their surrogates fit too poorly in either version",
    "drift_label_flips": "share of the compared instances whose predicted label changed",
    "drift_changed_share": "share of the compared instances whose reasons changed",
    "drift_same_answer_new_reason": (
        "share of the compared instances with the same answer and other reasons"
    ),
    "drift_weights_changed": "weights that changed, at the configured rate of false discoveries",
    "drift_parts_changed": "parts whose global importance changed",
    "drift_importance_change": (
        "share of the global importance that moved to other parts (total variation), 0 to 1"
    ),
    "drift_total_change": "share of an instance's weight that moved, mean, 0 to 1",
    "drift_topk_overlap": "overlap of the top parts of both versions (Jaccard), mean",
    "drift_rank_agreement": "rank correlation of the sizes of the weights (Spearman), mean",
    "drift_sign_flips": "weights beyond noise in both versions whose sign differs, mean",
}
"""What a comparison logs: name, meaning, statistic and unit."""


@dataclass(frozen=True, slots=True, eq=False)
class InstanceDrift:
    """What changed between two versions at one instance and label.

    Attributes
    ----------
    key, label : str
        The instance, and the explained label.
    parts, names : tuple of str
        What each part is, and its short name.
    before, after : ndarray of float64, shape (n_parts,)
        Weights in the baseline and in the candidate.
    std_errors, low, high : ndarray of float64, shape (n_parts,)
        Of the paired change ``after - before``; intervals at the confidence of the explanations.
    p_values : ndarray of float64, shape (n_parts,)
        Of no change beyond the smallest one that counts.
    discovered : ndarray of bool, shape (n_parts,)
        Weights that changed, at the configured rate of false discoveries over the whole set.
    prediction_before, prediction_after : float
        The model's output for the label.
    answer_before, answer_after : str
        The predicted class; for a regression the predicted value, as text.
    answer_changed : bool
        Whether the predicted class differs; for a regression, whether the value moved by more than
        the spread of the output in the neighbourhood.
    topk_overlap, rank_agreement, total_change : float
    sign_flips : int
    fidelity_before, fidelity_after : float
        Partial R² where both versions know it, else R².
    untrusted : str
        Why the instance is left out; empty where it is compared.
    p_value : float
        Of no change of any weight.
    """

    key: str
    label: str
    parts: tuple[str, ...]
    names: tuple[str, ...]
    before: FloatArray
    after: FloatArray
    std_errors: FloatArray
    low: FloatArray
    high: FloatArray
    p_values: FloatArray
    discovered: NDArray[np.bool_]
    prediction_before: float
    prediction_after: float
    answer_before: str
    answer_after: str
    answer_changed: bool
    topk_overlap: float
    rank_agreement: float
    total_change: float
    sign_flips: int
    fidelity_before: float
    fidelity_after: float
    untrusted: str
    p_value: float

    @property
    def changed(self) -> bool:
        """Whether any weight changed."""
        return bool(self.discovered.any())

    @property
    def same_answer_new_reason(self) -> bool:
        """Whether the answer stayed and the reasons changed."""
        return self.changed and not self.answer_changed

    def order(self) -> NDArray[np.intp]:
        """Return part positions: those that changed first, then by the size of the change."""
        size = np.abs(self.after - self.before)
        return np.lexsort((np.arange(len(size)), -size, ~self.discovered))


@dataclass(frozen=True, slots=True)
class PartDrift:
    """How a part's global importance, its mean absolute weight, changed over the compared set.

    Attributes
    ----------
    name : str
    before, after : float
        Mean absolute weight over the compared instances.
    change, low, high : float
        Paired difference and its interval over instances.
    p_value : float
        Of no change beyond the smallest one that counts.
    p_adjusted : float
        The same after Holm's correction for the number of parts.
    changed : bool
    """

    name: str
    before: float
    after: float
    change: float
    low: float
    high: float
    p_value: float
    p_adjusted: float
    changed: bool


@dataclass(frozen=True, slots=True)
class DriftCounts:
    """Instances of a comparison, counted.

    Attributes
    ----------
    compared, untrusted, missing : int
        Those that both versions explain well enough, those left out, and those that one version
        could not explain.
    answer_changed, changed : int
        Of the compared, those whose answer, and those whose reasons changed.
    same_answer_new_reason, either_changed : int
        Those whose reasons alone changed, and those whose answer or reasons did.
    """

    compared: int = 0
    untrusted: int = 0
    missing: int = 0
    answer_changed: int = 0
    changed: int = 0
    same_answer_new_reason: int = 0
    either_changed: int = 0

    @property
    def total(self) -> int:
        """All instances."""
        return self.compared + self.untrusted + self.missing


class Glance(NamedTuple):
    """What is known of every compared instance, however many there are."""

    key: str
    answer_before: str
    answer_after: str
    changed: bool
    total_change: float


@dataclass(frozen=True, slots=True, eq=False)
class DriftOfMany:
    """What was found over all instances of a set of which only some are listed.

    Attributes
    ----------
    counts : DriftCounts
    metrics : mapping of str to float
        What `mlflow_lime.compare.compare.drift_metrics` returns.
    note : str
        Which instances are listed, in a sentence.
    glances : sequence of Glance
        One for each compared instance; empty where the comparison was read back.
    """

    counts: DriftCounts
    metrics: Mapping[str, float]
    note: str
    glances: Sequence[Glance] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Drift:
    """What changed between the reasons of a baseline and of a candidate.

    Attributes
    ----------
    instances : tuple of InstanceDrift
        In the order of the reference set; those left out as well. Of a large set, some of them.
    parts : tuple of PartDrift
        Parts that have names over instances, most changed first; empty for images.
    missing : mapping of str to str
        Instances that one version could not explain, and why; of a large set, some of them.
    p_value : float
        Of no change of the whole set.
    alarm : bool
        Whether that is at most the configured rate.
    settings : mapping
        Thresholds and rates, as plain JSON values.
    noise : str
        What counted as noise: ``"sampling"``, or ``"sampling and training"``.
    of : DriftOfMany or None
        What holds of all instances of a large set; None where `instances` are all.
    """

    instances: tuple[InstanceDrift, ...]
    parts: tuple[PartDrift, ...]
    p_value: float
    alarm: bool
    missing: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    noise: str = "sampling"
    of: DriftOfMany | None = None

    @property
    def compared(self) -> tuple[InstanceDrift, ...]:
        """Instances that both versions explain well enough; of a large set, those listed."""
        return tuple(item for item in self.instances if not item.untrusted)

    @property
    def counts(self) -> DriftCounts:
        """How many instances were compared, and changed, listed or not."""
        if self.of is not None:
            return self.of.counts
        compared = self.compared
        return DriftCounts(
            compared=len(compared),
            untrusted=len(self.instances) - len(compared),
            missing=len(self.missing),
            answer_changed=sum(item.answer_changed for item in compared),
            changed=sum(item.changed for item in compared),
            same_answer_new_reason=sum(item.same_answer_new_reason for item in compared),
            either_changed=sum(item.changed or item.answer_changed for item in compared),
        )

    @property
    def glances(self) -> Sequence[Glance]:
        """What is known of every compared instance, listed or not."""
        if self.of is not None and self.of.glances:
            return self.of.glances
        return tuple(
            Glance(x.key, x.answer_before, x.answer_after, x.changed, x.total_change)
            for x in self.compared
        )
