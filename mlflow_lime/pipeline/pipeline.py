"""`Pipeline`: the steps of a file on one model version, each where its conditions hold."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal

from mlflow_lime.config.steps import Conditions, PlannedStep, StepsFile
from mlflow_lime.errors import ConfigError, MlflowLimeError, shorten
from mlflow_lime.pipeline.registry import STEPS
from mlflow_lime.pipeline.step import Context, Result

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from mlflow_lime.tracking.versions import ModelVersionRef

__all__ = ["Pipeline", "Record", "why_not"]


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """What became of one step.

    Attributes
    ----------
    step : PlannedStep
    state : {'done', 'unchanged', 'failed', 'skipped'}
    reason : str
        Why it was skipped or failed.
    result : Result or None
        None where the step did not come to an end.
    error : Exception or None
        What the step raised.
    seconds : float
    """

    step: PlannedStep
    state: Literal["done", "unchanged", "failed", "skipped"]
    reason: str = ""
    result: Result | None = None
    error: Exception | None = None
    seconds: float = 0.0


class Pipeline:
    """The steps of a file, ready to run on one model version.

    Parameters
    ----------
    file : StepsFile
    ref : ModelVersionRef
    client : MlflowClient
    progress : bool
        Whether steps may show a progress bar.

    Raises
    ------
    ConfigError
        If a step's configuration is for other models.
    """

    def __init__(
        self,
        file: StepsFile,
        ref: "ModelVersionRef",
        client: "MlflowClient",
        *,
        progress: bool = False,
    ) -> None:
        self.file = file
        self.ref = ref
        self.client = client
        self.progress = progress
        for step in file.steps:
            _check_models(step, ref)

    def preview(self, start: int = 0) -> Iterator[tuple[PlannedStep, str]]:
        """Yield each step, and why it would be skipped if no step failed; ``""`` where it runs."""
        for index, step in enumerate(self.file.steps):
            yield step, "before --from" if index < start else why_not(step.when, self.ref)

    def run(
        self, start: int = 0, *, begins: Callable[[PlannedStep], None] | None = None
    ) -> Iterator[Record]:
        """Run the steps, and yield what became of each.

        Parameters
        ----------
        start : int
            Position of the first step to run; earlier ones are skipped.
        begins : callable, optional
            Told of each step before it runs.
        """
        results: dict[str, Result] = {}
        blocked = failed = False
        for index, step in enumerate(self.file.steps):
            if index < start:
                yield Record(step, "skipped", "before --from")
                continue
            reason = self._why_not(step, blocked=blocked, failed=failed)
            if reason:
                yield Record(step, "skipped", reason)
                continue
            if begins is not None:
                begins(step)
            record = self._do(step, results)
            if record.result is not None:
                results[step.name] = record.result
            failed |= record.state == "failed"
            blocked |= record.state == "failed" and step.stops
            yield record

    def _why_not(self, step: PlannedStep, *, blocked: bool, failed: bool) -> str:
        if step.when.alias or step.when.tag:  # earlier steps may have changed them
            from mlflow_lime.tracking.versions import resolve_model

            self.ref = resolve_model(self.ref.uri, self.client)
        return why_not(step.when, self.ref, blocked=blocked, failed=failed)

    def _do(self, step: PlannedStep, results: dict[str, Result]) -> Record:
        context = Context(
            ref=self.ref,
            config=step.config,
            options=step.options,
            client=self.client,
            results=dict(results),
            progress=self.progress,
        )
        started = time.perf_counter()
        try:
            result = STEPS[step.kind].run(context)
        except (Exception, SystemExit) as error:  # code that a step loads may call sys.exit()
            seconds = time.perf_counter() - started
            return Record(step, "failed", _sentence(error), error=_raised(error), seconds=seconds)
        return Record(step, result.outcome, result=result, seconds=time.perf_counter() - started)


def why_not(
    when: Conditions, ref: "ModelVersionRef", *, blocked: bool = False, failed: bool = False
) -> str:
    """Return why a step does not run; ``""`` where it does.

    Parameters
    ----------
    when : Conditions
    ref : ModelVersionRef
        The version as it is now.
    blocked : bool
        Whether an earlier step failed, and so ended what goes on after success.
    failed : bool
        Whether any earlier step failed.
    """
    if when.after == "success" and blocked:
        return "an earlier step failed"
    if when.after == "failure" and not failed:
        return "no earlier step failed"
    if when.models and not _is_among(ref.name, when.models):
        return f"{ref.label} is not among the models {_listed(when.models)}"
    if when.alias and not set(when.alias) & set(ref.aliases):
        return f"no alias {_listed(when.alias)} points to {ref.label}"
    for key, wanted in when.tag.items():
        found = ref.tags.get(key)
        if found is None or not fnmatchcase(found, wanted):
            has = "is not set" if found is None else f"is {shorten(found)}"
            return f"tag {key} of {ref.label} {has}, not {shorten(wanted)}"
    return ""


def _is_among(name: str | None, patterns: tuple[str, ...]) -> bool:
    return name is not None and any(fnmatchcase(name, pattern) for pattern in patterns)


def _listed(names: tuple[str, ...]) -> str:
    return " or ".join(names)


def _check_models(step: PlannedStep, ref: "ModelVersionRef") -> None:
    if ref.name is None or step.config.matches(ref.name):
        return
    if step.when.models and not _is_among(ref.name, step.when.models):
        return  # it would be skipped
    msg = (
        f"{step.place}: the configuration of {step.name!r} is for models "
        f"{shorten(step.config.models)}, which leaves out {ref.name!r}; add it to `models` there, "
        "or give the step a condition, when: {models: ...}"
    )
    raise ConfigError(msg)


def _raised(error: Exception | SystemExit) -> Exception:
    """Return an error that ends a step and not the interpreter."""
    if isinstance(error, Exception):
        return error
    return RuntimeError(f"SystemExit({shorten(error.code, 40)})")


def _sentence(error: Exception | SystemExit) -> str:
    if isinstance(error, MlflowLimeError):
        return str(error)
    text = (str(error).strip() or "no message").splitlines()[0]
    return f"unexpected {type(error).__name__}: {shorten(text, 300)}"
