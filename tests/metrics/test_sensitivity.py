"""How far weights move over slightly changed copies."""

import numpy as np
import pandas as pd
import pytest

from mlflow_lime import ImageExplainer, TabularExplainer, TextExplainer
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
