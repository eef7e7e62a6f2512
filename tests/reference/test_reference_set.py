"""The pinned set: the same digest for the same questions, and every damage noticed."""

import json

import numpy as np
import pandas as pd
import pytest

from mlflow_lime.core.layout import Layout
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.errors import DataError, DigestMismatchError, ReferenceSetError
from mlflow_lime.reference.associations import Associations
from mlflow_lime.reference.reference_set import (
    ASSOCIATIONS_FILE,
    INPUTS_FILE,
    REFERENCE_FILE,
    ReferenceSet,
)


@pytest.fixture
def frame():
    random = np.random.default_rng(0)
    n = 40
    return pd.DataFrame(
        {
            "income": random.normal(40, 10, n),
            "age": random.integers(20, 70, n),
            "job": random.choice(["cook", "nurse", "smith"], n),
            "level": pd.Categorical(random.choice(["low", "high"], n), ["low", "high"]),
            "grade": pd.Categorical(random.integers(1, 4, n)),
            "owner": random.random(n) > 0.5,
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 999, n), "h"),
            "zoned": pd.date_range("2021-03-01", periods=n, tz="Europe/Berlin"),
            "count": pd.array([None, *range(n - 1)], dtype="Int64"),
            "holes": np.where(random.random(n) > 0.3, random.random(n), np.nan),
            "notes": pd.Series([None, "a b", "", "é🧬"] * 10, dtype=object),
            7: random.random(n),
        }
    )


def table(frame):
    return Layout.of_table(Background.from_frame(frame))


def pin(frame, rows=(3, 0, 8), store_inputs="full", labels=(["1"], ["1"], ["0"]), **options):
    pinned = ReferenceSet.pin(
        frame.iloc[list(rows)],
        table(frame),
        positions=rows,
        reasons=["because"] * len(rows),
        store_inputs=store_inputs,
        **options,
    )
    return pinned.with_labels(labels)


def test_every_kind_of_column_comes_back(frame):
    reference = pin(frame, true_labels=[1, None, "x"])
    found = ReferenceSet.read(reference.files())
    assert found.digest == reference.digest
    assert len(found) == 3
    for name in ("keys", "digests", "positions", "reasons", "true_labels", "labels"):
        assert getattr(found, name) == getattr(reference, name)
    assert found.true_labels == ("1", None, "x")
    pd.testing.assert_frame_equal(found.inputs, reference.inputs, check_dtype=False)
    assert found.layout.digest() == reference.layout.digest()


def test_a_set_that_was_read_can_be_written_again(frame):
    reference = pin(frame)
    again = ReferenceSet.read(ReferenceSet.read(reference.files()).files())
    assert again.digest == reference.digest


def test_keys_number_the_instances_and_name_their_content(frame):
    reference = pin(frame, rows=(3, 3, 5))
    assert reference.keys[0][:4] == "00 #"
    assert reference.keys[0][3:] == reference.keys[1][3:] != reference.keys[2][3:]
    assert len(set(reference.keys)) == 3


def test_the_digest_is_that_of_the_questions(frame):
    digest = pin(frame).digest
    assert pin(frame, store_inputs="none").digest == digest
    assert pin(frame, true_labels=[1, 2, 3]).digest == digest
    assert pin(frame, rows=(0, 3, 8)).digest != digest
    assert pin(frame, labels=(["1"], ["1"], ["1"])).digest != digest
    other = frame.copy()
    other.loc[20, "income"] += 1
    assert pin(other).digest != digest


def test_labels_in_any_column_order_and_type_give_the_same_digest(frame):
    layout = table(frame)
    options = {"positions": (1,), "reasons": ("",)}
    first = ReferenceSet.pin(frame.iloc[[1]], layout, **options)
    turned = frame.iloc[[1]][list(frame.columns)[::-1]].astype({"age": "int32", "owner": object})
    assert ReferenceSet.pin(turned, layout, **options).digest == first.digest


