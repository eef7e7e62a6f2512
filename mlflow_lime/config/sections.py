"""The sections of the configuration: each key with its type, bounds, default and description.

A description is a plain sentence: it becomes the comment in the YAML and the help in the schema.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)
from pydantic_core import PydanticCustomError

from mlflow_lime.config.values import (
    BackgroundSource,
    CodeReference,
    DataSource,
    InstanceId,
    Items,
    Name,
    problem,
)
from mlflow_lime.errors import did_you_mean, shorten

__all__ = [
    "CONTRADICTIONS",
    "BackgroundSection",
    "DataSection",
    "KernelSection",
    "OutputsSection",
    "ReferenceSection",
    "SamplingSection",
    "Section",
    "SurrogateSection",
]

CONTRADICTIONS = "mlflow_lime_contradictions"
"""The pydantic error type that carries ``(key, text)`` pairs of values that contradict."""

MAX_ROWS = 10_000_000


class Section(BaseModel):
    """A closed, immutable set of keys, checked strictly: ``"5"`` and ``true`` are not numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield ``(key, text)`` for every value that does not go with another one."""
        yield from ()

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> Self:
        found = list(self.contradictions())
        if found:
            summary = " ".join(f"{key}: {text}" for key, text in found)
            raise PydanticCustomError(
                CONTRADICTIONS, "{summary}", {"summary": summary, "found": found}
            )
        return self


class DataSection(Section):
    """What can be explained."""

    source: DataSource = Field(
        default="auto",
        description=(
            "Where the instances come from: auto (data logged with log_background, else the run's"
            " dataset, else the model's input example), run, input_example, a .csv or .parquet"
            " file, or an .npz or .npy file of arrays (relative to this file), or an artifact URI"
            " (runs:/..., models:/...)."
        ),
    )
    target: Name | None = Field(
        default=None,
        description="Column that holds the true labels; null if there is none.",
    )
    id: Name | None = Field(
        default=None,
        description="Column that names an instance; null to use the index of the data.",
    )
    drop: Items[Name] = Field(
        default=(),
        description="Columns that the model does not take, besides target and id.",
    )


class BackgroundSection(Section):
    """What absent parts are replaced with."""

    source: BackgroundSource = Field(
        default="auto",
        description=(
            "Where the background comes from: auto (what log_background stored, else the data"
            " above), run, input_example, a .csv or .parquet file, a .json file of statistics"
            " (relative to this file), or an artifact URI."
        ),
    )
    max_rows: int = Field(
        default=10_000,
        ge=10,
        le=MAX_ROWS,
        description="Keep at most so many rows of the background, drawn at random with the seed.",
    )


Picker = Literal[
    "stratified",
    "random",
    "ids",
    "rows",
    "query",
    "boundary",
    "errors",
    "confident_errors",
    "rare",
    "medoids",
    "submodular",
    "disagreement",
]


def _known_ways(value: object) -> object:
    """Refuse a mixture that is empty, or that names a way to pick that does not exist."""
    if isinstance(value, Mapping):
        known = get_args(Picker)
        if not value:
            raise problem("expected at least one way to pick, got {}. Write for example errors: 5.")
        for name in value:
            if name not in known:
                hint = did_you_mean(str(name), known) or f" Known ways: {', '.join(known)}."
                raise problem(f"expected ways to pick, got {shorten(name)}.{hint}")
    return value


Mixture = Annotated[
    Mapping[Picker, Annotated[int, Field(ge=1, le=1_000_000)]],
    Field(min_length=1),
    BeforeValidator(_known_ways),
]

_NEEDS = {"ids": "ids", "rows": "rows", "query": "query", "disagreement": "against"}
"""Pickers that need a key of their own."""


class ReferenceSection(Section):
    """Which instances are explained; pinned at the first version, the same for every later one."""

    pick: Picker | Mixture = Field(
        default="stratified",
        description=(
            "How instances are chosen: stratified (evenly over classes, or over the range of a"
            " regression), random, ids, rows (row numbers), query, boundary (smallest margin"
            " between two classes), errors (wrong labels), confident_errors, rare (far from the"
            " rest), medoids (typical of groups), submodular (their explanations cover most,"
            " SP-LIME) or disagreement (another version answers otherwise); or several and how"
            " many of each, such as {submodular: 10, errors: 5, boundary: 5}."
        ),
    )
    count: int = Field(
        default=20,
        ge=1,
        le=1_000_000,
        description="How many instances to choose, where pick is one name and lists none itself.",
    )
    ids: Items[InstanceId] = Field(
        default=(),
        description="For pick: ids, values of the id column, or labels of the index.",
    )
    rows: Items[Annotated[int, Field(ge=0)]] = Field(
        default=(),
        description="For pick: rows, row numbers in the data; the first row is 0.",
    )
    query: Name | None = Field(
        default=None,
        description='For pick: query, a pandas query on the data, such as "age > 60".',
    )
    against: Name | None = Field(
        default=None,
        description=(
            "For pick: disagreement, the URI of the version to differ from, such as"
            " models:/credit@champion."
        ),
    )
    medoids_over: Literal["inputs", "explanations"] = Field(
        default="inputs",
        description="For pick: medoids, what is grouped: inputs, or explanations of some of them.",
    )
    pool: int = Field(
        default=1000,
        ge=2,
        le=100_000,
        description=(
            "Rows that boundary, errors, confident_errors, rare, medoids, submodular and"
            " disagreement choose from, at most, spread over the target. Of them, at most 200"
            " (50 images) are explained for it, with few model rows each."
        ),
    )
    store_inputs: Literal["full", "redacted", "none"] = Field(
        default="full",
        description=(
            "What is stored of the chosen rows: full, redacted (names of the parts without"
            " values) or none (only a digest)."
        ),
    )

    @property
    def counts(self) -> dict[str, int]:
        """How many instances each picker chooses."""
        if isinstance(self.pick, str):
            return {self.pick: self.count}
        return {str(name): count for name, count in self.pick.items()}

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Check that what a picker needs is set exactly where `pick` names it."""
        said = self.pick if isinstance(self.pick, str) else ", ".join(self.pick)
        for pick, key in _NEEDS.items():
            value = getattr(self, key)
            if pick in self.counts and not value:
                yield (
                    key,
                    (
                        f"expected a value because pick is {said!r}, got {shorten(value or None)}."
                        f" Set reference.{key}, or choose another pick."
                    ),
                )
            elif pick not in self.counts and value:
                yield (
                    key,
                    (
                        f"expected nothing because pick is {said!r}, got {shorten(value)}."
                        f" Write pick: {pick}, or remove {key}."
                    ),
                )
        if self.medoids_over != "inputs" and "medoids" not in self.counts:
            yield (
                "medoids_over",
                (
                    f"expected 'inputs' because pick is {said!r}, got {self.medoids_over!r}."
                    " Write pick: medoids, or remove medoids_over."
                ),
            )
        yield from self._miscounted()

    def _miscounted(self) -> Iterator[tuple[str, str]]:
        """Check that a mixture counts its instances itself, and the named ones rightly."""
        if isinstance(self.pick, str):
            return
        usual = type(self).model_fields["count"].default
        if self.count != usual:
            yield (
                "count",
                (
                    f"expected nothing because pick says how many of each, got {self.count}."
                    " Change the numbers in pick, or write one name as pick."
                ),
            )
        for key in ("ids", "rows"):
            named = len(getattr(self, key))
            if named and self.counts.get(key, named) != named:
                yield (
                    "pick",
                    (
                        f"expected {key}: {named} because {key} names {named}, got {key}:"
                        f" {self.counts[key]}. Correct the number, or the list."
                    ),
                )


