"""The sections on what is judged: metrics of trust, comparison, checks, gate."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from mlflow_lime.config.sections import Section
from mlflow_lime.config.values import DataSource, Items, Name, VersionWish, list_to_tuple
from mlflow_lime.errors import shorten

__all__ = [
    "ChangeRule",
    "ChecksSection",
    "CompareSection",
    "GateSection",
    "MetricsSection",
    "Rule",
]

Code = Annotated[str, Field(pattern=r"^[A-Z]{3}[0-9]{3}$", description="a code such as LIM001")]
LEAST_RETRAINS = 3
"""A spread that is estimated from fewer would be too uncertain to call anything a change."""

Share = Annotated[float, Field(ge=0, le=1)]


class MetricsSection(Section):
    """What else is measured of each explanation, and what of all together."""

    faithfulness: bool = Field(
        default=True,
        description=(
            "Delete and insert the heaviest parts, and random ones, and see how the model's answer"
            " changes; costs some model rows."
        ),
    )
    top: int = Field(
        default=5,
        ge=1,
        le=100,
        description="The k of comprehensiveness and sufficiency: so many of the heaviest parts.",
    )
    draws: int = Field(
        default=4,
        ge=1,
        le=1000,
        description="Rows over which each of these answers is averaged, where absence is random.",
    )
    steps: int = Field(
        default=8,
        ge=2,
        le=100,
        description="Points of the deletion and insertion curves, at most.",
    )
    realism: bool = Field(
        default=True,
        description=(
            "Measure how many perturbed rows lie farther from the instances than these lie from"
            " each other; for tables."
        ),
    )
    permuted: bool = Field(
        default=True,
        description=(
            "Fit the surrogate to shuffled predictions as well, which it must not be able to"
            " predict."
        ),
    )
    sensitivity: int = Field(
        default=0,
        ge=0,
        le=100,
        description=(
            "Explain so many slightly changed copies of each instance, and measure how far the"
            " weights move; each costs as much as the instance itself. 0 for none."
        ),
    )
    slice: Name | None = Field(
        default=None,
        description="Column by whose values importances are also told apart; null for none.",
    )


class CompareSection(Section):
    """How the reasons of two versions are compared."""

    baseline: VersionWish | None = Field(
        default=None,
        description=(
            "The version to compare with where none is named: previous, a version number, an alias"
            " such as @champion, or a model or run URI; null for none."
        ),
    )
    min_fidelity: float = Field(
        default=0.1,
        ge=-10,
        le=1,
        description=(
            "Instances whose surrogate explains less of the variance that parts can explain"
            " (partial R²), in either version, are counted and left out."
        ),
    )
    min_change: float = Field(
        default=0.2,
        ge=0,
        le=10,
        description=(
            "Changes of a weight up to this share of the instance's largest weight do not count,"
            " nor do changes of a part's importance up to this share of the largest importance."
        ),
    )
    min_share: Share = Field(
        default=0.2,
        description=(
            "The alarm is raised where the reasons of more than this share of the instances"
            " changed, or the importance of a part."
        ),
    )
    fdr: float = Field(
        default=0.1,
        gt=0,
        lt=1,
        description="Rate of false discoveries among the weights that are said to have changed.",
    )
    alarm_rate: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="Rate of false alarms that the reasons of the whole set have changed.",
    )
    top: int = Field(
        default=5,
        ge=1,
        le=100,
        description="How many of the heaviest parts of two versions are compared as sets.",
    )
    retrain_noise: Items[Name] = Field(
        default=(),
        description=(
            "Retrains of the baseline that differ in nothing that matters (another seed), as model"
            " URIs, at least three; what differs between them counts as noise."
        ),
    )
    reexplain: bool = Field(
        default=True,
        description=(
            "Explain a version anew where it was not explained, or in another way than the"
            " candidate; otherwise refuse."
        ),
    )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Check that there are enough retrains to estimate a variance from."""
        if 0 < len(self.retrain_noise) < LEAST_RETRAINS:
            yield (
                "retrain_noise",
                f"expected at least {LEAST_RETRAINS} retrains, got {len(self.retrain_noise)}."
                " Name more, or none.",
            )


