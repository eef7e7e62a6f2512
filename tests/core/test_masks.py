"""Masks: the laws, the evenness, and the reproducibility of every design."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_lime.core.arrays import orthogonal_runs
from mlflow_lime.core.blocks import LEVELS
from mlflow_lime.core.masks import (
    DESIGNS,
    LAWS,
    choose_design,
    count_weights,
    enumerate_masks,
    mask_block,
)
from mlflow_lime.errors import DataError

POINT_DESIGNS = ("sobol", "stratified", "paired", "iid")


def block(design="sobol", *, law="uniform_count", n_parts=5, n_draws=None, n_rows=64, seed=0, **kw):
    n_draws = n_parts if n_draws is None else n_draws
    return mask_block(
        design,
        law=law,
        n_parts=n_parts,
        n_draws=n_draws,
        n_rows=n_rows,
        seed=np.random.SeedSequence(seed),
        **kw,
    )


def same(a, b):
    return np.array_equal(a.masks, b.masks) and np.array_equal(a.levels, b.levels)


def pooled(design, n_seeds=40, **kw):
    blocks = [block(design, seed=seed, **kw) for seed in range(n_seeds)]
    return np.vstack([b.masks for b in blocks]), np.vstack([b.levels for b in blocks])


# ------------------------------------------------------------------------------ all designs


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("design", POINT_DESIGNS)
def test_every_number_of_parts_works(design, law):
    for n_parts in range(1, 71):
        for n_draws in (0, n_parts):
            drawn = block(design, law=law, n_parts=n_parts, n_draws=n_draws, n_rows=37)
            assert drawn.masks.shape == (37, n_parts)
            assert drawn.levels.shape == (37, n_draws)
            assert drawn.masks.max() <= 1


@given(
    design=st.sampled_from(POINT_DESIGNS),
    law=st.sampled_from(LAWS),
    n_parts=st.integers(0, 40),
    n_draws=st.integers(0, 40),
    n_rows=st.integers(1, 200),
    replicate=st.integers(0, 5),
    round_=st.integers(0, 3),
)
@settings(deadline=None, max_examples=60)
def test_a_block_is_a_function_of_its_arguments(
    design, law, n_parts, n_draws, n_rows, replicate, round_
):
    if n_parts + n_draws == 0:
        return
    sizes = {"law": law, "n_parts": n_parts, "n_draws": n_draws, "n_rows": n_rows}
    first = block(design, replicate=replicate, round_=round_, **sizes)
    block("iid", seed=3)
    again = block(design, replicate=replicate, round_=round_, **sizes)
    assert same(first, again)
    assert first.masks.dtype == np.uint8
    assert first.levels.dtype == np.uint16
    assert first.levels.max(initial=0) < LEVELS
    assert np.array_equal(first.weights, np.ones(n_rows))


@pytest.mark.parametrize("design", POINT_DESIGNS)
def test_the_seed_sequence_is_not_changed_and_its_spawn_key_counts(design):
    seed = np.random.SeedSequence(5)
    sizes = {"law": "bernoulli", "n_parts": 8, "n_draws": 8, "n_rows": 32}
    first = mask_block(design, seed=seed, **sizes)
    assert seed.n_children_spawned == 0
    child = np.random.SeedSequence(5, spawn_key=(1,))
    assert not same(first, mask_block(design, seed=child, **sizes))


@pytest.mark.parametrize("design", [*POINT_DESIGNS, "orthogonal", "linear"])
def test_seeds_replicates_and_rounds_differ(design):
    law = "bernoulli"
    sizes = {"law": law, "n_parts": 8, "n_rows": orthogonal_runs(8)}
    drawn = [
        block(design, seed=s, replicate=r, round_=k, **sizes)
        for s in (0, 1)
        for r in (0, 1)
        for k in (0, 1)
    ]
    assert not any(same(a, b) for a, b in combinations(drawn, 2))


# ------------------------------------------------------------------------------------- laws


@pytest.mark.parametrize("design", POINT_DESIGNS)
def test_uniform_count_makes_every_number_of_kept_parts_equally_likely(design):
    masks, _ = pooled(design, n_parts=9, n_rows=500)
    share = np.bincount(masks.sum(axis=1, dtype=int), minlength=10) / len(masks)
    assert np.abs(share - 0.1).max() < 0.012


@pytest.mark.parametrize("design", POINT_DESIGNS)
@pytest.mark.parametrize("width", [0.05, 0.45, 30.0])
def test_a_width_tilts_the_counts_as_their_weights_say(design, width):
    masks, _ = pooled(design, n_parts=6, n_rows=500, width=width)
    share = np.bincount(masks.sum(axis=1, dtype=int), minlength=7) / len(masks)
    ways = np.array([1, 6, 15, 20, 15, 6, 1])
    assert np.abs(share - count_weights("uniform_count", 6, width) * ways / 64).max() < 0.012


@pytest.mark.parametrize("design", [*POINT_DESIGNS, "orthogonal", "linear"])
def test_bernoulli_keeps_each_part_with_probability_one_half(design):
    masks, _ = pooled(design, law="bernoulli", n_parts=6, n_rows=500)
    assert np.abs(masks.mean(axis=0) - 0.5).max() < 0.02
    assert np.abs(np.corrcoef(masks.T) - np.eye(6)).max() < 0.03


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("design", POINT_DESIGNS)
def test_parts_are_exchangeable(design, law):
    masks, _ = pooled(design, law=law, n_parts=6, n_rows=500)
    covariance = np.cov(masks.T)[np.triu_indices(6, 1)]
    assert np.abs(covariance - (1 / 12 if law == "uniform_count" else 0.0)).max() < 0.01


@pytest.mark.parametrize("width", [None, 0.3])
@pytest.mark.parametrize("design", POINT_DESIGNS)
def test_levels_are_uniform_whether_or_not_the_part_is_kept(design, width):
    masks, levels = pooled(design, n_parts=4, n_rows=1000, width=width)
    for state in (0, 1):
        drawn = levels[masks == state]
        share = np.bincount(drawn // 64, minlength=16) / len(drawn)
        assert np.abs(share - 1 / 16).max() < 0.006
        assert len(np.unique(drawn)) == LEVELS


@pytest.mark.parametrize("design", [*POINT_DESIGNS, "orthogonal", "linear"])
def test_levels_are_uniform_under_bernoulli(design):
    masks, levels = pooled(design, law="bernoulli", n_parts=4, n_rows=1024)
    for state in (0, 1):
        share = np.bincount(levels[masks == state] // 64, minlength=16) / (masks == state).sum()
        assert np.abs(share - 1 / 16).max() < 0.006


def test_levels_do_not_depend_on_the_other_parts():
    masks, levels = pooled("sobol", n_parts=4, n_rows=1000, n_seeds=100)
    absent = masks[:, 0] == 0
    related = np.corrcoef(np.column_stack([masks[absent, 1:], levels[absent]]).T)
    assert np.abs(related[:3, 3:4]).max() < 0.02


# ---------------------------------------------------------------------- evenness by design


def test_pairs_are_complements_with_opposite_levels():
    drawn = block("paired", n_parts=7, n_rows=33, law="bernoulli")
    assert np.array_equal(drawn.masks[0:32:2], 1 - drawn.masks[1:32:2])
    assert (drawn.levels[0:32:2] + drawn.levels[1:32:2] == LEVELS - 1).all()


def test_pairs_are_complements_under_uniform_count():
    drawn = block("paired", n_parts=7, n_rows=32)
    assert np.array_equal(drawn.masks[::2], 1 - drawn.masks[1::2])


def weights_of(masks, scores):
    columns = np.column_stack([np.ones(len(masks)), masks])
    return np.linalg.lstsq(columns, scores, rcond=None)[0][1:]


@given(n_parts=st.integers(1, 80), half=st.integers(1, 150), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_interactions_of_two_parts_do_not_leak_from_linear_codes(n_parts, half, seed):
    sizes = {"law": "bernoulli", "n_parts": n_parts, "n_draws": 0, "n_rows": 2 * half}
    masks = block("linear", seed=seed, **sizes).masks
    signs = 2.0 * masks - 1.0
    rng = np.random.default_rng(seed)
    pairs = signs * signs[:, rng.permutation(n_parts)] @ rng.normal(size=n_parts)
    # Each code on its own; where the two are the same part the product is constant.
    pieces = [2**k for k in range(9, 0, -1) if 2 * half >> k & 1]
    ends = np.cumsum([0, *pieces])
    leaked = [signs[i:j].T @ (pairs[i:j] - pairs[i:j].mean()) for i, j in pairwise(ends)]
    assert np.abs(leaked).max() < 1e-9 * half * n_parts


def test_parts_share_a_column_of_a_folded_code_as_seldom_as_can_be():
    for n_parts in (45, 100):
        masks = block("linear", law="bernoulli", n_parts=n_parts, n_draws=0, n_rows=64).masks
        words = np.where(masks[0] == 1, 1 - masks, masks).T
        _, shared = np.unique(words, axis=0, return_counts=True)
        assert shared.sum() == n_parts
        assert len(shared) == 32
        assert np.ptp(shared) <= 1
        assert np.array_equal(np.unique(masks, axis=0), np.unique(1 - masks, axis=0))


def test_rows_that_are_no_power_of_two_are_made_of_several_codes():
    masks, _ = pooled("linear", law="bernoulli", n_parts=17, n_draws=0, n_rows=100)
    assert masks.shape == (4000, 17)
    assert np.abs(masks.mean(axis=0) - 0.5).max() < 0.02
    sizes = {"law": "bernoulli", "n_parts": 8, "n_draws": 0, "n_rows": 1}
    assert len({block("linear", seed=s, **sizes).masks.tobytes() for s in range(20)}) > 10


def test_linear_codes_beat_plain_sampling_on_scores_with_interactions():
    rng = np.random.default_rng(0)
    effects, pairs = rng.normal(size=30), rng.normal(size=(30, 30)) / 6

    def spread(design, n_rows):
        fits = []
        for seed in range(30):
            sizes = {"law": "bernoulli", "n_parts": 30, "n_draws": 0, "n_rows": n_rows}
            drawn = [block(design, seed=seed, replicate=r, **sizes).masks for r in range(4)]
            masks = np.concatenate(drawn).astype(float)
            centred = masks - 0.5
            inside = masks @ effects + np.einsum("ij,jk,ik->i", centred, pairs, centred)
            fits.append(weights_of(masks, np.tanh(inside / 8)))
        return np.var(fits, axis=0).sum()

    for n_rows in (64, 256):
        assert spread("linear", n_rows) < 0.2 * spread("iid", n_rows)


def test_stratified_rows_cover_all_counts_evenly():
    counts = [block("stratified", n_parts=400, n_rows=20, seed=s).masks.sum(axis=1) for s in (1, 2)]
    for count in counts:
        assert np.abs(np.sort(count) / 400 - (np.arange(20) + 0.5) / 20).max() < 0.15


def test_a_round_of_sobol_continues_the_sequence():
    whole = block("sobol", n_rows=64, n_parts=6)
    halves = [block("sobol", n_rows=32, n_parts=6, round_=k) for k in (0, 1)]
    assert np.array_equal(whole.masks, np.vstack([half.masks for half in halves]))
    assert np.array_equal(whole.levels, np.vstack([half.levels for half in halves]))


def test_rounds_of_growing_size_continue_the_sequence_from_their_start():
    whole = block("sobol", n_rows=64, n_parts=6)
    parts = [(16, 0), (16, 16), (32, 32)]
    rounds = [
        block("sobol", n_rows=rows, n_parts=6, round_=k, start=start)
        for k, (rows, start) in enumerate(parts)
    ]
    assert np.array_equal(whole.masks, np.vstack([drawn.masks for drawn in rounds]))


def test_sobol_blocks_are_balanced_and_in_another_part_order_for_each_replicate():
    drawn = [block("sobol", law="bernoulli", n_parts=6, replicate=r).masks for r in range(4)]
    assert all((masks.mean(axis=0) == 0.5).all() for masks in drawn)


def test_sobol_levels_alone_fill_every_stratum_once():
    levels = block("sobol", n_parts=0, n_draws=5, n_rows=64).levels
    assert (np.sort(levels // 16, axis=0) == np.arange(64)[:, None]).all()


def test_sobol_estimates_an_additive_model_better_than_iid():
    effect = np.arange(1.0, 9.0)

    def spread(design):
        fits = []
        for seed in range(40):
            drawn = block(design, n_parts=8, n_rows=256, seed=seed)
            noise = ((1 - drawn.masks) * (drawn.levels / LEVELS - 0.5)) @ effect
            columns = np.column_stack([np.ones(256), drawn.masks])
            fits.append(np.linalg.lstsq(columns, noise, rcond=None)[0][1:])
        return np.var(fits, axis=0).sum()

    assert spread("sobol") < 0.7 * spread("iid")


# -------------------------------------------------------------------------------- exactness


def test_enumeration_has_every_mask_once():
    for n_parts in range(11):
        masks = enumerate_masks(n_parts)
        assert masks.shape == (1 << n_parts, n_parts)
        assert len(np.unique(masks, axis=0)) == 1 << n_parts


@given(
    n_parts=st.integers(1, 12),
    law=st.sampled_from(LAWS),
    width=st.sampled_from([None, 0.02, 0.45, 5.0]),
)
@settings(deadline=None)
def test_exact_weights_are_the_law(n_parts, law, width):
    width = width if law == "uniform_count" else None
    drawn = block("exact", law=law, n_parts=n_parts, n_draws=0, n_rows=1 << n_parts, width=width)
    assert drawn.weights.mean() == pytest.approx(1.0)
    kept = drawn.masks.sum(axis=1, dtype=int)
    counts = np.bincount(kept, weights=drawn.weights) / len(drawn.weights)
    if law == "uniform_count" and width is None:
        assert counts == pytest.approx(np.full(n_parts + 1, 1 / (n_parts + 1)))


def test_exact_rows_can_repeat_with_other_levels():
    drawn = block("exact", n_parts=3, n_rows=32)
    assert np.array_equal(drawn.masks, np.tile(enumerate_masks(3), (4, 1)))
    assert drawn.levels.shape == (32, 3)


# -------------------------------------------------------------------------- choice, errors


@pytest.mark.parametrize(
    ("law", "n_parts", "n_draws", "n_rows", "expected"),
    [
        ("bernoulli", 8, 0, 64, "exact"),
        ("uniform_count", 10, 0, 256, "exact"),
        ("bernoulli", 15, 0, 256, "orthogonal"),
        ("bernoulli", 16, 0, 64, "linear"),
        ("bernoulli", 40, 0, 256, "linear"),
        ("uniform_count", 40, 0, 256, "sobol"),
        ("uniform_count", 30, 30, 256, "sobol"),
        ("bernoulli", 5, 5, 64, "sobol"),
        ("uniform_count", 200, 200, 256, "stratified"),
        ("uniform_count", 600, 0, 256, "stratified"),
        ("bernoulli", 5000, 0, 256, "iid"),
    ],
)
def test_auto_chooses_by_law_and_size(law, n_parts, n_draws, n_rows, expected):
    design = choose_design(law, n_parts=n_parts, n_draws=n_draws, n_rows=n_rows)
    assert design == expected
    assert design in DESIGNS


@pytest.mark.parametrize(
    ("design", "change", "match"),
    [
        ("sobbol", {}, "Did you mean 'sobol'"),
        ("iid", {"law": "uniform"}, "law of the masks must be one of"),
        ("orthogonal", {}, "serve law 'bernoulli' only; for 'uniform_count' use one of"),
        ("orthogonal", {"law": "bernoulli", "n_parts": 15}, "needs at least 256 rows"),
        ("orthogonal", {"law": "bernoulli", "n_parts": 2000}, "at most 1023 parts, got 2000"),
        ("linear", {}, "linear codes serve law 'bernoulli' only; for 'uniform_count' use one of"),
        ("exact", {"n_parts": 21}, "at most 20 parts, got 21"),
        ("exact", {"n_parts": 5, "n_rows": 40}, "multiple of 32 rows for 5 parts"),
        ("iid", {"n_parts": 0, "n_draws": 0}, "needs parts or draws"),
        ("iid", {"n_rows": 0}, "n_rows=0"),
        ("iid", {"width": -1.0}, "width must be a positive number"),
        ("iid", {"law": "bernoulli", "width": 1.0}, "needs law 'uniform_count'"),
        ("sobol", {"n_parts": 30000}, "at most 21201 dimensions"),
    ],
)
def test_what_cannot_be_drawn_is_named(design, change, match):
    with pytest.raises(DataError, match=match):
        block(design, **change)


@pytest.mark.parametrize(
    ("n_parts", "n_rows"),
    [(12, 64), (32, 64), (33, 64), (64, 64), (65, 64), (90, 64), (130, 256), (400, 300)],
)
def test_weights_are_determined_without_any_one_replicate(n_parts, n_rows):
    design = choose_design("bernoulli", n_parts=n_parts, n_draws=0, n_rows=n_rows)
    blocks = [
        mask_block(
            design,
            law="bernoulli",
            n_parts=n_parts,
            n_draws=0,
            n_rows=n_rows,
            seed=np.random.SeedSequence(3),
            replicate=replicate,
        ).masks
        for replicate in range(3)
    ]
    rows = np.vstack(blocks).astype(float)
    assert np.linalg.matrix_rank(np.column_stack([np.ones(len(rows)), rows])) == n_parts + 1
