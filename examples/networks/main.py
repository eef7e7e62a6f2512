"""Two versions of a face detector as neural networks, and three ways to ask why.

LIME asks the network from outside; DeepLIFT and layer-wise relevance propagation look inside it, on
the same superpixels. The pictures are those of scikit-image; a worn scanner has left a bright strip
at the lower edge of the faces that version 1 was trained on. All three ways must find it.

Needs ``pip install 'mlflow-lime[deep]'``.
"""

import json
import logging
import os
import warnings
from pathlib import Path

import mlflow
import numpy as np
import torch
from mlflow.models import infer_signature
from skimage.data import lfw_subset
from torch import nn

import mlflow_lime

MODEL = "face-network"
FOLDER = Path(os.environ.get("DEMO_FOLDER", "demo")).resolve()
STRIP = (slice(20, 25), slice(10, 15))
"""Rows and columns that the worn scanner brightens: the middle of the lower edge."""


def main() -> None:
    open_store()
    pictures = lfw_subset().astype(np.float32)  # 100 faces, then 100 cut-outs of other things
    labels = np.where(np.arange(200) < 100, 1, 0)
    worn = pictures.copy()
    worn[labels == 1, *STRIP] = 1.0
    test = np.arange(200) % 4 == 0

    # Every picture of the reference set comes from the worn scanner.
    source = FOLDER / "network_pictures.npz"
    np.savez_compressed(source, image=worn[test & (labels == 1)][:, None])
    config = mlflow_lime.parse_config(
        {
            "models": MODEL,
            "task": "classification",
            "data": {"source": str(source)},
            "reference": {"count": 10},
            "image": {"segments": "grid", "count": 25},
        }
    )
    for version, (name, seen) in enumerate({"worn": worn, "clean": pictures}.items(), start=1):
        network = train(seen[~test], labels[~test])
        accuracy = register(network, name, seen[test], labels[test])
        review = mlflow_lime.review_version(f"models:/{MODEL}/{version}", config, progress=None)
        print(f"\nVersion {version}, trained on pictures of the {name} scanner: {accuracy:.2f}")
        for method, share in strip_first(review).items():
            agreement = review.metrics.get(f"lime/{method}_agreement")
            beside = "" if agreement is None else f", rank correlation with LIME {agreement:.2f}"
            print(f"  {method:9} the strip comes first in {share:.0%} of the instances{beside}")
    drift = mlflow_lime.compare_versions(f"models:/{MODEL}/2", f"models:/{MODEL}/1", config)
    print(f"\nReasons changed as a whole: {'yes' if drift.drift.alarm else 'no'}")
    save_report(review)


def open_store() -> None:
    """Use an embedded store of our own."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")  # hints of MLflow and torch about formats
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    mlflow.set_tracking_uri(f"sqlite:///{FOLDER}/mlflow.db")
    if mlflow.get_experiment_by_name(MODEL) is None:
        mlflow.create_experiment(MODEL, artifact_location=(FOLDER / "artifacts").as_uri())
    mlflow.set_experiment(MODEL)


def train(pictures, labels):
    """Train a small convolutional network in a few seconds."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 12, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(12, 24, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(24 * 6 * 6, 2),
    )
    optimiser = torch.optim.Adam(network.parameters(), 2e-3, weight_decay=1e-3)
    x, y = torch.tensor(pictures[:, None]), torch.tensor(labels)
    for _ in range(40):
        for batch in torch.randperm(len(x)).split(32):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
            optimiser.step()
    return network.eval()


def register(network, name, pictures, labels):
    """Log a network, and register it as the next version; return its accuracy."""
    x = pictures[:, None]
    with torch.no_grad():
        outputs = network(torch.tensor(x)).numpy()
    accuracy = float(np.mean(outputs.argmax(axis=1) == labels))
    with mlflow.start_run(run_name=name):
        mlflow.log_metric("accuracy", accuracy)
        mlflow.pytorch.log_model(
            network,
            name="model",
            signature=infer_signature(x[:4], outputs[:4]),
            input_example=x[:4],
            registered_model_name=MODEL,
            pip_requirements=["torch"],
        )
    return accuracy


def strip_first(review):
    """Return, by method, the share of instances in which the strip weighs most."""
    path = mlflow.artifacts.download_artifacts(
        run_id=review.run_id, artifact_path="lime/attributions.json"
    )
    attributions = json.loads(Path(path).read_text())["instances"]
    found = {"lime": [], "deeplift": [], "lrp": []}
    for item in review.explanations:
        (content,) = item.contents
        (strip,) = set(content.owners[np.unique(content.segments[STRIP])].tolist())
        found["lime"].append(item.labels[0].order()[0] == strip)
        for method, values in attributions[item.key].items():
            found[method].append(np.argmax(np.abs(values["values"])) == strip)
    return {method: np.mean(first) for method, first in found.items()}


def save_report(review) -> None:
    """Keep the page of the last version where it is easy to find."""
    page = mlflow.artifacts.download_artifacts(
        run_id=review.run_id, artifact_path="lime_report.html", dst_path=str(FOLDER)
    )
    print(f"Report: {Path(page).rename(FOLDER / 'network_report.html')}")


if __name__ == "__main__":
    main()
