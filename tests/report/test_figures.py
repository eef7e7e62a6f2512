import io

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from PIL import Image, ImageFilter

from mlflow_lime.report.figures import draw_explanation, explanation_png
from mlflow_lime.report.wording import AGAINST, TOWARDS
from tests.report.with_contents import image_explanation, quarters
from tests.strategies import HOSTILE_NAMES, explanations, make_explanation, make_label

MIDDLE, HALF = 425, 159  # pixels of zero, and from there to the ends of the axis
HEAD = 134  # where the bars begin, if there is no warning


def draw(label, **changes):
    options = {name: changes.pop(name) for name in ("top", "limit") if name in changes}
    return draw_explanation(make_explanation([label], **changes), label, **options)


def written(figure):
    """Return texts and places, from the top, and in a row from the left."""
    found = [(text.get_text(), *text.get_position()) for text in figure.axes[0].texts]
    return sorted(found, key=lambda item: (round(item[2], 3), item[1]))


def head(figure):
    return [text for text, _, y in written(figure) if y < HEAD + 20]


def row_names(figure):
    return [text for text, x, y in written(figure) if x == 252 and y > HEAD and "more" not in text]


def row_weights(figure):
    return [text for text, x, _ in written(figure) if x == 680]


def foot(figure):
    return [text for text, _, y in written(figure) if y > HEAD][-2:]


def ticks(figure):
    """Return what stands at the scale, from the left."""
    texts = [text for text in figure.axes[0].texts if text.get_fontsize() == 16 * 0.72]
    centred = [text for text in texts if text.get_ha() == "center"]
    return [(text.get_text(), text.get_position()[0]) for text in centred]


def patches(figure, *colors):
    found = [item for item in figure.axes[0].patches if to_hex(item.get_facecolor()) in colors]
    return [(item.get_x(), item.get_y(), item.get_width(), item.get_height()) for item in found]


def shares(figure):
    """Return the lengths of the bars, as shares of the axis."""
    return [width / HALF for _, _, width, _ in patches(figure, TOWARDS, AGAINST)]


def intervals(figure):
    """Return the ends of the intervals, as shares of the axis."""
    lines = [(x, width) for x, _, width, height in patches(figure, "#1b1f24") if height == 3]
    return [((x - MIDDLE) / HALF, (x + width - MIDDLE) / HALF) for x, width in lines]


def test_heaviest_weights_stand_on_top():
    figure = draw(make_label([0.1, -0.5, 0.0, 0.3]), names="abcd", parts="abcd", top=3, limit=1)
    assert row_names(figure) == ["b", "d", "a"]
    assert row_weights(figure) == ["−0.500", "+0.300", "+0.100"]
    np.testing.assert_allclose(shares(figure), [-0.5, 0.3, 0.1])
    places = [y for _, y, _, _ in patches(figure, TOWARDS, AGAINST)]
    assert places == sorted(places)


def test_intervals_reach_from_low_to_high():
    label = make_label([0.1, -0.5], low=np.array([0.0, -0.8]), high=np.array([0.3, -0.45]))
    np.testing.assert_allclose(intervals(draw(label, limit=1)), [[-0.8, -0.45], [0.0, 0.3]])


def test_an_interval_that_leaves_the_axis_has_no_end_there():
    label = make_label([0.5], low=np.array([0.2]), high=np.array([3.0]))
    figure = draw(label, limit=1)
    np.testing.assert_allclose(intervals(figure), [[0.2, 1.0]])
    ends = [x for x, _, width, height in patches(figure, "#1b1f24") if (width, height) == (3, 12)]
    np.testing.assert_allclose(ends, [MIDDLE + 0.2 * HALF - 1.5])


def test_exact_weights_have_no_intervals():
    assert not intervals(draw(make_label([0.1, -0.5], error=0), exact=True))


def test_towards_and_against_have_their_own_colours():
    figure = draw(make_label([0.2, -0.1]))
    ((_, _, towards, _),), ((_, _, against, _),) = (
        patches(figure, TOWARDS),
        patches(figure, AGAINST),
    )
    assert towards > 0 > against


def test_head_names_instance_prediction_and_fidelity():
    assert head(draw(make_label([0.2]))) == [
        "03 #21cc2b",
        "P(malignant) = 0.69",
        "fit 0.58",
    ]


def test_head_tells_when_another_class_is_predicted():
    texts = head(draw(make_label([0.2], label="benign", index=1, prediction=0.31)))
    assert "model says malignant (0.69)" in texts[2]


def test_poor_fits_carry_a_warning():
    assert "Single parts explain only 1%" in head(draw(make_label([0.2], fidelity_r2=0.01)))[3]


def test_regressions_show_their_units():
    label = make_label([78_927.4, -523.0], label="value", prediction=251_300.4)
    figure = draw(label, mode="regression", class_names=("value",), scores=np.array([251_300.4]))
    assert head(figure)[1] == "prediction = 251,300"
    assert row_weights(figure) == ["+78,927", "−523"]
    assert foot(figure) == ["◄ lowers", "raises ►"]


def test_what_is_not_drawn_is_told():
    texts = [text for text, _, _ in written(draw(make_label([0.5, 0.2, 0.123]), top=1))]
    assert "2 more parts, each ≤ 0.2" in texts


def test_the_axis_is_symmetric_and_holds_every_interval():
    label = make_label([0.1, -0.5], low=np.array([0.0, -0.8]), high=np.array([0.3, -0.45]))
    figure = draw(label)
    ((low, _), _) = intervals(figure)
    assert -1 < low < -0.9
    (against, left), (zero, middle), (towards, right) = ticks(figure)
    assert (against, zero, towards) == ("−0.6", "0", "0.6")
    assert middle - left == right - middle
    assert (right - middle) / HALF == pytest.approx(-low / 0.8 * 0.6)


