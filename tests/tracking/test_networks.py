"""DeepLIFT and LRP beside LIME in reviews of real models, and what is said where they are not."""

import json

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch import nn

from mlflow_lime import check_version, names, parse_config
from mlflow_lime.metrics.attributions import Attributions
from tests.tracking import networks
from tests.tracking.contents import BAD, GOOD, artifacts, config, register, review, reviews

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def tumours():
    data = load_breast_cancer(as_frame=True)
    return data.data.iloc[:, :8], data.target


def found_in(run_id):
    """Return the attributions that a run logged; None where it logged none."""
    files = artifacts(run_id)
    text = files.get(names.ATTRIBUTIONS_FILE)
    return None if text is None else Attributions.from_json(text.decode())


def table_review(log, model, frame, tmp_path, **sections):
    frame.to_csv(tmp_path / "rows.csv", index=False)
    info = log(
        mlflow.sklearn, model, input_example=frame.head(3), serialization_format="cloudpickle"
    )
    source = {"source": str(tmp_path / "rows.csv")}
    return info, review(info, data=source, background=source, **sections)


def test_a_perceptron_behind_a_scaler_gets_all_three(log, tumours, tmp_path):
    frame, labels = tumours
    model = make_pipeline(StandardScaler(), MLPClassifier((16,), max_iter=400, random_state=0))
    _, found = table_review(log, model.fit(frame, labels), frame, tmp_path, seed=3)
    attributions = found_in(found.run_id)
    assert attributions.methods == ("deeplift", "lrp")
    assert attributions.unit == "log-odds"
    assert attributions.settings["deeplift"] == "rescale rule; baseline: mean of the background"
    for item in found.explanations:
        own = attributions.of(item)
        assert all(len(one.values) == len(item.parts) for one in own.values())
    assert found.metrics["lime/deeplift_agreement"] > 0.3
    assert found.metrics["lime/deeplift_completeness_error"] < 1e-4
    assert found.metrics["lime/lrp_conservation_error"] < 1e-3
    assert {"lime/lrp_deletion_auc", "lime/deeplift_insertion_auc"} <= set(found.metrics)
    page = artifacts(found.run_id)["lime_report.html"].decode()
    assert "Inside the network" in page
    assert "LIME beside a look inside" in page


def test_columns_that_are_encoded_keep_their_attributions_together(log, tumours, tmp_path):
    frame, _ = tumours
    frame = frame.iloc[:, :3].copy()
    frame["kind"] = np.where(frame.iloc[:, 1] > 18, "a", "b")
    target = frame.iloc[:, 0] + 5 * (frame["kind"] == "a")
    before = make_column_transformer(
        (OneHotEncoder(), ["kind"]), (StandardScaler(), list(frame.columns[[2, 0, 1]]))
    )
    perceptron = MLPRegressor(hidden_layer_sizes=(16,), max_iter=800, random_state=0)
    model = make_pipeline(before, perceptron).fit(frame, target)
    _, found = table_review(log, model, frame, tmp_path, task="regression", seed=4)
    attributions = found_in(found.run_id)
    assert attributions.unit == "target"
    item = found.explanations[0]
    own = attributions.of(item)["deeplift"].values
    assert [name.split(" = ")[0] for name in item.names] == list(frame.columns)
    heaviest = {item.names[j] for j in np.argsort(-np.abs(own))[:2]}
    assert heaviest <= {"mean radius", "mean texture", "mean perimeter", "kind"}
    assert np.abs(own).max() > 0.1


def test_a_step_that_mixes_columns_is_named(log, tumours, tmp_path):
    frame, labels = tumours
    model = make_pipeline(PCA(3), MLPClassifier((8,), max_iter=50, random_state=0))
    _, found = table_review(log, model.fit(frame, labels), frame, tmp_path, seed=5)
    assert "mixes columns 'mean radius' and 'mean texture'" in found_in(found.run_id).why_not
    assert found.metrics["lime/instances"] > 0


def test_a_forest_is_explained_by_lime_alone(log, tumours, tmp_path):
    frame, labels = tumours
    model = RandomForestClassifier(10, random_state=0).fit(frame, labels)
    info, found = table_review(log, model, frame, tmp_path, seed=6)
    assert found_in(found.run_id) is None
    assert not any("deeplift" in name for name in found.metrics)
    source = {"source": str(tmp_path / "rows.csv")}
    asked = review(info, data=source, background=source, seed=7, deep={"methods": ["lrp"]})
    assert found_in(asked.run_id).why_not == "'RandomForestClassifier' is no neural network"


def test_the_methods_can_be_chosen_and_switched_off(log, tumours, tmp_path):
    frame, labels = tumours
    model = MLPClassifier((8,), max_iter=50, random_state=0).fit(frame, labels)
    info, found = table_review(log, model, frame, tmp_path, seed=8, deep={"methods": ["lrp"]})
    assert found_in(found.run_id).methods == ("lrp",)
    source = {"source": str(tmp_path / "rows.csv")}
    without = review(info, data=source, background=source, seed=9, deep={"methods": "none"})
    assert found_in(without.run_id) is None


