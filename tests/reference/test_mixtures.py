"""Several pickers together: counts, shared seats, and what fills up; laws, and real models."""

from itertools import islice

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlflow_lime.reference.material import Material, Wish
from mlflow_lime.reference.pick import PICKERS, pick_instances
from mlflow_lime.reference.reasons import heaviest_reasons
from mlflow_lime.reference.submodular import importances, submodular
from tests.reference.given import Given, Model, binary, explained

OF_MODELS = [name for name in PICKERS if name not in ("ids", "rows", "query")]


def world(seed, n=40):
    """Return data and everything that a model may say about it."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": random.normal(size=n), "label": random.choice(["no", "yes"], n)})
    return frame, Given(
        answers=binary(random.random(n).round(1)),
        baseline=binary(random.random(n).round(1)),
        places=random.normal(size=(n, 2)).round(1),
        explained=explained(
            random.normal(size=(n, 6)) * (random.random((n, 6)) < 0.4), random.random(n)
        ),
    )


def test_an_instance_that_several_choose_keeps_all_reasons_and_the_next_takes_the_seat():
    frame = pd.DataFrame({"x": range(6), "label": ["no"] * 6})
    replies = Given(answers=binary([0.1, 0.51, 0.55, 0.9, 0.44, 0.3]))
    picked = pick_instances(
        frame,
        {"confident_errors": 2, "boundary": 2},
        wish=Wish(target="label"),
        replies=replies,
    )
    assert picked.positions == (3, 2, 1, 4)
    assert picked.reasons == (
        "wrong label with probability 0.90",
        "wrong label with probability 0.55; near the boundary: margin 0.1",
        "near the boundary: margin 0.02",
        "near the boundary: margin 0.12",
    )
    assert picked.notes == ()


def test_what_a_picker_lacks_is_filled_up_with_typical_ones_and_noted():
    frame = pd.DataFrame({"x": range(30), "label": ["no"] * 29 + ["yes"]})
    picked = pick_instances(
        frame, "errors", count=4, wish=Wish(target="label"), replies=Given(binary([0.1] * 30))
    )
    assert len(picked.positions) == 4
    assert picked.reasons[0] == "wrong label"
    assert set(picked.reasons[1:]) == {"typical share of class no, in place of errors"}
    (note,) = picked.notes
    assert note == (
        "pick: errors found 1 of 4 instances in 30 rows; the rest is filled up with typical ones"
    )


def test_a_target_that_cannot_be_stratified_does_not_keep_seats_empty():
    n = 60
    frame = pd.DataFrame({"x": range(n), "label": [f"name {i}" for i in range(n)]})
    same = Given(binary([0.3] * n), binary([0.3] * n))
    picked = pick_instances(frame, "disagreement", count=3, wish=Wish(target="label"), replies=same)
    assert set(picked.reasons) == {"chosen at random, in place of disagreement"}


def test_named_instances_go_with_picked_ones():
    frame, replies = world(0)
    wish = Wish(ids=[7, 3], query="x > 0", target="label")
    picked = pick_instances(frame, {"ids": 2, "query": 3, "rare": 2}, wish=wish, replies=replies)
    assert picked.positions[:2] == (7, 3)
    assert len(picked.positions) == 7
    assert picked.notes == ()


def test_a_query_that_few_rows_fit_is_not_filled_up():
    frame, replies = world(0)
    picked = pick_instances(
        frame, {"query": 9}, wish=Wish(query=f"x >= {frame['x'].max()}"), replies=replies
    )
    assert len(picked.positions) == 1


def test_only_the_pool_is_looked_at_and_that_is_noted():
    frame, replies = world(1, n=400)
    wish = Wish(target="label", pool=50)
    picked = pick_instances(frame, "boundary", count=10, wish=wish, replies=replies)
    assert replies.asked == [50]
    assert "boundary looked at 50 of 400 rows; raise reference.pool" in picked.notes[0]
    kinds = frame["label"].value_counts(normalize=True)
    other = pick_instances(frame, "random", count=10, wish=wish, replies=replies)
    assert other.notes == ()
    assert kinds.min() > 0.3


def test_notes_of_the_model_are_passed_on():
    frame, replies = world(1)
    replies.notes.append("3 of 40 rows are left out")
    picked = pick_instances(frame, "boundary", wish=Wish(), replies=replies)
    assert picked.notes == ("3 of 40 rows are left out",)


MIXTURES = st.dictionaries(st.sampled_from(OF_MODELS), st.integers(1, 12), min_size=1, max_size=4)


@given(st.integers(0, 10**6), MIXTURES, st.integers(2, 60))
@settings(max_examples=120, deadline=None)
def test_as_many_as_asked_or_all_each_once_with_reasons_and_the_same_again(seed, counts, pool):
    frame, replies = world(seed)
    wish = Wish(target="label", seed=seed, pool=pool)
    picked = pick_instances(frame, counts, wish=wish, replies=replies)
    assert len(picked.positions) == len(picked.reasons) == min(sum(counts.values()), len(frame))
    assert len(set(picked.positions)) == len(picked.positions)
    assert set(picked.positions) <= set(range(len(frame)))
    assert all(reason and reason.strip("; ") == reason for reason in picked.reasons)
    assert pick_instances(frame, counts, wish=wish, replies=replies) == picked


@given(st.integers(0, 10**6), st.sampled_from(OF_MODELS), st.integers(1, 10))
@settings(max_examples=60, deadline=None)
def test_an_index_of_any_kind_changes_nothing(seed, pick, count):
    frame, replies = world(seed)
    wish = Wish(target="label", seed=seed)
    expected = pick_instances(frame, pick, count=count, wish=wish, replies=replies)
    frame.index = [0] * len(frame)
    assert pick_instances(frame, pick, count=count, wish=wish, replies=replies) == expected


# Real models, really explained

SETS = {
    "breast cancer": (load_breast_cancer, RandomForestClassifier),
    "wine": (load_wine, RandomForestClassifier),
    "diabetes": (load_diabetes, RandomForestRegressor),
}


@pytest.fixture(scope="module", params=SETS)
def real(request):
    """A model of 30 trees that saw half of the rows, and another one as its baseline."""
    load, kind = SETS[request.param]
    frame, target = load(return_X_y=True, as_frame=True)
    half = np.random.default_rng(0).permutation(len(frame))[: len(frame) // 2]
    models = [
        kind(30, random_state=seed).fit(frame.iloc[half], target.iloc[half]) for seed in (0, 1)
    ]
    return frame.assign(target=target), Model(models[0], frame, models[1])


@pytest.mark.parametrize("pick", OF_MODELS)
def test_every_picker_works_on_real_data(real, pick):
    frame, replies = real
    if replies.mode == "regression" and pick in ("boundary", "confident_errors"):
        return
    wish = Wish(target="target", pool=150)
    picked = pick_instances(frame, pick, count=8, wish=wish, replies=replies)
    assert len(set(picked.positions)) == 8
    assert picked == pick_instances(frame, pick, count=8, wish=wish, replies=replies)
    rows = np.array(picked.positions)
    if pick == "errors" and replies.mode == "regression":
        off = np.abs(replies.scores(np.arange(len(frame)))[:, 0] - frame["target"].to_numpy())
        assert off[rows].mean() > 3 * off.mean()
    elif pick in ("errors", "confident_errors"):
        named = [reason.startswith("wrong label") for reason in picked.reasons]
        predicted = replies.scores(rows).argmax(axis=1)
        assert (predicted != frame["target"].to_numpy()[rows]).tolist() == named


def test_medoids_over_explanations_of_real_models(real):
    frame, replies = real
    wish = Wish(target="target", medoids_over="explanations")
    picked = pick_instances(frame, "medoids", count=6, wish=wish, replies=replies)
    sizes = [int(reason.split()[2]) for reason in picked.reasons]
    assert sum(sizes) == replies.most_explained
    assert sizes == sorted(sizes, reverse=True)


def test_submodular_beats_nine_of_ten_random_picks_of_real_explanations(real):
    frame, replies = real
    material = Material(frame, Wish(target="target"), replies)
    rows = material.small_pool
    weights = heaviest_reasons(replies.explanations(rows))

    def covered(chosen):
        return importances(weights)[(weights[chosen] > 0).any(axis=0)].sum()

    picked = [row for row, _ in islice(submodular(material, 3, frozenset()), 3)]
    assert len(set(picked)) == 3
    found = covered(np.searchsorted(rows, picked))
    random = np.random.default_rng(0)
    draws = [covered(random.choice(len(rows), 3, replace=False)) for _ in range(200)]
    # Greedy choice need not find the best three.
    assert found >= np.quantile(draws, 0.9)
    assert found >= (1 - 1 / np.e) * max(draws)


def test_the_boundary_of_a_linear_model_is_where_its_score_is_nearest_zero():
    frame, target = load_breast_cancer(return_X_y=True, as_frame=True)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, target)
    distance = np.abs(model.decision_function(frame))
    picked = pick_instances(frame, "boundary", count=10, replies=Model(model, frame))
    assert set(picked.positions) == set(np.argsort(distance)[:10].tolist())


def test_importance_is_the_papers():
    weights = np.array([[1.0, 0.0], [3.0, 4.0]])
    assert importances(weights).tolist() == [2.0, 2.0]
