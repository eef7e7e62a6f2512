"""Explaining many instances: rounds of pooled predictions until each is precise enough."""

import time
from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mlflow_lime.core.assess import Fits, assess, fit_surrogates, permuted_r2
from mlflow_lime.core.domain import Domain, Subject
from mlflow_lime.core.drawn import DrawnBlock
from mlflow_lime.core.explanation import Explanation, FailedExplanation, LabelExplanation
from mlflow_lime.core.kernel import effective_share
from mlflow_lime.core.labels import LabelRule, choose_labels, one_rule_each, require_mode
from mlflow_lime.core.memory import keep_freed_memory
from mlflow_lime.core.moments import Rows
from mlflow_lime.core.neighbourhood import Neighbourhood
from mlflow_lime.core.options import Budget, Fitting, Pooling, Sampling
from mlflow_lime.core.pool import Pool, predict_draws
from mlflow_lime.core.predict import Predict, Predictor
from mlflow_lime.core.sample import Sample
from mlflow_lime.core.shuffled import Shuffled
from mlflow_lime.core.task import Task, by_design, failure, nothing_varies, out_of_time
from mlflow_lime.errors import DataError, MlflowLimeError, ModelError

__all__ = ["Explainer", "Outcome"]

FloatArray = NDArray[np.float64]
Outcome = Explanation | FailedExplanation

ORIGINALS = 1024
"""Instances whose own scores are asked for in one call."""

FITTED_OUTPUTS = 32
"""Up to this many outputs are all fitted, so that whole decisions can be compared."""


