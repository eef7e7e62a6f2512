from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mlflow_lime.core.quantiles import binomial_quantile, student_quantile, student_tail

CHANCES = st.floats(0.001, 0.999)


@given(CHANCES, st.integers(1, 200) | st.floats(0.5, 1e6))
def test_quantiles_of_student_are_those_of_scipy(probability, degrees):
    assert student_quantile(probability, degrees) == stats.t.ppf(probability, degrees)


@given(st.floats(-50, 50), st.integers(1, 200) | st.floats(0.5, 1e6))
def test_tails_of_student_are_those_of_scipy(value, degrees):
    assert student_tail(value, degrees) == stats.t.sf(value, degrees)


@given(CHANCES, st.integers(1, 400), CHANCES)
def test_a_binomial_quantile_is_the_least_count_that_reaches_the_chance(probability, n, chance):
    found = int(binomial_quantile(probability, n, chance))
    assert stats.binom.cdf(found, n, chance) >= probability - 1e-12
    assert stats.binom.cdf(found - 1, n, chance) < probability + 1e-12
