"""Explanations inside `mlflow.models.evaluate`, and a gate on how far they can be trusted."""

import logging
import os
from pathlib import Path

import mlflow
from mlflow.models import MetricThreshold
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

FOLDER = Path(os.environ.get("DEMO_FOLDER", "demo")).resolve()


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(f"sqlite:///{FOLDER}/evaluate.db")
    mlflow.create_experiment("wine", artifact_location=(FOLDER / "wine").as_uri())
    mlflow.set_experiment("wine")

    frame = load_wine(as_frame=True).frame.astype(float)
    train, test = train_test_split(frame, random_state=0, stratify=frame["target"])
    columns = frame.columns.drop("target")
    model = RandomForestClassifier(100, random_state=0).fit(train[columns], train["target"])

    with mlflow.start_run():
        info = mlflow.sklearn.log_model(
            model,
            name="model",
            input_example=train[columns].head(2),
            serialization_format="cloudpickle",
            pip_requirements=["scikit-learn"],
        )
        result = mlflow.models.evaluate(
            info.model_uri,
            test,
            targets="target",
            model_type="classifier",
            evaluator_config={
                "lime": {"instances": 8},
                "default": {"log_model_explainability": False},
            },
        )

    for name in ("accuracy_score", "lime/fidelity_r2", "lime/local_gap", "lime/stability_topk"):
        print(f"{name:24s} {result.metrics[name]:.3f}")

    mlflow.validate_evaluation_results(
        candidate_result=result,
        validation_thresholds={
            "accuracy_score": MetricThreshold(threshold=0.9, greater_is_better=True),
            "lime/fidelity_r2": MetricThreshold(threshold=0.3, greater_is_better=True),
        },
    )
    print("The model is accurate, and its explanations can be trusted: passed.")


if __name__ == "__main__":
    main()
