"""Images in every form, and what is wrong with those that are none."""

import base64
import io
import json
import struct
import warnings
import zlib

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage import data

from mlflow_lime.core.image.cells import ImageForm, Unreadable, find_channels, read_cells
from mlflow_lime.core.image.files import encode, read_bytes
from mlflow_lime.errors import DataError

CAT = data.chelsea()[::6, ::6]


def as_file(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def png_header(width, height):
    """Return the start of a PNG file that declares a size, and then ends."""

    def chunk(name, body):
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64))


def only(instances, form):
    (cell,) = read_cells(instances, form)
    return cell


# Arrays


@pytest.mark.parametrize(
    ("shape", "channels", "found"),
    [
        ((9, 8), "auto", "none"),
        ((9, 8, 1), "auto", "last"),
        ((9, 8, 4), "auto", "last"),
        ((3, 9, 8), "auto", "first"),
        ((3, 3, 3), "auto", "last"),
        ((9, 8, 7), "last", "last"),
        ((7, 9, 8), "first", "first"),
    ],
)
def test_channels_are_found_where_the_shape_tells(shape, channels, found):
    assert find_channels(shape, channels) == found


@pytest.mark.parametrize(
    ("shape", "channels", "message"),
    [
        ((9, 8, 7), "auto", "set channels to first or last"),
        ((9, 8), "last", "set channels to auto"),
        ((9, 8, 3), "none", "set channels to auto"),
        ((9, 0, 3), "auto", "none of them zero"),
        ((9,), "auto", "shape"),
        ((1, 2, 3, 4), "auto", "shape"),
    ],
)
def test_channels_are_never_guessed(shape, channels, message):
    with pytest.raises(DataError, match=message):
        find_channels(shape, channels)


ARRAYS = np.arange(2 * 5 * 6 * 3, dtype=np.uint8).reshape(2, 5, 6, 3)


@pytest.mark.parametrize(
    "container",
    [
        ARRAYS,
        list(ARRAYS),
        tuple(ARRAYS),
        pd.Series(list(ARRAYS)),
        pd.DataFrame({"image": list(ARRAYS)}),
        pd.Series(list(ARRAYS)).to_numpy(),
        [Image.fromarray(array) for array in ARRAYS],
    ],
    ids=lambda value: type(value).__name__,
)
def test_arrays_are_read_from_every_container(container):
    cells = read_cells(container, ImageForm())
    assert [cell.pixels.tolist() for cell in cells] == ARRAYS.tolist()
    assert all(cell.pixels.dtype == np.uint8 for cell in cells)


def nested(values):
    """Return an array of arrays of arrays."""
    if values.ndim == 1:
        return values
    rows = np.empty(len(values), dtype=object)
    rows[:] = [nested(row) for row in values]
    return rows


def test_nested_arrays_as_parquet_returns_them_are_read():
    for array in (ARRAYS[0], ARRAYS[0, :, :, 0].astype(np.float32)):
        for item in (nested(array), list(nested(array)), array.tolist()):
            assert np.array_equal(only([item], ImageForm()).pixels, array)
    assert only([nested(ARRAYS[0])], ImageForm()).pixels.dtype == np.uint8


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.full((5, 6, 3), np.nan, dtype=np.float32), "NaN or infinity in 90 of 90"),
        (np.full((5, 6, 3), np.inf), "NaN or infinity"),
        (np.zeros((5, 6, 3), dtype=complex), "dtype complex128"),
        (np.full((5, 6, 3), "a"), "dtype"),
        (np.zeros((5, 6, 3), dtype="datetime64[s]"), "dtype"),
        (
            np.zeros((5, 6, 4), dtype=np.uint8),
            "expected 3 channels as most of the images have, got 4",
        ),
        (np.zeros((5, 6), dtype=np.uint8), "expected 3 channels"),
        (np.zeros((5, 6, 9)), "set channels to first or last"),
        (np.zeros((0, 6, 3)), "none of them zero"),
        ([[1], [2, 3]], "as an array"),
        (b"abc", "got bytes"),
        ("cat.png", "got str"),
        (None, "got NoneType"),
        (3.5, "shape"),
    ],
)
def test_one_bad_array_leaves_the_others(bad, message):
    first, second, third = read_cells([ARRAYS[0], bad, ARRAYS[1]], ImageForm())
    assert np.array_equal(first.pixels, ARRAYS[0])
    assert np.array_equal(third.pixels, ARRAYS[1])
    assert isinstance(second, Unreadable)
    assert message in second.reason
    assert len(second.digest) == 32