@pytest.mark.parametrize(
    ("rule", "files"),
    [
        ("full", {REFERENCE_FILE, INPUTS_FILE}),
        ("redacted", {REFERENCE_FILE}),
        ("none", {REFERENCE_FILE}),
    ],
)
def test_what_is_written_keeps_to_the_rule(frame, rule, files):
    reference = pin(frame, store_inputs=rule, true_labels=["A1", "A2", "A3"])
    written = reference.files()
    assert set(written) == files
    content = json.loads(written[REFERENCE_FILE])
    assert (content["background"] is None) == (rule == "none")
    assert (b"A1" in written[REFERENCE_FILE]) == (rule == "full")


def test_the_stricter_rule_wins(frame):
    reference = pin(frame, true_labels=[1, 2, 3])
    assert reference.restricted("redacted").store_inputs == "redacted"
    assert reference.restricted("none").restricted("full").store_inputs == "none"
    assert reference.restricted("none").digest == reference.digest
    assert reference.restricted("redacted").true_labels == (None,) * 3
    assert reference.restricted("full").true_labels == ("1", "2", "3")


@pytest.mark.parametrize("rule", ["redacted", "none"])
def test_what_was_not_stored_is_found_in_the_data(frame, rule):
    reference = pin(frame, store_inputs=rule)
    found = ReferenceSet.read(
        reference.files(), data=frame, background=Background.from_frame(frame)
    )
    assert found.digest == reference.digest
    pd.testing.assert_frame_equal(found.inputs, reference.inputs)


def test_without_the_data_the_message_says_what_to_set(frame):
    with pytest.raises(ReferenceSetError, match=r"`store_inputs: redacted`.*set `data.source`"):
        ReferenceSet.read(pin(frame, store_inputs="redacted").files())
    with pytest.raises(ReferenceSetError, match=r"`store_inputs: none`.*`background.source`"):
        ReferenceSet.read(pin(frame, store_inputs="none").files(), data=frame)


def test_other_data_or_another_background_is_noticed(frame):
    files = pin(frame, store_inputs="none").files()
    background = Background.from_frame(frame)
    with pytest.raises(DigestMismatchError, match="background has digest"):
        ReferenceSet.read(files, data=frame, background=Background.from_frame(frame.head(9)))
    with pytest.raises(DigestMismatchError, match="3 of 3 pinned instances have other content"):
        ReferenceSet.read(files, data=frame[::-1], background=background)
    with pytest.raises(ReferenceSetError, match="instance 8 is not in the data of 4 rows"):
        ReferenceSet.read(files, data=frame.head(4), background=background)
    with pytest.raises(ReferenceSetError, match="lack 1 of 12 columns"):
        ReferenceSet.read(files, data=frame.drop(columns="age"), background=background)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(labels=[["0"]] * 3), "is damaged: its content has digest"),
        (lambda c: c.update(digests=c["digests"][::-1]), "other content"),
        (lambda c: c.update(digest="0" * 16), "its label says 0000"),
    ],
)
def test_a_change_of_what_the_digest_covers_is_noticed(frame, change, message):
    files = pin(frame).files()
    content = json.loads(files[REFERENCE_FILE])
    change(content)
    files[REFERENCE_FILE] = json.dumps(content).encode()
    with pytest.raises(DigestMismatchError, match=message):
        ReferenceSet.read(files)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"format": 1}',
        b"\xff\xfe",
        b"null",
        b'{"format": 1, "background": {"format": 1}}',
        b'{"format": 1, "background": []}',
    ],
)
def test_files_that_are_no_reference_set(frame, content):
    files = {**pin(frame).files(), REFERENCE_FILE: content}
    with pytest.raises(ReferenceSetError, match="cannot be read"):
        ReferenceSet.read(files)


def test_a_missing_or_damaged_file(frame):
    with pytest.raises(ReferenceSetError, match="cannot be read"):
        ReferenceSet.read({})
    files = pin(frame).files()
    with pytest.raises(ReferenceSetError, match="cannot be read"):
        ReferenceSet.read({**files, INPUTS_FILE: files[INPUTS_FILE][:-50]})
    for name in ("keys", "labels", "positions", "digest"):
        content = json.loads(files[REFERENCE_FILE])
        del content[name]
        with pytest.raises(ReferenceSetError, match=f"cannot be read.*{name}"):
            ReferenceSet.read({**files, REFERENCE_FILE: json.dumps(content).encode()})


