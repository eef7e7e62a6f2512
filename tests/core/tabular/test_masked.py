"""Tables in masks: what absent parts become, and which rows are equal."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_lime.core.blocks import MaskBlock
from mlflow_lime.core.explain import Explainer
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.core.masks import mask_block
from mlflow_lime.core.options import Pooling, Sampling
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.core.tabular.copula import NORMAL_SCORES
from mlflow_lime.core.tabular.masked import MaskedTable, own_scores
from mlflow_lime.errors import DataError
from tests.tables import (
    COLUMNS,
    bits,
    codes_sum,
    frame_of,
    linear,
    loan_frame,
    masked,
    normal_frame,
)

FEW = Sampling(rows=128, max_rows=128)


def block_of(subject, n_rows=64, seed=0):
    return mask_block(
        "iid",
        law="bernoulli",
        n_parts=subject.n_active,
        n_draws=subject.n_draws,
        n_rows=n_rows,
        seed=np.random.SeedSequence(seed),
    )


def ones(subject, n_rows=5):
    return MaskBlock(
        np.ones((n_rows, subject.n_active), dtype=np.uint8),
        np.zeros((n_rows, subject.n_draws), dtype=np.uint16),
        np.ones(n_rows),
    )


@pytest.mark.parametrize("sampling", ["independent", "copula"])
@pytest.mark.parametrize("name", COLUMNS)
def test_a_mask_of_ones_is_the_instance_itself(name, sampling):
    frame = frame_of(name)
    domain = MaskedTable(Background.from_frame(frame), sampling=sampling)
    (subject,) = domain.subjects(frame.iloc[[3]])
    shown = domain.perturb([(subject, ones(subject))])
    expected = pd.concat([frame.iloc[[3]]] * 5, ignore_index=True)
    pd.testing.assert_frame_equal(shown, expected)


@pytest.mark.parametrize("as_array", [False, True])
def test_blocks_of_many_instances_come_one_after_the_other(as_array):
    for frame in (normal_frame(), loan_frame(50)):
        domain = MaskedTable(Background.from_frame(frame), as_array=as_array)
        draws = [(s, block_of(s, 10 + i)) for i, s in enumerate(domain.subjects(frame.iloc[:3]))]
        together = np.asarray(domain.perturb(draws), dtype=object)
        apart = np.vstack([np.asarray(domain.perturb([d]), dtype=object) for d in draws])
        assert (together == apart).all()


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int8"])
def test_a_model_that_reads_arrays_gets_the_type_of_its_columns(dtype):
    frame = (normal_frame() * 10).astype(dtype)
    kinds = set()

    def predict(array):
        kinds.add((type(array), array.dtype))
        return array.sum(axis=1, dtype=float)

    domain = MaskedTable(Background.from_frame(frame), as_array=True)
    (found,) = Explainer(domain, predict, "regression").explain(frame.iloc[[0]].to_numpy())
    assert isinstance(found, Explanation)
    assert kinds == {(np.ndarray, np.dtype(dtype))}


def test_whole_number_columns_are_shown_their_own_values_only():
    """No column is fed zero or a fraction that the data never held."""
    frame = loan_frame()
    seen = []

    def predict(rows):
        seen.append(rows)
        return rows["age"] / 100

    masked(frame, predict).explain(frame.iloc[:5])
    shown = pd.concat(seen)
    for column in frame:
        assert set(shown[column]) <= set(frame[column])
        assert shown[column].dtype == frame[column].dtype


def test_values_are_shown_at_their_frequency():
    frame = loan_frame(2000)
    seen = []

    def predict(rows):
        seen.append(rows)
        return rows["age"] / 100

    sampling = Sampling(rows=8192, max_rows=8192, law="bernoulli")
    row = frame.iloc[[0]].assign(existing_credits=9)
    masked(frame, predict, sampling=sampling).explain(row)
    shown = seen[-1]["existing_credits"]
    drawn = shown[shown != 9].value_counts(normalize=True)
    known = frame["existing_credits"].value_counts(normalize=True)
    assert np.abs(drawn - known).max() < 0.02


def test_string_categories_and_missing_values_need_no_encoding():
    frame = frame_of("str", "category", "float with missing")
    outcomes = masked(frame, codes_sum, sampling=FEW).explain(frame.iloc[:4])
    assert all(isinstance(outcome, Explanation) for outcome in outcomes)


def test_a_column_transformer_reads_the_rows():
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = loan_frame()
    numbers = [c for c in frame if c != "purpose"]
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["purpose"]), (StandardScaler(), numbers)),
        LogisticRegression(),
    ).fit(frame, frame["amount"] > 3000)
    (found,) = masked(frame, model.predict_proba, mode="classification").explain(frame.iloc[[0]])
    assert found.names == tuple(frame.columns)


@pytest.mark.parametrize("kind", ["frame", "series", "list", "column", "nullable"])
def test_predictions_may_come_in_any_container(kind):
    frame = normal_frame()

    def predict(rows):
        values = pd.Series(linear(rows), index=rows.index)
        return {
            "frame": values.to_frame("prediction"),
            "series": values,
            "list": values.tolist(),
            "column": values.to_numpy()[:, None],
            "nullable": values.astype("Float64"),
        }[kind]

    (found,) = masked(frame, predict).explain(frame.iloc[[0]])
    (usual,) = masked(frame, linear).explain(frame.iloc[[0]])
    assert bits(found) == bits(usual)


# ---------------------------------------------------------------------------- equal rows


@given(
    columns=st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=3, unique=True),
    rows=st.lists(st.integers(0, 23), min_size=1, max_size=3),
)
@settings(deadline=None, max_examples=40)
def test_fingerprints_are_equal_exactly_where_rows_are(columns, rows):
    frame = frame_of(*columns)
    domain = MaskedTable(Background.from_frame(frame))
    draws = [(s, block_of(s, 40, i)) for i, s in enumerate(domain.subjects(frame.iloc[rows]))]
    found = domain.fingerprints(draws)
    shown = domain.perturb(draws)
    texts = [repr(tuple(map(str, row))) for row in shown.itertuples(index=False)]
    if found is not None:
        assert len(set(zip(found.tolist(), texts, strict=True))) == len(set(texts))
        assert len(set(found.tolist())) == len(set(texts))


@pytest.mark.parametrize("values", [["a", "b"], [2**53, 2**53 + 1], [0.1, 0.2]])
def test_each_distinct_row_is_predicted_once_and_nothing_changes(values):
    frame = pd.DataFrame({"a": values * 10, "b": [1, 2, 3, 4] * 5})
    seen = []

    def predict(rows):
        seen.append(rows.copy())
        return codes_sum(rows)

    rows = frame.iloc[:4]
    explainer = masked(frame, predict, sampling=FEW)
    found = explainer.explain(rows)
    for shown in seen[1:]:
        assert not shown.duplicated().any()
    assert explainer.predictor.counter.rows < 4 * 128
    assert sum(e.rows_predicted for e in found) + 4 == explainer.predictor.counter.rows
    every = masked(frame, predict, sampling=FEW, pooling=Pooling(deduplicate=False)).explain(rows)
    assert [bits(e) for e in found] == [bits(e) for e in every]
    assert [e.rows_predicted for e in every] == [128] * 4


# ------------------------------------------------------------------------------- copula


def related_frame(n_rows=400):
    rng = np.random.default_rng(0)
    x = rng.normal(size=n_rows)
    return pd.DataFrame(
        {"x": x, "twin": x + 0.05 * rng.normal(size=n_rows), "other": rng.normal(size=n_rows)}
    )


def test_copula_rows_keep_related_columns_together():
    frame = related_frame()
    domain = MaskedTable(Background.from_frame(frame), sampling="copula")
    (subject,) = domain.subjects(frame.iloc[[0]])
    shown = domain.perturb([(subject, block_of(subject, 2000))])
    assert np.corrcoef(shown["x"], shown["twin"])[0, 1] > 0.95
    assert np.abs(shown["x"] - shown["twin"]).max() < 1


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("known", [True, False])
def test_copula_draws_serve_every_kind_of_column(name, known):
    frame = frame_of(name)
    background = frame if known else frame.iloc[8:]
    domain = MaskedTable(Background.from_frame(background), sampling="copula")
    outcomes = Explainer(domain, codes_sum, "regression", sampling=FEW).explain(frame.iloc[:5])
    assert all(isinstance(outcome, Explanation) for outcome in outcomes)


def test_own_scores_are_those_of_the_middle_of_a_value_and_zero_where_unknown():
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": ["u", "v", "w"]})
    table = MaskedTable(Background.from_frame(frame)).table
    rows = table.read(pd.DataFrame({"a": [2.0, 99.0, np.nan], "b": ["u", "z", "v"]}))
    scores = np.array([own_scores(table, row) for row in rows])
    assert scores[0, 0] == pytest.approx(0, abs=0.01)
    assert scores[0, 1] == pytest.approx(-0.967, abs=0.01)
    assert scores[1, 0] > 0.4
    assert scores[1, 1] == 0
    assert scores[2, 0] == 0
    assert np.abs(scores).max() <= NORMAL_SCORES.max()


def test_copula_sampling_needs_correlations():
    frame = normal_frame(20, 401)
    with pytest.raises(DataError, match="this one has 401"):
        MaskedTable(Background.from_frame(frame), sampling="copula")


def test_an_unknown_sampling_is_refused():
    with pytest.raises(DataError, match="Did you mean 'copula'"):
        MaskedTable(Background.from_frame(normal_frame()), sampling="coppula")
