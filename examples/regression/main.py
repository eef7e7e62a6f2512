"""A regression pipeline with text columns and missing values, explained in units of the target."""

import logging
import os
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import mlflow_lime

FOLDER = Path(os.environ.get("DEMO_FOLDER", "demo")).resolve()


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(f"sqlite:///{FOLDER}/regression.db")
    mlflow.create_experiment("rents", artifact_location=(FOLDER / "rents").as_uri())
    mlflow.set_experiment("rents")

    flats = rents()
    flats.to_parquet(FOLDER / "flats.parquet")
    features = flats.drop(columns="rent")
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["district"]),
        remainder="passthrough",
    )
    model = make_pipeline(encode, HistGradientBoostingRegressor(random_state=0))
    model.fit(features, flats["rent"])

    with mlflow.start_run():
        mlflow.sklearn.log_model(
            model,
            name="model",
            input_example=features.head(2),
            registered_model_name="rents",
            serialization_format="cloudpickle",
            pip_requirements=["scikit-learn"],
        )

    config = mlflow_lime.parse_config(
        {
            "data": {"source": str(FOLDER / "flats.parquet"), "target": "rent"},
            "reference": {"pick": "query", "query": "rooms >= 4", "count": 5},
        }
    )
    review = mlflow_lime.review_version("models:/rents/1", config)
    for explanation in review.explanations:
        value = explanation.labels[0]
        print(f"\n{explanation.key}: {value.prediction:.0f} a month, because")
        for row in explanation.as_frame().head(3).itertuples():
            print(f"  {row.part:24s} {row.weight:+7.0f}  ({row.low:+.0f} to {row.high:+.0f})")


def rents(n_flats: int = 2000) -> pd.DataFrame:
    """Return flats whose rent follows from area, district, and age, which is often missing."""
    rng = np.random.default_rng(0)
    rooms = rng.integers(1, 6, n_flats)
    area = rooms * 22.0 + rng.normal(0, 8, n_flats)
    district = rng.choice(["centre", "harbour", "hills", "north"], n_flats)
    age = np.where(rng.random(n_flats) < 0.2, np.nan, rng.integers(0, 90, n_flats))
    price = pd.Series(district).map({"centre": 21.0, "harbour": 18.0, "hills": 15.0, "north": 11.0})
    rent = area * price - 2.0 * np.nan_to_num(age, nan=40.0) + rng.normal(0, 40, n_flats)
    return pd.DataFrame(
        {"rooms": rooms, "area": area, "district": district, "age": age, "rent": rent}
    )


if __name__ == "__main__":
    main()
