"""Overlays and maps, looked at pixel by pixel."""

import io

import numpy as np
import pytest
from PIL import Image

from mlflow_lime.report.overlays import colours_of, encode_png, heat_map, largest, overlay
from mlflow_lime.report.wording import AGAINST, TOWARDS
from tests.report.with_contents import image_content, quarters
from tests.strategies import make_label

LABEL = make_label([0.4, -0.4, 0.0, 0.1], error=0)


def centres(pixels):
    """Return the pixels in the middle of the four quarters, as signed integers."""
    height, width = pixels.shape[:2]
    rows, columns = [height // 4, 3 * height // 4], [width // 4, 3 * width // 4]
    return pixels[np.ix_(rows, columns)].reshape(4, 3).astype(int)


def hex_of(colour):
    return "#{:02x}{:02x}{:02x}".format(*colour)


def test_the_map_goes_from_orange_through_white_to_blue():
    towards, against, zero, faint = centres(heat_map(quarters(), LABEL))
    assert hex_of(towards) == TOWARDS
    assert hex_of(against) == AGAINST
    assert hex_of(zero) == "#ffffff"
    np.testing.assert_allclose(255 - faint, (255 - towards) / 4, atol=1)


def test_the_scale_has_the_same_limit_on_both_sides():
    lone = make_label([0.4, -0.1, 0, 0], error=0)
    towards, against, *_ = centres(heat_map(quarters(), lone))
    half = centres(heat_map(quarters(), lone, limit=0.8))[0]
    assert hex_of(towards) == TOWARDS
    np.testing.assert_allclose(255 - against, (255 - colours_of(np.array(-1.0))) / 4, atol=1)
    np.testing.assert_allclose(255 - half, (255 - towards) / 2, atol=1)


def test_the_scale_can_be_told_apart_without_colour_vision():
    # Blue to yellow is what people with red-green blindness see.
    shares = np.linspace(-1, 1, 21)
    red, green, blue = colours_of(shares).T
    contrast = blue - (red + green) / 2
    assert np.all(np.diff(contrast) > 0)
    assert np.all(np.diff((red + green + blue)[:11]) > 0)
    assert np.all(np.diff((red + green + blue)[10:]) < 0)


def test_a_tint_tells_the_sign_and_zero_has_none():
    towards, against, zero, faint = centres(overlay(quarters(), LABEL))
    assert towards[2] - towards[0] > 60
    assert against[0] - against[2] > 60
    assert np.ptp(zero) == 0
    assert 0 < faint[2] - faint[0] < towards[2] - towards[0]


@pytest.mark.parametrize("level", [0, 255])
def test_a_tint_shows_on_black_and_on_white(level):
    towards, against, zero, faint = centres(overlay(quarters(level=level), LABEL))
    assert towards[2] - towards[0] > 60
    assert faint[2] - faint[0] >= 20
    assert against[0] - against[2] > 60
    assert np.ptp(zero) == 0


def test_weights_that_may_be_zero_have_no_tint_but_a_place_on_the_map():
    unsure = make_label([0.4, -0.1, 0.0, 0.0], error=0.06)
    assert np.ptp(centres(overlay(quarters(), unsure))[1]) == 0
    assert np.ptp(centres(heat_map(quarters(), unsure))[1]) > 20


def test_a_blue_sky_is_no_weight():
    sky = image_content(np.full((8, 8, 3), (40, 90, 250)), np.zeros((8, 8)))
    pixel = overlay(sky, make_label([0.0], error=0))[100, 100].astype(int)
    assert np.ptp(pixel) < 30


@pytest.mark.parametrize("draw", [overlay, heat_map])
def test_untestable_segments_are_hatched(draw):
    label = make_label([0.4, -0.4, 0.1], error=0)
    pixels = draw(quarters(untestable=[2]), label).astype(int)
    hatched = pixels[200:330, 20:150]
    assert np.ptp(hatched, axis=-1).max() == 0  # grey
    assert len(np.unique(hatched[..., 0])) == 2
    assert np.all(hatched[:-1, 1:] == hatched[1:, :-1])  # diagonal
    assert len(np.unique(pixels[20:150, 20:150].reshape(-1, 3), axis=0)) == 1


@pytest.mark.parametrize("draw", [overlay, heat_map])
def test_segments_have_outlines(draw):
    pixels = draw(quarters(), make_label([0.0] * 4, error=0)).astype(int)
    inside = pixels[50, 50]
    assert np.abs(pixels[50, 174] - inside).min() > 20
    assert np.abs(pixels[174, 50] - inside).min() > 20
    assert (np.any(pixels != inside, axis=-1)).sum() == 2 * 350 - 1


def test_small_images_are_repeated_and_large_ones_averaged():
    board = np.indices((8, 8)).sum(0) % 2 * 255
    small = image_content(np.repeat(board[..., None], 3, 2), np.zeros((8, 8)))
    none = make_label([0.0], error=0)
    assert len(np.unique(overlay(small, none, side=320))) == 2
    fine = np.kron(np.indices((400, 400)).sum(0) % 2, np.ones((2, 2))) * 255
    large = image_content(np.repeat(fine[..., None], 3, 2), np.zeros((800, 800)))
    assert np.ptp(overlay(large, none, side=200)) == 0


@pytest.mark.parametrize(
    ("shape", "shown"), [((10, 20), (175, 350)), ((400, 100), (350, 88)), ((1, 900), (1, 350))]
)
def test_the_longer_side_has_the_size_that_was_asked(shape, shown):
    content = image_content(np.zeros((*shape, 3)), np.zeros(shape))
    none = make_label([0.0], error=0)
    for draw in (overlay, heat_map):
        assert draw(content, none).shape == (*shown, 3)


def test_a_badge_lies_on_its_segment():
    plain = overlay(quarters(), LABEL)
    badged = overlay(quarters(), LABEL, ranks={1: 2})
    changed = np.argwhere(np.any(plain != badged, axis=-1))
    assert len(changed) > 100
    assert changed[:, 0].max() < 175
    assert changed[:, 1].min() >= 175
    other = overlay(quarters(), make_label([0.4, 0.4, 0, 0.1], error=0), ranks={1: 2})
    assert np.any(other[60:110, 240:290] != badged[60:110, 240:290])  # another sign


def test_a_badge_without_a_place_is_left_out():
    content = quarters()
    content.segments[content.segments == 1] = 0
    plain, badged = overlay(content, LABEL), overlay(content, LABEL, ranks={1: 1})
    np.testing.assert_array_equal(plain, badged)


def test_weights_that_are_not_numbers_are_hatched_and_do_not_count():
    label = make_label([np.nan, 0.2, np.inf, -0.2], error=0)
    assert largest(label.weights) == 0.2
    unknown, towards, infinite, _ = centres(heat_map(quarters(), label))
    assert hex_of(towards) == TOWARDS
    assert np.ptp(unknown) <= 20
    assert np.ptp(infinite) <= 20


def test_a_png_holds_every_pixel_and_is_the_same_each_time():
    pixels = overlay(quarters(), LABEL, ranks={0: 1})
    png = encode_png(pixels)
    assert png == encode_png(pixels)
    with Image.open(io.BytesIO(png)) as image:
        np.testing.assert_array_equal(np.asarray(image), pixels)


def test_fewer_colours_make_a_smaller_file_that_looks_the_same():
    rng = np.random.default_rng(0)
    noise = image_content(rng.integers(0, 256, (64, 64, 3)), np.zeros((64, 64)))
    pixels = overlay(noise, make_label([0.3], error=0))
    small = encode_png(pixels, colours=64)
    assert len(small) < 0.6 * len(encode_png(pixels))
    with Image.open(io.BytesIO(small)) as image:
        shown = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(shown - pixels).mean() < 8
