"""What a check is, what it is given, and what it finds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Self, get_args

import numpy as np
import pandas as pd

from mlflow_lime.checks.options import Options
from mlflow_lime.compare.drift import Drift
from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.core.layout import Layout
from mlflow_lime.core.stored import kept
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.errors import DataError, shorten
from mlflow_lime.metrics.attributions import Attributions
from mlflow_lime.reference.associations import Associations

__all__ = ["NEEDS", "SEVERITIES", "Check", "Evidence", "Finding", "Outcome", "Severity", "State"]

Severity = Literal["info", "warning", "error"]
State = Literal["passed", "raised", "not applicable", "skipped"]

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""How much a finding matters, from a remark to a fault."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check says of a version.

    Attributes
    ----------
    state : {"passed", "raised", "not applicable", "skipped"}
    reason : str
        Why, in a plain sentence with figures.
    instances : tuple of str
        Keys of the instances concerned, worst first.
    value : float or None
        The number that was held against the threshold.
    """

    state: State
    reason: str
    instances: tuple[str, ...] = ()
    value: float | None = None

    @classmethod
    def judged(
        cls,
        raised: bool,
        reason: str,
        *,
        instances: tuple[str, ...] = (),
        value: float | None = None,
    ) -> Self:
        """Return a finding that is raised, or passed without naming instances."""
        if raised:
            return cls("raised", reason, instances, value)
        return cls("passed", reason, (), value)

    @classmethod
    def skipped(cls, reason: str) -> Self:
        """Return that the check could not be made."""
        return cls("skipped", reason)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a check.

    Attributes
    ----------
    code, title : str
        Of the check.
    severity : {"info", "warning", "error"}
        How much it matters where it is raised.
    state : {"passed", "raised", "not applicable", "skipped"}
    reason : str
        Why, in a plain sentence with figures.
    instances : tuple of str
        Keys of the instances concerned, worst first.
    value : float or None
        The number that was held against the threshold.
    page : str
        Where the check is described; empty where it is nowhere.
    """

    code: str
    title: str
    severity: Severity
    state: State
    reason: str
    instances: tuple[str, ...] = ()
    value: float | None = None
    page: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        value = None if self.value is None or not np.isfinite(self.value) else float(self.value)
        return {
            "code": self.code,
            "title": self.title,
            "severity": self.severity,
            "state": self.state,
            "reason": self.reason,
            "instances": list(self.instances),
            "value": value,
            "page": self.page,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote.

        Raises
        ------
        DataError
            If it is no outcome.
        """
        try:
            found = cls(**{**data, "instances": tuple(map(str, data["instances"]))})
        except (KeyError, TypeError) as error:
            msg = f"this is no outcome of a check: {shorten(str(error))}; check the version again"
            raise DataError(msg) from error
        if found.severity not in SEVERITIES or found.state not in get_args(State):
            state = f"{shorten(found.severity)}, {shorten(found.state)}"
            msg = f"outcome of check {shorten(found.code)} is of no known kind: {state}"
            raise DataError(msg)
        return found


@dataclass(frozen=True, eq=False)
class Evidence:
    """Everything that is known about a version when it is checked.

    Attributes
    ----------
    explanations : sequence of Explanation
        In the order of the reference set; those of a large one are read when they are looked at.
    failed : tuple of FailedExplanation
        In the same order.
    metrics : mapping of str to float
        Aggregates by their name without prefix.
    trust : mapping of str to mapping of str to float
        Values of trust of each instance, by key and name; empty where they were not measured.
    attributions : Attributions or None
        What methods that look inside the network make of the instances; None where the model is no
        network that can be looked into.
    inputs : DataFrame or None
        The instances, their keys as its index; None where they were not stored.
    layout : Layout or None
        What the columns hold.
    true_labels, reasons : mapping of str to str
        Of the instances, by key; those that are known.
    target : str or None
        Column of the true labels.
    associations : Associations or None
        How strongly the columns of the data go together, whether the model reads them or not.
    drift : Drift or None
        What changed since another version.
    train_explanations : tuple of Explanation or None
        Explanations of rows that the model was trained on.
    sensitive : tuple of str
        Columns, or words, that the model should not rely on.
    absent : mapping of str to str
        Why something of the above is missing, by its name.
    """

    explanations: Sequence[Explanation] = ()
    failed: tuple[FailedExplanation, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    trust: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    attributions: Attributions | None = None
    inputs: pd.DataFrame | None = None
    layout: Layout | None = None
    true_labels: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    associations: Associations | None = None
    drift: Drift | None = None
    train_explanations: tuple[Explanation, ...] | None = None
    sensitive: tuple[str, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)

    @property
    def background(self) -> Background | None:
        """What absent values of a table become; None where there are no tabular columns."""
        return None if self.layout is None else self.layout.background

    @cached_property
    def telling(self) -> Sequence[Explanation]:
        """Explanations of instances around which the output varies, and some part has weight."""
        return kept(self.explanations, _tells)


def _tells(item: Explanation) -> bool:
    label = item.labels[0]
    return not label.flat and bool(np.nansum(np.abs(label.weights)) > 0)


NEEDS: dict[str, str] = {
    "telling": "around no explained instance the output varies",
    "trust": "nothing of `metrics` was measured; switch it on and explain the version again",
    "inputs": "the instances are not stored with the reference set",
    "layout": "what the columns hold is not known",
    "true_labels": "no true labels are known; set data.target and pin the reference set again",
    "associations": (
        "how the columns go together was not measured; pin the reference set again, with its "
        "inputs stored"
    ),
    "drift": "the checks were made without a comparison; name a version with --against",
    "train_explanations": "no training rows are given; set checks.train",
    "sensitive": "no column is declared as sensitive; set checks.sensitive",
}
"""What a check may need of the evidence, and what is said where it is missing or empty."""


_MOST_KEYS = 20_000
"""Keys of an outcome, worst first; of larger sets, the reason tells how many there are."""


def _always(evidence: Evidence) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Check:
    """Something to look for in the explanations of a version.

    Attributes
    ----------
    code : str
        Three capital letters and three digits.
    title : str
        What is wrong where it is raised, in a few words.
    severity : {"info", "warning", "error"}
    summary : str
        What it looks for, in one sentence.
    find : callable
        From evidence and options to a finding. What it raises becomes a skipped outcome.
    applies : callable
        From evidence to why the check says nothing about data of this kind; empty where it does.
    needs : tuple of str
        Names in `NEEDS`: without them the check is skipped.
    options : type of Options
        What a person may choose.
    page : str
        Where it is described.
    """

    code: str
    title: str
    severity: Severity
    summary: str
    find: Callable[[Evidence, Any], Finding]
    applies: Callable[[Evidence], str] = _always
    needs: tuple[str, ...] = ()
    options: type[Options] = Options
    page: str = ""

    def outcome(self, finding: Finding) -> Outcome:
        """Return what came of this check."""
        return Outcome(
            self.code,
            self.title,
            self.severity,
            finding.state,
            finding.reason,
            finding.instances[:_MOST_KEYS],
            finding.value,
            self.page,
        )
