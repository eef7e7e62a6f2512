"""Measuring what a gate's rules ask for: reasons, drift, checks, and metrics of the versions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlflow import MlflowClient

from mlflow_lime import names
from mlflow_lime.checks.registry import known_checks
from mlflow_lime.compare.drift import DriftCounts
from mlflow_lime.config import Config
from mlflow_lime.errors import MlflowLimeError, TrackingServerError, did_you_mean, shorten
from mlflow_lime.gate.judge import HOW_TO_WRITE_RULES
from mlflow_lime.gate.measured import CANDIDATE, Measured, Value
from mlflow_lime.gate.rule import BASELINE, GateRule
from mlflow_lime.tracking.baseline import resolve_baseline
from mlflow_lime.tracking.gate_rules import gate_rules
from mlflow_lime.tracking.measured import Found, how_to_log, metrics_of, review_metrics
from mlflow_lime.tracking.promotion import previous_holders
from mlflow_lime.tracking.review_runs import names_run
from mlflow_lime.tracking.reviewed import Reviewed, reviewed_run, same_review
from mlflow_lime.tracking.versions import ModelVersionRef, resolve_model

if TYPE_CHECKING:
    from mlflow_lime.checks.check import Outcome
    from mlflow_lime.tracking.comparison import Comparison

__all__ = ["Asked", "Gathered", "Other", "gather"]

_FINDINGS = f"{names.PREFIX}findings"
_FINDINGS_ERROR = f"{_FINDINGS}_error"
_NO_BASELINE = (
    "no version to compare with is named; name one with --against, or set compare.baseline"
)


@dataclass(frozen=True, slots=True, eq=False)
class Other:
    """A version that a candidate is held against.

    Attributes
    ----------
    wish : str
        What a person called it.
    uri : str
        A model URI with aliases resolved, or ``runs:/<review run>``.
    ref : ModelVersionRef
    """

    wish: str
    uri: str
    ref: ModelVersionRef

    @classmethod
    def meant_by(cls, wish: str, candidate: ModelVersionRef, client: MlflowClient) -> "Other":
        """Fix the version that a wish means, wherever its aliases move to afterwards."""
        uri = resolve_baseline(wish, candidate, client)
        if names_run(uri):
            return cls(wish, uri, reviewed_run(uri.removeprefix("runs:/"), client).ref)
        ref = resolve_model(uri, client)
        return cls(wish, ref.uri, ref)

    def alias_of(self, candidate: ModelVersionRef) -> str:
        """Return the alias of the candidate's own model that names it; nothing where none does."""
        if self.ref.name is None or self.ref.name != candidate.name:
            return ""
        return self.wish.rpartition("@")[2] if "@" in self.wish else ""

    def why_not(self, candidate: ModelVersionRef, client: MlflowClient) -> str:
        """Return why the candidate cannot be held against it: they are one version."""
        if self.ref.uri != candidate.uri:
            return ""
        holders = previous_holders(candidate, client)
        alias = self.alias_of(candidate)
        mine = {alias: holders[alias]} if alias in holders else holders
        had = ", ".join(f"@{alias} was {holder} before" for alias, holder in mine.items())
        return (
            f"{candidate.label} is itself what {shorten(self.wish)} names, and would be compared"
            f" with itself; name an earlier version with --against{f' ({had})' if had else ''}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What a gate is asked for.

    Attributes
    ----------
    ref : ModelVersionRef
        The candidate.
    baseline : Other or None
    config : Config
    client : MlflowClient
    progress : bool or None
    log : bool
    """

    ref: ModelVersionRef
    baseline: Other | None
    config: Config
    client: MlflowClient
    progress: bool | None = False
    log: bool = True

    @property
    def rules(self) -> tuple[GateRule, ...]:
        """The rules of the configuration."""
        return gate_rules(self.config)

    @property
    def is_same(self) -> bool:
        """Whether the baseline is the candidate itself."""
        return self.baseline is not None and self.baseline.ref.uri == self.ref.uri

    def named(self, alias: str) -> bool:
        """Whether the baseline is called by an alias of the candidate's model."""
        return self.baseline is not None and self.baseline.alias_of(self.ref) == alias

    def why_futile(self) -> str:
        """Return why no measurement could let a version pass; nothing where one may.

        A check of a plugin that cannot be loaded is no mistyped code.
        """
        if not self.rules:
            return HOW_TO_WRITE_RULES
        checks, broken = known_checks()
        known = [check.code for check in checks]
        for rule in self.rules:
            if rule.kind == "check" and rule.stops and rule.subject not in known and not broken:
                hint = did_you_mean(rule.subject, known)
                return f"gate.rules: there is no check {shorten(rule.subject)}.{hint}"
        return ""

    @property
    def wanted(self) -> frozenset[str]:
        """The metrics that rules name."""
        return frozenset(rule.subject for rule in self.rules if rule.kind != "check")


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """What was measured, and where.

    Attributes
    ----------
    measured : Measured
    review : Reviewed or None
        The candidate's review; None where it could not be explained.
    notes : tuple of str
        What a reader must know.
    """

    measured: Measured
    review: Reviewed | None
    notes: tuple[str, ...] = ()


def gather(asked: Asked) -> Gathered:
    """Explain, compare, and check a version, and collect the metrics that rules may name.

    Raises
    ------
    TrackingServerError
        If the store cannot be reached; whatever else goes wrong makes rules "not judged".
    """
    review, why_no_reasons = _explained(asked)
    comparison, why_no_drift = None, why_no_reasons
    outcomes: Mapping[str, Outcome] = {}
    why_no_checks, checked_in = why_no_reasons, ""
    config = asked.config
    candidate: Found = metrics_of(asked.ref, asked.wanted, asked.client)
    if review is not None:
        candidate |= review_metrics(review.run)
        comparison, why_no_drift = _compared(asked)
        outcomes, why_no_checks = _checked(asked, review, comparison)
        checked_in = f"review run {review.run_id}"
        candidate |= _findings(outcomes, checked_in, config.checks.mute, review.reference_digest)
    counts = comparison.drift.counts if comparison else DriftCounts()
    others = _Others(asked, review)
    others.read()
    measured = Measured(
        candidate=candidate | _drift(comparison),
        others=others.found,
        outcomes=outcomes,
        on_drift=frozenset(check.code for check in known_checks()[0] if "drift" in check.needs),
        checked_in=checked_in,
        compared=counts.compared,
        untrusted=counts.untrusted,
        unexplained=counts.missing,
        why_no_drift=why_no_drift,
        why_no_checks=why_no_checks,
        why_no_reasons={CANDIDATE: why_no_reasons, **others.why_no_reasons},
        why_no_metric=_why_no_findings(outcomes, why_no_checks, config.checks.mute),
        why_no_other=others.why,
        advice=how_to_log(asked.ref),
    )
    return Gathered(measured, review, comparison.notes if comparison else ())


def _reason(error: MlflowLimeError) -> str:
    """Return what a rule says that cannot be judged; a store that does not answer ends it all."""
    if isinstance(error, TrackingServerError):
        raise error
    return str(error)


def _explained(asked: Asked) -> tuple[Reviewed | None, str]:
    """Return the candidate's review, made where there is none and it may be; or why not."""
    from mlflow_lime.tracking.review import review_version

    ref, config, client = asked.ref, asked.config, asked.client
    try:
        if not config.compare.reexplain:
            return same_review(ref.uri, client, config=config, reexplain=False), ""
        review = review_version(ref.uri, config, client=client, progress=asked.progress)
        return Reviewed.of_run(ref, client.get_run(review.run_id)), ""
    except MlflowLimeError as error:
        return None, _reason(error)


def _compared(asked: Asked) -> "tuple[Comparison | None, str]":
    from mlflow_lime.tracking.comparison import compare_versions

    if asked.baseline is None:
        return None, _NO_BASELINE
    same = asked.baseline.why_not(asked.ref, asked.client)
    if same:
        return None, same
    try:
        comparison = compare_versions(
            asked.ref.uri,
            asked.baseline.uri,
            asked.config,
            client=asked.client,
            progress=asked.progress,
            log=asked.log,
        )
    except MlflowLimeError as error:
        return None, _reason(error)
    return comparison, ""


def _drift(comparison: "Comparison | None") -> Found:
    if comparison is None:
        return {}
    source = f"compared with {comparison.baseline.label}, run {comparison.baseline_run}"
    return {name: (Value(value, source),) for name, value in comparison.metrics.items()}


def _checked(
    asked: Asked, review: Reviewed, comparison: "Comparison | None"
) -> "tuple[Mapping[str, Outcome], str]":
    """Return what came of the checks, where a rule asks for them; or why there is nothing."""
    if not any(rule.kind == "check" or rule.subject.startswith(_FINDINGS) for rule in asked.rules):
        return {}, ""
    from mlflow_lime.tracking.checking import check_version

    drift = comparison.drift if comparison else None
    try:
        checked = check_version(
            asked.ref.uri,
            asked.config,
            client=asked.client,
            drift=drift,
            log=asked.log,
            progress=asked.progress,
            reviewed=review,
        )
    except MlflowLimeError as error:
        return {}, _reason(error)
    return {outcome.code: outcome for outcome in checked.outcomes}, ""


def _why_no_findings(
    outcomes: "Mapping[str, Outcome]", why_no_checks: str, mute: Sequence[str]
) -> dict[str, str]:
    """Return why nobody knows how many checks find something: some of them were not made.

    A check that is muted is left out because somebody wants it so.
    """
    if why_no_checks:
        return dict.fromkeys((_FINDINGS, _FINDINGS_ERROR), why_no_checks)
    skipped = [item for item in outcomes.values() if item.state == "skipped"]
    open_ones = [item for item in skipped if item.code not in mute]
    wanted = {
        _FINDINGS: open_ones,
        _FINDINGS_ERROR: [item for item in open_ones if item.severity == "error"],
    }
    return {
        name: (
            f"{len(items)} checks were skipped, so nobody knows what they would find; give them"
            " what they need, or mute them (checks.mute): "
            + "; ".join(f"{item.code}: {item.reason}" for item in items)
        )
        for name, items in wanted.items()
        if items
    }


def _findings(
    outcomes: "Mapping[str, Outcome]", checked_in: str, mute: Sequence[str], data: str
) -> Found:
    """Return how many checks found something now, whatever an earlier check logged."""
    if not outcomes:
        return {}
    raised = [outcome for outcome in outcomes.values() if outcome.state == "raised"]
    errors = [outcome for outcome in raised if outcome.severity == "error"]
    muted = [code for code in outcomes if code in mute]
    said = f"; {len(muted)} of {len(outcomes)} checks were muted: {', '.join(muted)}"
    source = f"{checked_in}{said if muted else ''}"
    return {
        _FINDINGS: (Value(float(len(raised)), source, data),),
        _FINDINGS_ERROR: (Value(float(len(errors)), source, data),),
    }


@dataclass(slots=True, eq=False)
class _Others:
    """The metrics of the versions that changes are taken against."""

    asked: Asked
    review: Reviewed | None
    found: dict[str, Found] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    why_no_reasons: dict[str, str] = field(default_factory=dict)

    def read(self) -> None:
        """Read the metrics of each version that a rule names."""
        for wish in dict.fromkeys(r.against for r in self.asked.rules if r.kind == "change"):
            try:
                other = self._other(wish)
            except MlflowLimeError as error:
                self.why[wish] = _reason(error)
                continue
            self.why[wish] = (
                other.why_not(self.asked.ref, self.asked.client) if other else _NO_BASELINE
            )
            if other and not self.why[wish]:
                self.found[wish] = self._metrics(wish, other)

    def _other(self, wish: str) -> Other | None:
        if wish == BASELINE:
            return self.asked.baseline
        return Other.meant_by(wish, self.asked.ref, self.asked.client)

    def _metrics(self, wish: str, other: Other) -> Found:
        asked = self.asked
        mine = [rule for rule in asked.rules if rule.kind == "change" and rule.against == wish]
        found = metrics_of(other.ref, {rule.subject for rule in mine}, asked.client)
        if not any(rule.subject.startswith(names.PREFIX) for rule in mine):
            return found
        try:
            review = same_review(
                other.uri,
                asked.client,
                config=asked.config,
                like=self.review,
                reexplain=asked.config.compare.reexplain,
                progress=asked.progress,
            )
        except MlflowLimeError as error:
            self.why_no_reasons[wish] = _reason(error)
            return found
        return found | review_metrics(review.run)
