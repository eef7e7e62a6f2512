"""What a review page shows: versions with what was logged of them, and what changed between."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlflow_lime import names
from mlflow_lime.checks.check import Outcome
from mlflow_lime.compare.drift import Drift
from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.metrics.attributions import Attributions
from mlflow_lime.metrics.trust import Trust
from mlflow_lime.report.facts import InstanceFacts

__all__ = ["Content", "GateSaid", "Other", "Side"]


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One version, and what was logged of it.

    Attributes
    ----------
    name : str
        What a person calls it, such as ``credit/7``.
    explanations, failed : tuples
        Outcomes, in the order of the reference set; of a large one, those that are shown.
    facts : InstanceFacts
    metrics : mapping of str to float
        Metrics of the run that holds the review and of the version's source run, by logged name:
        ``lime/partial_r2``, ``accuracy_score``.
    trust : Trust or None
        What was measured of the explanations, with intervals.
    attributions : Attributions or None
        What methods that look inside the network make of the instances.
    provenance : mapping of str to str
        How it came about, for the foot of the page: run, reference set, configuration, versions.
    config_text : str
        The configuration as YAML.
    notes : tuple of str
        What a reader must know.
    sample : str
        Which instances of a large set are shown, in a sentence; empty where all are.
    """

    name: str
    explanations: tuple[Explanation, ...]
    failed: tuple[FailedExplanation, ...] = ()
    facts: InstanceFacts = field(default_factory=InstanceFacts)
    metrics: Mapping[str, float] = field(default_factory=dict)
    trust: Trust | None = None
    attributions: Attributions | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)
    config_text: str = ""
    notes: tuple[str, ...] = ()
    sample: str = ""

    @property
    def n_failed(self) -> int:
        """Instances that could not be explained, shown or not."""
        logged = self.metrics.get(f"{names.PREFIX}failed", 0.0) if self.sample else 0.0
        return max(len(self.failed), int(logged))


@dataclass(frozen=True, slots=True, eq=False)
class Other:
    """A version beside the one that a page is about.

    Attributes
    ----------
    side : Side
    drift : Drift or None
        What changed from it to the version that the page is about; None where they cannot be
        compared.
    why_not : str
        Why they cannot be compared.
    """

    side: Side
    drift: Drift | None = None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class GateSaid:
    """The verdict of a gate.

    Attributes
    ----------
    outcome : str
        ``"pass"``, ``"fail"``, or ``"not judged"``.
    against : str
        What the version was held against; empty where against nothing.
    reasons : tuple of str
        Rules that did not pass, and why.
    """

    outcome: str
    against: str = ""
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """Everything that a page shows.

    Attributes
    ----------
    side : Side
        The version that the page is about.
    others : tuple of Other
        Versions beside it: none, the baseline, or up to five of a comparison.
    outcomes : tuple of Outcome or None
        What the checks found; None where they were not made.
    gate : GateSaid or None
        What the gate said; None where there was none.
    """

    side: Side
    others: tuple[Other, ...] = ()
    outcomes: tuple[Outcome, ...] | None = None
    gate: GateSaid | None = None
