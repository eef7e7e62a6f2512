"""Explaining instances: truth, reproducibility, rounds and budgets, failures."""

import pickle
import subprocess
import sys
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from mlflow_lime.core.explain import Explainer
from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.core.kernel import Kernel
from mlflow_lime.core.options import Budget, Fitting, Pooling, Sampling
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.core.tabular.bins import BinnedTable
from mlflow_lime.core.tabular.masked import MaskedTable
from mlflow_lime.core.tabular.standardised import StandardisedTable
from mlflow_lime.errors import DataError, ModelError, ModelOutputError
from tests.tables import bits, linear, loan_frame, masked, normal_frame, two_classes

FRAME = normal_frame()


class MaskModel:
    """A model that is linear in whether each column holds the instance's own value."""

    def __init__(self, own, effects, base=0.25):
        self.own, self.effects, self.base = own, np.asarray(effects), base

    def __call__(self, frame):
        kept = np.column_stack([(frame[c] == v).to_numpy(dtype=float) for c, v in self.own.items()])
        return self.base + kept @ self.effects


class Refuses:
    """A model that raises on rows whose first value is above a limit."""

    def __init__(self, limit, message="too large"):
        self.limit, self.message = limit, message

    def __call__(self, frame):
        if (frame.iloc[:, 0] > self.limit).any():
            raise ValueError(self.message)
        return two_classes(frame)


# ------------------------------------------------------------------------------------ truth


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_model_linear_in_the_masks_of_numbers_is_recovered(scale):
    effects = np.array([1.0, -2.0, 0.5, 0.0, 3.0]) * scale
    row = FRAME.iloc[[3]] + 10.0  # values that the background does not have
    (found,) = masked(FRAME, MaskModel(row.iloc[0], effects)).explain(row)
    assert np.allclose(found["value"].weights, effects, rtol=0, atol=1e-8 * max(1, scale))
    assert found["value"].intercept == pytest.approx(0.25, abs=1e-8 * max(1, scale))
    assert found["value"].fidelity_r2 == pytest.approx(1.0, abs=1e-8)
    assert found["value"].local_gap < 1e-8 * max(1, scale)


def test_a_large_mean_costs_no_digits():
    effects = np.array([1.0, -2.0, 0.5, 0.0, 3.0])
    row = FRAME.iloc[[3]] + 10.0
    (found,) = masked(FRAME, MaskModel(row.iloc[0], effects, base=1024.0**2)).explain(row)
    assert np.allclose(found["value"].weights, effects, atol=1e-3)
    assert found["value"].fidelity_r2 > 1 - 1e-6


def test_a_model_linear_in_the_masks_of_mixed_types_is_recovered():
    frame = loan_frame()
    row = pd.DataFrame(
        {
            "existing_credits": [9],
            "people_liable": [9],
            "installment_rate": [9],
            "age": [99],
            "amount": [1.25],
            "purpose": ["boat"],
        }
    )
    effects = np.array([0.3, -0.1, 0.2, 0.05, -0.4, 0.15])
    (found,) = masked(frame, MaskModel(row.iloc[0], effects)).explain(row)
    assert np.allclose(found["value"].weights, effects, atol=1e-8)


def test_a_model_linear_in_the_masks_of_groups_is_recovered():
    rng = np.random.default_rng(0)
    odor = rng.integers(0, 4, 300)
    frame = pd.DataFrame({f"odor_{k}": (odor == k).astype(int) for k in range(4)})
    frame["size"] = rng.normal(size=300)
    frame["width"] = rng.normal(size=300)
    row = frame.iloc[[0]].assign(size=50.0, width=50.0)
    background = Background.from_frame(frame, groups={"shape": ["size", "width"]})
    assert [part.name for part in background.parts] == [f"odor_{k}" for k in range(4)] + ["shape"]

    def predict(rows):
        return 0.5 * (rows["size"] == 50.0) * (rows["width"] == 50.0)

    (found,) = Explainer(MaskedTable(background), predict, "regression").explain(row)
    assert np.allclose(found["value"].weights, [0, 0, 0, 0, 0.5], atol=1e-8)


def test_a_one_hot_block_is_one_part_and_only_its_own_rows_are_shown():
    rng = np.random.default_rng(0)
    odor = rng.integers(0, 4, 300)
    frame = pd.DataFrame({f"odor_{k}": (odor == k).astype(int) for k in range(4)})
    frame["size"] = rng.normal(size=300)
    seen = []

    def predict(rows):
        seen.append(rows)
        return rows["odor_2"] * 1.0

    (found,) = masked(frame, predict).explain(frame.iloc[[0]])
    assert found.names == ("odor", "size")
    assert (pd.concat(seen)[[f"odor_{k}" for k in range(4)]].sum(axis=1) == 1).all()


