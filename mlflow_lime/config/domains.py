"""The sections of the configuration that each kind of data has: tables, texts, images, series."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PositiveInt

from mlflow_lime.config.sections import Section
from mlflow_lime.config.values import (
    CodeReference,
    Edges,
    ImageFile,
    Items,
    Name,
    SomeItems,
    list_to_tuple,
    problem,
)
from mlflow_lime.errors import shorten

__all__ = ["ImageSection", "SequenceSection", "TabularSection", "TextSection"]


class TabularSection(Section):
    """How rows of a table are taken apart and perturbed."""

    representation: Literal["mask", "bins", "standardised"] = Field(
        default="mask",
        description=(
            "What a part means: mask (the value is kept or drawn from the background), bins (the"
            " value stays in its bin, as in the reference lime) or standardised (continuous)."
        ),
    )
    bins: (
        Literal["quartile", "decile", "entropy"] | Annotated[dict[Name, Edges], Field(min_length=1)]
    ) = Field(
        default="quartile",
        description=(
            "For representation: bins, how numeric columns are cut: quartile, decile, entropy,"
            " or a mapping from columns to increasing edges."
        ),
    )
    around: Literal["instance", "mean"] = Field(
        default="instance",
        description=(
            "For representation: standardised, where the neighbourhood is centred: at the"
            " instance or at the mean of the background."
        ),
    )
    sampling: Literal["independent", "copula"] = Field(
        default="independent",
        description=(
            "How absent values are drawn: independent (each column by itself) or copula (keeping"
            " the correlations between columns)."
        ),
    )
    groups: (
        Literal["auto", "none"] | Annotated[dict[Name, SomeItems[Name]], Field(min_length=1)]
    ) = Field(
        default="auto",
        description=(
            "Columns that count as one part: auto (one-hot blocks are found), none, or a mapping"
            " from a group's name to its columns."
        ),
    )
    categorical: Literal["auto"] | Items[Name] = Field(
        default="auto",
        description="Columns of categories: auto (text, category and boolean columns) or a list.",
    )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Check that what belongs to one representation is set for that one only."""
        for key, usual, needed in (
            ("bins", "quartile", "bins"),
            ("around", "instance", "standardised"),
        ):
            value = getattr(self, key)
            if value != usual and self.representation != needed:
                yield (
                    key,
                    (
                        f"expected {usual!r} because representation is {self.representation!r},"
                        f" got {shorten(value)}. Write representation: {needed}, or remove {key}."
                    ),
                )
        yield from self._columns_in_two_groups()

    def _columns_in_two_groups(self) -> Iterator[tuple[str, str]]:
        owner: dict[str, str] = {}
        for group, columns in self.groups.items() if isinstance(self.groups, dict) else ():
            for column in columns:
                first = owner.setdefault(column, group)
                if first != group:
                    yield (
                        "groups",
                        (
                            f"expected each column in one group, got {column!r} in {first!r} and"
                            f" {group!r}. Remove it from one of them."
                        ),
                    )


class TextSection(Section):
    """Which columns are texts, and how they are taken apart."""

    columns: Literal["auto", "none"] | SomeItems[Name] = Field(
        default="auto",
        description=(
            "Columns that are explained word by word: auto (text of several words that hardly"
            " ever repeats), none, or a list."
        ),
    )
    parts: Literal["words", "positions", "sentences", "characters"] | CodeReference = Field(
        default="words",
        description=(
            "What a part of a text is: words (every occurrence of a word together), positions"
            " (each occurrence by itself), sentences, characters, or module:function, a function"
            " from a text to its tokens or to their (start, end) offsets."
        ),
    )
    mask: str | None = Field(
        default=None,
        max_length=100,
        description=(
            "What takes the place of an absent part; null removes it and keeps the white space."
        ),
    )
    sparse: bool = Field(
        default=True,
        description=(
            "Where a scikit-learn pipeline starts with a vectoriser, and it is exactly the same,"
            " perturb its sparse matrix instead of the texts, which is faster."
        ),
    )