@dataclass(slots=True, eq=False)
class Explainer:
    """Explains instances of one domain with one model.

    Attributes
    ----------
    domain : Domain
        What the instances are.
    predict : callable
        From model inputs to probabilities, shape (n, n_classes), or values, shape (n,).
    mode : {"classification", "regression"}
        What the model does.
    class_names : sequence of str, optional
        Names of the model's outputs; ``"0"``, ``"1"``, ... by default.
    sampling : Sampling
        The neighbourhood.
    fitting : Fitting
        The surrogate.
    budget : Budget
        Where further rounds stop.
    pooling : Pooling
        How rows go to the model.
    predictor : Predictor
        The model, checked and counted.
    neighbourhood : Neighbourhood
        Which rows are drawn around an instance.
    pool : Pool
        The model's side of a job.
    """

    domain: Domain
    predict: Predict
    mode: str = "classification"
    class_names: Sequence[str] | None = None
    sampling: Sampling = field(default_factory=Sampling)
    fitting: Fitting = field(default_factory=Fitting)
    budget: Budget = field(default_factory=Budget)
    pooling: Pooling = field(default_factory=Pooling)
    predictor: Predictor = field(init=False)
    neighbourhood: Neighbourhood = field(init=False)
    pool: Pool = field(init=False)
    _started: float | None = field(init=False, default=None)
    _spent: tuple[int, int] = field(init=False, default=(0, 0))

    def __post_init__(self) -> None:
        require_mode(self.mode)
        predict: object = self.predict  # whatever a caller without type checks gave
        if not callable(predict):
            msg = (
                f"predict must be a function from rows to scores, got {type(predict).__name__}; "
                "give for example model.predict_proba"
            )
            raise DataError(msg)
        self.predictor = Predictor(self.predict, self.mode)
        self.neighbourhood = Neighbourhood(self.domain, self.sampling)
        self.pool = Pool(self.predictor, self.pooling, self.domain.call_rows)
        keep_freed_memory()

    def explain(
        self,
        instances: Any,
        *,
        labels: LabelRule | Sequence[LabelRule] = "auto",
        keys: Sequence[str] | None = None,
        progress: bool | None = False,
    ) -> list[Outcome]:
        """Explain instances, in their order.

        Parameters
        ----------
        instances : array_like, data frame, texts, or images
            What the domain reads.
        labels : "auto", "predicted", "all", int, sequence of str, or one of these an instance
            Labels to explain: the positive class of a binary model or the predicted one, the
            predicted one, all, the k likeliest, or by name. A list of lists is one an instance.
        keys : sequence of str, optional
            Names of the instances; their positions by default.
        progress : bool or None, default False
            Whether to show a progress bar; None shows it on a terminal only.

        Returns
        -------
        list of Explanation or FailedExplanation

        Raises
        ------
        DataError
            If the instances cannot be read.
        ModelError
            If the model fails for every one of several instances, and for the same reason.
        """
        subjects = self.domain.subjects(instances, keys)
        place = {id(subject): i for i, subject in enumerate(subjects)}
        outcomes: list[Outcome | None] = [None] * len(subjects)
        for subject, outcome in self.stream(subjects, labels=labels, progress=progress):
            outcomes[place[id(subject)]] = outcome
        return [outcome for outcome in outcomes if outcome is not None]

    def stream(
        self,
        subjects: Sequence[Subject],
        *,
        labels: LabelRule | Sequence[LabelRule] = "auto",
        progress: bool | None = False,
    ) -> Iterator[tuple[Subject, Outcome]]:
        """Explain instances, and yield each as soon as it is finished.

        Parameters
        ----------
        subjects : sequence of Subject
            What `Domain.subjects` returned.
        labels : see `explain`
        progress : bool or None, default False

        Yields
        ------
        subject : Subject
        outcome : Explanation or FailedExplanation
        """
        started = self._started = time.monotonic()
        self._spent = (self.predictor.counter.rows, self.predictor.counter.calls)
        rules = one_rule_each(labels, len(subjects))
        source = self._shared(subjects, rules) if self.domain.shared else self._own(subjects, rules)
        disable = None if progress is None else not progress
        with tqdm(total=len(subjects), unit="instance", desc="LIME", disable=disable) as bar:
            for subject, outcome in source:
                rows = self.predictor.counter.rows - self._spent[0]
                elapsed = max(time.monotonic() - started, 1e-9)
                bar.set_postfix_str(f"{rows:,} rows, {rows / elapsed:,.0f} rows/s", refresh=False)
                bar.update()
                yield subject, outcome

    def plan(self, subject: Subject) -> tuple[str, int, int]:
        """Return what explaining an instance will take, without asking the model.

        Returns
        -------
        design : str
            How its masks will be drawn.
        first, most : int
            Rows of the first round, and of all rounds together.
        """
        first = self.neighbourhood.round_rows(subject, 0)
        last = self.neighbourhood.last_round(subject)
        return self.neighbourhood.design(subject), first, first * 2**last

    # Instances with neighbourhoods of their own

    def _own(
        self, subjects: Sequence[Subject], rules: Sequence[LabelRule]
    ) -> Iterator[tuple[Subject, Outcome]]:
        begun_tasks: list[Task] = []
        for subject, begun in self._begin(subjects, rules):
            if isinstance(begun, FailedExplanation):
                yield subject, begun
            elif subject.n_active == 0:
                yield subject, nothing_varies(subject)
            else:
                begun_tasks.append(begun)
        waiting = by_design(begun_tasks)
        del begun_tasks  # each is let go once it is finished
        while waiting:
            if self._out_of_time():
                for task in waiting:
                    late = out_of_time(task.subject, self.budget.seconds)
                    yield task.subject, self._last(task) if task.round else late
                return
            yield from self._advance(waiting)

    def _advance(self, waiting: deque[Task]) -> Iterator[tuple[Subject, Outcome]]:
        """Predict one pooled block for the instances at the head of the queue."""
        tasks: list[Task] = []
        owners: list[tuple[Task, DrawnBlock]] = []
        size = 0
        target = self.pool.target(self.domain.row_bytes(waiting[0].subject))
        while waiting and (not tasks or size < target):
            task = waiting.popleft()
            try:
                blocks = task.drawn.round(task.round)
            except MlflowLimeError as error:
                yield task.subject, failure(task.subject, error)
                continue
            tasks.append(task)
            owners += ((task, drawn) for drawn in blocks)
            size += sum(len(drawn.block.weights) for drawn in blocks)
        # What instances share is looked at for all of them while it is at hand.
        owners.sort(key=lambda owner: owner[1].replicate)
        draws = [(task.subject, one.block.reordered(task.sample.order)) for task, one in owners]
        self.neighbourhood.remembered.forget()
        answers = predict_draws(self.pool, self.domain, draws) if draws else []
        failed: dict[int, MlflowLimeError] = {}
        for (task, drawn), answer in zip(owners, answers, strict=True):
            if isinstance(answer, MlflowLimeError):
                failed[id(task)] = answer
            elif id(task) not in failed:
                task.rows_predicted += answer.n_predicted
                try:
                    self._add(task, drawn, answer.scores)
                except MlflowLimeError as error:
                    failed[id(task)] = error
        outcomes = self._outcomes([task for task in tasks if id(task) not in failed])
        for task in tasks:
            if id(task) in failed:
                yield task.subject, failure(task.subject, failed[id(task)])
                continue
            outcome = outcomes[id(task)]
            limited = waiting if self.budget.rows is not None else ()
            promised = sum(
                self.neighbourhood.round_rows(other.subject, other.round)
                for other in limited
                if other.round
            )
            if self._done(task, outcome, promised):
                yield task.subject, self._checked(task, outcome)
            else:
                task.round += 1
                waiting.appendleft(task)

    def _outcomes(self, tasks: Sequence[Task]) -> dict[int, Outcome]:
        """Return the explanations from all rows so far, or why there is none, by task."""
        groups: dict[Hashable, list[Task]] = {}
        for task in tasks:
            groups.setdefault(self._fitted_with(task), []).append(task)
        outcomes: dict[int, Outcome] = {}
        for group in groups.values():
            samples = [task.sample for task in group]
            origins = [self.domain.origin(task.subject) for task in group]
            try:
                fits = fit_surrogates(samples, origins, self.fitting)
            except MlflowLimeError as error:
                outcomes |= {id(task): failure(task.subject, error) for task in group}
            else:
                pairs = zip(group, fits, strict=True)
                outcomes |= {id(task): self._finish(task, fit) for task, fit in pairs}
        return outcomes

    def _fitted_with(self, task: Task) -> Hashable:
        """Return what the instances have in common whose surrogates are fitted together."""
        if task.drawn.shared and not self.fitting.selects(task.subject.n_active):
            return id(task.drawn), task.round, len(task.outputs)
        return id(task)

    def _last(self, task: Task) -> Outcome:
        return self._checked(task, self._outcomes([task])[id(task)])

    def _checked(self, task: Task, outcome: Outcome) -> Outcome:
        """Add to a finished explanation what a surrogate of shuffled scores explains."""
        if task.sample.shuffled is None or isinstance(outcome, FailedExplanation):
            return outcome
        if outcome.labels[0].flat:
            return outcome
        return replace(outcome, permuted_r2=permuted_r2(task.sample, self.fitting))

    def _done(self, task: Task, outcome: Outcome, promised: int = 0) -> bool:
        precise = isinstance(outcome, Explanation) and outcome.converged
        return precise or not self._may_extend(task, promised)

    def _add(self, task: Task, drawn: DrawnBlock, scores: FloatArray) -> None:
        rows = drawn.rows
        if rows is None:
            features = self.domain.features(task.subject, drawn.block)
            kernel = self.neighbourhood.kernel(task.subject)
            weights = kernel.weights(features, self.domain.origin(task.subject))
            rows = Rows(features, weights * drawn.block.weights)
        if len(task.outputs) < scores.shape[1]:
            scores = scores[:, task.outputs]
        task.sample.add(drawn.replicate, rows, scores)

    # Instances that share one pool of rows

    def _shared(
        self, subjects: Sequence[Subject], rules: Sequence[LabelRule]
    ) -> Iterator[tuple[Subject, Outcome]]:
        pool: list[tuple[DrawnBlock, FloatArray]] = []
        pending: list[Task] = []
        for subject, begun in self._begin(subjects, rules):
            if isinstance(begun, FailedExplanation):
                yield subject, begun
            elif subject.n_active == 0:
                yield subject, nothing_varies(subject)
            else:
                pending.append(begun)
        round_ = 0
        found: dict[int, Outcome] = {}
        while pending:
            try:
                added, charged = self._extend_pool(pending[0], round_)
            except MlflowLimeError:
                if round_ == 0:
                    raise
                yield from ((task.subject, found[id(task)]) for task in pending)
                return
            pool.extend(added)
            later: list[Task] = []
            for task in pending:
                task.round = round_
                task.rows_predicted, charged = task.rows_predicted + charged, 0
                task.sample = task.sample.emptied()
                for drawn, scores in pool:
                    self._add(task, drawn, scores)
                found[id(task)] = self._last(task)
                task.sample = task.sample.emptied()
                if self._done(task, found[id(task)]):
                    yield task.subject, found.pop(id(task))
                else:
                    later.append(task)
            pending, round_ = later, round_ + 1

    def _extend_pool(
        self, task: Task, round_: int
    ) -> tuple[list[tuple[DrawnBlock, FloatArray]], int]:
        added, charged = [], 0
        for drawn in task.drawn.round(round_):
            (answer,) = predict_draws(self.pool, self.domain, [(task.subject, drawn.block)])
            if isinstance(answer, MlflowLimeError):
                raise answer
            added.append((drawn, answer.scores))
            charged += answer.n_predicted
        return added, charged

    # What both ways share

    def _begin(
        self, subjects: Sequence[Subject], rules: Sequence[LabelRule]
    ) -> Iterator[tuple[Subject, Task | FailedExplanation]]:
        """Predict the instances themselves, and choose what to explain of each."""
        chunks = [subjects[i : i + ORIGINALS] for i in range(0, len(subjects), ORIGINALS)]
        found = [scores for chunk in chunks for scores in self._score_originals(chunk)]
        errors = [scores for scores in found if isinstance(scores, MlflowLimeError)]
        if len(errors) == len(found) > 1 and len({type(error) for error in errors}) == 1:
            raise errors[0]
        for subject, rule, scores in zip(subjects, rules, found, strict=True):
            if isinstance(scores, MlflowLimeError):
                yield subject, failure(subject, scores)
                continue
            try:
                yield subject, self._task(subject, rule, scores)
            except MlflowLimeError as error:
                yield subject, failure(subject, error)

    def _score_originals(self, subjects: Sequence[Subject]) -> list[FloatArray | MlflowLimeError]:
        try:
            return list(self.predictor(self.domain.originals(subjects), len(subjects)))
        except MlflowLimeError as error:
            if len(subjects) == 1:
                return [error]
        return [self._score_originals([subject])[0] for subject in subjects]

    def _task(self, subject: Subject, rule: LabelRule, scores: FloatArray) -> Task:
        names = self._names(len(scores))
        chosen = choose_labels(rule, scores, names, mode=self.mode)
        every = len(scores) <= FITTED_OUTPUTS
        outputs = list(range(len(scores))) if every else sorted(set(chosen))
        exact = self.neighbourhood.is_exact(subject)
        drawn = self.neighbourhood.drawn(subject)
        return Task(
            subject=subject,
            scores=scores,
            outputs=outputs,
            labels=[(outputs.index(i), i, names[i]) for i in chosen],
            exact=exact,
            sample=Sample(
                1 if exact else self.sampling.replicates,
                scores[outputs],
                None if exact else self._shuffled(subject, outputs.index(chosen[0])),
                self.neighbourhood.order(subject),
                drawn.covariates if drawn.shared else None,
            ),
            drawn=drawn,
        )

    def _shuffled(self, subject: Subject, output: int) -> Shuffled | None:
        if not self.fitting.permuted or self.fitting.regressor is not None:
            return None
        return Shuffled(self.neighbourhood.seed(subject), output)

    def _names(self, n_outputs: int) -> tuple[str, ...]:
        if self.class_names is None:
            if self.mode == "regression":
                return (
                    ("value",) if n_outputs == 1 else tuple(f"value {i}" for i in range(n_outputs))
                )
            return tuple(str(i) for i in range(n_outputs))
        names = tuple(str(name) for name in self.class_names)
        if len(names) != n_outputs:
            msg = (
                f"the model returned {n_outputs} outputs, but {len(names)} class names are given: "
                f"{list(names)[:10]}; give one name for each output, in their order"
            )
            raise ModelError(msg)
        return names

    def _finish(self, task: Task, fits: Fits) -> Explanation:
        results = assess(
            task.sample,
            fits,
            scores=task.scores[task.outputs],
            mode=self.mode,
            labels=task.labels,
            confidence=self.fitting.confidence,
        )
        subject, exact = task.subject, task.exact
        return Explanation(
            key=subject.key,
            mode=self.mode,
            class_names=self._names(len(task.scores)),
            scores=task.scores,
            parts=subject.parts,
            names=subject.names,
            labels=tuple(item.spread(subject.active, len(subject.parts)) for item in results),
            ess_share=effective_share(task.sample.all_weights()),
            rows=task.sample.n_rows,
            rows_predicted=task.rows_predicted,
            converged=exact or all(self._precise(result) for result in results),
            exact=exact,
            seed=self.sampling.seed,
            digest=subject.digest,
            recipe=self._recipe(task),
            notes=subject.notes,
            contents=subject.shown,
        )

    def _precise(self, result: LabelExplanation) -> bool:
        half = (result.high - result.low).max(initial=0.0) / 2
        largest = np.abs(result.weights).max(initial=0.0)
        return result.flat or bool(half <= self.sampling.precision * largest)

    def _may_extend(self, task: Task, promised: int) -> bool:
        """Return whether the budget bears another round, beside rows promised to others."""
        if task.round >= self.neighbourhood.last_round(task.subject) or self._out_of_time():
            return False
        spent_rows = self.predictor.counter.rows - self._spent[0]
        promised += self.neighbourhood.round_rows(task.subject, task.round + 1)
        return (self.budget.rows is None or spent_rows + promised <= self.budget.rows) and (
            self.budget.calls is None or self.spent()[0] < self.budget.calls
        )

    def _out_of_time(self) -> bool:
        limit = self.budget.seconds
        return limit is not None and self.spent()[1] > limit

    def spent(self) -> tuple[int, float]:
        """Return the calls of the model, and the seconds, since the latest job began."""
        if self._started is None:
            return 0, 0.0
        return self.predictor.counter.calls - self._spent[1], time.monotonic() - self._started

    def _recipe(self, task: Task) -> dict[str, Any]:
        return {
            **self.neighbourhood.recipe(task.subject),
            "select": self.fitting.select,
            "penalty": self.fitting.penalty,
            "confidence": self.fitting.confidence,
            "regressor": getattr(self.fitting.regressor, "__qualname__", None),
        }
