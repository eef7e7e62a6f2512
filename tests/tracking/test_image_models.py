"""Models of images, logged as users log them, reviewed and evaluated through MLflow."""

import base64
import io
import os
import signal
import subprocess
import sys
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from mlflow.models.signature import ModelSignature
from mlflow.types import Schema, TensorSpec
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

import mlflow_lime
from mlflow_lime import names
from mlflow_lime.core.contents import ImageContent
from mlflow_lime.errors import ConfigError, DataError, DigestMismatchError, ModelOutputError
from mlflow_lime.journal import Journal
from mlflow_lime.tracking.review import review_version
from tests.tracking.contents import (
    SECRET,
    Left,
    Modules,
    artifacts,
    picture,
    png,
    register,
    review,
)

# Packages of models warn of themselves; our own warnings are notes, and asserted.
pytestmark = pytest.mark.filterwarnings("ignore")

GRID = {"segments": "grid", "count": 16}


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module of the user's own beside what they run."""
    monkeypatch.chdir(tmp_path)
    modules = Modules(tmp_path)
    yield modules
    modules.forget(*modules.names)


@pytest.fixture(scope="module")
def digits():
    """Pixels of three digits, 0 to 16, and which they are."""
    data = load_digits(n_class=3, as_frame=True)
    return data.data, data.target


@pytest.fixture(scope="module")
def forest(digits):
    return RandomForestClassifier(20, random_state=0).fit(*digits)


# Pixels in columns


def test_a_forest_on_pixels_is_explained_by_segments_of_the_image(digits, forest, log, tmp_path):
    pixels, target = digits
    pixels.assign(digit=target).to_parquet(tmp_path / "digits.parquet")
    info = log(
        mlflow.sklearn,
        forest,
        input_example=pixels.head(2),
        serialization_format="cloudpickle",
    )
    done = review(
        info,
        data={"source": str(tmp_path / "digits.parquet"), "target": "digit"},
        image={"shape": [8, 8], **GRID},
    )
    assert len(done.explanations) == 4
    assert not done.failed
    for explanation in done.explanations:
        (content,) = explanation.contents
        assert isinstance(content, ImageContent)
        assert content.segments.shape == (8, 8)
        assert len(np.unique(content.segments)) == 16
        assert explanation.parts[0].startswith("segment ")
        assert np.abs(explanation.labels[0].weights).max() > 0.01


def test_pixels_of_an_array_need_no_names(digits, forest, log):
    pixels, target = digits
    array = pixels.to_numpy()
    unnamed = RandomForestClassifier(20, random_state=0).fit(array, target)
    info = log(
        mlflow.sklearn,
        unnamed,
        signature=infer_signature(array, target.to_numpy()),
        serialization_format="cloudpickle",
    )
    assert info.signature.inputs.inputs[0].shape == (-1, 64)
    mlflow_lime.log_background(array[:60], model_id=info.model_id)
    done = review(info, image={"shape": [8, 8], **GRID})
    assert not done.failed
    for explanation in done.explanations:
        distances = np.abs(unnamed.predict_proba(array) - explanation.scores).max(axis=1)
        assert distances.min() < 1e-9
        assert explanation.contents[0].segments.shape == (8, 8)
        assert explanation.class_names == ("0", "1", "2")


def test_a_shape_that_does_not_fit_is_an_error_before_any_call(digits, forest, log, tmp_path):
    pixels, target = digits
    pixels.assign(digit=target).to_parquet(tmp_path / "digits.parquet")
    info = log(mlflow.sklearn, forest, serialization_format="cloudpickle")
    data = {"source": str(tmp_path / "digits.parquet"), "target": "digit"}
    with pytest.raises(ConfigError, match=r"image\.shape \[8, 9\] has 72 pixels.* 64 columns"):
        review(info, data=data, image={"shape": [8, 9]})
    with pytest.raises(ConfigError, match=r"image\.columns names column 'pixel'"):
        review(info, data=data, image={"shape": [1, 1], "columns": ["pixel"]})


# Networks


