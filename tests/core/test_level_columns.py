"""Level columns take out the noise of background values, and nothing else."""

import numpy as np
import pytest

from mlflow_lime.core.blocks import LEVELS
from mlflow_lime.core.level_columns import choose_order, level_columns
from mlflow_lime.core.masks import mask_block
from mlflow_lime.errors import DataError


def block(n_parts, n_rows=64):
    return mask_block(
        "sobol",
        law="uniform_count",
        n_parts=n_parts,
        n_draws=n_parts,
        n_rows=n_rows,
        seed=np.random.SeedSequence(0),
    )


def test_level_columns_have_mean_zero_over_the_levels_and_are_orthonormal():
    levels = np.arange(LEVELS, dtype=np.uint16)[:, None]
    columns = level_columns(np.zeros((LEVELS, 1), np.uint8), levels, order=3)
    assert (columns.sum(axis=0) == 0).all()
    assert columns.T @ columns / LEVELS == pytest.approx(np.eye(3), abs=1e-4)


def test_level_columns_vanish_where_the_part_is_kept():
    drawn = block(n_parts=4)
    columns = level_columns(drawn.masks, drawn.levels, order=2)
    assert (columns[np.repeat(drawn.masks, 2, axis=1) == 1] == 0).all()


def test_single_precision_adds_up_level_columns_and_their_products_with_masks_without_error():
    drawn = block(n_parts=4, n_rows=4096)
    columns = level_columns(drawn.masks, drawn.levels, order=3)
    both = np.hstack([np.ones((4096, 1)), drawn.masks]).astype(np.float32)
    exact = both.astype(np.float64).T @ columns.astype(np.float64)
    assert (both.T @ columns == exact).all()


def test_level_columns_of_grouped_draws_follow_their_owner():
    masks, levels = np.array([[0, 1]], np.uint8), np.array([[5, 6, 7]], np.uint16)
    columns = level_columns(masks, levels, order=1, owners=np.array([0, 0, 1]))
    assert (columns != 0).tolist() == [[True, True, False]]
    assert level_columns(masks, levels[:, :2], order=0).shape == (1, 0)


def test_level_columns_are_left_out_where_rows_are_few_or_nothing_is_drawn():
    assert choose_order(n_parts=30, n_draws=0, n_rows=10_000) == 0
    orders = [choose_order(n_parts=200, n_draws=200, n_rows=n) for n in (512, 1024, 4096)]
    assert orders == [0, 1, 2]


def test_level_columns_say_what_they_need():
    drawn = block(n_parts=4)
    with pytest.raises(DataError, match="0 to 3, got 4"):
        level_columns(drawn.masks, drawn.levels, order=4)
    with pytest.raises(DataError, match="3 levels of 4 parts need their owners"):
        level_columns(drawn.masks, drawn.levels[:, :3])
