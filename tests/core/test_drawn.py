"""A few designs serve all instances: views of blocks, what is remembered, and how errors go."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mlflow_lime import TabularExplainer, TextExplainer
from mlflow_lime.core import drawn as drawn_module
from mlflow_lime.core.blocks import LEVELS, MaskBlock, joined
from mlflow_lime.core.drawn import N_DESIGNS, Drawn, DrawnBlock, Remembered
from mlflow_lime.core.moments import Rows
from mlflow_lime.core.options import Sampling
from mlflow_lime.core.seeds import instance_order

ONCE = Sampling(rows=512, max_rows=512)


def block_of(seed, n_rows=20, n_parts=5, n_draws=5):
    rng = np.random.default_rng(seed)
    masks = rng.integers(0, 2, (n_rows, n_parts), dtype=np.uint8)
    levels = rng.integers(0, LEVELS, (n_rows, n_draws), dtype=np.uint16)
    return MaskBlock(masks, levels, rng.random(n_rows))


def alike(first, second):
    names = ("masks", "levels", "weights")
    return all(np.array_equal(getattr(first, n), getattr(second, n)) for n in names)


@given(st.integers(0, 1000), st.integers(0, 19), st.integers(1, 20), st.sampled_from([0, 5]))
@settings(deadline=None, max_examples=40)
def test_views_show_the_rows_and_parts_that_were_asked_for(seed, start, n_rows, n_draws):
    block, rng = block_of(seed, n_draws=n_draws), np.random.default_rng(seed)
    stop, order, again = min(20, start + n_rows), rng.permutation(5), rng.permutation(5)
    levels = block.levels[start:stop]
    expected = MaskBlock(
        block.masks[start:stop][:, order],
        levels[:, order] if n_draws else levels,
        block.weights[start:stop],
    )
    view = block.reordered(order).part(start, stop)
    assert alike(view, expected)
    assert alike(block.part(start, stop).reordered(order), expected)
    assert view.masks.flags.c_contiguous
    assert alike(view.reordered(again), block.part(start, stop).reordered(order[again]))
    assert alike(view.part(0, 1), block.part(start, start + 1).reordered(order))
    assert block.reordered(None) is block
    assert alike(joined([block.part(0, 7), block.part(7, 20)]), block)


@given(st.integers(0, 1000), st.booleans())
@settings(deadline=None, max_examples=30)
def test_values_are_looked_up_by_part_and_level(seed, reordered):
    block, rng = block_of(seed), np.random.default_rng(seed)
    block = block.reordered(rng.permutation(5) if reordered else None).part(3, 17)
    values = rng.normal(size=(5, LEVELS + 1))
    found = np.empty((14, 5))
    block.look_up(values, found, np.empty((2, values.size)))
    for j in range(5):
        absent = values[j, block.levels[:, j]]
        assert np.array_equal(found[:, j], np.where(block.masks[:, j] == 1, values[j, -1], absent))


def test_every_order_is_as_likely_as_any_other():
    orders = [instance_order(3, f"{i:032x}", 4) for i in range(2400)]
    assert all(sorted(order) == [0, 1, 2, 3] for order in orders)
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 1e-4
    another = [instance_order(4, f"{i:032x}", 4) for i in range(2400)]
    same = np.mean([np.array_equal(a, b) for a, b in zip(orders, another, strict=True)])
    assert 0.01 < same < 0.1


def rows_of(n_rows):
    block = block_of(0, n_rows=n_rows)
    return [DrawnBlock(0, block, Rows(block.masks, np.ones(n_rows), kept=True))]


def test_the_designs_that_were_used_last_are_remembered(monkeypatch):
    designs = Remembered()
    for key in "abc":
        designs.get(key, lambda: Drawn(lambda _: rows_of(1000), shared=True)).round(0)
    size = designs.designs["a"].nbytes
    assert size > 1000 * 6 * 8
    monkeypatch.setattr(drawn_module, "REMEMBERED_BYTES", 2 * size)
    first = designs.get("a", lambda: pytest.fail("it is remembered"))
    designs.forget()
    assert list(designs.designs) == ["c", "a"]
    assert designs.get("a", lambda: pytest.fail("it is remembered")) is first


def test_covariates_of_several_rounds_add_up_and_are_made_once():
    calls = []

    def draw(number):
        calls.append(number)
        block = block_of(number, n_rows=50)
        return [DrawnBlock(0, block, Rows(block.masks, block.weights, kept=True))]

    design = Drawn(draw, shared=True)
    both = design.covariates(2)
    one, two = (Rows(block_of(k, 50).masks, block_of(k, 50).weights) for k in (0, 1))
    assert np.allclose(both.gram, (one.covariates() + two.covariates()).gram)
    assert design.covariates(2) is both
    assert sorted(calls) == [0, 1]


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(rng.normal(size=(300, 6)), columns=list("abcdef"))

    def predict(rows):
        x = rows.to_numpy()
        return np.tanh(x[:, 0] * x[:, 1] + x[:, 2] + 0.5 * x[:, 3] * x[:, 4] - x[:, 5])

    return frame, predict


def explained(table, n, **options):
    frame, predict = table
    sampling = Sampling(rows=256, max_rows=256, **options)
    explainer = TabularExplainer(frame, predict, mode="regression", sampling=sampling)
    return explainer, explainer.explain(frame.iloc[:n])


def test_instances_take_few_designs_and_the_recipe_says_so(table):
    explainer, found = explained(table, 40)
    assert len(explainer.neighbourhood.remembered.designs) == N_DESIGNS
    assert {item.recipe["designs"] for item in found} == {N_DESIGNS}
    exact = TextExplainer(lambda texts: np.array([[0.1, 0.9]] * len(texts)))
    (item,) = exact.explain(["few words here"])
    assert item.exact
    assert item.recipe["designs"] is None


def test_instances_of_the_same_design_have_their_parts_at_other_places(table):
    explainer, _ = explained(table, 1)
    around = explainer.neighbourhood
    subjects = explainer.domain.subjects(table[0].iloc[:40])
    for subject in subjects:
        (_, block), drawn = next(around.blocks(subject, 0)), around.drawn(subject).round(0)[0]
        order = around.order(subject)
        assert np.array_equal(block.masks, drawn.block.masks[:, order])
        assert np.array_equal(block.levels, drawn.block.levels[:, order])
    assert len({tuple(around.order(subject)) for subject in subjects}) > 30


def test_designs_that_are_remembered_hold_no_instance(table):
    explainer, _ = explained(table, 40)
    for design in explainer.neighbourhood.remembered.designs.values():
        subject, _ = design.draw.args
        assert subject.content is None
        assert (subject.parts, subject.shown, subject.n_active) == ((), (), 6)


def test_errors_of_instances_that_share_a_design_hardly_go_together(table, monkeypatch):
    """The mean over instances is about as precise as with designs of their own."""
    monkeypatch.setattr("mlflow_lime.core.neighbourhood.N_DESIGNS", 1)
    weights = []
    for seed in range(40):
        weights.append([item.labels[0].weights for item in explained(table, 30, seed=seed)[1]])
    weights = np.array(weights)
    one, mean = weights.var(axis=0, ddof=1).mean(), weights.mean(axis=1).var(axis=0, ddof=1).mean()
    assert mean < 4 * one / 30  # of equal errors it would be as large as one
