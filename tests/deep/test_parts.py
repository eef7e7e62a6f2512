"""Attributions reach the parts that they belong to, and baselines are what they are called."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mlflow_lime.deep.baselines import baselines_of
from mlflow_lime.deep.parts import aligned, summed, token_parts
from mlflow_lime.errors import DataError


@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**16))
def test_nothing_is_lost_in_sums(channels, height, width, seed):
    random = np.random.default_rng(seed)
    owners = random.integers(-1, 4, (height, width))
    values = random.normal(size=(channels, height, width))
    sums, rest = summed(values, np.broadcast_to(owners, values.shape), 4)
    assert sums.sum() + rest == pytest.approx(values.sum())
    for part in range(4):
        assert sums[part] == pytest.approx(values[:, owners == part].sum())


def test_channels_are_found_on_either_side():
    owners = np.arange(6).reshape(2, 3)
    last = np.repeat(owners[..., None], 3, axis=2)
    first = np.repeat(owners[None], 3, axis=0)
    assert np.array_equal(aligned(last, (3, 2, 3)), first)
    assert np.array_equal(aligned(first, (2, 3, 3)), last)
    assert np.array_equal(aligned(owners, (1, 2, 3)), owners[None])
    assert np.array_equal(aligned(owners, (6,)), owners.ravel())
    assert np.array_equal(aligned(owners.T, (2, 3)), owners)


def test_a_larger_image_takes_the_nearest_parts():
    owners = np.array([[0, 1], [2, 3]])
    assert np.array_equal(aligned(owners, (1, 4, 4))[0], np.kron(owners, np.ones((2, 2), int)))


@pytest.mark.parametrize(
    ("shape", "wanted"), [((5,), (4,)), ((4, 4, 4, 4), (2, 2)), ((7, 3), (5,))]
)
def test_shapes_that_do_not_belong_together_are_refused(shape, wanted):
    with pytest.raises(DataError, match="the network reads instances of shape"):
        aligned(np.zeros(shape, dtype=int), wanted)


def test_a_token_belongs_to_the_word_of_most_of_its_characters():
    words = np.array([0, 0, 0, -1, 1, 1, -1, 2])
    spans = [(0, 3), (3, 6), (2, 5), (6, 7), (7, 99)]
    assert token_parts(words, spans, 7).tolist() == [0, 1, 0, -1, 2, -1, -1]
    assert token_parts(words, spans, 2).tolist() == [0, 1]


def test_baselines_are_what_they_are_called():
    values = torch.rand(3, 1, 8, 8)
    background = torch.rand(10, 1, 8, 8)
    (zero,) = baselines_of("zero", values)
    (mean,) = baselines_of("mean", values, background=background)
    (blurred,) = baselines_of("blurred", values)
    several = baselines_of("samples", values, background=background, samples=4)
    assert not zero.any()
    torch.testing.assert_close(mean[1], background.mean(dim=0))
    assert blurred.var() < 0.2 * values.var()
    assert len(several) == 4
    torch.testing.assert_close(several[0][2], background[0])
    torch.testing.assert_close(several[-1][2], background[-1])


def test_series_are_blurred_along_time_alone():
    values = torch.zeros(1, 60, 3)
    values[0, 30, 1] = 1.0
    (found,) = baselines_of("blurred", values)
    assert found[0, :, [0, 2]].abs().max() == 0
    assert found[0, 25:35, 1].min() > 0


@pytest.mark.parametrize("kind", ["mean", "absent", "samples"])
def test_a_baseline_without_rows_says_so(kind):
    with pytest.raises(DataError, match=f"deep.baseline is {kind}, for which there are no rows"):
        baselines_of(kind, torch.rand(2, 3))
