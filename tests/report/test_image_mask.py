"""Image and mask: lime's own where lime is right, and nothing of its defects."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lime.lime_image import ImageExplanation

from mlflow_lime.core.explanation import Explanation
from mlflow_lime.errors import DataError
from tests.report.with_contents import image_content, image_explanation, quarters, text_explanation
from tests.strategies import make_explanation, make_label

WEIGHTS = [0.4, -0.3, 0.0, 0.1]
QUARTERS = image_explanation(quarters(), WEIGHTS)


def corners(mask):
    """Return what the mask says of the four quarters."""
    assert mask.dtype == np.int8
    assert all(len(np.unique(q)) == 1 for row in np.split(mask, 2) for q in np.split(row, 2, 1))
    return mask[[0, 0, -1, -1], [0, -1, 0, -1]].tolist()


def taken(explanation=QUARTERS, **options):
    return corners(explanation.image_and_mask(**options)[1])


def test_positive_segments_are_taken_by_default():
    assert taken() == [1, 0, 0, 1]


def test_negative_segments_are_marked_as_negative():
    assert taken(positive_only=False, negative_only=True) == [0, -1, 0, 0]


def test_segments_of_either_sign_but_none_without_weight():
    assert taken(positive_only=False) == [1, -1, 0, 1]


def test_the_heaviest_come_first():
    assert taken(positive_only=False, num_parts=2) == [1, -1, 0, 0]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [1, 0, 0, 0]),
        ({"positive_only": False, "negative_only": True}, [0, -1, 0, 0]),
        ({"positive_only": False}, [1, -1, 0, 0]),
    ],
)
def test_the_least_weight_is_inclusive_in_every_mode(options, expected):
    assert taken(min_weight=0.3, **options) == expected


def test_the_rest_is_mid_grey():
    image, mask = image_explanation(quarters(level=200), WEIGHTS).image_and_mask(hide_rest=True)
    assert image.dtype == np.uint8
    assert np.all(image[mask == 0] == 128)
    assert np.all(image[mask == 1] == 200)


def test_either_sign_has_its_tint():
    image, mask = QUARTERS.image_and_mask(positive_only=False)
    red, _, blue = np.moveaxis(image.astype(int), -1, 0)
    assert np.all((blue - red)[mask == 1] > 60)
    assert np.all((red - blue)[mask == -1] > 60)
    assert np.all(image[mask == 0] == 128)


def test_the_explanation_keeps_its_own_image():
    image, _ = QUARTERS.image_and_mask()
    image[:] = 0
    assert np.all(QUARTERS.contents[0].pixels == 128)


def test_untestable_segments_are_never_taken():
    explanation = image_explanation(quarters(untestable=[0]), [0.5, 0.4, 0.3])
    assert taken(explanation) == [0, 1, 1, 1]


def test_weights_that_are_not_numbers_are_never_taken():
    assert taken(image_explanation(quarters(), [np.nan, 0.1, np.inf, -0.1])) == [0, 1, 0, 0]


def test_a_label_is_chosen_by_name():
    labels = [make_label(WEIGHTS), make_label([0, 0, 1.0, 0], label="benign", index=1)]
    explanation = make_explanation(labels, contents=(quarters(),))
    assert corners(explanation.image_and_mask("benign")[1]) == [0, 0, 1, 0]


def test_one_of_several_images_is_chosen_by_column():
    contents = (quarters(column="front"), quarters(column="back").moved(4, "back"))
    explanation = make_explanation([make_label([*WEIGHTS, 0, 0, 9, 0])], contents=contents)
    assert taken(explanation, column="back") == [0, 0, 1, 0]
    with pytest.raises(DataError, match="choose one as column"):
        explanation.image_and_mask()
    with pytest.raises(DataError, match=r"Did you mean 'back'"):
        explanation.image_and_mask(column="bakc")


def test_without_an_image_it_says_so():
    with pytest.raises(DataError, match="holds no image"):
        text_explanation("some words").image_and_mask()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"negative_only": True}, "contradict each other"),
        ({"num_parts": 0}, "num_parts must be a whole number"),
        ({"num_parts": 2.5}, "num_parts must be a whole number"),
        ({"min_weight": -1}, "min_weight must be a finite number"),
        ({"min_weight": float("nan")}, "min_weight must be a finite number"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        QUARTERS.image_and_mask(**options)


@settings(deadline=None, max_examples=60)
@given(
    weights=st.lists(st.floats(-1, 1).filter(bool), min_size=6, max_size=6, unique_by=abs),
    mode=st.sampled_from([(True, False), (False, True), (False, False)]),
    num_parts=st.integers(1, 7),
    least=st.sampled_from([0.0, 0.123456789, 0.487654321]),  # lime leaves out what equals it
)
def test_the_mask_is_that_of_lime(weights, mode, num_parts, least):
    segments = np.arange(24).reshape(4, 6) // 4
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    theirs = ImageExplanation(pixels, segments)
    theirs.local_exp[0] = sorted(enumerate(weights), key=lambda item: -abs(item[1]))
    positive, negative = mode
    _, expected = theirs.get_image_and_mask(0, positive, negative, False, num_parts, least)
    explanation: Explanation = image_explanation(image_content(pixels, segments), weights)
    image, mask = explanation.image_and_mask(
        positive_only=positive, negative_only=negative, num_parts=num_parts, min_weight=least
    )
    np.testing.assert_array_equal(-mask if negative else mask, expected)
    if positive or negative:
        np.testing.assert_array_equal(image, pixels)
