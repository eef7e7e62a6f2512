"""`Config`: everything that decides what is explained, and how."""

import hashlib
import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PrivateAttr

from mlflow_lime.config.deep import DeepSection
from mlflow_lime.config.domains import (
    ImageSection,
    SequenceSection,
    TabularSection,
    TextSection,
)
from mlflow_lime.config.engine import EngineSection, PredictionSection
from mlflow_lime.config.judging import (
    ChecksSection,
    CompareSection,
    GateSection,
    MetricsSection,
)
from mlflow_lime.config.registration import RegistrationSection
from mlflow_lime.config.reporting import ReportSection
from mlflow_lime.config.sections import (
    BackgroundSection,
    DataSection,
    KernelSection,
    OutputsSection,
    ReferenceSection,
    SamplingSection,
    Section,
    SurrogateSection,
)
from mlflow_lime.config.values import ClassName, CodeReference, Name, SomeItems, is_path
from mlflow_lime.errors import shorten

__all__ = ["Config"]

_WITHOUT_EFFECT: dict[str, Any] = {
    "models": True,
    "on_error": True,
    "data": True,
    "background": True,
    "reference": True,
    "prediction": True,
    "outputs": True,
    "registration": True,
    "metrics": True,
    "compare": True,
    "checks": True,
    "gate": True,
    "report": True,
    "engine": True,
    "text": {"sparse": True},
}
"""Keys that do not decide which numbers come out for pinned instances.

Where the instances and the background come from matters once, when they are pinned; from then on
the digest of the reference set stands for them.
"""

_LATER: dict[str, Section] = {
    "deep": DeepSection(),
    "text": TextSection(),
    "image": ImageSection(),
    "sequence": SequenceSection(),
}
"""Sections that are left out of the recipe where nothing in them is set.

So a configuration from before they existed keeps its digest.
"""


