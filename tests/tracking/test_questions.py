"""The questions of a reference set: which columns, which labels, which answers are kept back."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from mlflow_lime.config import Config
from mlflow_lime.core.explanation import FailedExplanation
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.errors import DataError
from mlflow_lime.tracking.columns import (
    describe_background,
    feature_frame,
    refuse_unknown_columns,
    with_backgrounds,
)
from mlflow_lime.tracking.data import LoadedData
from mlflow_lime.tracking.model import load_scoring_function
from mlflow_lime.tracking.pinning import pin_reference, strange_labels
from mlflow_lime.tracking.questions import ask


@pytest.fixture
def frame():
    random = np.random.default_rng(1)
    data = pd.DataFrame({f"x{i}": random.normal(0, 1, 60) for i in range(3)})
    data["kind"] = np.array(["a", "b", "c"])[data[["x0", "x1", "x2"]].to_numpy().argmax(1)]
    data["who"] = [f"p{i}" for i in range(60)]
    return data


def three(frame):
    scores = np.exp(frame[["x0", "x1", "x2"]].to_numpy(dtype=float))
    return scores / scores.sum(axis=1, keepdims=True)


def configured(**changes):
    sections = {
        "data": {"target": "kind", "id": "who"},
        "reference": {"count": 6},
        "sampling": {"rows": 16, "max_rows": 16, "replicates": 2},
    }
    return Config.model_validate({**sections, **changes})


def questions(frame, config, model=three, names=("a", "b", "c")):
    features = feature_frame(frame, config, None)
    scorer = load_scoring_function(
        model, sample=features.head(2), class_names=names, task="classification"
    )
    loaded = LoadedData("data", frame)
    reference = pin_reference(
        frame,
        features,
        config,
        scorer,
        lambda layout: with_backgrounds(layout, loaded, config, scorer),
    )
    return ask(reference, scorer, config)


def test_target_id_and_dropped_columns_are_not_features(frame):
    config = configured(data={"target": "kind", "id": "who", "drop": ("x1",)})
    assert list(feature_frame(frame, config, None).columns) == ["x0", "x2"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"target": "knd"}, "data.target names column 'knd'.*Did you mean 'kind'"),
        ({"id": "whom"}, "'whom'.*Did you mean 'who'"),
        ({"drop": ("y1",)}, "data.drop names column 'y1'"),
    ],
)
def test_a_configured_column_that_is_not_there(frame, data, message):
    with pytest.raises(DataError, match=message):
        feature_frame(frame, configured(data=data), None)


def test_columns_of_which_nobody_said_what_they_are_are_refused(frame):
    scorer = load_scoring_function(
        three,
        sample=frame[["x0", "x1", "x2"]].head(2),
        class_names=("a", "b", "c"),
        task="classification",
    )
    caster = dataclasses.replace(scorer.caster, columns=("x0", "x1", "x2"))
    scorer = dataclasses.replace(scorer, caster=caster)
    refuse_unknown_columns(frame, configured(), scorer)
    with pytest.raises(DataError, match=r"does not read: \['typo'\]; name the true label"):
        refuse_unknown_columns(frame.assign(typo=1), configured(), scorer)


def test_a_background_may_lack_the_columns_that_are_no_features(frame):
    bare = frame[["x0", "x1", "x2"]]
    background = describe_background(LoadedData("rows", bare), configured(), None)
    assert background.digest() == Background.from_frame(bare).digest()


def test_saved_statistics_stand_in_for_a_background(frame):
    saved = Background.from_frame(frame[["x0"]])
    loaded = LoadedData("saved", statistics=saved)
    assert describe_background(loaded, configured(), None) is saved


def test_true_labels_are_pinned_where_there_are_many_classes(frame):
    asked = questions(frame, configured())
    true = frame["kind"].iloc[list(asked.reference.positions)]
    assert asked.reference.labels == tuple((label,) for label in true)
    assert asked.labels == asked.reference.labels


def test_without_true_labels_the_predicted_ones_are_pinned(frame):
    config = configured(data={"id": "who", "drop": ("kind",)})
    asked = questions(frame, config)
    predicted = frame["kind"].iloc[list(asked.reference.positions)]
    assert asked.reference.labels == tuple((label,) for label in predicted)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("all", ("a", "b", "c")), (("c", "a"), ("c", "a")), (2, None), ("predicted", None)],
)
def test_the_configured_rule_for_labels(frame, rule, expected):
    asked = questions(frame, configured(labels=rule))
    for labels, position in zip(asked.reference.labels, asked.reference.positions, strict=True):
        likeliest = np.argsort(-three(frame.iloc[[position]])[0])
        if expected is None:
            many = 2 if rule == 2 else 1
            assert labels == tuple("abc"[j] for j in likeliest[:many])
        else:
            assert labels == expected


def test_class_names_that_are_numbers(frame):
    config = configured(labels=(1, 0), data={"id": "who", "drop": ("kind",)})
    asked = questions(frame, config, names=("0", "1", "2"))
    assert set(asked.labels) == {("1", "0")}
    assert [x.label for x in next(asked.answer()).labels] == ["1", "0"]


def test_an_unknown_label_is_refused_before_the_model_is_asked_for_neighbours(frame):
    with pytest.raises(DataError, match="no class 'd'"):
        questions(frame, configured(labels=("d",)))


def test_skipped_instances_are_not_answered(frame):
    asked = questions(frame, configured())
    keys = [outcome.key for outcome in asked.answer(skip=asked.keys[1:4])]
    assert sorted(keys) == sorted([asked.keys[0], *asked.keys[4:]])
    assert list(asked.answer(skip=asked.keys)) == []


def test_one_alone_has_the_same_bits_as_in_company(frame):
    asked = questions(frame, configured())
    whole = {outcome.key: outcome.to_json() for outcome in asked.answer()}
    (alone,) = asked.answer(skip=asked.keys[1:])
    assert alone.to_json() == whole[asked.keys[0]]


def test_instances_without_a_pinned_label_get_the_automatic_one(frame):
    """The model refused them when the labels were pinned."""
    asked = questions(frame, configured())
    bare = dataclasses.replace(asked, labels=((),) * len(asked.keys))
    outcomes = list(bare.answer())
    assert not [item for item in outcomes if isinstance(item, FailedExplanation)]
    assert [len(item.labels) for item in outcomes] == [1] * 6


@pytest.mark.parametrize("rule", ["redacted", "none"])
def test_values_are_taken_out_of_answers(frame, rule):
    asked = questions(frame, configured(reference={"count": 6, "store_inputs": rule}))
    for outcome in asked.answer():
        assert outcome.parts == outcome.names
        assert outcome.notes == ()


def test_instances_that_the_model_refuses_have_no_own_prediction(frame):
    config = configured(data={"id": "who", "drop": ("kind",)}, labels="predicted")
    bad = frame["x0"].iloc[10]

    def picky(rows):
        if (rows["x0"] == bad).any():
            raise ValueError
        return three(rows)

    config = config.model_copy(
        update={
            "reference": config.reference.model_copy(update={"pick": "rows", "rows": (9, 10, 11)})
        }
    )
    asked = questions(frame, config, model=picky)
    assert [len(labels) for labels in asked.labels] == [1, 0, 1]


@pytest.mark.parametrize(("target", "remarks"), [("kind", 0), ("who", 1)])
def test_true_labels_that_are_no_classes_are_remarked_on(frame, target, remarks):
    asked = questions(frame, configured(reference={"pick": "rows", "rows": (0, 1)}))
    labels = tuple(frame[target].iloc[:2])
    reference = dataclasses.replace(asked.reference, true_labels=labels)
    scorer = load_scoring_function(
        three,
        sample=frame[["x0", "x1", "x2"]].head(2),
        class_names=("a", "b", "c"),
        task="classification",
    )
    found = strange_labels(reference, scorer, configured(data={"target": target}))
    assert len(found) == remarks
    assert all("is data.target the right column?" in remark for remark in found)
