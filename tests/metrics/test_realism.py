"""How real perturbed rows look: independent values give themselves away, dependent ones do not."""

import numpy as np
import pandas as pd
import pytest

from mlflow_lime import TabularExplainer, TextExplainer
from mlflow_lime.metrics.realism import MIN_INSTANCES, Realism, realism


def half(rows):
    return np.full(len(rows), 0.5)


def line(n=200, n_columns=6):
    """Return rows near a line: what is drawn column by column leaves it."""
    rng = np.random.default_rng(4)
    place = rng.normal(size=n)
    columns = {f"c{j}": place + 0.05 * rng.normal(size=n) for j in range(n_columns)}
    return pd.DataFrame(columns)


def found(data, n=40, **options):
    explainer = TabularExplainer(data, half, **options)
    return realism(explainer, explainer.domain.subjects(data.iloc[:n]))


def test_independent_values_leave_the_manifold_and_dependent_ones_stay_nearer():
    data = line()
    apart, together = found(data), found(data, draws="copula")
    shares = [np.mean(list(item.off_manifold.values())) for item in (apart, together)]
    assert shares[0] > 0.5
    assert shares[1] < 0.5 * shares[0]
    assert apart.auc > 0.7
    assert together.auc < apart.auc - 0.1


def test_independent_columns_look_real():
    rng = np.random.default_rng(0)
    data = pd.DataFrame(rng.normal(size=(300, 4)), columns=list("abcd"))
    real = found(data, n=60)
    assert np.mean(list(real.off_manifold.values())) < 0.12
    assert 0.3 < real.auc < 0.7


def test_categories_groups_dates_and_missing_values_are_compared():
    rng = np.random.default_rng(0)
    one_hot = rng.integers(0, 2, 60)
    data = pd.DataFrame(
        {
            "number": np.where(rng.random(60) < 0.2, np.nan, rng.normal(size=60)),
            "letter": rng.choice(["u", "v", None], 60),
            "g_x": one_hot,
            "g_y": 1 - one_hot,
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 50, 60), "D"),
            "yes": rng.random(60) < 0.5,
        }
    )
    real = found(data, n=20)
    assert len(real.off_manifold) == 20
    assert all(0 <= share <= 1 for share in real.off_manifold.values())
    assert 0 <= real.auc <= 1


def test_too_few_instances_and_texts_have_none():
    few = found(line(), n=MIN_INSTANCES - 1)
    assert few.off_manifold == {}
    assert np.isnan(few.auc)
    explainer = TextExplainer(half)
    texts = [f"some words and number {i}" for i in range(12)]
    assert realism(explainer, explainer.domain.subjects(texts)).pairs is None
    assert np.isnan(Realism().auc)


@pytest.mark.parametrize("representation", ["mask", "bins"])
def test_the_order_of_instances_changes_no_bit(representation):
    data = line(80)
    explainer = TabularExplainer(data, half, representation=representation)
    subjects = explainer.domain.subjects(data.iloc[:12])
    there, back = realism(explainer, subjects), realism(explainer, subjects[::-1])
    assert there.off_manifold == back.off_manifold
    assert there.auc == back.auc
    assert explainer.predictor.counter.rows == 0