@pytest.fixture(scope="module")
def network(digits):
    """A small convolutional network that returns logits, and images as it reads them."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    images = digits[0].to_numpy().reshape(-1, 1, 8, 8).astype(np.float32) / 16
    target = torch.tensor(digits[1].to_numpy())
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 6, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(216, 3)
    )
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(40):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(net(torch.tensor(images)), target).backward()
        optimiser.step()
    return net.eval(), images, digits[1].to_numpy()


@pytest.fixture
def likely(network):
    """The same network with probabilities."""
    torch = pytest.importorskip("torch")
    return torch.nn.Sequential(network[0], torch.nn.Softmax(dim=1)).eval()


@pytest.fixture
def npz(network, tmp_path):
    _, images, target = network
    np.savez(tmp_path / "digits.npz", image=images[:90], digit=target[:90])
    return {"source": str(tmp_path / "digits.npz"), "target": "digit"}


@pytest.fixture
def torch_log(log):
    def build(net: Any, **options: Any) -> Any:
        return log(mlflow.pytorch, net, serialization_format="pickle", **options)

    return build


CLASSES = {"task": "classification"}


def signature_of(network):
    return infer_signature(network[1][:2], np.zeros((2, 3), dtype=np.float32))


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("source", ["npz", "background", "example"])
def test_a_network_reads_images_with_channels_first(
    signed, source, network, likely, npz, torch_log
):
    options: dict[str, Any] = {"signature": signature_of(network)} if signed else {}
    if source == "example":
        options["input_example"] = network[1][:5]
    info = torch_log(likely, **options)
    if source == "background":
        mlflow_lime.log_background(network[1][:50], model_id=info.model_id)
    task = {} if signed else CLASSES  # probabilities say it themselves
    done = review(info, **task, **({"data": npz} if source == "npz" else {}))
    assert not done.failed
    assert len(done.explanations) == 4
    for explanation in done.explanations:
        (content,) = explanation.contents
        assert content.segments.shape == (8, 8)
        assert explanation.class_names == ("0", "1", "2")
        assert explanation.scores.max() > 0.8
        assert np.abs(explanation.labels[0].weights).max() > 0.05
        # Grey on the screen, whatever the model reads.
        assert (content.pixels == content.pixels[..., :1]).all()
    if source == "npz":
        assert done.metrics["lime/instances"] == 4


def test_logits_become_probabilities_and_a_note_says_so(network, likely, npz, torch_log):
    net = network[0]
    raw = review(torch_log(net), data=npz, **CLASSES)
    soft = review(torch_log(likely), data=npz, **CLASSES)
    assert any("returns logits" in note and "softmax" in note for note in raw.notes)
    with pytest.raises(ModelOutputError, match="no probabilities; set task to classification"):
        review(torch_log(net), data=npz)
    assert not any("logits" in note for note in soft.notes)
    for a, b in zip(raw.explanations, soft.explanations, strict=True):
        assert a.scores.sum() == pytest.approx(1)
        np.testing.assert_allclose(a.scores, b.scores, atol=1e-6)
        np.testing.assert_allclose(a.labels[0].weights, b.labels[0].weights, atol=1e-6)


def test_one_logit_becomes_the_probability_of_class_1(network, npz, torch_log):
    torch = pytest.importorskip("torch")
    net = network[0]

    class Second(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net(x)[:, 1:2] - self.net(x)[:, 0:1]

    done = review(torch_log(Second()), data=npz, **CLASSES)
    assert any("returns logits" in note and "sigmoid" in note for note in done.notes)
    for explanation in done.explanations:
        assert explanation.class_names == ("0", "1")
        assert explanation.scores.min() >= 0
        assert explanation.scores.sum() == pytest.approx(1)
    # As a regression the very same numbers are what they are.
    plain = review(torch_log(Second()), data=npz, task="regression")
    assert not any("logits" in note for note in plain.notes)
    assert any(abs(e.scores[0]) > 1 for e in plain.explanations)


def test_a_function_of_the_users_own_is_believed(network, npz, torch_log, module):
    module(
        "net_hook",
        "import numpy as np\n"
        "def logits(images, model):\n"
        "    return model.predict(np.asarray(images, dtype=np.float32))\n",
    )
    done = review(torch_log(network[0]), data=npz, predict="net_hook:logits", **CLASSES)
    assert any(np.abs(e.scores).max() > 1 for e in done.explanations)
    assert any("no probabilities" in note for note in done.notes)


def test_an_onnx_network_is_explained_like_the_one_it_was_made_from(
    network, likely, npz, torch_log, log
):
    torch = pytest.importorskip("torch")
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    buffer = io.BytesIO()
    torch.onnx.export(
        likely,
        torch.tensor(network[1][:1]),
        buffer,
        input_names=["image"],
        output_names=["chance"],
        dynamic_axes={"image": {0: "n"}, "chance": {0: "n"}},
        dynamo=False,
        external_data=False,
    )
    proto = onnx.load_from_string(buffer.getvalue())
    theirs = review(torch_log(likely), data=npz, **CLASSES)
    for options in ({}, {"signature": signature_of(network)}):
        info = log(mlflow.onnx, proto, save_as_external_data=False, **options)
        ours = review(info, data=npz, **CLASSES)
        for a, b in zip(ours.explanations, theirs.explanations, strict=True):
            assert a.parts == b.parts
            np.testing.assert_allclose(a.labels[0].weights, b.labels[0].weights, atol=1e-5)


# Columns of images, in every form


@pytest.fixture(scope="module")
def pictures():
    return [picture(i) for i in range(8)]


def cells_of(form, pictures, folder):
    if form == "array":
        return list(pictures)
    if form == "bytes":
        return [png(pixels) for pixels in pictures]
    if form == "base64":
        return [base64.b64encode(png(pixels)).decode() for pixels in pictures]
    for i, pixels in enumerate(pictures):
        (folder / f"{i}.png").write_bytes(png(pixels))
    return [str(folder / f"{i}.png") for i in range(len(pictures))]


def stored(cells, folder, name="pictures.parquet"):
    """Write a column of cells as a file, and return the section of the configuration."""
    values = [cell.tolist() if isinstance(cell, np.ndarray) else cell for cell in cells]
    pd.DataFrame({"picture": pd.Series(values, dtype=object)}).to_parquet(folder / name)
    return {"source": str(folder / name)}


@pytest.fixture
def left(log):
    return log(mlflow.pyfunc, None, python_model=Left())


@pytest.mark.parametrize("form", ["array", "bytes", "base64", "path"])
def test_a_column_of_images_is_read_in_every_form(form, pictures, left, tmp_path):
    data = stored(cells_of(form, pictures, tmp_path), tmp_path)
    done = review(left, data=data, image=GRID, **CLASSES)
    assert not done.failed
    for explanation in done.explanations:
        (content,) = explanation.contents
        if form != "array":  # whole numbers of Parquet, of no known range
            assert any((content.pixels == pixels).all() for pixels in pictures)
        weights = explanation.labels[0].weights
        sides = {
            part: np.flatnonzero((content.segments == i).any(axis=0)).max() < 12
            for i, part in enumerate(explanation.parts)
        }
        heavy = [abs(w) for w, part in zip(weights, explanation.parts, strict=True) if sides[part]]
        light = [
            abs(w) for w, part in zip(weights, explanation.parts, strict=True) if not sides[part]
        ]
        assert max(light) < 1e-9 < min(heavy)


@pytest.mark.parametrize("form", ["array", "bytes", "base64", "path"])
def test_a_background_of_images_in_a_data_frame_is_data_enough(
    form, pictures, left, tmp_path, monkeypatch
):
    cells = cells_of(form, pictures, tmp_path)
    if form == "path":
        monkeypatch.chdir(tmp_path)
        cells = [os.path.basename(cell) for cell in cells]
    frame = pd.DataFrame({"picture": pd.Series(cells, dtype=object)})
    mlflow_lime.log_background(frame, model_id=left.model_id)
    done = review(left, **CLASSES)
    assert len(done.explanations) == 4
    for explanation in done.explanations:
        assert any((explanation.contents[0].pixels == pixels).all() for pixels in pictures)


@pytest.mark.parametrize("form", ["array", "bytes", "base64"])
def test_an_input_example_of_images_is_data_enough(form, pictures, log, tmp_path):
    frame = pd.DataFrame({"picture": pd.Series(cells_of(form, pictures, tmp_path), dtype=object)})
    info = log(mlflow.pyfunc, None, python_model=Left(), input_example=frame.head(3))
    done = review(info, **CLASSES)
    assert len(done.explanations) == 3
    assert not done.failed


def test_paths_count_from_the_folder_of_their_file(pictures, left, tmp_path):
    (tmp_path / "pics").mkdir()
    cells_of("path", pictures, tmp_path / "pics")
    pd.DataFrame({"picture": [f"pics/{i}.png" for i in range(8)]}).to_csv(
        tmp_path / "list.csv", index=False
    )
    done = review(left, data={"source": str(tmp_path / "list.csv")}, **CLASSES)
    assert len(done.explanations) == 4
    assert not done.failed


class Bright(mlflow.pyfunc.PythonModel):
    """Reads an array of images of bytes, channels last."""

    def predict(self, context, model_input, params=None):
        assert model_input.dtype == np.uint8
        assert model_input.shape[1:] == (24, 24, 3)
        bright = model_input[:, :, :12].mean(axis=(1, 2, 3)) / 255
        return np.stack([1 - bright, bright], axis=1)


def test_images_of_bytes_with_a_tensor_signature_stay_bytes(pictures, log, tmp_path):
    array = np.stack(pictures)
    schema = Schema([TensorSpec(np.dtype(np.uint8), (-1, 24, 24, 3))])
    info = log(mlflow.pyfunc, None, python_model=Bright(), signature=ModelSignature(inputs=schema))
    np.save(tmp_path / "pictures.npy", array)
    done = review(info, data={"source": str(tmp_path / "pictures.npy")}, image=GRID, **CLASSES)
    framed = review(
        log(mlflow.pyfunc, None, python_model=Bright(), signature=ModelSignature(inputs=schema)),
        data=stored(pictures, tmp_path),
        image=GRID,
        **CLASSES,
    )
    assert not done.failed
    assert not framed.failed
    assert len(done.explanations) == len(framed.explanations) == 4


def test_an_image_beside_numbers_is_one_explanation(pictures, log, tmp_path):
    class Both(Left):
        def predict(self, context, model_input, params=None):
            scores = super().predict(context, model_input)
            bright = 0.5 * scores[:, 1] + 0.5 * (model_input["age"].to_numpy() > 40)
            return np.stack([1 - bright, bright], axis=1)

    frame = pd.DataFrame(
        {"picture": cells_of("bytes", pictures, tmp_path), "age": np.arange(20.0, 60.0, 5.0)}
    )
    frame.to_parquet(tmp_path / "both.parquet")
    info = log(mlflow.pyfunc, None, python_model=Both())
    done = review(info, data={"source": str(tmp_path / "both.parquet")}, image=GRID, **CLASSES)
    assert not done.failed
    for explanation in done.explanations:
        assert "age" in explanation.names
        assert sum(part.startswith("picture: segment") for part in explanation.parts) == 16
        assert abs(explanation.as_dict()["age"]) > 0.05


# Inside mlflow.models.evaluate

LIME = {"instances": 3, "sampling": {"rows": 64, "max_rows": 64}, "image": GRID}


class Labels(Left):
    """Gives labels, and probabilities to whoever asks for them."""

    def predict(self, context, model_input, params=None):
        return (super().predict(context, model_input)[:, 1] > 0.4).astype(int)

    def predict_proba(self, model_input):
        return Left.predict(self, None, model_input)


@pytest.mark.parametrize("form", ["array", "bytes"])
def test_an_evaluation_explains_images(form, pictures, log, tmp_path):
    info = log(mlflow.pyfunc, None, python_model=Labels())
    cells = pd.Series(cells_of(form, pictures, tmp_path), dtype=object)
    frame = pd.DataFrame({"picture": cells, "bright": [0, 1] * 4})
    with mlflow.start_run() as run:
        found = mlflow.models.evaluate(
            info.model_uri,
            frame,
            targets="bright",
            model_type="classifier",
            evaluators=["lime"],
            evaluator_config={"lime": LIME},
        )
    assert found.metrics["lime/instances"] == 3
    files = artifacts(run.info.run_id)
    assert (
        len([path for path in files if path.startswith("images/") and path.endswith(".png")]) == 3
    )


def test_an_evaluation_reads_paths_like_the_model_from_the_current_folder(
    pictures, log, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    paths = [os.path.basename(cell) for cell in cells_of("path", pictures, tmp_path)]
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings" / "lime.yaml").write_text("sampling: {rows: 64, max_rows: 64}\n")
    info = log(mlflow.pyfunc, None, python_model=Labels())
    found = mlflow.models.evaluate(
        info.model_uri,
        pd.DataFrame({"picture": paths, "bright": [0, 1] * 4}),
        targets="bright",
        model_type="classifier",
        evaluators=["lime"],
        evaluator_config={"lime": {"config": "settings/lime.yaml", "instances": 3}},
    )
    assert found.metrics["lime/instances"] == 3


def test_corrupt_images_never_break_the_users_evaluation(pictures, log):
    class Patient(Labels):
        def predict(self, context, model_input, params=None):
            return np.zeros(len(model_input), dtype=int)

        def predict_proba(self, model_input):
            return np.full((len(model_input), 2), 0.5)

    info = log(mlflow.pyfunc, None, python_model=Patient())
    frame = pd.DataFrame({"picture": [png(p)[:60] for p in pictures], "bright": [0, 1] * 4})
    with mlflow.start_run() as run:
        found = mlflow.models.evaluate(
            info.model_uri,
            frame,
            targets="bright",
            model_type="classifier",
            evaluators=["default", "lime"],
            evaluator_config={
                "default": {"log_model_explainability": False},
                "lime": {**LIME, "on_error": "record"},
            },
        )
    assert found.metrics["accuracy_score"] == 0.5
    tags = mlflow.get_run(run.info.run_id).data.tags
    assert tags[names.TAG_STATUS] == "failed"
    assert "damaged or cut off" in tags[names.TAG_REASON]


# Images that are none


def bomb() -> bytes:
    """Return a PNG file that declares 60,000 x 60,000 pixels."""
    import struct
    import zlib

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [b"IHDR" + head, b"IDAT" + zlib.compress(bytes(10_000)), b"IEND"]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in chunks
    )


ODD_FILES = {
    "damaged": (lambda: png(picture(1))[:200], "damaged or cut off"),
    "truncated JPEG": (lambda: png(picture(1), "JPEG")[:300], "damaged or cut off"),
    "no image": (lambda: b"nonsense", "that are none"),
    "bomb": (bomb, "declare"),
    "nothing": (lambda: None, "NoneType"),
}


def fails_alone(done, reason):
    assert [e.key[:2] for e in done.explanations] == ["00", "02"]
    assert all(e.parts for e in done.explanations)
    (failed,) = done.failed
    assert failed.key.startswith("01")
    assert reason in failed.reason


MIDDLE = {"pick": "rows", "rows": [0, 8, 3], "count": 20}


@pytest.mark.parametrize("kind", ODD_FILES)
def test_a_file_that_is_no_image_fails_alone_with_its_reason(kind, pictures, left, tmp_path):
    make, reason = ODD_FILES[kind]
    cells = [*cells_of("bytes", pictures, tmp_path), make()]
    done = review(left, data=stored(cells, tmp_path), reference=MIDDLE, **CLASSES)
    fails_alone(done, reason)


@pytest.mark.parametrize("store_inputs", ["full", "redacted"])
def test_a_missing_file_fails_alone_with_its_reason(store_inputs, pictures, left, tmp_path):
    cells = [*cells_of("path", pictures, tmp_path), str(tmp_path / f"{SECRET}.png")]
    reference = {**MIDDLE, "store_inputs": store_inputs}
    done = review(left, data=stored(cells, tmp_path), reference=reference, **CLASSES)
    fails_alone(done, "cannot be read (No such file")
    found = {path for path, file in artifacts(done.run_id).items() if SECRET.encode() in file}
    assert (names.INSTANCES_TABLE in found) == (store_inputs == "full")
    assert bool(found) == (store_inputs == "full")


def test_an_array_of_nan_fails_alone_with_its_reason(pictures, left, tmp_path):
    odd = np.full((24, 24, 3), np.nan)
    cells = [*(pixels.astype(float) for pixels in pictures), odd]
    done = review(left, data=stored(cells, tmp_path), reference=MIDDLE, **CLASSES)
    fails_alone(done, "NaN or infinity")


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (np.zeros((24, 24)), "expected 3 channels"),
        (np.zeros((2, 24, 24, 3)), "expected an image of shape"),
        ([[1, 2], [3]], "rows of other lengths"),
        ("a picture", "expected an image as an array, got str"),
    ],
    ids=["other channels", "four axes", "ragged", "text"],
)
def test_an_array_that_is_no_image_fails_alone_in_an_evaluation(odd, reason, pictures, log):
    class Patient(Labels):
        def predict(self, context, model_input, params=None):
            return np.zeros(len(model_input), dtype=int)

    cells = pd.Series([*pictures, odd], dtype=object)
    info = log(mlflow.pyfunc, None, python_model=Patient())
    with mlflow.start_run() as run:
        found = mlflow.models.evaluate(
            info.model_uri,
            pd.DataFrame({"picture": cells, "bright": [0, 1, 0] * 3}),
            targets="bright",
            model_type="classifier",
            evaluators=["lime"],
            evaluator_config={
                "lime": {
                    **{key: value for key, value in LIME.items() if key != "instances"},
                    "reference": {"pick": "rows", "rows": [0, 8, 3]},
                }
            },
        )
    assert found.metrics["lime/instances"] == 2
    assert found.metrics["lime/failed"] == 1
    table = artifacts(run.info.run_id)[names.INSTANCES_TABLE].decode()
    assert reason in table


def test_an_array_of_another_shape_than_the_tensor_fails_alone(pictures, log, tmp_path):
    schema = Schema([TensorSpec(np.dtype(np.uint8), (-1, 24, 24, 3))])
    signature = ModelSignature(inputs=schema)
    info = log(mlflow.pyfunc, None, python_model=Bright(), signature=signature)
    data = stored([pictures[0], pictures[1][:20], *pictures[2:]], tmp_path)
    rows = {"pick": "rows", "rows": [0, 1, 3], "count": 20}
    fails_alone(review(info, data=data, reference=rows, **CLASSES), "(-1, 24, 24, 3)")


def test_nan_pixels_of_a_bare_array_fail_alone(network, likely, torch_log, tmp_path):
    images = network[1][:9].copy()
    images[8, 0, 2, 2] = np.nan
    np.save(tmp_path / "holed.npy", images)
    done = review(
        torch_log(likely),
        data={"source": str(tmp_path / "holed.npy")},
        reference=MIDDLE,
        **CLASSES,
    )
    fails_alone(done, "NaN or infinity in 1 of 64 values")


@pytest.mark.parametrize(
    ("section", "error", "text"),
    [
        ({"columns": ["pictur"]}, ConfigError, "image.columns.*Did you mean 'picture'"),
        ({"segments": "no_such_cuts:cut"}, ConfigError, "no module 'no_such_cuts'"),
        ({"absent": "gone.png"}, (ConfigError, DataError), "gone.png"),
        ({"absent": [1, 2]}, (ConfigError, DataError), "2"),
    ],
)
def test_a_wrong_configuration_is_an_error_that_names_it(
    section, error, text, pictures, left, tmp_path
):
    data = stored(cells_of("bytes", pictures, tmp_path), tmp_path)
    with pytest.raises(error, match=text):
        review(left, data=data, image=section, **CLASSES)


# Reference sets


def tiles(content):
    """Return where the segments meet, which does not depend on their numbers."""
    return np.diff(content.segments, axis=0) != 0, np.diff(content.segments, axis=1) != 0


def drawn_in(files, folder):
    """Return the pixels of the PNG files in a folder."""
    found = [files[path] for path in files if path.startswith(folder) and path.endswith(".png")]
    return {Image.open(io.BytesIO(content)).convert("RGB").tobytes() for content in found}


@pytest.mark.parametrize("store_inputs", ["full", "redacted", "none"])
def test_later_versions_answer_for_the_same_images_and_segments(
    store_inputs, pictures, log, tmp_path
):
    name = f"pictures-{store_inputs}"
    (tmp_path / SECRET).mkdir()
    data = stored(cells_of("path", pictures, tmp_path / SECRET), tmp_path)
    reference = {"store_inputs": store_inputs}
    outputs = {"pictures": True}
    one = log(mlflow.pyfunc, None, python_model=Left())
    options = {"data": data, "reference": reference, "outputs": outputs, **CLASSES}
    first = review(register(one, name), image={"count": 20}, **options)
    images = {path for path in artifacts(first.run_id) if path.startswith("images/")}
    small = {path for path in images if path.endswith(".webp")}  # MLflow's own copies
    assert (len(small), len(images - small)) == (4, 4)
    assert review(f"models:/{name}/1", image={"count": 20}, **options).repeated
    assert {path for path in artifacts(first.run_id) if path.startswith("images/")} == images
    two = register(log(mlflow.pyfunc, None, python_model=Left()), name)
    # Another number of segments would cut otherwise: pinned segments stay.
    count = 8 if store_inputs == "full" else 20
    second = review(two, image={"count": count}, **options)
    assert second.reference_digest == first.reference_digest
    for a, b in zip(first.explanations, second.explanations, strict=True):
        assert (a.key, a.digest) == (b.key, b.digest)
        assert a.parts == b.parts
        np.testing.assert_array_equal(a.labels[0].weights, b.labels[0].weights)
        if store_inputs == "full":
            for x, y in zip(tiles(a.contents[0]), tiles(b.contents[0]), strict=True):
                np.testing.assert_array_equal(x, y)
        else:
            assert a.contents == b.contents == ()
    for done in (first, second):
        files = artifacts(done.run_id)
        run = repr(mlflow.get_run(done.run_id).to_dictionary())
        joined = b"".join(files.values())
        # What may not be stored is in no picture: the grid shows the bars alone then.
        grid, bars = (drawn_in(files, folder) for folder in ("images/", names.PICTURES))
        assert (grid == bars) == (store_inputs != "full")
        if store_inputs != "full":
            assert SECRET not in run
            assert SECRET.encode() not in joined
            assert b"iVBORw0KGgo" not in joined
            assert b'"contents": [{' not in files[names.EXPLANATIONS_JSON]
            assert not any("inputs" in path or "parts" in path for path in files)
            for pixels in pictures:
                assert png(pixels)[40:80] not in joined
                assert pixels[:4].tobytes() not in joined


def test_segments_that_changed_are_noticed_where_they_are_not_stored(pictures, log, tmp_path):
    data = stored(cells_of("bytes", pictures, tmp_path), tmp_path)
    options = {"data": data, "reference": {"store_inputs": "redacted"}, **CLASSES}

    def version():
        return register(log(mlflow.pyfunc, None, python_model=Left()), "pictures-changed")

    review(version(), image={"count": 20}, **options)
    with pytest.raises(DigestMismatchError, match="cut into other parts than when they were"):
        review(version(), image={"count": 8}, **options)


class Upper(mlflow.pyfunc.PythonModel):
    """Reads an array of images; gives the brightness of the upper half."""

    def predict(self, context, model_input, params=None):
        bright = model_input[:, : model_input.shape[1] // 2].mean(axis=(1, 2, 3))
        return np.stack([1 - bright, bright], axis=1)


def test_images_that_cannot_be_explained_are_not_pinned(log, tmp_path):
    images = np.random.default_rng(0).random((4, 16, 12, 7))
    np.savez(tmp_path / "many.npz", image=images)
    options = {"data": {"source": str(tmp_path / "many.npz")}, **CLASSES}
    version = register(log(mlflow.pyfunc, None, python_model=Upper()), "many-channels")
    with pytest.raises(DataError, match=r"none of the 4 .* set channels to first or last"):
        review(version, **options)
    done = review(version, image={"channels": "last", **GRID}, **options)
    assert len(done.explanations) == 4
    assert done.explanations[0].recipe["segments"] == "grid"


def test_labels_beside_an_array_of_images_are_asked_for_by_name(log, tmp_path):
    images = np.random.default_rng(0).random((4, 16, 12, 3))
    np.savez(tmp_path / "labelled.npz", image=images, label=[0, 1, 0, 1])
    data = {"source": str(tmp_path / "labelled.npz")}
    version = log(mlflow.pyfunc, None, python_model=Upper())
    with pytest.raises(DataError, match=r"does not read: \['label'\].* as data.target"):
        review(version, data=data, **CLASSES)
    done = review(version, data={**data, "target": "label"}, image=GRID, **CLASSES)
    assert len(done.explanations) == 4


# Interruptions

MORTAL = """
import os
import signal

