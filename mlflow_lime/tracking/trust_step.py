"""The metrics of trust of a review: measured after it, within its budget, and never its failure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tqdm import tqdm

from mlflow_lime.config.judging import MetricsSection
from mlflow_lime.core.domain import Subject
from mlflow_lime.core.explain import Explainer
from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.metrics.agreement import agreement
from mlflow_lime.metrics.attributions import Attributions
from mlflow_lime.metrics.faithfulness import faithfulness, rows_needed
from mlflow_lime.metrics.realism import Realism, realism
from mlflow_lime.metrics.sensitivity import sensitivity
from mlflow_lime.metrics.trust import Trust, summarise
from mlflow_lime.report.shown import Shown
from mlflow_lime.tracking.attribution_step import look_inside
from mlflow_lime.tracking.questions import Questions

__all__ = ["measure_trust"]

Result = TypeVar("Result")
Values = dict[str, dict[str, float]]


def measure_trust(
    questions: Questions,
    explanations: Sequence[Explanation],
    failed: Sequence[FailedExplanation],
    chosen: MetricsSection,
    *,
    shown: Shown | None = None,
    progress: bool | None = False,
) -> tuple[Trust, Attributions | None]:
    """Return the metrics of trust, and what methods that look inside a network make of instances.

    What cannot be measured is a note.

    Parameters
    ----------
    questions : Questions
        What was asked.
    explanations, failed : sequences
        Outcomes.
    chosen : MetricsSection
        What to measure.
    shown : Shown, optional
        The instances of a large set that are measured; all by default. The aggregates of the
        explanations themselves are of all.
    progress : bool or None, default False
        Whether to show a progress bar; None shows it on a terminal only.
    """
    looked_at = explanations if shown is None else shown.explanations
    step = _Step(questions, looked_at, chosen)
    if shown is not None and (chosen.faithfulness or chosen.realism or chosen.sensitivity):
        step.look_at_shown()
    attributions = look_inside(step.questions, looked_at)
    questions = step.questions
    before = questions.explainer.predictor.counter.rows
    measured: list[Values] = []
    real = Realism()
    disable = None if progress is None else not progress
    with tqdm(total=4, unit="metric", desc="LIME metrics", disable=disable) as bar:
        if chosen.faithfulness and questions.explainer.domain.masked:
            measured.append(step.attempt("faithfulness", step.faithfulness, {}))
        bar.update()
        if chosen.realism:
            real = step.attempt("realism", step.realism, real)
        bar.update()
        if chosen.sensitivity:
            measured.append(step.attempt("sensitivity", step.sensitivity, {}))
        bar.update()
        if attributions is not None:
            measured.append(step.attempt("agreement", lambda: step.agreement(attributions), {}))
        bar.update()
    trust = summarise(
        explanations,
        failed,
        shown=looked_at,
        measured=measured,
        realism=real,
        rows=questions.explainer.predictor.counter.rows - before,
        notes=step.notes,
    )
    return trust, attributions


@dataclass(slots=True, eq=False)
class _Step:
    """What is measured of one version, and what came in between."""

    questions: Questions
    looked_at: Sequence[Explanation]
    chosen: MetricsSection
    notes: list[str] = field(default_factory=list)

    def look_at_shown(self) -> None:
        """Cut the instances of a large set that are shown into their parts, and note that."""
        asked, n = self.questions, len(self.looked_at)
        self.notes.append(f"the metrics of trust are of the {n:,} explained instances shown")
        if not asked.subjects and asked.reference.inputs is not None:
            keys = [item.key for item in self.looked_at]
            self.questions = self.attempt("trust", lambda: asked.some(keys), asked)

    @property
    def pairs(self) -> list[tuple[Explanation, Subject]]:
        """Explanations that are looked at, and what was explained, where that is stored."""
        by_key = {subject.key: subject for subject in self.questions.subjects}
        return [(item, by_key[item.key]) for item in self.looked_at if item.key in by_key]

    @property
    def explainer(self) -> Explainer:
        return self.questions.explainer

    def attempt(self, name: str, measure: Callable[[], Result], nothing: Result) -> Result:
        """Return what a metric gives, or nothing and a note."""
        try:
            return measure()
        except Exception as error:
            # A review never fails because of its metrics. The text may hold values of the data.
            self.notes.append(f"{name} could not be measured: {type(error).__name__}")
            return nothing

    def faithfulness(self) -> Values:
        chosen = self.chosen
        options = {"top": chosen.top, "draws": chosen.draws, "steps": chosen.steps}
        needed = sum(rows_needed(subject, **options) for _, subject in self.pairs)
        if self._is_spent("faithfulness", needed):
            return {}
        found = faithfulness(self.explainer, self.pairs, **options)
        self._note_missing("faithfulness", found)
        return found

    def sensitivity(self) -> Values:
        copies = self.chosen.sensitivity
        needed = copies * sum(item.rows_predicted for item, _ in self.pairs)
        if self._is_spent("sensitivity", needed):
            return {}
        found = sensitivity(self.explainer, self.pairs, copies=copies)
        self._note_missing("sensitivity", found)
        return found

    def agreement(self, attributions: Attributions) -> Values:
        chosen = self.chosen
        by_key = {subject.key: subject for subject in self.questions.subjects}
        options = {"top": chosen.top, "draws": chosen.draws, "steps": chosen.steps}
        needed = sum(rows_needed(subject, **options) for _, subject in self.pairs)
        curves = chosen.faithfulness and self.explainer.domain.masked and bool(needed)
        if curves and self._is_spent("agreement", needed * len(attributions.methods)):
            curves = False
        pairs = [(item, by_key.get(item.key)) for item in self.looked_at]
        return agreement(self.explainer, pairs, attributions, curves=curves, **options)

    def realism(self) -> Realism:
        return realism(self.explainer, [subject for _, subject in self.pairs])

    def _note_missing(self, name: str, found: Values) -> None:
        missing = len(self.pairs) - len(found)
        if missing:
            self.notes.append(f"{name} could not be measured of {missing} instances")

    def _is_spent(self, name: str, needed: int) -> bool:
        """Return whether the budget does not bear more rows, and note it."""
        budget, (calls, seconds) = self.explainer.budget, self.explainer.spent()
        # Counted so that a review that was interrupted comes to the same end.
        rows = sum(item.rows_predicted for item, _ in self.pairs) + needed
        limits = {
            "max_total_rows": budget.rows is not None and rows > budget.rows,
            "max_calls": budget.calls is not None and calls >= budget.calls,
            "max_seconds": budget.seconds is not None and seconds > budget.seconds,
        }
        spent = [f"sampling.{limit}" for limit, over in limits.items() if over]
        if spent:
            self.notes.append(f"{name} was left out: {' and '.join(spent)} is spent")
        return bool(spent)