@pytest.mark.parametrize("bins", ["quartile", "decile"])
def test_a_model_linear_in_the_bins_is_recovered(bins):
    domain = BinnedTable(Background.from_frame(FRAME), bins=bins)
    (subject,) = domain.subjects(FRAME.iloc[[7]])
    effects = np.array([1.0, -2.0, 0.5, 0.0, 3.0])
    own = domain._own_bins(subject.content)

    def predict(rows):
        inside = [
            np.searchsorted(domain.edges[j], rows.iloc[:, j], side="left") == own[j]
            for j in range(5)
        ]
        return np.column_stack(inside) @ effects - 4.0

    (found,) = Explainer(domain, predict, "regression").explain(FRAME.iloc[[7]])
    assert np.allclose(found["value"].weights, effects, atol=1e-8)


@pytest.mark.parametrize("around", ["instance", "mean"])
def test_a_linear_model_has_its_standardised_slopes(around):
    frame = FRAME.assign(whole=np.arange(200) % 17)
    domain = StandardisedTable(Background.from_frame(frame), around=around)
    (found,) = Explainer(domain, linear, "regression").explain(frame.iloc[[5]])
    slopes = np.arange(1.0, 7.0) * frame.std(ddof=0).to_numpy()
    assert np.allclose(found["value"].weights, slopes, rtol=1e-8)
    assert found["value"].local_gap < 1e-7


def test_all_labels_are_explained_from_the_same_rows():
    def predict(frame):
        first = two_classes(frame)[:, 1] / 2
        second = two_classes(-frame)[:, 1] / 4
        return np.column_stack([first, second, 1 - first - second])

    explainer = masked(FRAME, predict, mode="classification", class_names=["a", "b", "c"])
    (found,) = explainer.explain(FRAME.iloc[[0]], labels="all")
    assert [item.label for item in found.labels] == ["a", "b", "c"]
    assert np.allclose(sum(item.weights for item in found.labels), 0, atol=1e-8)
    for label in "abc":
        (alone,) = explainer.explain(FRAME.iloc[[0]], labels=[label])
        assert np.array_equal(alone[label].weights, found[label].weights)
        assert alone[label].fidelity_r2 == found[label].fidelity_r2


def test_several_outputs_of_a_regression_are_explained():
    def predict(frame):
        return np.column_stack([linear(frame), -2 * linear(frame)])

    (found,) = masked(FRAME, predict).explain(FRAME.iloc[[0]])
    assert [item.label for item in found.labels] == ["value 0", "value 1"]
    assert np.allclose(found[1].weights, -2 * found[0].weights)


@pytest.mark.parametrize("constant", [0.0, 0.1, -1e9, 1 / 3])
def test_a_constant_regression_has_zero_weights_and_is_flat(constant):
    (found,) = masked(FRAME, lambda rows: np.full(len(rows), constant)).explain(FRAME.iloc[[0]])
    item = found["value"]
    assert item.flat
    assert found.converged
    assert (item.weights == 0).all()
    assert (item.low == 0).all()
    assert (item.high == 0).all()
    assert np.isnan(item.fidelity_r2)


@pytest.mark.parametrize("make", [MaskedTable, BinnedTable, StandardisedTable])
def test_a_constant_classifier_has_zero_weights_and_is_flat(make):
    domain = make(Background.from_frame(FRAME))
    explainer = Explainer(domain, lambda rows: np.full((len(rows), 3), 1 / 3))
    (found,) = explainer.explain(FRAME.iloc[[0]], labels="all")
    assert all(item.flat and (item.weights == 0).all() for item in found.labels)


def test_two_columns_that_matter_alike_have_weights_alike():
    (found,) = masked(FRAME, lambda f: f["x0"] * f["x1"] + f["x1"] * f["x0"]).explain(
        pd.DataFrame([[2.0] * 5], columns=FRAME.columns)
    )
    item = found["value"]
    spread = 3 * np.hypot(*item.std_errors[:2]) + 0.1
    assert abs(item.weights[0] - item.weights[1]) < spread


# An enumerated neighbourhood has the same rows in every order of the columns. Otherwise the
# order decides which random numbers a column gets, so only the intervals must agree.


def test_permuting_columns_permutes_the_weights_where_masks_are_enumerated():
    order = [3, 0, 4, 1, 2]
    names = FRAME.columns[order]

    def predict(frame):
        return np.tanh(frame["x0"] * frame["x1"] + frame["x2"]) + frame["x3"] * frame["x4"]

    (one,) = masked(FRAME.iloc[:1], predict).explain(FRAME.iloc[[9]])
    (two,) = masked(FRAME.iloc[:1][names], predict).explain(FRAME.iloc[[9]][names])
    assert one.exact
    assert np.allclose(one["value"].weights[order], two["value"].weights, rtol=0, atol=1e-12)


def test_permuting_columns_permutes_the_weights_within_their_intervals():
    order = [3, 0, 4, 1, 2]
    names = FRAME.columns[order]

    def predict(frame):
        return np.tanh(frame["x0"] * frame["x1"] + frame["x2"]) + frame["x3"] * frame["x4"]

    sampling = Sampling(rows=2**14, max_rows=2**14)
    (one,) = masked(FRAME, predict, sampling=sampling).explain(FRAME.iloc[[9]])
    (two,) = masked(FRAME[names], predict, sampling=sampling).explain(FRAME.iloc[[9]][names])
    gap = np.abs(one["value"].weights[order] - two["value"].weights)
    errors = np.hypot(one["value"].std_errors[order], two["value"].std_errors)
    assert (gap <= 8 * errors).all()
    assert gap.max() < 0.06


