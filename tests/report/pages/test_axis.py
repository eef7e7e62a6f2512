"""Bars and marks on one axis."""

import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_lime.report.pages.axis import MARKS, WIDTH, Axis, Lane

NUMBERS = st.floats(allow_nan=True, allow_infinity=True, width=32)


@given(st.lists(NUMBERS, max_size=5), st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=6))
def test_whatever_the_numbers_nothing_leaves_the_picture(scale, lanes):
    axis = Axis.around_zero(scale)
    own, *others = [Lane(*numbers) for numbers in lanes] or [Lane(math.nan)]
    root = ET.fromstring(axis.draw(own, others, "weights"))
    for bar in root.iter("rect"):
        assert 0 <= float(bar.get("x")) <= WIDTH
        assert 0 <= float(bar.get("width")) <= WIDTH
    assert "nan" not in ET.tostring(root, "unicode")
    assert "inf" not in ET.tostring(root, "unicode").replace("info", "")


@pytest.mark.parametrize(("weight", "css"), [(0.5, "to"), (-0.5, "off")])
def test_the_bar_starts_at_zero_and_its_colour_tells_the_sign(weight, css):
    root = ET.fromstring(Axis.around_zero([1.0]).draw(Lane(weight), [], "weight"))
    (bar,) = root.iter("rect")
    x, width = float(bar.get("x")), float(bar.get("width"))
    assert bar.get("class") == css
    assert WIDTH / 2 in (x, x + width)
    assert width == pytest.approx((WIDTH - 8) / 4)


def test_each_other_version_has_a_lane_and_a_shape_of_its_own():
    others = [Lane(0.1, 0.0, 0.2), None, Lane(0.3)]
    root = ET.fromstring(Axis.around_zero([1.0]).draw(Lane(0.2), others, "weight"))
    marks = [node for node in root.iter("path") if node.get("class") == "mark"]
    assert len(marks) == 2
    assert len({node.get("d") for node in marks}) == 2
    assert len(set(MARKS)) == 5


def test_an_exact_weight_has_no_interval():
    root = ET.fromstring(Axis.around_zero([1.0]).draw(Lane(0.2, 0.2, 0.2), [], "weight"))
    assert not [node for node in root.iter("path") if node.get("class") == "ci"]