@pytest.mark.parametrize("baseline", ["mean", "zero", "absent", "samples", "blurred"])
def test_every_baseline_of_a_table_is_told_or_refused(log, tumours, tmp_path, baseline):
    frame, labels = tumours
    model = make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=50, random_state=0))
    _, found = table_review(
        log, model.fit(frame, labels), frame, tmp_path, seed=10, deep={"baseline": baseline}
    )
    attributions = found_in(found.run_id)
    if baseline == "blurred":
        assert "neither images nor series" in attributions.why_not
        return
    told = {
        "mean": "mean of the background",
        "zero": "zero",
        "absent": "every part absent, as for LIME",
        "samples": "8 rows of the background, averaged",
    }
    assert attributions.settings["deeplift"] == f"rescale rule; baseline: {told[baseline]}"
    assert found.metrics["lime/deeplift_completeness_error"] < 1e-4


def test_images_of_mlflows_own_flavour_get_all_three(tmp_path):
    pixels, labels = load_digits(n_class=4, return_X_y=True)
    images = (pixels / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    layers = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 4)
    )
    info = networks.log_network(networks.fitted(layers, images, labels, epochs=8), images)
    np.save(tmp_path / "digits.npy", images[:40])
    found = review(
        info,
        data={"source": str(tmp_path / "digits.npy")},
        task="classification",
        image={"segments": "grid", "count": 16},
    )
    attributions = found_in(found.run_id)
    assert attributions.unit == "logits"
    assert attributions.settings["deeplift"].endswith("every part absent, as for LIME")
    assert found.metrics["lime/deeplift_completeness_error"] < 1e-4
    assert found.metrics["lime/deeplift_agreement"] > 0.4
    page = artifacts(found.run_id)["lime_report.html"].decode()
    assert "segments tinted by their share of LRP" in page


def test_an_encoding_that_moves_pixels_is_refused(tmp_path):
    pixels, labels = load_digits(n_class=3, return_X_y=True)
    images = (pixels / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    info = networks.log_network(
        networks.fitted(layers, images, labels, epochs=3), images, serialization_format="pickle"
    )
    np.save(tmp_path / "digits.npy", images[:20])
    found = review(
        info,
        data={"source": str(tmp_path / "digits.npy")},
        task="classification",
        image={"segments": "grid", "count": 16},
        deep={"network": "tests.tracking.networks:flipped"},
    )
    assert "elsewhere, or spreads it over others" in found_in(found.run_id).why_not


def test_a_rare_category_keeps_its_contribution(log, tmp_path):
    random = np.random.default_rng(0)
    kind = np.where(np.arange(300) == 299, "rare", random.choice(["a", "b"], 300))
    frame = pd.DataFrame({"x": random.normal(size=300), "kind": kind})
    before = make_column_transformer((OneHotEncoder(), ["kind"]), (StandardScaler(), ["x"]))
    perceptron = MLPRegressor(hidden_layer_sizes=(8,), max_iter=2000, random_state=0)
    target = frame["x"] + 10 * (frame["kind"] == "rare")
    model = make_pipeline(before, perceptron).fit(frame, target)
    frame.tail(4).to_csv(tmp_path / "shown.csv", index=False)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    info = log(
        mlflow.sklearn, model, input_example=frame.head(3), serialization_format="cloudpickle"
    )
    found = review(
        info,
        data={"source": str(tmp_path / "shown.csv")},
        background={"source": str(tmp_path / "rows.csv")},
        task="regression",
    )
    attributions = found_in(found.run_id)
    for item in found.explanations:
        for own in attributions.of(item).values():
            assert abs(own.rest) < 1e-6 * (1 + np.abs(own.values).sum())
    (rare,) = [item for item in found.explanations if "kind = rare" in item.parts]
    assert np.argmax(np.abs(attributions.of(rare)["deeplift"].values)) == rare.names.index("kind")


@pytest.fixture
def texts(tmp_path):
    """A logged model of texts, and where its texts are."""
    data = reviews(200)
    words = sorted({word for text in data["review"] for word in text.split()})
    shell = networks.TextModel(networks.Bag(len(words) + 1), words)
    tokens = shell.tokens(data["review"])
    networks.fitted(shell.module, tokens, (data["label"] == "pos").to_numpy().astype(int))
    with mlflow.start_run():
        info = mlflow.pyfunc.log_model(
            name="model",
            python_model=shell,
            input_example=data[["review"]].head(3),
            pip_requirements=["torch"],
        )
    data[["review"]].to_csv(tmp_path / "texts.csv", index=False)
    return info, {"source": str(tmp_path / "texts.csv")}


def text_review(texts, seed, **deep):
    info, source = texts
    return review(info, data=source, background=source, task="classification", seed=seed, deep=deep)


def test_texts_over_an_embedding_get_all_three(texts):
    found = text_review(texts, 1, network="tests.tracking.networks:network")
    attributions = found_in(found.run_id)
    assert attributions.why_not == ""
    assert attributions.settings["deeplift"] == "rescale rule; baseline: zero"
    assert found.metrics["lime/deeplift_agreement"] > 0.5
    sizes = {True: [], False: []}
    for item in found.explanations:
        values = np.abs(attributions.of(item)["deeplift"].values)
        for name, value in zip(item.names, values, strict=True):
            sizes[name in (*GOOD, *BAD)].append(value)
    assert np.mean(sizes[True]) > 1.5 * np.mean(sizes[False])  # words that tell, and others


def test_without_a_named_network_a_python_model_is_explained_by_lime_alone(texts):
    assert found_in(text_review(texts, 2).run_id) is None
    asked = found_in(text_review(texts, 3, methods=["lrp"]).run_id)
    assert "let deep.network name a function that returns it" in asked.why_not


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("wrong", "returned dict, expected a torch.nn.Module"),
        ("unrelated", "does not lead to the model's scores: they differ by up to"),
        ("missing", "tests.tracking.networks has no 'missing'"),
        ("spanless", "have `spans`, the place of each token in a text"),
        ("impatient", "raised SystemExit; call it with the loaded model"),
    ],
)
def test_a_mistake_in_the_named_network_is_a_finding_and_no_failure(texts, function, words):
    found = text_review(texts, 4, network=f"tests.tracking.networks:{function}")
    assert found.metrics["lime/instances"] > 0
    attributions = found_in(found.run_id)
    assert attributions.instances == {}
    assert words in attributions.why_not
    assert any(words in note for note in found.notes)
    assert networks.SECRET_VALUE not in str(artifacts(found.run_id))


