"""A newer version that is more accurate, for a wrong reason; and a gate that stops it.

Hospital records, made up: whether a patient comes back within a month depends on age, earlier
stays, and blood values. A later export of the records has one more useful column, the ward: a
clerk enters "follow-up" there, most often when the patient has come back. The newer version learns
that, is more accurate on the records, and would be useless at the bedside. Accuracy alone would
promote it.
Everything goes into an embedded MLflow store in the folder ``demo``.
"""

import logging
import os
import shutil
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import mlflow_lime
from mlflow_lime.cli import main as command

MODEL = "readmission"
HERE = Path(__file__).parent
FOLDER = Path(os.environ.get("DEMO_FOLDER", "demo")).resolve() / "gate"


def main() -> None:
    open_store()
    train, test = patients()
    client = mlflow.MlflowClient()
    accuracies = [
        register("without clerks", train.assign(ward=shuffled(train["ward"])), train, test),
        register("with clerks", train, train, test),
    ]
    client.set_registered_model_alias(MODEL, "champion", "1")
    for version, accuracy in enumerate(accuracies, start=1):
        print(f"{MODEL} version {version}: accuracy {accuracy:.3f}")

    text = (HERE / "lime.yaml").read_text().replace("patients.csv", str(FOLDER / "patients.csv"))
    config = FOLDER / "lime.yaml"
    config.write_text(text)
    run("compare", f"models:/{MODEL}/2", "--config", config)
    code = run("gate", f"models:/{MODEL}/2", "--config", config, "--promote", "champion")
    holder = client.get_model_version_by_alias(MODEL, "champion").version
    print(f"\nThe gate's exit code is {code}, and champion is still version {holder}.")
    print(f"Look at it:  mlflow ui --backend-store-uri sqlite:///{FOLDER}/mlflow.db")


def open_store() -> None:
    """Use an embedded store of our own, begun anew."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    mlflow.set_tracking_uri(f"sqlite:///{FOLDER}/mlflow.db")
    mlflow.create_experiment(MODEL, artifact_location=(FOLDER / "artifacts").as_uri())
    mlflow.set_experiment(MODEL)


def patients() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return records to train on and to test with; the latter are written to a file."""
    random = np.random.default_rng(4)
    n = 2400
    frame = pd.DataFrame(
        {
            "age": random.integers(25, 95, n),
            "earlier_stays": random.poisson(1.2, n),
            "haemoglobin": random.normal(13, 1.8, n).round(1),
            "creatinine": random.gamma(4, 0.28, n).round(2),
            "days_in_hospital": random.integers(1, 21, n),
        }
    )
    score = (
        (frame["age"] - 60) / 18
        + (frame["earlier_stays"] - 1.2) * 0.9
        - (frame["haemoglobin"] - 13) * 0.35
        + (frame["creatinine"] - 1.1) * 0.8
        + random.normal(0, 0.5, n)
    )
    frame["readmitted"] = np.where(score > 0, "yes", "no")
    told = (frame["readmitted"] == "yes") & (random.random(n) < 0.9)
    usual = random.choice(["surgery", "cardiology", "medicine"], n)
    frame.insert(5, "ward", np.where(told, "follow-up", usual))
    train, test = train_test_split(frame, test_size=0.4, random_state=0)
    test.to_csv(FOLDER / "patients.csv", index=False)
    return train, test


def shuffled(column: pd.Series) -> np.ndarray:
    """Return the values in another order, so that they tell nothing."""
    return np.random.default_rng(0).permutation(column)


def register(name: str, frame: pd.DataFrame, train: pd.DataFrame, test: pd.DataFrame) -> float:
    """Train on a frame, log, and register as the next version; return the accuracy."""
    columns = frame.columns.drop("readmitted")
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["ward"]), remainder="passthrough"
    )
    model = make_pipeline(encode, RandomForestClassifier(150, min_samples_leaf=5, random_state=0))
    with mlflow.start_run(run_name=name):
        model.fit(frame[columns], frame["readmitted"])
        accuracy = model.score(test[columns], test["readmitted"])
        mlflow.log_metric("accuracy", accuracy)
        info = mlflow.sklearn.log_model(
            model,
            name="model",
            input_example=train[columns].head(2),
            registered_model_name=MODEL,
            serialization_format="cloudpickle",
            pip_requirements=["scikit-learn"],
        )
        mlflow_lime.log_background(train[columns], model_id=info.model_id)
    return float(accuracy)


def run(*words: object) -> int:
    """Run a command of mlflow-lime, and return its exit code."""
    arguments = [str(word) for word in words]
    print(f"\n$ mlflow-lime {' '.join(arguments)}", flush=True)
    try:
        command(arguments, standalone_mode=True)
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    main()
