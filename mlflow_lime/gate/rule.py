"""`GateRule`: one condition that a version must meet, and how it reads."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["BASELINE", "DRIFT", "GateRule", "shown"]

BASELINE = "baseline"
"""What a rule on a change is against unless it names a version."""

DRIFT = "lime/drift_"
"""How the names of metrics begin that compare two versions themselves."""


@dataclass(frozen=True, slots=True)
class GateRule:
    """One condition: a metric's bounds, the bounds of its change, or a check.

    Attributes
    ----------
    kind : {'metric', 'change', 'check'}
    subject : str
        The metric's name as it is logged, or the code of the check.
    least, most : float or None
        Smallest and largest value that passes, in units of the metric; None for a check.
    against : str
        The other version of a change: ``baseline``, or what the rule calls it.
    stops : bool
        Whether a version that fails the rule fails; otherwise it is only warned of.
    name : str
        What reports call the rule; empty for none.

    Examples
    --------
    >>> GateRule("metric", "lime/fidelity_r2_p10", least=0.2).text
    'lime/fidelity_r2_p10 at least 0.2'
    >>> GateRule("change", "accuracy", least=-0.01, most=0.1).text
    'change of accuracy against baseline between -0.01 and 0.1'
    >>> GateRule("check", "LIM005").text
    'check LIM005 finds nothing'
    """

    kind: Literal["metric", "change", "check"]
    subject: str
    least: float | None = None
    most: float | None = None
    against: str = BASELINE
    stops: bool = True
    name: str = ""

    @property
    def text(self) -> str:
        """Return the rule in words, without its name."""
        if self.kind == "check":
            return f"check {self.subject} finds nothing"
        if self.kind == "metric":
            return f"{self.subject} {self.bound}"
        return f"change of {self.subject} against {self.against} {self.bound}"

    @property
    def bound(self) -> str:
        """Return the bounds in words; nothing for a check."""
        if self.least is not None and self.most is not None:
            return f"between {shown(self.least)} and {shown(self.most)}"
        if self.least is not None:
            return f"at least {shown(self.least)}"
        return "" if self.most is None else f"at most {shown(self.most)}"

    @property
    def is_on_drift(self) -> bool:
        """Whether it bounds a metric that compares two versions itself."""
        return self.kind == "metric" and self.subject.startswith(DRIFT)


def shown(value: float, *others: float | None) -> str:
    """Return a number with six digits, or with all where six do not tell it from the others.

    Examples
    --------
    >>> shown(1 / 3), shown(0.2), shown(0.19999999, 0.2)
    ('0.333333', '0.2', '0.19999999')
    """
    short = f"{value + 0.0:.6g}"
    alike = any(
        other is not None and other != value and f"{other:.6g}" == short for other in others
    )
    return repr(float(value)) if alike else short
