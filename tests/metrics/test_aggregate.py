import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_lime.metrics.aggregate import (
    AGGREGATES,
    aggregate,
    global_importance,
    weights_by_name,
)
from tests.report.with_contents import image_explanation, quarters
from tests.strategies import (
    FailedExplanation,
    explanations,
    failed_explanations,
    make_explanation,
    make_label,
)

FLAT = {"flat": True, "fidelity_r2": math.nan, "decision_agreement": math.nan}


def explain(*weights, names=None, converged=True, **changes):
    return make_explanation([make_label(weights, **changes)], names=names, converged=converged)


def test_nothing_gives_no_metric():
    assert aggregate([]) == {}


def test_only_failures_are_only_counted():
    assert aggregate([], [FailedExplanation("a", "b", "c")]) == {"instances": 0, "failed": 1}


def test_statistics_over_instances():
    items = [explain(0.1, fidelity_r2=fit, converged=fit > 0.5) for fit in (0.1, 0.5, 0.9)]
    values = aggregate(items)
    assert values["fidelity_r2"] == 0.5
    assert values["fidelity_r2_p10"] == pytest.approx(0.18)
    assert values["local_gap"] == pytest.approx(0.03)
    assert values["converged_share"] == pytest.approx(1 / 3)
    assert values["rows_predicted"] == 3000
    assert (values["instances"], values["failed"], values["flat_share"]) == (3, 0, 0)


def test_flat_instances_do_not_count_for_the_fit():
    values = aggregate([explain(0.1, fidelity_r2=0.4), explain(0.0, stability_topk=0.0, **FLAT)])
    assert values["fidelity_r2"] == 0.4
    assert values["stability_topk"] == 0.8
    assert values["flat_share"] == 0.5


def test_aggregates_of_nothing_but_nan_are_absent():
    values = aggregate([explain(0.0, **FLAT)])
    assert not {"fidelity_r2", "fidelity_r2_p10", "decision_agreement"} & set(values)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(explanations(), max_size=4), st.lists(failed_explanations(), max_size=2))
def test_every_aggregate_is_documented_and_finite(items, failed):
    values = aggregate(items, failed)
    assert list(values) == [name for name in AGGREGATES if name in values]
    assert all(type(value) is float and math.isfinite(value) for value in values.values())


def test_importance_is_the_mean_absolute_weight():
    frame = global_importance([explain(0.1, -0.2, names="ab"), explain(0.3, 0.4, names="ab")])
    assert frame["name"].tolist() == ["b", "a"]
    np.testing.assert_allclose(frame["importance"], [0.3, 0.2])
    np.testing.assert_allclose(frame["mean_weight"], [0.1, 0.2])
    np.testing.assert_allclose(frame["std_error"], [0.1, 0.1])


def test_a_part_that_an_instance_lacks_weighs_nothing_there():
    frame = global_importance([explain(0.4, names=["rare"]), explain(0.3, names=["other"])])
    assert frame["importance"].tolist() == [0.2, 0.15]
    assert frame["instances"].tolist() == [1, 1]


def test_parts_of_one_name_add_up():
    frame = global_importance([explain(0.4, -0.1, names=["word", "word"])])
    assert frame["importance"].tolist() == pytest.approx([0.3])
    assert frame["instances"].tolist() == [1]


def test_one_instance_has_no_standard_error():
    assert math.isnan(global_importance([explain(0.4)])["std_error"][0])


def test_weights_that_are_not_finite_are_left_out():
    frame = global_importance([explain(math.nan, 0.2, names="ab")])
    assert frame["name"].tolist() == ["b"]


def test_no_instance_has_no_importance():
    assert global_importance([]).empty


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(explanations(), min_size=1, max_size=4), st.randoms())
def test_the_order_of_instances_does_not_matter(items, random):
    shuffled = list(items)
    random.shuffle(shuffled)
    one, other = (
        global_importance(group).sort_values("name", ignore_index=True)
        for group in (items, shuffled)
    )
    assert one["name"].tolist() == other["name"].tolist()
    np.testing.assert_allclose(one["importance"], other["importance"])


def test_segments_of_images_have_no_importance_across_instances():
    image = image_explanation(quarters(), [0.1, -0.4, 0.0, 0.2])
    assert global_importance([image, image]).empty


def test_numbered_parts_of_what_is_not_stored_are_not_compared():
    recipe = {"numbered_parts": [0]}
    unstored = make_explanation([make_label([0.3])], names=["part 1"], recipe=recipe)
    assert global_importance([unstored]).empty
    table = make_explanation([make_label([0.3])], recipe={"domain": "tabular"})
    assert len(global_importance([table])) == 1


def test_columns_next_to_an_image_keep_their_importance():
    content = quarters().moved(1, "photo")
    mixed = make_explanation(
        [make_label([0.2, 0.9, 0.0, 0.0, 0.0])], names=["age", *"abcd"], contents=(content,)
    )
    assert weights_by_name(mixed) == {"age": 0.2}
