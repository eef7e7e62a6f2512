"""Explainers from data or from a configuration do what was asked, and say what they do."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

from mlflow_lime.config import Config
from mlflow_lime.configured import domain_from_config, explainer_from_config
from mlflow_lime.core.layout import Layout
from mlflow_lime.core.options import Sampling
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.errors import DataError
from mlflow_lime.explainers import (
    ImageExplainer,
    SequenceExplainer,
    TabularExplainer,
    TextExplainer,
    table_domain,
)


@pytest.fixture
def data():
    random = np.random.default_rng(3)
    frame = pd.DataFrame({f"x{i}": random.normal(0, 1, 60) for i in range(8)})
    frame["job"] = random.choice(["cook", "nurse"], 60)
    return frame


def predict(frame):
    return 0.5 + 0.1 * np.tanh(frame["x0"]) + 0.1 * (frame["job"] == "nurse")


def from_config(data, **sections):
    config = Config.model_validate({"sampling": {"rows": 64, "max_rows": 64}, **sections})
    domain = domain_from_config(config, Layout.of_table(Background.from_frame(data)))
    return explainer_from_config(
        config, domain, predict, mode="classification", class_names=["n", "y"]
    )


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ({}, {"representation": "mask", "regressor": None}),
        (
            {"tabular": {"representation": "mask", "sampling": "copula"}},
            {"sampling": "copula"},
        ),
        ({"tabular": {"representation": "bins", "bins": "decile"}}, {"representation": "bins"}),
        (
            {"tabular": {"representation": "standardised", "around": "mean"}},
            {"representation": "standardised"},
        ),
        ({"surrogate": {"kind": "lasso", "penalty": 1e-4}}, {"regressor": "Lasso"}),
        ({"surrogate": {"kind": "tree"}}, {"regressor": "_tree"}),
        (
            {"surrogate": {"select": "forward", "parts": 2}, "sampling": {"replicates": 8}},
            {"select": "forward", "replicates": 8},
        ),
        ({"sampling": {"design": "iid", "rows": 64, "law": "bernoulli"}}, {"design": "iid"}),
    ],
)
def test_a_configuration_is_what_is_done(data, sections, expected):
    explainer = from_config(data, **sections)
    (explanation,) = explainer.explain(data.iloc[[0]])
    assert {key: explanation.recipe[key] for key in expected} == expected
    assert explanation.labels[0].label == "y"
    assert explanation.names[-1] == "job"


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        ({"kind": "none"}, (None, None)),
        ({"kind": "exponential"}, (0.25, "cosine")),
        ({"kind": "exponential", "distance": "euclidean"}, (2.0, "euclidean")),
        ({"width": 3.0, "distance": "euclidean"}, (3.0, "euclidean")),
        ({"width": 0.5}, (0.5, "cosine")),
    ],
)
def test_the_kernel_that_is_configured(data, kernel, expected):
    recipe = from_config(data, kernel=kernel).explain(data.iloc[[0]])[0].recipe["kernel"]
    assert recipe["width"] == expected[0]
    if expected[1] is not None:
        assert recipe["distance"] == expected[1]


def test_a_regressor_of_ones_own(data):
    config = Config.model_validate({"sampling": {"rows": 64, "max_rows": 64}})
    config = config.model_copy(
        update={"surrogate": config.surrogate.model_copy(update={"kind": "module:factory"})}
    )
    explainer = explainer_from_config(
        config,
        domain_from_config(config, Layout.of_table(Background.from_frame(data))),
        predict,
        mode="classification",
        class_names=["n", "y"],
        code={"module:factory": Ridge},
    )
    assert explainer.explain(data.iloc[[0]])[0].recipe["regressor"] == "Ridge"


@pytest.mark.parametrize("kind", ["ridge", "lasso", "tree"])
def test_an_explainer_can_be_pickled(data, kind):
    explainer = from_config(data, surrogate={"kind": kind})
    again = pickle.loads(pickle.dumps(explainer))
    first, second = (e.explain(data.iloc[[1]])[0] for e in (explainer, again))
    assert first.to_json() == second.to_json()


def test_budgets_and_pooling_are_passed_on(data):
    explainer = from_config(
        data,
        sampling={"rows": 64, "max_rows": 64, "max_total_rows": 99, "max_calls": 3},
        prediction={"block_rows": 16, "block_bytes": 65536, "deduplicate": False},
    )
    assert (explainer.budget.rows, explainer.budget.calls) == (99, 3)
    pooling = explainer.pooling
    assert (pooling.block_rows, pooling.block_bytes, pooling.deduplicate) == (16, 65536, False)


def test_data_and_a_saved_background_explain_alike(data):
    options = {"mode": "regression", "sampling": Sampling(rows=64, max_rows=64)}
    first = TabularExplainer(data, predict, **options).explain(data.iloc[[2]])[0]
    saved = Background.from_dict(Background.from_frame(data).to_dict())
    second = TabularExplainer(saved, predict, **options).explain(data.iloc[[2]])[0]
    assert first.to_json() == second.to_json()


def test_an_array_is_given_to_the_model_as_an_array():
    seen = []

    def model(array):
        seen.append(type(array))
        return array[:, 0] * 2.0

    array = np.random.default_rng(0).normal(size=(30, 3))
    (explanation,) = TabularExplainer(array, model, mode="regression").explain(array[:1])
    assert set(seen) == {np.ndarray}
    assert explanation.names == ("x0", "x1", "x2")


def test_options_of_the_table_go_to_the_background_and_the_domain(data):
    explainer = TabularExplainer(
        data,
        predict,
        mode="regression",
        groups={"both": ["x0", "x1"]},
        representation="mask",
        draws="copula",
        sampling=Sampling(rows=64, max_rows=64),
    )
    (explanation,) = explainer.explain(data.iloc[[0]])
    assert explanation.names[0] == "both"
    assert explanation.recipe["sampling"] == "copula"


def test_options_that_do_not_belong_together(data):
    background = Background.from_frame(data)
    with pytest.raises(DataError, match="Did you mean 'bins'"):
        table_domain(background, "bin")
    with pytest.raises(DataError, match=r"'mask' does not take these options.*around"):
        table_domain(background, "mask", around="mean")


def test_texts_beside_the_columns_of_a_table(data):
    data = data.assign(report=[f"case {i} is {'good' if i % 2 else 'bad'} news" for i in range(60)])

    def model(frame):
        good = frame["report"].str.contains("good").to_numpy()
        return 0.1 * np.tanh(frame["x0"].to_numpy()) + 0.4 * good

    explainer = TabularExplainer(data, model, mode="regression", texts=["report"])
    (found,) = explainer.explain(data.iloc[[3]])
    part, weight = found.as_list()[0]
    assert part == "report: good"
    assert weight == pytest.approx(0.4, abs=0.05)
    assert "x0" in found.names
    assert "job" in found.names
    with pytest.raises(DataError, match=r"'rapport'.*Did you mean 'report'"):
        TabularExplainer(data, model, texts=["rapport"])
    with pytest.raises(DataError, match="use TextExplainer"):
        TabularExplainer(data[["report"]], model, texts=["report"])


def test_a_pipeline_is_explained_through_its_sparse_rows():
    texts = ["a good day", "a bad day", "so good", "so bad"] * 5
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [1, 0, 1, 0] * 5)
    fast = TextExplainer(model.predict_proba, class_names=["bad", "good"])
    slow = TextExplainer(lambda strings: model.predict_proba(strings), class_names=["bad", "good"])
    one, other = (explainer.explain(["what a good day"])[0] for explainer in (fast, slow))
    assert one.recipe["path"] == "sparse"
    assert other.recipe["path"] == "strings"
    assert other.recipe["why"]
    assert np.array_equal(one["good"].weights, other["good"].weights)
    assert one.as_list()[0][0] == "good"


def test_images_are_explained_in_the_form_that_they_come_in():
    seen = set()

    def model(images):
        seen.add((images.shape[1:], images.dtype))
        return images[:, :, :4].mean(axis=(1, 2, 3)) / 255

    image = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)
    explainer = ImageExplainer(model, mode="regression", segments="grid", n_segments=4)
    (found,) = explainer.explain(image)
    assert seen == {((8, 8, 3), np.dtype(np.uint8))}
    assert found.exact
    marked, mask = found.image_and_mask(num_parts=1)
    assert marked.shape == (8, 8, 3)
    assert set(np.unique(mask)) <= {-1, 0, 1}


def test_sequences_are_explained_in_the_form_that_they_come_in():
    rng = np.random.default_rng(0)
    series = rng.normal(size=(40, 6, 2))
    columns = [f"{name}_{i}" for i in range(6) for name in ("temp", "load")]
    frame = pd.DataFrame(series.reshape(40, 12), columns=columns)
    options = {"mode": "regression", "parts": "cells", "count": 3}
    for absent in ("mean", "interpolate", "background"):
        plain = SequenceExplainer(
            lambda arrays: arrays[:, 2:4, 0].sum(axis=1),
            features=["temp", "load"],
            absent=absent,
            background=series,
            **options,
        )
        wide = SequenceExplainer(
            lambda rows: (rows["temp_2"] + rows["temp_3"]).to_numpy(),
            columns=columns,
            absent=absent,
            background=frame,
            **options,
        )
        (one,), (other,) = plain.explain(series[:1]), wide.explain(frame[:1])
        assert one.parts == other.parts
        assert one.as_list()[0][0] == "temp, steps 2 to 3"
        np.testing.assert_array_equal(one.labels[0].weights, other.labels[0].weights)


def test_sequences_need_a_form_that_fits():
    with pytest.raises(DataError, match=r"give sequence\.shape"):
        SequenceExplainer(len, columns=["a", "b"])
    with pytest.raises(DataError, match="absent: background needs background series"):
        SequenceExplainer(len, absent="background")
    with pytest.raises(DataError, match="Did you mean 'cells'"):
        SequenceExplainer(len, parts="cell")
