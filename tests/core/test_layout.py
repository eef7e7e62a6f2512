"""What columns hold: checked, hashed, and written so that it comes back as it was."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mlflow_lime.core.image.cells import ImageForm
from mlflow_lime.core.image.masked import MaskedImage
from mlflow_lime.core.joint import Child, JointDomain, joint_digest
from mlflow_lime.core.layout import ImageColumns, Layout
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.core.tabular.masked import MaskedTable
from mlflow_lime.core.tabular.table import Table, row_digest
from mlflow_lime.core.text.masked import MaskedText
from mlflow_lime.errors import DataError


def png(shade):
    buffer = io.BytesIO()
    Image.fromarray(np.full((6, 6, 3), shade, dtype=np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.fixture
def frame():
    random = np.random.default_rng(0)
    photos = np.empty(4, dtype=object)
    for i in range(4):
        photos[i] = random.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return pd.DataFrame(
        {
            "age": [31, 42, 58, 67],
            "report": ["a mild cough", None, "", "nothing é🧬 new"],
            "photo": photos,
            "scan": [png(i) for i in range(4)],
            "job": ["cook", "nurse", "cook", "nurse"],
        }
    )


def layout(frame):
    return Layout(
        columns=tuple(frame.columns),
        background=Background.from_frame(frame[["age", "job"]]),
        texts=("report",),
        images=(
            ImageColumns("photo", ("photo",), ImageForm()),
            ImageColumns("scan", ("scan",), ImageForm("bytes")),
        ),
        dtypes={"report": str(frame["report"].dtype)},
    )


def test_columns_are_told_apart(frame):
    found = layout(frame)
    assert found.tabular == ("age", "job")
    assert not found.is_table
    assert Layout.of_table(Background.from_frame(frame[["age"]])).is_table


def test_a_table_alone_has_the_digest_of_its_background(frame):
    background = Background.from_frame(frame[["age", "job"]])
    assert Layout.of_table(background).digest() == background.digest()


def test_what_was_written_comes_back(frame):
    before = layout(frame)
    buffer = io.BytesIO()
    before.store(frame).to_parquet(buffer, index=False)
    text = json.dumps(before.to_dict())
    after = Layout.from_dict(json.loads(text), before.background)
    assert after.digest() == before.digest()
    again = after.restore(pd.read_parquet(buffer))
    assert after.digests(again) == before.digests(frame)
    assert again["report"].dtype == frame["report"].dtype
    for one, other in zip(again["photo"], frame["photo"], strict=True):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)


def test_digests_are_those_of_the_domain(frame):
    children = [
        Child("", ("age", "job"), MaskedTable(Background.from_frame(frame[["age", "job"]]))),
        Child("report", ("report",), MaskedText()),
        Child("photo", ("photo",), MaskedImage()),
        Child("scan", ("scan",), MaskedImage(ImageForm("bytes"))),
    ]
    subjects = JointDomain(children, list(frame.columns)).subjects(frame)
    assert layout(frame).digests(frame) == [subject.digest for subject in subjects]


@pytest.mark.parametrize("column", ["age", "report", "photo", "scan", "job"])
def test_every_column_counts_in_the_digest(frame, column):
    other = frame.copy()
    value = frame[column].iloc[3]
    other.loc[[0], column] = pd.Series([value], index=[0], dtype=frame[column].dtype)
    one, two = layout(frame).digests(frame), layout(frame).digests(other)
    assert one[0] != two[0]
    assert one[1:] == two[1:]


def test_pixels_in_columns_are_one_image():
    pixels = pd.DataFrame(np.arange(32, dtype=float).reshape(2, 16)).rename(columns=str)
    image = ImageColumns("image", tuple(pixels.columns), ImageForm("flat", shape=(4, 4)))
    found = Layout(tuple(pixels.columns), images=(image,))
    assert found.tabular == ()
    same = MaskedImage(ImageForm("flat", shape=(4, 4))).subjects(pixels)
    assert found.digests(pixels) == [subject.digest for subject in same]
    buffer = io.BytesIO()
    found.store(pixels).to_parquet(buffer)
    assert found.digests(found.restore(pd.read_parquet(buffer))) == found.digests(pixels)


def test_files_are_read_in_place_of_their_paths(tmp_path):
    (tmp_path / "a.png").write_bytes(png(7))
    paths = pd.DataFrame({"path": [str(tmp_path / "a.png"), str(tmp_path / "gone.png")]}, [5, 9])
    found = Layout(("path",), images=(ImageColumns("path", ("path",), ImageForm("path")),))
    absorbed = found.absorb(paths)
    assert absorbed["path"].iloc[0] == png(7)
    assert absorbed["path"].iloc[1].endswith("gone.png")
    before = found.digests(absorbed)
    (tmp_path / "a.png").unlink()
    assert found.digests(absorbed) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="report"), "lack 1 of 5 columns.*'report'"),
        (lambda f: f.assign(more=1), r"columns that are not expected.*'more'"),
        (lambda f: f.head(0), "no instances"),
        (lambda f: f.assign(report=[1, 2, 3, 4]), "'report' is explained as text, but holds int"),
        (lambda f: f.assign(age=["a", "b", "c", "d"]), "'age'"),
    ],
)
def test_instances_that_do_not_fit(frame, change, message):
    with pytest.raises(DataError, match=message):
        layout(frame).align(change(frame))


def test_columns_come_in_any_order(frame):
    turned = frame[list(frame.columns)[::-1]]
    assert list(layout(frame).align(turned).columns) == list(frame.columns)


def test_a_newer_format_is_refused(frame):
    data = {**layout(frame).to_dict(), "format": 99}
    with pytest.raises(DataError, match="format 99, expected at most 2; upgrade"):
        Layout.from_dict(data, None)


@given(
    st.lists(
        st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=3, max_size=3),
        min_size=1,
        max_size=5,
    )
)
@settings(max_examples=60, deadline=None)
def test_digests_of_floats_are_those_of_their_rows(rows):
    names = ["age", "é\u2028'\"", 7]
    background = Background.from_frame(pd.DataFrame(np.eye(4)[:, :3], columns=names))
    table = Layout.of_table(background)
    frame = pd.DataFrame(rows, columns=names, dtype=np.float64)
    expected = [
        joint_digest([("", row_digest(row))]) for row in Table(background).read(frame[names])
    ]
    assert table.digests(frame) == expected
    assert table.digests(frame.astype(object)) == expected


def test_digests_do_not_depend_on_how_many_rows_are_read_at_once(frame, monkeypatch):
    whole = layout(frame).digests(frame)
    monkeypatch.setattr("mlflow_lime.core.layout._BLOCK", 3)
    assert layout(frame).digests(frame) == whole
