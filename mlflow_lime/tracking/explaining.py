"""Explaining the instances of a reference set on an engine, and keeping what is finished."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial

from tqdm import tqdm

from mlflow_lime.config import Config, EngineSection
from mlflow_lime.core.explain import Outcome
from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.core.packed import name_of, unpack
from mlflow_lime.core.stored import StoredOutcomes
from mlflow_lime.engine.choose import choose_engine
from mlflow_lime.engine.cutting import MOST, Cutter
from mlflow_lime.engine.threads import Threads
from mlflow_lime.engine.work import Engine, Result
from mlflow_lime.errors import ConfigError, ModelError
from mlflow_lime.journal import Journal
from mlflow_lime.reference.portion import Portion
from mlflow_lime.tracking.answering import answering_of
from mlflow_lime.tracking.questions import Questions

__all__ = ["WORTH_PROCESSES", "Explaining", "engine_of", "is_large"]

WORTH_PROCESSES = 1000
"""Instances from which processes are started where the configuration leaves it open."""
HOPELESS = 1000
"""Failures after which a model that has explained nothing is given up."""


def is_large(n_instances: int, config: Config) -> bool:
    """Return whether a set is too large to be held in memory and shown as a whole."""
    return n_instances > config.outputs.max_instances


def engine_of(chosen: EngineSection, *, n_units: int, large: bool) -> Engine:
    """Return the engine that a configuration asks for; see `choose_engine`."""
    return choose_engine(
        chosen.kind,
        chosen.mode,
        workers=None if chosen.workers == "auto" else chosen.workers,
        n_units=n_units,
        large=large,
        settings=chosen.spark,
    )


@dataclass(slots=True, eq=False)
class Explaining:
    """The instances of a reference set on their way.

    Attributes
    ----------
    questions : Questions
    config : Config
    journal : Journal
        Takes what is finished, and knows what was finished before.
    model_uri : str or None
        Where workers find the model; None for a model that lives in this process alone.
    progress : bool or None
        Whether to show a progress bar; None shows it on a terminal only.
    answered : bool
        Whether any instance is explained by now.
    failures : int
        Instances that were not, as long as none is.
    """

    questions: Questions
    config: Config
    journal: Journal
    model_uri: str | None = None
    progress: bool | None = False
    answered: bool = field(init=False, default=False)
    failures: int = field(init=False, default=0)

    def outcomes(self) -> Iterable[Outcome] | StoredOutcomes:
        """Explain what is not finished yet, and return all outcomes.

        Returns
        -------
        StoredOutcomes or iterable of Explanation and FailedExplanation
            On disk for a large set; otherwise in the order of the set.

        Raises
        ------
        ModelError
            If the model fails for every instance.
        ConfigError
            If the engine cannot be had.
        """
        large = is_large(len(self.questions.keys), self.config)
        engine = self._engine()
        if engine is None and not large:
            return self._here()
        self._elsewhere(engine or Threads(1))
        found = self.journal.stored(self.questions.keys)
        return self._redacted_on_disk(found) if large else self._in_order(found)

    def _redacted_on_disk(self, found: StoredOutcomes) -> StoredOutcomes:
        if self.questions.reference.store_inputs == "full":
            return found
        failed = (self._redacted(item) for item in found.failed)
        return StoredOutcomes(
            found.explanations.changed(Explanation.redacted),
            tuple(item for item in failed if isinstance(item, FailedExplanation)),
        )

    def _in_order(self, found: StoredOutcomes) -> Iterator[Outcome]:
        known: dict[str, Outcome] = {item.key: item for item in found.failed}
        known.update({item.key: item for item in found.explanations})
        return (self._redacted(known[key]) for key in self.questions.keys if key in known)

    def _redacted(self, outcome: Outcome) -> Outcome:
        """Take out what an earlier attempt may have been allowed to store."""
        return self.questions.redacted(outcome)

    # In this thread, one instance after the other

    def _here(self) -> Iterator[Outcome]:
        questions = self.questions
        known: dict[str, Outcome] = {
            outcome.key: self._redacted(outcome)
            for outcome in self.journal.read()
            if isinstance(outcome, Explanation)
        }
        self.answered = bool(known)
        try:
            for outcome in questions.answer(skip=set(known), progress=self.progress):
                self.journal.add(outcome)
                self.answered |= isinstance(outcome, Explanation)
                known[outcome.key] = outcome
        except ModelError as error:
            if not known:
                raise
            # All that are left fail, as where only the failing ones are left after a kill.
            kind = type(error).__name__
            for key in questions.keys:
                failed = FailedExplanation(key, str(error), kind)
                known.setdefault(key, self._redacted(failed))
        for key in questions.keys:
            yield known[key]

    # On an engine, in tasks

    def _engine(self) -> Engine | None:
        """Return the engine that the job gets; None for this thread alone."""
        chosen, n = self.config.engine, len(self.questions.keys)
        if self._counts_all_rows():
            if chosen.kind == "spark":
                msg = (
                    "sampling.max_total_rows, max_calls and max_seconds are counted in one "
                    "process, which engine.kind: spark has not; set sampling.max_rows, or "
                    "engine.kind: local"
                )
                raise ConfigError(msg)
            return None
        if chosen.kind == "spark" and self.model_uri is None:
            msg = (
                "engine.kind is 'spark', whose workers load the model by its URI, but this model "
                "lives in this process alone; log or register it, or set engine.kind: local"
            )
            raise ConfigError(msg)
        here = self.model_uri is None  # no worker could load it
        if here and chosen.mode == "processes":
            chosen = chosen.model_copy(update={"mode": "auto"})
        engine = engine_of(chosen, n_units=n, large=not here and n >= WORTH_PROCESSES)
        return None if isinstance(engine, Threads) and engine.workers == 1 else engine

    def _counts_all_rows(self) -> bool:
        sampling = self.config.sampling
        limits = (sampling.max_total_rows, sampling.max_calls, sampling.max_seconds)
        return any(limit is not None for limit in limits)

    def _elsewhere(self, engine: Engine) -> None:
        keys = self.questions.keys
        explained = set(self.journal.stored(keys).keys)
        self.answered = bool(explained)
        todo = [i for i, key in enumerate(keys) if key not in explained]
        if not todo:
            return
        questions = self.questions
        local = isinstance(engine, Threads)
        work = answering_of(
            self.model_uri or "",
            self.config,
            questions.reference,
            questions.scorer if local else None,
        )
        cutter = Cutter(
            todo,
            partial(Portion.of, questions.reference),
            engine.workers,
            self._task_instances(),
        )
        disable = None if self.progress is None else not self.progress
        bar = tqdm(
            total=len(keys), initial=len(explained), unit="instance", desc="LIME", disable=disable
        )
        with ExitStack() as stack:
            stack.callback(engine.close)
            stack.enter_context(bar)
            for result in stack.enter_context(closing(engine.run(work, iter(cutter)))):
                self.journal.add_packed(result.lines)
                cutter.record(result.size, result.seconds)
                bar.update(result.size)
                self._give_up_if_hopeless(result)

    def _task_instances(self) -> int | None:
        if self.questions.explainer.domain.shared:
            return MOST  # each task predicts the rows that its instances share
        chosen = self.config.engine.task_instances
        return None if chosen == "auto" else chosen

    def _give_up_if_hopeless(self, result: Result) -> None:
        if self.answered:
            return
        self.answered = any(name_of(line)[1] for line in result.lines)
        if not self.answered and result.size:
            self.failures += result.size
            outcome = unpack(result.lines[0])
            most = min(HOPELESS, len(self.questions.keys))
            if self.failures >= most and isinstance(outcome, FailedExplanation):
                msg = f"none of {self.failures} instances could be explained: {outcome.reason}"
                raise ModelError(msg)