def test_an_image_of_another_shape_than_configured_is_refused():
    form = ImageForm(shape=(5, 6, 3))
    good, bad = read_cells([ARRAYS[0], ARRAYS[0, :4]], form)
    assert good.pixels.shape == (5, 6, 3)
    assert "configured shape (5, 6, 3), got (4, 6, 3)" in bad.reason


@pytest.mark.parametrize(
    ("container", "form"),
    [
        (np.zeros((5, 6)), ImageForm()),
        ("cat.png", ImageForm()),
        (b"abc", ImageForm("bytes")),
        ("cat.png", ImageForm("path")),
        ({"a": 1}, ImageForm()),
        (3, ImageForm("base64")),
        (pd.DataFrame({"a": [1], "b": [2]}), ImageForm()),
        (np.zeros((2, 63)), ImageForm("flat", shape=(8, 8))),
        (pd.DataFrame(np.zeros((2, 63))), ImageForm("flat", shape=(8, 8))),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), ImageForm("flat", shape=(1, 2))),
        ([[1], [2, 3]], ImageForm("flat", shape=(1, 2))),
        ("row", ImageForm("flat", shape=(1, 2))),
    ],
)
def test_a_container_that_holds_no_images_is_refused_at_once(container, form):
    with pytest.raises(DataError, match="expected"):
        read_cells(container, form)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "arrays"}, "Did you mean 'array'"),
        ({"channels": "frist"}, "Did you mean 'first'"),
        ({"kind": "flat"}, "need the shape"),
        ({"shape": (8,)}, "2 or 3 positive"),
        ({"shape": (8, 0)}, "2 or 3 positive"),
        ({"shape": (8, 2.5)}, "2 or 3 positive"),
        ({"shape": "88"}, "2 or 3 positive"),
        ({"kind": "flat", "shape": (8, 8, 8)}, "set channels"),
    ],
)
def test_a_form_that_contradicts_itself_is_refused(options, message):
    with pytest.raises(DataError, match=message):
        ImageForm(**options)


@pytest.mark.parametrize(
    "form",
    [
        ImageForm(),
        ImageForm("flat", shape=(28, 28, 1)),
        ImageForm("path", folder="images"),
        ImageForm("array", "first", (3, 8, 8)),
    ],
)
def test_a_form_survives_json(form):
    assert ImageForm.from_dict(json.loads(json.dumps(form.to_dict()))) == form


# Pixels in a row


def test_a_row_with_missing_pixels_leaves_the_others():
    frame = pd.DataFrame(np.arange(8.0).reshape(2, 4), columns=list("abcd"))
    frame.loc[1, "c"] = np.nan
    good, bad = read_cells(frame, ImageForm("flat", shape=(2, 2)))
    assert good.pixels.tolist() == [[0, 1], [2, 3]]
    assert "NaN" in bad.reason


# Files

MODES = {
    "L": Image.fromarray(CAT).convert("L"),
    "LA": Image.fromarray(data.logo()[::9, ::9]).convert("LA"),
    "RGB": Image.fromarray(CAT),
    "RGBA": Image.fromarray(data.logo()[::9, ::9]),
    "I;16": Image.fromarray(data.camera()[::8, ::8].astype(np.uint16) * 257),
}


@pytest.mark.parametrize("mode", MODES)
def test_the_model_gets_the_mode_and_the_pixels_of_the_file(mode):
    image = MODES[mode]
    content = as_file(image, "PNG")
    pixels, file = read_bytes(content)
    assert file.mode == image.mode == mode
    assert np.array_equal(pixels, np.asarray(image))
    with Image.open(io.BytesIO(encode(pixels, file))) as again:
        # Old versions of Pillow read the 16 bits of a file as 32.
        assert again.mode == Image.open(io.BytesIO(content)).mode
        assert np.array_equal(np.asarray(again), np.asarray(image))


@pytest.mark.parametrize(
    ("image", "kind", "mode"),
    [
        (MODES["RGB"].convert("P"), "PNG", "RGB"),
        (MODES["RGB"].convert("P"), "GIF", "RGB"),
        (MODES["RGBA"].quantize(), "PNG", "RGBA"),
        (MODES["L"].convert("1"), "PNG", "L"),
        (MODES["RGB"].convert("CMYK"), "JPEG", "RGB"),
        (MODES["RGB"].convert("CMYK"), "TIFF", "RGB"),
        (MODES["RGB"], "BMP", "RGB"),
        (MODES["RGB"], "WEBP", "RGB"),
        (MODES["I;16"], "TIFF", "I;16"),
        (MODES["I;16"].convert("I"), "TIFF", "I;16"),
    ],
)
def test_other_modes_and_formats_are_converted(image, kind, mode):
    pixels, file = read_bytes(as_file(image, kind))
    assert (file.format, file.mode) == (kind, mode)
    assert pixels.shape[:2] == image.size[::-1]
    if mode == "I;16":
        assert np.array_equal(pixels, np.asarray(MODES["I;16"]))


