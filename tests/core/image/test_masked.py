"""Images keep the protocol that explaining relies on, whatever form they come in."""

import base64
import gc
import io
import json
import pickle
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage import data
from sklearn.datasets import load_digits

from mlflow_lime.core.blocks import MaskBlock
from mlflow_lime.core.explain import Explainer
from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.core.image.cells import ImageForm
from mlflow_lime.core.image.masked import MaskedImage, image_digests
from mlflow_lime.core.masks import mask_block
from mlflow_lime.core.options import Pooling, Sampling
from mlflow_lime.errors import DataError

CAT = data.chelsea()[::6, ::6]
DIGITS = load_digits()

LAYOUTS = {
    "gray": data.camera()[::9, ::9],
    "one channel": data.camera()[::9, ::9, None],
    "colour": CAT,
    "colour first": np.moveaxis(CAT, -1, 0),
    "RGBA": data.logo()[::9, ::9],
    "floats": (CAT / 255).astype(np.float32),
    "halves first": (np.moveaxis(CAT, -1, 0) / 255).astype(np.float16),
    "two bands": CAT[..., :2],
    "seven bands first": np.random.default_rng(0).normal(size=(7, 20, 21)),
    "bool": data.horse()[::9, ::9],
    "signed": CAT.astype(np.int16) - 128,
}


def draw(subject, n_rows=16):
    return subject, mask_block(
        "iid",
        law="bernoulli",
        n_parts=subject.n_active,
        n_draws=0,
        n_rows=n_rows,
        seed=np.random.SeedSequence(0),
    )


def png(array):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format="PNG")
    return buffer.getvalue()


# What goes to the model


@pytest.mark.parametrize("absent", ["mean", "blur", "segment_mean", 1])
@pytest.mark.parametrize("name", LAYOUTS)
def test_the_model_gets_arrays_as_they_came(name, absent):
    image = LAYOUTS[name]
    channels = "first" if "first" in name else "auto"
    domain = MaskedImage(ImageForm(channels=channels), segments="grid", n_segments=9, absent=absent)
    (subject,) = domain.subjects(image[None])
    drawn = draw(subject)
    found = domain.perturb([drawn])
    picture = subject.content
    assert (found.shape, found.dtype) == ((16, *image.shape), image.dtype)
    assert np.array_equal(domain.originals([subject])[0], image)
    masks = np.column_stack([drawn[1].masks, np.ones(16, dtype=np.uint8)])
    for row, mask in zip(found, masks, strict=True):
        kept = mask[picture.places] == 1  # -1 is the last column
        if image.ndim == 3:
            kept = kept[None] if channels == "first" else kept[..., None]
        assert np.array_equal(row, np.where(kept, image, picture.fill))
    (shown,) = subject.shown
    assert shown.pixels.shape == (*picture.labels.shape, 3)
    assert shown.pixels.dtype == np.uint8


def test_a_gray_image_is_not_made_colourful():
    seen = []

    def predict(images):
        seen.append(images.shape)
        return images.mean(axis=(1, 2)) / 255

    Explainer(MaskedImage(n_segments=4, segments="grid"), predict).explain(LAYOUTS["gray"][None])
    assert {shape[1:] for shape in seen} == {LAYOUTS["gray"].shape}


def test_images_of_several_sizes_are_a_list():
    domain = MaskedImage(segments="grid", n_segments=4)
    subjects = domain.subjects([CAT, CAT[:20], CAT[:, :30]])
    found = domain.perturb([draw(subject, 3) for subject in subjects])
    assert isinstance(found, list)
    assert [image.shape for image in found] == [CAT.shape] * 3 + [(20, 76, 3)] * 3 + [
        (50, 30, 3)
    ] * 3
    assert [image.shape for image in domain.originals(subjects)] == [
        CAT.shape,
        (20, 76, 3),
        (50, 30, 3),
    ]


@pytest.mark.parametrize("dtype", ["float64", "int64", "uint8", "Int64", "Float32"])
def test_pixels_in_a_row_keep_their_columns_and_types(dtype):
    frame = pd.DataFrame(DIGITS.data[:3], columns=[f"p{i}" for i in range(64)]).astype(dtype)
    domain = MaskedImage(ImageForm("flat", shape=(8, 8)))
    subjects = domain.subjects(frame)
    pd.testing.assert_frame_equal(domain.originals(subjects), frame)
    found = domain.perturb([draw(subject) for subject in subjects])
    assert found.columns.equals(frame.columns)
    assert (found.dtypes == frame.dtypes).all()
    assert len(found) == 48


