"""The section about versions that are explained when they are registered."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from mlflow_lime.config.sections import Section
from mlflow_lime.config.values import ByteSize, Items, Name, SomeItems, problem
from mlflow_lime.errors import shorten

__all__ = ["RegistrationSection"]


def _pattern_of_sources(value: str) -> str:
    if ".." in value.replace("\\", "/").split("/"):
        raise problem(f"expected a location without '..', got {shorten(value)}.")
    return value


Source = Annotated[Name, AfterValidator(_pattern_of_sources)]


class RegistrationSection(Section):
    """Which registered versions are explained by themselves, and within what bounds."""

    aliases: Items[Name] = Field(
        default=(),
        description=(
            "Empty: every new version is explained. Otherwise a version is explained when one of"
            " these aliases is set to it."
        ),
    )
    flavors: Literal["any"] | SomeItems[Name] = Field(
        default="any",
        description=(
            "Flavours of models that may be loaded, such as [sklearn, xgboost]; any for all."
            " python_function stands for models of your own code."
        ),
    )
    sources: Literal["any"] | SomeItems[Source] = Field(
        default="any",
        description=(
            "Where the files of a model may lie: shell patterns of locations, such as"
            " [s3://models/*, mlflow-artifacts:/*]; any for everywhere."
        ),
    )
    mode: Literal["background", "sync"] = Field(
        default="background",
        description=(
            "How autolog explains: background (a process of its own; the registration does not"
            " wait) or sync (before the registration returns)."
        ),
    )
    wait_seconds: float = Field(
        default=600,
        ge=0,
        le=7 * 86_400,
        description=(
            "How long a script with autolog waits at its end for explanations in the background;"
            " they go on afterwards."
        ),
    )
    queue: Name | None = Field(
        default=None,
        description=(
            "File of the queue that autolog hands versions to, for `mlflow-lime worker`, watch or"
            " serve to explain (relative to this file); null for a queue and a worker of its own."
        ),
    )
    attempts: int = Field(
        default=4,
        ge=1,
        le=100,
        description="How often a version is tried before it is parked with the reason.",
    )
    retry_seconds: float = Field(
        default=30,
        gt=0,
        le=86_400,
        description="Pause before the second attempt; each later pause is four times as long.",
    )
    max_seconds: float = Field(
        default=3600,
        gt=0,
        le=7 * 86_400,
        description="Time limit of one attempt.",
    )
    max_memory: ByteSize = Field(
        default=4 * 2**30,
        description="Memory limit of one attempt, in bytes or as a size such as 4GiB.",
    )
