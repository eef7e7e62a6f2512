"""LIM009: the model looks at the border of images, or always at the same small region."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mlflow_lime.checks.check import Check, Evidence, Finding
from mlflow_lime.checks.groups import by_answer
from mlflow_lime.checks.options import Options
from mlflow_lime.checks.shares import mean_of, percent
from mlflow_lime.core.contents import ImageContent
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.core.stored import kept, keys_of

__all__ = ["IMAGE_REGION", "ImageRegionOptions"]

FloatArray = NDArray[np.float64]


class ImageRegionOptions(Options):
    """What the border and a small region are, and when too much weight lies there."""

    frame: float = Field(
        default=0.1,
        gt=0,
        le=0.5,
        description="Width of the border, as a share of the image's shorter side.",
    )
    excess: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description=(
            "Raised where the border's share of the weight lies above its share of the area by"
            " more, at the lower end of the interval."
        ),
    )
    region: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="A region of a sixteenth of the image with more of its weight is heavy.",
    )
    images: float = Field(
        default=0.6,
        gt=0,
        lt=1,
        description="Raised where the same region is heavy in more of the images.",
    )


_GRID = 8
"""Cells of an image along each side; a region is two by two of them."""

_IMAGES = 5
"""Images of one answer below which nothing is said of them."""


def _applies(evidence: Evidence) -> str:
    if any(isinstance(part, ImageContent) for i in evidence.explanations for part in i.contents):
        return ""
    if evidence.layout is not None and evidence.layout.images:
        return "the images are not stored with the explanations"
    return "the model reads no images"


def _find(evidence: Evidence, options: ImageRegionOptions) -> Finding:
    images = kept(evidence.telling, lambda item: _image_of(item) is not None)
    if len(images) < _IMAGES:
        return Finding.skipped(f"{len(images)} images are explained; it takes {_IMAGES}")
    quiet: list[Finding] = []
    for answer, group in by_answer(images, _IMAGES):
        for finding in (_border(group, answer, options), _region(group, answer, options)):
            if finding.state == "raised":
                return finding
            quiet.append(finding)
    return Finding.judged(False, f"{quiet[0].reason}; {quiet[1].reason}", value=quiet[0].value)


def _border(items: Sequence[Explanation], answer: str, options: ImageRegionOptions) -> Finding:
    pairs = [_frame_share(_density(item), options.frame) for item in items]
    share, area = (mean_of(pair[i] for pair in pairs) for i in (0, 1))
    excess = mean_of(share - area for share, area in pairs)
    ranked = zip(pairs, keys_of(items), strict=True)
    worst = sorted(ranked, key=lambda pair: pair[0][1] - pair[0][0])
    return Finding.judged(
        excess.low > options.excess,
        f"the border, {percent(area.value)} of the area, carries {share} of the weight of "
        f"{len(items)} images{answer}; up to {percent(options.excess)} beyond its area may lie "
        "there",
        instances=tuple(key for (own, size), key in worst if own - size > options.excess),
        value=excess.value,
    )


def _region(items: Sequence[Explanation], answer: str, options: ImageRegionOptions) -> Finding:
    windows = np.stack([_windows(_density(item)) for item in items])
    heavy = windows > options.region
    counts = heavy.sum(axis=0)
    row, column = np.unravel_index(int(counts.argmax()), counts.shape)
    share = float(counts[row, column] / len(items))
    sizes = windows[:, row, column]
    order = [int(i) for i in np.argsort(-sizes, kind="stable") if heavy[i, row, column]]
    keys = keys_of(items)
    place = f"{_place(row, counts.shape[0])} from the top and {_place(column, counts.shape[1])}"
    where = f" (its middle is {place} from the left)" if counts.any() else ""
    return Finding.judged(
        share > options.images,
        f"the same region of a sixteenth of the image{where} carries more than "
        f"{percent(options.region)} of the weight in {counts[row, column]} of {len(items)} images"
        f"{answer}; up to {percent(options.images)} may",
        instances=tuple(keys[i] for i in order),
        value=share,
    )


def _place(window: np.intp, n_windows: int) -> str:
    return percent((int(window) + 1) / (n_windows + 1))


def _image_of(item: Explanation) -> ImageContent | None:
    """Return the first image that has a part with weight."""
    sizes = np.nan_to_num(np.abs(item.labels[0].weights))
    for content in item.contents:
        if isinstance(content, ImageContent) and sizes[content.parts].any():
            return content
    return None


def _density(item: Explanation) -> FloatArray:
    """Return each pixel's share of the image's absolute weight, shape (height, width).

    The weight of a part is spread over its pixels. NaN where a pixel could not be tested.
    """
    content = _image_of(item)
    if content is None:  # not reached for images that were chosen by `_image_of`
        return np.full((1, 1), np.nan)
    owners = content.owners[content.segments]
    sizes = np.bincount(owners[owners >= 0], minlength=len(item.parts))
    spread = np.abs(item.labels[0].weights) / np.maximum(sizes, 1)
    density = content.weight_map(spread)
    return density / np.nansum(density)


def _frame_share(density: FloatArray, frame: float) -> tuple[float, float]:
    """Return the share of the weight in the border, and the border's share of the tested area."""
    height, width = density.shape
    wide = max(1, round(frame * min(height, width)))
    inner = np.zeros(density.shape, dtype=bool)
    inner[wide : height - wide, wide : width - wide] = True
    tested = np.isfinite(density)
    share = 1.0 - float(np.nansum(density[inner]))
    return share, float((tested & ~inner).sum() / tested.sum())


def _windows(density: FloatArray) -> FloatArray:
    """Return the share of the weight in each region of two by two cells, shape (7, 7)."""
    cells = np.nan_to_num(density)
    for axis in (0, 1):
        n = cells.shape[axis]
        ends = np.linspace(0, n, _GRID + 1)
        total = np.insert(np.cumsum(cells, axis=axis), 0, 0.0, axis=axis)
        low = np.floor(ends).astype(int)
        part = np.expand_dims(ends - low, 1 - axis)
        upper = np.take(total, np.minimum(low + 1, n), axis=axis)
        lower = np.take(total, low, axis=axis)
        cells = np.diff(lower + part * (upper - lower), axis=axis)
    pairs = cells[1:] + cells[:-1]
    return np.asarray(pairs[:, 1:] + pairs[:, :-1])


IMAGE_REGION = Check(
    code="LIM009",
    title="Image border or watermark region",
    severity="warning",
    summary="Weight on the border of images, or on the same small region of most of them.",
    find=_find,
    applies=_applies,
    needs=("telling",),
    options=ImageRegionOptions,
    page="docs/checks/LIM009.md",
)
