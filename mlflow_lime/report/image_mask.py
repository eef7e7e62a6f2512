"""The heaviest segments of an image, as an image and a mask."""

import math

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.contents import ImageContent
from mlflow_lime.core.explanation import Explanation, LabelExplanation
from mlflow_lime.errors import DataError, did_you_mean, shorten
from mlflow_lime.report.overlays import AGAINST_RGB, TOWARDS_RGB

__all__ = ["image_and_mask"]

_GREY = 128
_TINT = 0.5
"""Share of the colour in a tinted pixel."""


def image_and_mask(
    explanation: Explanation,
    label_explanation: LabelExplanation,
    *,
    positive_only: bool = True,
    negative_only: bool = False,
    hide_rest: bool = False,
    num_parts: int = 5,
    min_weight: float = 0.0,
    column: str | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.int8]]:
    """Return an image and where its heaviest segments are.

    Parameters
    ----------
    explanation : Explanation
        The explained instance.
    label_explanation : LabelExplanation
        The surrogate to show, one of ``explanation.labels``.
    positive_only : bool, default True
        Only segments that push towards the label. With both this and `negative_only` false,
        segments of either sign are taken, and tinted: blue towards, orange against.
    negative_only : bool, default False
        Only segments that push against the label.
    hide_rest : bool, default False
        Paint everything else mid-grey.
    num_parts : int, default 5
        How many segments to take at most, heaviest first.
    min_weight : float, default 0
        Least absolute weight of a segment that is taken, inclusive, in units of the output.
        Segments of weight zero are never taken.
    column : str, optional
        The column whose image is wanted, where there are several.

    Returns
    -------
    image : ndarray of uint8, shape (height, width, 3)
        A copy of the image.
    mask : ndarray of int8, shape (height, width)
        1 where a positive segment was taken, -1 where a negative one was, 0 elsewhere.

    Raises
    ------
    DataError
        If the explanation holds no such image, or options contradict or are out of range.

    References
    ----------
    ``ImageExplanation.get_image_and_mask`` of the package ``lime``, which marks negative segments
    with 1 where they are asked for alone, excludes `min_weight` there, and hides in black.
    """
    _check(positive_only, negative_only, num_parts, min_weight)
    content = _choose(explanation, column)
    weights = label_explanation.weights
    taken = _taken(content, label_explanation, positive_only, negative_only, min_weight)[:num_parts]
    signs = np.zeros(len(weights) + 1, dtype=np.int8)  # the last one is that of no part
    signs[taken] = np.sign(weights[taken])
    mask = signs[content.owners][content.segments]
    image = content.pixels.copy()
    if not (positive_only or negative_only):
        for sign, colour in ((1, TOWARDS_RGB), (-1, AGAINST_RGB)):
            where = mask == sign
            image[where] = np.rint((1 - _TINT) * image[where] + _TINT * colour).astype(np.uint8)
    if hide_rest:
        image[mask == 0] = _GREY
    return image, mask


def _taken(
    content: ImageContent,
    label: LabelExplanation,
    positive_only: bool,
    negative_only: bool,
    min_weight: float,
) -> NDArray[np.intp]:
    """Return the parts of the image that may be shown, heaviest first."""
    weights = label.weights
    wanted = np.isfinite(weights) & (weights != 0) & (np.abs(weights) >= min_weight)
    if positive_only:
        wanted &= weights > 0
    if negative_only:
        wanted &= weights < 0
    order = label.order()
    return np.asarray(order[wanted[order] & np.isin(order, content.parts)])


def _check(positive_only: bool, negative_only: bool, num_parts: int, min_weight: float) -> None:
    if positive_only and negative_only:
        msg = (
            "positive_only and negative_only contradict each other: set one of them to False "
            "(positive_only is True by default), or both for segments of either sign"
        )
        raise DataError(msg)
    if isinstance(num_parts, bool) or not isinstance(num_parts, int | np.integer) or num_parts < 1:
        msg = f"num_parts must be a whole number of at least 1, got {shorten(num_parts)}"
        raise DataError(msg)
    if not (math.isfinite(min_weight) and min_weight >= 0):
        msg = f"min_weight must be a finite number of at least 0, got {shorten(min_weight)}"
        raise DataError(msg)


def _choose(explanation: Explanation, column: str | None) -> ImageContent:
    images = [item for item in explanation.contents if isinstance(item, ImageContent)]
    columns = [item.column for item in images]
    key = shorten(explanation.key)
    if not images:
        msg = (
            f"the explanation of instance {key} holds no image: either its model reads none, or "
            "inputs may not be stored with explanations (store_inputs: false)"
        )
        raise DataError(msg)
    if column is None and len(images) > 1:
        msg = f"instance {key} has images in the columns {shorten(columns)}: choose one as column"
        raise DataError(msg)
    if column is not None and column not in columns:
        hint = did_you_mean(column, columns)
        msg = (
            f"instance {key} has no image in column {shorten(column)}, only in "
            f"{shorten(columns)}.{hint}"
        )
        raise DataError(msg)
    return images[0 if column is None else columns.index(column)]
