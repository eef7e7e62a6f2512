"""Names that instances share: columns, words, and segments that look and lie alike."""

import numpy as np
import pytest

from mlflow_lime.core.contents import ImageContent
from mlflow_lime.explainers import ImageExplainer
from mlflow_lime.reference.reasons import HEAVIEST, heaviest_reasons, usual_reasons
from tests.reference.given import explained, reasoned


def test_only_the_heaviest_parts_count_with_their_absolute_weights():
    weights = np.array([[0.1, -0.9, 0.3, 0.2, 0.5, 0.4, -0.6, 0.0]])
    (row,) = heaviest_reasons(explained(weights))
    assert sorted(row[row > 0]) == [0.3, 0.4, 0.5, 0.6, 0.9]
    assert np.count_nonzero(row) == HEAVIEST


def test_parts_of_the_same_name_are_one_across_instances_and_within():
    one = reasoned([1.0, -2.0], ("rain", "sun"))
    two = reasoned([3.0, 4.0, 1.0], ("sun", "snow", "sun"))
    matrix = heaviest_reasons([one, None, two])
    assert matrix.shape == (3, 3)
    assert np.isnan(matrix[1]).all()
    assert sorted(matrix[0]) == [0, 1, 2]
    shared = int(np.flatnonzero((matrix[0] > 0) & (matrix[2] > 0))[0])
    assert (matrix[0, shared], matrix[2, shared]) == (2, 4)


def test_usual_reasons_have_length_one_and_keep_their_sign():
    matrix = usual_reasons([*explained([[3.0, -4.0], [0.0, 0.0]]), None])
    assert matrix[0].tolist() == pytest.approx([0.6, -0.8])
    assert matrix[1].tolist() == [0, 0]
    assert np.isnan(matrix[2]).all()


def test_reasons_for_different_labels_are_different():
    one, two = (reasoned([1.0], ("a",), index=i) for i in (0, 1))
    assert (usual_reasons([one, two]) @ usual_reasons([one, two]).T)[0, 1] == 0


def segmented(seed, swapped=False):
    """Return an explanation of a red and a blue half, of which one matters."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 20, (12, 12, 3), dtype=np.uint8)
    left, right = (2, 0) if swapped else (0, 2)
    pixels[:, :6, left] += 200
    pixels[:, 6:, right] += 200
    segments = np.repeat([[0, 1]], 12, axis=0).repeat(6, axis=1).astype(np.int32)
    content = ImageContent("", pixels, segments, np.array([0, 1], np.int32))
    return reasoned([1.0, 0.5], ("segment 0", "segment 1"), contents=(content,))


def test_segments_that_look_and_lie_alike_share_a_word():
    items = [segmented(0), segmented(1), segmented(2), segmented(3, swapped=True)]
    matrix = heaviest_reasons(items, seed=0)
    np.testing.assert_array_equal(matrix, heaviest_reasons(items, seed=0))
    assert matrix.sum(axis=1).tolist() == [1.5] * 4
    many = [segmented(i, swapped=i % 3 == 0) for i in range(30)]
    found = heaviest_reasons(many, seed=0) > 0
    same = found.astype(float) @ found.T
    alike = np.array([i % 3 == 0 for i in range(30)])
    assert same[np.ix_(alike, ~alike)].max() == 0, "red at the left is not blue at the left"


def test_real_explanations_of_images_cover_words():
    random = np.random.default_rng(0)
    images = random.integers(0, 255, (6, 16, 16, 3), dtype=np.uint8)
    explainer = ImageExplainer(
        lambda batch: np.asarray(batch)[:, :8].mean(axis=(1, 2, 3)) / 255,
        mode="regression",
        segments="grid",
        n_segments=4,
    )
    items = explainer.explain(images)
    matrix = heaviest_reasons(items)
    assert matrix.shape[0] == 6
    assert 1 <= matrix.shape[1] <= 24
    assert (matrix > 0).any(axis=1).all()
