"""The core alone: any predict function, no MLflow."""

from sklearn.datasets import load_breast_cancer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlflow_lime import Sampling, TabularExplainer


def main() -> None:
    data = load_breast_cancer(as_frame=True)
    model = make_pipeline(StandardScaler(), MLPClassifier(max_iter=500, random_state=0))
    model.fit(data.data, data.target)

    explainer = TabularExplainer(
        data.data,
        model.predict_proba,
        class_names=["malignant", "benign"],
        sampling=Sampling(rows=2048, seed=7),
    )
    for explanation in explainer.explain(data.data.iloc[[0, 21]], labels=["malignant"]):
        found = explanation["malignant"]
        print(f"\nP(malignant) = {found.prediction:.2f}, held-out R² {found.fidelity_r2:.2f}")
        print(explanation.as_frame().head(5).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
