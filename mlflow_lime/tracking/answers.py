"""What came of the questions put to a model, and what there is to log of it."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from mlflow_lime import names
from mlflow_lime.config import Config, dump_config
from mlflow_lime.core.explain import Outcome
from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.core.stored import StoredOutcomes
from mlflow_lime.errors import ModelError
from mlflow_lime.metrics.attributions import Attributions
from mlflow_lime.metrics.importance import importance_table
from mlflow_lime.metrics.trust import Trust
from mlflow_lime.report.facts import InstanceFacts
from mlflow_lime.report.items import File, Item
from mlflow_lime.report.shown import Shown, choose_shown
from mlflow_lime.tracking.questions import Questions
from mlflow_lime.tracking.trust_step import measure_trust

if TYPE_CHECKING:
    from mlflow_lime.report.review_items import Wanted

__all__ = ["Answers"]

_PACKAGES = ("mlflow-lime", "mlflow", "numpy", "scikit-learn")
"""Packages whose versions are logged with the recipe."""

IMPORTANT_PARTS = 200
"""Parts of a group that the table of importances lists."""


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Outcomes of a reference set.

    Attributes
    ----------
    questions : Questions
        What was asked.
    explanations : sequence of Explanation
        In the order of the reference set; those of a large one may lie on disk.
    failed : tuple of FailedExplanation
        In the same order.
    trust : Trust or None
        What was measured of the explanations; None before `measured`.
    shown : Shown or None
        The instances of a large set that are shown one by one, and measured; None where all are,
        and before `sampled`.
    attributions : Attributions or None
        What methods that look inside a network make of the instances; None where there is none.
    """

    questions: Questions
    explanations: Sequence[Explanation]
    failed: tuple[FailedExplanation, ...]
    trust: Trust | None = None
    shown: Shown | None = None
    attributions: Attributions | None = None

    @classmethod
    def of(cls, questions: Questions, outcomes: Iterable[Outcome] | StoredOutcomes) -> Self:
        """Put outcomes into the order of the reference set; stored ones are in it already."""
        if isinstance(outcomes, StoredOutcomes):
            return cls(questions, outcomes.explanations, outcomes.failed)
        found = {outcome.key: outcome for outcome in outcomes}
        ordered = [found[key] for key in questions.keys if key in found]
        return cls(
            questions=questions,
            explanations=tuple(item for item in ordered if isinstance(item, Explanation)),
            failed=tuple(item for item in ordered if isinstance(item, FailedExplanation)),
        )

    def sampled(self, config: Config) -> Self:
        """Return the outcomes with the choice of those that are shown, where they are many."""
        most = config.outputs.max_instances
        return replace(self, shown=choose_shown(self.explanations, self.failed, most))

    def measured(self, config: Config, *, progress: bool | None = False) -> Self:
        """Return the outcomes with the metrics of trust; their failures are notes.

        Of a large set, the subjects of the instances that are shown are enough.
        """
        answers = self.sampled(config) if self.shown is None else self
        trust, attributions = measure_trust(
            answers.questions,
            answers.explanations,
            answers.failed,
            config.metrics,
            shown=answers.shown,
            progress=progress,
        )
        return replace(answers, trust=trust, attributions=attributions)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of the questions, the sample, and the metrics of trust."""
        shown = () if self.shown is None else (self.shown.note,)
        measured = () if self.trust is None else self.trust.notes
        inside = () if self.attributions is None else self.attributions.remarks
        return (*self.questions.notes, *shown, *measured, *inside)

    def require_some(self) -> None:
        """Refuse outcomes of which none is an explanation.

        Raises
        ------
        ModelError
            If every instance failed.
        """
        if not self.explanations:
            reason = self.failed[0].reason
            msg = f"no instance could be explained; the first failed because: {reason}"
            raise ModelError(msg)

    def items(
        self,
        config: Config,
        *,
        title: str,
        seconds: float,
        model: Mapping[str, Any] | None = None,
        notes: Sequence[str] = (),
    ) -> list[Item]:
        """Return everything that is logged.

        Parameters
        ----------
        config : Config
            What was asked for.
        title : str
            What was explained, for the pictures.
        seconds : float
            Wall time.
        model : mapping, optional
            What identifies the model, for the recipe.
        notes : sequence of str
            What a reader must know beside the notes of the scoring function.
        """
        from mlflow_lime.report.review_items import review_items

        answers = self.sampled(config) if self.shown is None else self
        facts = self.facts(config)
        recipe = {
            **(model or {}),
            "scoring": self.questions.scoring,
            "explanation": self.explanations[0].recipe if self.explanations else {},
            "seed": config.seed,
            "versions": _versions(),
            "notes": [*notes, *answers.notes],
        }
        found: list[Item] = list(
            review_items(
                self.explanations,
                self.failed,
                title=title,
                seconds=seconds,
                config_text=dump_config(config),
                recipe=recipe,
                facts=facts,
                trust=self.trust,
                importance=self._importance(facts),
                wanted=_wanted(config, answers.shown),
            )
        )
        if self.attributions is not None:
            text = self.attributions.to_json()
            found.append(File(names.ATTRIBUTIONS_FILE, text.encode()))
        return found

    def facts(self, config: Config) -> InstanceFacts:
        """Return what is known of the instances beside their explanations."""
        reference = self.questions.reference
        column = config.metrics.slice
        slices = {}
        if column is not None and column in reference.slices:
            slices[column] = dict(zip(reference.keys, reference.slices[column], strict=True))
        return InstanceFacts(
            reasons=dict(zip(reference.keys, reference.reasons, strict=True)),
            true_labels=dict(zip(reference.keys, reference.true_labels, strict=True)),
            slices=slices,
        )

    def _importance(self, facts: InstanceFacts) -> pd.DataFrame | None:
        """Return the importance of parts, over all instances, by class, and by slice."""
        if not self.explanations:
            return None
        groups = facts.groups(self.explanations)
        return importance_table(self.explanations, groups, top=IMPORTANT_PARTS)


def _versions() -> dict[str, str]:
    """Return the versions of the installed packages that matter to the numbers."""
    found = {}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):  # such as mlflow, where mlflow-skinny is installed
            found[name] = version(name)
    return found


def _wanted(config: Config, shown: Shown | None) -> "Wanted":
    """Return the outputs that a configuration asks for."""
    from mlflow_lime.report.review_items import Wanted

    chosen = config.outputs
    return Wanted(
        top=chosen.top,
        pictures=chosen.pictures,
        tables=chosen.tables,
        max_pictures=chosen.max_pictures,
        version_tags=chosen.version_tags,
        shown=shown,
    )