def test_a_newer_format_asks_for_an_upgrade(frame):
    files = pin(frame).files()
    content = {**json.loads(files[REFERENCE_FILE]), "format": 2}
    with pytest.raises(ReferenceSetError, match="format 2, expected 1; upgrade"):
        ReferenceSet.read({REFERENCE_FILE: json.dumps(content).encode()})


def test_a_column_of_mixed_types_says_so_without_a_value():
    frame = pd.DataFrame({"a": pd.Series([1, "secret", 2.5, 3], dtype=object), "b": [1, 2, 3, 4]})
    reference = pin(frame, rows=(0, 1, 2))
    with pytest.raises(DataError, match="cannot be stored as Parquet") as error:
        reference.files()
    assert "secret" not in str(error.value)
    assert set(pin(frame, rows=(0, 1, 2), store_inputs="redacted").files()) == {REFERENCE_FILE}


def test_instances_that_do_not_fit_the_background(frame):
    with pytest.raises(DataError, match="lack 1 of 12 columns"):
        ReferenceSet.pin(frame.drop(columns="job"), table(frame), positions=[], reasons=[])


def facts(frame, store_inputs="full"):
    pinned = pin(frame, store_inputs=store_inputs)
    return pinned.with_facts(
        slices={"job": ["cook", None, 3]}, associations=Associations.of_frame(frame)
    )


def test_slices_and_associations_stand_beside_the_set_and_change_no_digest(frame):
    reference = facts(frame)
    assert reference.digest == pin(frame).digest
    found = ReferenceSet.read(reference.files())
    assert found.slices == {"job": ("cook", "missing", "3")}
    assert found.associations.columns == reference.associations.columns
    np.testing.assert_array_equal(found.associations.strength, reference.associations.strength)


def test_files_from_before_they_existed_are_read(frame):
    reference = pin(frame)
    files = reference.files()
    assert ASSOCIATIONS_FILE not in files
    assert "slices" not in json.loads(files[REFERENCE_FILE])
    found = ReferenceSet.read(files)
    assert (found.slices, found.associations) == ({}, None)


@pytest.mark.parametrize(("store_inputs", "kept"), [("redacted", True), ("none", False)])
def test_stricter_rules_drop_slices_and_then_associations(frame, store_inputs, kept):
    for reference in (facts(frame, store_inputs), facts(frame).restricted(store_inputs)):
        assert reference.slices == {}
        assert (reference.associations is not None) == kept
        assert (ASSOCIATIONS_FILE in reference.files()) == kept


@pytest.mark.parametrize("content", [b"{", b'{"format": 1, "columns": ["a"], "strength": []}'])
def test_damaged_associations_are_refused(frame, content):
    files = {**facts(frame).files(), ASSOCIATIONS_FILE: content}
    with pytest.raises(ReferenceSetError, match="cannot be read"):
        ReferenceSet.read(files)


@pytest.mark.parametrize("rule", ["redacted", "none"])
def test_reasons_tell_no_label_and_no_value_where_these_may_not_be_stored(rule):
    told = (
        "typical share of class hiv",
        "wrong label with probability 0.93; near the boundary: margin 0.02",
        "off by 4e+04",
        "chosen by id",
        "fits diagnosis == 'hiv'",
        "typical share of class hiv, in place of errors",
    )
    frame = pd.DataFrame({"age": np.arange(6)})
    layout = Layout.of_table(Background.from_frame(frame))
    kept = ReferenceSet.pin(frame, layout, positions=range(6), reasons=told).restricted(rule)
    assert kept.reasons == (
        "typical share",
        "picked by the model's answers",
        "picked by the model's answers",
        "chosen by id",
        "fits the query",
        "typical share",
    )
    assert b"hiv" not in b"".join(kept.with_labels([("1",)] * 6).files().values())
