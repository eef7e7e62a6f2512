from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_lime.report.fonts import _width, drawable, font, wrap
from tests.strategies import texts


@settings(max_examples=50, deadline=None)
@given(texts(), st.integers(1, 3))
def test_wrapped_text_fits_its_room(text, lines):
    properties = font(18)
    result = wrap(text, properties, width=228, lines=lines).split("\n")
    assert len(result) <= lines
    assert all(_width(line, properties) <= 228 for line in result)


def test_a_value_stays_with_its_sign():
    assert wrap("mean concave points = 48.3", font(18), width=228, lines=2).split("\n") == [
        "mean concave points",
        "= 48.3",
    ]


def test_characters_without_a_glyph_become_boxes():
    assert drawable("a\U0010fffd") == "a\u25af"
