import io

import numpy as np
import pytest
from PIL import Image

from mlflow_lime.report.raster import Raster


def pixels(raster):
    with Image.open(io.BytesIO(raster.png())) as image:
        return np.asarray(image)


def dark(raster):
    """Return left, right, top and bottom of what is not white."""
    rows, columns = np.nonzero((pixels(raster) < 128).any(axis=2))
    return columns.min(), columns.max() + 1, rows.min(), rows.max() + 1


def test_a_blank_picture_is_white():
    shown = pixels(Raster.blank(30, 20))
    assert shown.shape == (20, 30, 3)
    assert (shown == 255).all()


@pytest.mark.parametrize("box", [(5, 6, 10, 4), (15, 10, -10, -4)])
def test_a_bar_fills_its_pixels_whichever_way_it_points(box):
    raster = Raster.blank(30, 20)
    raster.bar(*box, color="#000000")
    assert dark(raster) == (5, 15, 6, 10)


@pytest.mark.parametrize("x", [5, 5.25, 5.5, 5.75, 6.5])
def test_a_thin_line_never_vanishes(x):
    raster = Raster.blank(30, 20)
    raster.bar(x, 2, 1, 10, color="#000000")
    left, right, *_ = dark(raster)
    assert right - left == 1
    assert abs(left - x) <= 0.5


def test_a_bar_without_a_width_draws_nothing():
    raster = Raster.blank(30, 20)
    raster.bar(5, 5, 0, 10, color="#000000")
    raster.bar(-9, 5, 5, 10, color="#000000")
    assert (pixels(raster) == 255).all()


def test_text_begins_ends_or_has_its_middle_where_it_is_put():
    places = {}
    for anchor in ("left", "center", "right"):
        raster = Raster.blank(400, 40)
        raster.write("mmmm", 200, 30, size=20, anchor=anchor, color="#000000")
        places[anchor] = dark(raster)
        assert places[anchor][3] == 30
    assert 200 <= places["left"][0] <= 204
    assert 196 <= places["right"][1] <= 200
    assert sum(places["center"][:2]) / 2 == pytest.approx(200, abs=1.5)


def test_text_is_cut_to_its_width():
    raster = Raster.blank(400, 40)
    raster.write("m" * 90, 20, 30, size=20, color="#000000", width=150)
    left, right, *_ = dark(raster)
    assert 20 <= left < 24
    assert 150 < right <= 170


def test_an_image_is_shown_pixel_by_pixel():
    raster = Raster.blank(30, 20)
    image = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    raster.show(image, 4, 5, 6, 4)
    repeated = image.repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(pixels(raster)[5:9, 4:10], repeated)
