"""Which rows are drawn: round by round twice as many, from the seed and the instance alone."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mlflow_lime.core.neighbourhood import Neighbourhood
from mlflow_lime.core.options import Sampling
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.core.tabular.bins import BinnedTable
from mlflow_lime.core.tabular.masked import MaskedTable
from mlflow_lime.core.tabular.standardised import StandardisedTable
from tests.tables import loan_frame, normal_frame

DOMAINS = [MaskedTable, BinnedTable, StandardisedTable]


def around(frame, row=0, *, make=MaskedTable, background=None, **sampling):
    """Return the neighbourhood of one row, and the row as a subject."""
    domain = make(Background.from_frame(frame if background is None else background))
    return Neighbourhood(domain, Sampling(**sampling)), domain.subjects(frame.iloc[[row]])[0]


def drawn(neighbourhood, subject, round_=0):
    return [
        (number, block.masks.tolist(), block.levels.tolist(), block.weights.tolist())
        for number, block in neighbourhood.blocks(subject, round_)
    ]


@pytest.mark.parametrize("make", DOMAINS)
def test_each_round_doubles_the_rows(make):
    neighbourhood, subject = around(loan_frame(), make=make, rows=128, max_rows=1024)
    rows = [neighbourhood.round_rows(subject, round_) for round_ in range(4)]
    assert rows == [128, 128, 256, 512]
    for round_, expected in enumerate(rows):
        blocks = list(neighbourhood.blocks(subject, round_))
        assert [number for number, _ in blocks] == [0, 1, 2, 3]
        assert [len(block.masks) for _, block in blocks] == [expected // 4] * 4
        assert [len(block.levels) for _, block in blocks] == [expected // 4] * 4
        assert [len(block.weights) for _, block in blocks] == [expected // 4] * 4


@pytest.mark.parametrize("max_rows", [128, 255, 256, 257, 1000, 1024, 5000])
def test_the_last_round_is_the_last_that_max_rows_allows(max_rows):
    neighbourhood, subject = around(normal_frame(), rows=128, max_rows=max_rows)
    last = neighbourhood.last_round(subject)
    total = sum(neighbourhood.round_rows(subject, round_) for round_ in range(last + 1))
    assert total <= max_rows
    assert total + neighbourhood.round_rows(subject, last + 1) > max_rows


def test_without_max_rows_there_are_four_times_the_first_rows():
    neighbourhood, subject = around(normal_frame(), rows=64)
    assert neighbourhood.last_round(subject) == 2
    assert sum(neighbourhood.round_rows(subject, round_) for round_ in range(3)) == 4 * 64


def test_max_rows_bounds_the_default_rows_of_the_first_round():
    neighbourhood, subject = around(normal_frame(), max_rows=64)
    assert neighbourhood.first_rows(subject) == 64
    assert neighbourhood.last_round(subject) == 0


@pytest.mark.parametrize("make", [MaskedTable, StandardisedTable])
def test_blocks_are_a_function_of_the_seed_and_the_digest_alone(make):
    neighbourhood, subject = around(loan_frame(), make=make, rows=64)
    renamed = replace(subject, key="other", parts=subject.names, content=None, notes=("a note",))
    other_digest = replace(subject, digest=subject.digest[::-1])
    other_seed, _ = around(loan_frame(), make=make, rows=64, seed=1)
    for round_ in (1, 0):
        first = drawn(neighbourhood, subject, round_)
        drawn(neighbourhood, other_digest, round_)
        assert drawn(neighbourhood, subject, round_) == first
        assert drawn(neighbourhood, renamed, round_) == first
        assert drawn(neighbourhood, other_digest, round_) != first
        assert drawn(other_seed, subject, round_) != first


def test_instances_of_a_shared_domain_have_the_same_blocks():
    frame = loan_frame()
    neighbourhood, subject = around(frame, make=BinnedTable, rows=64)
    _, other = around(frame, 1, make=BinnedTable)
    assert subject.digest != other.digest
    assert drawn(neighbourhood, subject) == drawn(neighbourhood, other)
    other_seed, _ = around(frame, make=BinnedTable, rows=64, seed=1)
    assert drawn(other_seed, subject) != drawn(neighbourhood, subject)


def test_every_mask_stands_once_where_nothing_else_is_random():
    frame = normal_frame(n_columns=4)
    neighbourhood, subject = around(frame, 1, background=frame.iloc[:1])
    assert neighbourhood.is_exact(subject)
    assert neighbourhood.last_round(subject) == 0
    ((number, block),) = neighbourhood.blocks(subject, 0)
    assert number == 0
    assert len(np.unique(block.masks, axis=0)) == len(block.masks) == 2**4
    assert block.levels.shape == (16, 0)
    assert block.weights.mean() == pytest.approx(1.0)


def test_enumerated_masks_with_random_background_values_are_not_exact():
    neighbourhood, subject = around(normal_frame(), design="exact", rows=512, max_rows=512)
    assert neighbourhood.design(subject) == "exact"
    assert not neighbourhood.is_exact(subject)
    assert len(list(neighbourhood.blocks(subject, 0))) == 4


@pytest.mark.parametrize("make", DOMAINS)
def test_the_recipe_is_plain_json_and_names_every_choice(make):
    neighbourhood, subject = around(loan_frame(), make=make, rows=128, precision=0.1)
    recipe = neighbourhood.recipe(subject)
    assert json.loads(json.dumps(recipe)) == recipe
    assert recipe["design"] == neighbourhood.design(subject)
    assert (recipe["rows"], recipe["replicates"], recipe["precision"]) == (128, 4, 0.1)
    assert (recipe["law"] == "background") == (not neighbourhood.domain.masked)
