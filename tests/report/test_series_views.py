"""Sequences on pages: a line for each feature over its windows, tinted by weight."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mlflow_lime.report.html import render_explanation
from mlflow_lime.report.series_views import MOST_FEATURES, series_view, tracks_of
from tests.report.with_contents import series_explanation
from tests.strategies import make_label, texts


def tints(page):
    return re.findall(r'<path class="([ta]\d)" d="M(\d+) 0h(\d+)v', page)


def test_windows_are_tinted_by_sign_and_size():
    weights = [0.6, 0.1, -0.6, 0.0, -0.1, 0.3]
    made = series_explanation(np.random.default_rng(0).normal(size=(6, 2)), weights)
    page = render_explanation(made, made.labels[0])
    assert [css for css, _, _ in tints(page)] == ["t6", "t1", "a6", "a1", "t3"]
    assert [x for _, x, _ in tints(page)] == ["0", "333", "667", "333", "667"]
    assert page.count('class="line"') == 2
    assert re.search(r"<title>a, steps 0 to 1: \+0\.60*</title>", page)
    assert "step 0" in page
    assert "step 5" in page


def test_windows_whose_interval_includes_zero_have_no_tint():
    made = series_explanation(np.zeros((6, 1)), [0.6, 0.01, -0.6], error=0.1)
    (track,) = tracks_of(made.contents[0], made.labels[0])
    assert [band.share for band in track.bands] == [1.0, 0.0, -1.0]


def test_the_heaviest_features_are_drawn_and_the_others_told():
    n = MOST_FEATURES + 3
    weights = np.arange(n) / 10.0
    made = series_explanation(np.zeros((4, n)), weights, parts="features")
    tracks = tracks_of(made.contents[0], made.labels[0])
    assert [track.name for track in tracks] == list("ihgfed")
    page = render_explanation(made, made.labels[0])
    assert page.count('class="line"') == MOST_FEATURES
    assert "3 more features of less weight" in page


def test_two_surrogates_have_one_scale_and_the_same_features_in_the_same_order():
    made = series_explanation(np.zeros((4, 8)), np.arange(8) / 10.0, parts="features")
    other = make_label(np.arange(8)[::-1] / 5.0)
    view = series_view(made.contents[0], made, [("new", made.labels[0]), ("old", other)])
    assert [side["name"] for side in view["sides"]] == ["new", "old"]
    one, two = ([track["name"] for track in side["tracks"]] for side in view["sides"])
    assert one == two
    assert view["high"] == "+1.40"
    alone = series_view(made.contents[0], made, [("new", made.labels[0]), ("old", None)])
    assert len(alone["sides"]) == 1


def test_a_line_is_broken_where_values_are_missing():
    values = np.array([[0.0], [1.0], [np.nan], [2.0], [np.inf], [0.0], [1.0]])
    made = series_explanation(values, [0.1, 0.2, 0.3])
    (path,) = re.findall(r'class="line" d="([^"]*)"', render_explanation(made, made.labels[0]))
    assert path.count("M") == 3
    assert path.count("h0") == 3
    assert path.count("L") == 2


def test_a_long_series_keeps_its_extremes():
    values = np.zeros((50_000, 1))
    values[31_234] = 9.0
    values[7] = -9.0
    made = series_explanation(values, [0.1, 0.2, 0.3])
    (path,) = re.findall(r'class="line" d="([^"]*)"', render_explanation(made, made.labels[0]))
    heights = [int(y) for y in re.findall(r"[ML]\d+ (\d+)", path)]
    assert len(heights) <= 240
    assert (min(heights), max(heights)) == (8, 92)


def test_a_series_without_values_says_so():
    made = series_explanation(np.full((3, 1), np.nan), [0.1, 0.2, 0.3])
    page = render_explanation(made, made.labels[0])
    assert "no values" in page
    assert 'class="line" d=""' in page


def test_screen_readers_are_told_the_heaviest_windows():
    made = series_explanation(np.zeros((6, 2)), [0.6, 0.1, -0.5, 0.0, -0.1, 0.3])
    page = render_explanation(made, made.labels[0])
    told = r"Heaviest: a, steps 0 to 1, towards \+0\.60*; a, steps 4 to 5, against −0\.50*; "
    assert re.search(told, page)
    flat = series_explanation(np.zeros((6, 1)), [0.0, 0.0, 0.0])
    assert "No window has weight." in render_explanation(flat, flat.labels[0])


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_names_and_values_of_any_kind_are_escaped(data):
    names = data.draw(st.lists(texts(), min_size=2, max_size=2, unique=True))
    features = (f"<script>{names[0]}", f'"{names[1]}')
    values = data.draw(arrays(np.float64, (4, 2)))
    made = series_explanation(values, [0.1, -0.2], features=features, parts="features")
    page = render_explanation(made, made.labels[0])
    assert "<script" not in page
    made.as_figure()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_have_no_tint(bad):
    made = series_explanation(np.zeros((6, 1)), [bad, 0.2, -0.1])
    (track,) = tracks_of(made.contents[0], made.labels[0])
    assert [band.share for band in track.bands] == [0.0, 1.0, -0.5]
    assert '<path class="line"' in render_explanation(made, made.labels[0])
