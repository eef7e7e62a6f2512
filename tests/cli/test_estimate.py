"""Rows are foretold exactly; seconds from two small calls."""

import numpy as np
import pandas as pd
import pytest

from mlflow_lime import Budget, Sampling, TabularExplainer
from mlflow_lime.cli.estimate import PROBE_ROWS, Pace, estimate
from mlflow_lime.core.explanation import Explanation


class Counting:
    """A linear model that counts what it is asked."""

    def __init__(self):
        self.rows = []

    def __call__(self, frame):
        self.rows.append(len(frame))
        return np.asarray(frame, dtype=float).sum(axis=1)


@pytest.fixture
def data():
    return pd.DataFrame(np.random.default_rng(0).normal(size=(50, 5)), columns=list("abcde"))


@pytest.mark.parametrize("representation", ["mask", "bins", "standardised"])
def test_the_rows_are_those_that_explaining_takes(data, representation):
    model = Counting()
    sampling = Sampling(rows=128, max_rows=128)
    explainer = TabularExplainer(
        data, model, mode="regression", sampling=sampling, representation=representation
    )
    instances = data.head(3)
    found = estimate(explainer, explainer.domain.subjects(instances))
    assert sum(model.rows) <= PROBE_ROWS + 8
    model.rows.clear()
    outcomes = explainer.explain(instances)
    assert all(isinstance(outcome, Explanation) for outcome in outcomes)
    assert found.rows[0] == found.rows[1]
    assert 0.7 * found.rows[0] <= sum(model.rows) <= found.rows[0]
    assert found.designs == (outcomes[0].recipe["design"],)


def test_rounds_are_foretold_up_to_the_most(data):
    explainer = TabularExplainer(
        data,
        Counting(),
        mode="regression",
        sampling=Sampling(rows=128, max_rows=600),
        budget=Budget(seconds=0.0),
    )
    found = estimate(explainer, explainer.domain.subjects(data.head(2)))
    assert found.rows == (2 + 2 * 128, 2 + 2 * 512)
    assert found.seconds == (0.0, 0.0)


def test_instances_that_cannot_vary_take_one_row(data):
    constant = data.assign(**dict.fromkeys("abcde", 1.0))
    explainer = TabularExplainer(constant, Counting(), mode="regression")
    found = estimate(explainer, explainer.domain.subjects(constant.head(3)))
    assert found.rows == (3, 3)
    assert found.designs == ()


def test_a_call_has_a_price_of_its_own():
    pace = Pace(call=0.1, row=0.001, call_rows=4096)
    assert pace.seconds(4096) == pytest.approx(0.1 + 4.096)
    assert pace.seconds(4097) == pytest.approx(0.2 + 4.097)
