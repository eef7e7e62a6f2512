"""Texts, pictures, and models of them, as users have them: small, and made from a seed."""

import base64
import importlib
import io
import os
import shutil
import sys
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import mlflow
import mlflow.pyfunc
import numpy as np
import pandas as pd

from mlflow_lime import parse_config
from mlflow_lime.tracking.review import review_version

FEW = {"sampling": {"rows": 64, "max_rows": 64}, "outputs": {"pictures": False}}
"""A review that takes a moment."""

GOOD = ["great", "lovely", "superb", "charming", "moving", "fine"]
BAD = ["dull", "awful", "boring", "weak", "messy", "bad"]
PLAIN = [
    "the",
    "movie",
    "was",
    "seen",
    "in",
    "a",
    "cinema",
    "yesterday",
    "by",
    "me",
    "and",
    "friends",
]
SECRET = "Rumpelstilzchen"


def reviews(n: int = 120, seed: int = 0) -> pd.DataFrame:
    """Return texts of 14 words, six of which tell their label ``pos`` or ``neg``."""
    random = np.random.default_rng(seed)
    liked = random.integers(0, 2, n)
    texts = []
    for good in liked:
        words = [*random.choice(GOOD if good else BAD, 6), *random.choice(PLAIN, 8)]
        random.shuffle(words)
        texts.append(" ".join(words))
    return pd.DataFrame({"review": texts, "label": np.where(liked, "pos", "neg")})


def config(**sections: Any) -> Any:
    """Return a small configuration; sections are given as dicts."""
    merged: dict[str, Any] = {key: dict(value) for key, value in FEW.items()}
    merged["reference"] = {"count": 4}
    for key, value in sections.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = {**merged[key], **value} if both else value
    return parse_config(merged)


def review(info: Any, **sections: Any) -> Any:
    """Review a logged model."""
    uri = info if isinstance(info, str) else info.model_uri
    return review_version(uri, config(**sections))


def register(info: Any, name: str) -> str:
    """Register a logged model, and return the version's URI."""
    version = mlflow.register_model(info.model_uri, name).version
    return f"models:/{name}/{version}"


def artifacts(run_id: str) -> dict[str, bytes]:
    """Return every artifact of a run, by path."""
    # Not by download, which in old versions refuses the names of the image grid.
    folder = Path(mlflow.get_run(run_id).info.artifact_uri.removeprefix("file://"))
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def weights_of(explanation: Any) -> dict[str, float]:
    """Return the weight of each part for the first explained label."""
    return dict(explanation.as_list())


def picture(seed: int, size: int = 24) -> np.ndarray:
    """Return a colour picture, shape (size, size, 3), whose halves differ in brightness."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 90, (size, size, 3), dtype=np.uint8)
    pixels[:, : size // 2] += np.uint8(150 if seed % 2 else 20)
    return pixels


def png(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    """Return a picture as the content of a file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=kind)
    return buffer.getvalue()


def decoded(cell: Any) -> np.ndarray:
    """Return the picture that a cell of a data frame holds, in whatever form."""
    from PIL import Image

    if isinstance(cell, np.ndarray):
        return cell
    if isinstance(cell, str) and not cell.endswith(".png"):
        cell = base64.b64decode(cell)
    with Image.open(io.BytesIO(cell) if isinstance(cell, bytes) else cell) as image:
        return np.asarray(image.convert("RGB"))


class Left(mlflow.pyfunc.PythonModel):
    """Gives the brightness of the left half as the probability of class 1."""

    def predict(self, context, model_input, params=None):
        images = [decoded(cell) for cell in model_input["picture"]]
        bright = np.array([image[:, : image.shape[1] // 2].mean() / 255 for image in images])
        return np.stack([1 - bright, bright], axis=1)


class Modules:
    """Writes modules into the current folder, and forgets them in the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: set[str] = set()

    def __call__(self, name: str, code: str) -> None:
        self.forget(name)
        (self.folder / f"{name}.py").write_text(code)
        shutil.rmtree(self.folder / "__pycache__", ignore_errors=True)
        importlib.invalidate_caches()
        self.names.add(name)

    def forget(self, *names: str) -> None:
        for name in names:
            sys.modules.pop(name, None)