def test_a_mistake_that_was_mended_is_forgotten(texts):
    wrong = text_review(texts, 5, network="tests.tracking.networks:wrong")
    mended = text_review(texts, 5, network="tests.tracking.networks:network")
    assert mended.run_id != wrong.run_id
    assert found_in(mended.run_id).methods == ("deeplift", "lrp")


def test_layers_that_cannot_be_looked_through_are_a_finding_that_names_them(tmp_path):
    frame = pd.DataFrame(
        np.random.default_rng(0).normal(size=(80, 8)).astype(np.float32),
        columns=[f"x{i}" for i in range(8)],
    )
    labels = (frame["x7"] > 0).to_numpy().astype(int)
    model = networks.fitted(networks.Recurrent(), frame.to_numpy(), labels, epochs=5)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    with mlflow.start_run():
        info = mlflow.pytorch.log_model(
            model,
            name="model",
            signature=mlflow.models.infer_signature(frame.head(3), np.zeros((3, 2), np.float32)),
            pip_requirements=["torch"],
            serialization_format="pickle",
        )
    uri = register(info, "recurrent")
    source = {"source": str(tmp_path / "rows.csv")}
    chosen = config(data=source, background=source, task="classification")
    outcomes = {o.code: o for o in check_version(uri, chosen).outcomes}
    assert outcomes["LIM016"].state == "raised"
    assert "DeepLIFT and LRP: 'memory' (lstm) its gates multiply" in outcomes["LIM016"].reason
    assert outcomes["LIM014"].state == outcomes["LIM015"].state == "not applicable"


def test_an_evaluation_looks_inside_as_well(log, tumours):
    frame, labels = tumours
    model = make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=100, random_state=0))
    info = log(
        mlflow.sklearn,
        model.fit(frame, labels),
        input_example=frame.head(3),
        serialization_format="cloudpickle",
    )
    with mlflow.start_run() as run:
        result = mlflow.models.evaluate(
            info.model_uri,
            frame.assign(label=labels).head(60),
            targets="label",
            model_type="classifier",
            evaluators=["lime"],
            evaluator_config={"lime": {"instances": 4}},
        )
    assert result.metrics["lime/deeplift_agreement"] > 0.3
    assert found_in(run.info.run_id).methods == ("deeplift", "lrp")


def test_attributions_that_were_changed_are_refused():
    from mlflow_lime.errors import DataError

    with pytest.raises(DataError, match="no attributions in JSON"):
        Attributions.from_json("{}")
    with pytest.raises(DataError, match="have format 9, expected 1"):
        Attributions.from_json(json.dumps({"format": 9}))


def test_the_section_is_validated():
    from mlflow_lime.errors import ConfigError

    with pytest.raises(ConfigError, match=r"deep\.rule"):
        parse_config({"deep": {"rule": "gama"}})
    with pytest.raises(ConfigError, match=r"deep\.methods"):
        parse_config({"deep": {"methods": ["shap"]}})
