"""Pools: blocks of many instances in calls of bounded size."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_lime.core.masks import mask_block
from mlflow_lime.core.options import Pooling
from mlflow_lime.core.pool import SIZES, BlockSize, Pool, predict_draws
from mlflow_lime.core.predict import Predictor
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.core.tabular.masked import MaskedTable
from mlflow_lime.errors import ModelError
from tests.tables import linear, normal_frame

FRAME = normal_frame()
DOMAIN = MaskedTable(Background.from_frame(FRAME))


def draws_of(*sizes):
    subjects = DOMAIN.subjects(FRAME.iloc[: len(sizes)])
    return [
        (
            subject,
            mask_block(
                "iid",
                law="bernoulli",
                n_parts=5,
                n_draws=5,
                n_rows=size,
                seed=np.random.SeedSequence(size),
            ),
        )
        for subject, size in zip(subjects, sizes, strict=True)
    ]


@given(sizes=st.lists(st.integers(1, 60), min_size=1, max_size=6), limit=st.integers(1, 80))
@settings(deadline=None, max_examples=40)
def test_calls_stay_within_the_limit_and_answers_come_in_order(sizes, limit):
    calls = []

    def predict(frame):
        calls.append(len(frame))
        return linear(frame)

    pool = Pool(Predictor(predict, "regression"), Pooling(block_rows=limit))
    draws = draws_of(*sizes)
    answers = predict_draws(pool, DOMAIN, draws)
    assert max(calls) <= limit
    assert sum(calls) == sum(sizes)
    assert max(calls) - min(calls) <= len(calls)  # even calls
    for answer, draw in zip(answers, draws, strict=True):
        assert np.allclose(answer.scores[:, 0], linear(DOMAIN.perturb([draw])), atol=1e-8)
        assert answer.n_predicted == len(draw[1].weights)


def test_a_budget_of_bytes_bounds_the_rows_of_a_call():
    (subject,) = DOMAIN.subjects(FRAME.iloc[[0]])
    size = DOMAIN.row_bytes(subject)
    pool = Pool(Predictor(linear, "regression"), Pooling(block_bytes=10 * size))
    assert pool.target(size) == 10
    assert pool.target(10**9) == 1


def test_only_the_blocks_that_the_model_refuses_are_lost():
    def predict(frame):
        if len(frame) == 13 or len(frame) > 40:
            raise ValueError("unlucky")
        return linear(frame)

    pool = Pool(Predictor(predict, "regression"), Pooling(block_rows=1000))
    found = predict_draws(pool, DOMAIN, draws_of(20, 13, 30))
    assert [isinstance(item, ModelError) for item in found] == [False, True, False]


def asked_of(size, seconds, n, *, most=10**6):
    """Return the rows of the first calls, each of which takes as long as it is told."""
    asked = []
    for _ in range(n):
        asked.append(size.rows(most))
        size.record(asked[-1], asked[-1], seconds(asked[-1]))
    return asked


def test_sizes_are_tried_before_the_fastest_is_kept():
    size = BlockSize(None)
    size.record(4096, 4096, 100.0)  # warms up
    pace = dict(zip(SIZES, (2.0, 1.0, 4.0), strict=True))
    asked = asked_of(size, lambda rows: pace.get(rows, 3.0) * rows, 10)
    assert asked[:6] == np.repeat(SIZES, 2).tolist()
    assert asked[6:8] == [SIZES[1] // 2] * 2, "calls of more rows would take too long"
    assert asked[8:] == [SIZES[1]] * 2
    assert size.rows(SIZES[1] - 1) < SIZES[1]


def test_sizes_grow_while_that_pays():
    size = BlockSize(None, (32, 8, 128), warm=True)
    asked = asked_of(size, lambda rows: 1e-3 + 1e-6 * rows + 1e-9 * rows**2, 24)
    assert asked[:6] == [32, 32, 8, 8, 128, 128]
    assert max(asked) == 2048
    assert asked[-6:] == [1024] * 6, "the fastest of all powers of two"
    assert size.rows(300) == 256


def test_sizes_between_those_tried_first_are_tried_too():
    size = BlockSize(None, (32, 8, 128), warm=True)
    asked = asked_of(size, lambda rows: (1.0 + abs(np.log2(rows) - 4.0)) * rows * 1e-6, 20)
    assert asked[-1] == 16


def test_sizes_do_not_grow_into_calls_of_many_seconds():
    size = BlockSize(None, (32, 8, 128), warm=True)
    asked = asked_of(size, lambda rows: 1.0 + 0.001 * rows, 10)
    assert asked == [32, 32, 8, 8, 128, 128, 64, 64, 128, 128]


def test_one_slow_call_does_not_rule_a_size_out():
    size = BlockSize(None, (32, 8), warm=True)
    for n_rows, seconds in ((32, 900.0), (32, 1.0), (8, 4.0), (8, 4.0)):
        assert size.rows(40) == n_rows
        size.record(n_rows, n_rows, seconds)
    assert min(size.pace, key=size.pace.get) == 32


def test_calls_of_few_rows_say_nothing_of_a_size():
    size = BlockSize(None, (32, 8), warm=True)
    size.record(32, 15, 1e-9)
    size.record(32, 16, 1.0)
    assert size.pace == {32: 1.0 / 16}


def test_a_configured_size_is_kept():
    size = BlockSize(77)
    size.record(77, 77, 1.0)
    assert size.rows(10**6) == 77
    assert size.rows(50) == 50


def test_sizes_that_there_is_no_room_for_are_never_tried():
    size = BlockSize(None, (32, 8, 128), warm=True)
    asked = asked_of(size, lambda rows: 1e-3 * rows, 8, most=21)
    assert asked == [8, 8, 16, 16, 4, 4, 8, 8]
    assert size.rows(3) == 3