# -------------------------------------------------------------------------- reproducibility

MODELS = {
    "forest": lambda: RandomForestClassifier(20, random_state=0),
    "logistic regression": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "mlp": lambda: make_pipeline(
        StandardScaler(), MLPClassifier((16,), max_iter=60, random_state=0)
    ),
}


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    frame = normal_frame(120, 6, seed=1)
    labels = (frame["x0"] * frame["x1"] + frame["x2"] > 0).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return frame, MODELS[request.param]().fit(frame, labels).predict_proba


SMALL = Sampling(rows=256, max_rows=512)


@pytest.mark.parametrize("make", [MaskedTable, StandardisedTable, BinnedTable])
def test_an_instance_gets_the_same_bits_alone_in_a_batch_and_in_another_order(model, make):
    frame, predict = model
    explainer = Explainer(make(Background.from_frame(frame)), predict, sampling=SMALL)
    keys = [f"row {i}" for i in range(12)]
    batch = explainer.explain(frame.iloc[:12], keys=keys)
    backwards = explainer.explain(frame.iloc[:12][::-1], keys=keys[::-1])[::-1]
    alone = [explainer.explain(frame.iloc[[i]], keys=[keys[i]])[0] for i in range(12)]
    again = Explainer(make(Background.from_frame(frame)), predict, sampling=SMALL)
    again = again.explain(frame.iloc[:12], keys=keys)
    assert [bits(e) for e in batch] == [bits(e) for e in backwards]
    assert [bits(e) for e in batch] == [bits(e) for e in alone]
    assert [bits(e) for e in batch] == [bits(e) for e in again]


@pytest.mark.parametrize(
    "pooling",
    [
        Pooling(block_rows=1000),
        Pooling(block_rows=97),
        Pooling(block_bytes=10_000),
        Pooling(block_bytes=1, deduplicate=False),
    ],
    ids=str,
)
def test_the_size_of_a_call_changes_nothing(model, pooling):
    frame, predict = model
    sampling = Sampling(rows=64, max_rows=64)
    domain = MaskedTable(Background.from_frame(frame))
    usual = Explainer(domain, predict, sampling=sampling).explain(frame.iloc[:5])
    other = Explainer(domain, predict, sampling=sampling, pooling=pooling).explain(frame.iloc[:5])
    assert [bits(e) for e in usual] == [bits(e) for e in other]


SCRIPT = """
import sys
sys.path[:0] = {paths!r}
from tests.tables import bits, masked, normal_frame, two_classes
frame = normal_frame()
for item in masked(frame, two_classes, mode="classification").explain(frame.iloc[[4, 2]]):
    print(bits(item))
"""


def test_another_process_gives_the_same_bits():
    root = str(Path(__file__).parents[2])
    script = SCRIPT.format(paths=[root])
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    here = masked(FRAME, two_classes, mode="classification").explain(FRAME.iloc[[4, 2]])
    # The keys are positions.
    assert done.stdout.splitlines() == [bits(item) for item in here]


def test_an_explainer_can_be_pickled_and_gives_the_same_bits():
    explainer = masked(FRAME, two_classes, mode="classification")
    before = explainer.explain(FRAME.iloc[:2])
    after = pickle.loads(pickle.dumps(explainer)).explain(FRAME.iloc[:2])
    assert [bits(e) for e in before] == [bits(e) for e in after]


def test_another_seed_gives_other_rows():
    one, two = (
        masked(FRAME, two_classes, mode="classification", sampling=Sampling(seed=seed))
        for seed in (0, 1)
    )
    weights = [e.explain(FRAME.iloc[[0]])[0]["1"].weights for e in (one, two)]
    assert not np.array_equal(*weights)


def test_the_global_random_state_is_neither_used_nor_changed():
    np.random.seed(5)  # noqa: NPY002
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    masked(FRAME, linear).explain(FRAME.iloc[[0]])
    assert np.array_equal(state, np.random.get_state()[1])  # noqa: NPY002


# -------------------------------------------------------------------------- rounds and budget


def rough(frame):
    """Predict something that takes many rows to explain."""
    values = np.asarray(frame, dtype=float)
    return np.sin(7 * values[:, 0]) * np.sin(5 * values[:, 1]) + np.sin(9 * values.sum(axis=1))


def test_rounds_stop_when_the_weights_are_precise():
    sampling = Sampling(rows=64, max_rows=4096, precision=0.2)
    (found,) = masked(FRAME, linear, sampling=sampling).explain(FRAME.iloc[[0]])
    item = found["value"]
    assert found.converged
    assert found.rows < 4096
    half = (item.high - item.low).max() / 2
    assert half <= 0.2 * np.abs(item.weights).max()


