"""Comprehensiveness, sufficiency, and curves: closed forms, laws, and real models."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlflow_lime import ImageExplainer, TabularExplainer, TextExplainer
from mlflow_lime.core.options import Pooling, Sampling
from mlflow_lime.metrics.faithfulness import FAITHFULNESS_VALUES, faithfulness, rows_needed

OPTIONS = {"top": 2, "draws": 4, "steps": 5}


def measured(explainer, instances, **options):
    """Return the explanations, and what faithfulness finds of them."""
    subjects = explainer.domain.subjects(instances)
    pairs = [(outcome, subject) for subject, outcome in explainer.stream(subjects)]
    found = faithfulness(explainer, pairs, **(OPTIONS | options))
    return [item for item, _ in pairs], found


def bag(effects):
    """Return a model of texts that adds up the effects of the words they hold."""

    def predict(texts):
        return [sum(effects.get(word, 0.0) for word in text.split()) for text in texts]

    return predict


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_an_additive_model_has_the_values_of_the_closed_form(sign):
    effects = {word: sign * size for word, size in zip("abcd", (4.0, 2.0, 1.0, 1.0), strict=True)}
    explainer = TextExplainer(bag(effects), mode="regression")
    _, found = measured(explainer, ["d b a c"], draws=200)
    values = found["0"]
    assert values["comprehensiveness"] == pytest.approx(6.0)
    assert values["sufficiency"] == pytest.approx(2.0)
    # At 0, 1, 2, 3, 4 of 4 parts: 8 4 2 1 0 while deleting, 0 4 6 7 8 while inserting.
    assert values["deletion_auc"] == pytest.approx(11 / 4)
    assert values["insertion_auc"] == pytest.approx(21 / 4)
    # Random orders lose two parts of mean effect 2 each, and their curves are straight.
    assert values["comprehensiveness_random"] == pytest.approx(4.0, abs=0.4)
    assert values["sufficiency_random"] == pytest.approx(4.0, abs=0.4)
    assert values["deletion_auc_random"] == pytest.approx(4.0, abs=0.3)
    assert values["insertion_auc_random"] == pytest.approx(4.0, abs=0.3)


def test_a_linear_model_of_background_values_loses_the_top_weights():
    rng = np.random.default_rng(0)
    data = pd.DataFrame(rng.normal(size=(300, 6)), columns=list("abcdef"))
    slopes = np.array([3.0, -2.0, 1.0, 0.5, 0.0, 0.0])
    explainer = TabularExplainer(data, lambda rows: rows.to_numpy() @ slopes, mode="regression")
    instance = pd.DataFrame([[2.0, -2.0, 1.0, 1.0, 1.0, 1.0]], columns=list("abcdef"))
    _, found = measured(explainer, instance, draws=1000)
    effects = slopes * (instance.to_numpy()[0] - data.to_numpy().mean(axis=0))
    top = np.sort(effects)[::-1][:2].sum()
    assert found["0"]["comprehensiveness"] == pytest.approx(top, abs=0.15)
    assert found["0"]["sufficiency"] == pytest.approx(effects.sum() - top, abs=0.15)
    assert found["0"]["deletion_auc"] < found["0"]["deletion_auc_random"]
    assert found["0"]["insertion_auc"] > found["0"]["insertion_auc_random"]


def test_a_binary_model_that_says_no_is_asked_about_its_no():
    def predict(texts):
        yes = np.array([0.9 - 0.4 * ("bad" in t) - 0.2 * ("dull" in t) for t in texts])
        return np.column_stack([1 - yes, yes])

    (item,), found = measured(TextExplainer(predict), ["a bad and dull film"], top=1)
    assert item.labels[0].index == 1
    assert found["0"]["comprehensiveness"] == pytest.approx(0.4)
    assert found["0"]["sufficiency"] == pytest.approx(0.2)
    # Of the other class: 0.7, then 0.3 without "bad", then 0.1.
    assert found["0"]["deletion_auc"] == pytest.approx(np.mean([0.5, 0.2, 0.1, 0.1]), abs=0.06)


def test_a_constant_model_gives_zeros():
    explainer = TextExplainer(lambda texts: np.full(len(texts), 7.0), mode="regression")
    _, found = measured(explainer, ["some words that do not matter"])
    assert found["0"] == dict.fromkeys(FAITHFULNESS_VALUES, 0.0)


def test_shared_pools_of_rows_have_no_absent_parts():
    data = pd.DataFrame({"a": np.arange(40.0), "b": np.arange(40.0) % 7})
    explainer = TabularExplainer(
        data, lambda rows: rows["a"].to_numpy(), mode="regression", representation="bins"
    )
    assert measured(explainer, data.head(2))[1] == {}


def breast_cancer(model):
    data, target = load_breast_cancer(return_X_y=True, as_frame=True)
    return data, model.fit(data, target)


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), LogisticRegression()),
        RandomForestClassifier(30, random_state=0),
    ],
    ids=["logistic regression", "forest"],
)
def test_the_heaviest_parts_of_real_models_matter_more_than_random_ones(model):
    data, model = breast_cancer(model)
    explainer = TabularExplainer(data, model.predict_proba)
    subjects = explainer.domain.subjects(data.iloc[:12])
    pairs = [(outcome, subject) for subject, outcome in explainer.stream(subjects)]
    rows, calls = explainer.predictor.counter.rows, explainer.predictor.counter.calls
    options = {"top": 5, "draws": 4, "steps": 8}
    found = faithfulness(explainer, pairs, **options)
    assert explainer.predictor.counter.calls - calls <= 2  # never one call an instance
    needed = sum(rows_needed(subject, **options) for subject in subjects)
    assert explainer.predictor.counter.rows - rows == needed
    mean = {name: np.mean([own[name] for own in found.values()]) for name in FAITHFULNESS_VALUES}
    assert mean["comprehensiveness"] > mean["comprehensiveness_random"] + 0.15
    assert mean["sufficiency"] < mean["sufficiency_random"] - 0.1
    assert mean["deletion_auc"] < mean["deletion_auc_random"] - 0.1
    assert mean["insertion_auc"] > mean["insertion_auc_random"] + 0.1


def test_segments_of_an_image_are_deleted_and_inserted():
    image = np.zeros((8, 8), dtype=np.uint8)
    image[:4, :4] = 200

    def predict(images):
        return np.asarray(images)[:, :4, :4].mean(axis=(1, 2)) / 200

    quarters = np.kron([[0, 1], [2, 3]], np.ones((4, 4), dtype=int))
    explainer = ImageExplainer(predict, mode="regression", segments=quarters, absent=100)
    _, found = measured(explainer, image[None], top=1)
    assert found["0"]["comprehensiveness"] == pytest.approx(0.5)
    assert found["0"]["sufficiency"] == pytest.approx(0.0)
    assert found["0"]["insertion_auc"] > found["0"]["insertion_auc_random"]


def wavy(places, block=None):
    """Return what is found of some rows of a small table, by their place in it."""
    rng = np.random.default_rng(5)
    data = pd.DataFrame(rng.normal(size=(60, 4)), columns=list("abcd"))

    def predict(rows):
        return np.tanh(rows["a"].to_numpy() * rows["b"].to_numpy()) + rows["c"].to_numpy()

    explainer = TabularExplainer(
        data,
        predict,
        mode="regression",
        pooling=Pooling(block_rows=block),
        sampling=Sampling(rows=64, max_rows=64),
    )
    _, found = measured(explainer, data.iloc[list(places)])
    return {place: found[str(i)] for i, place in enumerate(places)}


@cache
def wavy_in_order():
    return wavy(range(5))


@settings(deadline=None, max_examples=10)
@given(order=st.permutations(range(5)), block=st.sampled_from([16, 64, None]))
def test_neither_order_nor_the_size_of_a_call_changes_a_bit(order, block):
    assert wavy(order, block) == wavy_in_order()


def test_an_instance_alone_has_the_bits_that_it_has_in_company():
    assert wavy([3])[3] == wavy_in_order()[3]


def test_instances_that_the_model_refuses_are_left_out():
    calls = []

    def predict(texts):
        calls.append(len(texts))
        if len(calls) > before and any("wrong" in text for text in texts):
            raise ValueError("no")
        return [float(len(text)) for text in texts]

    before = 10**6
    explainer = TextExplainer(predict, mode="regression")
    subjects = explainer.domain.subjects(["one right text", "one wrong text"])
    pairs = [(outcome, subject) for subject, outcome in explainer.stream(subjects)]
    before = 0
    assert set(faithfulness(explainer, pairs, **OPTIONS)) == {"0"}
