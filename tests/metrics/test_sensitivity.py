"""How far weights move over slightly changed copies."""

import numpy as np
import pandas as pd
import pytest

from mlflow_lime import ImageExplainer, SequenceExplainer, TabularExplainer, TextExplainer
from mlflow_lime.config import parse_config
from mlflow_lime.configured import domain_from_config, plan_sequences
from mlflow_lime.core.explain import Explainer
from mlflow_lime.core.layout import Layout
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.metrics.sensitivity import sensitivity


def measured(explainer, instances, copies=3):
    subjects = explainer.domain.subjects(instances)
    pairs = [(outcome, subject) for subject, outcome in explainer.stream(subjects)]
    return sensitivity(explainer, pairs, copies=copies)


def table():
    rng = np.random.default_rng(0)
    data = pd.DataFrame(rng.normal(size=(300, 4)), columns=list("abcd"))
    return data.assign(job=rng.choice(["cook", "nurse"], 300), n=rng.integers(0, 9, 300))


def test_a_steep_model_is_more_sensitive_than_a_smooth_one():
    data = table()

    def smooth(rows):
        return rows["a"].to_numpy() + rows["b"].to_numpy()

    def steep(rows):
        return np.sin(25 * rows["a"].to_numpy()) + np.sin(25 * rows["b"].to_numpy())

    far = data[(data["a"].abs() > 1) & (data["b"].abs() > 1)].head(4)
    values = []
    for model in (smooth, steep):
        found = measured(TabularExplainer(data, model, mode="regression"), far)
        assert len(found) == 4
        values.append(np.mean([own["sensitivity"] for own in found.values()]))
    assert 0 < values[0] < 0.4
    assert values[1] > 2 * values[0]


def test_copies_hold_values_of_the_background_in_their_own_types():
    data, seen = table(), []

    def model(rows):
        seen.append(rows)
        return rows["a"].to_numpy() * 1.0

    measured(TabularExplainer(data, model, mode="regression"), data.head(2))
    for rows in seen:
        assert (rows.dtypes == data.dtypes).all()
        for column in data:
            assert rows[column].isin(data[column]).all()


def test_a_text_loses_one_of_its_lightest_words_and_an_additive_model_does_not_mind():
    effects = {"good": 0.5, "not": -0.25}

    def model(texts):
        return [sum(effects.get(word, 0.0) for word in text.split()) for text in texts]

    found = measured(TextExplainer(model, mode="regression"), ["not so very good", "alone"])
    assert found["0"]["sensitivity"] == pytest.approx(0.0, abs=1e-9)
    assert "1" not in found


def test_an_image_keeps_its_segments():
    rng = np.random.default_rng(0)
    image = rng.integers(50, 200, (12, 12)).astype(np.uint8)

    def model(images):
        return np.asarray(images, dtype=float)[:, :6].mean(axis=(1, 2)) / 255

    explainer = ImageExplainer(model, mode="regression", segments="grid", n_segments=9)
    found = measured(explainer, image[None])
    assert 0 < found["0"]["sensitivity"] < 0.5


def test_a_constant_model_has_no_weights_to_move():
    data = table()
    explainer = TabularExplainer(data, lambda rows: np.ones(len(rows)), mode="regression")
    assert measured(explainer, data.head(1)) == {}


def test_a_sequence_moves_a_little_in_the_same_windows():
    series, seen = np.random.default_rng(0).normal(size=(3, 12, 2)), []
    series[:, :, 1] = 5.0  # a feature that does not vary stays as it is
    series[0, 3, 0] = np.nan

    def model(arrays):
        seen.append(arrays)
        return np.nansum(arrays[:, :6, 0], axis=1)

    found = measured(SequenceExplainer(model, mode="regression", count=4), series)
    assert len(found) == 3
    assert all(0 < own["sensitivity"] < 0.5 for own in found.values())
    assert all((arrays[:, :, 1] == 5.0).all() for arrays in seen)


def test_a_sequence_beside_a_table_moves_with_it():
    rng = np.random.default_rng(0)
    names = [f"t_lag{i}" for i in range(1, 7)]
    frame = pd.DataFrame(rng.normal(size=(60, 6)), columns=names).assign(age=rng.normal(size=60))
    config = parse_config({"sequence": {"columns": names, "count": 3}})
    layout = Layout(
        tuple(frame.columns),
        Background.from_frame(frame[["age"]]),
        sequences=plan_sequences(frame, config),
    )

    def model(rows):
        return np.sin(20 * rows["t_lag1"].to_numpy()) + rows["age"].to_numpy()

    found = measured(Explainer(domain_from_config(config, layout), model, "regression"), frame[:3])
    assert len(found) == 3
    assert all(own["sensitivity"] > 0.05 for own in found.values())
