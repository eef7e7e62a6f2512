"""What counts as a change, and how often it may be said falsely."""

from dataclasses import dataclass

__all__ = ["DriftSettings"]


@dataclass(frozen=True, slots=True)
class DriftSettings:
    """Thresholds and rates of a comparison.

    Attributes
    ----------
    min_fidelity : float
        Instances whose surrogate has a smaller partial R², in either version, are left out.
    min_change : float
        Changes of a weight up to this share of the instance's largest weight do not count, nor
        changes of a part's importance up to this share of the largest importance.
    min_share : float
        The reasons of a set changed where those of more than this share of its instances did.
    fdr : float
        Rate of false discoveries among the weights.
    alarm_rate : float
        Rate of false alarms over the whole set.
    top : int
        How many of the heaviest parts are compared as sets.
    confidence : float
        Coverage of the intervals.
    """

    min_fidelity: float = 0.1
    min_change: float = 0.2
    min_share: float = 0.2
    fdr: float = 0.1
    alarm_rate: float = 0.05
    top: int = 5
    confidence: float = 0.95
