"""A model that gives log-odds: a function of one's own turns them into probabilities."""

import logging
import os
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

import mlflow_lime

HERE = Path(__file__).parent
FOLDER = Path(os.environ.get("DEMO_FOLDER", "demo")).resolve()


class LogOdds(mlflow.pyfunc.PythonModel):
    """Gives one number for a row: the log-odds of the species virginica."""

    def __init__(self, coefficients: list[float], intercept: float) -> None:
        self.coefficients = coefficients
        self.intercept = intercept

    def predict(self, context, model_input: pd.DataFrame, params=None) -> np.ndarray:
        return model_input.to_numpy() @ np.array(self.coefficients) + self.intercept


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(f"sqlite:///{FOLDER}/own_predict.db")
    mlflow.create_experiment("iris", artifact_location=(FOLDER / "iris").as_uri())
    mlflow.set_experiment("iris")

    frame = load_iris(as_frame=True).frame
    features = frame.drop(columns="target")
    features.to_csv(FOLDER / "iris.csv", index=False)
    fitted = LogisticRegression(max_iter=1000).fit(features, frame["target"] == 2)
    with mlflow.start_run():
        info = mlflow.pyfunc.log_model(
            name="model",
            python_model=LogOdds(fitted.coef_[0].tolist(), float(fitted.intercept_[0])),
            input_example=features.head(2),
            pip_requirements=["numpy", "pandas"],
        )

    # lime.yaml names the function that stands in scoring.py beside it.
    config = mlflow_lime.parse_config(
        {"config": str(HERE / "lime.yaml"), "data": {"source": str(FOLDER / "iris.csv")}}
    )
    review = mlflow_lime.review_version(info.model_uri, config)
    for explanation in review.explanations:
        print(explanation)


if __name__ == "__main__":
    main()