def test_columns_of_mixed_types_keep_theirs_and_hold_the_fill():
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, 0.25], "c": [3, 4], "d": [0.5, 1.0]})
    domain = MaskedImage(ImageForm("flat", shape=(2, 2)), segments=[[0, 1], [2, 3]], absent=0.6)
    subject, _ = domain.subjects(frame)
    block = MaskBlock(np.zeros((1, 3), np.uint8), np.zeros((1, 0), np.uint16), np.ones(1))
    assert subject.facts["untestable"] == [0]
    assert domain.perturb([(subject, block)]).iloc[0].tolist() == [1, 0.6, 1, 0.6]
    assert domain.perturb([(subject, block)]).dtypes.equals(frame.dtypes)


def test_pixels_in_a_row_as_an_array_stay_one():
    domain = MaskedImage(ImageForm("flat", shape=(8, 8, 1)))
    subjects = domain.subjects(DIGITS.data[:2].astype(np.float32))
    found = domain.perturb([draw(subject) for subject in subjects])
    assert (found.shape, found.dtype) == ((32, 64), np.float32)


@pytest.mark.parametrize("kind", ["bytes", "base64", "path"])
def test_files_come_back_as_png_files_without_loss(kind, tmp_path):
    contents = [png(CAT), png(CAT[:, ::-1].copy())]
    cells = contents
    if kind == "base64":
        cells = [f"data:image/png;base64,{base64.b64encode(item).decode()}" for item in contents]
    if kind == "path":
        cells = ["a.png", "b.png"]
        for name, content in zip(cells, contents, strict=True):
            (tmp_path / name).write_bytes(content)
    domain = MaskedImage(ImageForm(kind, folder=str(tmp_path)), segments="grid", n_segments=6)
    subjects = domain.subjects(cells)
    arrays = MaskedImage(segments="grid", n_segments=6)
    same = arrays.subjects([CAT, CAT[:, ::-1]])
    assert [subject.digest for subject in subjects] == [subject.digest for subject in same]
    assert image_digests(cells, domain.form) == [subject.digest for subject in same]
    assert [s.digest for s in domain.subjects(contents)] == [s.digest for s in same]

    def decoded(cell):
        if kind == "base64":
            assert cell.startswith("data:image/png;base64,")
            cell = base64.b64decode(cell.partition(",")[2])
        content = Path(cell).read_bytes() if kind == "path" else cell
        with Image.open(io.BytesIO(content)) as image:
            assert image.format == "PNG"
            return np.asarray(image)

    found = [decoded(cell) for cell in domain.originals(subjects)]
    assert np.array_equal(found, arrays.originals(same))
    found = [decoded(cell) for cell in domain.perturb([draw(s, 40) for s in subjects])]
    assert np.array_equal(found, arrays.perturb([draw(s, 40) for s in same]))


def test_files_for_the_model_are_gone_after_the_next_call_and_at_the_end():
    domain = MaskedImage(ImageForm("path"), segments="grid", n_segments=4)
    subjects = domain.subjects([png(CAT)])
    first = domain.perturb([draw(subjects[0], 8)])
    second = domain.perturb([draw(subjects[0], 2)])
    folder = Path(second[0]).parent
    assert sorted(folder.iterdir()) == sorted(map(Path, second))
    assert len(first) == 8
    copy = pickle.loads(pickle.dumps(domain))
    assert Path(copy.originals(subjects)[0]).parent != folder
    assert folder.exists()
    del domain
    gc.collect()
    assert not folder.exists()


# Subjects


def test_a_segment_whose_replacement_equals_it_is_no_part():
    image = np.zeros((4, 4, 3), dtype=np.uint8)
    image[:2, :2] = 200
    image[2:, 2:, 1] = 7
    domain = MaskedImage(segments="grid", n_segments=4, absent=0)
    (subject,) = domain.subjects(image[None])
    assert subject.names == ("segment 0", "segment 3")
    assert subject.parts == ("segment 0 (top left)", "segment 3 (bottom right)")
    assert subject.facts["segments_found"] == 4
    assert subject.facts["untestable"] == [1, 2]
    assert subject.shown[0].owners.tolist() == [0, -1, -1, 1]
    assert "2 of 4 segments cannot be tested" in subject.notes[0]
    assert "blur" in subject.notes[0]
    weights = subject.shown[0].weight_map(np.array([1.0, 2.0]))
    assert np.isnan(weights[0, 3])
    assert weights[3, 3] == 2