def test_rounds_go_on_until_max_rows_where_the_weights_are_not_precise():
    sampling = Sampling(rows=64, max_rows=600, precision=0.001)
    (found,) = masked(FRAME, rough, sampling=sampling).explain(FRAME.iloc[[0]])
    assert not found.converged
    assert found.rows == 512


def test_later_rounds_extend_the_rows_of_the_first():
    seen = []

    def predict(frame):
        seen.append(frame.copy())
        return rough(frame)

    def rows(max_rows):
        seen.clear()
        sampling = Sampling(rows=128, max_rows=max_rows, precision=1e-9)
        masked(FRAME, predict, sampling=sampling).explain(FRAME.iloc[[0]])
        return {tuple(row) for row in pd.concat(seen).to_numpy()}

    once, twice, thrice = rows(128), rows(256), rows(512)
    assert once < twice < thrice
    assert len(thrice) > 300  # only rows that keep nearly all parts repeat


def test_an_explanation_after_three_rounds_is_that_of_all_rows_at_once():
    """The Sobol sequence goes on where it stopped, so no evenness is lost."""
    rounds = Sampling(rows=128, max_rows=512, precision=1e-9)
    (slow,) = masked(FRAME, rough, sampling=rounds).explain(FRAME.iloc[[0]])
    at_once = Sampling(rows=512, max_rows=512)
    (fast,) = masked(FRAME, rough, sampling=at_once).explain(FRAME.iloc[[0]])
    assert slow.rows == fast.rows == 512
    assert np.allclose(slow["value"].weights, fast["value"].weights, atol=0.02)


def test_max_rows_bounds_the_first_round_too():
    (found,) = masked(FRAME, rough, sampling=Sampling(max_rows=100)).explain(FRAME.iloc[[0]])
    assert found.rows == 100


def test_a_budget_of_rows_ends_further_rounds():
    sampling = Sampling(rows=64, max_rows=10**6, precision=1e-9)
    explainer = masked(FRAME, rough, sampling=sampling, budget=Budget(rows=1000))
    outcomes = explainer.explain(FRAME.iloc[:4])
    assert explainer.predictor.counter.rows <= 1000
    assert all(outcome.rows >= 64 for outcome in outcomes)
    assert not any(outcome.converged for outcome in outcomes)


def test_a_budget_is_that_of_one_job():
    sampling = Sampling(rows=64, max_rows=256, precision=1e-9)
    explainer = masked(FRAME, rough, sampling=sampling, budget=Budget(rows=500))
    first, second = (explainer.explain(FRAME.iloc[[0]]) for _ in range(2))
    assert bits(first[0]) == bits(second[0])


def test_a_budget_of_calls_ends_further_rounds():
    sampling = Sampling(rows=64, max_rows=10**6, precision=1e-9)
    explainer = masked(FRAME, rough, sampling=sampling, budget=Budget(calls=4))
    (found,) = explainer.explain(FRAME.iloc[[0]])
    assert explainer.predictor.counter.calls == 4
    assert found.rows == 256


def test_a_budget_of_seconds_ends_the_job_and_says_so(monkeypatch):
    clock = iter(range(10_000))
    monkeypatch.setattr("mlflow_lime.core.explain.time.monotonic", lambda: next(clock))
    sampling = Sampling(rows=64, max_rows=64)
    explainer = masked(
        FRAME, rough, sampling=sampling, budget=Budget(seconds=3), pooling=Pooling(block_rows=64)
    )
    outcomes = explainer.explain(FRAME.iloc[:6])
    kinds = [isinstance(outcome, Explanation) for outcome in outcomes]
    assert 0 < sum(kinds) < 6
    left = [outcome for outcome in outcomes if isinstance(outcome, FailedExplanation)]
    assert all(outcome.kind == "BudgetSpent" and "3 seconds" in outcome.reason for outcome in left)


