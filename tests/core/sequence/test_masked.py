"""Sequences keep the protocol that explaining relies on, whatever form they come in."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_lime.core.explain import Explainer
from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.core.masks import mask_block
from mlflow_lime.core.options import Pooling, Sampling
from mlflow_lime.core.sequence.absent import SequenceBackground, interpolated
from mlflow_lime.core.sequence.form import SequenceForm
from mlflow_lime.core.sequence.masked import MaskedSequence, sequence_digests
from mlflow_lime.core.sequence.order import place_columns
from mlflow_lime.errors import DataError

RNG = np.random.default_rng(0)
SERIES = RNG.normal(size=(5, 12, 2))
OTHERS = SequenceBackground.of(RNG.normal(3, 1, size=(40, 12, 2)))
ABSENT = ("mean", "interpolate", "background")


def draw(subject, n_rows=16):
    return subject, mask_block(
        "iid",
        law="bernoulli",
        n_parts=subject.n_active,
        n_draws=subject.n_draws,
        n_rows=n_rows,
        seed=np.random.SeedSequence(0),
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int32, bool])
@pytest.mark.parametrize("absent", ABSENT)
def test_the_model_gets_arrays_of_the_shape_and_floats_in_which_they_came(absent, dtype):
    values = (SERIES[0] * 3).astype(dtype)
    domain = MaskedSequence(count=3, absent=absent, background=OTHERS)
    (subject,) = domain.subjects(values[None])
    drawn = draw(subject)
    found = domain.perturb([drawn])
    assert found.shape == (16, 12, 2)
    assert found.dtype == (dtype if np.dtype(dtype).kind == "f" else np.float64)
    assert np.array_equal(domain.originals([subject])[0], values)
    kept = drawn[1].masks[:, subject.content.labels].astype(bool)
    assert np.array_equal(found[kept], np.broadcast_to(values, found.shape)[kept])


def test_absent_values_become_the_mean_of_the_background_or_of_the_series():
    for background, means in ((OTHERS, OTHERS.means), (None, SERIES[0].mean(axis=0))):
        domain = MaskedSequence(count=3, background=background)
        (subject,) = domain.subjects(SERIES[:1])
        drawn = draw(subject)
        absent = ~drawn[1].masks[:, subject.content.labels].astype(bool)
        expected = np.broadcast_to(means, (16, 12, 2))
        assert np.allclose(domain.perturb([drawn])[absent], expected[absent])


def test_absent_values_are_interpolated_from_what_the_mask_keeps():
    domain = MaskedSequence(parts="cells", count=4, absent="interpolate")
    (subject,) = domain.subjects(SERIES[:1])
    drawn = draw(subject, 5000)  # more than are composed at once
    kept = drawn[1].masks[:, subject.content.labels].astype(bool)
    expected = interpolated(SERIES[0], kept, SERIES[0].mean(axis=0))
    assert np.allclose(domain.perturb([drawn]), expected)


def test_absent_values_are_the_same_stretch_of_a_background_series():
    domain = MaskedSequence(parts="cells", count=3, absent="background", background=OTHERS)
    (subject,) = domain.subjects(SERIES[:1])
    assert subject.n_draws == subject.n_active == 6
    drawn = draw(subject)
    rows = domain.perturb([drawn])
    labels = subject.content.labels
    used = set()
    for row, mask in zip(rows, drawn[1].masks, strict=True):
        for part in np.flatnonzero(mask == 0):
            here = labels == part
            match = (OTHERS.series[:, here] == row[here]).all(axis=1)
            assert match.sum() == 1
            used.add(int(np.argmax(match)))
    assert len(used) > 20


@settings(deadline=None)
@given(
    st.integers(0, 99), st.sampled_from(ABSENT), st.sampled_from(["windows", "features", "cells"])
)
def test_a_wide_frame_an_array_and_swapped_axes_are_perturbed_alike(seed, absent, parts):
    rng = np.random.default_rng(seed)
    arrays = rng.normal(size=(2, 6, 2))
    columns = [f"{f}_{i}" for i in rng.permutation(6) for f in ("a", "b")]
    wide = pd.DataFrame(
        {name: arrays[:, int(name[2:]), "ab".index(name[0])] for name in columns}, columns=columns
    )
    options = {
        "absent": absent,
        "parts": parts,
        "count": 3,
        "windows": "change_points",
        "background": SequenceBackground.of(rng.normal(size=(9, 6, 2))),
    }
    form = place_columns(columns)
    plain = MaskedSequence(SequenceForm(features=("a", "b")), **options)
    flat = MaskedSequence(form, **options)
    swapped = MaskedSequence(SequenceForm(axes="features_first", features=("a", "b")), **options)
    one, two, three = (
        plain.subjects(arrays),
        flat.subjects(wide),
        swapped.subjects(np.swapaxes(arrays, 1, 2)),
    )
    assert [s.digest for s in one] == [s.digest for s in two] == [s.digest for s in three]
    assert [s.parts for s in one] == [s.parts for s in two] == [s.parts for s in three]
    rows = plain.perturb([draw(s) for s in one])
    frame = flat.perturb([draw(s) for s in two])
    assert list(frame.columns) == columns
    flattened = np.empty((len(frame), 12))
    flattened[:, list(form.places)] = frame.to_numpy()
    assert np.array_equal(flattened.reshape(-1, 6, 2), rows)
    assert np.array_equal(swapped.perturb([draw(s) for s in three]), np.swapaxes(rows, 1, 2))
    elements = plain.element_parts(one[0])
    assert elements.shape == (6, 2)
    assert np.array_equal(flat.element_parts(two[0])[np.argsort(form.places)], elements.ravel())
    assert np.array_equal(swapped.element_parts(three[0]), elements.T)


def test_each_value_belongs_to_the_part_that_names_it():
    domain = MaskedSequence(SequenceForm(features=("temp", "load")), parts="cells", count=3)
    (subject,) = domain.subjects(SERIES[:1])
    elements = domain.element_parts(subject)
    assert elements.dtype == np.intp
    assert subject.parts[elements[5, 1]] == "load, steps 4 to 7"
    assert subject.parts[elements[11, 0]] == "temp, steps 8 to 11"


def test_windows_that_equal_their_replacement_are_left_out_with_a_note():
    values = np.zeros((6, 2))
    values[4:, 0] = [1.0, -1.0]
    domain = MaskedSequence(parts="cells", count=3)
    (subject,) = domain.subjects(values[None])
    assert len(subject.parts) == 6
    assert subject.active.tolist() == [2]
    assert "5 of 6 windows cannot be tested" in subject.notes[0]
    assert "feature 0, steps 0 to 1; feature 0, steps 2 to 3" in subject.notes[0]

    def predict(arrays):
        return arrays[:, 4, 0]

    (found,) = Explainer(domain, predict, mode="regression").explain(values[None])
    assert found.labels[0].weights.tolist() == pytest.approx([0, 0, 1, 0, 0, 0])


def test_a_flat_stretch_of_a_series_that_varies_can_be_interpolated():
    values = np.array([[0.0], [0.0], [5.0], [5.0]])
    (subject,) = MaskedSequence(count=2, absent="interpolate").subjects(values[None])
    assert subject.n_active == 2
    (constant,) = MaskedSequence(count=2, absent="interpolate").subjects(np.ones((1, 4, 1)))
    assert constant.n_active == 0


def test_a_part_that_all_the_background_has_in_common_is_left_out():
    others = RNG.normal(size=(9, 4, 1))
    others[:, :2] = 7.0
    values = RNG.normal(size=(4, 1))
    values[:2] = 7.0
    domain = MaskedSequence(count=2, absent="background", background=SequenceBackground.of(others))
    (subject,) = domain.subjects(values[None])
    assert subject.active.tolist() == [1]
    rows = domain.perturb([draw(subject)])
    assert (rows[:, :2] == 7.0).all()


def test_missing_values_are_kept_as_values():
    values = SERIES[0].copy()
    values[3, 0] = np.nan
    domain = MaskedSequence(count=3)
    (subject,) = domain.subjects(values[None])
    assert subject.n_active == 3
    assert np.array_equal(domain.originals([subject])[0], values, equal_nan=True)
    (explained,) = Explainer(domain, lambda x: np.nansum(x, axis=(1, 2)), "regression").explain(
        values[None]
    )
    assert np.isfinite(explained.labels[0].weights).all()


def test_sequences_of_several_lengths_are_a_list_for_the_model():
    ragged = [SERIES[0], SERIES[1][:7]]
    domain = MaskedSequence(count=2)
    subjects = domain.subjects(ragged)
    rows = domain.perturb([draw(subject, 4) for subject in subjects])
    assert isinstance(rows, list)
    assert [row.shape for row in rows] == [(12, 2)] * 4 + [(7, 2)] * 4


def test_arrays_of_one_dimension_are_given_as_they_came():
    domain = MaskedSequence(count=3)
    (subject,) = domain.subjects(SERIES[:1, :, 0])
    assert domain.perturb([draw(subject)]).shape == (16, 12)
    assert domain.element_parts(subject).shape == (12,)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("text", "expected numbers of shape"),
        (None, "expected numbers of shape"),
        (np.zeros((2, 2, 2)), r"ndarray of shape \(2, 2, 2\)"),
        (np.zeros((0, 2)), "expected numbers of shape"),
        (np.zeros((4, 3)), "4 steps and 3 features, expected 12 and 2"),
    ],
)
def test_what_is_no_sequence_fails_alone_with_a_reason(cell, reason):
    domain = MaskedSequence(SequenceForm(shape=(12, 2)), count=3)
    good, bad = Explainer(domain, lambda x: x.sum(axis=(1, 2)), "regression").explain(
        [SERIES[0], cell]
    )
    assert isinstance(good, Explanation)
    assert isinstance(bad, FailedExplanation)
    with pytest.raises(DataError, match=reason):
        raise DataError(bad.reason)


def test_a_background_of_another_shape_fails_with_the_cure():
    domain = MaskedSequence(absent="background", background=OTHERS)
    (subject,) = domain.subjects([SERIES[0][:5]])
    assert "give background series of that shape" in subject.notes[0]
    with pytest.raises(DataError, match=r"background series have shape \(12, 2\)"):
        domain.originals([subject])
    with pytest.raises(DataError, match="background needs background series"):
        MaskedSequence(absent="background")
    with pytest.raises(DataError, match="Did you mean 'interpolate'"):
        MaskedSequence(absent="interpolated")


def test_frames_that_hold_no_numbers_are_refused():
    domain = MaskedSequence(place_columns(["a_1", "a_2"]))
    with pytest.raises(DataError, match=r"column 'a_2' of the sequence holds no numbers"):
        domain.subjects(pd.DataFrame({"a_1": [1.0], "a_2": pd.to_datetime(["2020-01-01"])}))
    with pytest.raises(DataError, match="stands in 2 columns"):
        domain.subjects(np.zeros((1, 3)))
    with pytest.raises(DataError, match="sequences are an array"):
        MaskedSequence().subjects("text")


def test_columns_of_several_types_are_read_exactly():
    frame = pd.DataFrame(
        {"a_1": [1], "a_2": pd.array([None], dtype="Int64"), "a_3": [True], "a_4": [0.1]}
    )
    domain = MaskedSequence(place_columns(list(frame.columns)))
    (subject,) = domain.subjects(frame)
    assert np.array_equal(
        subject.content.series.values[:, 0], [1.0, np.nan, 1.0, 0.1], equal_nan=True
    )


def test_pinned_windows_are_used_again():
    first = MaskedSequence(windows="change_points", count=4)
    (subject,) = first.subjects(SERIES[:1])
    pins = {subject.digest: first.pin(subject)}
    second = MaskedSequence(count=2, pinned=pins, pinned_as=first.cut)
    (again,) = second.subjects(SERIES[:1])
    assert again.parts == subject.parts
    assert second.recipe()["windows"] == "change_points"
    bad = MaskedSequence(pinned={subject.digest: np.ones((12, 2))})
    assert "pinned windows" in bad.subjects(SERIES[:1])[0].notes[0]


def test_digests_depend_on_the_values_alone():
    halves = SERIES.astype(np.float32)
    form = SequenceForm()
    assert sequence_digests(halves, form) == sequence_digests(halves.astype(float), form)
    assert len(set(sequence_digests(SERIES, form))) == 5
    zeros = np.zeros((1, 3, 1))
    assert sequence_digests(zeros, form) == sequence_digests(-zeros, form)
    assert sequence_digests(zeros, form) != sequence_digests(np.zeros((1, 1, 3)), form)
    wrong = SequenceForm(shape=(2, 2))
    assert sequence_digests(zeros, wrong) != sequence_digests(zeros + 1, wrong)


def weights(domain, **options):
    explainer = Explainer(
        domain,
        lambda x: np.tanh(x).sum(axis=(1, 2)),
        mode="regression",
        sampling=Sampling(rows=128, max_rows=128),
        pooling=Pooling(**options),
    )
    return [found.labels[0].weights.tobytes() for found in explainer.explain(SERIES)]


@pytest.mark.parametrize("absent", ABSENT)
def test_the_size_of_calls_and_pickling_change_no_bit(absent):
    domain = MaskedSequence(parts="cells", count=4, absent=absent, background=OTHERS)
    expected = weights(domain)
    assert weights(domain, block_rows=17) == expected
    assert weights(domain, deduplicate=False) == expected
    assert weights(pickle.loads(pickle.dumps(domain))) == expected


def test_one_instance_alone_is_explained_as_among_others():
    explainer = Explainer(MaskedSequence(), lambda x: x.sum(axis=(1, 2)), mode="regression")
    alone = explainer.explain(SERIES[3:4])[0]
    assert alone.as_list() == explainer.explain(SERIES)[3].as_list()


def test_long_sequences_are_shown_by_some_of_their_steps():
    (subject,) = MaskedSequence(count=4).subjects(RNG.normal(size=(1, 120_000, 1)))
    (shown,) = subject.shown
    assert shown.values.shape == (40_000, 1)
    assert shown.steps[1] == 3
    assert subject.content.labels.shape == (120_000, 1)


def test_the_recipe_tells_every_choice():
    known = MaskedSequence(absent="background", background=OTHERS).recipe()
    assert known == {
        "domain": "sequence",
        "series_parts": "windows",
        "windows": "fixed",
        "n_windows": 10,
        "window_length": None,
        "absent": "background",
        "background": OTHERS.digest(),
    }