def test_an_image_equal_to_its_replacement_is_recorded_and_not_explained():
    images = [np.zeros((6, 6, 3), np.uint8), CAT[:6, :6]]
    domain = MaskedImage(segments="grid", n_segments=4)
    flat, good = Explainer(domain, lambda x: x.mean(axis=(1, 2, 3)) / 255).explain(images)
    assert isinstance(flat, FailedExplanation)
    assert "4 of 4 segments cannot be tested" in flat.reason
    assert isinstance(good, Explanation)


def test_bad_images_are_recorded_with_their_reasons_and_the_others_explained():
    cells = [png(CAT), b"this is no image", png(CAT)[:200], png(CAT[..., 0])]

    def predict(files):
        arrays = [np.asarray(Image.open(io.BytesIO(item))) for item in files]
        return np.array([array.mean() / 255 for array in arrays])

    domain = MaskedImage(ImageForm("bytes"), segments="grid", n_segments=4)
    found = Explainer(domain, predict).explain(cells, keys=["a", "b", "c", "d"])
    assert [type(item) for item in found] == [
        Explanation,
        FailedExplanation,
        FailedExplanation,
        Explanation,
    ]
    assert "that are none" in found[1].reason
    assert "damaged or cut off" in found[2].reason
    assert {item.kind for item in found[1:3]} == {"DataError"}
    with pytest.raises(DataError, match="that are none"):
        domain.originals(domain.subjects(cells[1:2]))


def test_a_choice_that_does_not_fit_one_image_leaves_the_others():
    domain = MaskedImage(segments="grid", n_segments=4, absent=CAT)
    good, bad = domain.subjects([CAT[::-1], CAT[:10]])
    assert good.n_active == 4
    assert bad.n_active == 0
    assert "background of shape (50, 76, 3)" in bad.notes[0]


@pytest.mark.parametrize(("side", "rows"), [(4, 256), (7, 256), (8, 512), (20, 2048)])
def test_rows_are_a_power_of_two_above_five_for_each_part(side, rows):
    labels = np.arange(side * side).reshape(side, side)
    domain = MaskedImage(segments=labels, absent=-1)
    (subject,) = domain.subjects([np.arange(side * side, dtype=float).reshape(side, side)])
    assert subject.n_active == side * side
    assert domain.default_rows(subject) == rows


def test_the_digest_is_of_dtype_shape_and_pixels():
    domain = MaskedImage(segments="grid", n_segments=4)
    kinds = [CAT, CAT.astype(np.int16), CAT[:, ::-1], CAT.reshape(25, 152, 3)]
    digests = [domain.subjects([image])[0].digest for image in kinds]
    assert len(set(digests)) == 4
    assert domain.subjects([np.asfortranarray(CAT)])[0].digest == digests[0]
    assert all(len(digest) == 32 for digest in digests)


def test_pinned_segments_are_used_for_their_image_alone():
    first = MaskedImage(segments="grid", n_segments=9)
    (subject,) = first.subjects([CAT])
    later = MaskedImage(segments="slic", pinned={subject.digest: first.pin(subject)})
    found, other = later.subjects([CAT, CAT[::-1]])
    assert np.array_equal(later.pin(found), first.pin(subject))
    assert found.names == subject.names
    assert other.n_active > 9
    (bad,) = MaskedImage(pinned={subject.digest: np.zeros((2, 2), int)}).subjects([CAT])
    assert "expected segment labels of shape (50, 76)" in bad.notes[0]


def test_a_large_image_is_shown_smaller_together_with_its_segments():
    image = np.zeros((1500, 1200), dtype=np.uint8)
    image[:, 600:] = 255
    (subject,) = MaskedImage(segments="grid", n_segments=2).subjects(image[None])
    (shown,) = subject.shown
    assert shown.pixels.shape == (750, 600, 3)
    assert shown.segments.shape == (750, 600)
    assert subject.content.labels.shape == (1500, 1200)


