"""Two versions of a classifier of support tickets: both accurate, one of them for a bad reason.

The tickets were exported with a last line that says which desk took them in, and the night desk
takes in nearly all urgent ones. Version 1 learns that line; version 2 does not read it. Both are
registered and explained, word by word, on the same pinned tickets.
"""

import logging
import os
import warnings
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

import mlflow_lime

MODEL = "ticket-triage"
FOLDER = Path(os.environ.get("DEMO_FOLDER", "demo")).resolve()

SERIOUS = [
    "nobody can log in since this morning",
    "the payment page is down",
    "all orders of today are lost",
    "customers see each other's invoices",
    "the server answers with an error for everyone",
    "the database is full and nothing can be saved",
]
HARMLESS = [
    "the logo looks blurred on my screen",
    "how do I change my password",
    "please add a dark theme",
    "there is a typo in the footer of the invoice",
    "I would like to export my orders as a table",
    "the newsletter arrives twice",
]
SMALL_TALK = [
    "Hello, I hope you are well.",
    "Thank you for your help.",
    "We have been customers for years.",
    "I tried it in two browsers.",
    "My colleague says the same.",
    "Please let me know when you can.",
]
NIGHT = "nightdesk"
WEB = "webform"


def main() -> None:
    open_store()
    train, test = tickets()
    versions = {
        "reads everything": make_pipeline(TfidfVectorizer(), LogisticRegression(C=10)),
        "leaves out the last line": make_pipeline(
            TfidfVectorizer(stop_words=[NIGHT, WEB]),
            LogisticRegression(C=10),
        ),
    }
    accuracies = [register(name, model, train, test) for name, model in versions.items()]

    config = mlflow_lime.parse_config(
        {
            "models": MODEL,
            "data": {"source": str(FOLDER / "tickets.csv"), "target": "urgency"},
            "labels": ["urgent"],
            "reference": {"count": 16},
        }
    )
    for version, (name, accuracy) in enumerate(zip(versions, accuracies, strict=True), start=1):
        review = mlflow_lime.review_version(f"models:/{MODEL}/{version}", config, progress=None)
        print(f"\nVersion {version}, which {name}: accuracy {accuracy:.2f}")
        print(f"  held-out R² {review.metrics['lime/fidelity_r2']:.2f}, run {review.run_id}")
        print("  words that matter most, mean |weight| over the tickets:")
        for word, weight in heaviest_words(version):
            print(f"    {word:12s} {weight:.3f}")
        save_page(review, version)


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


def tickets():
    """Return training and test tickets with their urgency."""
    random = np.random.default_rng(0)
    rows = []
    for _ in range(600):
        urgent = random.random() < 0.5
        talk = list(random.choice(SMALL_TALK, 2, replace=False))
        # One ticket in eight is harder to tell by its matter.
        matter = SERIOUS if urgent != (random.random() < 0.125) else HARMLESS
        talk.insert(int(random.integers(0, 3)), f"{random.choice(matter).capitalize()}.")
        desk = NIGHT if urgent != (random.random() < 0.04) else WEB
        rows.append({"ticket": f"{' '.join(talk)}\n-- {desk}", "urgency": urgent})
    frame = pd.DataFrame(rows)
    frame["urgency"] = frame["urgency"].map({True: "urgent", False: "can wait"})
    train, test = train_test_split(frame, test_size=0.3, random_state=0)
    test.to_csv(FOLDER / "tickets.csv", index=False)
    return train, test


def register(name, model, train, test):
    """Train a model, log it, and register it as the next version; return its accuracy."""
    with mlflow.start_run(run_name=name):
        model.fit(train["ticket"], train["urgency"])
        accuracy = model.score(test["ticket"], test["urgency"])
        mlflow.log_metric("accuracy", accuracy)
        mlflow.sklearn.log_model(
            model,
            name="model",
            input_example=train[["ticket"]].head(2),
            registered_model_name=MODEL,
            serialization_format="cloudpickle",
            pip_requirements=["scikit-learn"],
        )
    return accuracy


def heaviest_words(version, count=6):
    """Return the words with the largest mean absolute weight over all explained tickets."""
    explanations = mlflow_lime.load_explanations(f"models:/{MODEL}/{version}")
    total: dict[str, float] = {}
    for explanation in explanations:
        for word, weight in explanation.as_dict("urgent").items():
            total[word] = total.get(word, 0.0) + abs(weight) / len(explanations)
    return sorted(total.items(), key=lambda item: -item[1])[:count]


def save_page(review, version) -> None:
    """Keep the page with the highlighted tickets where it is easy to find."""
    page = mlflow.artifacts.download_artifacts(
        run_id=review.run_id, artifact_path="lime_report.html", dst_path=str(FOLDER)
    )
    print(f"  page: {Path(page).rename(FOLDER / f'tickets_version_{version}.html')}")


if __name__ == "__main__":
    main()
