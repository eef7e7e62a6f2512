"""The sections on how the model is called, and where explanations run."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from mlflow_lime.config.sections import MAX_ROWS, Section
from mlflow_lime.config.values import ByteSize, Switch

__all__ = ["EngineSection", "PredictionSection"]


class PredictionSection(Section):
    """How the model is called."""

    block_rows: Literal["auto"] | Annotated[int, Field(ge=1, le=MAX_ROWS)] = Field(
        default="auto",
        description="Rows of one call: auto (tuned to the model) or a number.",
    )
    block_bytes: ByteSize = Field(
        default=64 * 2**20,
        description="Memory for the inputs of one call, in bytes or as a size such as 64MiB.",
    )
    deduplicate: bool = Field(
        default=True,
        description="Predict identical perturbed rows only once.",
    )
    progress: Switch = Field(
        default="auto",
        description="Progress bar: auto (in a terminal or notebook), on or off.",
    )


class EngineSection(Section):
    """Where explanations run: the same numbers come out everywhere."""

    kind: Literal["local", "spark"] = Field(
        default="local",
        description="Where: local (this machine) or spark (the active session, or a new one).",
    )
    workers: Literal["auto"] | Annotated[int, Field(ge=1, le=1024)] = Field(
        default="auto",
        description=(
            "Threads or processes on this machine: auto (one for each core, but one core stays free"
            " where there are more than two) or a number."
        ),
    )
    mode: Literal["auto", "threads", "processes"] = Field(
        default="auto",
        description=(
            "Local workers: processes (each loads the model; a crash of it is survived), threads"
            " (for models that wait, such as one behind an address), or auto (processes from 1000"
            " instances, else one after the other)."
        ),
    )
    task_instances: Literal["auto"] | Annotated[int, Field(ge=1, le=1000)] = Field(
        default="auto",
        description="Instances that a worker is given at a time: auto (by their pace) or a number.",
    )
    spark: dict[str, str] = Field(
        default_factory=dict,
        description=(
            "Spark's own settings for a session that is started, such as spark.master:"
            " spark://host:7077."
        ),
    )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Check that settings of Spark's come with Spark."""
        if self.spark and self.kind != "spark":
            yield (
                "spark",
                "has settings, but kind is 'local'. Set kind: spark, or remove them",
            )
        strange = next((key for key in self.spark if not key.startswith("spark.")), None)
        if strange is not None:
            yield "spark", f"expected names that begin with 'spark.', got {strange!r}"