class SamplingSection(Section):
    """How the neighbourhood of an instance is drawn, and when it is large enough."""

    design: Literal[
        "auto", "exact", "orthogonal", "linear", "sobol", "stratified", "paired", "iid"
    ] = Field(
        default="auto",
        description=(
            "How masks are drawn: auto (exact where all masks fit, else the best measured design),"
            " exact, orthogonal, linear, sobol, stratified, paired or iid."
        ),
    )
    law: Literal["auto", "local", "uniform_count", "bernoulli"] = Field(
        default="auto",
        description=(
            "Distribution of the masks: auto (local for tables, bernoulli for texts and images),"
            " local (few parts are absent more often), uniform_count (every number of kept parts is"
            " equally likely) or bernoulli (each part is kept with probability one half)."
        ),
    )
    rows: Literal["auto"] | Annotated[int, Field(ge=8, le=MAX_ROWS)] = Field(
        default="auto",
        description=(
            "Model rows of the first round, for each instance (for bins: of the pool that all"
            " instances share): auto (1024 for tables and texts, 256 for images, more for many"
            " parts; 4096 for standardised; 16384 for bins) or a number."
        ),
    )
    replicates: int = Field(
        default=4,
        ge=2,
        le=64,
        description="Independent blocks that the rows are split into; intervals rest on them.",
    )
    max_rows: Literal["auto"] | Annotated[int, Field(ge=8, le=MAX_ROWS)] = Field(
        default="auto",
        description=(
            "Rounds are added up to so many rows for each instance: auto (four times rows) or a"
            " number; the same as rows for a single round."
        ),
    )
    precision: float = Field(
        default=0.2,
        gt=0,
        le=10,
        description=(
            "Stop when the intervals' half width is at most this share of the largest weight."
        ),
    )
    max_seconds: Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        description="Budget of the whole job in seconds; null for none.",
    )
    max_calls: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="Budget of the whole job in calls of the model; null for none.",
    )
    max_total_rows: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="Budget of the whole job in model rows; null for none.",
    )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Check that rows, replicates and the limits go together."""
        if self.rows == "auto":
            return
        if self.max_rows != "auto" and self.max_rows < self.rows:
            yield (
                "max_rows",
                (
                    f"expected at least rows ({self.rows}), got {self.max_rows}."
                    f" Set sampling.max_rows to {self.rows} or more, or lower sampling.rows."
                ),
            )
        if self.rows < 2 * self.replicates:
            yield (
                "rows",
                (
                    f"expected at least 2 rows for each of {self.replicates} replicates, got"
                    f" {self.rows}. Set sampling.rows to {2 * self.replicates} or more."
                ),
            )
        if self.max_total_rows is not None and self.max_total_rows < self.rows:
            yield (
                "max_total_rows",
                (
                    f"expected at least the rows of one instance ({self.rows}), got"
                    f" {self.max_total_rows}. Raise it, or lower sampling.rows."
                ),
            )


class KernelSection(Section):
    """How neighbours are weighted by their distance from the instance."""

    kind: Literal["auto", "exponential", "none"] = Field(
        default="auto",
        description=(
            "The weight of a neighbour: auto (what suits the representation), exponential, or none"
            " (all alike)."
        ),
    )
    distance: Literal["auto", "cosine", "euclidean"] = Field(
        default="auto",
        description="Distance between masks: auto, cosine or euclidean.",
    )
    width: Literal["auto"] | Annotated[float, Field(gt=0)] = Field(
        default="auto",
        description="Width of the exponential kernel: auto or a positive number.",
    )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Check that a kernel that does not weigh has no distance and no width."""
        for key in ("distance", "width"):
            value = getattr(self, key)
            if self.kind == "none" and value != "auto":
                yield (
                    key,
                    (
                        f"expected 'auto' because kind is 'none', got {shorten(value)}."
                        f" Write kind: exponential, or remove {key}."
                    ),
                )