@pytest.mark.parametrize("limit", [0.9, 1.0, 0.37, 2e-7, 81_000, 1e300, 1e-300])
def test_the_scale_has_round_numbers_well_inside_the_axis(limit):
    (_, _), (zero, _), (text, x) = ticks(draw(make_label([0.1]), limit=limit))
    assert zero == "0"
    assert len(text) < 10
    assert 0.5 <= (x - MIDDLE) / HALF <= 0.81


def test_the_largest_numbers_there_are_can_be_drawn():
    assert shares(draw(make_label([1.7e308, -1e308], error=0))) == pytest.approx(
        [0.946, -0.556], abs=1e-3
    )


def test_a_given_limit_sets_the_axis():
    np.testing.assert_allclose(shares(draw(make_label([0.1]), limit=2.0)), [0.05])


def test_flat_instances_have_no_scale_but_zero():
    figure = draw(make_label([0.0, 0.0], error=0, fidelity_r2=np.nan, flat=True))
    assert [text for text, _ in ticks(figure)] == ["0"]
    assert "nothing to explain" in head(figure)[3]


def test_weights_that_are_not_numbers_draw_no_bar():
    nan = np.full(2, np.nan)
    figure = draw(make_label([np.nan, 0.2], std_errors=nan, low=nan, high=nan), limit=1)
    np.testing.assert_allclose(shares(figure), [0.2, 0.0])
    assert row_weights(figure) == ["+0.200", "n/a"]


def test_an_instance_without_parts_says_so():
    assert "no parts" in written(draw(make_label([]), names=(), parts=()))[-1][0]


def test_one_bar_does_not_fill_the_picture():
    ((_, _, _, height),) = patches(draw(make_label([0.1])), TOWARDS)
    assert 30 < height < 50


def test_dollars_and_backslashes_are_written_as_they_are():
    figure = draw(make_label([0.1]), parts=["$\\frac{1}{2}$ cost"], names=["x"])
    assert row_names(figure) == ["$\\frac{1}{2}$ cost"]
    figure.savefig(io.BytesIO())


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_are_drawn_without_warnings(name):
    label = make_label([0.1, -0.1], label=name)
    explanation = make_explanation([label], key=name, names=[name] * 2, parts=[name] * 2)
    draw_explanation(explanation, label).savefig(io.BytesIO())
    explanation_png(explanation, label)


def test_the_picture_has_700_pixels_whatever_the_users_style():
    buffer = io.BytesIO()
    with mpl.rc_context({"figure.dpi": 33, "figure.autolayout": True}):
        draw(make_label([0.1])).savefig(buffer)
    buffer.seek(0)
    assert plt.imread(buffer).shape[:2] == (700, 700)


def test_nothing_is_left_in_pyplot():
    before = plt.get_fignums()
    draw(make_label([0.1]))
    assert plt.get_fignums() == before


def long_names():
    label = make_label(np.linspace(1e-3, 5e-3, 12), label="w" * 90)
    long = ["W" * 80, "年" * 60, "a b " * 40] * 4
    return make_explanation([label], parts=long, names=long, key="k" * 200)


def test_text_stays_inside_the_picture():
    explanation = long_names()
    figure = draw_explanation(explanation, explanation.labels[0])
    figure.draw_without_rendering()
    for text in figure.axes[0].texts:
        box = text.get_window_extent()
        assert box.x0 >= 0, text
        assert box.x1 <= 700, text


def test_the_margins_of_a_file_stay_white():
    explanation = long_names()
    shown = pixels(explanation_png(explanation, explanation.labels[0]))
    assert (shown[:, :20] == 255).all()
    assert (shown[:, 682:] == 255).all()
    assert (shown[-20:] == 255).all()


def pixels(png):
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB")).astype(int)


@pytest.mark.parametrize("kind", ["table", "poor fit", "image"])
def test_a_file_shows_what_the_figure_shows(kind):
    explanation = {
        "table": make_explanation([make_label([0.3, -0.2, 0.1], error=0.05)]),
        "poor fit": make_explanation([make_label([0.3, -0.2], fidelity_r2=0.0)]),
        "image": image_explanation(quarters(untestable=[2]), [0.4, 0.1, 0], error=0.1),
    }[kind]
    buffer = io.BytesIO()
    draw_explanation(explanation, explanation.labels[0]).savefig(buffer, format="png")
    both = (buffer.getvalue(), explanation_png(explanation, explanation.labels[0]))
    figure, file = (Image.fromarray(pixels(png).astype(np.uint8)) for png in both)
    assert figure.size == file.size
    blurred = [
        np.asarray(image.filter(ImageFilter.BoxBlur(6))).astype(int) for image in (figure, file)
    ]
    assert np.abs(blurred[0] - blurred[1]).max() < 40  # letters are smoothed in other ways
    assert np.abs(blurred[0] - blurred[1]).mean() < 1


def test_the_same_explanation_gives_the_same_file():
    explanation = long_names()
    one, other = (explanation_png(explanation, explanation.labels[0]) for _ in range(2))
    assert one == other


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(explanations())
def test_any_explanation_can_be_drawn(explanation):
    for label in explanation.labels:
        draw_explanation(explanation, label).savefig(io.BytesIO())
        assert pixels(explanation_png(explanation, label)).shape[1] == 700
