"""How far methods agree, and what is kept of them."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr

from mlflow_lime import TabularExplainer
from mlflow_lime.errors import DataError
from mlflow_lime.metrics.agreement import AGREEMENT, agreement, overlap, rank_correlation
from mlflow_lime.metrics.attributions import Attribution, Attributions
from mlflow_lime.metrics.faithfulness import faithfulness

NUMBERS = arrays(
    np.float64, st.integers(3, 12), elements=st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0, 3.0])
)


@given(NUMBERS, st.randoms(use_true_random=False))
def test_the_rank_correlation_is_that_of_spearman(values, random):
    other = values.tolist()
    random.shuffle(other)
    found = rank_correlation(values, np.array(other))
    if np.ptp(values) == 0:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(spearmanr(values, other).statistic, abs=1e-12)


@given(NUMBERS)
def test_a_method_agrees_with_itself_and_with_a_multiple(values):
    if np.ptp(values) > 0:
        assert rank_correlation(values, 7 * values) == pytest.approx(1.0)
        assert rank_correlation(values, -values) == pytest.approx(-1.0)
    if np.any(values):
        assert overlap(values, 7 * values) == 1.0


def test_too_few_or_weightless_parts_have_no_agreement():
    assert np.isnan(rank_correlation(np.array([1.0, 2.0]), np.array([1.0, 2.0])))
    assert np.isnan(overlap(np.zeros(4), np.ones(4)))
    assert np.isnan(overlap(np.empty(0), np.empty(0)))


@pytest.fixture(scope="module")
def asked():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(80, 4)), columns=list("abcd"))
    explainer = TabularExplainer(
        frame, lambda rows: rows.to_numpy() @ [3.0, -2.0, 1.0, 0.0], mode="regression"
    )
    subjects = explainer.domain.subjects(frame.head(3))
    found = {s.key: outcome for s, outcome in explainer.stream(subjects)}
    return explainer, [(found[s.key], s) for s in subjects]


def attributed(pairs, **changes):
    instances = {
        item.key: {
            method: Attribution("value", 2 * item.labels[0].weights, 0.0, 1.0, 1e-6, 0.2)
            for method in ("deeplift", "lrp")
        }
        for item, _ in pairs
    }
    return replace(Attributions(instances, unit="target"), **changes)


def test_a_method_that_says_what_lime_says_is_as_faithful(asked):
    explainer, pairs = asked
    found = agreement(explainer, pairs, attributed(pairs), top=2, draws=4, steps=4)
    own = faithfulness(explainer, pairs, top=2, draws=4, steps=4)
    for key, values in found.items():
        assert set(values) == set(AGREEMENT)
        assert values["deeplift_agreement"] == values["lrp_overlap"] == 1.0
        assert values["lrp_bias_share"] == 0.2
        for name in ("comprehensiveness", "deletion_auc", "insertion_auc"):
            assert values[f"lrp_{name}"] == pytest.approx(own[key][name])


def test_without_the_instances_the_model_is_not_asked(asked):
    explainer, pairs = asked
    before = explainer.predictor.counter.rows
    found = agreement(explainer, [(item, None) for item, _ in pairs], attributed(pairs))
    assert explainer.predictor.counter.rows == before
    assert "lrp_deletion_auc" not in next(iter(found.values()))


def test_attributions_of_other_parts_or_labels_are_left_out(asked):
    _, pairs = asked
    item = pairs[0][0]
    whole = attributed(pairs)
    own = whole.instances[item.key]["lrp"]
    for wrong in (replace(own, values=own.values[:2]), replace(own, label="other")):
        changed = Attributions({item.key: {"lrp": wrong}})
        assert changed.of(item) == {}
    assert set(whole.of(item)) == {"deeplift", "lrp"}


def test_attributions_are_written_and_read_back(asked):
    _, pairs = asked
    before = attributed(
        pairs,
        settings={"lrp": "rule: epsilon"},
        refused={"deeplift": ("'a' (lstm) \ud800 <b>",)},
        notes=("a",),
    )
    text = before.to_json().encode("utf-8", "backslashreplace").decode()
    after = Attributions.from_json(text)
    assert after.methods == ("deeplift", "lrp")
    assert after.settings == before.settings
    for key, methods in before.instances.items():
        for method, own in methods.items():
            assert np.array_equal(after.instances[key][method].values, own.values)


def test_values_that_are_no_numbers_are_written_as_null():
    strange = Attribution("value", np.array([np.nan, np.inf, 1.0]), 0.0, np.nan, np.nan)
    text = Attributions({"00": {"lrp": strange}}).to_json()
    assert json.loads(text)["instances"]["00"]["lrp"]["values"] == [None, None, 1.0]
    assert np.isnan(Attributions.from_json(text).instances["00"]["lrp"].values[:2]).all()


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"format": 1}', '{"format": 1, "instances": {"a": 3}}', '{"format": 2}'],
)
def test_other_texts_are_refused(text):
    with pytest.raises(DataError, match=r"no attributions in JSON|have format 2, expected 1"):
        Attributions.from_json(text)