class ChecksSection(Section):
    """What is looked for in the explanations of a version."""

    mute: Items[Code] = Field(
        default=(), description="Codes of checks that are not run, such as [LIM008]."
    )
    sensitive: Items[Name] = Field(
        default=(),
        description=(
            "Columns that the model should not rely on, nor on what stands in for them, such as"
            " [sex, age]; for texts, words."
        ),
    )
    train: DataSource | None = Field(
        default=None,
        description=(
            "Rows that the model was trained on, to compare their explanations with those of the"
            " pinned instances: a file or an artifact URI; null to leave that check out."
        ),
    )
    train_count: int = Field(
        default=20, ge=2, le=10_000, description="How many training rows are explained for it."
    )
    options: Mapping[Code, Mapping[str, Any]] = Field(
        default_factory=dict,
        description=(
            "Options of checks, by code, such as {LIM001: {min: 0.3}}; each check's page lists its"
            " own."
        ),
    )


class ChangeRule(Section):
    """A metric's change against another version."""

    metric: Name = Field(description="A logged metric, such as accuracy or lime/fidelity_r2.")
    against: VersionWish = Field(
        default="baseline",
        description="baseline, or a version: its number, an alias such as @champion, or a URI.",
    )
    min: float | None = Field(default=None, description="Smallest change that passes.")
    max: float | None = Field(default=None, description="Largest change that passes.")

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Check that there is a bound, and room between two."""
        yield from _bounds(self.min, self.max)


class Rule(Section):
    """One condition of a gate: a metric's bounds, a change, or a check."""

    name: Name | None = Field(default=None, description="What reports call the rule.")
    metric: Name | None = Field(
        default=None, description="A logged metric of the candidate, such as lime/fidelity_r2_p10."
    )
    min: float | None = Field(default=None, description="Smallest value that passes.")
    max: float | None = Field(default=None, description="Largest value that passes.")
    change: ChangeRule | None = Field(
        default=None, description="Bounds of a metric's change against another version."
    )
    check: Code | None = Field(
        default=None, description="A check that must not find anything, such as LIM005."
    )
    severity: Literal["fail", "warn"] = Field(
        default="fail", description="Whether the rule stops the version, or only warns."
    )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Check that the rule is of one kind, and has the bounds of that kind."""
        kinds = [kind for kind in ("metric", "change", "check") if getattr(self, kind) is not None]
        if len(kinds) != 1:
            found = " and ".join(kinds) or "none"
            yield (
                "metric",
                f"expected one of metric, change, and check in a rule, got {found}."
                " Write one rule for each.",
            )
        elif self.metric is not None:
            yield from _bounds(self.min, self.max)
        elif self.min is not None or self.max is not None:
            yield (
                "min" if self.min is not None else "max",
                f"expected no bound beside {kinds[0]}. Write it below change, or remove it.",
            )


def _bounds(least: float | None, most: float | None) -> Iterator[tuple[str, str]]:
    if least is None and most is None:
        yield "min", "expected min, max, or both, got neither. Set the bound that must hold."
    elif least is not None and most is not None and least > most:
        yield "max", f"expected at least min ({least:g}), got {shorten(most)}. Swap or widen them."


class GateSection(Section):
    """What must hold before a version is promoted."""

    rules: Annotated[tuple[Rule, ...], BeforeValidator(list_to_tuple)] = Field(
        default=(),
        description=(
            "Rules such as {metric: lime/fidelity_r2_p10, min: 0.2}, {change: {metric: accuracy,"
            " min: -0.01}}, {check: LIM005}."
        ),
    )
    min_trusted: int = Field(
        default=5,
        ge=1,
        le=100_000,
        description=(
            "Rules on drift are not judged where fewer instances of both versions can be trusted."
        ),
    )