class ImageSection(Section):
    """Which columns are images, and how they are taken apart."""

    columns: Literal["auto", "none"] | SomeItems[Name] = Field(
        default="auto",
        description=(
            "Columns of images (arrays, the bytes or base64 text of image files, or their paths):"
            " auto, none, or a list."
        ),
    )
    shape: Annotated[tuple[PositiveInt, ...], BeforeValidator(list_to_tuple)] | None = Field(
        default=None,
        min_length=2,
        max_length=3,
        description=(
            "Height, width, and channels if any, where each column of the data is a pixel: [8, 8];"
            " null where an image stands in one column."
        ),
    )
    channels: Literal["auto", "first", "last", "none"] = Field(
        default="auto",
        description="Where an array holds the channels: auto, first, last, or none.",
    )
    segments: Literal["slic", "quickshift", "felzenszwalb", "grid"] | CodeReference = Field(
        default="slic",
        description=(
            "How an image is cut into superpixels: slic, quickshift, felzenszwalb, grid, or"
            " module:function, a function from an image to the number of each pixel's segment."
        ),
    )
    count: int = Field(
        default=50,
        ge=2,
        le=5000,
        description="Superpixels of an image, about; small images get fewer.",
    )
    absent: (
        Literal["mean", "blur", "segment_mean"]
        | float
        | Annotated[tuple[float, ...], Field(min_length=1), BeforeValidator(list_to_tuple)]
        | ImageFile
    ) = Field(
        default="mean",
        description=(
            "What takes the place of an absent superpixel: mean (of the image), blur, segment_mean,"
            " a colour in the image's own units (a number, or a list with one per channel), or an"
            " image file whose pixels are taken (relative to this file)."
        ),
    )


def _order(order: str) -> str:
    if order in ("auto", "time", "features"):
        return order
    try:
        groups = set(re.compile(order).groupindex)
    except re.error as error:
        raise problem(
            f"expected auto, time, features or a regular expression, got {shorten(order)}, which"
            f" is none: {shorten(error.msg)}."
        ) from None
    if len(groups & {"lag", "step"}) != 1 or groups - {"lag", "step", "feature"}:
        raise problem(
            "expected auto, time, features or a regular expression with a group (?P<lag>...) or"
            f" (?P<step>...), and (?P<feature>...) for several features, got {shorten(order)}."
        )
    return order


class SequenceSection(Section):
    """Which columns are sequences, and how they are taken apart."""

    columns: Literal["auto", "none"] | SomeItems[Name] = Field(
        default="auto",
        description=(
            "Columns of sequences: auto (those that shape or order describes; without either there"
            " are none, and an array of two dimensions is an image), none, or a list: columns that"
            " each hold arrays (time, features), or all columns of one sequence, such as lags."
        ),
    )
    shape: Annotated[tuple[PositiveInt, ...], BeforeValidator(list_to_tuple)] | None = Field(
        default=None,
        min_length=2,
        max_length=2,
        description="Steps and features of a sequence: [24, 3]; null where names or arrays tell.",
    )
    axes: Literal["time_first", "features_first"] = Field(
        default="time_first",
        description=(
            "Which axis of an array comes first: time_first (time, features) or features_first"
            " (features, time), as convolutions of torch read them."
        ),
    )
    order: Annotated[str, AfterValidator(_order)] = Field(
        default="auto",
        max_length=200,
        description=(
            "How the columns of a wide table are put in place: auto (by names such as temp_lag3 and"
            " temp_t-3, which count back from now, or temp_12, else as time), time (all features of"
            " the first step, then those of the next one), features (all steps of the first"
            " feature, then those of the next one), or a regular expression for whole names, with a"
            " group lag or step and a group feature: (?P<feature>\\w+)_lag(?P<lag>\\d+)."
        ),
    )
    features: SomeItems[Name] | None = Field(
        default=None,
        description="Names of the features, where no name of a column tells them.",
    )
    parts: Literal["windows", "features", "cells"] = Field(
        default="windows",
        description=(
            "What a part is: windows (a stretch of time in all features), features (a feature in"
            " all its length) or cells (a window of one feature)."
        ),
    )
    windows: Literal["fixed", "change_points"] = Field(
        default="fixed",
        description=(
            "Windows of equal length (fixed), or between the steps where the instance's series"
            " changes most (change_points)."
        ),
    )
    count: int = Field(
        default=10,
        ge=1,
        le=1000,
        description="Windows of a sequence; for change_points, at most.",
    )
    length: PositiveInt | None = Field(
        default=None,
        description=(
            "Steps of a fixed window, in place of count; for change_points, of the shortest one."
        ),
    )
    absent: Literal["mean", "interpolate", "background"] = Field(
        default="mean",
        description=(
            "What takes the place of an absent part: mean (of the feature, over the background),"
            " interpolate (a line between the nearest values that are kept) or background (the same"
            " stretch of another series)."
        ),
    )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Check that nothing describes sequences where there are none."""
        if self.columns == "none":
            for key in ("shape", "features"):
                if getattr(self, key) is not None:
                    yield (
                        key,
                        (
                            "expected nothing because columns is 'none', got"
                            f" {shorten(getattr(self, key))}. Remove it, or columns: none."
                        ),
                    )
        if self.order in ("time", "features") and self.shape is None:
            yield (
                "order",
                (
                    f"expected sequence.shape beside {self.order!r}, because names tell no steps."
                    " Write shape: [steps, features]."
                ),
            )
        if self.features and self.shape and len(self.features) != self.shape[1]:
            yield (
                "features",
                (
                    f"expected {self.shape[1]} names, as shape says, got {len(self.features)}."
                    " Correct one of them."
                ),
            )
