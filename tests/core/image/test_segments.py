"""Segments are numbered from 0 without gaps, and are a function of the pixels alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage import data

from mlflow_lime.core.image import segments as module
from mlflow_lime.core.image.segments import METHODS, Segmenter, relabel, segment
from mlflow_lime.errors import DataError

IMAGES = {
    "colour": data.astronaut()[100:196, 150:246],
    "gray": data.camera()[::5, ::5],
    "face": data.lfw_subset()[0],
    "one channel": data.camera()[::8, ::8, None],
    "RGBA": data.logo()[::8, ::8],
    "seven bands": np.random.default_rng(0).random((30, 31, 7)),
    "noise": np.random.default_rng(1).random((25, 25, 3)),
    "constant": np.full((20, 20, 3), 7, dtype=np.uint8),
    "constant gray": np.full((20, 20), 0.5, dtype=np.float32),
    "bool": data.horse()[::8, ::8],
    "16 bits": (data.camera()[::8, ::8].astype(np.uint16) * 257),
    "half": data.camera()[::8, ::8].astype(np.float16),
    "huge values": 1.5e308 * np.linspace(-1, 1, 144).reshape(12, 12),
    "row": np.random.default_rng(2).random((1, 40)),
    "pixel": np.zeros((1, 1)),
    "digit": np.random.default_rng(3).random((8, 8)),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", IMAGES)
def test_labels_are_all_numbers_from_zero_in_the_order_of_the_pixels(name, method):
    image = IMAGES[name]
    before = image.copy()
    labels = segment(image, method)
    values, first = np.unique(labels, return_index=True)
    assert labels.shape == image.shape[:2]
    assert labels.dtype == np.int32
    assert values.tolist() == list(range(len(values)))
    assert (np.diff(first) > 0).all()
    assert np.array_equal(labels, segment(image, method))
    assert np.array_equal(image, before)


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("face", 15, 70),
        ("digit", 8, 20),
        ("colour", 15, 70),
        ("noise", 10, 75),
        ("seven bands", 10, 75),
        ("constant", 1, 75),
        ("RGBA", 10, 75),
    ],
)
def test_slic_gives_a_sensible_number_of_segments(name, least, most):
    assert least <= segment(IMAGES[name]).max() + 1 <= most


def test_the_method_does_not_depend_on_the_global_random_state():
    np.random.seed(1)  # noqa: NPY002
    first = [segment(IMAGES["face"], method) for method in METHODS]
    np.random.seed(2)  # noqa: NPY002
    second = [segment(IMAGES["face"], method) for method in METHODS]
    assert all(map(np.array_equal, first, second))


def test_a_grid_of_a_digit_has_squares_of_two_by_two_pixels():
    labels = segment(np.zeros((8, 8)), "grid", 50)
    assert np.array_equal(labels, np.arange(16).reshape(4, 4).repeat(2, 0).repeat(2, 1))


def test_a_large_image_is_segmented_on_fewer_pixels(monkeypatch):
    monkeypatch.setattr(module, "LARGE", 2_000)
    labels = segment(IMAGES["gray"])
    assert labels.shape == IMAGES["gray"].shape
    assert np.array_equal(labels[:102:3, :102:3], labels[1:102:3, 2:102:3])
    assert labels.max() > 10


@settings(max_examples=50, deadline=None)
@given(
    hnp.arrays(
        st.sampled_from([np.int8, np.uint8, np.int64, np.bool_]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
    )
)
def test_relabelling_keeps_which_pixels_belong_together(labels):
    found = relabel(labels, labels.shape).ravel()
    flat = labels.ravel()
    assert np.array_equal(found[:, None] == found, flat[:, None] == flat)
    seen = list(dict.fromkeys(found.tolist()))
    assert seen == list(range(len(seen)))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((3, 4)), "shape"),
        (np.full((4, 4), 0.5), "whole numbers"),
        (np.full((4, 4), np.nan), "whole numbers"),
        (np.full((4, 4), "a"), "whole numbers"),
        ([[1], [2, 3]], "shape"),
        (None, "shape"),
    ],
)
def test_labels_that_are_none_are_refused(labels, message):
    with pytest.raises(DataError, match=message):
        relabel(labels, (4, 4))


def test_more_segments_than_can_be_fitted_are_refused():
    with pytest.raises(DataError, match="at most 5,000 segments"):
        relabel(np.arange(5041).reshape(71, 71), (71, 71))


def halves(image):
    image[:] = 0  # must not reach the explained image
    labels = np.zeros(image.shape[:2])
    labels[:, image.shape[1] // 2 :] = -3
    return labels


def test_a_function_may_give_any_whole_numbers_and_sees_a_copy():
    image = np.arange(16.0).reshape(4, 4)
    assert Segmenter(halves)(image, 0).tolist() == [[0, 0, 1, 1]] * 4
    assert image.sum() == 120


def test_a_function_that_fails_is_named():
    with pytest.raises(DataError, match="ZeroDivisionError"):
        Segmenter(lambda image: 1 / 0)(np.zeros((2, 2)), 0)


@pytest.mark.parametrize("wrong", ["slick", 3, object(), [[1], [2, 3]]])
def test_an_unknown_method_is_refused(wrong):
    with pytest.raises(DataError, match="segments must be one of"):
        Segmenter(wrong)


@pytest.mark.parametrize("wrong", [0, -1, 2.5, True, "9", None])
def test_a_wrong_number_of_segments_is_refused(wrong):
    with pytest.raises(DataError, match="n_segments must be a whole number"):
        Segmenter("slic", wrong)


def test_labels_are_given_for_all_images_or_for_each():
    image = np.zeros((2, 2))
    assert Segmenter([[5, 5], [2, 2]])(image, 3).tolist() == [[0, 0], [1, 1]]
    each = Segmenter([np.array([[5, 5], [2, 2]]), np.array([[1, 2], [1, 2]])])
    assert each(image, 1).tolist() == [[0, 1], [0, 1]]
    with pytest.raises(DataError, match="given for 2 images, but there are 3"):
        each.require(3)


def test_the_recipe_tells_methods_apart():
    recipes = [
        Segmenter(method).recipe()["segments"]
        for method in ("slic", "grid", halves, np.zeros((2, 2), int), np.ones((2, 2), int))
    ]
    assert len(set(recipes)) == 5
    assert recipes[2].endswith(":halves")
