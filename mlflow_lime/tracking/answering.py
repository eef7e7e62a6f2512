"""Explaining the instances of a reference set as work that any engine can do."""

import hashlib
import pickle
import time
from dataclasses import dataclass, field
from functools import cached_property

from mlflow_lime.config import Config
from mlflow_lime.core.explanation import FailedExplanation
from mlflow_lime.core.options import Budget
from mlflow_lime.core.packed import pack
from mlflow_lime.core.pool import BlockSize
from mlflow_lime.engine.work import Answer, Task
from mlflow_lime.errors import ModelError
from mlflow_lime.reference.portion import Portion, first_rows
from mlflow_lime.reference.reference_set import ReferenceSet
from mlflow_lime.tracking.connection import (
    absolute,
    choose_store,
    chosen_store,
    quiet_autologging,
    quiet_downloads,
)
from mlflow_lime.tracking.questions import ask, load_scorer, sample_inputs
from mlflow_lime.tracking.scoring_function import ScoringFunction

__all__ = ["Answering", "answering_of"]


@dataclass(frozen=True)
class Answering:
    """The model, the configuration, and what the instances of a set have in common.

    Attributes
    ----------
    model_uri : str
    tracking_uri, registry_uri : str
        The MLflow store. They may hold credentials, and go nowhere but to the workers.
    config : Config
    base : ReferenceSet
        A few instances of the set, with its layout and background.
    scorer : ScoringFunction or None
        The model, where it is loaded; it is never sent.
    """

    model_uri: str
    tracking_uri: str
    registry_uri: str
    config: Config
    base: ReferenceSet
    scorer: ScoringFunction | None = field(default=None, compare=False)

    @cached_property
    def name(self) -> str:
        """Hash of all this."""
        return hashlib.sha256(pickle.dumps(self)).hexdigest()

    def __getstate__(self) -> dict[str, object]:
        fields = ("model_uri", "tracking_uri", "registry_uri", "config", "base")
        return {name: getattr(self, name) for name in fields} | {"scorer": None}

    def open(self) -> Answer:
        """Load the model, if it is not loaded yet.

        Raises
        ------
        MlflowLimeError
            If the model cannot be loaded, or not be asked.
        """
        scorer = self.scorer
        if scorer is None:
            choose_store(self.tracking_uri, self.registry_uri)
            with quiet_autologging(), quiet_downloads():
                sample = sample_inputs(self.base, self.config)
                scorer = load_scorer(self.model_uri, self.config, sample)
        return _Opened(self, scorer)


@dataclass(slots=True, eq=False)
class _Opened:
    """A loaded model, ready to answer; what was learnt of its pace is kept between tasks."""

    work: Answering
    scorer: ScoringFunction
    size: BlockSize | None = None
    used: tuple[int, int] = (0, 0)
    started: float = field(default_factory=time.monotonic)

    def __call__(self, task: Task) -> list[bytes]:
        """Return a packed outcome for each instance."""
        if not isinstance(task, Portion):
            msg = f"expected instances of a reference set, got {type(task).__name__}"
            raise TypeError(msg)
        with quiet_autologging():
            questions = ask(task.within(self.work.base), self.scorer, self.work.config)
            pool = questions.explainer.pool
            pool.size = self.size = self.size or pool.size
            questions.explainer.budget = self._left(questions.explainer.budget)
            try:
                return [pack(outcome) for outcome in questions.answer()]
            except ModelError as error:
                # It fails for all of these; whether for all others as well, the driver will see.
                kind = type(error).__name__
                failed = (FailedExplanation(key, str(error), kind) for key in task.keys)
                return [pack(questions.redacted(item)) for item in failed]
            finally:
                spent = questions.explainer.predictor.counter
                self.used = (self.used[0] + spent.rows, self.used[1] + spent.calls)

    def _left(self, budget: Budget) -> Budget:
        """Return what earlier tasks have left over of the budget of the whole job."""
        rows, calls, seconds = budget.rows, budget.calls, budget.seconds
        return Budget(
            rows=None if rows is None else rows - self.used[0],
            calls=None if calls is None else calls - self.used[1],
            seconds=None if seconds is None else seconds - (time.monotonic() - self.started),
        )


def answering_of(
    uri: str, config: Config, reference: ReferenceSet, scorer: ScoringFunction | None
) -> Answering:
    """Return the work of explaining instances of a set.

    Parameters
    ----------
    uri : str
        The model.
    config : Config
    reference : ReferenceSet
    scorer : ScoringFunction or None
        The model, where it is loaded in this process.
    """
    tracking_uri, registry_uri = chosen_store()
    return Answering(
        model_uri=absolute(uri),
        tracking_uri=tracking_uri,
        registry_uri=registry_uri,
        config=config,
        base=first_rows(reference),
        scorer=scorer,
    )
