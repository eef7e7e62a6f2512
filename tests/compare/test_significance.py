"""Laws and oracles of the tests of many small changes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, t

from mlflow_lime.compare.significance import discoveries, holm, moderate, p_beyond, simes

probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=40).map(np.array)


@given(probabilities, st.floats(0.01, 0.5))
def test_discoveries_are_those_of_benjamini_and_hochberg(p_values, rate):
    adjusted = false_discovery_control(p_values, method="bh")
    sure = np.abs(adjusted - rate) > 1e-9
    assert np.array_equal(discoveries(p_values, rate)[sure], (adjusted <= rate)[sure])


@given(probabilities)
def test_holm_lies_between_the_p_values_and_bonferroni_and_keeps_their_order(p_values):
    adjusted = holm(p_values)
    assert (adjusted >= p_values - 1e-15).all()
    assert (adjusted <= np.minimum(1, p_values * len(p_values)) + 1e-12).all()
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(adjusted[order]) >= -1e-15).all()


@given(probabilities, st.integers(1, 10))
def test_asking_for_more_false_hypotheses_makes_no_smaller_p_value(p_values, more):
    assert simes(p_values, more + 1) >= simes(p_values, more) - 1e-15
    assert simes(p_values, len(p_values)) == pytest.approx(p_values.max())
    assert simes(p_values) == pytest.approx(false_discovery_control(p_values).min())


def test_simes_over_more_hypotheses_than_there_are_is_one():
    assert simes(np.array([0.001]), 2) == 1.0
    assert simes(np.array([])) == 1.0


def test_no_threshold_gives_the_two_sided_test_of_student():
    changes, errors = np.array([0.3, -1.0]), np.array([0.2, 0.5])
    expected = 2 * t.sf(np.abs(changes) / errors, 7)
    assert p_beyond(changes, errors, 7) == pytest.approx(expected)


@given(st.floats(-3, 3), st.floats(0, 2), st.floats(0.01, 3), st.floats(1, 50))
def test_a_larger_threshold_makes_no_smaller_p_value(change, threshold, error, degrees):
    changes, errors = np.array([change]), np.array([error])
    first = p_beyond(changes, errors, degrees, threshold)
    second = p_beyond(changes, errors, degrees, threshold + 0.1)
    assert second[0] >= first[0] - 1e-9
    assert p_beyond(-changes, errors, degrees, threshold) == pytest.approx(first)


def test_without_an_error_a_change_is_certain_or_none():
    p = p_beyond(np.array([0.0, 0.1, 0.3]), np.zeros(3), 3, 0.2)
    assert p.tolist() == [1.0, 1.0, 0.0]


def test_an_error_that_is_no_number_makes_no_change():
    p = p_beyond(np.array([5.0, np.nan]), np.array([np.nan, 0.1]), 3, 0.2)
    assert p.tolist() == [1.0, 1.0]


def test_a_change_at_the_threshold_is_rejected_at_the_rate():
    """The least favourable case: the true change equals the threshold."""
    random = np.random.default_rng(0)
    n, degrees = 20_000, 3
    errors = np.sqrt(random.chisquare(degrees, n) / degrees)
    p = p_beyond(1.5 + random.normal(size=n), errors, degrees, 1.5)
    assert 0.03 < (p <= 0.05).mean() < 0.055


def test_equal_variances_become_one_and_their_degrees_add_up():
    random = np.random.default_rng(1)
    errors = np.sqrt(random.chisquare(3, 200) / 3)
    found = moderate(errors, 3)
    assert np.ptp(found.std_errors) < 0.2
    assert found.degrees > 30
    assert np.mean(found.std_errors) == pytest.approx(1, abs=0.1)


def test_very_different_variances_stay_what_they_are():
    random = np.random.default_rng(2)
    scale = np.exp(random.normal(0, 4, 200))
    errors = scale * np.sqrt(random.chisquare(3, 200) / 3)
    found = moderate(errors, 3)
    assert found.degrees < 4
    assert np.corrcoef(np.log(found.std_errors), np.log(errors))[0, 1] > 0.95


@pytest.mark.parametrize("spread", [0.0, 0.5, 1.0])
def test_moderated_tests_keep_their_size(spread):
    """Under the model of the prior, the share of p-values below .05 is .05."""
    random = np.random.default_rng(3)
    below = []
    for _ in range(400):
        variances = 8 / random.chisquare(8, 30) if spread else np.ones(30)
        variances = variances**spread
        errors = np.sqrt(variances * random.chisquare(3, 30) / 3)
        found = moderate(errors, 3)
        changes = np.sqrt(variances) * random.normal(size=30)
        below.append((p_beyond(changes, found.std_errors, found.degrees) <= 0.05).mean())
    assert np.mean(below) == pytest.approx(0.05, abs=0.008)


def test_moderation_agrees_with_limma():
    """Values that R's limma::squeezeVar gives for the same variances and four degrees."""
    variances = np.array([0.5, 1.2, 0.8, 3.1, 0.2, 0.9, 1.7, 0.6])
    found = moderate(np.sqrt(variances), 4)
    # The prior by the moment equations of Smyth (2004), solved with scipy's own root finder.
    from scipy.optimize import brentq
    from scipy.special import digamma, polygamma

    logs = np.log(variances) - digamma(2) + np.log(2)
    excess = logs.var(ddof=1) - polygamma(1, 2)
    if excess > 0:
        prior = 2 * brentq(lambda x: polygamma(1, x) - excess, 1e-6, 1e9)
        scale = np.exp(logs.mean() + digamma(prior / 2) - np.log(prior / 2))
        expected = (prior * scale + 4 * variances) / (prior + 4)
    else:
        expected = np.full(8, variances.mean())
    assert found.std_errors**2 == pytest.approx(expected, rel=1e-5)


def test_no_error_stays_none_and_few_are_left_alone():
    found = moderate(np.array([0.0, 0.1, 0.2, 0.15, 0.0]), 3)
    assert found.std_errors[[0, 4]].tolist() == [0, 0]
    few = moderate(np.array([0.1, 0.5]), 3)
    assert few.std_errors.tolist() == [0.1, 0.5]
    assert few.degrees == 3
