"""Tables on the scale of standard deviations."""

import numpy as np
import pandas as pd
import pytest

from mlflow_lime.core.explain import Explainer
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.core.masks import mask_block
from mlflow_lime.core.options import Sampling
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.core.tabular.standardised import StandardisedTable
from mlflow_lime.errors import DataError
from tests.tables import COLUMNS, codes_sum, frame_of, linear, normal_frame

FEW = Sampling(rows=128, max_rows=128)


def block_of(subject, n_rows=2048):
    return mask_block(
        "sobol",
        law="uniform_count",
        n_parts=0,
        n_draws=subject.n_draws,
        n_rows=n_rows,
        seed=np.random.SeedSequence(0),
    )


def drawn(frame, row, **options):
    domain = StandardisedTable(Background.from_frame(frame), **options)
    (subject,) = domain.subjects(row)
    block = block_of(subject)
    return subject, domain.features(subject, block), domain.perturb([(subject, block)])


@pytest.mark.parametrize("sampling", ["independent", "copula"])
@pytest.mark.parametrize("around", ["instance", "mean"])
@pytest.mark.parametrize("name", COLUMNS)
def test_every_kind_of_column_keeps_its_type(name, around, sampling):
    frame = frame_of(name)
    seen = []

    def predict(rows):
        seen.append(rows)
        return codes_sum(rows)

    domain = StandardisedTable(Background.from_frame(frame), around=around, sampling=sampling)
    outcomes = Explainer(domain, predict, "regression", sampling=FEW).explain(frame.iloc[:3])
    assert all(isinstance(outcome, Explanation) for outcome in outcomes)
    assert all((shown.dtypes == frame.dtypes).all() for shown in seen)


@pytest.mark.parametrize(("around", "centre"), [("instance", 7.0), ("mean", 0.0)])
def test_values_are_normal_around_their_centre(around, centre):
    frame = normal_frame(500)
    _, _, shown = drawn(frame, frame.iloc[[0]] * 0 + 7.0, around=around)
    assert np.allclose(shown.mean(), centre + (frame.mean() if around == "mean" else 0), atol=0.01)
    assert np.allclose(shown.std(), frame.std(), rtol=0.02)


@pytest.mark.parametrize("around", ["instance", "mean"])
def test_features_are_the_standardised_values_that_are_shown(around):
    frame = normal_frame(100).assign(whole=np.arange(100) % 7, small=np.arange(100) % 5)
    frame = frame.astype({"small": "uint8"})
    _, features, shown = drawn(frame, frame.iloc[[3]], around=around)
    expected = (shown - frame.mean()) / frame.std(ddof=0)
    assert np.allclose(features, expected)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "Int8"])
def test_whole_numbers_stay_whole_and_in_their_range(dtype):
    frame = pd.DataFrame({"a": [0, 100, 120, 127], "b": [1.0, 2, 3, 4]}).astype({"a": dtype})
    _, features, shown = drawn(frame, frame.iloc[[3]])
    numbers = shown["a"].astype(float)
    assert shown["a"].dtype == dtype
    if dtype.lower() == "int8":
        assert numbers.max() == 127  # and none wrapped round
        assert numbers.min() > -100
    assert np.corrcoef(features[:, 0], numbers)[0, 1] > 0.999


def test_a_missing_value_is_the_same_or_not():
    frame = frame_of("float with missing")
    subject, features, shown = drawn(frame, frame.iloc[[0]])
    assert subject.parts[0] == "float with missing = missing"
    assert np.array_equal(features[:, 0] == 1, shown["float with missing"].isna())


def test_around_the_mean_a_missing_value_is_never_met_again_and_not_varied():
    frame = frame_of("float with missing")
    subject, _, shown = drawn(frame, frame.iloc[[0]], around="mean")
    assert subject.active.tolist() == [1]
    assert "does not occur in the neighbourhood" in subject.notes[0]
    assert not shown["float with missing"].isna().any()


def test_an_infinite_value_is_the_same_or_not():
    frame = frame_of("float with infinity")
    _, features, shown = drawn(frame, frame.iloc[[0]])
    assert set(np.unique(features[:, 0])) == {0.0, 1.0}
    assert np.array_equal(features[:, 0] == 1, np.isinf(shown["float with infinity"]))


def test_categories_are_drawn_from_the_background():
    frame = frame_of("str")
    _, features, shown = drawn(frame, frame.iloc[[1]])
    assert np.array_equal(features[:, 0] == 1, shown["str"] == "b")
    assert shown["str"].isna().mean() == pytest.approx(0.25, abs=0.02)


def test_dates_are_drawn_from_the_background_on_a_continuous_scale():
    frame = frame_of("datetime")
    _, features, shown = drawn(frame, frame.iloc[[1]])
    assert set(shown["datetime"]) <= set(frame["datetime"])
    seconds = (shown["datetime"] - frame["datetime"].mean()).dt.total_seconds()
    assert np.corrcoef(features[:, 0], seconds)[0, 1] > 0.9999


def test_a_constant_column_is_not_varied():
    frame = normal_frame().assign(constant=3.0)
    subject, _, shown = drawn(frame, frame.iloc[[0]])
    assert 5 not in subject.active
    assert (shown["constant"] == 3.0).all()


def test_copula_draws_keep_related_columns_together():
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    frame = pd.DataFrame({"x": x, "twin": x + 0.05 * rng.normal(size=300)})
    _, _, shown = drawn(frame, frame.iloc[[0]], sampling="copula")
    assert np.corrcoef(shown["x"], shown["twin"])[0, 1] > 0.95


def test_a_model_that_reads_arrays_gets_an_array():
    frame = normal_frame()
    domain = StandardisedTable(Background.from_frame(frame), as_array=True)
    (found,) = Explainer(domain, linear, "regression").explain(frame.iloc[[0]].to_numpy())
    assert isinstance(found, Explanation)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"around": "instnce"}, "Did you mean 'instance'"), ({"sampling": "x"}, "sampling must be")],
)
def test_unknown_options_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        StandardisedTable(Background.from_frame(normal_frame()), **options)