import numpy as np

calls = []


def scores(images, model):
    if len(images) >= 64:
        calls.append(len(images))
    if len(calls) > int(os.environ.get("LIFE", 99)):
        os.kill(os.getpid(), signal.SIGKILL)
    return model.predict(np.asarray(images, dtype=np.float32))
"""

REVIEW = """
import sys
import warnings

warnings.simplefilter("ignore")
import mlflow
from mlflow_lime.config import load_config
from mlflow_lime.tracking.review import review_version

mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_registry_uri(sys.argv[1])
review_version(sys.argv[2], load_config(sys.argv[3]))
"""


def test_a_review_of_images_that_is_killed_goes_on_where_it_stopped(
    likely, npz, torch_log, module, tmp_path, store, lime_home
):
    module("mortal_hook", MORTAL)
    (tmp_path / "lime.yaml").write_text(
        "predict: mortal_hook:scores\n"
        "task: classification\n"
        "data: {source: digits.npz, target: digit}\n"
        "reference: {count: 5}\n"
        "sampling: {rows: 64, max_rows: 64}\n"
        "prediction: {block_rows: 64, deduplicate: false}\n"
    )
    settings = mlflow_lime.load_config(tmp_path / "lime.yaml")
    whole = review_version(register(torch_log(likely), "digits-whole"), settings)
    uri = register(torch_log(likely), "digits-killed")
    order = [sys.executable, "-c", REVIEW, store[0], uri, str(tmp_path / "lime.yaml")]
    killed = subprocess.run(order, env={**os.environ, "LIFE": "3"}, check=False)
    assert killed.returncode == -signal.SIGKILL
    (journal,) = lime_home.glob("journal/*.jsonl")
    kept = len(list(Journal(journal).read()))
    assert 1 <= kept <= 3
    calls = sys.modules["mortal_hook"].calls
    calls.clear()
    done = review_version(uri, settings)
    assert sum(calls) == 64 * (5 - kept)
    assert done.reference_digest == whole.reference_digest
    mine, theirs = artifacts(done.run_id), artifacts(whole.run_id)
    shown = [path for path in mine if path.startswith("images/")]
    assert len(shown) == 10  # of each a small copy
    assert set(mine) - set(shown) == {path for path in theirs if not path.startswith("images/")}
    for path in (names.EXPLANATIONS_JSON, names.EXPLANATIONS_PARQUET):
        assert mine[path] == theirs[path]
    assert not list(lime_home.glob("journal/*"))
