"""Tables in bins: which bin a value falls in, and how bins are named."""

import numpy as np
import pandas as pd
import pytest

from mlflow_lime.core.blocks import LEVELS, MaskBlock
from mlflow_lime.core.explain import Explainer
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.core.options import Sampling
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.core.tabular.bins import BinnedTable
from mlflow_lime.errors import DataError
from tests.tables import (
    COLUMNS,
    bits,
    codes_sum,
    frame_of,
    linear,
    loan_frame,
    normal_frame,
)

FEW = Sampling(rows=256, max_rows=256)


def every_level(subject):
    levels = np.repeat(np.arange(LEVELS, dtype=np.uint16)[:, None], subject.n_draws, axis=1)
    return MaskBlock(np.empty((LEVELS, 0), dtype=np.uint8), levels, np.ones(LEVELS))


@pytest.mark.parametrize("name", COLUMNS)
def test_a_feature_says_whether_the_row_falls_in_the_instances_bin(name):
    frame = frame_of(name)
    domain = BinnedTable(Background.from_frame(frame))
    (subject,) = domain.subjects(frame.iloc[[3]])
    block = every_level(subject)
    shown = domain.perturb([(subject, block)])
    others = domain.subjects(shown)
    own = domain._own_bins(subject.content)
    bins = np.array([domain._own_bins(other.content) for other in others])
    expected = (bins == own)[:, subject.active].astype(np.uint8)
    assert np.array_equal(domain.features(subject, block), expected)
    assert (shown.dtypes == frame.dtypes).all()


@pytest.mark.parametrize("as_array", [False, True])
@pytest.mark.parametrize("sampling", ["independent", "copula"])
def test_tables_of_all_kinds_are_explained(sampling, as_array):
    for frame, predict in ((normal_frame(), linear), (loan_frame(), None)):
        domain = BinnedTable(Background.from_frame(frame), sampling=sampling, as_array=as_array)
        model = predict or (lambda rows: np.asarray(rows)[:, 3].astype(float))
        (found,) = Explainer(domain, model, "regression", sampling=FEW).explain(frame.iloc[[0]])
        assert isinstance(found, Explanation)


def test_bins_are_named_by_their_edges():
    frame = pd.DataFrame({"radius": np.linspace(10, 30, 101), "x": np.arange(101.0)})
    domain = BinnedTable(Background.from_frame(frame), bins={"radius": [14.9, 18.8]})
    rows = pd.DataFrame({"radius": [14.9, 15.0, 18.81, np.nan], "x": 0.0})
    texts = [subject.parts[0] for subject in domain.subjects(rows)]
    assert texts == [
        "radius <= 14.9",
        "14.9 < radius <= 18.8",
        "radius > 18.8",
        "radius is missing",
    ]


def test_edges_have_as_many_digits_as_tell_them_apart():
    frame = pd.DataFrame({"x": np.linspace(0, 1, 101), "y": 1.0})
    domain = BinnedTable(Background.from_frame(frame), bins={"x": [0.00101, 0.00102]})
    (subject,) = domain.subjects(pd.DataFrame({"x": [0.001015], "y": [1.0]}))
    assert subject.parts[0] == "0.00101 < x <= 0.00102"


def test_bins_of_dates_are_named_by_dates():
    frame = frame_of("datetime", "timedelta")
    domain = BinnedTable(Background.from_frame(frame))
    (subject,) = domain.subjects(frame.iloc[[0]])
    assert subject.parts[0].startswith("datetime <= 2020-01-")
    assert "days" in subject.parts[1]


def test_whole_number_columns_are_fed_their_own_values_only():
    """A bin whose least value is also its greatest is fed that value, not zero."""
    frame = loan_frame()
    seen = []

    def predict(rows):
        seen.append(rows)
        return rows["age"] / 100

    domain = BinnedTable(Background.from_frame(frame))
    Explainer(domain, predict, "regression", sampling=FEW).explain(frame.iloc[:3])
    shown = pd.concat(seen)
    for column in frame:
        assert set(shown[column]) <= set(frame[column])
        assert shown[column].dtype == frame[column].dtype
    assert (shown["people_liable"] == 1).mean() == pytest.approx(0.85, abs=0.05)


def test_a_part_whose_bin_holds_everything_or_nothing_is_not_varied():
    frame = pd.DataFrame({"constant": 5, "x": np.arange(100.0), "job": ["a", "b"] * 50})
    row = frame.iloc[[0]].assign(job="z")
    domain = BinnedTable(Background.from_frame(frame))
    (found,) = Explainer(domain, lambda f: f["x"], "regression", sampling=FEW).explain(row)
    assert found.as_dict()["constant"] == 0
    assert found.as_dict()["job"] == 0
    assert found.notes == (
        "not varied: all the background falls in the bin of 'constant'",
        "not varied: no background value falls in the bin of 'job'",
    )


def test_a_missing_value_has_a_bin_of_its_own():
    frame = frame_of("float with missing")
    domain = BinnedTable(Background.from_frame(frame))
    (subject,) = domain.subjects(frame.iloc[[0]])
    assert subject.parts[0] == "float with missing is missing"
    share = domain.features(subject, every_level(subject))[:, 0].mean()
    assert share == pytest.approx(frame["float with missing"].isna().mean(), abs=0.01)


def test_entropy_bins_follow_the_labels():
    frame = normal_frame()
    background = Background.from_frame(frame, target=frame["x1"] > 0.3)
    domain = BinnedTable(background, bins="entropy")
    (subject,) = domain.subjects(frame.iloc[[0]].assign(x1=-1.0))
    assert 0.2 < float(subject.parts[1].removeprefix("x1 <= ")) < 0.4


@pytest.mark.parametrize(
    ("bins", "message"),
    [
        ("quartil", "Did you mean 'quartile'"),
        ({"agee": [30]}, "Did you mean 'age'"),
        ({"purpose": [1]}, "'purpose', which is no numeric column"),
        ("entropy", "entropy bins need labels"),
    ],
)
def test_bins_that_make_no_sense_are_refused(bins, message):
    with pytest.raises(DataError, match=message):
        BinnedTable(Background.from_frame(loan_frame()), bins=bins)


@pytest.mark.parametrize("edges", [[1.5, 0.5], (0.5, 1.5, 1.5), np.array([0.5, 1.5])])
def test_edges_may_come_in_any_order_and_container(edges):
    domain = BinnedTable(Background.from_frame(normal_frame()), bins={"x0": edges})
    assert domain.edges[0].tolist() == [0.5, 1.5]


def test_the_law_of_the_rows_does_not_depend_on_the_instance():
    frame = frame_of("str", "int64")
    domain = BinnedTable(Background.from_frame(frame))
    one, two = domain.subjects(frame.iloc[[0, 1]])
    block = every_level(one)
    pd.testing.assert_frame_equal(domain.perturb([(one, block)]), domain.perturb([(two, block)]))


def test_very_wide_tables_share_a_pool_of_one_size():
    frame = normal_frame(5, 2100).assign(constant=1)
    domain = BinnedTable(Background.from_frame(frame, groups="none"))
    one, two = domain.subjects(frame.iloc[:2])
    assert domain.default_rows(one) == domain.default_rows(two) == 8 * 2101


def test_explanations_of_saved_and_fresh_domains_agree():
    frame = frame_of("str", "float with missing")
    background = Background.from_frame(frame)
    outcomes = [
        Explainer(BinnedTable(background), codes_sum, "regression", sampling=FEW).explain(
            frame.iloc[:3]
        )
        for _ in range(2)
    ]
    assert [bits(e) for e in outcomes[0]] == [bits(e) for e in outcomes[1]]
