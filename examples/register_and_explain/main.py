"""Two versions of a tumour classifier: equally accurate, but for the same reasons?

Trains two models on the breast cancer data of scikit-learn, registers them as two versions,
explains both on the same pinned instances, and prints how their reasons compare. Everything goes
into an embedded MLflow store in the folder ``demo``.
"""

import logging
import os
import shutil
from pathlib import Path

import mlflow
import numpy as np
from scipy.stats import t as student
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.model_selection import train_test_split

import mlflow_lime

MODEL = "tumour-screen"
HERE = Path(__file__).parent
FOLDER = Path(os.environ.get("DEMO_FOLDER", "demo")).resolve()


def main() -> None:
    open_store()
    train, test = tumours()
    models = {
        "forest": RandomForestClassifier(200, random_state=0),
        "boosting": HistGradientBoostingClassifier(random_state=0),
    }
    accuracies = [register(name, model, train, test) for name, model in models.items()]

    config = mlflow_lime.parse_config(
        {"config": str(HERE / "lime.yaml"), "data": {"source": str(FOLDER / "test.csv")}}
    )
    reviews = []
    for version in (1, 2):
        print(f"\nExplaining {MODEL} version {version} ...")
        review = mlflow_lime.review_version(f"models:/{MODEL}/{version}", config, progress=None)
        reviews.append(review)
        done = "was explained already" if review.repeated else "explained"
        print(f"  {done}: run {review.run_id}, reference set {review.reference_digest}")

    compare(reviews, accuracies)
    save_pictures(reviews)
    print(f"\nLook at it:  mlflow ui --backend-store-uri sqlite:///{FOLDER}/mlflow.db")


def open_store() -> None:
    """Use an embedded store of our own, begun anew."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    logging.getLogger("alembic").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(f"sqlite:///{FOLDER}/mlflow.db")
    mlflow.create_experiment(MODEL, artifact_location=(FOLDER / "artifacts").as_uri())
    mlflow.set_experiment(MODEL)


def tumours():
    """Return training and test rows with the label beside the 30 measurements."""
    frame = load_breast_cancer(as_frame=True).frame
    frame["target"] = frame["target"].map({0: "malignant", 1: "benign"})
    train, test = train_test_split(frame, test_size=0.3, random_state=0, stratify=frame["target"])
    test.to_csv(FOLDER / "test.csv", index=False)
    return train, test


def register(name, model, train, test):
    """Train a model, log it, and register it as the next version; return its accuracy."""
    with mlflow.start_run(run_name=name):
        columns = train.columns.drop("target")
        model.fit(train[columns], train["target"])
        accuracy = model.score(test[columns], test["target"])
        mlflow.log_metric("accuracy", accuracy)
        info = mlflow.sklearn.log_model(
            model,
            name="model",
            input_example=train[columns].head(2),
            registered_model_name=MODEL,
            serialization_format="cloudpickle",
            pip_requirements=["scikit-learn"],
        )
        # What absent values are drawn from: the training data, kept beside the model.
        mlflow_lime.log_background(train[columns], model_id=info.model_id)
    return accuracy


def compare(reviews, accuracies) -> None:
    """Print the two versions side by side."""
    print(f"\n{'':34s}{'version 1':>12s}{'version 2':>12s}")
    print(f"{'accuracy':34s}{accuracies[0]:12.3f}{accuracies[1]:12.3f}")
    for name in ("fidelity_r2", "local_gap", "decision_agreement", "stability_topk", "seconds"):
        row = [review.metrics[f"lime/{name}"] for review in reviews]
        print(f"{'lime/' + name:34s}{row[0]:12.3f}{row[1]:12.3f}")

    first, second = (mlflow_lime.load_explanations(f"models:/{MODEL}/{v}") for v in (1, 2))
    pairs = [(a.labels[0], b.labels[0]) for a, b in zip(first, second, strict=True)]
    same = [(a.prediction > 0.5) == (b.prediction > 0.5) for a, b in pairs]
    overlap = [len(set(a.order()[:5]) & set(b.order()[:5])) for a, b in pairs]
    changed = [significant(a, b) for a, b in pairs]
    other = sum(s and o <= 2 for s, o in zip(same, overlap, strict=True))
    print(f"\nOver the same {len(pairs)} instances:")
    print(f"  same answer                              {sum(same)}")
    print(f"  same answer, at most 2 of 5 top reasons  {other}")
    print(f"  weights that differ beyond noise         {np.sum(changed)} of {np.size(changed)}")

    print(f"\n{'mean |weight|, largest change first':34s}{'version 1':>12s}{'version 2':>12s}")
    weights = np.abs([[a.weights for a, _ in pairs], [b.weights for _, b in pairs]]).mean(axis=1)
    for j in np.argsort(-np.abs(weights[1] - weights[0]))[:8]:
        print(f"  {first[0].names[j]:32s}{weights[0, j]:12.3f}{weights[1, j]:12.3f}")


def significant(a, b):
    """Return which weights differ: both versions saw the same rows, so replicates pair up."""
    difference = a.replicate_weights - b.replicate_weights
    n = len(difference)
    spread = ((difference - difference.mean(axis=0)) ** 2).sum(axis=0)
    half = student.ppf(0.975, n - 1) * np.sqrt((n - 1) / n * spread)
    return np.abs(a.weights - b.weights) > half


def save_pictures(reviews) -> None:
    """Keep the overview of each version where it is easy to find."""
    for number, review in enumerate(reviews, start=1):
        picture = mlflow.artifacts.download_artifacts(
            run_id=review.run_id, artifact_path="lime_overview.svg", dst_path=str(FOLDER)
        )
        path = Path(picture).rename(FOLDER / f"overview_version_{number}.svg")
        print(f"{'' if number > 1 else chr(10)}Picture: {path}")


if __name__ == "__main__":
    main()
