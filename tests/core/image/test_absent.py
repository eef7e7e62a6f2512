"""What replaces absent segments, in the image's own dtype and units."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage import data

from mlflow_lime.core.image.absent import Absence, differing
from mlflow_lime.core.image.files import encode
from mlflow_lime.errors import DataError

CAT = data.chelsea()[::6, ::6]
LABELS = (np.arange(50)[:, None] // 10 * 8 + np.arange(76) // 10).astype(np.int32)
CAMERA = data.camera()[:50, :76]


def test_the_mean_is_that_of_each_channel():
    fill = Absence().fill(CAT, LABELS)
    assert fill.dtype == np.uint8
    assert np.array_equal(fill[3, 4], np.rint(CAT.reshape(-1, 3).mean(axis=0)))
    assert (fill == fill[0, 0]).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_fill_has_the_dtype_of_the_image(dtype):
    image = (CAT / 255).astype(dtype)
    for absent in ("mean", "blur", "segment_mean", 0.25, (0, 0.5, 1), CAT / 255):
        assert Absence(absent).fill(image, LABELS).dtype == dtype


def test_segment_means_are_those_of_each_segment():
    fill = Absence("segment_mean").fill(CAMERA.astype(float), LABELS)
    for label in (0, 7, int(LABELS.max())):
        inside = label == LABELS
        assert np.allclose(fill[inside], CAMERA[inside].mean())


def test_the_blur_grows_with_the_image():
    small, large = CAMERA[:25, :25].astype(float), data.camera().astype(float)
    zeros = np.zeros(small.shape, dtype=np.int32)
    assert np.allclose(
        Absence("blur").fill(small, zeros), gaussian_filter(small, 0.06 * 25, truncate=3)
    )
    assert Absence("blur").fill(large, zeros).std() < 0.85 * large.std()
    colour = CAT.astype(float)
    assert np.allclose(
        Absence("blur").fill(colour, LABELS)[..., 1], Absence("blur").fill(colour[..., 1], LABELS)
    )


def test_bool_images_are_replaced_by_their_majority():
    image = np.array([[True, True, True, False]])
    assert Absence().fill(image, np.zeros((1, 4), np.int32)).tolist() == [[True] * 4]


def test_a_background_is_an_array_or_a_file(tmp_path):
    path = tmp_path / "background.png"
    path.write_bytes(encode(255 - CAT))
    for absent in (255 - CAT, str(path), path):
        absence = Absence(absent)
        assert np.array_equal(absence.fill(CAT, LABELS), 255 - CAT)
        assert absence.recipe() == Absence(255 - CAT).recipe()


@pytest.mark.parametrize(
    ("absent", "message"),
    [
        (300, "0 to 255"),
        (-1, "0 to 255"),
        ((1, 2), "2 channels, but the image has 3"),
        (CAT[:10], "background of shape"),
        (CAT[..., 0], "background of shape"),
    ],
)
def test_what_does_not_fit_the_image_is_refused(absent, message):
    with pytest.raises(DataError, match=message):
        Absence(absent).fill(CAT, LABELS)


def test_a_colour_beyond_the_range_of_half_floats_is_refused():
    with pytest.raises(DataError, match="too large"):
        Absence(1e6).fill(CAT.astype(np.float16), LABELS)


@pytest.mark.parametrize(
    ("absent", "message"),
    [
        ("maen", "Did you mean 'mean'"),
        (None, "absent must be one of"),
        ([], "absent must be one of"),
        ([[1], [2, 3]], "absent must be one of"),
        (float("nan"), "finite"),
        ("missing.png", "cannot be read"),
    ],
)
def test_an_unknown_absence_is_refused(absent, message):
    with pytest.raises(DataError, match=message):
        Absence(absent)


def test_a_segment_differs_where_any_channel_of_any_pixel_does():
    image = np.zeros((2, 3, 3), dtype=np.uint8)
    fill = image.copy()
    fill[1, 1, 2] = 1
    labels = np.array([[0, 1, 2], [0, 1, 2]], dtype=np.int32)
    assert differing(image, fill, labels).tolist() == [False, True, False]