def test_what_was_explained_when_the_time_ran_out_is_kept(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("mlflow_lime.core.explain.time.monotonic", lambda: now[0])

    def predict(frame):
        if len(frame) > 2:
            now[0] += 0.6
        return rough(frame)

    sampling = Sampling(rows=64, max_rows=10**6, precision=1e-9)
    explainer = masked(
        FRAME, predict, sampling=sampling, budget=Budget(seconds=1), pooling=Pooling(block_rows=128)
    )
    outcomes = explainer.explain(FRAME.iloc[:2])
    assert all(isinstance(outcome, Explanation) for outcome in outcomes)


def test_a_shared_pool_serves_all_instances_and_is_charged_once():
    domain = BinnedTable(Background.from_frame(FRAME))
    sampling = Sampling(rows=512, max_rows=512)
    explainer = Explainer(domain, rough, "regression", sampling=sampling)
    outcomes = explainer.explain(FRAME.iloc[:20])
    assert explainer.predictor.counter.rows == 512 + 20
    assert sum(outcome.rows_predicted for outcome in outcomes) == 512


def test_a_shared_pool_grows_until_all_are_precise():
    domain = BinnedTable(Background.from_frame(FRAME))
    sampling = Sampling(rows=128, max_rows=1024, precision=0.02)
    explainer = Explainer(domain, rough, "regression", sampling=sampling)
    outcomes = explainer.explain(FRAME.iloc[:5])
    assert max(outcome.rows for outcome in outcomes) == 1024


def test_a_model_that_fails_in_a_later_round_of_a_shared_pool_leaves_what_there_is():
    calls = []

    def predict(frame):
        calls.append(len(frame))
        if len(calls) > 6:
            raise ValueError("tired")
        return rough(frame)

    domain = BinnedTable(Background.from_frame(FRAME))
    sampling = Sampling(rows=128, max_rows=10**6, precision=1e-9)
    outcomes = Explainer(domain, predict, "regression", sampling=sampling).explain(FRAME.iloc[:5])
    assert [outcome.rows for outcome in outcomes] == [128] * 5


# ------------------------------------------------------------------------------- exactness


def test_with_a_background_of_one_row_the_masks_are_enumerated_and_the_result_is_exact():
    calls = []

    def predict(frame):
        calls.append(len(frame))
        return linear(frame)

    (found,) = masked(FRAME.iloc[:1], predict).explain(FRAME.iloc[[1]])
    item = found["value"]
    assert found.exact
    assert found.converged
    assert found.rows == 32
    assert (item.std_errors == 0).all()
    assert np.array_equal(item.low, item.high)
    effects = (FRAME.iloc[1] - FRAME.iloc[0]).to_numpy() * np.arange(1, 6)
    assert np.allclose(item.weights, effects, atol=1e-8)
    assert found.recipe["design"] == "exact"


def test_enumerated_masks_under_random_absence_are_sampled_and_not_called_exact():
    sampling = Sampling(design="exact", rows=4 * 32 * 4, max_rows=4 * 32 * 4)
    (found,) = masked(FRAME, linear, sampling=sampling).explain(FRAME.iloc[[1]])
    assert not found.exact
    assert (found["value"].std_errors > 0).all()


@pytest.mark.parametrize("design", ["orthogonal", "sobol", "stratified", "paired", "iid"])
def test_every_design_explains_a_table(design):
    sampling = Sampling(design=design, rows=1024, max_rows=1024)
    (found,) = masked(FRAME, linear, sampling=sampling).explain(FRAME.iloc[[1]])
    (exact,) = masked(FRAME, linear, sampling=Sampling(rows=2**15)).explain(FRAME.iloc[[1]])
    gap = np.abs(found["value"].weights - exact["value"].weights)
    assert (gap <= 10 * found["value"].std_errors + 0.02).all()


def test_a_design_that_cannot_serve_an_instance_is_recorded_with_the_cure():
    sampling = Sampling(design="orthogonal", rows=16, max_rows=16)
    (found,) = masked(normal_frame(50, 12), linear, sampling=sampling).explain(
        normal_frame(1, 12, seed=3)
    )
    assert isinstance(found, FailedExplanation)
    assert found.kind == "DataError"
    assert "needs at least" in found.reason


# --------------------------------------------------------------------------------- failures


def test_instances_that_the_model_refuses_are_recorded_and_the_others_go_on():
    rows = FRAME.iloc[:5].copy()
    rows.iloc[2, 0] = 1e6
    outcomes = masked(FRAME, Refuses(1e5), mode="classification").explain(rows, keys=list("abcde"))
    assert [isinstance(o, FailedExplanation) for o in outcomes] == [
        False,
        False,
        True,
        False,
        False,
    ]
    failure = outcomes[2]
    assert failure.key == "c"
    assert failure.kind == "ModelError"
    assert "the model raised ValueError: 'too large'" in failure.reason


def test_the_others_get_the_same_bits_as_without_the_refused_one():
    rows = FRAME.iloc[:5].copy()
    rows.iloc[2, 0] = 1e6
    explainer = masked(FRAME, Refuses(1e5), mode="classification")
    outcomes = explainer.explain(rows, keys=list("abcde"))
    without = explainer.explain(rows.drop(index=2), keys=list("abde"))
    assert [bits(o) for i, o in enumerate(outcomes) if i != 2] == [bits(o) for o in without]


def test_an_instance_whose_perturbed_rows_are_refused_is_recorded():
    class RefusesCompany:
        """Refuses a value unless the whole row is the instance's own."""

        def __call__(self, frame):
            odd = (frame["x0"] == 5.0) & (frame["x1"] != 5.0)
            if odd.any():
                raise ValueError("odd pair")
            return two_classes(frame)

    rows = FRAME.iloc[:3].copy()
    rows.iloc[1, :2] = 5.0
    outcomes = masked(FRAME, RefusesCompany(), mode="classification").explain(rows)
    assert [isinstance(o, FailedExplanation) for o in outcomes] == [False, True, False]


def test_a_model_that_fails_for_all_instances_raises():
    explainer = masked(FRAME, Refuses(-1e9), mode="classification")
    with pytest.raises(ModelError, match="the model raised ValueError: 'too large'"):
        explainer.explain(FRAME.iloc[:3])


def test_many_instances_are_not_lost_to_a_last_chunk_that_fails(monkeypatch):
    monkeypatch.setattr("mlflow_lime.core.explain.ORIGINALS", 2)
    rows = FRAME.iloc[:4].copy()
    rows.iloc[2:, 0] = 1e6
    outcomes = masked(FRAME, Refuses(1e5), mode="classification").explain(rows)
    assert [isinstance(o, FailedExplanation) for o in outcomes] == [False, False, True, True]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_missing_or_infinite_value_that_the_model_refuses_is_recorded(value):
    frame = FRAME.iloc[:100]
    labels = (frame["x0"] > 0).astype(int)
    predict = LogisticRegression().fit(frame, labels).predict_proba
    rows = frame.iloc[:3].copy()
    rows.iloc[1, 2] = value
    outcomes = masked(frame, predict, mode="classification").explain(rows)
    assert [isinstance(o, FailedExplanation) for o in outcomes] == [False, True, False]
    assert "the model raised ValueError" in outcomes[1].reason


@pytest.mark.parametrize(
    ("predict", "message"),
    [
        (lambda f: np.ones((len(f) + 1, 2)) / 2, "rows for"),
        (lambda f: np.full((len(f), 2), np.nan), "NaN or infinity"),
        (lambda f: (f["x0"] > 0).astype(int), "labels such as"),
        (lambda f: np.where(f["x0"] > 0, "good", "bad"), "labels such as 'good'|labels such as"),
        (lambda f: np.ones((len(f), 2, 2)), "array of shape"),
        (lambda f: None, "array of shape"),
        (lambda f: [[0.5, 0.5], [1.0]] * len(f), "different lengths"),
        (lambda f: f["x0"] * 100, "between 0 and 1"),
    ],
)
def test_scores_that_cannot_be_used_raise_for_all_instances(predict, message):
    with pytest.raises(ModelOutputError, match=message):
        masked(FRAME, predict, mode="classification").explain(FRAME.iloc[:2])


def test_scores_that_are_missing_for_one_instance_are_recorded():
    def predict(frame):
        scores = two_classes(frame)
        scores[np.asarray(frame["x0"] > 1e5)] = np.nan
        return scores

    rows = FRAME.iloc[:3].copy()
    rows.iloc[1, 0] = 1e6
    outcomes = masked(FRAME, predict, mode="classification").explain(rows)
    assert [isinstance(o, FailedExplanation) for o in outcomes] == [False, True, False]
    assert outcomes[1].kind == "ModelOutputError"


def test_one_column_of_probabilities_is_that_of_the_second_class():
    def one_column(frame):
        return two_classes(frame)[:, 1:]

    one, two = (
        masked(FRAME, predict, mode="classification").explain(FRAME.iloc[:2])
        for predict in (one_column, two_classes)
    )
    for a, b in zip(one, two, strict=True):
        assert a.class_names == ("0", "1")
        assert np.allclose(a["1"].weights, b["1"].weights, atol=1e-9)


def test_an_unknown_label_is_recorded_with_the_nearest_name():
    explainer = masked(FRAME, two_classes, mode="classification", class_names=["good", "bad"])
    (found,) = explainer.explain(FRAME.iloc[[0]], labels=["goood"])
    assert isinstance(found, FailedExplanation)
    assert "Did you mean 'good'?" in found.reason


def test_another_number_of_class_names_is_recorded_with_the_cure():
    explainer = masked(FRAME, two_classes, mode="classification", class_names=["a", "b", "c"])
    (found,) = explainer.explain(FRAME.iloc[[0]])
    assert "2 outputs, but 3 class names" in found.reason


def test_labels_may_be_given_for_each_instance():
    explainer = masked(FRAME, two_classes, mode="classification", class_names=["a", "b"])
    one, two, three = explainer.explain(FRAME.iloc[:3], labels=[["a"], "all", "predicted"])
    assert [[item.label for item in e.labels] for e in (one, two)] == [["a"], ["a", "b"]]
    assert three.labels[0].index == int(np.argmax(three.scores))


def test_labels_for_another_number_of_instances_are_refused():
    explainer = masked(FRAME, two_classes, mode="classification")
    with pytest.raises(DataError, match="labels are given for 2 instances, but there are 3"):
        explainer.explain(FRAME.iloc[:3], labels=[["0"], ["1"]])


def test_keys_for_another_number_of_instances_are_refused():
    with pytest.raises(DataError, match="2 keys are given for 3 instances"):
        masked(FRAME, linear).explain(FRAME.iloc[:3], keys=["a", "b"])


def test_an_unknown_mode_is_refused():
    with pytest.raises(DataError, match="Did you mean 'classification'"):
        masked(FRAME, two_classes, mode="clasification")


def test_an_instance_of_which_nothing_can_be_varied_is_recorded():
    frame = pd.DataFrame({"a": [1, 1], "b": ["x", "x"]})
    (found,) = masked(frame, lambda f: np.ones(len(f))).explain(frame.iloc[[0]])
    assert isinstance(found, FailedExplanation)
    assert "no part of this instance can be varied" in found.reason
    assert "'a' has the same value" in found.reason


def test_a_table_of_one_part_is_explained():
    frame = FRAME[["x0"]]
    (found,) = masked(frame, linear).explain(frame.iloc[[0]])
    expected = frame["x0"].iloc[0] - frame["x0"].mean()
    assert found["value"].weights[0] == pytest.approx(expected, abs=0.02)


def test_constant_columns_have_no_weight_and_a_note():
    frame = FRAME.assign(constant=5)
    (found,) = masked(frame, linear).explain(frame.iloc[[0]])
    assert found.as_dict()["constant"] == 0
    assert found.notes == ("not varied: 'constant' has the same value in all the background",)


def test_a_kernel_too_narrow_for_any_row_is_recorded_with_the_cure():
    sampling = Sampling(kernel=Kernel(width=1e-3, distance="euclidean"))
    frame = normal_frame(50, 30)
    (found,) = masked(frame, linear, sampling=sampling).explain(frame.iloc[[0]])
    assert isinstance(found, FailedExplanation)
    assert "make it wider" in found.reason


def test_a_kernel_function_that_gives_bad_weights_is_recorded():
    sampling = Sampling(kernel=Kernel(function=lambda d: d * np.nan))
    (found,) = masked(FRAME, linear, sampling=sampling).explain(FRAME.iloc[[0]])
    assert isinstance(found, FailedExplanation)
    assert "the kernel returned weights" in found.reason


def test_a_kernel_function_may_be_anything_that_weighs_distances():
    sampling = Sampling(kernel=Kernel(function=lambda d: 1.0 - d))
    effects = np.array([1.0, -2.0, 0.5, 0.0, 3.0])
    row = FRAME.iloc[[3]] + 10.0
    explainer = masked(FRAME, MaskModel(row.iloc[0], effects), sampling=sampling)
    (found,) = explainer.explain(row)
    assert np.allclose(found["value"].weights, effects, atol=1e-8)
    assert found.ess_share < 0.999


# ------------------------------------------------------------------------------ the stream


def test_closing_the_stream_leaves_what_it_gave():
    explainer = masked(FRAME, linear, pooling=Pooling(block_rows=1024))
    subjects = explainer.domain.subjects(FRAME.iloc[:5])
    stream = explainer.stream(subjects)
    first = next(stream)[1]
    stream.close()
    whole = {item.key: bits(item) for item in explainer.explain(FRAME.iloc[:5])}
    assert bits(first) == whole[first.key]


def test_an_interrupt_inside_the_model_leaves_what_was_given():
    calls = []

    def predict(frame):
        calls.append(len(frame))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return linear(frame)

    explainer = masked(
        FRAME, predict, sampling=Sampling(rows=512, max_rows=512), pooling=Pooling(block_rows=512)
    )
    given_so_far = []
    stream = explainer.stream(explainer.domain.subjects(FRAME.iloc[:5]))
    with pytest.raises(KeyboardInterrupt):
        given_so_far.extend(outcome for _, outcome in stream)
    whole = masked(FRAME, linear, sampling=Sampling(rows=512, max_rows=512)).explain(FRAME.iloc[:5])
    assert len(given_so_far) == 2
    assert {bits(item) for item in given_so_far} < {bits(item) for item in whole}


def test_a_progress_bar_counts_instances(capsys):
    masked(FRAME, linear).explain(FRAME.iloc[:3], progress=True)
    assert "3/3" in capsys.readouterr().err


def test_no_progress_bar_by_default(capsys):
    masked(FRAME, linear).explain(FRAME.iloc[:3])
    assert capsys.readouterr().err == ""


# ------------------------------------------------------------------------------- surrogates


def tree():
    return DecisionTreeRegressor(max_depth=3, random_state=0)


def test_any_regressor_can_be_the_surrogate():
    def predict(frame):
        return ((frame["x0"] == 10.0) & (frame["x1"] == 10.0)).astype(float)

    row = pd.DataFrame([[10.0] * 5], columns=FRAME.columns)
    explainer = masked(FRAME, predict, fitting=Fitting(regressor=tree))
    (found,) = explainer.explain(row)
    item = found["value"]
    assert np.allclose(item.weights, [1, 1, 0, 0, 0], atol=1e-9)
    assert item.surrogate_prediction == pytest.approx(1.0)
    assert item.fidelity_r2 == pytest.approx(1.0)
    assert found.recipe["regressor"] == "tree"


def test_a_linear_regressor_agrees_with_the_linear_surrogate():
    sampling = Sampling(rows=64, max_rows=64)  # too few rows to take out noise
    usual, other = (
        masked(FRAME, rough, fitting=fitting, sampling=sampling).explain(FRAME.iloc[:2])
        for fitting in (Fitting(), Fitting(regressor=LinearRegression))
    )
    for a, b in zip(usual, other, strict=True):
        assert a["value"].surrogate_prediction == pytest.approx(
            b["value"].surrogate_prediction, abs=0.5
        )


@pytest.mark.parametrize("select", ["highest_weights", "forward", "lasso_path"])
def test_selected_parts_are_those_that_matter(select):
    effects = np.array([1.0, 0.0, 0.5, 0.0, 0.0])
    row = FRAME.iloc[[3]] + 10.0
    explainer = masked(
        FRAME, MaskModel(row.iloc[0], effects), fitting=Fitting(select=select, parts=2)
    )
    (found,) = explainer.explain(row)
    assert np.allclose(found["value"].weights, effects, atol=1e-8)


def test_a_dominant_column_at_its_mean_is_not_dropped():
    frame = normal_frame(500, 12)
    row = frame.iloc[[0]].copy()
    row["x0"] = frame["x0"].mean()

    def predict(rows):
        z = 5 * rows["x0"] + 0.3 * rows.iloc[:, 1:].sum(axis=1)
        return 1 / (1 + np.exp(-z))

    domain = StandardisedTable(Background.from_frame(frame), around="mean")
    fitting = Fitting(select="highest_weights", parts=7)
    (found,) = Explainer(domain, predict, "regression", fitting=fitting).explain(row)
    assert found.as_list()[0][0].startswith("x0 = ")


def test_every_label_keeps_its_own_scores():
    explainer = masked(FRAME, two_classes, mode="classification", class_names=["no", "yes"])
    (found,) = explainer.explain(FRAME.iloc[[0]], labels="all")
    for item in found.labels:
        assert item.prediction == pytest.approx(found.scores[item.index])
        (alone,) = explainer.explain(FRAME.iloc[[0]], labels=[item.label])
        assert alone.labels[0].fidelity_r2 == item.fidelity_r2
        assert alone.labels[0].surrogate_prediction == item.surrogate_prediction


def test_class_names_are_those_of_the_explainer_that_explained():
    one = masked(FRAME, two_classes, mode="classification", class_names=["a", "b"])
    one.explain(FRAME.iloc[[0]])
    two = masked(FRAME, lambda f: np.ones((len(f), 3)) / 3, mode="classification")
    assert two.explain(FRAME.iloc[[0]])[0].class_names == ("0", "1", "2")
    assert one.explain(FRAME.iloc[[0]])[0].class_names == ("a", "b")


def test_the_likeliest_label_can_be_read_without_naming_it():
    explainer = masked(FRAME, lambda f: two_classes(-f), mode="classification")
    for found in explainer.explain(FRAME.iloc[:5], labels=1):
        assert len(found.as_list()) == 5
        assert found.labels[0].index == int(np.argmax(found.scores))


@given(effects=st.lists(st.floats(-5, 5), min_size=1, max_size=8), seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=25)
def test_any_linear_model_of_the_masks_is_recovered(effects, seed):
    frame = normal_frame(60, len(effects), seed=1)
    row = frame.iloc[[0]] + 100.0
    sampling = Sampling(seed=seed, rows=256)
    explainer = masked(frame, MaskModel(row.iloc[0], effects), sampling=sampling)
    (found,) = explainer.explain(row)
    assert np.allclose(found["value"].weights, effects, atol=1e-8)


@given(scale=st.floats(-10, 10).filter(lambda s: abs(s) > 1e-3), shift=st.floats(-10, 10))
@settings(deadline=None, max_examples=15)
def test_weights_follow_an_affine_change_of_the_output(scale, shift):
    sampling = Sampling(rows=256, max_rows=256)
    (one,) = masked(FRAME, rough, sampling=sampling).explain(FRAME.iloc[[0]])
    (two,) = masked(FRAME, lambda f: scale * rough(f) + shift, sampling=sampling).explain(
        FRAME.iloc[[0]]
    )
    assert np.allclose(two["value"].weights, scale * one["value"].weights, atol=1e-7)
    assert np.allclose(two["value"].std_errors, abs(scale) * one["value"].std_errors, atol=1e-7)


def test_a_permuted_output_has_no_held_out_fidelity():
    def predict(frame):
        values = np.asarray(frame) * 1e6
        return np.modf(np.abs(values).sum(axis=1))[0]

    frame = normal_frame(200, 20)
    (found,) = masked(frame, predict, sampling=Sampling(law="bernoulli")).explain(frame.iloc[[0]])
    assert abs(found["value"].fidelity_r2) < 0.1


def test_stability_and_intervals_shrink_with_rows():
    widths = []
    for rows in (64, 512, 4096):
        sampling = Sampling(rows=rows, max_rows=rows)
        (found,) = masked(FRAME, rough, sampling=sampling).explain(FRAME.iloc[[0]])
        widths.append(float(found["value"].std_errors.mean()))
    assert all(a > b for a, b in pairwise(widths))


def test_a_model_in_place_of_a_function_is_refused_at_once():
    with pytest.raises(DataError, match=r"predict must be a function.*model\.predict_proba"):
        masked(FRAME, object())
