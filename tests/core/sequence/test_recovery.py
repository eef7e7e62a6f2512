"""Explanations of sequences find what the model uses."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier

from mlflow_lime import Sampling, SequenceExplainer


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 999), st.sampled_from(["windows", "features", "cells"]))
def test_a_model_that_is_linear_in_window_means_is_recovered_exactly(seed, parts):
    rng = np.random.default_rng(seed)
    series = rng.normal(size=(1, 9, 2))
    explainer = SequenceExplainer(len, parts=parts, count=3, mode="regression")
    (subject,) = explainer.domain.subjects(series)
    labels, n = subject.content.labels, len(subject.parts)
    true = rng.normal(size=n)
    shares = np.stack([(labels == part) / (labels == part).sum() for part in range(n)])

    def predict(arrays):
        return np.einsum("ntf,ptf,p->n", arrays, shares, true)

    (found,) = SequenceExplainer(
        predict, parts=parts, count=3, mode="regression", sampling=Sampling(rows=1024)
    ).explain(series)
    assert found.exact
    means = np.broadcast_to(series[0].mean(axis=0), (9, 2))
    expected = true * ((shares * series[0]).sum(axis=(1, 2)) - (shares * means).sum(axis=(1, 2)))
    assert np.abs(found.labels[0].weights - expected).max() < 1e-8


def test_a_model_that_is_linear_over_lag_columns_is_recovered_from_background_series():
    rng = np.random.default_rng(0)
    columns = [f"{name}_lag{i}" for name in ("temp", "load") for i in range(1, 7)]
    data = pd.DataFrame(rng.normal(size=(200, 12)), columns=columns)
    slope = rng.normal(size=12)
    explainer = SequenceExplainer(
        lambda frame: frame.to_numpy() @ slope,
        columns=columns,
        parts="cells",
        count=2,
        absent="background",
        background=data,
        mode="regression",
    )
    (found,) = explainer.explain(data.iloc[[0]])
    drawn = explainer.domain.background.series.mean(axis=0)  # all series are as likely
    form = explainer.domain.form
    label, gap = found.labels[0], data.iloc[0].to_numpy() - drawn.ravel()[list(form.places)]
    expected = {}
    for name, weight in zip(columns, slope * gap, strict=True):
        feature, lag = name.split("_lag")
        key = f"{feature}, lags {'6 to 4' if int(lag) > 3 else '3 to 1'}"
        expected[key] = expected.get(key, 0.0) + weight
    true = np.array([expected[name] for name in found.parts])
    assert np.all(np.abs(label.weights - true) <= 4 * label.std_errors + 1e-9)
    assert np.corrcoef(label.weights, true)[0, 1] > 0.97


@pytest.mark.parametrize("absent", ["mean", "interpolate", "background"])
def test_a_planted_spike_is_found_first(absent):
    rng = np.random.default_rng(0)
    series = rng.normal(size=(240, 30, 3))
    labels = rng.integers(0, 2, 240)
    series[labels == 1, 13:16, 1] += 4
    forest = RandomForestClassifier(60, random_state=0).fit(
        series[:160].reshape(160, -1), labels[:160]
    )

    def predict(arrays):
        return forest.predict_proba(arrays.reshape(len(arrays), -1))

    explainer = SequenceExplainer(
        predict,
        features=["a", "b", "c"],
        parts="cells",
        length=5,
        absent=absent,
        background=series[:160],
        sampling=Sampling(rows=512, max_rows=512),
    )
    test = series[160:][labels[160:] == 1][:10]
    first = {"b, steps 10 to 14", "b, steps 15 to 19"}
    hits = [found.as_list()[0][0] in first for found in explainer.explain(test)]
    assert sum(hits) >= 9
