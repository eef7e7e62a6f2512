"""The picture of a sequence: its lines, its windows, its scale."""

import io

import numpy as np
import pytest
from PIL import Image

from mlflow_lime.core.contents import SequenceContent
from mlflow_lime.report.figures import explanation_png
from mlflow_lime.report.overlays import AGAINST_RGB, TOWARDS_RGB
from mlflow_lime.report.series_panel import series_height
from tests.report.with_contents import series_explanation
from tests.strategies import make_explanation, make_label


def words(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def spans(figure):
    """Return the colours of the windows of the first line, from left to right."""
    windows = [
        patch
        for patch in figure.axes[0].patches
        if patch.get_width() > 2 and 50 < patch.get_height() < 200
    ]
    first = [patch for patch in windows if patch.get_y() == windows[0].get_y()]
    found = sorted(first, key=lambda patch: patch.get_x())
    return [np.round(255 * np.array(patch.get_facecolor()[:3])) for patch in found]


def pixels(made):
    """Return the picture that is logged, as an array."""
    return np.asarray(Image.open(io.BytesIO(explanation_png(made, made.labels[0]))))


def test_the_logged_picture_has_the_same_windows_and_line():
    values = np.random.default_rng(0).normal(size=(9, 1))
    made = series_explanation(values, [0.5, 0.0, -0.5])
    picture = pixels(made)
    colours = {tuple(colour) for colour in picture.reshape(-1, 3).tolist()}
    assert {tuple(TOWARDS_RGB), tuple(AGAINST_RGB)} <= colours
    dark = (picture.sum(axis=2) < 150)[:, 120:640]
    assert dark.any(axis=0).mean() > 0.9  # the line goes through


def heights(figure):
    """Return how high the first line is at its steps, in pixels."""
    return -figure.axes[0].lines[0].get_ydata()


def test_each_feature_is_a_line_over_its_windows():
    values = np.random.default_rng(0).normal(size=(9, 2))
    made = series_explanation(values, [0.5, 0.0, -0.5, 0.1, 0.0, 0.0])
    figure = made.as_figure()
    assert np.array_equal(spans(figure), [TOWARDS_RGB, [255, 255, 255], AGAINST_RGB])
    assert np.argmax(heights(figure)) == np.argmax(values[:, 0])
    assert {"a", "b", "step 0", "step 4", "step 8", "0"} <= set(words(figure))
    assert figure.bbox.width == 700
    assert np.ptp(pixels(made)) > 0


def test_windows_without_a_sure_sign_are_white_and_explained():
    made = series_explanation(np.zeros((9, 1)), [0.5, 0.01, -0.5], error=0.1)
    figure = made.as_figure()
    assert np.array_equal(spans(figure)[1], [255, 255, 255])
    assert "no tint: interval includes zero" in words(figure)


def test_a_picture_grows_with_its_features_up_to_six():
    heights = [
        series_height(series_explanation(np.zeros((4, n)), np.ones(n), parts="features"))
        for n in (1, 3, 6, 9)
    ]
    assert heights[0] < heights[1] < heights[2] == heights[3]
    nine = series_explanation(np.zeros((4, 9)), np.ones(9), parts="features").as_figure()
    assert "3 more features of less weight" in words(nine)


def test_a_constant_and_an_unknown_feature_are_told_as_such():
    values = np.column_stack([np.full(5, 7.0), np.full(5, np.nan)])
    figure = series_explanation(values, [0.1, 0.2], parts="features").as_figure()
    assert {"7", "no values"} <= set(words(figure))


@pytest.mark.parametrize("values", [[[1.7e308], [-1.7e308]], [[1e-320], [0.0]], [[np.inf], [1.0]]])
def test_extreme_values_are_drawn(values):
    made = series_explanation(values, [0.1, 0.2], count=2)
    assert np.ptp(pixels(made)) > 0
    made.as_figure()


def test_lags_and_the_name_of_the_sequence_are_written():
    values = np.arange(6.0)[:, None]
    labels = np.repeat([[1], [2]], 3, axis=0).astype(np.int32)
    content = SequenceContent("series", values, labels, ("temp",), tuple(range(6, 0, -1)), "lag")
    label = make_label([0.1, 0.2, 0.3])
    made = make_explanation([label], names=("age", "one", "two"), contents=(content,))
    assert {"series: temp", "lag 6", "lag 1"} <= set(words(made.as_figure()))
