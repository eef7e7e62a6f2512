"""From predicted rows to intervals, fidelity, agreement, and stability."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor

from mlflow_lime.core.assess import assess, fit_surrogates
from mlflow_lime.core.moments import Rows
from mlflow_lime.core.options import Fitting
from mlflow_lime.core.sample import Sample
from mlflow_lime.errors import DataError


def sample_of(seed=0, *, n_replicates=4, n_rows=60, n_parts=4, n_outputs=2, blocks=1):
    """Return a sample of a smooth model with interactions, and its rows by replicate."""
    rng = np.random.default_rng(seed)
    sample, kept = Sample(n_replicates, rng.normal(size=n_outputs)), []
    effects = rng.normal(size=(n_parts, n_outputs))
    for replicate in range(n_replicates):
        masks = rng.integers(0, 2, (n_rows, n_parts)).astype(np.uint8)
        scores = masks @ effects + np.outer(masks[:, 0] * masks[:, 1], np.ones(n_outputs))
        weights = rng.random(n_rows)
        for part in np.array_split(np.arange(n_rows), blocks):
            sample.add(replicate, Rows(masks[part], weights[part]), scores[part])
        kept.append((masks, scores, weights))
    return sample, kept


def results(sample, options=None, mode="regression", n_outputs=2):
    n_parts = sample.rows[0][0].n_parts
    (fits,) = fit_surrogates([sample], [np.ones(n_parts)], options or Fitting(penalty=0.0))
    labels = [(k, k, str(k)) for k in range(n_outputs)]
    at = np.zeros(n_outputs)
    return fits, assess(sample, fits, scores=at, mode=mode, labels=labels, confidence=0.95)


def least_squares(rows, label):
    masks, scores, weights = (np.concatenate(item) for item in zip(*rows, strict=True))
    return LinearRegression().fit(masks, scores[:, label], sample_weight=weights)


@given(seed=st.integers(0, 1000), blocks=st.integers(1, 3))
@settings(deadline=None, max_examples=20)
def test_fits_and_held_out_errors_are_those_of_the_rows(seed, blocks):
    sample, kept = sample_of(seed, blocks=blocks)
    fits, found = results(sample)
    for label, item in enumerate(found):
        whole = least_squares(kept, label)
        assert np.allclose(item.weights, whole.coef_, atol=1e-8)
        assert item.intercept == pytest.approx(whole.intercept_, abs=1e-8)
        assert item.surrogate_prediction == pytest.approx(whole.predict(np.ones((1, 4)))[0])
        error = variance = total = 0.0
        for k, (masks, scores, weights) in enumerate(kept):
            left = least_squares([row for j, row in enumerate(kept) if j != k], label)
            assert np.allclose(item.replicate_weights[k], left.coef_, atol=1e-8)
            assert np.allclose(fits.held_out[k][:, label], left.predict(masks), atol=1e-8)
            mean = np.average(scores[:, label], weights=weights)
            error += weights @ (left.predict(masks) - scores[:, label]) ** 2
            variance += weights @ (scores[:, label] - mean) ** 2
            total += weights.sum()
        assert item.fidelity_r2 == pytest.approx(1 - error / variance)
        assert item.error == pytest.approx(np.sqrt(error / total))


@pytest.mark.parametrize("regressor", [LinearRegression, DecisionTreeRegressor])
def test_a_regressor_is_scored_on_rows_that_it_has_not_seen(regressor):
    sample, kept = sample_of(3)

    def make():
        model = regressor()
        return model.set_params(random_state=0) if "random_state" in model.get_params() else model

    fits, found = results(sample, Fitting(regressor=make))
    for k, (masks, _, _) in enumerate(kept):
        others = [row for j, row in enumerate(kept) if j != k]
        z, y, w = (np.concatenate(item) for item in zip(*others, strict=True))
        model = make().fit(z, y[:, 0], sample_weight=w)
        assert np.allclose(fits.held_out[k][:, 0], model.predict(masks))
    assert found[0].fidelity_r2 <= 1


def test_a_linear_regressor_gives_what_the_moments_give():
    sample, _ = sample_of(5)
    _, moments = results(sample)
    _, rows = results(sample, Fitting(regressor=LinearRegression))
    for a, b in zip(moments, rows, strict=True):
        assert np.allclose(a.weights, b.weights, atol=1e-8)
        assert np.allclose(a.std_errors, b.std_errors, atol=1e-8)
        assert a.fidelity_r2 == pytest.approx(b.fidelity_r2)
        assert a.intercept == pytest.approx(b.intercept)


def test_the_offset_of_the_scores_changes_nothing():
    rng = np.random.default_rng(0)
    masks = rng.integers(0, 2, (80, 3)).astype(np.uint8)
    scores = masks @ rng.normal(size=(3, 1))
    found = []
    for offset in (0.0, 5.0):
        sample = Sample(2, np.array([offset]))
        sample.add(0, Rows(masks[:40], np.ones(40)), scores[:40])
        sample.add(1, Rows(masks[40:], np.ones(40)), scores[40:])
        found.append(results(sample, n_outputs=1)[1][0])
    assert np.allclose(found[0].weights, found[1].weights)
    assert found[0].intercept == pytest.approx(found[1].intercept)
    assert found[0].output_std == pytest.approx(found[1].output_std)


def test_decisions_agree_where_the_surrogate_is_perfect():
    rng = np.random.default_rng(0)
    sample = Sample(2, np.zeros(2))
    for replicate in range(2):
        masks = rng.integers(0, 2, (200, 3)).astype(np.uint8)
        p = 0.21 + masks @ [0.1, 0.2, 0.4]  # no row at one half
        sample.add(replicate, Rows(masks, np.ones(200)), np.column_stack([1 - p, p]))
    _, found = results(sample, mode="classification")
    assert found[0].decision_agreement == 1.0
    assert found[0].stability_topk == 1.0
    assert found[0].sign_agreement == 1.0


def test_a_regression_makes_no_decisions():
    assert np.isnan(results(sample_of()[0])[1][0].decision_agreement)


@pytest.mark.parametrize("weights", [(0.0, 0.0), (1.0, 0.0)])
def test_weight_in_fewer_than_two_replicates_is_refused(weights):
    rng = np.random.default_rng(0)
    sample = Sample(2, np.zeros(1))
    for replicate, weight in enumerate(weights):
        masks = rng.integers(0, 2, (40, 3)).astype(np.uint8)
        sample.add(replicate, Rows(masks, np.full(40, weight)), rng.normal(size=(40, 1)))
    with pytest.raises(DataError, match="make it wider"):
        results(sample, n_outputs=1)


def test_rows_that_are_all_alike_are_refused():
    sample = Sample(2, np.zeros(1))
    for replicate in range(2):
        rows = Rows(np.ones((9, 3), dtype=np.uint8), np.ones(9))
        sample.add(replicate, rows, np.ones((9, 1)))
    with pytest.raises(DataError, match="too few to fit"):
        results(sample, n_outputs=1)
