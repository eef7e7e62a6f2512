"""What a reader looks at: a text, a picture or a series, and where in it each part is."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.sequence.values import values_from_json, values_to_json
from mlflow_lime.errors import DataError

__all__ = ["Content", "ImageContent", "SequenceContent", "TextContent", "content_from_dict"]


@dataclass(frozen=True, slots=True, eq=False)
class TextContent:
    """A text whose stretches are parts.

    Attributes
    ----------
    column : str
        Name of the column that holds the text; empty where there is only one.
    text : str
        The whole text.
    spans : ndarray of int32, shape (n_spans, 3)
        Start and end of each stretch, in characters, and its part's position among the parts of
        the explanation. In the order of the text, without overlap; a part may own several.
    """

    named: ClassVar[bool] = False
    """Whether the parts have names that mean the same in every instance."""

    column: str
    text: str
    spans: NDArray[np.int32]

    @property
    def parts(self) -> NDArray[np.intp]:
        """Positions of the parts that lie in this text, ascending."""
        return np.unique(self.spans[:, 2]).astype(np.intp)

    def moved(self, by: int, column: str) -> Self:
        """Return the content as a column among others, its parts after `by` other parts."""
        spans = self.spans + np.array([0, 0, by], dtype=np.int32)
        return type(self)(column, self.text, spans)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "kind": "text",
            "column": self.column,
            "text": self.text,
            "spans": self.spans.tolist(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote.

        Raises
        ------
        DataError
            If a stretch does not lie in the text, or overlaps the one before.
        """
        spans = np.array(data["spans"], dtype=np.int32).reshape(-1, 3)
        text = str(data["text"])
        ends = np.append(0, spans[:, :2].ravel())  # 0 ≤ start ≤ end ≤ next start ≤ ... ≤ length
        if np.any(np.diff(ends) < 0) or ends[-1] > len(text) or np.any(spans[:, 2] < 0):
            msg = (
                f"a text of {len(text)} characters has stretches that overlap or lie outside it: "
                "the explanation was changed after it was written"
            )
            raise DataError(msg)
        return cls(str(data["column"]), text, spans)


