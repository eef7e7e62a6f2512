"""What a comparison says of versions whose true weights are known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_lime.compare.compare import compare_explanations, drift_metrics
from mlflow_lime.compare.drift import DRIFT_METRICS
from mlflow_lime.compare.settings import DriftSettings
from tests.compare.made import explained, versions
from tests.strategies import explanations

ANY = DriftSettings(min_change=0.0, min_share=0.0)
WEIGHTS = np.array([0.3, 0.2, -0.1, 0.05, 0.0, 0.01, -0.02, 0.0])


@given(st.lists(explanations(), min_size=1, max_size=4, unique_by=lambda item: item.key))
@settings(max_examples=40)
def test_a_version_compared_with_itself_has_no_drift(items):
    drift = compare_explanations(items, items, settings=ANY)
    metrics = drift_metrics(drift)
    assert not drift.alarm
    assert drift.p_value == 1.0
    for name in ("drift_changed_share", "drift_total_change", "drift_sign_flips"):
        assert metrics.get(name, 0.0) == 0.0
    assert metrics.get("drift_topk_overlap", 1.0) == 1.0
    assert all(part.change == 0.0 for part in drift.parts)
    assert set(metrics) <= set(DRIFT_METRICS)


def test_an_exchange_of_two_parts_is_found_and_stands_first():
    after = WEIGHTS[[1, 0, 2, 3, 4, 5, 6, 7]] * np.array([0.2, 1.5, 1, 1, 1, 1, 1, 1])
    drift = compare_explanations(*versions(0, WEIGHTS, after))
    assert drift.alarm
    metrics = drift_metrics(drift)
    assert metrics["drift_changed_share"] == metrics["drift_same_answer_new_reason"] == 1.0
    assert {part.name for part in drift.parts if part.changed} == {"feature 0", "feature 1"}
    first = drift.instances[0]
    assert set(first.order()[:2]) == {0, 1}
    assert ((first.low <= after - WEIGHTS) & (after - WEIGHTS <= first.high)).mean() > 0.7


def test_noise_that_both_share_is_no_change_and_its_own_keeps_the_rates():
    """Weights differ by chance alone: discoveries and alarms stay below their rates."""
    alarms, any_weight = [], []
    for seed in range(150):
        drift = compare_explanations(
            *versions(seed, WEIGHTS, WEIGHTS, own=0.01, count=6), settings=ANY
        )
        alarms.append(drift.alarm)
        any_weight.append(any(item.changed for item in drift.compared))
    assert np.mean(alarms) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 150)
    assert np.mean(any_weight) <= 0.1 + 2 * np.sqrt(0.1 * 0.9 / 150)


def test_false_discoveries_among_true_ones_keep_their_rate():
    shift = np.zeros((6, 8))
    shift[:, 0] = 0.05
    shares = []
    for seed in range(100):
        before = np.broadcast_to(WEIGHTS, (6, 8))
        drift = compare_explanations(
            *versions(seed, before, before + shift, own=0.005, count=6), settings=ANY
        )
        found = np.array([item.discovered for item in drift.instances])
        shares.append(found[:, 1:].sum() / max(1, found.sum()))
    assert np.mean(shares) <= 0.1 + 2 * np.std(shares) / 10


def test_a_change_within_the_smallest_one_that_counts_is_none():
    after = WEIGHTS + np.array([0.04, 0, 0, 0, 0, 0, 0, 0])
    small = compare_explanations(*versions(3, WEIGHTS, after))
    assert not any(item.changed for item in small.instances)
    large = compare_explanations(*versions(3, WEIGHTS, after), settings=ANY)
    assert all(item.discovered[0] for item in large.instances)


def test_a_few_changed_instances_raise_no_alarm_and_many_do():
    before = np.broadcast_to(WEIGHTS, (20, 8))

    def drift(n_changed):
        after = before.copy()
        after[:n_changed] = after[:n_changed, ::-1]
        names = {"names": tuple(f"word {j}" for j in range(8))}
        pair = versions(4, before, after, count=20, **names)
        return compare_explanations(*pair)

    few, many = drift(3), drift(12)
    assert drift_metrics(few)["drift_changed_share"] == pytest.approx(0.15)
    assert not few.alarm
    assert many.alarm


def test_pairing_makes_the_interval_of_a_change_narrower():
    before, after = versions(5, WEIGHTS, WEIGHTS)
    paired = compare_explanations(before, after, settings=ANY)
    apart = [
        replace(item, labels=(replace(item.labels[0], replicate_weights=np.zeros((5, 8))),))
        for item in after
    ]
    unpaired = compare_explanations(before, apart, settings=ANY)
    width = [np.mean([item.std_errors for item in drift.instances]) for drift in (paired, unpaired)]
    assert width[0] < width[1]


def test_retrains_widen_what_counts_as_noise():
    before, after = versions(6, WEIGHTS, WEIGHTS + 0.02, count=8)
    assert compare_explanations(before, after, settings=ANY).alarm
    random = np.random.default_rng(0)
    retrains = [
        versions(seed, WEIGHTS, WEIGHTS + 0.03 * random.normal(size=8), count=8)[1]
        for seed in range(6)
    ]
    drift = compare_explanations(before, after, retrains=retrains, settings=ANY)
    assert not drift.alarm
    assert drift.noise == "sampling and training"
    itself = compare_explanations(before, before, retrains=retrains, settings=ANY)
    assert itself.p_value == 1.0


def test_poor_surrogates_are_counted_and_left_out():
    before, after = versions(7, WEIGHTS, WEIGHTS[::-1].copy(), count=4)
    poor = replace(after[0].labels[0], fidelity_r2=0.05)
    after[0] = replace(after[0], labels=(poor,))
    drift = compare_explanations(before, after)
    metrics = drift_metrics(drift)
    assert (metrics["drift_instances"], metrics["drift_untrusted"]) == (3, 1)
    assert "explains too little (R² 0.05" in drift.instances[0].untrusted
    assert not drift.instances[0].changed


def test_partial_r2_counts_where_it_is_known():
    before, after = versions(8, WEIGHTS, WEIGHTS, count=2)
    linear = replace(after[0].labels[0], fidelity_r2=0.05, partial_r2=0.99)
    after[0] = replace(after[0], labels=(linear,))
    old = compare_explanations(before, after).instances[0]
    assert old.untrusted == (
        "the surrogate of the candidate explains too little (R² 0.05, expected at least 0.1)"
    )
    before[0] = replace(before[0], labels=(replace(before[0].labels[0], partial_r2=0.9),))
    both = compare_explanations(before, after).instances[0]
    assert both.untrusted == ""
    assert (both.fidelity_before, both.fidelity_after) == (0.9, 0.99)


def test_a_retrain_that_cannot_be_trusted_hides_no_change():
    before, after = versions(15, WEIGHTS, WEIGHTS[::-1].copy(), count=4)
    retrains = [versions(15, WEIGHTS, WEIGHTS, count=4)[1] for _ in range(3)]
    assert compare_explanations(before, after, retrains=retrains).alarm
    poor = [
        replace(item, labels=(replace(item.labels[0], fidelity_r2=-3.0),)) for item in retrains[0]
    ]
    drift = compare_explanations(before, after, retrains=[poor, *retrains[1:]])
    assert drift.compared == ()
    assert "surrogate of the retrain 1 explains too little" in drift.instances[0].untrusted


def test_weights_that_are_no_numbers_are_left_out():
    before, after = versions(16, WEIGHTS, WEIGHTS[::-1].copy(), count=2)
    rows = after[0].labels[0].replicate_weights.copy()
    rows[1, 2] = np.nan
    after[0] = replace(after[0], labels=(replace(after[0].labels[0], replicate_weights=rows),))
    drift = compare_explanations(before, after)
    assert "of the candidate are not finite" in drift.instances[0].untrusted
    assert drift.instances[1].untrusted == ""


def test_instances_that_only_the_candidate_has_are_counted():
    before, after = versions(17, WEIGHTS, WEIGHTS, count=4)
    drift = compare_explanations(before[:1], after)
    assert len(drift.instances) == 1
    assert set(drift.missing.values()) == {"the baseline has no explanation of it"}
    assert len(drift.missing) == 3


def test_an_output_that_stopped_to_vary_has_changed_and_two_that_do_not_vary_have_no_reasons():
    before, after = versions(9, WEIGHTS, np.zeros(8), count=3, own=1e-6)
    flat = {"flat": True, "fidelity_r2": float("nan")}
    still = [replace(item, labels=(replace(item.labels[0], **flat),)) for item in after]
    drift = compare_explanations(before, still)
    assert all(item.changed for item in drift.compared)
    both = compare_explanations(still, still)
    assert both.compared == ()
    assert "hardly vary" in both.instances[0].untrusted


def test_other_instances_parts_recipes_and_labels_are_missing_with_the_reason():
    before, after = versions(10, WEIGHTS, WEIGHTS, count=6)
    after[0] = replace(after[0], digest="other")
    after[1] = replace(after[1], names=tuple("abcdefgh"))
    after[2] = replace(after[2], recipe={**after[2].recipe, "law": "bernoulli"})
    after[3] = replace(after[3], labels=(replace(after[3].labels[0], label="benign"),))
    after[4] = replace(after[4], recipe={**after[4].recipe, "rows": 7})
    drift = compare_explanations(before, after[:5], missing={"09 #x": "it failed"})
    reasons = list(drift.missing.values())
    assert len(drift.instances) == 1
    assert len(reasons) == 6
    for reason, word in zip(
        reasons,
        ("it failed", "contents", "parts", "another way", "no label", "no expl"),
        strict=True,
    ):
        assert word in reason


def test_answers_flip_and_values_move():
    before, after = versions(11, WEIGHTS, WEIGHTS, count=2)
    after[0] = replace(after[0], scores=np.array([0.2, 0.8]))
    drift = compare_explanations(before, after)
    assert (drift.instances[0].answer_before, drift.instances[0].answer_after) == (
        "malignant",
        "benign",
    )
    assert drift_metrics(drift)["drift_label_flips"] == 0.5
    value = {"mode": "regression", "class_names": ("value",), "scores": np.array([3.0])}
    first, second = versions(12, WEIGHTS, WEIGHTS, count=1, **value)
    moved = replace(second[0].labels[0], prediction=first[0].labels[0].prediction + 0.3)
    drift = compare_explanations(first, [replace(second[0], labels=(moved,))])
    assert drift.instances[0].answer_changed
    assert not compare_explanations(first, second).instances[0].answer_changed


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_instances_are_compared_without_complaint(count):
    before, after = versions(13, WEIGHTS, WEIGHTS[::-1].copy(), count=max(count, 1))
    drift = compare_explanations(before[:count], after[:count])
    assert len(drift.compared) == count
    assert set(drift_metrics(drift)) <= set(DRIFT_METRICS)
    assert (drift.parts == ()) == (count < 2)


def test_enumerated_neighbourhoods_have_no_noise():
    rows = np.zeros((0, 3))
    exact = {"exact": True}
    before = [explained([0.2, 0.1, 0.0], rows, **exact)]
    same = compare_explanations(before, [explained([0.2, 0.1, 0.0], rows, **exact)], settings=ANY)
    assert not same.instances[0].changed
    other = compare_explanations(before, [explained([0.2, 0.1, 1e-6], rows, **exact)], settings=ANY)
    assert other.instances[0].discovered.tolist() == [False, False, True]


def test_sign_flips_beyond_noise_are_counted():
    before, after = versions(14, WEIGHTS, -WEIGHTS, count=1, noise=0.001)
    kept = [
        replace(
            x,
            labels=(
                replace(
                    x.labels[0], low=x.labels[0].weights - 0.02, high=x.labels[0].weights + 0.02
                ),
            ),
        )
        for x in (before[0], after[0])
    ]
    drift = compare_explanations(kept[:1], kept[1:])
    assert drift.instances[0].sign_flips == 4
