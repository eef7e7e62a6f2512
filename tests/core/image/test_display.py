"""Images of any kind can be looked at."""

import numpy as np
import pytest

from mlflow_lime.core.image.display import as_shown, positions

RAMP = np.linspace(0, 1, 12).reshape(3, 4)


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        (RAMP, RAMP * 255),
        (RAMP[..., None].astype(np.float32), RAMP * 255),
        (RAMP * 50 - 20, RAMP * 255),
        ((RAMP * 1000).astype(np.uint16), (RAMP * 1000).astype(int) / 1000 * 255),
        ((RAMP * 255).astype(np.uint8), (RAMP * 255).astype(np.uint8)),
        ((RAMP * 200).astype(np.int64), (RAMP * 200).astype(int)),
        ((RAMP * 160).astype(int) // 10, (RAMP * 160).astype(int) // 10 / 16 * 255),
        (RAMP > 0.5, (RAMP > 0.5) * 255),
        (np.stack([RAMP, RAMP[::-1]], axis=-1), RAMP * 255),
        (np.stack([RAMP * 9] * 6, axis=-1), RAMP * 255),
        (np.full((3, 4), 7.0), np.full((3, 4), 127.5)),
        (1.7e308 * (2 * RAMP - 1), RAMP * 255),
    ],
)
def test_one_band_is_shown_as_gray(image, wanted):
    shown = as_shown(image)
    assert (shown.shape, shown.dtype) == ((3, 4, 3), np.uint8)
    assert np.abs(shown.astype(float) - wanted[..., None]).max() <= 1


def test_colours_are_shown_as_they_are_and_opacity_over_white():
    colours = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
    assert np.array_equal(as_shown(colours), colours)
    opaque = np.dstack([colours, np.full((3, 4), 255, np.uint8)])
    assert np.array_equal(as_shown(opaque), colours)
    clear = np.dstack([colours, np.zeros((3, 4), np.uint8)])
    assert (as_shown(clear) == 255).all()


def test_positions_are_ninths_of_the_image():
    labels = np.arange(9, dtype=np.int32).reshape(3, 3).repeat(5, 0).repeat(7, 1)
    assert positions(labels) == [
        *("top left", "top centre", "top right"),
        *("middle left", "centre", "middle right"),
        *("bottom left", "bottom centre", "bottom right"),
    ]
