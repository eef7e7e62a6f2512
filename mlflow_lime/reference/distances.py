"""Where rows of mixed kinds lie: coordinates whose distances tell how alike two rows are."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from mlflow_lime.core.image.cells import Unreadable, read_cells
from mlflow_lime.core.image.display import as_shown
from mlflow_lime.core.layout import Layout
from mlflow_lime.core.sequence.absent import feature_means
from mlflow_lime.core.sequence.form import Series, read_series
from mlflow_lime.core.tabular.columns import ColumnKind, as_numbers, column_kind
from mlflow_lime.core.text.split import split

__all__ = ["coordinates"]

FloatArray = NDArray[np.float64]

MOST_CATEGORIES = 64
"""Frequent categories with a coordinate of their own; the others share one."""
MOST_WORDS = 5_000
TOPICS = 100
"""Coordinates that stand for the words of a text."""
SIDE = 16
"""Pixels of an image's small copy, along each side."""
STEPS = 32
"""Steps of the short copies of sequences."""


def coordinates(layout: Layout, frame: pd.DataFrame, *, seed: int = 0) -> FloatArray:
    """Return the rows of a frame as points.

    Parameters
    ----------
    layout : Layout
        What the columns hold.
    frame : DataFrame
        Rows with these columns.
    seed : int

    Returns
    -------
    ndarray of float64, shape (n_rows, n_coordinates)
        To be compared by Euclidean distance. Every column, text, and image adds about one, on
        average over all pairs of rows, to the squared distance, so that none outweighs the others
        by its units. A number adds its squared difference, another category or a missing value
        about one. Texts are compared by their words (TF-IDF, latent semantic analysis), images by
        small copies of them. Rows of NaN where an image cannot be read.

    Notes
    -----
    The idea of one coefficient for mixed kinds is that of Gower (1971), Biometrics 27; squared
    differences and deviations take the place of absolute ones and ranges, which one outlier sets.
    """
    blocks = [_column(frame[name]) for name in layout.tabular]
    blocks += [_text(frame[name], seed) for name in layout.texts]
    blocks += [_image(image.cells(frame), image.form) for image in layout.images]
    blocks += [_sequence(item.cells(frame), item.form) for item in layout.sequences]
    return np.column_stack(blocks)


def _scaled(block: FloatArray) -> FloatArray:
    """Return a block whose mean squared distance between rows is one."""
    spread = np.sqrt(2 * np.nanvar(block, axis=0).sum()) if len(block) else 0.0
    return block / spread if spread > 0 else np.zeros_like(block)


def _column(series: "pd.Series[Any]") -> FloatArray:
    if column_kind(series) is ColumnKind.CATEGORY:
        return _scaled(_categories(series))
    numbers = as_numbers(series)
    known = np.isfinite(numbers)
    if known.all():
        return _scaled(numbers[:, None])
    middle = numbers[known].mean() if known.any() else 0.0
    filled = _scaled(np.where(known, numbers, middle)[:, None])
    # Half of the distance between a known and a missing value comes from each.
    return np.column_stack([filled, np.where(known, 0.0, 1.0)])


def _categories(series: "pd.Series[Any]") -> FloatArray:
    codes, known = pd.factorize(series.astype(object).where(series.notna(), None))
    codes = np.where(codes < 0, len(known), codes)  # missing is a category
    frequent = np.argsort(-np.bincount(codes), kind="stable")[:MOST_CATEGORIES]
    shared = (~np.isin(codes, frequent))[:, None]
    return np.column_stack([codes[:, None] == frequent, shared]).astype(np.float64)


def _text(series: "pd.Series[Any]", seed: int) -> FloatArray:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = series.fillna("").astype(str).tolist()
    reader = TfidfVectorizer(analyzer=_words, max_features=MOST_WORDS)
    if not any(_words(text) for text in texts):
        return np.zeros((len(texts), 1))
    found = reader.fit_transform(texts)
    if min(found.shape) <= TOPICS:
        return _scaled(found.toarray())
    return _scaled(TruncatedSVD(TOPICS, random_state=seed).fit_transform(found))


def _words(text: str) -> list[str]:
    found = split(text.lower())
    return [found.texts[part] for part in found.spans[:, 2]]


def _image(cells: Any, form: Any) -> FloatArray:
    return _scaled(np.stack([_small(cell) for cell in read_cells(cells, form)]))


def _small(cell: Any) -> FloatArray:
    if isinstance(cell, Unreadable):
        return np.full(SIDE * SIDE * 3, np.nan)
    shown = Image.fromarray(as_shown(cell.image)).resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(shown, dtype=np.float64).ravel() / 255


def _sequence(cells: Any, form: Any) -> FloatArray:
    """Return sequences at some of their steps, no feature outweighing the others by its units."""
    found = read_series(cells, form)
    known = [one.values for one in found if isinstance(one, Series)]
    widths = {values.shape[1] for values in known}
    if len(widths) != 1:
        return np.full((len(found), 1), np.nan)
    short = np.stack([_shortened(values) for values in known])
    spread = short.std(axis=(0, 1))
    points = np.full((len(found), short[0].size), np.nan)
    usable = [isinstance(one, Series) for one in found]
    points[usable] = (short / np.where(spread > 0, spread, 1.0)).reshape(len(short), -1)
    return _scaled(points)


def _shortened(values: Any) -> FloatArray:
    """Return a sequence at `STEPS` steps, its missing values filled with the feature's mean."""
    filled = np.where(np.isfinite(values), values, np.nan_to_num(feature_means(values)))
    places = np.linspace(0, len(filled) - 1, STEPS)
    own = np.arange(len(filled))
    return np.column_stack([np.interp(places, own, column) for column in filled.T])
