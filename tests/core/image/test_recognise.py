"""Telling columns of images from other columns."""

import numpy as np
import pytest

from mlflow_lime.core.image.recognise import image_kind

NO_TAGS = np.array([], dtype=object)


@pytest.mark.parametrize("cells", [[NO_TAGS], [NO_TAGS, np.array(["new"], dtype=object)], [[]]])
def test_lists_of_nothing_are_no_images(cells):
    assert image_kind(cells) is None


def test_arrays_within_arrays_are_images_although_one_is_empty():
    nested = np.empty(2, dtype=object)
    nested[:] = [np.zeros(3), np.ones(3)]
    assert image_kind([nested, NO_TAGS]) == "array"
