"""Figures of a whole version, and files of them: letters stay letters, bytes stay the same."""

import io
import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib import pyplot as plt

from mlflow_lime.compare.drift import Drift, PartDrift
from mlflow_lime.errors import ConfigError
from mlflow_lime.report.overview import draw_overview
from mlflow_lime.report.pages.content import Content, Other, Side
from mlflow_lime.report.report_figures import (
    draw_changes_figure,
    draw_overview_figure,
    figure_files,
    save_figures,
)
from tests.report.with_contents import image_explanation, quarters, text_explanation
from tests.strategies import HOSTILE_NAMES, explanations, make_explanation, make_label, texts

SVG = "{http://www.w3.org/2000/svg}"


def explain(*weights, names="ab", key="00 #a", **changes):
    return make_explanation([make_label(weights)], names=names, key=key, **changes)


def part(name, before, after, *, half=0.02, changed=True):
    change = after - before
    return PartDrift(name, before, after, change, change - half, change + half, 0.01, 0.02, changed)


def drift(*parts):
    return Drift((), parts, 0.01, alarm=True)


def written(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def offsets(figure):
    """Return the places of all dots."""
    found = [place for group in figure.axes[0].collections for place in group.get_offsets()]
    return np.array(found).reshape(-1, 2)


def content(items, *others):
    return Content(Side("credit/7", tuple(items)), others)


def test_the_overview_says_what_the_svg_says():
    items = [explain(0.4, -0.1), explain(0.2, 0.3, key="01 #b")]
    former = [explain(0.1, 0.1)]
    picture = ET.fromstring(draw_overview(items, title="why", baseline=former))
    said = [node.text for node in picture.iter(f"{SVG}text")]
    assert sorted(written(draw_overview_figure(items, title="why", baseline=former))) == sorted(
        said
    )


def test_dots_lie_where_the_svg_has_them():
    items = [explain(0.4, -0.1), explain(0.2, 0.3, key="01 #b")]
    picture = ET.fromstring(draw_overview(items, title="t"))
    dots = [node for group in picture.iter(f"{SVG}g") for node in group]
    wanted = sorted((float(dot.get("cx")), float(dot.get("cy"))) for dot in dots)
    drawn = offsets(draw_overview_figure(items, title="t"))
    assert len(wanted) == 4
    assert all(np.abs(drawn - place).max(axis=1).min() < 0.1 for place in wanted)


def test_a_thousand_instances_have_two_hundred_dots_a_row():
    weights = np.random.default_rng(0).normal(size=1000)
    figure = draw_overview_figure([explain(w, names="a") for w in weights], title="t")
    assert len(offsets(figure)) == 200 + 4  # the legend has four
    assert "at most 200 dots a row" in written(figure)


def test_images_are_pictures_instead_of_rows():
    items = [image_explanation(quarters(), [0.1, -0.4, 0, 0], key=f"{i:02d} #a") for i in range(14)]
    figure = draw_overview_figure(items, title="t")
    assert len(figure.axes[0].images) == 12
    assert {"00 #a", "fit 0.58", "first 12 of 14", "towards, +0.4"} <= set(written(figure))


@pytest.mark.parametrize(
    "items",
    [
        [],
        [make_explanation([make_label([])], names=(), parts=())],
        [explain(0.1, names="a", recipe={"numbered_parts": [0]})],
    ],
)
def test_why_nothing_can_be_drawn_is_said(items):
    said = written(draw_overview_figure(items, title="t"))
    assert len(said) == 3
    assert said[-1] in draw_overview(items, title="t")


def test_changes_stand_in_the_order_of_the_drift_with_their_numbers():
    figure = draw_changes_figure(drift(part("b", 0.1, 0.4), part("a", 0.2, 0.1)), title="7 since 6")
    said = written(figure)
    assert said[0] == "7 since 6"
    assert said.index("b") < said.index("a")
    assert {"+0.300", "−0.100", "0 instances compared"} <= set(said)


def test_parts_that_changed_beyond_noise_are_bold():
    figure = draw_changes_figure(
        drift(part("b", 0.1, 0.4), part("a", 0.2, 0.1, changed=False)), title="t"
    )
    bold = {text.get_text() for text in figure.axes[0].texts if text.get_fontweight() == "bold"}
    assert bold == {"t", "b", "+0.300"}


def test_a_growing_part_is_blue_and_a_shrinking_one_orange():
    figure = draw_changes_figure(drift(part("b", 0.1, 0.4), part("a", 0.4, 0.2)), title="t")
    grown, shrunk = (patch for patch in figure.axes[0].patches if hasattr(patch, "get_width"))
    assert grown.get_facecolor()[2] > grown.get_facecolor()[0]
    assert shrunk.get_facecolor()[0] > shrunk.get_facecolor()[2]
    assert grown.get_width() == pytest.approx(-1.5 * shrunk.get_width())


def test_parts_that_are_not_drawn_are_counted():
    parts = [part(f"p{j}", 0.1, 0.2) for j in range(15)]
    assert "3 more" in written(draw_changes_figure(drift(*parts), title="t"))


def test_nothing_compared_is_said():
    assert "No instance could be compared." in written(draw_changes_figure(drift(), title="t"))


def test_numbers_that_are_none_draw_nothing():
    nan = float("nan")
    figure = draw_changes_figure(drift(part("a", nan, nan, half=nan)), title="t")
    assert "n/a" in written(figure)
    figure.savefig(io.BytesIO())


def test_files_are_named_by_what_they_show():
    items = [explain(0.1, 0.2, key=key) for key in ("00 #a", "07 #b", "../../x #c", "07 #b")]
    others = (
        Other(Side("credit/6", tuple(items)), drift(part("a", 0.1, 0.2))),
        Other(Side("credit/5", tuple(items)), drift(part("a", 0.1, 0.2))),
        Other(Side("credit/4", tuple(items)), why_not="another reference set"),
    )
    names = [name for name, _ in figure_files(content(items, *others))]
    assert names == [
        "overview", "changes", "changes-2",
        "instance-00", "instance-07", "instance-02", "instance-07-3",
    ]  # fmt: skip


def test_a_version_that_cannot_be_compared_is_not_in_the_overview():
    items = [explain(0.1, 0.2)]
    (overview, *_) = figure_files(content(items, Other(Side("6", tuple(items)), why_not="x")))
    assert "mean of the baseline version" not in written(overview[1])


@pytest.mark.parametrize("format", ["svg", "png", "pdf"])
def test_files_have_the_same_bytes_on_repeat(tmp_path, format):
    items = [text_explanation("one two three"), image_explanation(quarters(), [0.1, 0.2, 0, 0])]
    found = content(items, Other(Side("6", tuple(items)), drift(part("a", 0.1, 0.2))))
    first = save_figures(found, tmp_path / "a", format=format)
    with mpl.rc_context({"savefig.bbox": "tight", "savefig.dpi": 33}):
        second = save_figures(found, tmp_path / "b", format=format)
    assert [path.name for path in first] == [
        f"{name}.{format}" for name in ("overview", "changes", "instance-03", "instance-03-1")
    ]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_letters_in_an_svg_file_stay_letters(tmp_path):
    path, *_ = save_figures(content([explain(0.1, names=["worst <radius>"])]), tmp_path)
    said = [node.text for node in ET.parse(path).iter(f"{SVG}text")]
    assert "worst <radius>" in said


def test_a_pdf_file_embeds_its_fonts_as_truetype(tmp_path):
    path, *_ = save_figures(content([explain(0.1, 0.2)]), tmp_path, format="pdf")
    data = path.read_bytes()
    assert b"/FontFile2" in data
    assert b"/Type3" not in data


def test_a_png_file_is_sharp_enough_for_print(tmp_path):
    path, *_ = save_figures(content([explain(0.1, 0.2)]), tmp_path, format="png")
    assert plt.imread(path).shape[1] == 1400


def test_no_more_instances_are_drawn_than_asked_for(tmp_path):
    items = [explain(0.1, 0.2, key=f"{i:02d} #a") for i in range(5)]
    assert len(save_figures(content(items), tmp_path, format="svg", most=2)) == 3


def test_another_format_is_refused(tmp_path):
    with pytest.raises(
        ConfigError, match=r"one of svg, png, pdf, not as 'pngg'.*Did you mean 'png'"
    ):
        save_figures(content([]), tmp_path, format="pngg")


def test_text_stays_inside_the_picture():
    names = ["W" * 80, "年" * 60, "a b " * 40]
    figures = [
        draw_overview_figure([explain(0.1, -0.2, 0.3, names=names)], title="t" * 200),
        draw_changes_figure(drift(*(part(name, 0.1, 123456.0) for name in names)), title="t" * 200),
    ]
    for figure in figures:
        figure.draw_without_rendering()
        for text in figure.axes[0].texts:
            box = text.get_window_extent()
            assert box.x0 >= 0, text
            assert box.x1 <= 700, text


def test_hostile_names_make_well_formed_files(tmp_path):
    for n, name in list(enumerate(HOSTILE_NAMES))[::6]:
        names = [f"{j} {own}" for j, own in enumerate(HOSTILE_NAMES[n : n + 10])]
        items = [explain(*range(len(names)), names=names, key=name)]
        changes = drift(*(part(own, 0.1, 0.2) for own in names))
        other = Other(Side(name, tuple(items)), changes)
        for path in save_figures(Content(Side(name, tuple(items)), (other,)), tmp_path):
            tags = {node.tag.rpartition("}")[2] for node in ET.parse(path).iter()}
            assert not tags & {"script", "foreignObject", "a", "image"}
            assert re.fullmatch(r"[a-z]+(-\d+)*\.svg", path.name)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(explanations(), max_size=3), st.lists(explanations(), max_size=2), texts())
def test_any_set_of_explanations_can_be_drawn(items, baseline, title):
    draw_overview_figure(items, title=title, baseline=baseline).savefig(io.BytesIO())


def test_nothing_is_left_in_pyplot():
    before = plt.get_fignums()
    draw_overview_figure([explain(0.1, 0.2)], title="t")
    assert plt.get_fignums() == before
