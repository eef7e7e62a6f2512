import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import font_manager

from mlflow_lime.report import fonts
from mlflow_lime.report.fonts import carried_font, drawable, letters, pieces, wrap
from tests.strategies import texts


def width(line, size, *, bold=False):
    drawn = pieces(line, bold=bold)
    return sum(letters(path, size).getlength(piece) for path, piece in drawn)


@settings(max_examples=50, deadline=None)
@given(texts(), st.integers(1, 3), st.sampled_from([14, 18, 25]), st.booleans())
def test_wrapped_text_fits_its_room(text, lines, size, bold):
    result = wrap(text, size, width=228, lines=lines, bold=bold).split("\n")
    assert len(result) <= lines
    assert all(width(line, size, bold=bold) <= 228 for line in result)


def test_a_value_stays_with_its_sign():
    assert wrap("mean concave points = 48.3", 18, width=228, lines=2).split("\n") == [
        "mean concave points",
        "= 48.3",
    ]


def test_text_that_fits_stays_as_it_is():
    line = "mean concave points"
    assert wrap(line, 18, width=1.03 * width(line, 18)) == line
    assert "…" in wrap(line, 18, width=0.99 * width(line, 18))


def test_characters_without_a_glyph_become_boxes():
    assert drawable("a\U0010fffd") == "a\u25af"


def test_marks_without_a_shape_are_left_out():
    assert drawable("so\u00adft \u200bzero") == "soft zero"


@pytest.mark.parametrize("bold", [False, True])
def test_what_is_drawn_unasked_has_glyphs(bold):
    drawn = font_manager.get_font(carried_font(bold=bold)).get_charmap()
    sure = [chr(code) for code in range(0x3000) if fonts._SURE.fullmatch(chr(code))]
    assert len(sure) > 300
    lacking = [char for char in sure if ord(char) not in drawn]
    assert all(unicodedata.category(char) == "Cf" for char in lacking)


def test_a_text_in_two_scripts_is_drawn_by_the_fonts_that_have_them(monkeypatch):
    paths = {"a": "latin", "b": "latin", "年": "japanese"}
    monkeypatch.setattr(fonts, "_path", lambda char, bold: paths[char])
    assert pieces("ab年年a") == [("latin", "ab"), ("japanese", "年年"), ("latin", "a")]


def test_the_font_is_found_without_importing_matplotlib():
    code = """
import sys
from mlflow_lime.report.fonts import carried_font, wrap
wrap("mean radius = 17.3 − ü", 18, width=100)
assert carried_font(bold=False).endswith("DejaVuSans.ttf")
assert "matplotlib" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
