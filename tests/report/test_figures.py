import io

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from matplotlib import pyplot as plt

from mlflow_lime.report.figures import draw_explanation
from tests.strategies import HOSTILE_NAMES, explanations, make_explanation, make_label


def draw(label, **changes):
    options = {name: changes.pop(name) for name in ("top", "limit") if name in changes}
    return draw_explanation(make_explanation([label], **changes), label, **options)


def row_names(figure):
    return [text.get_text() for text in figure.axes[0].get_yticklabels()]


def widths(figure):
    return [patch.get_width() for patch in figure.axes[0].patches]


def head(figure):
    return [text.get_text() for text in figure.texts]


def written(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_heaviest_weights_stand_on_top():
    figure = draw(make_label([0.1, -0.5, 0.0, 0.3]), names="abcd", parts="abcd", top=3)
    assert row_names(figure) == ["b", "d", "a"]
    assert widths(figure) == [-0.5, 0.3, 0.1]
    bottom, top = figure.axes[0].get_ylim()
    assert bottom > top


def test_error_bars_reach_from_low_to_high():
    label = make_label([0.1, -0.5], low=np.array([0.0, -0.8]), high=np.array([0.3, -0.45]))
    (bar,) = draw(label).axes[0].collections
    spans = [segment[:, 0] for segment in bar.get_segments()]
    np.testing.assert_allclose(spans, [[-0.8, -0.45], [0.0, 0.3]])


def test_exact_weights_have_no_error_bars():
    assert not draw(make_label([0.1, -0.5], error=0), exact=True).axes[0].collections


def test_towards_and_against_have_their_own_colours():
    blue, orange = (
        patch.get_facecolor() for patch in draw(make_label([0.2, -0.1])).axes[0].patches
    )
    assert blue[2] > blue[0]
    assert orange[0] > orange[2]


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
    assert written(figure)[:2] == ["+78,927", "−523"]
    assert written(figure)[2:] == ["◄ lowers", "raises ►"]


def test_what_is_not_drawn_is_told():
    assert written(draw(make_label([0.5, 0.2, 0.123]), top=1))[-1] == "2 more parts, each ≤ 0.2"


def test_the_axis_is_symmetric_and_holds_every_interval():
    label = make_label([0.1, -0.5], low=np.array([0.0, -0.8]), high=np.array([0.3, -0.45]))
    low, high = draw(label).axes[0].get_xlim()
    assert low == -high
    assert high > 0.8


def test_a_given_limit_sets_the_axis():
    assert draw(make_label([0.1]), limit=2.0).axes[0].get_xlim() == (-2, 2)


def test_flat_instances_have_no_scale_but_zero():
    figure = draw(make_label([0.0, 0.0], error=0, fidelity_r2=np.nan, flat=True))
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["0"]
    assert "nothing to explain" in head(figure)[3]


def test_weights_that_are_not_numbers_draw_no_bar():
    nan = np.full(2, np.nan)
    figure = draw(make_label([np.nan, 0.2], std_errors=nan, low=nan, high=nan))
    assert widths(figure) == [0.2, 0.0]
    assert written(figure)[:2] == ["+0.200", "n/a"]


def test_an_instance_without_parts_says_so():
    assert "no parts" in draw(make_label([]), names=(), parts=()).texts[-1].get_text()


def test_one_bar_does_not_fill_the_picture():
    assert draw(make_label([0.1])).axes[0].get_position().height < 0.2


def test_dollars_and_backslashes_are_written_as_they_are():
    figure = draw(make_label([0.1]), parts=["$\\frac{1}{2}$ cost"], names=["x"])
    assert row_names(figure) == ["$\\frac{1}{2}$ cost"]
    figure.savefig(io.BytesIO())


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_are_drawn_without_warnings(name):
    label = make_label([0.1, -0.1], label=name)
    draw(label, key=name, names=[name] * 2, parts=[name] * 2).savefig(io.BytesIO())


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


def test_text_stays_inside_the_picture():
    label = make_label(np.linspace(1e-3, 5e-3, 12), label="w" * 90)
    long = ["W" * 80, "年" * 60, "a b " * 40] * 4
    figure = draw(label, parts=long, names=long, key="k" * 200)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    for text in [*figure.texts, *axes.texts, *axes.get_yticklabels()]:
        box = text.get_window_extent()
        assert box.x0 >= 0, text
        assert box.x1 <= 700, text


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(explanations())
def test_any_explanation_can_be_drawn(explanation):
    for label in explanation.labels:
        draw_explanation(explanation, label).savefig(io.BytesIO())
