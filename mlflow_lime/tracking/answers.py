"""What came of the questions put to a model, and what there is to log of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from mlflow_lime.config import Config, dump_config
from mlflow_lime.core.explain import Outcome
from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.errors import ModelError
from mlflow_lime.metrics.importance import importance_table
from mlflow_lime.metrics.trust import Trust
from mlflow_lime.report.items import Item
from mlflow_lime.report.wording import predicted_label
from mlflow_lime.tracking.questions import Questions
from mlflow_lime.tracking.trust_step import measure_trust

if TYPE_CHECKING:
    from mlflow_lime.report.review_items import Wanted

__all__ = ["Answers"]

IMPORTANT_PARTS = 200
"""Parts of a group that the table of importances lists."""


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Outcomes of a reference set.

    Attributes
    ----------
    questions : Questions
        What was asked.
    explanations, failed : tuples
        Outcomes, in the order of the reference set.
    trust : Trust or None
        What was measured of the explanations; None before `measured`.
    """

    questions: Questions
    explanations: tuple[Explanation, ...]
    failed: tuple[FailedExplanation, ...]
    trust: Trust | None = None

    @classmethod
    def of(cls, questions: Questions, outcomes: Iterable[Outcome]) -> Self:
        """Put outcomes into the order of the reference set."""
        found = {outcome.key: outcome for outcome in outcomes}
        ordered = [found[key] for key in questions.keys if key in found]
        return cls(
            questions=questions,
            explanations=tuple(item for item in ordered if isinstance(item, Explanation)),
            failed=tuple(item for item in ordered if isinstance(item, FailedExplanation)),
        )

    def measured(self, config: Config, *, progress: bool | None = False) -> Self:
        """Return the outcomes with the metrics of trust; their failures are notes."""
        trust = measure_trust(
            self.questions, self.explanations, self.failed, config.metrics, progress=progress
        )
        return replace(self, trust=trust)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of the questions and the metrics of trust."""
        return (*self.questions.notes, *(() if self.trust is None else self.trust.notes))

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

        reference = self.questions.reference
        recipe = {
            **(model or {}),
            "scoring": self.questions.scoring,
            "explanation": self.explanations[0].recipe if self.explanations else {},
            "seed": config.seed,
            "notes": [*notes, *self.notes],
        }
        return list(
            review_items(
                self.explanations,
                self.failed,
                title=title,
                seconds=seconds,
                config_text=dump_config(config),
                recipe=recipe,
                reasons=dict(zip(reference.keys, reference.reasons, strict=True)),
                true_labels=dict(zip(reference.keys, reference.true_labels, strict=True)),
                trust=self.trust,
                importance=self._importance(config),
                wanted=_wanted(config),
            )
        )

    def _importance(self, config: Config) -> pd.DataFrame | None:
        """Return the importance of parts, over all instances, by class, and by slice."""
        if not self.explanations:
            return None
        reference = self.questions.reference
        known = dict(zip(reference.keys, reference.true_labels, strict=True))
        classes = {}
        for item in self.explanations:
            predicted = predicted_label(item)
            if predicted is not None:
                classes[item.key] = known[item.key] or item.class_names[predicted]
        groups: dict[str, Mapping[str, str | None]] = {"class": classes}
        column = config.metrics.slice
        if column is not None and column in reference.slices:
            groups[column] = dict(zip(reference.keys, reference.slices[column], strict=True))
        return importance_table(self.explanations, groups, top=IMPORTANT_PARTS)


def _wanted(config: Config) -> "Wanted":
    """Return the outputs that a configuration asks for."""
    from mlflow_lime.report.review_items import Wanted

    chosen = config.outputs
    return Wanted(
        top=chosen.top,
        pictures=chosen.pictures,
        tables=chosen.tables,
        max_pictures=chosen.max_pictures,
        version_tags=chosen.version_tags,
    )
