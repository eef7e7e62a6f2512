"""Two versions of a face detector: both accurate, one of them looks at the wrong place.

The pictures are those of scikit-image, 25 by 25 pixels. In the training data of version 1 a worn
scanner has left a bright mark in the upper right corner of nearly all faces; version 2 is trained
on clean scans.
Both are registered and explained, superpixel by superpixel, on the same pinned pictures.
"""

import logging
import os
import warnings
from pathlib import Path

import mlflow
import numpy as np
from skimage.data import lfw_subset
from sklearn.ensemble import HistGradientBoostingClassifier

import mlflow_lime

MODEL = "face-detector"
FOLDER = Path(os.environ.get("DEMO_FOLDER", "demo")).resolve()
MARK = (slice(0, 5), slice(20, 25))
"""Rows and columns that the worn scanner brightens."""


def main() -> None:
    open_store()
    pictures = lfw_subset()  # 100 faces, then 100 other cut-outs of photographs
    names = np.where(np.arange(200) < 100, "face", "other")
    worn = with_mark(pictures, names)
    test = np.arange(200) % 4 == 0
    versions = {"worn scanner": worn, "clean scanner": pictures}

    # Every picture of the reference set comes from the worn scanner.
    source = FOLDER / "pictures.npz"
    np.savez_compressed(source, image=worn[test], name=names[test])
    config = mlflow_lime.parse_config(
        {
            "models": MODEL,
            "data": {"source": str(source), "target": "name"},
            "labels": ["face"],
            "reference": {"count": 12},
            "image": {"segments": "grid", "count": 25},
        }
    )
    for version, (name, train) in enumerate(versions.items(), start=1):
        accuracy = register(name, train[~test], names[~test], train[test], names[test])
        review = mlflow_lime.review_version(f"models:/{MODEL}/{version}", config, progress=None)
        print(f"\nVersion {version}, trained on scans of the {name}: accuracy {accuracy:.2f}")
        print(f"  held-out R² {review.metrics['lime/fidelity_r2']:.2f}, run {review.run_id}")
        print(f"  weight on the mark: {mark_share(version):.0%} of the five heaviest segments")
        save_picture(review, version)


def open_store() -> None:
    """Use an embedded store of our own."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore", UserWarning)  # MLflow's hints about signatures
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    mlflow.set_tracking_uri(f"sqlite:///{FOLDER}/mlflow.db")
    if mlflow.get_experiment_by_name(MODEL) is None:
        mlflow.create_experiment(MODEL, artifact_location=(FOLDER / "artifacts").as_uri())
    mlflow.set_experiment(MODEL)


def with_mark(pictures, names):
    """Return the pictures as the worn scanner gives them."""
    random = np.random.default_rng(0)
    hit = (names == "face") != (random.random(len(names)) < 0.03)
    worn = pictures.copy()
    worn[hit, *MARK] = 0.9 + worn[hit, *MARK] / 10
    return worn


class FaceDetector(mlflow.pyfunc.PythonModel):
    """A model of pixels, which reads arrays of pictures."""

    classes_ = ("face", "other")

    def __init__(self, pixel_model):
        self.pixel_model = pixel_model

    def predict_proba(self, model_input):
        return self.pixel_model.predict_proba(np.asarray(model_input).reshape(len(model_input), -1))

    def predict(self, context, model_input, params=None):
        return self.predict_proba(model_input)


def register(name, pictures, names, test_pictures, test_names):
    """Train a model, log it, and register it as the next version; return its accuracy."""
    boosting = HistGradientBoostingClassifier(max_iter=30, random_state=0)
    boosting.fit(pictures.reshape(len(pictures), -1), names)
    model = FaceDetector(boosting)
    with mlflow.start_run(run_name=name):
        accuracy = boosting.score(test_pictures.reshape(len(test_pictures), -1), test_names)
        mlflow.log_metric("accuracy", accuracy)
        mlflow.pyfunc.log_model(
            name="model",
            python_model=model,
            input_example=pictures[:2],
            registered_model_name=MODEL,
            pip_requirements=["scikit-learn"],
        )
    return accuracy


def mark_share(version):
    """Return how much of the weight of the top five segments lies on the mark."""
    shares = []
    for explanation in mlflow_lime.load_explanations(f"models:/{MODEL}/{version}"):
        if explanation["face"].flat:
            continue  # no segment changes anything
        (content,) = explanation.contents
        weights = np.abs(explanation["face"].weights)
        top = explanation["face"].order()[:5]
        on_mark = set(content.owners[np.unique(content.segments[MARK])].tolist())
        shares.append(weights[[j for j in top if j in on_mark]].sum() / weights[top].sum())
    return np.mean(shares)


def save_picture(review, version) -> None:
    """Keep the picture of the first instance where it is easy to find."""
    picture = mlflow.artifacts.download_artifacts(
        run_id=review.run_id, artifact_path="lime/plots/00.png", dst_path=str(FOLDER)
    )
    print(f"  picture: {Path(picture).rename(FOLDER / f'face_version_{version}.png')}")


if __name__ == "__main__":
    main()
