"""`Measured`: everything that rules are held against, and why something is not there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow_lime.checks.check import Outcome

__all__ = ["CANDIDATE", "Measured", "Metrics", "Value"]

CANDIDATE = "candidate"
"""What the version is called that is judged; others are called as rules call them."""


@dataclass(frozen=True, slots=True)
class Value:
    """A metric's value, and where it is from.

    Attributes
    ----------
    value : float
        In units of the metric.
    source : str
        The run, in words.
    data : str
        Digest of the data that it was measured on; empty where nobody knows.
    """

    value: float
    source: str = ""
    data: str = ""


Metrics = Mapping[str, tuple[Value, ...]]
"""Values of metrics by name, those that count most first."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of a candidate and of the versions that it is held against.

    Attributes
    ----------
    candidate : mapping of str to tuple of Value
        Metrics of the candidate, drift included.
    others : mapping of str to mapping
        Metrics of the other versions, by what rules call them (``baseline``, ``@champion``).
    outcomes : mapping of str to Outcome
        What came of the checks, by code.
    on_drift : frozenset of str
        Codes of the checks that look at the comparison of two versions.
    checked_in : str
        The run that the checks looked at, in words.
    compared, untrusted : int
        Instances over which two versions were compared, and those that were left out because a
        surrogate fits too poorly in either version.
    unexplained : int
        Instances that one of the two versions could not explain.
    why_no_drift, why_no_checks : str
        Why nothing was compared or checked; empty where it was.
    why_no_reasons : mapping of str to str
        Why a version has no metrics of its explanations; ``candidate`` is the one that is judged.
    why_no_metric : mapping of str to str
        Why a metric of the candidate is not known, by its name, whatever was once logged.
    why_no_other : mapping of str to str
        Why a version that a rule is against has no metrics.
    advice : str
        How to log a metric that is missing.
    """

    candidate: Metrics = field(default_factory=dict)
    others: Mapping[str, Metrics] = field(default_factory=dict)
    outcomes: Mapping[str, "Outcome"] = field(default_factory=dict)
    on_drift: frozenset[str] = frozenset()
    checked_in: str = ""
    compared: int = 0
    untrusted: int = 0
    unexplained: int = 0
    why_no_drift: str = ""
    why_no_checks: str = ""
    why_no_reasons: Mapping[str, str] = field(default_factory=dict)
    why_no_metric: Mapping[str, str] = field(default_factory=dict)
    why_no_other: Mapping[str, str] = field(default_factory=dict)
    advice: str = ""