def test_of_several_frames_the_first_is_read():
    frames = [Image.new("L", (5, 4), value) for value in (10, 200)]
    pixels, _ = read_bytes(as_file(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert (pixels[..., 0] == 10).all()


def test_the_orientation_of_a_photograph_is_kept():
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels, file = read_bytes(as_file(MODES["RGB"], "JPEG", exif=exif))
    with Image.open(io.BytesIO(encode(pixels, file))) as again:
        assert again.getexif()[0x0112] == 6


JPEG = as_file(MODES["RGB"], "JPEG")
FLOATS = as_file(Image.fromarray(CAT[..., 0].astype(np.float32)), "TIFF")

BAD_BYTES = {
    "text": (b"this is no image", "that are none"),
    "empty": (b"", "that are none"),
    "truncated JPEG": (JPEG[: len(JPEG) // 2], "damaged or cut off"),
    "truncated PNG": (png_header(50, 40), "damaged or cut off"),
    "bomb": (png_header(30_000, 30_000), "40,000,000 pixels"),
    "large": (png_header(7_000, 7_000), "7,000 x 7,000"),
    "floats": (FLOATS, "mode 'F'"),
    "not bytes": (12, "got int"),
    "missing": (None, "got NoneType"),
    "text cell": ("abc", "set the image's form to base64 or path"),
}


@pytest.mark.parametrize("name", BAD_BYTES)
def test_bytes_that_are_no_image_leave_the_others(name):
    bad, message = BAD_BYTES[name]
    good = as_file(MODES["RGB"], "PNG")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second, third = read_cells([good, bad, good], ImageForm("bytes"))
    assert np.array_equal(first.pixels, CAT)
    assert np.array_equal(third.pixels, CAT)
    assert message in second.reason


def test_a_large_image_is_refused_before_it_is_decoded(monkeypatch):
    def load(self):
        raise AssertionError("decoded")

    content = as_file(MODES["RGB"], "PNG")
    monkeypatch.setattr(Image.Image, "load", load)
    with pytest.raises(DataError, match="at most 100 pixels"):
        read_bytes(content, max_pixels=100)


def test_base64_is_read_with_and_without_prefix_and_white_space():
    content = as_file(MODES["RGB"], "PNG")
    text = base64.b64encode(content).decode()
    wrapped = "\n".join(text[i : i + 76] for i in range(0, len(text), 76))
    prefixed = f"data:image/png;base64,{text}"
    cells = read_cells([text, wrapped, prefixed, content, text.encode()], ImageForm("base64"))
    assert all(np.array_equal(cell.pixels, CAT) for cell in cells)
    assert [cell.file.prefix for cell in cells] == [False, False, True, False, False]


@pytest.mark.parametrize("bad", ["cats/1.png", "abcde", "ÄÖÜ", "data:image/png;base64,!!!!", 7])
def test_text_that_is_no_base64_is_refused(bad):
    assert "in base64" in only([bad], ImageForm("base64")).reason


def test_file_names_are_relative_to_the_folder(tmp_path):
    (tmp_path / "cat.png").write_bytes(as_file(MODES["RGB"], "PNG"))
    (tmp_path / "text.png").write_text("no image")
    form = ImageForm("path", folder=str(tmp_path))
    named, absolute, content, *bad = read_cells(
        [
            "cat.png",
            tmp_path / "cat.png",
            as_file(MODES["RGB"], "PNG"),
            "dog.png",
            ".",
            "text.png",
            "a\0b",
            3,
        ],
        form,
    )
    for cell in (named, absolute, content):
        assert np.array_equal(cell.pixels, CAT)
    wanted = ("cannot be read (No such file", "cannot be read", "are none", "cannot be read", "int")
    for cell, message in zip(bad, wanted, strict=True):
        assert message in cell.reason


def test_different_unreadable_cells_have_different_digests():
    cells = read_cells([b"one", b"two", b"one"], ImageForm("bytes"))
    assert cells[0].digest == cells[2].digest != cells[1].digest