def test_the_number_of_keys_and_of_labels_must_be_that_of_the_images():
    with pytest.raises(DataError, match="1 keys are given for 2"):
        MaskedImage().subjects([CAT, CAT], keys=["a"])
    with pytest.raises(DataError, match="given for 1 images"):
        MaskedImage(segments=[np.zeros((50, 76), int)]).subjects([CAT, CAT])


def test_the_recipe_is_plain_json():
    recipe = MaskedImage(absent=(1, 2, 3)).recipe()
    assert json.loads(json.dumps(recipe)) == {
        "domain": "image",
        "segments": "slic",
        "n_segments": 50,
        "absent": [1.0, 2.0, 3.0],
    }


# Determinism

PREDICT_ALONE = """
import numpy as np
from skimage import data
from mlflow_lime.core.explain import Explainer
from mlflow_lime.core.image.masked import MaskedImage
(found,) = Explainer(MaskedImage(), lambda x: x[:, 20:30].mean(axis=(1, 2, 3)) / 255).explain(
    data.chelsea()[::6, ::6][None])
print(found.labels[0].weights.tobytes().hex())
"""


def test_an_image_has_the_same_weights_alone_in_company_and_in_another_process():
    def explain(images, **pooling):
        explainer = Explainer(
            pickle.loads(pickle.dumps(MaskedImage())),
            lambda x: x[:, 20:30].mean(axis=(1, 2, 3)) / 255,
            pooling=Pooling(**pooling),
        )
        return [found.labels[0].weights.tobytes() for found in explainer.explain(np.stack(images))]

    images = [CAT, CAT[::-1], CAT[:, ::-1]]
    alone = [explain([image])[0] for image in images]
    assert explain(images) == alone
    assert explain(images[::-1], block_rows=7) == alone[::-1]
    done = subprocess.run(
        [sys.executable, "-c", PREDICT_ALONE],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.split()[-1] == alone[0].hex()


def test_equal_rows_have_equal_fingerprints_and_others_do_not():
    domain = MaskedImage(segments="grid", n_segments=4)
    subjects = domain.subjects([CAT, 255 - CAT, CAT])
    draws = [draw(subject, 64) for subject in subjects]
    hashes = domain.fingerprints(draws)
    rows = [row.tobytes() for row in domain.perturb(draws)]
    assert len(set(hashes.tolist())) == len(set(rows)) == 32
    assert len(set(zip(hashes.tolist(), rows, strict=True))) == 32
    assert MaskedImage().fingerprints([draw(MaskedImage().subjects([CAT])[0])]) is None


# Memory


@pytest.mark.parametrize(("dtype", "absent"), [(np.uint8, "mean"), (np.float32, "blur")])
def test_memory_is_bounded_by_the_bytes_of_a_call(dtype, absent):
    image = data.astronaut()[:256, :256].astype(dtype)
    budget, n_rows = 4 * 2**20, 300
    explainer = Explainer(
        MaskedImage(absent=absent),
        lambda x: x[:, ::64, ::64, 0].reshape(len(x), -1).mean(axis=1) / 255,
        sampling=Sampling(rows=n_rows, max_rows=n_rows),
        pooling=Pooling(block_rows=10_000, block_bytes=budget),
    )
    subjects = explainer.domain.subjects(image[None])
    tracemalloc.start()
    ((_, found),) = explainer.stream(subjects)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.rows == n_rows
    assert n_rows * image.nbytes > 10 * budget
    assert peak < 1.5 * budget + 4 * image.nbytes


def test_parts_lie_where_their_words_say():
    (subject,) = MaskedImage(segments="grid", n_segments=9).subjects(DIGITS.images[:1])
    words = {part.partition(" (")[2].rstrip(")") for part in subject.parts}
    assert {"top left", "centre", "bottom right"} <= words


@pytest.mark.parametrize("form", [ImageForm(), ImageForm("flat", shape=(8, 8)), ImageForm("path")])
def test_the_size_of_a_row_is_at_least_that_of_what_lies_in_memory(form):
    cells = {"array": DIGITS.images, "flat": DIGITS.data, "path": [png(CAT)]}[form.kind][:1]
    domain = MaskedImage(form)
    (subject,) = domain.subjects(cells)
    found = domain.perturb([draw(subject, 4)])
    in_memory = found.nbytes / 4 if isinstance(found, np.ndarray) else len(found[0])
    assert domain.row_bytes(subject) >= in_memory
    assert len(domain.call_rows) == 3
    assert domain.default_rows(subject) == 256
