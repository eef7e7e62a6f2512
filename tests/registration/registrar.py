"""Register versions from a process of its own: ``registrar.py WAY COUNT SOURCE NAME...``."""

import os
import sys
import time
import warnings

warnings.simplefilter("ignore")


def by_client(count: int, source: str, names: list[str]) -> None:
    from mlflow import MlflowClient

    client = MlflowClient()
    for name in names:
        ensure(client, name)
    for i in range(count):
        # A server with passwords wants to know whose the source is.
        client.create_model_version(
            names[i % len(names)], source, model_id=source.rpartition("/")[2]
        )


def by_rest(count: int, source: str, names: list[str]) -> None:
    import requests

    api = f"{os.environ['MLFLOW_TRACKING_URI']}/api/2.0/mlflow"
    user = os.environ.get("MLFLOW_TRACKING_USERNAME")
    auth = (user, os.environ["MLFLOW_TRACKING_PASSWORD"]) if user else None
    for name in names:  # may be there already
        requests.post(f"{api}/registered-models/create", json={"name": name}, auth=auth, timeout=60)
    for i in range(count):
        asked = {
            "name": names[i % len(names)],
            "source": source,
            "model_id": source.rpartition("/")[2],
        }
        while True:
            answer = requests.post(
                f"{api}/model-versions/create", json=asked, auth=auth, timeout=60
            )
            if answer.status_code == 200:
                break
            time.sleep(0.2)


def by_autolog(count: int, source: str, names: list[str]) -> None:
    """Train under MLflow's autologging, which registers each model."""
    import mlflow
    import mlflow.sklearn
    import numpy as np
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(os.getpid())
    frame = pd.DataFrame(random.normal(size=(60, 4)), columns=list("abcd"))
    mlflow.set_experiment("autologged")
    mlflow.sklearn.autolog(
        registered_model_name=names[0], log_datasets=False, serialization_format="cloudpickle"
    )
    for _ in range(count):
        with mlflow.start_run():
            LogisticRegression().fit(frame, (frame["a"] > 0).astype(int))


def ensure(client: object, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)  # type: ignore[attr-defined]
    except MlflowException:  # another process was first
        return


if __name__ == "__main__":
    way, count, source, *names = sys.argv[1:]
    {"client": by_client, "rest": by_rest, "autolog": by_autolog}[way](int(count), source, names)
