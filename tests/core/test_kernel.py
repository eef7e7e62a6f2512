"""Kernels: how much a row counts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import pairwise_distances

from mlflow_lime.core.kernel import Kernel, effective_share
from mlflow_lime.errors import DataError


def reference_kernel(distances, width):
    return np.sqrt(np.exp(-(distances**2) / width**2))


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@given(seed=st.integers(0, 10**6), n_parts=st.integers(1, 40), width=st.floats(0.1, 30))
@settings(deadline=None, max_examples=40)
def test_weights_of_masks_are_those_of_the_reference(distance, seed, n_parts, width):
    masks = np.random.default_rng(seed).integers(0, 2, (30, n_parts), dtype=np.uint8)
    found = Kernel(width, distance).weights(masks, np.ones(n_parts))
    distances = pairwise_distances(masks, np.ones((1, n_parts)), metric=distance).ravel()
    assert np.allclose(found, reference_kernel(distances, width), atol=1e-12)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@given(seed=st.integers(0, 10**6), n_parts=st.integers(1, 20))
@settings(deadline=None, max_examples=40)
def test_weights_of_continuous_features_are_those_of_the_reference(distance, seed, n_parts):
    rng = np.random.default_rng(seed)
    features, origin = rng.normal(size=(30, n_parts)), rng.normal(size=n_parts)
    found = Kernel(0.7, distance).weights(features, origin)
    distances = pairwise_distances(features, origin[None], metric=distance).ravel()
    assert np.allclose(found, reference_kernel(distances, 0.7), atol=1e-12)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_the_instance_itself_has_weight_one_and_weights_fall_with_absent_parts(distance):
    masks = np.tril(np.ones((6, 6), dtype=np.uint8))[::-1]
    weights = Kernel(0.5, distance).weights(masks, np.ones(6))
    assert weights[0] == 1
    assert (np.diff(weights) < 0).all()


def test_without_width_and_function_all_rows_count_alike():
    kernel = Kernel()
    assert kernel.uniform
    assert (kernel.weights(np.zeros((4, 2), dtype=np.uint8), np.ones(2)) == 1).all()


def test_a_function_takes_distances():
    kernel = Kernel(distance="euclidean", function=lambda d: 1 / (1 + d))
    assert not kernel.uniform
    masks = np.array([[1, 1], [0, 1], [0, 0]], dtype=np.uint8)
    assert np.allclose(kernel.weights(masks, np.ones(2)), [1, 1 / 2, 1 / (1 + np.sqrt(2))])


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda d: d - 10, "negative or not finite"),
        (lambda d: d * np.nan, "negative or not finite"),
        (lambda d: d[:1], "weights of shape"),
    ],
)
def test_bad_weights_of_a_function_are_refused(function, message):
    with pytest.raises(DataError, match=message):
        Kernel(function=function).weights(np.eye(3, dtype=np.uint8), np.ones(3))


def test_an_unknown_distance_is_refused():
    with pytest.raises(DataError, match="Did you mean 'cosine'"):
        Kernel(distance="cosin")


@pytest.mark.parametrize("width", [0, -1.0, float("nan")])
def test_a_width_that_is_not_positive_is_refused(width):
    with pytest.raises(DataError, match="width must be a positive number"):
        Kernel(width=width)


@given(weights=st.lists(st.floats(0, 10), min_size=1, max_size=50), scale=st.floats(0.1, 10))
def test_the_effective_share_lies_between_one_row_and_all_and_has_no_scale(weights, scale):
    weights = np.array(weights)
    share = effective_share(weights)
    if weights.sum() > 1e-100:
        assert 1 / len(weights) - 1e-9 <= share <= 1 + 1e-9
        assert effective_share(weights * scale) == pytest.approx(share)


def test_no_weight_at_all_is_no_sample():
    assert effective_share(np.zeros(3)) == 0
