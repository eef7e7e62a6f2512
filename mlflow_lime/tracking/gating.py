"""Gating one model version: measure, judge, log the verdict, and move an alias on a pass."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from mlflow_lime import names
from mlflow_lime.config import Config
from mlflow_lime.errors import ConfigError, shorten
from mlflow_lime.gate.judge import Verdict, judge, not_judged
from mlflow_lime.gate.measured import Measured
from mlflow_lime.report.items import File, VersionTag
from mlflow_lime.report.verdict import verdict_json, verdict_markdown
from mlflow_lime.tracking.connection import translate_errors
from mlflow_lime.tracking.gate_measures import Asked, Gathered, Other, gather
from mlflow_lime.tracking.log import Destination, tag_version, write_items
from mlflow_lime.tracking.promotion import Promotion, plan_promotion
from mlflow_lime.tracking.reporting import present_again, unreported
from mlflow_lime.tracking.versions import ModelVersionRef, resolve_model

__all__ = [
    "Gated",
    "gate_version",
]


@dataclass(frozen=True, slots=True, eq=False)
class Gated:
    """What came of gating a version.

    Attributes
    ----------
    ref : ModelVersionRef
    baseline : ModelVersionRef or None
        The version that it was held against.
    verdict : Verdict
    run_id : str or None
        The review run, which holds ``lime/gate.json`` and ``lime/gate.md``; None where the version
        could not be explained.
    promoted : bool
        Whether an alias was asked for, and points to the version.
    previous_holder : str or None
        Number of the version that had the alias before.
    facts : dict of str to str
        What else a reader must know, by name; reports begin with it.
    """

    ref: ModelVersionRef
    baseline: ModelVersionRef | None
    verdict: Verdict
    run_id: str | None
    promoted: bool = False
    previous_holder: str | None = None
    facts: dict[str, str] = field(default_factory=dict)


def gate_version(
    candidate_uri: str,
    config: Config,
    *,
    against: str | None = None,
    client: MlflowClient | None = None,
    promote: str | None = None,
    progress: bool | None = False,
    log: bool = True,
) -> Gated:
    """Hold a version against the rules of a configuration, and promote it if it passes.

    The version is explained first where it was not, and compared with the baseline where there is
    one. What cannot be found out makes rules "not judged", with the reason.

    Parameters
    ----------
    candidate_uri : str
    config : Config
        Whose ``gate.rules`` are held against the version.
    against : str, optional
        ``previous``, a version number, ``@alias``, or a URI; by default `compare.baseline`.
    client : MlflowClient, optional
    promote : str, optional
        Alias that is moved to the version if it passes, and never otherwise.
    progress : bool or None, default False
        Whether to show a progress bar where a version is explained.
    log : bool, default True
        Whether to log the verdict to the review run, and to put it on the version as tags.
        Explanations are logged in any case.

    Returns
    -------
    Gated

    Raises
    ------
    VersionNotFoundError
        If the candidate, or the version that is named to compare with, does not exist.
    ConfigError
        If the alias cannot be one, or is to be moved without a record.
    TrackingServerError
        If the store cannot be reached.
    """
    if promote is not None and not log:
        msg = "an alias is moved only with a record of who had it before; let the verdict be logged"
        raise ConfigError(msg)
    client = client or MlflowClient()
    ref = resolve_model(candidate_uri, client)
    promotion = None if promote is None else plan_promotion(ref, promote, client)
    wish = against or config.compare.baseline
    baseline = Other.meant_by(wish, ref, client) if wish else None
    asked = Asked(ref, baseline, unreported(config), client, progress, log)
    if (
        promotion is not None
        and promotion.is_done
        and asked.is_same
        and asked.named(promotion.alias)
    ):
        return _nothing_to_judge(asked, promotion)
    futile = asked.why_futile()
    gathered = Gathered(Measured(), None) if futile else gather(asked)
    verdict = (
        not_judged(futile)
        if futile
        else judge(asked.rules, gathered.measured, min_trusted=config.gate.min_trusted)
    )
    conclusion = _Conclusion(asked, gathered, verdict, promotion)
    with translate_errors(f"the verdict on {ref.label}"):
        conclusion.draw()
    if log and gathered.review is not None:
        present_again(gathered.review, config, client)
    return conclusion.gated()


def _moved(promotion: Promotion, other: str) -> str:
    return (
        f"@{promotion.alias} was moved by somebody else while the version was judged, and now"
        f" points to {other}. Gate the version again."
    )


def _nothing_to_judge(asked: Asked, promotion: Promotion) -> Gated:
    """Return that a version is where it is to be moved; what is said of it in the store stays."""
    label, alias = asked.ref.label, f"@{promotion.alias}"
    return Gated(
        ref=asked.ref,
        baseline=asked.ref,
        verdict=Verdict("pass", note=f"{label} is {alias} already; there is nothing to judge"),
        run_id=None,
        promoted=True,
        previous_holder=promotion.holder,
        facts={
            "candidate": label,
            "alias": f"{alias} points to {label} already",
            "time": _now(),
        },
    )


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


@dataclass(slots=True, eq=False)
class _Conclusion:
    """A verdict on its way into the store."""

    asked: Asked
    gathered: Gathered
    verdict: Verdict
    promotion: Promotion | None
    time: str = field(default_factory=_now)
    promoted: bool = False
    alias: str = ""

    def draw(self) -> None:
        """Log the verdict; where the version passed, record who has the alias, then move it."""
        promotion = self.promotion
        if promotion is None or self.verdict.outcome != "pass":
            if promotion is not None:
                self.alias = f"@{promotion.alias} stays with {promotion.previous}"
            self._write()
            return
        other = self._other_holder(promotion)
        if other:
            self._refuse(promotion, other, _moved(promotion, other))
        elif promotion.is_done:
            self.promoted = True
            self.alias = f"@{promotion.alias} points to {self.asked.ref.label} already"
            self._write()
        else:
            self._promote(promotion)

    def _other_holder(self, promotion: Promotion) -> str:
        """Return who has the alias, where it is not the version that was compared or read."""
        baseline = self.asked.baseline
        if (
            baseline is not None
            and self.asked.named(promotion.alias)
            and baseline.ref.version != promotion.holder
        ):
            return promotion.previous
        return promotion.moved_meanwhile()

    def _promote(self, promotion: Promotion) -> None:
        move = f"@{promotion.alias} from {promotion.previous} to {self.asked.ref.label}"
        self.alias = f"moving {move}"
        self._write()
        promotion.record()
        # A kill up to here leaves the alias where it was, and on record who had it.
        refused = ""
        try:
            other = promotion.move()
        except MlflowException as error:
            refused = shorten(f"{error} ".splitlines()[0].strip(), 200)
            other = promotion.other_holder()  # the store may have moved it and lost its answer
        if other:
            why = f"the alias could not be moved: {refused}" if refused else ""
            self._refuse(promotion, other, why or _moved(promotion, other))
            return
        self.promoted = True
        self.alias = f"moved {move}"
        self._write_files()

    def _refuse(self, promotion: Promotion, other: str, why: str) -> None:
        self.verdict = self.verdict.refused(why)
        self.alias = f"@{promotion.alias} stays with {other}"
        self._write()

    # What is written

    def _facts(self) -> dict[str, str]:
        asked, review = self.asked, self.gathered.review
        baseline = asked.baseline
        facts = {"candidate": asked.ref.label}
        if baseline is not None:
            label = baseline.ref.label
            facts["baseline"] = label if baseline.wish in label else f"{label} ({baseline.wish})"
        if review is not None:
            facts["reference set"] = review.reference_digest
            facts["review run"] = review.run_id
        if self.gathered.notes:
            facts["notes"] = "; ".join(self.gathered.notes)
        if self.alias:
            facts["alias"] = self.alias
        return {**facts, "time": self.time}

    def _write(self) -> None:
        """Log the verdict to the review run, and put it on the version.

        A version that is held against itself keeps what was said of it before.
        """
        self._write_files()
        asked, baseline = self.asked, self.asked.baseline
        if asked.log and not asked.is_same and asked.config.outputs.version_tags:
            against = f" against {baseline.ref.label}" if baseline else ""
            said = f"{self.verdict.outcome}{against} at {self.time}"
            tag_version(asked.client, asked.ref, [VersionTag(names.TAG_GATE, said)])

    def _write_files(self) -> None:
        if not self.asked.log or self.gathered.review is None or self.asked.is_same:
            return
        facts = self._facts()
        files = [
            File(names.GATE_JSON, verdict_json(self.verdict, facts).encode()),
            File(names.GATE_MARKDOWN, verdict_markdown(self.verdict, facts).encode()),
        ]
        to = Destination(self.gathered.review.run_id, timestamp=0)
        write_items(self.asked.client, files, to)

    def gated(self) -> Gated:
        """Return what came of it."""
        review, baseline = self.gathered.review, self.asked.baseline
        return Gated(
            ref=self.asked.ref,
            baseline=baseline.ref if baseline else None,
            verdict=self.verdict,
            run_id=review.run_id if review else None,
            promoted=self.promoted,
            previous_holder=self.promotion.holder if self.promotion else None,
            facts=self._facts(),
        )