class SurrogateSection(Section):
    """The small model that is fitted around an instance, and whose weights explain it."""

    kind: Literal["ridge", "lasso", "tree"] | CodeReference = Field(
        default="ridge",
        description=(
            "The surrogate: ridge, lasso, tree, or module:factory, a function that returns a"
            " scikit-learn regressor whose fit takes sample_weight."
        ),
    )
    select: Literal["none", "highest_weights", "forward", "lasso_path"] = Field(
        default="none",
        description=(
            "How parts are chosen: none (all are kept), highest_weights, forward or lasso_path."
        ),
    )
    parts: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None,
        description="How many parts are kept where select chooses them; null for all.",
    )
    penalty: float = Field(
        default=1.0e-10,
        ge=0,
        le=1e6,
        description=("Ridge or lasso penalty, relative to the total weight of the neighbourhood."),
    )
    confidence: float = Field(
        default=0.95,
        ge=0.5,
        lt=1,
        description="Confidence level of the intervals.",
    )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Check that `parts` is set exactly where parts are selected."""
        if self.select != "none" and self.parts is None:
            yield (
                "parts",
                (
                    f"expected a number because select is {self.select!r}, got None."
                    " Set surrogate.parts, for example to 10."
                ),
            )
        if self.select == "none" and self.parts is not None:
            yield (
                "parts",
                (
                    f"expected null because select is 'none', got {self.parts}."
                    " Choose how with select: highest_weights, or remove parts."
                ),
            )


class OutputsSection(Section):
    """What is drawn and logged."""

    top: int = Field(
        default=10,
        ge=1,
        le=100,
        description="How many parts are drawn and tabled for each instance.",
    )
    pictures: bool = Field(default=True, description="Log the pictures.")
    tables: bool = Field(default=True, description="Log the tables for MLflow's table view.")
    max_pictures: int = Field(
        default=50,
        ge=0,
        le=10_000,
        description="Draw at most so many instances; the overview is always drawn.",
    )
    max_instances: int = Field(
        default=1000,
        ge=10,
        le=20_000,
        description=(
            "Of a larger reference set, show and list so many instances one by one, chosen evenly"
            " and stated; the numbers, the drift and the Parquet files are of all."
        ),
    )
    version_tags: bool = Field(
        default=True,
        description="Put the status and the main numbers on the model version as tags.",
    )
