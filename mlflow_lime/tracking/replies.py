"""What a model says about rows that instances may be picked from, asked for once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from numpy.typing import NDArray

from mlflow_lime.config import Config
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.core.layout import Layout
from mlflow_lime.errors import ConfigError, MlflowLimeError, ModelError
from mlflow_lime.reference.distances import coordinates
from mlflow_lime.reference.reference_set import ReferenceSet
from mlflow_lime.tracking.questions import Questions, ask, load_scorer
from mlflow_lime.tracking.scoring_function import ScoringFunction
from mlflow_lime.tracking.versions import resolve_model

__all__ = ["ModelReplies"]

FloatArray = NDArray[np.float64]
Rows = NDArray[np.intp]

EXPLAINED, EXPLAINED_IMAGES = 200, 50
"""Rows that are explained to pick by explanations, at most; images, whose rows cost more."""
ROWS, ROWS_A_PART = 128, 4
"""Model rows of each of these explanations, at least, and for each of its parts."""
CALL_ROWS, CALL_IMAGES = 1024, 32
"""Rows that the model is given at a time."""


@dataclass(eq=False)
class ModelReplies:
    """Scores, distances and explanations of rows, for the pickers that need them.

    Attributes
    ----------
    features : DataFrame
        The rows, with the columns that the model reads; paths of images are absolute.
    layout : Layout
        What the columns hold.
    scorer : ScoringFunction
        The model.
    config : Config
    client : MlflowClient or None
        Client of the store that holds the baseline.
    progress : bool or None
        Whether explaining shows a progress bar.
    notes : list of str
        What a reader must know.
    """

    features: pd.DataFrame
    layout: Layout
    scorer: ScoringFunction
    config: Config
    client: MlflowClient | None = None
    progress: bool | None = False
    notes: list[str] = field(default_factory=list)
    _known: dict[str, dict[int, FloatArray]] = field(default_factory=dict)

    @property
    def mode(self) -> str:
        """What the model does."""
        return self.scorer.mode

    @property
    def class_names(self) -> Sequence[str]:
        """Name of each column of the scores."""
        return self.scorer.class_names

    @property
    def baseline_names(self) -> Sequence[str]:
        """Name of each column of the baseline's scores."""
        return self._baseline.class_names

    @property
    def most_explained(self) -> int:
        """Rows that are worth explaining, at most."""
        return EXPLAINED_IMAGES if self.layout.images else EXPLAINED

    def points(self, rows: Rows) -> FloatArray:
        """Return where rows lie; NaN for what cannot be read."""
        frame = self.layout.absorb(self.features.iloc[rows])
        found = coordinates(self.layout, frame, seed=self.config.seed)
        self._note_lost("cannot be read", int(np.isnan(found).any(axis=1).sum()), len(rows))
        return found

    def scores(self, rows: Rows) -> FloatArray:
        """Return the model's scores; NaN where it fails."""
        return self._scores("the model", self.scorer, rows)

    def baseline_scores(self, rows: Rows) -> FloatArray:
        """Return the baseline's scores; NaN where it fails."""
        return self._scores("the baseline", self._baseline, rows)

    def explanations(self, rows: Rows) -> Sequence[Explanation | None]:
        """Return an explanation of each row from few model rows; None where there is none."""
        questions = self._questions(rows)
        wish = self.config.labels
        labels = wish if isinstance(wish, (str, int)) else [str(name) for name in wish]
        found: dict[str, Explanation] = {}
        for subject, outcome in questions.explainer.stream(
            questions.subjects, labels=labels, progress=self.progress
        ):
            if isinstance(outcome, Explanation):
                found[subject.key] = outcome
        if not found:
            msg = f"none of {len(rows)} rows could be explained, so none is picked by explanations"
            raise ModelError(msg)
        self._note_lost("could not be explained", len(rows) - len(found), len(rows))
        return [found.get(key) for key in questions.keys]

    def _questions(self, rows: Rows) -> Questions:
        """Return rows, and an explainer that asks the model little about each."""
        pool = ReferenceSet.pin(
            self.layout.absorb(self.features.iloc[rows]),
            self.layout,
            positions=rows.tolist(),
            reasons=[""] * len(rows),
        )
        # Which labels are asked for is said later; a number keeps them from being asked for now.
        config = self.config.model_copy(update={"labels": 1})
        questions = ask(pool, self.scorer, config)
        if questions.explainer.domain.shared:  # one pool of model rows serves all instances
            return questions
        parts = max((subject.n_active for subject in questions.subjects), default=0)
        few = max(ROWS, ROWS_A_PART * parts, 2 * config.sampling.replicates)
        chosen = config.sampling.rows
        few = few if chosen == "auto" else min(few, chosen)
        sampling = config.sampling.model_copy(update={"rows": few, "max_rows": few})
        return ask(pool, self.scorer, config.model_copy(update={"sampling": sampling}))

    @cached_property
    def _baseline(self) -> ScoringFunction:
        uri = self.config.reference.against
        if uri is None:
            msg = "pick: disagreement needs the version to differ from; set reference.against"
            raise ConfigError(msg)
        ref = resolve_model(uri, self.client)
        found = load_scorer(
            ref.uri, self.config, self._inputs(np.arange(min(2, len(self.features))))
        )
        if found.mode != self.mode:
            msg = (
                f"reference.against names a model for {found.mode}, but this one is for "
                f"{self.mode}; name a version that does the same"
            )
            raise ConfigError(msg)
        return found

    def _inputs(self, rows: Rows) -> Any:
        """Return rows as the model reads them."""
        frame = self.features.iloc[rows].reset_index(drop=True)
        return self.layout.model_inputs(frame)

    def _scores(self, who: str, scorer: ScoringFunction, rows: Rows) -> FloatArray:
        known = self._known.setdefault(who, {})
        new = np.array([row for row in rows.tolist() if row not in known], dtype=np.intp)
        size = CALL_IMAGES if self.layout.images else CALL_ROWS
        failures: list[MlflowLimeError] = []
        for start in range(0, len(new), size):
            self._ask(scorer, new[start : start + size], known, failures)
        if len(failures) == len(new) > 0:
            msg = f"{who} answers for none of {len(new)} rows; the first: {failures[0]}"
            raise ModelError(msg)
        self._note_lost(f"are left out, because {who} fails on them", len(failures), len(new))
        blank = np.full(len(scorer.class_names), np.nan)
        return np.stack([known.get(row, blank) for row in rows.tolist()])

    def _ask(
        self,
        scorer: Callable[[Any], FloatArray],
        rows: Rows,
        known: dict[int, FloatArray],
        failures: list[MlflowLimeError],
    ) -> None:
        """Add the scores of rows; where a call fails, those of its halves."""
        try:
            known.update(zip(rows.tolist(), scorer(self._inputs(rows)), strict=True))
        except MlflowLimeError as error:
            if len(rows) == 1:
                failures.append(error)
                return
            for half in np.array_split(rows, 2):
                self._ask(scorer, half, known, failures)

    def _note_lost(self, what: str, count: int, total: int) -> None:
        if count:
            self.notes.append(f"{count} of {total} rows that instances are picked from {what}")
