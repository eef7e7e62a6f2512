"""Coordinates of mixed rows: no unit outweighs another, and what is alike is near."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import pairwise_distances

from mlflow_lime.core.image.cells import ImageForm
from mlflow_lime.core.layout import ImageColumns, Layout
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.reference.distances import coordinates


def table(frame):
    return Layout.of_table(Background.from_frame(frame))


@pytest.fixture
def frame():
    random = np.random.default_rng(2)
    n = 60
    return pd.DataFrame(
        {
            "income": random.normal(40_000, 9_000, n),
            "age": random.integers(20, 70, n),
            "job": random.choice(["cook", "nurse", "smith"], n),
            "owner": random.random(n) > 0.5,
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 999, n), "h"),
            "holes": np.where(random.random(n) > 0.3, random.random(n), np.nan),
            "nothing": [None] * n,
            "same": 7.0,
        }
    )


def mean_squared(points):
    distances = pairwise_distances(points)
    return (distances**2).mean()


@pytest.mark.parametrize("column", ["income", "age", "job", "owner", "since"])
def test_every_column_adds_one_to_the_mean_squared_distance(frame, column):
    only = frame[[column]]
    assert mean_squared(coordinates(table(only), only)) == pytest.approx(1.0)


def test_columns_that_say_nothing_add_nothing(frame):
    only = frame[["income", "same", "nothing"]]
    assert mean_squared(coordinates(table(only), only)) == pytest.approx(1.0)


def test_a_missing_value_is_as_far_from_the_others_as_they_from_each_other(frame):
    only = frame[["holes"]]
    points = coordinates(table(only), only)
    assert np.isfinite(points).all()
    missing = frame["holes"].isna().to_numpy()
    between = (pairwise_distances(points[missing], points[~missing]) ** 2).mean()
    assert 0.5 < between < 3
    assert np.ptp(points[missing], axis=0).max() == 0


@given(st.floats(1e-6, 1e6), st.floats(-1e3, 1e3), st.permutations(range(12)))
@settings(max_examples=40, deadline=None)
def test_units_and_the_order_of_rows_do_not_matter(factor, shift, order):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"a": random.normal(size=12), "b": random.choice(["x", "y"], 12)})
    scaled = frame.assign(a=(frame["a"] + shift) * factor).iloc[list(order)]
    expected = pairwise_distances(coordinates(table(frame), frame))
    found = pairwise_distances(coordinates(table(scaled), scaled))
    np.testing.assert_allclose(found, expected[np.ix_(order, order)], atol=1e-3)


def test_one_row_has_a_place(frame):
    assert np.isfinite(coordinates(table(frame), frame.head(1))).all()


def test_rare_categories_share_a_coordinate():
    frame = pd.DataFrame({"id": [f"c{i}" for i in range(300)]})
    assert coordinates(table(frame), frame).shape[1] <= 65


def texts(values):
    frame = pd.DataFrame({"text": values})
    return Layout(columns=("text",), texts=("text",), dtypes={"text": "object"}), frame


def test_texts_of_the_same_words_are_near():
    layout, frame = texts(
        ["the soup was hot", "the soup was Hot!", "an engine of steel", None, "今日は天気がいい"]
    )
    distances = pairwise_distances(coordinates(layout, frame))
    assert distances[0, 1] < 0.2 < distances[0, 2]
    assert np.isfinite(distances).all()


def test_many_words_become_topics():
    random = np.random.default_rng(0)
    words = [f"w{i}" for i in range(900)]
    layout, frame = texts([" ".join(random.choice(words, 20)) for _ in range(150)])
    points = coordinates(layout, frame, seed=3)
    assert points.shape == (150, 100)
    np.testing.assert_array_equal(points, coordinates(layout, frame, seed=3))


def test_texts_without_a_word_lie_in_one_place():
    layout, frame = texts(["", "...", None])
    assert np.ptp(coordinates(layout, frame)) == 0


def test_images_that_look_alike_are_near_and_an_unreadable_one_is_nowhere():
    random = np.random.default_rng(0)
    dark, bright = np.zeros((30, 20, 3), np.uint8), np.full((30, 20, 3), 220, np.uint8)
    noise = random.integers(0, 20, (30, 20, 3), dtype=np.uint8)
    cells = [dark, dark + noise, bright, bright + noise, np.array(["no", "image"])]
    layout = Layout(columns=("p",), images=(ImageColumns("p", ("p",), ImageForm("array")),))
    points = coordinates(layout, pd.DataFrame({"p": pd.Series(cells, dtype=object)}))
    assert np.isnan(points).any(axis=1).tolist() == [False] * 4 + [True]
    distances = pairwise_distances(points[:4])
    assert distances[0, 1] < distances[0, 2] / 5
    assert distances[2, 3] < distances[0, 2] / 5
