"""Fidelity net of the noise of background values, and surrogates of shuffled scores."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeRegressor

from mlflow_lime import TabularExplainer, TextExplainer
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.core.moments import Moments
from mlflow_lime.core.options import Fitting, Sampling
from mlflow_lime.core.partial import partial_squares
from mlflow_lime.core.surrogate import LinearFit, residual_squares

PERMUTED = Fitting(permuted=True)


def residuals(columns, values, weights):
    """Return what a weighted regression on the columns and a constant leaves over."""
    root = np.sqrt(weights)[:, None]
    design = np.column_stack([np.ones(len(values)), columns])
    beta = np.linalg.lstsq(design * root, values * root, rcond=None)[0]
    return values - design @ beta


@given(seed=st.integers(0, 500), n_nuisance=st.integers(1, 5))
@settings(deadline=None, max_examples=25)
def test_partial_squares_are_those_of_regressions_on_the_rows(seed, n_nuisance):
    rng = np.random.default_rng(seed)
    masks, weights = rng.integers(0, 2, (80, 4)), rng.uniform(0.2, 2.0, 80)
    nuisance, scores = rng.normal(size=(80, n_nuisance)), rng.normal(size=(80, 2))
    fit = LinearFit(rng.normal(size=(1, 2)), rng.normal(size=(1, 2, 4)))
    blocks = Moments.of_rows(masks, scores, weights, nuisance)
    total, left = partial_squares(blocks, fit, residual_squares(blocks, fit))
    own = residuals(nuisance, scores, weights)
    assert np.allclose(total[0], weights @ own**2)
    error = scores - fit.intercepts[0] - masks @ fit.weights[0].T
    # A constant that is wrong is an error too: only the nuisance columns are taken out.
    root = np.sqrt(weights)[:, None]
    beta = np.linalg.lstsq(nuisance * root, error * root, rcond=None)[0]
    assert np.allclose(left[0], weights @ (error - nuisance @ beta) ** 2, rtol=1e-6)


def linear_table(n_columns=10, n_rows=400, spread=None):
    """Return columns that take even values, or those of `spread`, and a linear model of them."""
    rng = np.random.default_rng(1)
    values = (np.arange(n_rows) + 0.5) / n_rows
    values = values if spread is None else spread(values)
    columns = {f"c{j}": rng.permutation(values) for j in range(n_columns)}
    effects = rng.normal(size=n_columns)
    return pd.DataFrame(columns), lambda rows: rows.to_numpy() @ effects


@pytest.mark.parametrize(("spread", "left"), [(None, 0.0), (norm.ppf, 1 - 3 / np.pi)])
def test_a_linear_model_of_noisy_values_has_a_partial_r2_near_one(spread, left):
    """The noise of even values is linear in the level, and 3/π of that of normal values is."""
    frame, predict = linear_table(spread=spread)
    distance = (frame - frame.mean()).abs().sum(axis=1)
    central = frame.iloc[distance.argsort()[:5]]  # here absence is mostly noise
    explainer = TabularExplainer(frame, predict, mode="regression")
    for explanation in explainer.explain(central):
        (label,) = explanation.labels
        whole, partial = label.fidelity_r2, label.partial_r2
        assert whole < 0.45
        assert partial > (0.99 if spread is None else 0.65)
        noise = (1 - partial) / partial * whole / (1 - whole)  # of it, what is not taken out
        assert noise == pytest.approx(left, abs=0.02)


def test_without_nuisance_columns_it_is_the_plain_fidelity():
    frame, predict = linear_table()
    few = Sampling(rows=32, max_rows=32)  # too few rows for columns beside the parts
    (item,) = TabularExplainer(frame, predict, mode="regression", sampling=few).explain(
        frame.head(1)
    )
    assert item.labels[0].partial_r2 == item.labels[0].fidelity_r2
    (item,) = TextExplainer(
        lambda texts: [len(t) ** 2.0 for t in texts], mode="regression"
    ).explain(["a few words"])
    assert item.exact
    assert item.labels[0].partial_r2 == item.labels[0].fidelity_r2
    assert np.isnan(item.permuted_r2)


def test_it_is_unknown_where_rows_or_regressors_cannot_tell_it():
    frame, predict = linear_table(4)
    tree = Fitting(regressor=lambda: DecisionTreeRegressor(max_depth=2), permuted=True)
    many = Sampling(rows=64, max_rows=64, replicates=16)  # four rows a replicate
    for options in ({"fitting": tree}, {"sampling": many}):
        (item,) = TabularExplainer(frame, predict, mode="regression", **options).explain(
            frame.head(1)
        )
        assert np.isnan(item.labels[0].partial_r2)
        assert np.isfinite(item.labels[0].fidelity_r2)


def test_flat_instances_have_neither():
    frame, _ = linear_table(4)
    explainer = TabularExplainer(frame, lambda rows: np.full(len(rows), 0.5), fitting=PERMUTED)
    (item,) = explainer.explain(frame.head(1))
    assert np.isnan([item.labels[0].partial_r2, item.permuted_r2]).all()


@pytest.mark.parametrize("representation", ["mask", "bins"])
@pytest.mark.parametrize("select", ["none", "highest_weights"])
def test_a_surrogate_of_shuffled_scores_of_a_real_model_explains_nothing(representation, select):
    data, target = load_breast_cancer(return_X_y=True, as_frame=True)
    model = RandomForestClassifier(20, random_state=0).fit(data, target)
    explainer = TabularExplainer(
        data,
        model.predict_proba,
        representation=representation,
        fitting=Fitting(permuted=True, select=select),
    )
    found = explainer.explain(data.iloc[:6])
    shuffled = np.array([item.permuted_r2 for item in found])
    real = np.array([item.labels[0].fidelity_r2 for item in found])
    assert np.all((shuffled > -0.15) & (shuffled < 0.03))
    assert np.median(real) > 0.25
    assert np.all(real > shuffled)


def test_shuffling_changes_no_bit_of_the_explanation_and_depends_on_nothing_else():
    data, target = load_breast_cancer(return_X_y=True, as_frame=True)
    model = RandomForestClassifier(5, random_state=0).fit(data, target)
    rows = data.iloc[:5]
    asked = TabularExplainer(data, model.predict_proba, fitting=PERMUTED).explain(rows)
    plain = TabularExplainer(data, model.predict_proba).explain(rows)
    for a, b in zip(asked, plain, strict=True):
        assert {**a.to_dict(), "permuted_r2": None} == b.to_dict()
    turned = TabularExplainer(data, model.predict_proba, fitting=PERMUTED).explain(
        rows[::-1], keys=list("43210")
    )
    assert [item.permuted_r2 for item in turned[::-1]] == [item.permuted_r2 for item in asked]


def test_both_are_written_and_older_files_are_read_without_them():
    frame, predict = linear_table(4)
    (item,) = TabularExplainer(frame, predict, mode="regression", fitting=PERMUTED).explain(
        frame.head(1)
    )
    again = Explanation.from_json(item.to_json())
    assert again.labels[0].partial_r2 == item.labels[0].partial_r2
    assert again.permuted_r2 == item.permuted_r2
    old = json.loads(item.to_json())
    del old["permuted_r2"], old["labels"][0]["partial_r2"]
    read = Explanation.from_dict(old)
    assert np.isnan([read.permuted_r2, read.labels[0].partial_r2]).all()