class Config(Section):
    """How the versions of a model are explained.

    Every key has a default, so ``Config()`` is a complete configuration. Instances are frozen and
    compare equal when every key is equal, wherever they were loaded from. Use `load_config` or
    `parse_config` for what a person wrote: they raise `ConfigError` with the place and the cure,
    the class itself raises pydantic's ``ValidationError``.

    Examples
    --------
    >>> config = Config(reference=ReferenceSection(count=8))
    >>> config.reference.count, config.sampling.rows
    (8, 'auto')
    """

    models: Name | SomeItems[Name] = Field(
        default="*",
        description=(
            "Registered models that this file is for: a name, a shell pattern such as credit-*, or"
            " a list of them."
        ),
    )
    on_error: Literal["record", "raise"] = Field(
        default="record",
        description=(
            "When explaining fails: record (note the reason, let the evaluation or registration go"
            " on) or raise."
        ),
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=2**32 - 1,
        description="Seed of all random draws; the same seed gives the same explanations.",
    )
    task: Literal["auto", "classification", "regression"] = Field(
        default="auto",
        description="Kind of model: auto (seen from its outputs), classification or regression.",
    )
    predict: CodeReference | None = Field(
        default=None,
        description=(
            "A function of your own, module:function, from a data frame to scores, used instead of"
            " the model's; null for the model's own."
        ),
    )
    labels: (
        Literal["auto", "predicted", "all"]
        | Annotated[int, Field(ge=1, le=10_000)]
        | SomeItems[ClassName]
    ) = Field(
        default="auto",
        description=(
            "Classes to explain: auto (the positive class of two, else the true label or the"
            " predicted one), predicted, all, a number (the most probable so many), or a list of"
            " class names."
        ),
    )
    data: DataSection = Field(default_factory=DataSection, description="What can be explained.")
    background: BackgroundSection = Field(
        default_factory=BackgroundSection, description="What absent parts are replaced with."
    )
    reference: ReferenceSection = Field(
        default_factory=ReferenceSection,
        description=(
            "Which instances are explained; pinned at the first version, the same for every later"
            " one."
        ),
    )
    tabular: TabularSection = Field(
        default_factory=TabularSection,
        description="How rows of a table are taken apart and perturbed.",
    )
    text: TextSection = Field(
        default_factory=TextSection,
        description="Which columns are texts, and how they are taken apart and perturbed.",
    )
    image: ImageSection = Field(
        default_factory=ImageSection,
        description="Which columns are images, and how they are taken apart and perturbed.",
    )
    sequence: SequenceSection = Field(
        default_factory=SequenceSection,
        description="Which columns are sequences, and how they are taken apart and perturbed.",
    )
    sampling: SamplingSection = Field(
        default_factory=SamplingSection,
        description="How the neighbourhood of an instance is drawn, and when it is large enough.",
    )
    kernel: KernelSection = Field(
        default_factory=KernelSection,
        description="How neighbours are weighted by their distance from the instance.",
    )
    surrogate: SurrogateSection = Field(
        default_factory=SurrogateSection,
        description="The small model fitted around an instance; its weights are the explanation.",
    )
    prediction: PredictionSection = Field(
        default_factory=PredictionSection, description="How the model is called."
    )
    engine: EngineSection = Field(
        default_factory=EngineSection, description="Where explanations run."
    )
    outputs: OutputsSection = Field(
        default_factory=OutputsSection, description="What is drawn and logged."
    )
    registration: RegistrationSection = Field(
        default_factory=RegistrationSection,
        description="What is explained when it is registered, and within what bounds.",
    )

    metrics: MetricsSection = Field(
        default_factory=MetricsSection,
        description="What else is measured of each explanation, and what of all together.",
    )
    deep: DeepSection = Field(
        default_factory=DeepSection,
        description="Methods that look inside a neural network, beside LIME on the same parts.",
    )
    compare: CompareSection = Field(
        default_factory=CompareSection,
        description="How the reasons of two versions are compared.",
    )
    checks: ChecksSection = Field(
        default_factory=ChecksSection,
        description="What is looked for in the explanations of a version.",
    )
    gate: GateSection = Field(
        default_factory=GateSection,
        description="What must hold before a version is promoted.",
    )
    report: ReportSection = Field(
        default_factory=ReportSection,
        description="The page that reviewers read, and what leads to it in MLflow's UI.",
    )

    _folder: Path | None = PrivateAttr(default=None)

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Check that classes are chosen only where there are classes."""
        if self.task == "regression" and self.labels != "auto":
            yield (
                "labels",
                (
                    f"expected 'auto' because task is 'regression', got {shorten(self.labels)}."
                    " Remove labels, or write task: classification."
                ),
            )

    @property
    def folder(self) -> Path | None:
        """Folder of the file that the configuration was loaded from, or None."""
        return self._folder

    def in_folder(self, folder: Path | None) -> Self:
        """Return the same configuration, with relative paths counted from `folder`."""
        moved = self.model_copy()
        moved._folder = folder
        return moved

    def locate(self, source: str) -> str:
        """Return a source with its path resolved against the folder of the YAML file.

        Parameters
        ----------
        source : str
            The value of ``data.source`` or ``background.source``.

        Returns
        -------
        str
            An absolute path if `source` is a path; words and URIs as they are.

        Examples
        --------
        >>> Config().locate("auto"), Config().locate("runs:/1f2e/train.csv")
        ('auto', 'runs:/1f2e/train.csv')
        """
        if not is_path(source):
            return source
        return str((self._folder or Path.cwd()) / Path(source).expanduser())

    def matches(self, model_name: str) -> bool:
        """Whether `models` names the registered model; upper and lower case differ.

        Examples
        --------
        >>> Config(models=("credit-*", "fraud")).matches("credit-eu")
        True
        """
        patterns = (self.models,) if isinstance(self.models, str) else self.models
        return any(fnmatchcase(model_name, pattern) for pattern in patterns)

    def recipe(self) -> dict[str, Any]:
        """Return the keys that decide which numbers come out for pinned instances, as JSON values.

        Left out: `models`, `on_error`, `prediction`, `engine`, `outputs`, `registration`,
        `metrics`, `compare`, `checks`, `gate`, `report`, and `data`, `background` and
        `reference`, which the digest of the reference set stands for.
        """
        recipe = self.model_dump(mode="json", exclude=_WITHOUT_EFFECT)
        for name, usual in _LATER.items():
            if recipe[name] == usual.model_dump(mode="json", exclude=_WITHOUT_EFFECT.get(name)):
                del recipe[name]
        return recipe

    def digest(self) -> str:
        """Return 12 hexadecimal digits that stand for the recipe.

        The order of keys and the keys without effect on the numbers do not matter.

        Examples
        --------
        >>> Config().digest() == Config(on_error="raise").digest()
        True
        >>> Config().digest() == Config(seed=1).digest()
        False
        """
        return hashlib.sha256(_canonical(self.recipe()).encode()).hexdigest()[:12]

    def __eq__(self, other: object) -> bool:
        # The folder is no part of the configuration: the same file elsewhere is the same.
        if not isinstance(other, Config):
            return NotImplemented
        mine, theirs = (_canonical(config.model_dump(mode="json")) for config in (self, other))
        return mine == theirs

    def __hash__(self) -> int:
        return hash(self.digest())


def _canonical(value: dict[str, Any]) -> str:
    """Return JSON text that is the same for the same values, and tells 1 from true."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
