"""Two versions of a large set are compared block by block, with the numbers of the small way."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_lime.compare.compare import compare_explanations, drift_metrics
from mlflow_lime.compare.settings import DriftSettings
from mlflow_lime.core.stored import StoredExplanations
from tests.compare.made import explained, versions
from tests.strategies import make_explanation, make_label


def stored(explanations):
    """Return explanations as a sequence that gives each out only when it is looked at."""
    return StoredExplanations(
        lambda places: (explanations[i] for i in places),
        range(len(explanations)),
        [item.key for item in explanations],
    )


def both(before, after, *, most=20, **options):
    """Return the comparison in the small way, and in the large way."""
    small = compare_explanations(before, after, **options)
    retrains = [stored(run) for run in options.pop("retrains", ())]
    large = compare_explanations(
        stored(before), stored(after), most=most, retrains=retrains, **options
    )
    assert large.of is not None
    return small, large


def same_numbers(small, large):
    assert drift_metrics(large) == pytest.approx(drift_metrics(small), rel=1e-9, abs=1e-12)
    assert large.counts == small.counts
    assert large.p_value == pytest.approx(small.p_value, rel=1e-9, abs=1e-300)
    assert (large.alarm, large.noise) == (small.alarm, small.noise)
    assert [part.name for part in large.parts] == [part.name for part in small.parts]
    for one, other in zip(large.parts, small.parts, strict=True):
        for field in fields(one)[1:]:
            close = pytest.approx(getattr(other, field.name), rel=1e-9, abs=1e-14)
            assert getattr(one, field.name) == close, field.name
    for one, other in zip(large.glances, small.glances, strict=True):
        assert one[:4] == other[:4]
        assert one.total_change == pytest.approx(other.total_change, rel=1e-12)


def mixed(seed, count, n_parts, *, share=0.3, **options):
    """Return two versions of which some instances changed."""
    random = np.random.default_rng(seed)
    before = random.normal(size=(count, n_parts)) * random.exponential(size=n_parts)
    moved = random.random(count) < share
    after = before + moved[:, None] * random.normal(size=(count, n_parts))
    return versions(seed, before, after, count=count, **options)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.6])
def test_three_hundred_instances_give_the_numbers_of_the_small_way(share):
    small, large = both(*mixed(3, 300, 12, share=share))
    same_numbers(small, large)
    assert len(large.instances) == 20


@given(
    seed=st.integers(0, 10**6),
    n_parts=st.integers(1, 6),
    count=st.integers(12, 40),
    noise=st.sampled_from([0.0, 0.01, 0.5]),
)
@settings(max_examples=30, deadline=None)
def test_small_shapes_and_no_noise_give_the_same_numbers(seed, n_parts, count, noise):
    same_numbers(*both(*mixed(seed, count, n_parts, noise=noise, own=noise / 3), most=10))


def test_parts_that_differ_by_instance_as_in_texts():
    random = np.random.default_rng(5)
    before, after = [], []
    for i in range(120):
        n = int(random.integers(1, 9))
        names = [f"word {k}" for k in random.choice(30, size=n)]  # some twice
        truth, moved = random.normal(size=n), random.normal(size=n) * (i % 3 == 0)
        noise = random.normal(size=(4, n)) * 0.02
        for run, weights in ((before, truth), (after, truth + moved)):
            fits = weights + noise + random.normal(size=(4, n)) * 0.01
            run.append(explained(weights, fits, key=f"{i:02d} #a", names=names, parts=names))
    same_numbers(*both(before, after))


def test_retrains_are_the_noise_in_the_large_way_too():
    before, after = mixed(8, 60, 5)
    retrains = [mixed(seed, 60, 5, share=0.0)[0] for seed in (11, 12, 13)]
    small, large = both(before, after, retrains=retrains)
    same_numbers(small, large)
    assert large.noise == "sampling and training"


def test_instances_that_cannot_be_compared_are_counted_and_told():
    before, after = mixed(2, 80, 4)
    bad = replace(after[7].labels[0], fidelity_r2=0.01, partial_r2=0.01)
    after[7] = replace(after[7], labels=(bad,))
    flat = [replace(run[9].labels[0], flat=True) for run in (before, after)]
    before[9], after[9] = (
        replace(run[9], labels=(label,)) for run, label in zip((before, after), flat, strict=True)
    )
    after[11] = replace(after[11], digest="other")
    after[12] = replace(after[12], seed=4)
    fewer = after[13].labels[0]
    fewer = replace(fewer, replicate_weights=fewer.replicate_weights[:3])
    after[13] = replace(after[13], labels=(fewer,))
    del after[20], before[30]
    small, large = both(before, after, missing={"40 #x": "it failed"})
    same_numbers(small, large)
    assert dict(large.missing) == dict(small.missing)
    assert large.counts.untrusted == 2
    assert large.counts.missing == 5


def test_exact_regressions_and_answers():
    random = np.random.default_rng(4)
    runs = ([], [])
    for i in range(50):
        for run in runs:
            value = float(random.normal())
            label = make_label(
                random.normal(size=3) * (i % 4 > 0),
                label="value",
                error=0.0,
                prediction=value,
                output_std=0.5,
            )
            run.append(
                make_explanation(
                    [label],
                    key=f"{i:02d} #a",
                    mode="regression",
                    class_names=("value",),
                    scores=np.array([value]),
                )
            )
    same_numbers(*both(*runs))


def test_what_is_listed_is_what_the_small_way_lists_of_it():
    small, large = both(*mixed(6, 200, 8))
    by_key = {item.key: item for item in small.instances}
    for item in large.instances:
        for field in fields(item):
            one, other = getattr(item, field.name), getattr(by_key[item.key], field.name)
            assert np.array_equal(one, other, equal_nan=isinstance(one, float)), field.name
    changes = sorted(small.compared, key=lambda item: (not item.changed, -item.total_change))
    listed = [item.key for item in large.instances]
    assert {item.key for item in changes[:10]} <= set(listed)
    assert listed == sorted(listed, key=[item.key for item in small.instances].index)
    assert "20 of 200 instances are listed" in large.of.note


def test_no_instance_in_common():
    before, after = mixed(1, 40, 3)
    others = [replace(item, key=f"x{item.key}") for item in after]
    small, large = both(before, others, most=10)
    same_numbers(small, large)
    assert large.counts.missing == 80
    assert len(large.missing) == 10


def test_a_set_that_is_not_larger_is_held():
    before, after = mixed(1, 20, 3)
    assert compare_explanations(before, after, most=20).of is None


def test_settings_change_the_numbers_in_both_ways_alike():
    chosen = DriftSettings(min_change=0.0, min_share=0.0, fdr=0.4, top=2, min_fidelity=0.9)
    small, large = both(*mixed(9, 90, 6), settings=chosen)
    same_numbers(small, large)
    assert not math.isnan(large.p_value)
