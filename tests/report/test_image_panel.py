"""Pictures of images: overlay and map above the bars, with a legend."""

import io

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex

from mlflow_lime.report.figures import draw_explanation, explanation_png
from mlflow_lime.report.image_panel import panel_height
from mlflow_lime.report.overlays import heat_map, overlay
from mlflow_lime.report.wording import AGAINST, TOWARDS
from tests.report.with_contents import image_content, image_explanation, quarters
from tests.strategies import HOSTILE_NAMES, make_explanation, make_label

WEIGHTS = [0.4, -0.2, 0.0, 0.1]


def draw(explanation, **options):
    return draw_explanation(explanation, explanation.labels[0], **options)


def pixels(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer)
    buffer.seek(0)
    return np.rint(plt.imread(buffer)[..., :3] * 255).astype(int)


def written(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_overlay_and_map_stand_side_by_side_above_the_bars():
    explanation = image_explanation(quarters(), WEIGHTS)
    figure = draw(explanation)
    label, content = explanation.labels[0], explanation.contents[0]
    left, right, *_ = figure.axes[0].images
    ranks = {0: 1, 1: 2, 3: 3}
    np.testing.assert_array_equal(left.get_array(), overlay(content, label, side=316, ranks=ranks))
    np.testing.assert_array_equal(right.get_array(), heat_map(content, label, side=316))
    assert left.get_extent() == [24, 340, 478, 162]
    assert right.get_extent() == [360, 676, 478, 162]
    colours = (to_hex(patch.get_facecolor()) for patch in figure.axes[0].patches)
    bars = zip(figure.axes[0].patches, colours, strict=True)
    assert min(bar.get_y() for bar, colour in bars if colour in (TOWARDS, AGAINST)) > 478


@pytest.mark.parametrize("kind", ["figure", "file"])
def test_it_is_700_pixels_wide_and_draws_every_pixel_as_it_is(kind):
    explanation = image_explanation(quarters(), WEIGHTS)
    if kind == "figure":
        shown = pixels(draw(explanation))
    else:
        file = io.BytesIO(explanation_png(explanation, explanation.labels[0]))
        shown = np.rint(plt.imread(file) * 255).astype(int)
    assert shown.shape[1] == 700
    tinted = heat_map(explanation.contents[0], explanation.labels[0], side=316)
    place = shown[134 + 28 : 134 + 28 + 316, 360:676]
    np.testing.assert_allclose(place, tinted, atol=1)


def test_the_rows_have_the_numbers_of_the_badges():
    figure = draw(image_explanation(quarters(), WEIGHTS), top=2)
    names = [name for name in written(figure) if "segment " in name and "·" in name]
    assert names == ["1 · segment 0", "2 · segment 1"]


def test_the_scale_tells_its_limits_and_units():
    texts = written(draw(image_explanation(quarters(), WEIGHTS)))
    assert {"−0.4", "0", "0.4", "probability per segment"} <= set(texts)
    label = make_label([4000.0, 0, 0, 0], label="value", error=0)
    texts = written(
        draw(
            image_explanation(
                quarters(), [], label=label, mode="regression", class_names=("value",),
                scores=np.ones(1),
            )
        )
    )  # fmt: skip
    assert {"−4,000", "4,000", "units of the target per segment"} <= set(texts)


def test_the_legend_names_hatches_and_missing_tints_only_where_there_are_any():
    texts = written(draw(image_explanation(quarters(), [0.4, -0.2, 0.3, 0.1])))
    assert not {"cannot be tested", "no tint: interval includes zero"} & set(texts)
    texts = written(draw(image_explanation(quarters(untestable=[2]), [0.4, 0.1, 0], error=0.1)))
    assert {"cannot be tested", "no tint: interval includes zero"} <= set(texts)


def test_every_image_of_a_table_has_its_row():
    contents = (quarters(column="front"), quarters().moved(4, "back"))
    explanation = make_explanation([make_label([*WEIGHTS, *WEIGHTS])], contents=contents)
    texts = written(draw(explanation))
    assert "front: segments by rank and sign" in texts
    assert "back: segments by rank and sign" in texts
    assert panel_height(explanation) == 2 * (28 + 316 + 74)


def test_without_an_image_there_is_no_panel():
    assert panel_height(make_explanation([make_label([0.1])])) == 0


@pytest.mark.parametrize("shape", [(1, 200), (200, 1), (1, 1), (25, 25), (300, 700)])
def test_images_of_any_shape_can_be_drawn(shape):
    content = image_content(np.full((*shape, 3), 99), np.zeros(shape))
    explanation = image_explanation(content, [0.1])
    assert pixels(draw(explanation)).shape[1] == 700
    assert explanation_png(explanation, explanation.labels[0])


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_are_drawn_without_warnings(name):
    content = quarters(4, column=name)
    explanation = image_explanation(content, WEIGHTS, key=name, parts=[name] * 4)
    draw(explanation).savefig(io.BytesIO())
    explanation_png(explanation, explanation.labels[0])


def test_a_flat_image_can_be_drawn():
    label = make_label([0.0] * 4, error=0, flat=True, fidelity_r2=np.nan)
    figure = draw(image_explanation(quarters(), [], label=label))
    assert "nothing to explain" in written(figure)[3]
    figure.savefig(io.BytesIO())
