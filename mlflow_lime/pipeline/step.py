"""What a step is: its keys, what it is given, and what it gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from mlflow_lime.config.model import Config
from mlflow_lime.config.sections import Section
from mlflow_lime.config.steps import StepKeys

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from mlflow_lime.tracking.versions import ModelVersionRef

__all__ = ["Context", "Result", "Step"]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a step.

    Attributes
    ----------
    lines : tuple of str
        What a reader of the log is told.
    run_id : str or None
        The run that holds what the step made.
    metrics : mapping of str to float
    outcome : {'done', 'unchanged', 'failed'}
        Unchanged: everything was there already.
    """

    lines: tuple[str, ...] = ()
    run_id: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    outcome: Literal["done", "unchanged", "failed"] = "done"


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """What a step is given.

    Attributes
    ----------
    ref : ModelVersionRef
        The version, with its aliases and tags as they are now.
    config : Config
        The base configuration, with what the step overrides.
    options : Section
        The step's own keys.
    client : MlflowClient
    results : mapping of str to Result
        Results of the earlier steps that ran, by name.
    progress : bool
        Whether a progress bar may be shown.
    """

    ref: "ModelVersionRef"
    config: Config
    options: Section
    client: "MlflowClient"
    results: Mapping[str, Result]
    progress: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """A kind of step.

    Attributes
    ----------
    name : str
        The key in a steps file.
    summary : str
        One line that says what it does.
    keys : StepKeys
        What may stand below the name.
    run : callable
        Does it.
    """

    name: str
    summary: str
    keys: StepKeys
    run: Callable[[Context], Result]
