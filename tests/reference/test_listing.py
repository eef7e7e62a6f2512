"""What a set lists, and how two differ: by content, whatever the order and the keys."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_lime.core.layout import Layout
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.errors import ReferenceSetError
from mlflow_lime.reference.listing import Listing, compare_listings
from mlflow_lime.reference.reference_set import REFERENCE_FILE, ReferenceSet

FRAME = pd.DataFrame({"a": np.arange(20.0), "b": list("xyzw") * 5})
LAYOUT = Layout.of_table(Background.from_frame(FRAME))


def pinned(rows, labels=None, layout=LAYOUT, **options):
    reference = ReferenceSet.pin(
        FRAME.iloc[list(rows)],
        layout,
        positions=rows,
        reasons=[f"because of {row}" for row in rows],
        true_labels=[row % 2 for row in rows],
        **options,
    )
    return reference.with_labels(labels or [["1"]] * len(rows))


def listing(*rows, **options):
    return Listing.of(pinned(rows, **options).files())


def test_everything_that_a_reader_wants_is_listed():
    reference = pinned([3, 8])
    found = Listing.of(reference.files())
    assert (found.digest, found.store_inputs) == (reference.digest, "full")
    assert found.background == LAYOUT.background.digest()
    first = found.instances[0]
    assert (first.key, first.digest) == (reference.keys[0], reference.digests[0])
    assert (first.position, first.reason, first.true_label) == (3, "because of 3", "1")
    assert (first.labels, first.parts) == (("1",), None)


@pytest.mark.parametrize("store", ["redacted", "none"])
def test_a_set_without_its_instances_is_listed_all_the_same(store):
    found = listing(3, 8, store_inputs=store)
    assert [item.position for item in found.instances] == [3, 8]
    assert [item.true_label for item in found.instances] == [None, None]
    assert not compare_listings(found, listing(3, 8))


ROWS = st.lists(st.integers(0, 19), min_size=1, max_size=8)


@given(ROWS, ROWS)
@settings(max_examples=80, deadline=None)
def test_what_is_added_and_kept_makes_the_second_and_removed_and_kept_the_first(one, two):
    first, second = listing(*one), listing(*two)
    found = compare_listings(first, second)

    def positions(*groups):
        return sorted(item.position for group in groups for item in group)

    assert positions(found.added, found.kept) == sorted(two)
    assert positions(found.removed, found.kept) == sorted(one)
    assert bool(found) == (one != two)
    assert bool(found) == (first.digest != second.digest)
    back = compare_listings(second, first)
    assert positions(back.added) == positions(found.removed)
    assert (back.moved, back.background) == (found.moved, found.background)


def test_other_labels_order_and_background_are_told_apart():
    first = listing(3, 8)
    again = listing(3, 8, labels=[["1"], ["0"]])
    found = compare_listings(first, again)
    assert [item.position for item in found.relabelled] == [8]
    assert (found.added, found.removed, found.background, found.moved) == ((), (), False, False)
    assert compare_listings(first, listing(8, 3)).moved
    other = Layout.of_table(Background.from_frame(FRAME.head(12)))
    assert compare_listings(first, listing(3, 8, layout=other)).background


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "cannot be read"),
        (b"[]", "cannot be read: TypeError"),
        (b'{"format": 9}', "format 9, expected 1; upgrade"),
        (b'{"format": 1}', "cannot be read: KeyError"),
    ],
)
def test_a_damaged_list_is_refused(content, message):
    with pytest.raises(ReferenceSetError, match=message):
        Listing.of({REFERENCE_FILE: content})


def test_columns_of_other_lengths_are_damage():
    files = pinned([3, 8]).files()
    content = json.loads(files[REFERENCE_FILE])
    content["reasons"].pop()
    with pytest.raises(ReferenceSetError, match="cannot be read: ValueError"):
        Listing.of({REFERENCE_FILE: json.dumps(content).encode()})
    with pytest.raises(ReferenceSetError, match="cannot be read: KeyError"):
        Listing.of({})
