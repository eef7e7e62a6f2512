"""The grid of small overlays: the first twelve, on one scale, inside the picture."""

import base64
import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from mlflow_lime.report.picture_grid import draw_picture_grid
from tests.report.with_contents import image_content, image_explanation, quarters, text_explanation
from tests.strategies import HOSTILE_NAMES, make_explanation, make_label


def parse(grid):
    return ET.fromstring(f"<svg>{''.join(grid.nodes)}</svg>")


def pictures(grid):
    """Return the embedded images as signed integers, with their places."""
    found = []
    for node in parse(grid).iter("image"):
        with Image.open(io.BytesIO(base64.b64decode(node.get("href").split(",")[1]))) as image:
            found.append((node, np.asarray(image.convert("RGB")).astype(int)))
    return found


def explain(*weights, **options):
    return image_explanation(quarters(), weights, **options)


def test_instances_without_images_have_no_grid():
    some = [text_explanation("a b"), make_explanation([make_label([0.1])])]
    assert draw_picture_grid(some, 72) is None


def test_the_first_twelve_are_drawn_and_the_rest_is_counted():
    grid = draw_picture_grid([explain(0.1, 0, 0, 0)] * 14, 72)
    assert len(pictures(grid)) == 12
    assert "first 12 of 14" in [node.text for node in parse(grid).iter("text")]


def test_pictures_lie_inside_and_apart():
    grid = draw_picture_grid([explain(0.1, 0, 0, 0)] * 12, 72)
    corners = {(float(node.get("x")), float(node.get("y"))) for node, _ in pictures(grid)}
    assert len(corners) == 12
    assert max(x for x, _ in corners) + 156 <= 700
    assert min(y for _, y in corners) == 72
    assert all(float(node.get("y")) < grid.bottom for node in parse(grid))


def test_all_pictures_share_one_scale():
    grid = draw_picture_grid([explain(0.8, 0, 0, 0), explain(0.2, 0, 0, 0)], 0)
    strong, weak = (picture[30, 30] for _, picture in pictures(grid))
    assert strong[2] - strong[0] > 2 * (weak[2] - weak[0]) > 0
    assert "towards, +0.8" in [node.text for node in parse(grid).iter("text")]


def test_each_picture_tells_its_instance_prediction_and_fit():
    words = [
        node.text for node in parse(draw_picture_grid([explain(0.1, 0, 0, 0)], 0)).iter("text")
    ]
    assert words[:3] == ["03 #21cc2b", "P(malignant) = 0.69", "fit 0.58"]


def test_photos_stay_small():
    rng = np.random.default_rng(0)
    noise = image_content(rng.integers(0, 256, (300, 400, 3)), np.zeros((300, 400)))
    grid = draw_picture_grid([image_explanation(noise, [0.1])] * 12, 0)
    assert len("".join(grid.nodes)) < 400_000


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_are_text_only(name):
    label = make_label([0.1, 0, 0, 0], label=name, error=0)
    grid = draw_picture_grid([explain(key=name, label=label, parts=[name] * 4)], 0)
    assert {node.tag for node in parse(grid)} == {"image", "text", "rect"}