@dataclass(frozen=True, slots=True, eq=False)
class ImageContent:
    """An image whose segments are parts.

    Attributes
    ----------
    column : str
        Name of the column that holds the image; empty where there is only one.
    pixels : ndarray of uint8, shape (height, width, 3)
        The image as a person sees it.
    segments : ndarray of int32, shape (height, width)
        Segment of each pixel, 0 to n_segments - 1.
    owners : ndarray of int32, shape (n_segments,)
        Position of each segment among the parts of the explanation; -1 for segments that cannot
        be tested because their replacement equals their content.
    """

    named: ClassVar[bool] = False
    """Whether the parts have names that mean the same in every instance."""

    column: str
    pixels: NDArray[np.uint8]
    segments: NDArray[np.int32]
    owners: NDArray[np.int32]

    @property
    def parts(self) -> NDArray[np.intp]:
        """Positions of the parts that lie in this image, ascending."""
        return np.unique(self.owners[self.owners >= 0]).astype(np.intp)

    def moved(self, by: int, column: str) -> Self:
        """Return the content as a column among others, its parts after `by` other parts."""
        owners = np.where(self.owners >= 0, self.owners + by, -1).astype(np.int32)
        return type(self)(column, self.pixels, self.segments, owners)

    def weight_map(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weight of each pixel's part, shape (height, width); NaN where untestable.

        Parameters
        ----------
        weights : ndarray of float64, shape (n_parts,)
            Weights of all parts of the explanation.
        """
        padded = np.append(weights, np.nan)
        return np.asarray(padded[self.owners][self.segments])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; pixels and segments as PNG in base64."""
        return {
            "kind": "image",
            "column": self.column,
            "pixels": _png(self.pixels),
            "segments": _png(_as_colours(self.segments)),
            "owners": self.owners.tolist(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote.

        Raises
        ------
        DataError
            If image and segments are no PNG files, or do not fit together.
        """
        pixels = _from_png(data["pixels"])
        segments = _from_colours(_from_png(data["segments"]))
        owners = np.array(data["owners"], dtype=np.int32).reshape(-1)
        if segments.shape != pixels.shape[:2] or segments.max() >= len(owners):
            msg = (
                f"an image of shape {pixels.shape[:2]} has segments of shape {segments.shape}, "
                f"numbered up to {segments.max()}, with {len(owners)} owners: the explanation "
                "was changed after it was written"
            )
            raise DataError(msg)
        return cls(str(data["column"]), pixels, segments, owners)


@dataclass(frozen=True, slots=True, eq=False)
class SequenceContent:
    """A sequence whose windows are parts.

    Attributes
    ----------
    column : str
        Name of the sequence; empty where there is nothing else.
    values : ndarray of float64, shape (time, features)
        The sequence; may hold NaN.
    labels : ndarray of int32, shape (time, features)
        Position of each value's part among the parts of the explanation.
    features : tuple of str
        Names of the features.
    steps : tuple of int
        Number of each step, ascending, or descending for lags.
    counted : {"step", "lag"}, default "step"
        What these numbers are.
    """

    named: ClassVar[bool] = True
    """Whether the parts have names that mean the same in every instance."""

    column: str
    values: NDArray[np.float64]
    labels: NDArray[np.int32]
    features: tuple[str, ...]
    steps: tuple[int, ...]
    counted: str = "step"

    @property
    def parts(self) -> NDArray[np.intp]:
        """Positions of the parts that lie in this sequence, ascending."""
        return np.unique(self.labels).astype(np.intp)

    def moved(self, by: int, column: str) -> Self:
        """Return the content as a column among others, its parts after `by` other parts."""
        labels = (self.labels + by).astype(np.int32)
        return type(self)(column, self.values, labels, self.features, self.steps, self.counted)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; numbers as packed float64 in base64."""
        return {
            "kind": "sequence",
            "column": self.column,
            "values": values_to_json(self.values),
            "labels": values_to_json(self.labels),
            "features": list(self.features),
            "steps": list(self.steps),
            "counted": self.counted,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote.

        Raises
        ------
        DataError
            If values, labels, features and steps do not fit together.
        """
        values, labels = values_from_json(data["values"]), values_from_json(data["labels"])
        features = tuple(str(name) for name in data["features"])
        steps = tuple(int(step) for step in data["steps"])
        counted = str(data["counted"])
        fits = values.shape == labels.shape == (len(steps), len(features)) and values.size > 0
        whole = fits and np.isfinite(labels).all() and (labels == np.floor(labels)).all()
        if not whole or labels.min() < 0 or labels.max() >= 2**31 or counted not in _COUNTED:
            msg = (
                f"a sequence of shape {values.shape} has windows of shape {labels.shape}, "
                f"{len(features)} features and {len(steps)} steps, or windows that are no parts: "
                "the explanation was changed after it was written"
            )
            raise DataError(msg)
        return cls(str(data["column"]), values, labels.astype(np.int32), features, steps, counted)


_COUNTED = ("step", "lag")

Content = TextContent | ImageContent | SequenceContent
"""What a reader looks at."""

_KINDS: dict[str, type[TextContent] | type[ImageContent] | type[SequenceContent]] = {
    "text": TextContent,
    "image": ImageContent,
    "sequence": SequenceContent,
}


def content_from_dict(data: Mapping[str, Any]) -> Content:
    """Read what a content's `to_dict` wrote.

    Raises
    ------
    DataError
        If it is of an unknown kind.
    """
    kind = data.get("kind")
    if kind not in _KINDS:
        msg = f"content has kind {kind!r}, expected one of {tuple(_KINDS)}; upgrade mlflow-lime"
        raise DataError(msg)
    return _KINDS[kind].from_dict(data)


def _as_colours(segments: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Return numbers below 2**24 as three bytes each, which a PNG holds without loss."""
    wide = np.ascontiguousarray(segments, dtype="<u4")
    return wide.view(np.uint8).reshape(*segments.shape, 4)[..., :3]


def _from_colours(colours: NDArray[np.uint8]) -> NDArray[np.int32]:
    low, middle, high = (colours[..., i].astype(np.int32) for i in range(3))
    return low | middle << 8 | high << 16


def _png(pixels: NDArray[np.uint8]) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _from_png(text: str) -> NDArray[np.uint8]:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(base64.b64decode(text)), formats=["PNG"]) as image:
            return np.asarray(image.convert("RGB"), dtype=np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        msg = f"an image of the explanation is no PNG in base64: {type(error).__name__}: {error}"
        raise DataError(msg) from error
