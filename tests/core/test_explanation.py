"""Explanations: frozen, the same after JSON and pickle, and read in several forms."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings

from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.errors import DataError, ModelError
from tests.strategies import explanations, make_explanation, make_label

THREE = make_explanation([make_label([0.1, -0.5, 0.3])], parts=["a = 1", "b = 2", "c = 3"])


def same(one, two):
    assert one.to_json() == two.to_json()
    for a, b in zip(one.labels, two.labels, strict=True):
        assert a.replicate_weights.shape == b.replicate_weights.shape
        assert np.array_equal(a.weights, b.weights, equal_nan=True)


@given(explanation=explanations())
@settings(deadline=None, max_examples=60)
def test_json_gives_everything_back(explanation):
    same(Explanation.from_json(explanation.to_json()), explanation)


@given(explanation=explanations())
@settings(deadline=None, max_examples=30)
def test_pickle_gives_everything_back(explanation):
    same(pickle.loads(pickle.dumps(explanation)), explanation)


def test_json_is_one_strict_line():
    text = THREE.to_json()
    assert "\n" not in text
    json.loads(text, parse_constant=pytest.fail)


@pytest.mark.parametrize("item", [THREE, THREE.labels[0], FailedExplanation("a", "b", "c")])
def test_nothing_can_be_assigned(item):
    name = next(iter(item.__dataclass_fields__))
    with pytest.raises(AttributeError):
        setattr(item, name, "other")


def test_the_heaviest_part_comes_first():
    assert THREE.as_list() == [("b = 2", -0.5), ("c = 3", 0.3), ("a = 1", 0.1)]
    assert THREE.as_frame()["part"].tolist() == ["b = 2", "c = 3", "a = 1"]
    assert list(THREE.as_dict().values()) == [0.1, -0.5, 0.3]


def test_equal_weights_keep_the_order_of_the_parts():
    tied = make_explanation([make_label([0.2, -0.2, 0.2])])
    assert tied.labels[0].order().tolist() == [0, 1, 2]


def test_a_frame_holds_the_intervals():
    frame = THREE.as_frame()
    assert (frame["low"] <= frame["weight"]).all()
    assert (frame["weight"] <= frame["high"]).all()


def test_a_label_is_read_by_name_or_column():
    two = make_explanation(
        [make_label([1.0]), make_label([-1.0], label="benign", index=1)], parts=["a"]
    )
    assert two["benign"] is two[1]
    assert two.as_list("benign") == [("a", -1.0)]
    assert two.as_list() == [("a", 1.0)]


def test_a_label_that_was_not_explained_is_refused_with_the_nearest_name():
    with pytest.raises(DataError, match=r"Did you mean 'malignant'"):
        THREE["malignnat"]


def test_a_newer_format_is_refused():
    with pytest.raises(DataError, match="format 2, expected 1"):
        Explanation.from_dict(THREE.to_dict() | {"format": 2})


def test_the_gap_is_the_distance_at_the_instance():
    assert THREE.labels[0].local_gap == pytest.approx(0.03)


def test_it_says_what_it_is():
    assert "'b = 2' -0.5" in repr(THREE)


def test_a_failed_instance_says_why_whatever_is_asked_of_it():
    failed = FailedExplanation("00 #a1b2c3", "the model raised ValueError", "ModelError")
    with pytest.raises(ModelError, match="'00 #a1b2c3' could not be explained: the model raised"):
        failed.as_frame()
    with pytest.raises(AttributeError, match="no attribute 'as_frme'"):
        failed.as_frme()
    assert pickle.loads(pickle.dumps(failed)) == failed


def test_text_that_is_no_explanation_is_refused():
    for text in ("{}", "not JSON", '{"labels": 3}'):
        with pytest.raises(DataError, match="no explanation in JSON"):
            Explanation.from_json(text)
